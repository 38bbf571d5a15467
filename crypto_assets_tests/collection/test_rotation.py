"""Whose turn it is: the most urgent due market, and nobody waits longer than the bound that is promised."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_assets.collection.rotation import Turn, longest_wait, most_urgent, next_due, volume_shares


def _first(*turns: Turn, now: float) -> str | None:
    chosen = most_urgent(turns, now)
    return chosen.name if chosen else None


def test_a_market_is_due_one_interval_after_it_was_asked() -> None:
    turn = Turn("A", 100, 60)
    assert turn.due_at == 160
    assert _first(turn, now=159.9) is None
    assert _first(turn, now=160) == "A"


def test_where_nothing_is_due_the_next_moment_is_known() -> None:
    assert next_due([Turn("A", 100, 60), Turn("B", 120, 30), Turn("C", 0, 999)]) == 150
    assert next_due([]) is None
    assert most_urgent([], 0) is None


def test_the_longest_waiting_in_its_own_intervals_is_first() -> None:
    minute, hour = Turn("M", 0, 60), Turn("H", 0, 3600)
    assert _first(minute, hour, now=3600) == "M"  # 60 of its intervals against one
    assert _first(Turn("M", 3500, 60), hour, now=7100) == "M"  # 60 against 1.97
    assert _first(Turn("M", 7020, 60), hour, now=7200) == "M"  # 3 against 2
    assert _first(Turn("M", 7100, 60), hour, now=7200) == "H"  # 1.67 against 2


def test_among_equals_the_one_with_more_volume_is_first() -> None:
    assert _first(Turn("A", 0, 60, 0.2), Turn("B", 0, 60, 0.7), Turn("C", 0, 60, 0.1), now=60) == "B"


def test_volume_is_worth_no_more_than_one_interval_of_waiting() -> None:
    large = Turn("L", 60, 60, 1.0)
    assert _first(large, Turn("S", 0.1, 60), now=120) == "L"
    assert _first(large, Turn("S", -0.1, 60), now=120) == "S"


def test_a_market_that_is_not_due_has_no_turn_however_large_it_is() -> None:
    assert _first(Turn("L", 100, 60, 1.0), Turn("S", 60, 60, 0.0), now=120) == "S"


def test_the_bound_is_four_polls_of_each_and_the_load_times_the_interval() -> None:
    turns = [Turn("A", 0, 10), Turn("B", 0, 40)]  # the load: 1/10 + 1/40
    factor = 0.125 * max(1, 2 * math.log(2))
    assert longest_wait(turns, 1) == pytest.approx({"A": 8 + factor * 10, "B": 8 + factor * 40})
    assert longest_wait([], 1) == {}


_MARKETS = st.lists(
    st.tuples(st.floats(0.5, 300), st.floats(0, 1), st.floats(-2000, 0)), min_size=1, max_size=12
)  # interval, share, when it was last asked


@settings(max_examples=150, deadline=None)
@given(_MARKETS, st.floats(0.05, 8), st.integers(50, 300))
def test_with_one_poll_after_the_other_nobody_waits_longer_than_the_bound(
    markets: list[tuple[float, float, float]], seconds_a_poll: float, polls: int
) -> None:
    turns = {
        str(i): Turn(str(i), asked, interval, share) for i, (interval, share, asked) in enumerate(markets)
    }  # whose load may be a hundred times what one server manages
    bound = longest_wait(list(turns.values()), seconds_a_poll)
    now = 0.0
    for _ in range(polls):
        turn = most_urgent(turns.values(), now)
        if turn is None:
            now = next_due(turns.values()) or now
            continue
        for other in turns.values():
            assert now - max(0.0, other.due_at) <= bound[other.name]
        turns[turn.name] = Turn(turn.name, now, turn.interval, turn.share)
        now += seconds_a_poll


@settings(max_examples=80, deadline=None)
@given(_MARKETS, st.floats(0.05, 8))
def test_every_market_has_its_turn_however_much_the_others_want(
    markets: list[tuple[float, float, float]], seconds_a_poll: float
) -> None:
    turns = {str(i): Turn(str(i), asked, interval, share) for i, (interval, share, asked) in enumerate(markets)}
    bound = max(longest_wait(list(turns.values()), seconds_a_poll).values())
    now, had = 0.0, set()
    until = bound + max(turn.interval for turn in turns.values())
    while now <= until:
        turn = most_urgent(turns.values(), now)
        if turn is None:
            now = next_due(turns.values()) or now
            continue
        had.add(turn.name)
        turns[turn.name] = Turn(turn.name, now, turn.interval, turn.share)
        now += seconds_a_poll
    assert had == turns.keys()


def test_shares_are_parts_of_the_whole_and_equal_where_nothing_is_known() -> None:
    assert volume_shares({"A": 30.0, "B": 10.0, "C": None}) == {"A": 0.75, "B": 0.25, "C": 0}
    assert volume_shares({"A": None, "B": 0.0}) == {"A": 0.5, "B": 0.5}
    assert volume_shares({}) == {}


def test_a_volume_that_is_no_sound_number_counts_as_none() -> None:
    told = volume_shares({"A": 3.0, "B": 1.0, "C": math.nan, "D": math.inf, "E": -5.0, "F": -math.inf})
    assert told == {"A": 0.75, "B": 0.25, "C": 0, "D": 0, "E": 0, "F": 0}


@given(st.dictionaries(st.text(max_size=3), st.none() | st.floats(max_value=1e300), min_size=1, max_size=20))
def test_shares_lie_between_nothing_and_all_and_add_up(volumes: dict[str, float | None]) -> None:
    shares = volume_shares(volumes)
    assert shares.keys() == volumes.keys()
    assert all(0 <= share <= 1 for share in shares.values())
    assert sum(shares.values()) == pytest.approx(1)
