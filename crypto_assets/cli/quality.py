"""`crypto-assets quality`: the report on the terminal, as a page, or as JSON.

What belongs here: where the report goes and the exit code. What does not: what it holds (quality/report.py).
"""

from __future__ import annotations

import sys
from pathlib import Path

from rich.markup import escape

from crypto_assets.cli.console import OUT, table
from crypto_assets.cli.environment import Environment
from crypto_assets.cli.instance import dagster_instance
from crypto_assets.definitions import build_definitions
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.quality.report import CheckResult, QualityReport, gather, score_text, to_html, to_json
from crypto_assets.settings import Settings


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
            report = gather(build_definitions(resolved), instance, environment.warehouse)
    if html is not None:
        _write(html, to_html(report))
    if as_json:
        sys.stdout.write(to_json(report) + "\n")
    elif html is None:
        _print(report)
    return 1 if report.has_errors else 0


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CryptoAssetsError(f"Cannot write {path}: {error.strerror}", way_out="Name another file.") from None
    OUT.print(f"Wrote {escape(str(path))}.")


def _print(report: QualityReport) -> None:
    checks = table("Checks", "dataset", "check", "result", "found", "when (UTC)")
    for check in report.checks:
        when = f"{check.checked_at:%Y-%m-%d %H:%M}" if check.checked_at else ""
        checks.add_row(check.dataset, check.check, _verdict(check), escape(check.told), when)
    OUT.print(checks)
    scores = table("Scores (0..1)", "series", ">overall", ">accuracy", ">completeness", ">timeliness")
    for row in report.scores.to_dict("records"):
        four = (score_text(row[name]) for name in ("overall", "accuracy", "completeness", "timeliness"))
        scores.add_row(f"{row['venue']} {row['symbol']} {row['timeframe']}", *four)
    if len(report.scores):
        OUT.print(scores)


def _verdict(check: CheckResult) -> str:
    if check.passed is None:
        return "[dim]never run[/]"
    if check.passed:
        return "[green]holds[/]"
    return "[red]fails[/]" if check.is_error else "[yellow]warns[/]"
