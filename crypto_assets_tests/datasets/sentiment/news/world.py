"""Runs of sentiment/news without Dagster, at a time that a test sets, against whatever server it names.

What belongs here: putting a run together, reading what it stored. What does not: assertions.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import dagster as dg
import pandas as pd
from pydantic import SecretStr
from sqlalchemy import Table, select

from crypto_assets.clients.transport import RetryPolicy
from crypto_assets.datasets.calendar_asset import CalendarRun
from crypto_assets.datasets.outcomes import Collected, EventOutcome
from crypto_assets.datasets.sentiment.news.asset import NewsConfig, collect_news
from crypto_assets.partitions import VenueWindow
from crypto_assets.resources import Keys, Providers
from crypto_assets.universe import parse_universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

NOW = datetime(2026, 3, 10, 12, 0, 30, tzinfo=UTC)
DAY = timedelta(days=1)
UNIVERSE = "history_from: 2024-01-01\nvenues:\n  binance: {markets: [BTC/USDT]}\n"
HASTE = RetryPolicy(attempts=2, first_pause_seconds=0.001, max_pause_seconds=0.002)


class NewsWorld:
    """Runs of sentiment/news.

    Args:
        url: The server that stands for all hosts; empty for none.
        feeds: In the place of the universe's.
    """

    def __init__(self, warehouse: Warehouse, url: str, feeds: Mapping[str, str] | None = None, key: str = "") -> None:
        self.warehouse = warehouse
        self.now = NOW
        self.universe = parse_universe(UNIVERSE, "universe.yaml")
        if feeds is not None:
            self.with_rules(feeds=dict(feeds))
        self._keys = Keys(cryptopanic=SecretStr(key) if key else None)
        self._url = url

    def with_rules(self, **changed: object) -> None:
        """Another universe from here on."""
        self.universe = self.universe.model_copy(update={"news": self.universe.news.model_copy(update=changed)})

    def run(self, *feeds: str, day: datetime | None = None) -> Collected:
        """Collect as the asset does."""
        start = (day or self.now).replace(hour=0, minute=0, second=0, microsecond=0)
        return collect_news(
            CalendarRun(
                dg.get_dagster_logger(), self.warehouse, Providers(self._keys, sandbox_url=self._url or None, policy=HASTE),
                self.universe, VenueWindow("", start, start + DAY), NewsConfig(feeds=list(feeds)), clock=lambda: self.now,
            )
        )  # fmt: skip

    def outcome(self, feed: str, done: Collected) -> EventOutcome:
        """What came of one feed."""
        [found] = [one for one in done.outcomes if one.venue == feed]
        return found

    def rows(self, table: Table) -> pd.DataFrame:
        """All rows of a table, in the order of its key."""
        return read_frame(self.warehouse, select(table).order_by(*table.primary_key.columns))

    def scalar(self, statement: str, *values: object) -> object:
        """The first value of a statement's first row."""
        with self.warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            row = cursor.fetchone()
            return row[0] if row else None


def shown(done: Collected, name: str) -> list[dict[str, object]]:
    """The records of a table that a run shows."""
    return [dict(one.data) for one in done.metadata[name].records]  # type: ignore[union-attr]
