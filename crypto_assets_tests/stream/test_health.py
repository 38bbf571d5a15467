"""How many markets are fresh, how wide spreads are, and what each venue tells a minute."""

from __future__ import annotations

import pytest

from crypto_assets.stream.counters import FeedCounters
from crypto_assets.stream.health import Pace, market_health, spread_pct
from crypto_assets_tests.stream.standings import SECOND, START, snapshot, standing

FRESH = [standing("mexc", "100", "100.1"), standing("gate", "200", "200.6")]  # 0.1 % and 0.3 % wide
STALE = standing("gate", "50", "51", symbol="ETH/USDT", is_stale=True)


def test_a_pair_is_active_where_every_venue_that_is_to_have_it_has_a_fresh_quote() -> None:
    health = market_health(
        snapshot(
            0, [*FRESH, STALE, standing("mexc", "50", "51", symbol="ETH/USDT", is_stale=True)], [("mexc", "XRP/USDT")]
        )
    )
    assert (health.pairs, health.pairs_active) == (3, 1)
    assert (health.markets, health.markets_fresh) == (5, 2)
    assert health.mean_spread_pct == pytest.approx((0.1 + 0.3) / 2)
    one_absent = market_health(snapshot(0, FRESH[:1], [("gate", "BTC/USDT")]))
    assert (one_absent.pairs, one_absent.pairs_active) == (1, 0)


def test_without_a_fresh_quote_there_is_no_mean_spread() -> None:
    health = market_health(snapshot(0, [STALE]))
    assert (health.pairs, health.pairs_active, health.mean_spread_pct) == (1, 0, None)


def test_a_crossed_quote_has_a_spread_below_zero() -> None:
    assert spread_pct(standing("mexc", "100", "99")) == pytest.approx(-1.0)


def test_updates_are_counted_over_the_last_minute_without_those_that_told_nothing_new() -> None:
    feeds = FeedCounters()
    pace = Pace(feeds)
    for second in range(91):
        pace.note(START + second * SECOND)
        feeds.quotes["mexc"] += 10 if second < 60 else 2
        feeds.quotes["gate"] += 5
        feeds.ignored["gate"] += 5  # the same again and again
    seen = snapshot(90, [*FRESH, STALE], [("okx", "BTC/USDT")])
    by_venue = {one.venue: one for one in pace.connections(seen)}
    # From second 30 to 90: thirty seconds of ten, thirty of two.
    assert by_venue["mexc"].updates_per_minute == pytest.approx(360)
    assert by_venue["gate"].updates_per_minute == 0
    assert by_venue["okx"].updates_per_minute == 0
    assert [(one.markets, one.markets_fresh) for one in by_venue.values()] == [(2, 1), (1, 1), (1, 0)]
    assert list(by_venue) == ["gate", "mexc", "okx"]
    assert all(one.is_whole_minute for one in by_venue.values())


def test_before_a_minute_is_over_the_pace_so_far_is_told() -> None:
    feeds = FeedCounters()
    pace = Pace(feeds)
    pace.note(START)
    (at_once, _) = pace.connections(snapshot(0, FRESH))
    assert (at_once.updates_per_minute, at_once.is_whole_minute) == (0, False)
    feeds.quotes["mexc"] += 100
    pace.note(START + 20 * SECOND)
    (_, mexc) = pace.connections(snapshot(20, FRESH))
    assert mexc.updates_per_minute == pytest.approx(300)
    assert not mexc.is_whole_minute


def test_a_clock_that_is_set_back_begins_the_minute_anew() -> None:
    feeds = FeedCounters()
    pace = Pace(feeds)
    for second in (0, 30, 61, 10):
        feeds.quotes["mexc"] += 1
        pace.note(START + second * SECOND)
    assert not any(one.is_whole_minute for one in pace.connections(snapshot(10, FRESH)))
