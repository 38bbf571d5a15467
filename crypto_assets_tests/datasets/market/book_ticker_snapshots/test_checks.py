"""The checks of quotes: what holds passes, and each broken truth is found."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from crypto_assets.datasets.market.book_ticker_snapshots.checks import RULES
from crypto_assets.datasets.market.book_ticker_snapshots.recount import count_markets, note_absent
from crypto_assets.partitions import VenueWindow, hour_key, hour_window
from crypto_assets.quality.findings import Finding
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.market.book_ticker_hours.quotes import (
    HOUR,
    SECOND,
    Second,
    at,
    every_second,
    put_quotes,
)
from crypto_assets_tests.datasets.market.book_ticker_snapshots.universe import universe

START = at("2026-03-02 10:00")
WINDOW = VenueWindow("", START, START + HOUR)
LIKE = Second(START)
MINUTE = timedelta(minutes=1)


def _judged(
    warehouse: Warehouse, name: str, window: VenueWindow = WINDOW, **rules: object
) -> tuple[bool, Sequence[Finding]]:
    [rule] = [one for one in RULES if one.name == name]
    findings = rule.look(warehouse, universe(**rules), window)
    return rule.passes(findings, universe(**rules)), findings


def _put_bars(warehouse: Warehouse, bars: Sequence[tuple[datetime, float, float, float]]) -> None:
    """Bars of a minute of gate's BTC/USDT: when, low, high, volume."""
    with warehouse.connect() as connection, connection.cursor() as cursor:
        for opened_at, low, high, volume in bars:
            cursor.execute("SELECT ops.ensure_year_partition('market.ohlcv', %s)", (opened_at,))
            cursor.execute(
                "INSERT INTO market.ohlcv (venue, symbol, timeframe, opened_at, open, high, low, close, volume_base,"
                " source, known_at) VALUES ('gate', 'BTC/USDT', '1m', %s, %s, %s, %s, %s, %s, 'test', %s)",
                (opened_at, low, high, low, high, volume, opened_at + MINUTE),
            )


def test_a_whole_hour_keeps_every_rule(warehouse: Warehouse) -> None:
    markets = (LIKE, replace(LIKE, symbol="ETH/USDT"), replace(LIKE, venue="mexc"))
    put_quotes(warehouse, [row for like in markets for row in every_second(START, 3600, like)])
    _put_bars(warehouse, [(START + place * MINUTE, 99.5, 100.5, 1.0) for place in range(60)])
    for rule in RULES:
        findings = rule.look(warehouse, universe(), WINDOW)
        assert rule.passes(findings, universe()), rule.name
        assert sum(one.failed for one in findings) == 0, rule.name
    checked = {name: sum(one.checked for one in _judged(warehouse, name)[1]) for name in (one.name for one in RULES)}
    assert checked == {
        "key_is_unique": 10_800,
        "seconds_complete": 10_800,
        "spread_positive": 10_800,
        "not_crossed": 10_800,
        "few_stale": 10_800,
        "snapshots_agree_with_bars": 60,
        "no_snapshot_from_the_future": 10_800,
        "newest_snapshot_is_recent": 0,  # the hour is over
    }


def test_an_hour_without_rows_breaks_nothing(warehouse: Warehouse) -> None:
    for rule in RULES:
        assert rule.passes(rule.look(warehouse, universe(), WINDOW), universe()), rule.name


def test_a_key_that_stands_twice_is_found(warehouse: Warehouse) -> None:
    put_quotes(warehouse, every_second(START, 3, LIKE))
    with warehouse.connect() as connection, connection.cursor() as cursor:
        key = "ALTER TABLE market.book_ticker_snapshots DROP CONSTRAINT book_ticker_snapshots_pkey"
        cursor.execute(key)
    try:
        put_quotes(warehouse, every_second(START + SECOND, 2, LIKE))
        passes, [finding] = _judged(warehouse, "key_is_unique")
        assert (passes, finding.checked, finding.failed) == (False, 5, 2)
    finally:
        with warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.execute("TRUNCATE market.book_ticker_snapshots")
            cursor.execute("ALTER TABLE market.book_ticker_snapshots ADD PRIMARY KEY (venue, symbol, snapshot_at)")


def test_seconds_that_lack_fail_until_the_ledger_names_them(warehouse: Warehouse) -> None:
    put_quotes(warehouse, [*every_second(START, 1800, LIKE), *every_second(START + 1804 * SECOND, 1796, LIKE)])
    passes, [finding] = _judged(warehouse, "seconds_complete")
    assert (passes, finding.checked, finding.failed) == (False, 3600, 4)
    assert finding.example == "2026-03-02 10:30:00"
    assert _judged(warehouse, "seconds_complete", min_seconds_share=0.998)[0]  # 3,596 of 3,600 are 0.99889
    now = START + 2 * HOUR
    with warehouse.connect() as connection:
        note_absent(connection, count_markets(connection, universe(), (START, START + HOUR), now), now)
    passes, [finding] = _judged(warehouse, "seconds_complete")
    assert (passes, finding.failed, finding.note) == (True, 0, "4 absent seconds are in the ledger")


