"""Names follow from facts: what the venue answered, who traded meanwhile, what was listed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.quality.gaps import Evidence, Gap, State
from crypto_assets.quality.naming import Listing, Market, name_gaps
from crypto_assets.spans import union
from crypto_assets.universe import Gaps

HOUR = timedelta(hours=1)
BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
RULES = Gaps()
ALL = [(BEGIN, BEGIN + 2000 * HOUR)]
OLD = [Listing(None, None)]


def hour(number: int) -> datetime:
    return BEGIN + number * HOUR


def gap(start: int, end: int, state: State = State.MISSING, answers: int = 1) -> Gap:
    return Gap(hour(start), hour(end), state, Evidence(why="test", answers=answers), BEGIN)


def market(*gaps: Gap, listings: Sequence[Listing] | None = OLD) -> Market:
    return Market(gaps, ALL, BEGIN, listings)


def named(markets: Mapping[str, Market], symbol: str = "A", rules: Gaps = RULES) -> list[tuple[int, int, str]]:
    found = name_gaps(markets, HOUR, rules)
    again = name_gaps(
        {name: Market(found[name], m.collected, m.first_bar, m.listings) for name, m in markets.items()}, HOUR, rules
    )
    assert again == found, "naming twice changes something"
    return [((one.start - BEGIN) // HOUR, (one.end - BEGIN) // HOUR, one.state.value) for one in found[symbol]]


def test_a_gap_that_every_market_shows_is_an_outage() -> None:
    markets = {name: market(gap(10, 14)) for name in "ABC"}
    assert named(markets) == [(10, 14, "venue_outage")]
    evidence = name_gaps(markets, HOUR, RULES)["A"][0].evidence
    assert (evidence.silent, evidence.trading) == (("B", "C"), ())


def test_two_silent_markets_are_too_few_for_an_outage() -> None:
    assert named({name: market(gap(10, 14)) for name in "AB"}) == [(10, 14, "missing")]


def test_a_gap_while_another_market_trades_is_quiet() -> None:
    assert named({"A": market(gap(10, 14)), "B": market()}) == [(10, 14, "venue_quiet")]


def test_only_the_part_that_all_share_is_the_outage() -> None:
    markets = {"A": market(gap(8, 20)), "B": market(gap(10, 14)), "C": market(gap(10, 16))}
    assert named(markets) == [(8, 10, "venue_quiet"), (10, 14, "venue_outage"), (14, 20, "venue_quiet")]


def test_what_was_not_asked_for_exactly_stays_missing() -> None:
    assert named({"A": market(gap(10, 14, answers=0)), "B": market()}) == [(10, 14, "missing")]


def test_a_neighbour_that_was_not_asked_yet_is_no_witness() -> None:
    markets = {
        "A": market(gap(10, 14)),
        "B": market(gap(10, 14)),
        "C": market(gap(10, 14)),
        "D": market(gap(10, 14, answers=0)),
    }
    assert named(markets) == [(10, 14, "missing")]


def test_a_market_that_collected_nothing_then_is_no_witness() -> None:
    absent = Market((), [(hour(500), hour(900))], hour(500), OLD)
    assert named({"A": market(gap(10, 14)), "B": absent}) == [(10, 14, "missing")]


def test_outside_the_listing_nothing_is_due_whatever_the_venue_said() -> None:
    listings = [Listing(hour(5), hour(100)), Listing(hour(120), None)]
    markets = {"A": market(gap(0, 5, answers=0), gap(90, 130, answers=0), listings=listings)}
    assert named(markets) == [
        (0, 5, "not_listed"), (90, 100, "missing"), (100, 120, "not_listed"), (120, 130, "missing"),
    ]  # fmt: skip


def test_before_the_first_bar_of_an_unknown_market_nothing_is_named() -> None:
    unknown = Market((gap(0, 10),), ALL, hour(10), None)
    assert named({"A": unknown, "B": market()}) == [(0, 10, "missing")]
    assert named({"A": Market((gap(20, 30),), ALL, hour(10), None), "B": market()}) == [(20, 30, "venue_quiet")]


def test_a_listing_date_that_moves_back_makes_bars_due_again() -> None:
    wrong = Gap(hour(0), hour(5), State.NOT_LISTED, Evidence(why="x"), BEGIN)
    assert named({"A": market(wrong, listings=[Listing(hour(2), None)])}) == [(0, 2, "not_listed"), (2, 5, "missing")]


def test_a_market_that_stands_still_for_a_week_while_others_trade_is_halted() -> None:
    assert named({"A": market(gap(10, 10 + 7 * 24)), "B": market()}) == [(10, 178, "not_listed")]
    assert named({"A": market(gap(10, 9 + 7 * 24)), "B": market()}) == [(10, 177, "venue_quiet")]


def test_a_halted_market_is_no_witness_of_an_outage() -> None:
    markets = {"A": market(gap(0, 400)), "B": market(gap(100, 103)), "C": market(gap(100, 103)), "D": market()}
    assert named(markets, "A") == [(0, 400, "not_listed")]
    assert named(markets, "B") == [(100, 103, "venue_quiet")]


def test_a_thin_market_alone_is_quiet_and_a_busy_one_is_not() -> None:
    skips = [gap(n, n + 1) for n in range(100, 900, 10)]  # a skip in ten bars: twice the 5 % that make a habit
    assert (500, 501, "venue_quiet") in named({"A": market(*skips)})
    few = [gap(n, n + 1) for n in range(100, 900, 40)]
    assert {state for _, _, state in named({"A": market(*few)})} == {"missing"}


def test_a_hole_too_long_for_a_skip_is_not_quiet_by_habit() -> None:
    skips = [gap(n, n + 1) for n in range(100, 900, 10)]
    assert (950, 966, "missing") in named({"A": market(*skips, gap(950, 966))})


def test_all_thin_markets_silent_together_are_quiet_and_no_outage() -> None:
    skips = [gap(n, n + 1) for n in range(100, 900, 10)]
    assert (500, 501, "venue_quiet") in named({name: market(*skips) for name in "ABC"})


def test_what_nothing_explains_is_unrecoverable_after_the_last_attempt() -> None:
    assert named({"A": market(gap(10, 14, answers=4))}) == [(10, 14, "missing")]
    assert named({"A": market(gap(10, 14, answers=5))}) == [(10, 14, "unrecoverable")]


@pytest.mark.parametrize("state", [State.VENUE_QUIET, State.VENUE_OUTAGE, State.UNRECOVERABLE])
def test_a_name_once_given_holds_while_nothing_contradicts_it(state: State) -> None:
    assert named({"A": market(gap(10, 14, state))}) == [(10, 14, state.value)]


def test_an_outage_is_called_quiet_once_a_market_turns_out_to_have_traded() -> None:
    markets = {
        "A": market(gap(10, 14, State.VENUE_OUTAGE)),
        "B": market(gap(10, 14, State.VENUE_OUTAGE)),
        "C": market(),
    }
    assert named(markets) == [(10, 14, "venue_quiet")]


def test_a_halt_keeps_its_name_and_its_bars_where_nobody_else_is_known_any_more() -> None:
    halt = Gap(hour(10), hour(300), State.NOT_LISTED, Evidence(why="x", answers=1, trading=("B",), is_halt=True), BEGIN)
    assert named({"A": Market((halt,), [(hour(400), hour(500))], hour(0), OLD)}) == [(10, 300, "not_listed")]


spans = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 12)), max_size=5)
kinds = st.sampled_from([(State.MISSING, 0), (State.MISSING, 1), (State.MISSING, 5), (State.VENUE_QUIET, 1)])


@given(holes=st.tuples(spans, spans, spans, spans), kind=kinds, listed=st.integers(0, 20), ended=st.integers(21, 90))
def test_naming_neither_loses_nor_adds_a_bar_and_twice_is_once(
    holes: tuple[list[tuple[int, int]], ...], kind: tuple[State, int], listed: int, ended: int
) -> None:
    rules = Gaps(halt_days=0.4, thin_share=0.01)
    markets = {}
    for name, pairs in zip("ABCD", holes, strict=True):
        absent = union((hour(at), hour(at + length)) for at, length in pairs)
        gaps = [Gap(*one, kind[0], Evidence(why="x", answers=kind[1]), BEGIN) for one in absent]
        listings = [Listing(hour(listed), hour(ended))] if name == "A" else OLD
        markets[name] = Market(gaps, [(BEGIN, hour(80))], BEGIN, listings)
    found = name_gaps(markets, HOUR, rules)
    assert name_gaps({name: replace(one, gaps=found[name]) for name, one in markets.items()}, HOUR, rules) == found
    for name, market in markets.items():
        after = found[name]
        assert union(one.span for one in after) == [one.span for one in market.gaps]
        assert sum((one.end - one.start for one in after), timedelta()) == sum(
            (one.end - one.start for one in market.gaps), timedelta()
        )
