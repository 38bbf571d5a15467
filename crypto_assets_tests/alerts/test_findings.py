"""What the database alone can tell: each kind is found when its bound is passed, and not a moment before."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from crypto_assets.alerts.alert import Severity
from crypto_assets.alerts.findings import Look, arbitrage, asset_path, ledger_growth, low_scores, stream_outage
from crypto_assets.datasets.market.arbitrage_opportunities.table import arbitrage_opportunities
from crypto_assets.datasets.market.book_ticker_snapshots.table import DATASET, book_ticker_snapshots
from crypto_assets.universe import Universe
from crypto_assets.universe_operations import AlertRules
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.playing import shipped_universe

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
RULES = AlertRules(min_score=0.9, ledger_growth=5, stream_silent_seconds=120, min_arbitrage_pct=0.5)
QUOTES = book_ticker_snapshots.fullname


@pytest.fixture
def warehouse(shared_warehouse: Warehouse) -> Warehouse:
    with shared_warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM quality.scores; DELETE FROM quality.coverage; DELETE FROM ops.writes")
    return shared_warehouse


def _universe() -> Universe:
    return shipped_universe().model_copy(update={"alerts": RULES})


def _look(warehouse: Warehouse, now: datetime = NOW) -> Look:
    return Look(warehouse, _universe(), now)


def _put(warehouse: Warehouse, statement: str, *rows: tuple[object, ...]) -> None:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        for row in rows:
            cursor.execute(statement, row)


def _score(warehouse: Warehouse, symbol: str, failed: int, ago: timedelta, run: str = "run") -> None:
    """A hundred rows of which so many failed the only check: the score is 1 less a hundredth of them."""
    checks = json.dumps({"rows_are_sound": {"dimension": "accuracy", "checked": 100, "failed": failed}})
    _put(
        warehouse,
        "INSERT INTO quality.scores (dataset, venue, symbol, timeframe, run_id, scored_at, window_start, window_end, checks,"
        " weights) VALUES ('market/ohlcv', 'gate', %s, '1h', %s, %s, %s, %s, %s, '{\"accuracy\": 1}')",
        (symbol, run, NOW - ago, NOW - ago, NOW - ago, checks),
    )


def test_scores_below_the_bound_are_one_alert_a_dataset_and_venue_that_names_the_worst(warehouse: Warehouse) -> None:
    _score(warehouse, "BTC/USDT", 11, HOUR)
    _score(warehouse, "ETH/USDT", 40, 2 * HOUR)
    _score(warehouse, "SOL/USDT", 10, HOUR)  # just at the bound
    _score(warehouse, "XRP/USDT", 50, 2 * HOUR, "before")
    _score(warehouse, "XRP/USDT", 0, HOUR, "after")  # its newest score holds
    _score(warehouse, "OLD/USDT", 90, timedelta(hours=27))
    [found] = low_scores(_look(warehouse))
    assert (found.subject, found.since) == ("market/ohlcv gate", NOW - 2 * HOUR)
    assert found.title == "market/ohlcv of gate scores 0.600"
    assert found.happened == "2 series score below 0.9; the worst is ETH/USDT 1h with 0.6000."


def _gap(
    warehouse: Warehouse, number: int, state: str, ago: timedelta, venue: str = "gate", dataset: str = "a/b"
) -> None:
    start = NOW - timedelta(days=number + 1)
    _put(
        warehouse,
        "INSERT INTO quality.coverage (dataset, venue, symbol, timeframe, gap_start, gap_end, state, evidence, first_seen)"
        " VALUES (%s, %s, 'BTC/USDT', '1h', %s, %s, %s, '{}', %s)",
        (dataset, venue, start, start + HOUR, state, NOW - ago),
    )


def test_the_ledger_grows_too_fast_from_the_bound_on_within_an_hour(warehouse: Warehouse) -> None:
    for number in range(4):
        _gap(warehouse, number, "missing", 10 * MINUTE)
    _gap(warehouse, 10, "missing", 61 * MINUTE)
    _gap(warehouse, 11, "venue_quiet", MINUTE)
    _gap(warehouse, 12, "missing", MINUTE, dataset="c/d")
    assert ledger_growth(_look(warehouse)) == []
    _gap(warehouse, 4, "venue_outage", MINUTE, venue="mexc")
    [found] = ledger_growth(_look(warehouse))
    assert (found.subject, found.severity, found.since) == ("a/b", Severity.CRITICAL, NOW - 10 * MINUTE)
    assert "5 gaps were noticed since 11:00 UTC, 4 of them of gate; the bound is 5." in found.happened


def _stored(warehouse: Warehouse, ago: timedelta) -> None:
    _put(
        warehouse,
        "INSERT INTO ops.writes (table_name, rows_ingested_at, rows_inserted, rows_changed, rows_deleted) VALUES (%s,%s,1,0,0)",
        (QUOTES, NOW - ago),
    )


def test_a_stream_that_stores_nothing_is_an_outage_and_one_that_never_ran_is_none(warehouse: Warehouse) -> None:
    assert stream_outage(_look(warehouse), book_ticker_snapshots) == []
    _stored(warehouse, 121 * SECOND)
    [found] = stream_outage(_look(warehouse), book_ticker_snapshots)
    assert (found.subject, found.since) == ("stream", NOW - 121 * SECOND)
    assert "121 seconds ago" in found.happened
    _stored(warehouse, 119 * SECOND)
    assert stream_outage(_look(warehouse), book_ticker_snapshots) == []
    nobody = _universe().model_copy(update={"stream": _universe().stream.model_copy(update={"venues": ()})})
    assert stream_outage(Look(warehouse, nobody, NOW + HOUR), book_ticker_snapshots) == []


def test_a_venue_without_a_feed_is_an_outage_while_the_stream_is_well(warehouse: Warehouse) -> None:
    _stored(warehouse, SECOND)
    for symbol, venue, minutes in (("BTC/USDT", "mexc", 5), ("ETH/USDT", "mexc", 4), ("BTC/USDT", "gate", 1)):
        _put(
            warehouse,
            "INSERT INTO quality.coverage (dataset, venue, symbol, timeframe, gap_start, gap_end, state, evidence)"
            " VALUES (%s, %s, %s, 'tick', %s, %s, 'venue_outage', '{}')",
            (DATASET, venue, symbol, NOW - minutes * MINUTE, NOW - 30 * SECOND),
        )
    [found] = stream_outage(_look(warehouse), book_ticker_snapshots)
    assert (found.subject, found.since) == ("mexc", NOW - 5 * MINUTE)
    assert found.happened == "2 markets of mexc have had no feed since 11:55:00 UTC."
    assert stream_outage(_look(warehouse, NOW + 4 * MINUTE), book_ticker_snapshots)[0].subject == "stream"


def _opportunity(warehouse: Warehouse, ago: timedelta, net: float, symbol: str = "BTC/USDT") -> None:
    at = NOW - ago
    _put(
        warehouse,
        "SELECT ops.ensure_day_partition('market.arbitrage_opportunities', %s);"
        " INSERT INTO market.arbitrage_opportunities VALUES (%s, 'gate', 'mexc', %s, %s, 3, 100, 101, 0.1, 0.1, 1, %s, 2, 1.5,"
        " 0, 0, 'test', %s)",
        (at, symbol, at, at - 2 * SECOND, net, at),
    )


def test_opportunities_are_told_while_they_last_and_are_worth_it(warehouse: Warehouse) -> None:
    _opportunity(warehouse, 10 * SECOND, 0.5)
    _opportunity(warehouse, 5 * SECOND, 0.7)
    _opportunity(warehouse, 5 * SECOND, 0.49, "ETH/USDT")
    _opportunity(warehouse, 2 * MINUTE, 3.0, "SOL/USDT")
    [found] = arbitrage(_look(warehouse), arbitrage_opportunities)
    assert (found.subject, found.since) == ("BTC/USDT gate>mexc", NOW - 7 * SECOND)
    assert found.title == "0.70 % after fees: BTC/USDT from gate to mexc"
    assert "Bought at 100 and sold at 101, 2 would have earned 1.5 USDT." in found.happened


def test_pages_of_assets_are_paths_that_hold_whatever_a_name_holds() -> None:
    assert asset_path("market/ohlcv") == "/assets/market/ohlcv"
    assert asset_path("a/b c", "checks", checkDetail="x&y") == "/assets/a/b%20c?view=checks&checkDetail=x%26y"
