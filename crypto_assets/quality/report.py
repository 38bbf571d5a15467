"""The quality report: check results that count and scores, for people, for pages and for machines.

What belongs here: gathering what Dagster, quality.scores and the gap ledger know, and rendering it. What does not: the page's
template (report_page.py), the checks and the arithmetic of scores.
"""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

import dagster as dg
import jinja2
import pandas as pd
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecord
from markupsafe import Markup

from crypto_assets.quality.check_results import check_failures
from crypto_assets.quality.coverage import count_gaps
from crypto_assets.quality.heat_map import coverage_map, shown_window
from crypto_assets.quality.report_page import PAGE
from crypto_assets.quality.scores import DIMENSIONS, latest_scores, score_history
from crypto_assets.schema.plots import sparkline_svg
from crypto_assets.universe import Scoring
from crypto_assets.warehouse.connection import Warehouse

SERIES = ["dataset", "venue", "symbol", "timeframe"]


@dataclass(frozen=True)
class CheckResult:
    """A failure of a check that stands, or else its latest evaluation. `passed` is None where it has never run."""

    dataset: str
    check: str
    passed: bool | None
    severity: str
    told: str
    checked_at: datetime | None

    @property
    def is_error(self) -> bool:
        """Whether it failed with a severity that means wrong data."""
        return self.passed is False and self.severity == dg.AssetCheckSeverity.ERROR.value


@dataclass(frozen=True)
class QualityReport:
    """All that the report shows.

    Args:
        checks: Of every check what counts: see `CheckResult`.
        scores: Latest scores of every series.
        trends: Overall scores of each series' last runs, oldest first.
        gaps: How many gaps and bars the ledger holds, by dataset, venue and state.
        maps: Dataset → heat map of its coverage, as SVG.
        bounds: The universe's, when a score is worth a look.
    """

    checks: Sequence[CheckResult]
    scores: pd.DataFrame
    made_at: datetime
    trends: Mapping[tuple[str, ...], Sequence[float]] = field(default_factory=dict)
    gaps: pd.DataFrame = field(default_factory=pd.DataFrame)
    maps: Mapping[str, str] = field(default_factory=dict)
    bounds: Scoring = field(default_factory=Scoring)

    @property
    def has_errors(self) -> bool:
        """Whether an error-severity check fails, or a series' score lies below the universe's fail_below."""
        return any(check.is_error for check in self.checks) or "fails" in set(map(self.verdict, self.scores["overall"]))

    def verdict(self, score: object) -> str:
        """holds, warns or fails, by the universe's bounds; unmeasured where there is no score."""
        if not isinstance(score, float) or math.isnan(score):
            return "unmeasured"
        return "fails" if score < self.bounds.fail_below else "warns" if score < self.bounds.warn_below else "holds"

    def by(self, *keys: str) -> pd.DataFrame:
        """Mean scores over all series that share the keys, their number, and the longest lag, in seconds."""
        grouped = self.scores.groupby(list(keys), sort=True)
        means = grouped[[*DIMENSIONS, "overall"]].mean()
        return means.assign(series=grouped.size(), lag_seconds=grouped["lag_seconds"].max()).reset_index()

    def trend(self, row: Mapping[Hashable, object]) -> Sequence[float]:
        """The overall scores of a series' last runs, oldest first."""
        return self.trends.get(tuple(str(row[name]) for name in SERIES), ())


def gather(
    definitions: dg.Definitions, instance: dg.DagsterInstance, warehouse: Warehouse, bounds: Scoring
) -> QualityReport:
    """The report as of now."""
    keys = sorted(definitions.resolve_asset_graph().asset_check_keys, key=lambda key: (key.asset_key.path, key.name))
    trends = {
        tuple(map(str, key)): rows["overall"].dropna().tolist()
        for key, rows in score_history(warehouse).groupby(SERIES, sort=False)
    }
    gaps = count_gaps(warehouse)
    maps = {}
    for dataset in sorted({check.asset_key.to_user_string() for check in keys}):
        window = shown_window(warehouse, dataset)
        picture = coverage_map(warehouse, dataset, window) if window else ""
        if picture:
            maps[dataset] = picture
    now = datetime.now(UTC)
    failed = {key: failures[0] for key, failures in check_failures(instance, keys, now)}
    checks = [_result(key, *failed[key]) if key in failed else _latest(instance, key) for key in keys]
    return QualityReport(checks, latest_scores(warehouse), now, trends, gaps, maps, bounds)


