"""A warehouse with a small market, and runs of the real job over it.

What belongs here: putting a stage together. What does not: assertions.
"""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from crypto_assets.automation import derive_features
from crypto_assets.datasets.features.derived_asset import DerivedConfig
from crypto_assets.datasets.features.labels import asset as labels
from crypto_assets.datasets.features.ml_features import run as features
from crypto_assets.datasets.features.technical_indicators import asset as indicators
from crypto_assets.definitions import build_definitions
from crypto_assets.partitions import VenueWindow, month_window, split_key
from crypto_assets.settings import Settings
from crypto_assets.universe import read_universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.markets import store, walk

UNIVERSE = """
history_from: 2024-01-01
venues:
  binance: {markets: [BTC/USDT, ETH/USDT, SOL/USDT, XRP/USDT], timeframes: [1h, 1d]}
  gate: {markets: [BTC/USDT, ETH/USDT], timeframes: [1h]}
"""
SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT", "XRP/USDT")
HOURS = 1_500  # from 2024-01-01: January, February and three days of March
JANUARY, FEBRUARY, MARCH = (f"2024-0{month}-01|binance" for month in (1, 2, 3))


class Stage:
    """Definitions over a database, and runs on them."""

    def __init__(self, folder: Path, warehouse: Warehouse, instance: dg.DagsterInstance) -> None:
        self.warehouse = warehouse
        self.instance = instance
        self.file = folder / "universe.yaml"
        self.file.write_text(UNIVERSE)
        self.settings = Settings(home=folder, profile="test", universe=self.file, warehouse_url=warehouse.url)

    def seed(self) -> None:
        """Four markets of binance, of which ETH has a twin on gate."""
        for number, symbol in enumerate(SYMBOLS):
            store(self.warehouse, walk(HOURS, number), symbol)
        store(self.warehouse, walk(HOURS, 1, price=101.0), "ETH/USDT", venue="gate")

    def derive(self, first: str = JANUARY, last: str = MARCH) -> None:
        """The same work as `run`, without Dagster and its checks, which take seconds."""
        universe, _ = read_universe(self.file)
        start, end = month_window(split_key(first)[0])[0], month_window(split_key(last)[0])[1]
        window = VenueWindow("binance", start, end)
        for module in (indicators, features, labels):
            module.compute_window(self.warehouse, universe, window, DerivedConfig(), lambda _derived: None)

    def run(self, first: str, last: str | None = None, **config: object) -> dg.ExecuteInProcessResult:
        """The job over a range of partitions of one venue."""
        job = build_definitions(self.settings).resolve_job_def(derive_features.name)
        tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last or first}
        names = ("technical_indicators", "ml_features", "labels")
        run_config = {"ops": {f"features__{name}": {"config": config} for name in names}} if config else None
        return job.execute_in_process(instance=self.instance, raise_on_error=False, run_config=run_config, tags=tags)
