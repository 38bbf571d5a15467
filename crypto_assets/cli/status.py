"""`crypto-assets status`: what runs, and what is stored.

What belongs here: the tables. What does not: judging the data (quality.py) and trying providers (doctor.py).
"""

from __future__ import annotations

from sqlalchemy import func, select

from crypto_assets.cli.console import OUT, table
from crypto_assets.cli.environment import Environment
from crypto_assets.cli.serve import running_processes
from crypto_assets.datasets.market.ohlcv.table import ohlcv
from crypto_assets.schema.bookkeeping import quarantine
from crypto_assets.settings import Settings
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame


def print_status(settings: Settings) -> None:
    """Print processes, versions and the stored series of the profile."""
    served = running_processes(settings)
    told = ", ".join(f"{process.name} (process {process.pid})" for process in served) or "nothing; `make up` starts it"
    OUT.print(f"Profile [bold]{settings.profile}[/]. Running: {told}.")
    with Environment(settings) as environment:
        OUT.print(f"PostgreSQL {environment.warehouse.check()}, {'external' if settings.database_url else 'embedded'}.")
        _print_series(environment.warehouse)


def _print_series(warehouse: Warehouse) -> None:
    key = (ohlcv.c.venue, ohlcv.c.timeframe)
    statement = select(
        *key,
        func.count(ohlcv.c.symbol.distinct()).label("markets"),
        func.count().label("bars"),
        func.min(ohlcv.c.opened_at).label("first"),
        func.max(ohlcv.c.known_at).label("closed"),
    )
    frame = read_frame(warehouse, statement.group_by(*key).order_by(*key))
    shown = table("market.ohlcv", "venue", "timeframe", ">markets", ">bars", "first opens", "newest closed")
    for row in frame.to_dict("records"):
        span = (f"{row[name]:%Y-%m-%d %H:%M}" for name in ("first", "closed"))
        shown.add_row(row["venue"], row["timeframe"], str(row["markets"]), f"{row['bars']:,}", *span)
    OUT.print(shown if len(frame) else "No bars yet: `crypto-assets backfill --from …` or `make up`.")
    refused = read_frame(warehouse, select(func.coalesce(func.sum(quarantine.c.occurrences), 0).label("rows")))
    OUT.print(f"Quarantined rows: {int(refused['rows'].iloc[0]):,}.")
