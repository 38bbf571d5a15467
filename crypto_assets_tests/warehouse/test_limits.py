"""Polls and providers in ops: what is written is read, and the longest wait is kept."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name

from crypto_assets.clients.breaker import BreakerState, BreakerStatus
from crypto_assets.clients.pacing import Usage
from crypto_assets.collection.shared_pace import SharedPace
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.limits import (
    Poll,
    read_all_polls,
    read_polls,
    read_providers,
    resting_providers,
    typical_latency,
    write_poll,
)

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
POLL = Poll("BTC/USDT", NOW, NOW + timedelta(seconds=90.5), 90.5, 1.25, 2, "no answer", 7.5)


def test_a_poll_is_read_as_it_was_written(connection: Connection) -> None:
    plain = Poll("ETH/USDT", NOW, NOW, 60)
    write_poll(connection, "market/trades", "binance", POLL)
    write_poll(connection, "market/trades", "binance", plain)
    assert read_polls(connection, "market/trades", "binance") == {"BTC/USDT": POLL, "ETH/USDT": plain}


def test_datasets_and_venues_have_polls_of_their_own(connection: Connection) -> None:
    write_poll(connection, "market/trades", "binance", POLL)
    write_poll(connection, "market/order_books", "binance", replace(POLL, activity=9.0))
    assert read_polls(connection, "market/trades", "okx") == {}
    assert read_polls(connection, "market/order_books", "binance")["BTC/USDT"].activity == 9.0
    assert read_polls(connection, "market/trades", "binance")["BTC/USDT"] == POLL


def test_the_next_poll_replaces_all_but_a_longer_wait(connection: Connection) -> None:
    for wait in (3.0, 20.0, 1.0):
        later = Poll("BTC/USDT", NOW + timedelta(minutes=5), NOW + timedelta(minutes=6), 60, longest_wait_seconds=wait)
        write_poll(connection, "market/trades", "binance", POLL)
        write_poll(connection, "market/trades", "binance", later)
    assert read_polls(connection, "market/trades", "binance")["BTC/USDT"] == replace(later, longest_wait_seconds=20)


def test_times_come_back_as_utc_whatever_zone_they_were_in(connection: Connection) -> None:
    there = timezone(timedelta(hours=5, minutes=45))
    write_poll(connection, "d", "v", replace(POLL, polled_at=NOW.astimezone(there)))
    (found,) = read_polls(connection, "d", "v").values()
    assert (found.polled_at, found.polled_at.tzinfo) == (NOW, UTC)


def test_a_long_error_is_cut(connection: Connection) -> None:
    write_poll(connection, "d", "v", replace(POLL, last_error="x" * 100_000))
    assert len(read_polls(connection, "d", "v")["BTC/USDT"].last_error) == 500


def test_all_polls_come_by_dataset_venue_and_symbol(warehouse: Warehouse) -> None:
    keys = [("b", "v", "A"), ("a", "w", "B"), ("a", "v", "Z"), ("a", "v", "C")]
    with warehouse.connect() as connection:
        for dataset, venue, symbol in keys:
            write_poll(connection, dataset, venue, replace(POLL, symbol=symbol))
    frame = read_all_polls(warehouse)
    assert list(frame[["dataset", "venue", "symbol"]].itertuples(index=False, name=None)) == sorted(keys)


def test_where_nothing_was_polled_there_are_columns_and_no_rows(warehouse: Warehouse) -> None:
    frame = read_all_polls(warehouse)
    assert (len(frame), list(frame.columns[:3])) == (0, ["dataset", "venue", "symbol"])


def test_providers_that_rest_are_named_with_the_end_of_their_rest(warehouse: Warehouse) -> None:
    for name, status in (
        ("okx", BreakerStatus(BreakerState.OPEN, 5, 600, "down")),
        ("gate", BreakerStatus(BreakerState.CLOSED)),
        ("mexc", BreakerStatus(BreakerState.HALF_OPEN, 5, 0, "down")),
    ):
        pace = SharedPace(warehouse, name, 10)
        pace.tell(status)
        pace.used(Usage(1, 0, 0.25))
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT open_until, clock_timestamp() FROM ops.provider_limits WHERE provider = 'okx'")
        until, now = cursor.fetchone() or (NOW, NOW)
    assert resting_providers(warehouse, now) == {"okx": until}
    assert resting_providers(warehouse, until) == {}
    assert list(read_providers(warehouse)["provider"]) == ["gate", "mexc", "okx"]


def test_the_typical_latency_is_the_one_told_last(warehouse: Warehouse) -> None:
    assert typical_latency(warehouse, "okx") is None
    pace = SharedPace(warehouse, "okx", 10)
    pace.reserve(1)
    assert typical_latency(warehouse, "okx") is None
    for latency in (0.125, 0.25, None):
        pace.used(Usage(1, 0, latency))
    assert typical_latency(warehouse, "okx") == pytest.approx(0.25)
