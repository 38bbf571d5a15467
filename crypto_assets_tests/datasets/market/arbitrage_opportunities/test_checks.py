"""Every check of market/arbitrage_opportunities holds on what the stream writes, and fails when its rule is broken."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from psycopg2.errors import CheckViolation

from crypto_assets.datasets.market.arbitrage_opportunities.checks import CHECKS, RULES
from crypto_assets.partitions import VenueWindow, hour_window
from crypto_assets.quality.checks import result_of
from crypto_assets.universe import parse_universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.dex.world import KeptOpen
from crypto_assets_tests.datasets.market.arbitrage_opportunities.found import (
    HOUR_KEY,
    START_AT,
    empty,
    seconds_of,
    store,
)

UNIVERSE = parse_universe("history_from: 2026-01-01\nvenues: {gate: {markets: [BTC/USDT]}}", "u")
HOUR = VenueWindow("", *hour_window(HOUR_KEY))
ROWS, QUOTES = "market.arbitrage_opportunities", "market.book_ticker_snapshots"
FRESH, FOLLOWS = "quotes_were_fresh", "profit_follows_from_prices"
ONE = f"snapshot_at = '{START_AT + timedelta(seconds=5)}'"
GONE = "gone"
# What is changed of one second's row of opportunities, or of the quote of one venue: the rules that then fail.
BROKEN = {
    ("rows", "net_pct = net_pct + 0.0001"): {FOLLOWS},
    ("rows", "gross_pct = gross_pct + 0.0001"): {FOLLOWS},
    ("rows", "profit_quote = profit_quote * 1.0001"): {FOLLOWS},
    ("rows", "sell_fee_pct = 0.1"): {FOLLOWS},
    ("rows", "net_pct = 0"): {FOLLOWS, "profit_is_positive"},
    ("rows", "profit_quote = -1"): {FOLLOWS, "profit_is_positive"},
    ("rows", "net_pct = 5.01"): {FOLLOWS, "gains_are_believable"},
    ("rows", "sell_venue = 'okx'"): {FRESH},
    ("mexc", "is_stale = true"): {FRESH},
    ("gate", "is_stale = true"): {FRESH},
    ("mexc", "ask_price = ask_price + 0.01"): {FRESH},
    ("gate", "bid_price = bid_price + 0.01"): {FRESH},
    ("mexc", "ask_quantity = 0.4"): {FRESH},
    ("mexc", GONE): {FRESH},
    ("gate", GONE): {FRESH},
}


def statement_of(what: str, change: str) -> str:
    table, where = (ROWS, ONE) if what == "rows" else (QUOTES, f"{ONE} AND venue = '{what}'")
    return f"DELETE FROM {table} WHERE {where}" if change == GONE else f"UPDATE {table} SET {change} WHERE {where}"  # noqa: S608


@pytest.fixture(scope="module")
def kept(shared_warehouse: Warehouse) -> Iterator[Warehouse]:
    """The module's database without the constraint that keeps most of this from happening."""
    kept = KeptOpen(shared_warehouse)
    execute(kept, f"ALTER TABLE {ROWS} DROP CONSTRAINT arbitrage_opportunities_possible")
    yield kept
    kept.close()


@pytest.fixture
def sound(kept: Warehouse) -> Warehouse:
    empty(kept)
    assert store(kept, seconds_of(range(10))) == 8
    return kept


def execute(warehouse: Warehouse, statement: str) -> None:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement)


def broken(warehouse: Warehouse, window: VenueWindow = HOUR) -> dict[str, int]:
    """Rows that failed, of the rules that did not pass."""
    results = {rule.name: result_of(rule, rule.look(warehouse, UNIVERSE, window), UNIVERSE) for rule in RULES}
    return {name: int(str(one.metadata["rows_failed"].value)) for name, one in results.items() if not one.passed}


def test_what_the_stream_writes_is_sound_and_looked_at(sound: Warehouse) -> None:
    assert len(CHECKS) == len(RULES)
    assert broken(sound) == {}
    for rule in RULES:
        (finding,) = rule.look(sound, UNIVERSE, HOUR)
        assert (finding.venue, finding.symbol, finding.checked) == ("mexc", "BTC/USDT", 8)


@pytest.mark.parametrize(("what", "change"), BROKEN)
def test_each_rule_fails_where_it_is_broken(sound: Warehouse, what: str, change: str) -> None:
    execute(sound, statement_of(what, change))
    assert broken(sound) == dict.fromkeys(BROKEN[what, change], 1)


def test_a_key_that_stands_twice_is_found(sound: Warehouse) -> None:
    execute(sound, f"ALTER TABLE {ROWS} DROP CONSTRAINT arbitrage_opportunities_pkey")
    execute(sound, f"INSERT INTO {ROWS} SELECT * FROM {ROWS} WHERE {ONE}")  # noqa: S608 - of our own names
    assert broken(sound) == {"key_is_unique": 1}
    empty(sound)
    execute(sound, f"ALTER TABLE {ROWS} ADD PRIMARY KEY (symbol, buy_venue, sell_venue, snapshot_at)")


def test_days_whose_quotes_were_dropped_prove_nothing(sound: Warehouse) -> None:
    execute(sound, f"TRUNCATE {QUOTES}")
    assert broken(sound) == {}
    # A window over two days, of which the first was dropped: the second one is looked at.
    day = timedelta(days=1)
    store(sound, seconds_of(range(86_400, 86_410)))
    execute(sound, f"DELETE FROM {QUOTES} WHERE snapshot_at = '{START_AT + day + timedelta(seconds=5)}'")  # noqa: S608
    assert broken(sound, VenueWindow("", HOUR.start, HOUR.end + day)) == {FRESH: 1}


def test_a_window_that_is_over_has_all_its_quotes_and_an_open_one_not_yet(sound: Warehouse) -> None:
    execute(sound, f"DELETE FROM {QUOTES} WHERE snapshot_at > '{START_AT + timedelta(seconds=6)}'")  # noqa: S608
    assert broken(sound) == {FRESH: 3}
    assert broken(sound, VenueWindow("", HOUR.start, datetime.now(UTC) + timedelta(hours=1))) == {}


IMPOSSIBLE = (
    "sell_venue = buy_venue", "buy_price = 0", "sell_price = 0", "size_base = 0", "net_pct = 0", "net_pct = 'NaN'",
    "net_pct = 'infinity'", "profit_quote = 0", "profit_quote = 'infinity'", "persisted_snapshots = 0",
    "opened_at = snapshot_at + interval '1 s'", "known_at = snapshot_at - interval '1 s'", "buy_age_ms = -1",
)  # fmt: skip


def test_the_table_itself_refuses_what_cannot_be(warehouse: Warehouse) -> None:
    kept = KeptOpen(warehouse)
    store(kept, seconds_of(range(3)))
    for change in IMPOSSIBLE:
        with pytest.raises(CheckViolation, match="arbitrage_opportunities_possible"):
            execute(kept, f"UPDATE {ROWS} SET {change}")  # noqa: S608 - of constants
    kept.close()