def test_one_poor_market_is_not_hidden_by_many_good_ones(warehouse: Warehouse) -> None:
    put_quotes(warehouse, every_second(START, 3600, replace(LIKE, symbol="ETH/USDT")))
    put_quotes(warehouse, [Second(START - HOUR), *every_second(START, 3590, LIKE)])
    passes, findings = _judged(warehouse, "seconds_complete")
    assert not passes
    assert {one.symbol: one.failed for one in findings} == {"BTC/USDT": 10, "ETH/USDT": 0}


def test_crossed_quotes_fail_and_locked_ones_are_told(warehouse: Warehouse) -> None:
    rows = [Second(START), Second(START + SECOND, ask="99"), Second(START + 2 * SECOND, ask="98.9")]
    put_quotes(warehouse, rows)
    passes, [finding] = _judged(warehouse, "not_crossed")
    assert (passes, finding.checked, finding.failed, finding.example) == (False, 3, 1, "2026-03-02 10:00:02")
    assert finding.note == "locked, bid equals ask, in 1 of 3 rows"
    passes, [finding] = _judged(warehouse, "spread_positive")
    assert (passes, finding.failed) == (False, 2)


def test_stale_rows_may_be_few(warehouse: Warehouse) -> None:
    fresh = every_second(START, 190, LIKE)
    put_quotes(warehouse, [*fresh, *every_second(START + 190 * SECOND, 10, replace(LIKE, is_stale=True))])
    assert _judged(warehouse, "few_stale")[0]  # 10 of 200 are the bound of 0.05
    put_quotes(warehouse, [Second(START + 200 * SECOND, is_stale=True)])
    passes, [finding] = _judged(warehouse, "few_stale")
    assert (passes, finding.checked, finding.failed) == (False, 201, 11)


def test_the_last_fresh_middle_of_a_minute_lies_within_its_bar(warehouse: Warehouse) -> None:
    put_quotes(
        warehouse,
        [
            Second(START, bid="50", ask="51"),  # not the last one
            Second(START + 58 * SECOND, bid="99", ask="101"),
            Second(START + 59 * SECOND, bid="50", ask="51", is_stale=True),
            Second(START + 119 * SECOND, bid="100.19", ask="100.21"),
            Second(START + 179 * SECOND, bid="50", ask="51"),
            Second(START + 239 * SECOND, bid="50", ask="51"),
        ],
    )
    # Fresh middles: 100 inside; 100.2 a fifth of a percent above; 50.5 beside a bar without trades, and without a bar.
    bars = [(99.5, 100.5, 1.0), (99.0, 100.0, 1.0), (100.0, 100.0, 0.0)]
    _put_bars(warehouse, [(START + place * MINUTE, *bar) for place, bar in enumerate(bars)])
    passes, [finding] = _judged(warehouse, "snapshots_agree_with_bars")
    assert (passes, finding.checked, finding.failed, finding.timeframe) == (False, 2, 1, "1m")
    assert (finding.example, finding.note) == ("2026-03-02 10:01", "up to 0.200 % beside the bar")
    assert _judged(warehouse, "snapshots_agree_with_bars", max_bar_difference_pct=0.21)[0]
    assert _judged(warehouse, "snapshots_agree_with_bars", min_share_matching_bars=0.5)[0]
    # A market that the stream does not follow is not looked at.
    assert _judged(warehouse, "snapshots_agree_with_bars", venues=["mexc"])[1] == []


def test_a_quote_that_came_after_its_second_is_from_the_future(warehouse: Warehouse) -> None:
    put_quotes(warehouse, every_second(START, 3, LIKE))
    with warehouse.connect() as connection, connection.cursor() as cursor:
        late = "UPDATE market.book_ticker_snapshots SET received_at = snapshot_at + %s WHERE snapshot_at = %s"
        cursor.execute(late, (6 * SECOND, START))
        cursor.execute(late, (4 * SECOND, START + SECOND))
    passes, [finding] = _judged(warehouse, "no_snapshot_from_the_future")
    assert (passes, finding.failed) == (False, 1)


def test_a_second_that_was_stored_before_it_was_is_from_the_future(warehouse: Warehouse) -> None:
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=10)
    put_quotes(warehouse, [Second(soon)])
    window = VenueWindow("", *hour_window(hour_key(soon)))
    assert not _judged(warehouse, "no_snapshot_from_the_future", window)[0]


@pytest.mark.parametrize(("age", "failed"), [(0, 0), (60, 0), (121, 1), (86_400, 1)])
def test_in_the_open_hour_each_market_has_a_young_row(warehouse: Warehouse, age: int, failed: int) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    start, end = hour_window(hour_key(now))
    window = VenueWindow("", start, end + HOUR)  # the hour may end while this test runs
    put_quotes(warehouse, [Second(now - age * SECOND)])
    passes, findings = _judged(warehouse, "newest_snapshot_is_recent", window)
    told = {(one.venue, one.symbol): (one.checked, one.failed, one.note) for one in findings}
    assert told == {
        ("gate", "BTC/USDT"): (1, failed, ""),
        ("gate", "ETH/USDT"): (0, 0, "no quote has ever come"),
        ("mexc", "BTC/USDT"): (0, 0, "no quote has ever come"),
    }
    assert passes is not bool(failed)
