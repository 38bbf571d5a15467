"""The quality report: latest check results and scores, for people, for pages and for machines.

What belongs here: gathering what Dagster and quality.scores know, and rendering it. What does not: the checks and the
arithmetic of scores.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import dagster as dg
import jinja2
import pandas as pd

from crypto_assets.quality.scores import latest_scores
from crypto_assets.warehouse.connection import Warehouse


@dataclass(frozen=True)
class CheckResult:
    """The latest evaluation of one check. `passed` is None where it has never run."""

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
    """All that the report shows."""

    checks: Sequence[CheckResult]
    scores: pd.DataFrame
    made_at: datetime

    @property
    def has_errors(self) -> bool:
        """Whether any error-severity check fails."""
        return any(check.is_error for check in self.checks)


def gather(definitions: dg.Definitions, instance: dg.DagsterInstance, warehouse: Warehouse) -> QualityReport:
    """The report as of now."""
    keys = sorted(definitions.resolve_asset_graph().asset_check_keys, key=lambda key: (key.asset_key.path, key.name))
    return QualityReport([_latest(instance, key) for key in keys], latest_scores(warehouse), datetime.now(UTC))


def _latest(instance: dg.DagsterInstance, key: dg.AssetCheckKey) -> CheckResult:
    dataset = "/".join(key.asset_key.path)
    # The history also holds planned evaluations of runs that ended early; the newest finished one counts.
    for record in instance.event_log_storage.get_asset_check_execution_history(key, limit=20):
        event = record.event.dagster_event if record.event else None
        if event is None or event.event_type != dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            continue
        found = event.asset_check_evaluation_data
        when = datetime.fromtimestamp(record.create_timestamp, UTC)
        return CheckResult(dataset, key.name, found.passed, found.severity.value, found.description or "", when)
    return CheckResult(dataset, key.name, None, "", "never run", None)


def to_json(report: QualityReport) -> str:
    """The report for machines: {"made_at", "has_errors", "checks": […], "scores": […]}; times ISO 8601 UTC."""
    content = {
        "made_at": report.made_at.isoformat(),
        "has_errors": report.has_errors,
        "checks": [
            {**asdict(check), "checked_at": check.checked_at and check.checked_at.isoformat()}
            for check in report.checks
        ],
        "scores": [{str(key): _plain(value) for key, value in row.items()} for row in report.scores.to_dict("records")],
    }
    return json.dumps(content, indent=2)


def to_html(report: QualityReport) -> str:
    """The report as one page that needs nothing else."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["score"] = score_text
    environment.filters["bar"] = bar_width
    return environment.from_string(_PAGE).render(report=report, rows=report.scores.to_dict("records"))


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


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>crypto_assets quality</title><style>
body{font:15px/1.5 system-ui,sans-serif;margin:2.5rem auto;max-width:70rem;padding:0 1rem;color:#1b1b29;background:#fbfbfe}
h1{font-size:1.6rem;margin-bottom:0}h2{font-size:1.15rem;margin-top:2.2rem}p.sub{color:#667;margin-top:.2rem}
table{border-collapse:collapse;width:100%;background:#fff;border:1px solid #e4e4ef;border-radius:8px;overflow:hidden}
th,td{padding:.45rem .7rem;text-align:left;border-bottom:1px solid #eeeef5;vertical-align:top}
th{background:#f3f3fa;font-weight:600}td.n{text-align:right;font-variant-numeric:tabular-nums}
.ok{color:#127a43}.bad{color:#b3261e;font-weight:600}.warn{color:#9a6700}.none{color:#889}
.bar{display:inline-block;height:.55rem;border-radius:3px;background:#4f43dd;margin-right:.4rem}
</style></head><body>
<h1>Data quality</h1><p class="sub">{{ report.made_at.strftime("%Y-%m-%d %H:%M") }} UTC ·
{{ report.checks|length }} checks · {{ rows|length }} series</p>
<h2>Checks</h2><table><tr><th>dataset</th><th>check</th><th>result</th><th>found</th><th>when (UTC)</th></tr>
{% for c in report.checks %}<tr><td>{{ c.dataset }}</td><td>{{ c.check }}</td>
<td>{% if c.passed is none %}<span class="none">never run</span>{% elif c.passed %}<span class="ok">holds</span>
{% elif c.is_error %}<span class="bad">fails</span>{% else %}<span class="warn">warns</span>{% endif %}</td>
<td>{{ c.told }}</td><td>{{ c.checked_at.strftime("%Y-%m-%d %H:%M") if c.checked_at else "–" }}</td></tr>
{% endfor %}</table>
<h2>Scores</h2><table><tr><th>series</th><th>overall</th><th>accuracy</th><th>completeness</th><th>timeliness</th><th>window</th></tr>
{% for r in rows %}<tr><td>{{ r.dataset }} · {{ r.venue }} {{ r.symbol }} {{ r.timeframe }}</td>
<td><span class="bar" style="width:{{ r.overall|bar }}px"></span>{{ r.overall|score }}</td>
<td class="n">{{ r.accuracy|score }}</td><td class="n">{{ r.completeness|score }}</td>
<td class="n">{{ r.timeliness|score }}</td>
<td>{{ r.window_start.strftime("%Y-%m-%d") }} to {{ r.window_end.strftime("%Y-%m-%d") }}</td></tr>
{% endfor %}</table></body></html>
"""
