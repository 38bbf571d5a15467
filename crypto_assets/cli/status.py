"""`crypto-assets status`: what runs, how collecting goes, and what is stored.

What belongs here: the tables. What does not: judging the data (quality.py) and trying providers (doctor.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pandas as pd
from rich.markup import escape
from sqlalchemy import Table, func, select

from crypto_assets.cli.console import OUT, table
from crypto_assets.cli.environment import Environment
from crypto_assets.cli.serve import running_processes
from crypto_assets.cli.show_stored import rows_by_venue, stored_series
from crypto_assets.cli.show_text import age_text, cut_text, short_address
from crypto_assets.cli.status_operations import print_operations
from crypto_assets.clients.geckoterminal import GeckoTerminal
from crypto_assets.datasets.dex.pool_ohlcv.table import pool_ohlcv
from crypto_assets.datasets.dex.pool_trades.table import pool_trades
from crypto_assets.datasets.dex.pools.table import pool_lives
from crypto_assets.datasets.dex.watchlist.table import watched_pools
from crypto_assets.datasets.market.ohlcv.table import ohlcv
from crypto_assets.datasets.market.order_books.table import order_books
from crypto_assets.datasets.market.tickers.table import tickers
from crypto_assets.datasets.market.trades.table import trades
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.resources import UniverseFile
from crypto_assets.schema.bookkeeping import quarantine
from crypto_assets.settings import Settings
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.limits import read_all_polls, read_providers
from crypto_assets.warehouse.read import read_frame

EVENTS = (trades, order_books, tickers)
SHOWN_ERROR = 80  # characters of a provider's last error
_ADDRESS = re.compile(r"\b(?:0x[0-9a-f]{40,64}|[1-9A-HJ-NP-Za-km-z]{32,44})\b")


def print_status(settings: Settings) -> None:
    """Print processes, versions, providers, polls and the stored series of the profile."""
    served = running_processes(settings)
    told = ", ".join(f"{process.name} (process {process.pid})" for process in served) or "nothing; `make up` starts it"
    OUT.print(f"Profile [bold]{settings.profile}[/]. Running: {told}.")
    with Environment(settings) as environment:
        warehouse = environment.warehouse
        OUT.print(f"PostgreSQL {warehouse.check()}, {'external' if settings.database_url else 'embedded'}.")
        now = datetime.now(UTC)
        universe = _universe(settings, warehouse)
        print_operations(settings, warehouse, universe, now)
        _print_providers(read_providers(warehouse), _budgets(universe), now)
        _print_polls(read_all_polls(warehouse), now)
        _print_events(warehouse, EVENTS)
        _print_series(warehouse)
        _print_pools(warehouse, now)


def _universe(settings: Settings, warehouse: Warehouse) -> Universe | None:
    """None where no universe is in force, for status must work then too."""
    try:
        return UniverseFile(settings.universe_file, warehouse).in_force().universe
    except CryptoAssetsError as error:
        OUT.print(f"[yellow]No universe is in force:[/] {escape(error.problem)}.")
        return None


def _budgets(universe: Universe | None) -> dict[str, float]:
    """Requests per second by provider."""
    if universe is None:
        return {}
    budgets = {name: venue.requests_per_second for name, venue in universe.venues.items()}
    return budgets | {GeckoTerminal.name: universe.dex.requests_per_minute / 60}


def _print_providers(frame: pd.DataFrame, budgets: dict[str, float], now: datetime) -> None:
    if frame.empty:
        OUT.print("No provider has been asked yet.")
        return
    columns = ("provider", "breaker", ">budget/s", ">requests", ">throttled", ">latency ms", "last error")
    shown = table("Providers", *columns)
    for row in frame.to_dict("records"):
        budget = budgets.get(row["provider"])
        latency = "" if pd.isna(row["latency_ms"]) else f"{row['latency_ms']:,.0f}"
        shown.add_row(
            escape(row["provider"]),
            _breaker(row["breaker"], row["open_until"], now),
            "" if budget is None else f"{budget:g}",
            f"{row['requests']:,}",
            f"[yellow]{row['throttled']:,}[/]" if row["throttled"] else "0",
            latency,
            escape(_short(row["last_error"])),
        )
    OUT.print(shown)


def _breaker(state: str, open_until: pd.Timestamp, now: datetime) -> str:
    if state == "open" and pd.notna(open_until) and open_until > now:
        rest = age_text(open_until.to_pydatetime() - now)
        return f"[bold red]open[/] until {open_until:%H:%M:%S} UTC, {rest} left"
    if state == "open":
        return "[yellow]open[/], the next request tries it"
    return f"[{'green' if state == 'closed' else 'yellow'}]{escape(state)}[/]"


def _print_polls(frame: pd.DataFrame, now: datetime) -> None:
    if frame.empty:
        OUT.print("No market has been polled yet.")
        return
    columns = ("dataset", "venue or network", ">markets", "asked", "due (UTC)", ">overdue", ">longest wait", ">failing")
    shown = table("Collecting", *columns)
    for (dataset, venue), polls in frame.groupby(["dataset", "venue"]):
        late, failing = int((polls["due_at"] < now).sum()), int((polls["failures"] > 0).sum())
        most = int(polls["failures"].max())
        shown.add_row(
            escape(str(dataset).rpartition("/")[2]),
            escape(str(venue)),
            str(len(polls)),
            f"{age_text(now - polls['polled_at'].max().to_pydatetime())} ago",
            f"{polls['due_at'].min():%H:%M:%S}",
            f"[yellow]{late}[/]" if late else "0",
            age_text(timedelta(seconds=float(polls["longest_wait_seconds"].max()))),
            f"[red]{failing}, {most} in a row[/]" if failing else "0",
        )
    OUT.print(shown)


def _print_events(warehouse: Warehouse, tables: Iterable[Table]) -> None:
    shown = table("Events", "table", "venue", ">markets", ">rows", "first (UTC)", "newest (UTC)")
    for one in tables:
        series = stored_series(warehouse, one)
        venues = sorted({found.key[0] for found in series})
        counts = rows_by_venue(warehouse, one, venues)
        for venue in venues:
            here = [found for found in series if found.key[0] == venue]
            rows, is_about = counts[venue]
            first, newest = min(found.first for found in here), max(found.newest for found in here)
            shown.add_row(
                one.fullname,
                escape(venue),
                str(len(here)),
                f"about {rows:,}" if is_about else f"{rows:,}",
                f"{first:%Y-%m-%d %H:%M:%S}",
                f"{newest:%Y-%m-%d %H:%M:%S}",
            )
    OUT.print(shown if shown.row_count else "No trades, books or tickers yet: `crypto-assets collect` or `make up`.")


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


def _print_pools(warehouse: Warehouse, now: datetime) -> None:
    c = pool_lives.c
    statement = select(
        c.network, func.count().label("known"), func.count(c.dead_at).label("dead"), func.max(c.asked_at).label("asked")
    )
    frame = read_frame(warehouse, statement.group_by(c.network).order_by(c.network))
    networks = list(frame["network"])
    bars, trades = (rows_by_venue(warehouse, one, networks) for one in (pool_ohlcv, pool_trades))
    shown = table("Pools", "network", ">known", ">dead", ">watched", ">bars", ">trades", "asked")
    for row in frame.to_dict("records"):
        network = row["network"]
        shown.add_row(
            escape(network),
            f"{row['known']:,}",
            f"{row['dead']:,}",
            f"{len(watched_pools(warehouse, network)):,}",
            *(f"about {rows:,}" if is_about else f"{rows:,}" for rows, is_about in (bars[network], trades[network])),
            f"{age_text(now - row['asked'].to_pydatetime())} ago",
        )
    OUT.print(shown if len(frame) else "No pools yet: `crypto-assets collect-pools` or `make up`.")


def _short(error: str) -> str:
    """An error in a line: of addresses both ends, for they would be all that it says."""
    line = _ADDRESS.sub(lambda found: short_address(found[0]), " ".join(error.split()))
    return cut_text(line, SHOWN_ERROR)
