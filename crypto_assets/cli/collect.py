"""`crypto-assets backfill` and `collect`: history of bars, trades and books by one Dagster run a venue.

What belongs here: the commands' flow and their closing tables. What does not: planning and following runs (runs.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from crypto_assets.cli.console import OUT, complain, table
from crypto_assets.cli.environment import Environment
from crypto_assets.cli.runs import RunReport, plan_runs, run_plans
from crypto_assets.resources import UniverseFile
from crypto_assets.settings import Settings

type Chosen = tuple[Sequence[str], Sequence[str], Sequence[str]]


def run_backfill(
    settings: Settings, span: tuple[datetime, datetime], chosen: Chosen, *, jobs: int, refresh: bool
) -> int:
    """Collect [span) of the chosen venues, markets and timeframes; empty means all.

    Returns:
        Exit code: 0 where every run succeeded.

    Raises:
        UniverseError: an unknown venue, symbol or timeframe; nothing has been started.
    """
    venues, markets, timeframes = chosen
    with Environment(settings) as environment:
        in_force = UniverseFile(settings.universe_file, environment.warehouse).in_force()
        if in_force.problem:
            complain(f"The universe is refused, the last valid version holds: {in_force.problem}")
        universe = in_force.universe
        plans = [
            replace(plan, refresh=refresh, with_instruments=True)
            for plan in plan_runs(universe, *span, venues, markets, timeframes)
        ]
        reports = run_plans(environment, universe, plans, jobs=jobs)
    print_reports(reports)
    return 0 if all(report.success for report in reports) else 1


def run_collect(
    settings: Settings,
    span: tuple[datetime, datetime],
    chosen: tuple[Sequence[str], Sequence[str]],
    *,
    jobs: int,
) -> int:
    """Collect trades of [span) of the chosen venues and markets, and their books and tickers of now; empty means all.

    Returns:
        Exit code: 0 where every run succeeded.

    Raises:
        UniverseError: an unknown venue or symbol; nothing has been started.
    """
    venues, markets = chosen
    with Environment(settings) as environment:
        universe = UniverseFile(settings.universe_file, environment.warehouse).in_force().universe
        plans = [replace(one, end=span[1], is_events=True) for one in plan_runs(universe, *span, venues, markets, ())]
        reports = run_plans(environment, universe, plans, jobs=jobs)
    shown = table("Collected", "venue", ">new trades", ">checks passed", "run", "result")
    for one in sorted(reports, key=lambda report: report.venue):
        result = "[green]ok[/]" if one.success else "[red]failed[/]"
        passed = f"{sum(1 for check in one.checks if check[1])} of {len(one.checks)}"
        shown.add_row(one.venue, f"{one.trades_written:,}", passed, one.run_id[:8], result)
    OUT.print(shown)
    for one in reports:
        if not one.success:
            complain(
                f"{one.venue}: {one.message}", "Run the same command again: what is stored is not asked for twice."
            )
    return 0 if all(report.success for report in reports) else 1


def print_reports(reports: Sequence[RunReport]) -> None:
    """A row a run, then what went wrong."""
    shown = table("Backfill", "venue", ">bars received", ">new rows", ">gaps", "run", "result")
    for one in sorted(reports, key=lambda report: report.venue):
        result = "[green]ok[/]" if one.success else "[red]failed[/]"
        received, written, gaps = f"{one.rows_received:,}", f"{one.rows_written:,}", f"{one.bars_absent:,}"
        shown.add_row(one.venue, received, written, gaps, one.run_id[:8], result)
    OUT.print(shown)
    for one in reports:
        if not one.success:
            complain(
                f"{one.venue}: {one.message}", "Run the same command again: what is stored is not asked for twice."
            )
