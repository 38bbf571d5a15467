"""What retention takes away matters to the sets that are made of it, and to no others."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from crypto_assets.datasets.models.opportunity import ARBITRAGE_INPUTS
from crypto_assets.training_sets.create import create
from crypto_assets.training_sets.loading import open_set
from crypto_assets.training_sets.sources import OF_EVERY_SET, inputs_of, tables_of
from crypto_assets.training_sets.verify import verify
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.detached import SpanAway
from crypto_assets_tests.markets import store, walk
from crypto_assets_tests.training_sets import world

FEW = {"markets": ["BTC/USDT"], "venues": ["binance"], "horizons": []}
PRICES = ["close", "return_1"]


def _take(warehouse: Warehouse, table: str, start: datetime = world.START) -> None:
    """As retention notes that it dropped a day of a table."""
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ops.archived_partitions (table_name, starts_at, number, ends_at, partition_name, outcome, table_bytes)"
            " VALUES (%s, %s, 1, %s, %s, 'dropped', 0)",
            (table, start, start + world.DAY, f"{table.partition('.')[2]}_x"),
        )


@pytest.mark.parametrize(
    ("columns", "inputs", "tables"),
    [
        (PRICES, (), ()),
        (["venue_premium"], ("other_venues",), ()),
        (["trade_intensity"], ("trade_flow",), ("market.trade_bars",)),
        (["book_imbalance"], ("order_books",), ("market.order_books",)),
        (["sentiment_fear_greed", "close"], ("mood",), ("sentiment.fear_greed",)),
        ([ARBITRAGE_INPUTS[0]], (), ("market.book_ticker_hours",)),
    ],
)
def test_columns_ask_for_their_own_tables(columns: list[str], inputs: tuple[str, ...], tables: tuple[str, ...]) -> None:
    assert inputs_of(columns) == inputs
    assert tables_of(columns) == (*OF_EVERY_SET, *tables)
    assert OF_EVERY_SET == ("market.ohlcv", "quality.coverage", "audit.revisions")


def test_a_set_of_prices_does_not_care_what_became_of_the_books(warehouse: Warehouse, tmp_path: Path) -> None:
    store(warehouse, walk(400, 1, start=world.START), "BTC/USDT")
    shelf = world.shelf(tmp_path)
    create(warehouse, world.universe(), shelf, world.asked("before", **FEW, columns=PRICES))
    for table in ("market.order_books", "market.book_ticker_hours"):
        _take(warehouse, table)
    assert verify(warehouse, open_set(shelf, "before", warehouse)).state == "verified"
    for name, columns in (("prices", PRICES), ("flow", ["trade_intensity"])):
        made = create(warehouse, world.universe(), shelf, world.asked(name, **FEW, columns=columns))
        assert made.rows == 400
    for name, column, table in (
        ("books", "book_imbalance", "order_books"),
        ("gaps", ARBITRAGE_INPUTS[0], "book_ticker_hours"),
    ):
        with pytest.raises(SpanAway, match=rf"market\.{table} of 2023-12-20 was dropped"):
            create(warehouse, world.universe(), shelf, world.asked(name, **FEW, columns=["close", column]))


def test_gaps_look_a_day_back(warehouse: Warehouse, tmp_path: Path) -> None:
    store(warehouse, walk(400, 1, start=world.START), "BTC/USDT")
    _take(warehouse, "market.book_ticker_hours")
    gaps = {**FEW, "columns": [ARBITRAGE_INPUTS[0]]}
    later = world.START + 2 * world.DAY
    asked = world.asked("early", **{**gaps, "start": later - world.HOUR})
    with pytest.raises(SpanAway):  # its first decision looks at the last hour of the day that is gone
        create(warehouse, world.universe(), world.shelf(tmp_path), asked)
    create(warehouse, world.universe(), world.shelf(tmp_path), world.asked("late", **{**gaps, "start": later}))
