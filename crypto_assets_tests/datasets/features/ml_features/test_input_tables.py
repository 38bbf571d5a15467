"""Which tables features are made of: said of every input, and true."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from crypto_assets.datasets.dex.watchlist.table import watchlist
from crypto_assets.datasets.features.ml_features.catalog import FEATURES
from crypto_assets.datasets.features.ml_features.columns import Columns
from crypto_assets.datasets.features.ml_features.input_tables import INPUT_TABLES
from crypto_assets.datasets.features.ml_features.inputs import INPUTS
from crypto_assets.datasets.features.source import Source
from crypto_assets.indicators.declaration import Floats
from crypto_assets.quality.coverage import SeriesKey
from crypto_assets.universe import DexRules
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import Reader, Statement, reading
from crypto_assets_tests.datasets.features.ml_features.outside import put, walls
from crypto_assets_tests.datasets.features.ml_features.worlds import world

FIRST = datetime(2024, 1, 20, tzinfo=UTC)
SOL = "So11111111111111111111111111111111111111112"
_LIFE = """
INSERT INTO dex.pool_lives (network, pool_address, dex, base_token, quote_token, first_seen_at, last_seen_at, asked_at,
                            source, known_at)
VALUES ('solana', 'pool', 'd', %(token)s, 'other', %(at)s, %(at)s, %(at)s, 'test', %(at)s)
"""
# Read beside an input's own tables: what every feature rests on, and two of which retention takes nothing.
_OF_EVERY_INPUT = {"market.ohlcv", "quality.coverage", "audit.revisions", "ops.collected_ranges", "dex.pool_lives"}


@pytest.fixture(scope="module")
def watched(shared_warehouse: Warehouse) -> Warehouse:
    """A pool of SOL that is watched: without one nobody asks for snapshots and trades of any."""
    with shared_warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_LIFE, {"token": SOL, "at": FIRST})
    put(
        shared_warehouse,
        watchlist,
        {
            "network": "solana", "address": "pool", "pool_address": "pool", "address_type": "pool",
            "min_trade_usd": np.array([0.0]), **{name: walls([FIRST]) for name in ("valid_from", "resolved_at", "known_at")},
        },
    )  # fmt: skip
    return shared_warehouse


def test_every_input_says_its_tables() -> None:
    assert INPUT_TABLES.keys() == INPUTS.keys()


@pytest.mark.parametrize("name", INPUTS)
def test_an_input_reads_the_tables_that_it_says_and_no_others(
    watched: Warehouse, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    read, arrow = set[str](), Reader.arrow

    def noted(reader: Reader, statement: Statement, values: Mapping[str, object] | None = None) -> pa.Table:
        read.update(re.findall(r"(?:FROM|JOIN) ([a-z]+\.[a-z_]+)", reader._with_values(statement, values)))
        return arrow(reader, statement, values)

    monkeypatch.setattr(Reader, "arrow", noted)
    with reading(watched) as reader:
        source = Source(reader, as_of=datetime.now(UTC), dex=DexRules())
        for symbol in ("SOL/USDT", "BTC/USDT", "ETH/USDT"):  # the fees of three chains
            key = SeriesKey("market/ohlcv", "binance", symbol, "1h")
            INPUTS[name].read(source, key, FIRST, FIRST + timedelta(days=2))
    assert read - _OF_EVERY_INPUT == set(INPUT_TABLES[name])


class _Noted(Mapping[str, Floats]):
    """Any column that is asked for, and which ones were."""

    def __init__(self, values: Floats) -> None:
        self.read = set[str]()
        self._values = values

    def __getitem__(self, name: str) -> Floats:
        self.read.add(name)
        return self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self.read)

    def __len__(self) -> int:
        return len(self.read)


def test_every_feature_declares_the_columns_that_it_is_made_of() -> None:
    market = world().inputs.market
    for one in FEATURES.values():
        asked = _Noted(np.linspace(1, 2, len(market.bars.opened_at)))
        with np.errstate(all="ignore"):
            one.compute(Columns(market, asked))
        assert asked.read == set(one.inputs), one.name
