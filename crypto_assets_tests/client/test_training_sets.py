"""Frozen training sets through the client: the rows that were frozen, held to the catalog by a session that only reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from crypto_assets import connect
from crypto_assets.training_sets.create import create
from crypto_assets.training_sets.place import Shelf
from crypto_assets.training_sets.question import Asked
from crypto_assets.training_sets.refusals import SetUnknown
from crypto_assets.universe import parse_universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.client.world import HOUR, JANUARY
from crypto_assets_tests.markets import store, walk

UNIVERSE = """
history_from: 2024-01-01
venues: {binance: {markets: [BTC/USDT], timeframes: [1h]}}
"""


def test_a_set_is_read_as_it_was_frozen(warehouse: Warehouse, tmp_path: Path) -> None:
    store(warehouse, walk(30, seed=1), "BTC/USDT")
    place = str(tmp_path / "live")
    asked = Asked(name="january", start=JANUARY, end=JANUARY + 30 * HOUR)
    create(warehouse, parse_universe(UNIVERSE, "u"), Shelf(place), asked)
    store(warehouse, walk(30, seed=2), "BTC/USDT")
    with connect(warehouse.url, profile="live") as client:
        rows = client.training_set("january", place=place).frame()
        with pytest.raises(SetUnknown):
            client.training_set("february", place=place)
    assert len(rows) == 30
    assert rows["opened_at"].tolist() == [JANUARY + n * HOUR for n in range(30)]
