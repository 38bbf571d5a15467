"""Reading books: the newest one before a moment, every digit of it, and the measures of the last ones."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from crypto_assets.clients.book_rows import BookRefused, Levels
from crypto_assets.clients.exchange_books import OrderBook
from crypto_assets.datasets.market.order_books.asset import build_rows
from crypto_assets.datasets.market.order_books.read import BookUnreadable, levels_of, newest_book, recent_measures
from crypto_assets.datasets.market.order_books.table import DATASET, order_books
from crypto_assets.quality.coverage import TICK, SeriesKey
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.write import upsert

BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
KEY = SeriesKey(DATASET, "kraken", "BTC/USD", TICK)


def book(minute: int, ask: str) -> OrderBook:
    levels = Levels((("99.00", "2.50000000"), ("98.5", "0.00000001")), ((ask, "1"), ("120", "3")))
    return OrderBook(levels, BEGIN + minute * MINUTE, sequence=minute, venue_at=None)


@pytest.fixture
def stored(warehouse: Warehouse) -> Warehouse:
    """Books of minutes 0, 1 and 2, whose best asks are 100, 101 and 103; the best bid is always 99."""
    books = [book(minute, ask) for minute, ask in enumerate(("100", "101", "103"))]
    with warehouse.connect() as connection:
        upsert(connection, order_books, build_rows(KEY, books))
    return warehouse


def test_the_newest_book_comes_with_every_digit_and_its_measures(stored: Warehouse) -> None:
    found = newest_book(stored, "kraken", "BTC/USD")
    assert found is not None
    assert found.snapshot_at == BEGIN + 2 * MINUTE
    assert found.levels.bids == (("99.00", "2.50000000"), ("98.5", "0.00000001"))
    assert found.levels.asks == (("103", "1"), ("120", "3"))
    assert found.metrics.mid == 101
    assert found.metrics.spread_bps == pytest.approx(4 / 101 * 1e4)
    assert (found.sequence, found.venue_at) == (2, None)


def test_a_moment_gives_the_newest_book_before_it(stored: Warehouse) -> None:
    found = newest_book(stored, "kraken", "BTC/USD", before=BEGIN + 2 * MINUTE)
    assert found is not None
    assert found.snapshot_at == BEGIN + MINUTE
    assert newest_book(stored, "kraken", "BTC/USD", before=BEGIN) is None
    assert newest_book(stored, "kraken", "ETH/USD") is None


def test_measures_of_the_last_books_come_oldest_first(stored: Warehouse) -> None:
    two = recent_measures(stored, "kraken", "BTC/USD", 2)
    assert two["mid"].tolist() == [100, 101]
    until = recent_measures(stored, "kraken", "BTC/USD", 60, until=BEGIN + MINUTE)
    assert until["spread_bps"].tolist() == pytest.approx([1 / 99.5 * 1e4, 2 / 100 * 1e4])
    assert recent_measures(stored, "kraken", "ETH/USD", 5).empty


@pytest.mark.parametrize(
    ("bids", "asks", "said"),
    [
        ([], [[Decimal(1), Decimal(1)]], "a side is empty"),
        ([[Decimal(1)]], [[Decimal(2)]], "a level is no pair"),
        ([[Decimal(3), Decimal(1)]], [[Decimal(2), Decimal(1)]], "best bid is not below best ask"),
    ],
)
def test_what_is_no_book_is_refused(bids: list[list[Decimal]], asks: list[list[Decimal]], said: str) -> None:
    with pytest.raises(BookRefused, match=said):
        levels_of(bids, asks)


def test_a_row_that_is_no_book_is_named(stored: Warehouse) -> None:
    with stored.connect() as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE market.order_books SET asks = '{}' WHERE snapshot_at = %s", (BEGIN + 2 * MINUTE,))
    with pytest.raises(BookUnreadable, match="kraken BTC/USD at 2026-03-01 12:02:00 is none: a side is empty"):
        newest_book(stored, "kraken", "BTC/USD")
