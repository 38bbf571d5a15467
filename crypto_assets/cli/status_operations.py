"""What `crypto-assets status` says of operating: stream, storage, backups, alerts, training sets, forecasts, what was archived.

What belongs here: a line of each. What does not: lists of any of them, which their own commands show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pandas as pd
from rich.markup import escape
from sqlalchemy import func, select

from crypto_assets.cli.console import OUT, table
from crypto_assets.cli.show_text import age_text, cut_text
from crypto_assets.datasets.market.book_ticker_snapshots.table import book_ticker_snapshots
from crypto_assets.datasets.models.registry.table import ModelState, registry
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.schema.alerts import alerts
from crypto_assets.schema.storage import archived_partitions
from crypto_assets.schema.training_sets import training_sets
from crypto_assets.settings import Settings
from crypto_assets.universe import Universe
from crypto_assets.warehouse.backup_log import FAILED, SUCCEEDED, newest_notes
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame
from crypto_assets.warehouse.storage import storage_of

type Line = tuple[str, str]  # what is said, and the command that says more

_LOOK_BACK = timedelta(minutes=5)
_GB = 2**30


def print_operations(settings: Settings, warehouse: Warehouse, universe: Universe | None, now: datetime) -> None:
    """Print a table with a line each.

    Args:
        settings: Workers are asked for where they name a broker.
        universe: In force; None where there is none.
    """
    shown = table("Operations", "what", "state", "more")
    for name, line in _lines(settings, warehouse, universe, now):
        said, more = line()
        shown.add_row(name, escape(said), more)
    OUT.print(shown)


def _lines(
    settings: Settings, warehouse: Warehouse, universe: Universe | None, now: datetime
) -> Iterator[tuple[str, Callable[[], Line]]]:
    yield "stream", lambda: _stream(warehouse, now)
    yield "storage", lambda: _storage(warehouse, now)
    yield "backups", lambda: _backups(warehouse, universe, now)
    yield "alerts", lambda: _alerts(warehouse)
    yield "forecasts", lambda: _forecasts(warehouse)
    yield "training sets", lambda: _training_sets(warehouse)
    yield "archived", lambda: _archived(warehouse)
    if settings.broker_url is not None:
        yield "workers", lambda: _workers(settings)


def _stream(warehouse: Warehouse, now: datetime) -> Line:
    c = book_ticker_snapshots.c
    statement = select(
        func.max(c.snapshot_at).label("newest"),
        func.count().filter(c.snapshot_at >= now - timedelta(minutes=1)).label("rows"),
        func.count().filter(c.snapshot_at >= now - timedelta(minutes=1), c.is_stale).label("stale"),
    ).where(c.snapshot_at >= now - _LOOK_BACK)
    row = read_frame(warehouse, statement).iloc[0]
    if pd.isna(row["newest"]):
        return "no quotes within five minutes", "crypto-assets stream"
    age = age_text(now - row["newest"].to_pydatetime())
    return (
        f"newest second {age} ago, {row['rows']:,} quotes in the last minute, {row['stale']:,} stale",
        "crypto-assets top",
    )


def _storage(warehouse: Warehouse, now: datetime) -> Line:
    found = storage_of(warehouse, now)
    said = f"{found.total_bytes / _GB:,.2f} GB in {len(found.tables)} tables, {found.growth_bytes / _GB:+,.2f} GB a day"
    if found.disk is not None:
        days = found.days_until_full
        said += f", {found.disk.free_bytes / _GB:,.0f} GB free" + (
            f", full in {days:,.0f} days" if days is not None else ""
        )
    return said, "crypto-assets storage"


def _backups(warehouse: Warehouse, universe: Universe | None, now: datetime) -> Line:
    notes, rules = newest_notes(warehouse), universe.backups if universe else None
    newest, failed = notes.get(SUCCEEDED), notes.get(FAILED)
    said = f"newest {age_text(now - newest.started_at)} ago, {newest.bytes / _GB:,.2f} GB" if newest else "none yet"
    if rules is not None:
        said += f", one every {rules.every_hours} hours" if rules.every_hours else ", none by themselves"
    if failed is not None and (newest is None or failed.started_at > newest.started_at):
        said += f"; the last one failed: {cut_text(failed.error, 80)}"
    return said, "crypto-assets backup list"


def _alerts(warehouse: Warehouse) -> Line:
    statement = select(alerts.c.kind, func.count().label("count")).where(alerts.c.state == "open")
    frame = read_frame(warehouse, statement.group_by(alerts.c.kind).order_by(alerts.c.kind))
    told = ", ".join(f"{row['count']} {row['kind']}" for row in frame.to_dict("records"))
    return told or "nothing is open", "crypto-assets alerts list"


def _forecasts(warehouse: Warehouse) -> Line:
    c = registry.c
    statement = select(
        func.count(c.model.distinct()).label("models"),
        func.count().filter(c.state == ModelState.CHAMPION).label("champions"),
        func.max(c.trained_to).filter(c.state == ModelState.CHAMPION).label("trained_to"),
    )
    row = read_frame(warehouse, statement).iloc[0]
    if not row["models"]:
        return "none trained yet", "crypto-assets models train"
    until = "" if pd.isna(row["trained_to"]) else f", newest data {row['trained_to']:%Y-%m-%d}"
    return f"{row['champions']} champions of {row['models']} trained{until}", "crypto-assets models list"


def _training_sets(warehouse: Warehouse) -> Line:
    c = training_sets.c
    statement = select(c.state, func.count().label("count"), func.sum(c.row_count).label("rows"))
    frame = read_frame(warehouse, statement.group_by(c.state).order_by(c.state))
    told = ", ".join(f"{row['count']} {row['state']} ({int(row['rows']):,} rows)" for row in frame.to_dict("records"))
    return told or "none", "crypto-assets dataset list"


def _archived(warehouse: Warehouse) -> Line:
    c = archived_partitions.c
    statement = select(c.outcome, func.count().label("count"), func.sum(c.table_bytes).label("bytes"))
    frame = read_frame(warehouse, statement.group_by(c.outcome).order_by(c.outcome))
    told = ", ".join(
        f"{row['count']} {row['outcome']} ({float(row['bytes']) / _GB:,.2f} GB)" for row in frame.to_dict("records")
    )
    return told or "nothing has left a table", "crypto-assets retention"


def _workers(settings: Settings) -> Line:
    from crypto_assets.scale_out.broker import broker_of
    from crypto_assets.scale_out.workers import most_runs_of, told_workers

    try:
        said = told_workers(broker_of(settings), most_runs_of(settings.dagster_file))
    except CryptoAssetsError as error:  # status tells what it can, whatever is away
        return error.problem, "crypto-assets doctor"
    return said, "crypto-assets celery-status"