def _latest(instance: dg.DagsterInstance, key: dg.AssetCheckKey) -> CheckResult:
    """Of a check of which no failure stands."""
    # The history also holds planned evaluations of runs that ended early; the newest finished one counts.
    for record in instance.event_log_storage.get_asset_check_execution_history(key, limit=20):
        if isinstance(found := record.evaluation, dg.AssetCheckEvaluation):
            return _result(key, record, found)
    return CheckResult("/".join(key.asset_key.path), key.name, None, "", "never run", None)


def _result(key: dg.AssetCheckKey, record: AssetCheckExecutionRecord, found: dg.AssetCheckEvaluation) -> CheckResult:
    when = datetime.fromtimestamp(record.create_timestamp, UTC)
    dataset = "/".join(key.asset_key.path)
    return CheckResult(dataset, key.name, found.passed, found.severity.value, found.description or "", when)


def to_json(report: QualityReport) -> str:
    """The report for machines: {"made_at", "has_errors", "checks": […], "scores": […], "gaps": […]}; times ISO 8601 UTC."""
    content = {
        "made_at": report.made_at.isoformat(),
        "has_errors": report.has_errors,
        "checks": [
            {**asdict(check), "checked_at": check.checked_at and check.checked_at.isoformat()}
            for check in report.checks
        ],
        "scores": [
            {
                **{str(key): _plain(value) for key, value in row.items()},
                "verdict": report.verdict(row["overall"]),
                "trend": list(report.trend(row)),
            }
            for row in report.scores.to_dict("records")
        ],
        "gaps": [{str(key): _plain(value) for key, value in row.items()} for row in report.gaps.to_dict("records")],
    }
    return json.dumps(content, indent=2)


def to_html(report: QualityReport) -> str:
    """The report as one page that needs nothing else."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["score"] = score_text
    environment.filters["bar"] = bar_width
    environment.filters["age"] = age_text
    environment.filters["trend"] = _trend_svg
    rows = report.scores.to_dict("records")
    return environment.from_string(PAGE).render(
        report=report, rows=rows, datasets=report.by("dataset").to_dict("records"), gaps=report.gaps.to_dict("records")
    )


def score_text(value: object) -> str:
    """A score with four digits; a dash where it was not measured."""
    return f"{value:.4f}" if isinstance(value, float) and not math.isnan(value) else "–"


def bar_width(value: object) -> int:
    """Width of a score's bar, 0 to 60 pixels."""
    return round(60 * value) if isinstance(value, float) and not math.isnan(value) else 0


def _plain(value: object) -> object:
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return None if isinstance(value, float) and math.isnan(value) else value


def age_text(seconds: object) -> str:
    """An age in the largest unit that keeps it readable; a dash where it was not measured."""
    if not isinstance(seconds, float) or math.isnan(seconds):
        return "–"
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def blocks(values: Sequence[float]) -> str:
    """A trend as block characters for a terminal: the lowest bar is the lowest of them, or 1 less a hundredth."""
    if not values:
        return ""
    low = min(*values, max(values) - 0.01)
    return "".join("▁▂▃▄▅▆▇█"[round(7 * (value - low) / (max(values) - low))] for value in values)


def _trend_svg(values: Sequence[float]) -> Markup:
    # The drawing escapes what it is told, and is told numbers.
    return Markup(sparkline_svg(values, title="overall score of the last runs"))  # noqa: S704
