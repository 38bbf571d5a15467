"""The same alert is told only so often, and never a flood at once."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.stream.alerts import MOST_AT_ONCE, Alerts
from crypto_assets_tests.stream.standings import SECOND, START


def told_at(alerts: Alerts, kind: str, about: str, seconds: list[int]) -> list[int]:
    return [second for second in seconds if alerts.is_due(kind, about, START + second * SECOND)]


def test_one_a_minute_of_each_market_and_kind_and_all_are_counted() -> None:
    told: Counter[str] = Counter()
    alerts = Alerts(60, told)
    assert told_at(alerts, "spread", "mexc BTC", list(range(130))) == [0, 60, 120]
    assert told_at(alerts, "spread", "gate BTC", [130, 131]) == [130]
    assert told_at(alerts, "liquidity", "mexc BTC", [131, 132]) == [131]
    assert told == {"spread": 4, "liquidity": 1}


def test_without_a_pause_every_snapshot_may_tell() -> None:
    assert told_at(Alerts(0, Counter()), "spread", "mexc BTC", [1, 2, 3]) == [1, 2, 3]


def test_a_flood_is_spread_over_the_seconds_that_follow() -> None:
    told: Counter[str] = Counter()
    alerts = Alerts(60, told)
    markets = [f"market {number}" for number in range(2 * MOST_AT_ONCE + 5)]
    seconds = [[market for market in markets if told_at(alerts, "spread", market, [at])] for at in range(4)]
    assert [len(one) for one in seconds] == [MOST_AT_ONCE, MOST_AT_ONCE, 5, 0]
    assert [market for second in seconds for market in second] == markets  # each once
    assert told == {"spread": len(markets)}
    assert told_at(alerts, "liquidity", markets[0], [3]) == [3]  # another kind has its own measure


def test_a_clock_that_is_set_back_silences_nothing() -> None:
    alerts = Alerts(60, Counter())
    assert told_at(alerts, "spread", "mexc BTC", [7200, 3600, 3601, 3660]) == [7200, 3600, 3660]


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from("ab"), st.sampled_from("xy")), max_size=60))
def test_two_of_a_kind_and_market_are_never_nearer_than_the_pause(steps: list[tuple[int, str, str]]) -> None:
    told: Counter[str] = Counter()
    alerts = Alerts(10, told)
    last: dict[tuple[str, str], int] = {}
    at = START
    for wait, kind, about in steps:
        at += wait * SECOND
        is_due = (kind, about) not in last or at - last[kind, about] >= 10 * SECOND
        assert alerts.is_due(kind, about, at) == is_due
        if is_due:
            last[kind, about] = at
    assert sum(told.values()) >= len(last)
