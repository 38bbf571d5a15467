"""`crypto-assets quality`: the report on the terminal, as a page, or as JSON.

What belongs here: where the report goes and the exit code. What does not: what it holds (quality/report.py).
"""

from __future__ import annotations

import sys
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from crypto_assets.cli.console import OUT, table, write_file
from crypto_assets.cli.environment import Environment
from crypto_assets.cli.instance import dagster_instance
from crypto_assets.definitions import build_definitions
from crypto_assets.quality.report import (
    CheckResult,
    QualityReport,
    age_text,
    blocks,
    gather,
    score_text,
    to_html,
    to_json,
)
from crypto_assets.quality.scores import DIMENSIONS
from crypto_assets.resources import UniverseFile
from crypto_assets.settings import Settings

FOUR = ("overall", *DIMENSIONS)


def run_quality(settings: Settings, *, html: Path | None, as_json: bool) -> int:
    """Print or write the report.

    Returns:
        Exit code: 1 where an error-severity check fails, else 0.
    """
    with Environment(settings) as environment:
        resolved = settings.model_copy(
            update={"warehouse_url": environment.databases and environment.databases.warehouse}
        )
        with dagster_instance(environment) as instance:
            bounds = UniverseFile(settings.universe_file, environment.warehouse).in_force().universe.scores
            report = gather(build_definitions(resolved), instance, environment.warehouse, bounds)
    if html is not None:
        write_file(html, to_html(report))
    if as_json:
        sys.stdout.write(to_json(report) + "\n")
    elif html is None:
        _print(report)
    return 1 if report.has_errors else 0


def _print(report: QualityReport) -> None:
    checks = table("Checks", "dataset", "check", "result", "found", "when (UTC)")
    for check in report.checks:
        when = f"{check.checked_at:%Y-%m-%d %H:%M}" if check.checked_at else ""
        checks.add_row(check.dataset, check.check, _verdict(check), escape(check.told), when)
    OUT.print(checks)
    if len(report.scores):
        OUT.print(_datasets(report), _markets(report))
    if len(report.gaps):
        gaps = table("Gaps", "dataset", "venue", "state", ">gaps", ">bars")
        for row in report.gaps.to_dict("records"):
            gaps.add_row(row["dataset"], row["venue"], row["state"], f"{row['gaps']:,}", f"{row['bars']:,.0f}")
        OUT.print(gaps)


def _datasets(report: QualityReport) -> Table:
    shown = table("Scores by dataset (0..1)", "dataset", ">series", *(f">{name}" for name in FOUR), ">longest lag")
    for row in report.by("dataset").to_dict("records"):
        four = (score_text(row[name]) for name in FOUR)
        shown.add_row(row["dataset"], str(row["series"]), *four, age_text(row["lag_seconds"]))
    return shown


def _markets(report: QualityReport) -> Table:
    """A row a series; colours follow the universe's bounds."""
    shown = table("Scores by series", "series", *(f">{name}" for name in FOUR), ">lag", "last runs")
    for row in report.scores.to_dict("records"):
        color = {"holds": "green", "warns": "yellow", "fails": "red"}.get(report.verdict(row["overall"]), "dim")
        overall, *others = (score_text(row[name]) for name in FOUR)
        name = " ".join(part for part in (row["venue"], row["symbol"], row["timeframe"]) if part)
        shown.add_row(name, f"[{color}]{overall}[/]", *others, age_text(row["lag_seconds"]), blocks(report.trend(row)))
    return shown


def _verdict(check: CheckResult) -> str:
    if check.passed is None:
        return "[dim]never run[/]"
    if check.passed:
        return "[green]holds[/]"
    return "[red]fails[/]" if check.is_error else "[yellow]warns[/]"
