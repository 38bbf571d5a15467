"""What runs of datasets/sentiment are given without Dagster: providers that ask a sandbox, a window, a clock.

What belongs here: putting a run together, and rows of news. What does not: assertions.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import dagster as dg
import pandas as pd
from sqlalchemy import Table, select

from crypto_assets.clients.transport import RetryPolicy
from crypto_assets.datasets.calendar_asset import CalendarRun
from crypto_assets.partitions import VenueWindow
from crypto_assets.resources import Providers
from crypto_assets.universe import Universe, parse_universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

NOW = datetime(2026, 3, 10, 12, 0, 30, tzinfo=UTC)
DAY = timedelta(days=1)
HASTE = RetryPolicy(attempts=2, first_pause_seconds=0.01, max_pause_seconds=0.02, breaker_failures=4)
PLAIN = "history_from: 2024-01-01\nvenues:\n  binance: {markets: [BTC/USDT]}\n"
_NEWS = """
INSERT INTO sentiment.news (news_id, title, summary, url, publisher, first_seen_at, title_key, source, known_at)
VALUES (%s, %s, '', 'https://a.b/' || %s, 'test', %s, %s, 'test', %s)
"""
_ASSET = """
INSERT INTO sentiment.news_assets (news_id, asset, matched_text, found_in, source, known_at)
VALUES (%s, %s, %s, 'title', 'test', %s)
"""


def universe(sentiment: str = "") -> Universe:
    """A universe with that section."""
    return parse_universe(f"{PLAIN}{sentiment}", "universe.yaml")


def window(day: datetime = NOW, days: int = 1) -> VenueWindow:
    """Whole days from the one in which a moment lies."""
    midnight = day.replace(hour=0, minute=0, second=0, microsecond=0)
    return VenueWindow("", midnight, midnight + days * DAY)


def run_of[C: dg.Config](
    warehouse: Warehouse,
    config: C,
    *,
    of: VenueWindow | None = None,
    at: datetime = NOW,
    sandbox_url: str | None = None,
    models: Path | None = None,
    rules: Universe | None = None,
) -> CalendarRun[C]:
    """What collecting is given; its clock stands."""
    providers = Providers(models=models, sandbox_url=sandbox_url, policy=HASTE)
    return CalendarRun(
        dg.get_dagster_logger(), warehouse, providers, rules or universe(), of or window(), config,  # type: ignore[arg-type]
        clock=lambda: at,
    )  # fmt: skip


def rows(warehouse: Warehouse, table: Table) -> pd.DataFrame:
    """All rows in the order of the key."""
    return read_frame(warehouse, select(table).order_by(*table.primary_key.columns))


def execute(warehouse: Warehouse, statement: str, *values: object) -> None:
    """One statement."""
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement, values)


def id_of(name: str) -> str:
    """The id of an item that tests call by a name."""
    return sha256(name.encode()).hexdigest()


def add_news(warehouse: Warehouse, name: str, title: str, at: datetime, *assets: str) -> None:
    """An item of news that was first seen at a moment and names these assets."""
    key = sha256(title.lower().encode()).hexdigest()
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_NEWS, (id_of(name), title, name, at, key, at))
        for asset in assets:
            cursor.execute(_ASSET, (id_of(name), asset, asset, at))
