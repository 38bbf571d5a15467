"""`crypto-assets collect-pools`: DEXes, pools, and bars and trades of watched pools, by the runs that the schedules start.

What belongs here: which networks and pools, the command's flow and its closing table. What does not: following workers
(runs.py) and what a run does (worker.py, datasets/dex).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from rich.markup import escape
from sqlalchemy import func, select

from crypto_assets.cli.console import NOTICES, OUT, complain, table
from crypto_assets.cli.environment import Environment
from crypto_assets.cli.runs import Plan, RunReport, run_plans
from crypto_assets.cli.show_pools import network_of
from crypto_assets.cli.show_stored import near_names, rows_by_venue
from crypto_assets.datasets.dex.pool_ohlcv.table import DATASET as POOL_BARS
from crypto_assets.datasets.dex.pool_ohlcv.table import pool_ohlcv
from crypto_assets.datasets.dex.pool_trades.table import DATASET as POOL_TRADES
from crypto_assets.datasets.dex.pool_trades.table import pool_trades
from crypto_assets.datasets.dex.pools.table import pool_lives
from crypto_assets.datasets.dex.watchlist.table import watched_pools
from crypto_assets.quality.coverage import count_gaps
from crypto_assets.resources import UniverseFile
from crypto_assets.settings import Settings
from crypto_assets.universe import Universe, UniverseError
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame
from crypto_assets.watchlist_file import printable, read_watchlist


def run_collect_pools(
    settings: Settings, networks: Sequence[str], pools: Sequence[str], days: int, *, jobs: int
) -> int:
    """Collect the pools of networks; empty means all of the universe, and every watched pool.

    Args:
        days: Bars of so many whole days before today, and of today.

    Returns:
        Exit code: 0 where every run succeeded.

    Raises:
        UniverseError: an unknown network, a pool that nobody watches, or days before the partition grid; nothing has been
            started.
        WatchlistError: the file cannot be read.
    """
    with Environment(settings) as environment:
        warehouse = environment.warehouse
        universe = UniverseFile(settings.universe_file, warehouse).in_force().universe
        chosen = [network_of(universe, name) for name in networks] or sorted(universe.dex.networks)
        watched = known_pools(settings, universe, warehouse, chosen) if pools else {}
        plans = plan_pools(universe, chosen, choose_pools(watched, pools), days, datetime.now(UTC))
        if not settings.sandbox_url:
            NOTICES.print(
                f"GeckoTerminal is asked {universe.dex.requests_per_minute:g} times a minute, by all processes."
            )
        reports = run_plans(environment, universe, plans, jobs=jobs)
        print_collected(warehouse, reports)
    return 0 if all(report.success for report in reports) else 1


def known_pools(
    settings: Settings, universe: Universe, warehouse: Warehouse, networks: Sequence[str]
) -> dict[str, set[str]]:
    """Addresses that are watched, by network: those of the stored entries, and the pools that the file names by now."""
    found = {name: {pool.address for pool in watched_pools(warehouse, name)} for name in networks}
    for entry in read_watchlist(settings.watchlist_file, universe).entries:
        if entry.network in found and entry.address_type == "pool":
            found[entry.network].add(entry.address)
    return found


def choose_pools(watched: Mapping[str, Collection[str]], pools: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Each network that has any of these pools, with them; empty where none are named. Pure.

    Raises:
        UniverseError: one that is not watched, with those that are near.
    """
    chosen: dict[str, tuple[str, ...]] = {}
    everywhere = {address for there in watched.values() for address in there}
    for typed in pools:
        address = typed.lower() if typed.lower().startswith("0x") else typed
        if address not in everywhere:
            raise UniverseError(
                f"No watched pool is {printable(typed[:60])}",
                way_out=f"{near_names(address, everywhere)}Add a row for it to config/watchlist.csv.",
            )
        for network, there in watched.items():
            if address in there:
                chosen[network] = (*chosen.get(network, ()), address)
    return chosen


def plan_pools(
    universe: Universe, networks: Sequence[str], pools: Mapping[str, tuple[str, ...]], days: int, now: datetime
) -> list[Plan]:
    """One plan a network. Pure.

    Args:
        pools: Those that are wanted, by network; a network without any is left out. Empty for all.
        days: Whole days before today.

    Raises:
        UniverseError: the first day lies before the partition grid.
    """
    start = now - timedelta(days=days)
    if start.date() < universe.history_from:
        raise UniverseError(
            f"{start:%Y-%m-%d} lies before the partition grid, which starts {universe.history_from:%Y-%m-%d}",
            way_out="Choose fewer --days, or set history_from in the universe to an earlier day.",
        )
    wanted = [name for name in dict.fromkeys(networks) if not pools or name in pools]
    return [Plan(name, start, now, pools.get(name, ()), is_pools=True) for name in wanted]


def print_collected(warehouse: Warehouse, reports: Sequence[RunReport]) -> None:
    """A row a network: what is known, watched and stored of its pools, what was new, gaps by state, checks."""
    columns = ("network", ">known", ">watched", ">bars", ">trades", "absent", ">checks", "run", "result")
    shown = table("Pools", *columns)
    for column in (shown.columns[0], *shown.columns[-2:]):
        column.no_wrap = True
    names = sorted(report.venue for report in reports)
    bars, trades = (rows_by_venue(warehouse, one, names) for one in (pool_ohlcv, pool_trades))
    known, gaps = _pools_known(warehouse), _gaps(warehouse)
    for one in sorted(reports, key=lambda report: report.venue):
        passed = sum(1 for _, is_passed, _ in one.checks if is_passed)
        shown.add_row(
            one.venue,
            f"{known.get(one.venue, 0):,}",
            f"{len(watched_pools(warehouse, one.venue)):,}",
            _counted(bars[one.venue]),
            _counted(trades[one.venue]),
            gaps.get(one.venue, "none"),
            f"{passed}/{len(one.checks)}",
            one.run_id[:8],
            "[green]ok[/]" if one.success and not one.errors() else "[red]failed[/]",
        )
    OUT.print(shown)
    new = sum(one.rows_written for one in reports), sum(one.trades_written for one in reports)
    OUT.print(f"New: {new[0]:,} bars, {new[1]:,} trades.")
    for one in reports:
        if not one.success:
            complain(
                f"{one.venue}: {one.message}", "Run the same command again: what is stored is not asked for twice."
            )
        for name, is_passed, severity in one.checks:
            if not is_passed:
                OUT.print(f"  {one.venue}: {escape(name)} did not hold ({severity.lower()})")


def _counted(rows: tuple[int, bool]) -> str:
    count, is_about = rows
    return f"{'about ' if is_about else ''}{count:,}"


def _pools_known(warehouse: Warehouse) -> dict[str, int]:
    c = pool_lives.c
    rows = read_frame(warehouse, select(c.network, func.count().label("pools")).group_by(c.network)).to_dict("records")
    return {row["network"]: int(row["pools"]) for row in rows}


def _gaps(warehouse: Warehouse) -> dict[str, str]:
    """Absent bars and lost spans of trades by state, a line a network."""
    told: dict[str, list[str]] = {}
    for row in count_gaps(warehouse).to_dict("records"):
        state = escape(str(row["state"]).replace("_", " ").removeprefix("venue "))
        if row["dataset"] == POOL_BARS:
            told.setdefault(row["venue"], []).append(f"{row['bars']:,.0f} {state}")
        elif row["dataset"] == POOL_TRADES:
            told.setdefault(row["venue"], []).append(f"trades of {row['gaps']:,} spans {state}")
    return {network: ", ".join(parts) for network, parts in told.items()}
