"""`crypto-assets collect-world`: economies, chains, fees, news and moods, by the runs that the schedules start.

What belongs here: which areas and days, the command's flow and its closing table. What does not: following workers (runs.py)
and what a run does (worker.py, the datasets).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from rich.markup import escape

from crypto_assets.calendar_automation import AREAS
from crypto_assets.cli.console import OUT, complain, table
from crypto_assets.cli.environment import Environment
from crypto_assets.cli.runs import Plan, RunReport, run_plans
from crypto_assets.cli.show_stored import near_names
from crypto_assets.resources import UniverseFile
from crypto_assets.settings import Settings
from crypto_assets.universe import Universe, UniverseError


def run_collect_world(settings: Settings, areas: Sequence[str], days: int, *, jobs: int) -> int:
    """Collect the areas; empty means all of them.

    Args:
        days: So many whole days before today, and today; where partitions are months, the months that hold them.

    Returns:
        Exit code: 0 where every run succeeded.

    Raises:
        UniverseError: an unknown area, or days before the partition grid; nothing has been started.
    """
    with Environment(settings) as environment:
        universe = UniverseFile(settings.universe_file, environment.warehouse).in_force().universe
        plans = plan_world(universe, areas, days, datetime.now(UTC))
        reports = run_plans(environment, universe, plans, jobs=jobs)
        print_world(reports)
    return 0 if all(report.success for report in reports) else 1


def plan_world(universe: Universe, areas: Sequence[str], days: int, now: datetime) -> list[Plan]:
    """One plan an area. Pure.

    Raises:
        UniverseError: an unknown area, or the first day lies before the partition grid.
    """
    for name in areas:
        if name not in AREAS:
            raise UniverseError(
                f"Unknown area '{name[:40]}'", way_out=f"{near_names(name, AREAS)}Choose from {', '.join(AREAS)}."
            )
    start = now - timedelta(days=days)
    if start.date() < universe.history_from:
        raise UniverseError(
            f"{start:%Y-%m-%d} lies before the partition grid, which starts {universe.history_from:%Y-%m-%d}",
            way_out="Choose fewer --days, or set history_from in the universe to an earlier day.",
        )
    return [Plan(name, start, now, is_world=True) for name in dict.fromkeys(areas or AREAS)]


def print_world(reports: Sequence[RunReport]) -> None:
    """A row an area: what came, what was new, checks."""
    shown = table("Economies, chains, news", "area", "holds", ">received", ">new", ">checks", "run", "result")
    for one in sorted(reports, key=lambda report: list(AREAS).index(report.venue)):
        passed = sum(1 for _, is_passed, _ in one.checks if is_passed)
        shown.add_row(
            one.venue,
            AREAS[one.venue].tells,
            f"{one.rows_received:,}",
            f"{one.rows_written:,}",
            f"{passed}/{len(one.checks)}",
            one.run_id[:8],
            "[green]ok[/]" if one.success and not one.errors() else "[red]failed[/]",
        )
    OUT.print(shown)
    for one in reports:
        if not one.success:
            complain(
                f"{one.venue}: {one.message}", "Run the same command again: what is stored is not asked for twice."
            )
        for name, is_passed, severity in one.checks:
            if not is_passed:
                OUT.print(f"  {one.venue}: {escape(name)} did not hold ({severity.lower()})")
