"""What is collected now, by the universe that was read last and the open entries of the watchlist."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a class under a function's name

from crypto_assets.universe import parse_universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.followed import Followed, read_followed
from crypto_assets.warehouse.limits import Poll, read_all_polls, write_poll
from crypto_assets.warehouse.universe_versions import universe_in_force

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
POOL, LEFT = "0x" + "a" * 40, "0x" + "b" * 40
UNIVERSE = """
history_from: 2026-01-01
venues:
  kraken: {markets: [BTC/USD, {symbol: ETH/USD, until: 2026-03-10}, {symbol: SOL/USD, until: 2126-03-11}]}
news: {feeds: {decrypt: "https://decrypt.co/feed"}}
"""
KEPT = [
    ("dex/pool_trades", "ethereum", POOL),
    ("market/trades", "kraken", "BTC/USD"),
    ("market/trades", "kraken", "SOL/USD"),
    ("other/things", "anybody", "x"),
    ("sentiment/news", "cryptopanic", "all"),
    ("sentiment/news", "decrypt", "all"),
]
GONE = [
    ("dex/pool_trades", "ethereum", LEFT),
    ("dex/pool_trades", "base", POOL),
    ("market/trades", "gate", "BTC/USD"),
    ("market/trades", "kraken", "ETH/USD"),
    ("market/trades", "kraken", "XRP/USD"),
    ("sentiment/news", "coindesk", "all"),
]
BOTH = sorted(KEPT + GONE)


@pytest.mark.parametrize("day", [date(2026, 3, 9), date(2026, 3, 10)])
def test_a_market_is_asked_until_the_day_that_ends_it(day: date) -> None:
    followed = Followed(parse_universe(UNIVERSE, "u.yaml"), frozenset(), day)
    assert followed.holds("market/trades", "kraken", "ETH/USD") == (day == date(2026, 3, 9))


def test_polls_of_what_was_taken_out_are_left_out_and_stay_in_their_table(warehouse: Warehouse, tmp_path: Path) -> None:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        for dataset, venue, symbol in BOTH:
            write_poll(connection, dataset, venue, Poll(symbol, NOW, NOW, 60))
        for network, address, ended in (("ethereum", POOL, None), ("ethereum", LEFT, NOW), ("base", POOL, None)):
            _watch(cursor, network, address, ended)
    assert _keys(warehouse) == BOTH, "nobody has read a universe yet"
    file = tmp_path / "universe.yaml"
    file.write_text(UNIVERSE)
    universe_in_force(file, warehouse)
    assert _keys(warehouse) == KEPT
    # A market that comes back is shown again.
    file.write_text(UNIVERSE.replace("BTC/USD,", "BTC/USD, XRP/USD,"))
    universe_in_force(file, warehouse)
    assert ("market/trades", "kraken", "XRP/USD") in _keys(warehouse)


def test_a_universe_that_this_version_cannot_read_hides_nothing(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ops.universe_versions (content_hash, content) VALUES (%s, %s)", ("a" * 64, "venues: 1")
        )
        followed = read_followed(cursor)
    assert followed.universe is None
    assert all(followed.holds(*key) for key in BOTH)


def _watch(cursor: Cursor, network: str, address: str, ended: datetime | None) -> None:
    cursor.execute(
        "INSERT INTO dex.watchlist (network, address, valid_from, valid_to, address_type, symbol, min_trade_usd, note,"
        " pool_address, source, known_at) VALUES (%s, %s, %s, %s, 'pool', '', 0, '', %s, 'a test', %s)",
        (network, address, NOW - timedelta(days=1), ended, address, NOW),
    )


def _keys(warehouse: Warehouse) -> list[tuple[str, str, str]]:
    frame = read_all_polls(warehouse)
    return list(frame[["dataset", "venue", "symbol"]].itertuples(index=False, name=None))
