"""Runs of onchain/metrics without Dagster: a database, the sandbox or another server, a clock.

What belongs here: putting a run together, reading what it left. What does not: assertions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pandas as pd
from pydantic import SecretStr
from sqlalchemy import Table, select

from crypto_assets.datasets.calendar_asset import CalendarRun
from crypto_assets.datasets.onchain.metrics.asset import MetricsConfig, collect_metrics
from crypto_assets.datasets.onchain.metrics.table import metrics
from crypto_assets.datasets.outcomes import Collected, EventOutcome
from crypto_assets.partitions import VenueWindow, month_key, month_window
from crypto_assets.resources import Keys, Providers
from crypto_assets.universe import Universe, parse_universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame
from crypto_assets_tests.playing import HASTE, NOW

UNIVERSE = """
history_from: 2024-01-01
venues:
  binance: {markets: [BTC/USDT, ETH/USDT], timeframes: [1h, 1d]}
  kraken: {markets: [BTC/USD], timeframes: [1d]}
onchain:
  assets:
    BTC: {coinmetrics: btc, defillama: Bitcoin}
    ETH: {coinmetrics: eth, defillama: Ethereum}
"""
DAY = timedelta(days=1)


@dataclass
class Stage:
    """What runs share.

    Args:
        now: Of the runs' clock; the sandbox's own stands at NOW.
    """

    warehouse: Warehouse
    url: str
    now: datetime = NOW
    key: str | None = None

    def universe(self, **changed: object) -> Universe:
        """The universe, its section `onchain` changed."""
        whole = parse_universe(UNIVERSE, "universe.yaml")
        return whole.model_copy(update={"onchain": whole.onchain.model_copy(update=changed)})

    def run(self, month: datetime | None = None, universe: Universe | None = None, **config: object) -> Collected:
        """Collect the month in which a moment lies, the clock's by itself, as the asset does."""
        window = VenueWindow("", *month_window(month_key(month or self.now)))
        keys = Keys(etherscan=SecretStr(self.key) if self.key else None)
        providers = Providers(keys, sandbox_url=self.url, policy=HASTE)
        return collect_metrics(
            CalendarRun(
                dg.get_dagster_logger(), self.warehouse, providers, universe or self.universe(), window,
                MetricsConfig(**config), clock=lambda: self.now,  # type: ignore[arg-type]
            )
        )  # fmt: skip

    def rows(self, asset: str | None = None, metric: str | None = None, table: Table = metrics) -> pd.DataFrame:
        """Stored rows in the order of the key."""
        chosen = select(table)
        for name, value in (("asset", asset), ("metric", metric)):
            chosen = chosen if value is None else chosen.where(table.c[name] == value)
        return read_frame(self.warehouse, chosen.order_by(*table.primary_key.columns))

    def values(self, asset: str, metric: str) -> dict[date, float]:
        """A series' stored values by day."""
        rows = self.rows(asset, metric)
        return {day.date(): float(value) for day, value in zip(rows["observed_on"], rows["value"], strict=True)}

    def scalar(self, statement: str, *values: object) -> object:
        """The first value of a statement's first row."""
        with self.warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            row = cursor.fetchone()
            return row[0] if row else None


def told(done: Collected, asset: str, metric: str) -> Mapping[str, object]:
    """A series' line in the table that a run shows."""
    for record in done.metadata["days_known"].records:  # type: ignore[attr-defined]
        if (record.data["asset"], record.data["metric"]) == (asset, metric):
            return dict(record.data)
    raise AssertionError(f"no line for {asset} {metric}")


def outcome(done: Collected, asset: str, metric: str) -> EventOutcome:
    """What came of a series."""
    return next(one for one in done.outcomes if (one.venue, one.symbol) == (asset, metric))


def midnight(day: date) -> datetime:
    """When a day begins, UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
