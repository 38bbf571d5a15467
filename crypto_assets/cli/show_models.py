"""One version of a forecast on the screen: its validation fold by fold, and what came of its predictions since.

What belongs here: reading what is shown, and its tables. What does not: options (models.py), and the figures themselves
(forecasting/validation.py, datasets/models/outcomes).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta

import pandas as pd
from rich.markup import escape
from rich.table import Table
from sqlalchemy import select

from crypto_assets.cli.console import OUT, table
from crypto_assets.cli.show_text import json_text, records, share_text, short_address
from crypto_assets.datasets.models.catalog import forecast
from crypto_assets.datasets.models.outcomes.score import RecentScores, Scored, recent_scores
from crypto_assets.datasets.models.predictions.batch import Predicted
from crypto_assets.datasets.models.registry.registered import Registered, champion, version_of, versions
from crypto_assets.datasets.models.registry.table import promotions
from crypto_assets.forecasting.declaration import Forecast
from crypto_assets.forecasting.validation_report import FoldScore, Validation
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

WINDOWS = {"a day": timedelta(days=1), "a week": timedelta(days=7), "30 days": timedelta(days=30)}
SHOWN_SERIES = 20
SHOWN_VERSIONS = 10
_BAR = 10  # blocks of an error's bar


@dataclass(frozen=True)
class VersionView:
    """What is shown of one version.

    Args:
        forecast: The declaration.
        registered: The version.
        validation: Its report.
        recent: Scores of its predictions, out of sample, by how far back.
        versions: All versions of the forecast.
        promotions: Every change of champion, the newest first.
    """

    forecast: Forecast
    registered: Registered
    validation: Validation
    recent: Mapping[str, RecentScores]
    versions: pd.DataFrame
    promotions: pd.DataFrame


def read_version(warehouse: Warehouse, model: str, version: int | None) -> VersionView:
    """A version with all that is known of it.

    Args:
        model: The forecast's name, as typed.
        version: None for the champion, and where there is none for the newest.

    Raises:
        ForecastUnknown, ModelUnknown, VersionUnknown: there is no such forecast, or nothing is registered of it.
        DatabaseUnreachable, NotMigrated: as for `Warehouse.connect`.
    """
    wanted = forecast(model)
    known = versions(warehouse, wanted.name)
    held = champion(warehouse, wanted.name) if version is None else version_of(warehouse, wanted.name, version)
    chosen = held or version_of(warehouse, wanted.name, int(known["version"].max()))
    c = promotions.c
    changes = select(c.promoted_at, c.action, c.version, c.promoted_by, c.why).where(c.model == wanted.name)
    return VersionView(
        wanted,
        chosen,
        Validation.of_json(chosen.metrics),
        {name: recent_scores(warehouse, wanted.name, back, version=chosen.version) for name, back in WINDOWS.items()},
        known,
        read_frame(warehouse, changes.order_by(c.promoted_at.desc()).limit(SHOWN_VERSIONS)),
    )


def version_json(view: VersionView) -> str:
    """The same for machines."""
    told = asdict(view.registered)
    told["metrics"] = {name: value for name, value in told["metrics"].items() if name != "reference"}
    recent = {name: asdict(one) | {"skill": one.skill} for name, one in view.recent.items()}
    return json_text({"version": told, "recent": recent, "promotions": records(view.promotions)})


def print_version(view: VersionView) -> None:
    """Everything, the verdict first."""
    one, report = view.registered, view.validation
    hours = view.forecast.horizon_hours
    OUT.print(
        f"[bold]{one.model}[/]: {escape(view.forecast.quantity)}, {hours} {'hour' if hours == 1 else 'hours'} ahead."
        f" Errors are of the logarithmic change; 0.01 is about one percent of the {escape(view.forecast.unit)}.",
        soft_wrap=True,
    )
    OUT.print(
        f"Version {one.version}, {one.state.value}: {one.learner}, learned from {one.training_rows:,} decisions of"
        f" {one.series} series, {one.trained_from:%Y-%m-%d} to {one.trained_to:%Y-%m-%d %H:%M} UTC; features"
        f" {one.feature_version[:16]}; artefact {one.artefact_sha256[:16]}, {one.artefact_bytes:,} bytes.",
        soft_wrap=True,
    )
    OUT.print(f"[{'green' if report.has_skill else 'yellow'}]{escape(report.verdict)}[/]", soft_wrap=True)
    OUT.print(baselines_table(report))
    OUT.print(_folds(report))
    OUT.print(_series(report))
    below = ", ".join(f"{observed:.1%} below q{nominal * 100:.0f}" for nominal, observed in report.calibration)
    OUT.print(f"Of the truths lay {below}; {share_text(report.coverage)} from q10 to q90 (80 % is nominal).")
    OUT.print(_recent(view))
    OUT.print(_versions(view))
    for row in view.promotions.to_dict("records"):
        told = f"{row['promoted_at']:%Y-%m-%d %H:%M} version {row['version']} {row['action'].replace('_', ' ')}"
        OUT.print(f"  {told} by {escape(row['promoted_by'])}: {escape(row['why'])}", soft_wrap=True)


def print_scores(wanted: Forecast, said: Sequence[Predicted], scored: Sequence[Scored]) -> None:
    """A row a domain: what was said, what came true, and the errors beside each other."""
    shown = table(
        f"{wanted.name}, out of sample", "of", ">version", ">said", ">new", ">refused", ">came true", ">error", ">baseline",
        ">skill",
    )  # fmt: skip
    came = {one.domain: one for one in scored}
    for one in said:
        result = came.get(one.domain)
        errors = ["0", "", "", ""]
        if result is not None:
            skill = 1 - result.mae / result.baseline_mae if result.baseline_mae > 0 else math.nan
            errors = [str(result.known), error_text(result.mae), error_text(result.baseline_mae), skill_text(skill)]
        shown.add_row(
            escape(one.domain), str(one.version or ""), f"{one.said:,}", f"{one.stored:,}", f"{one.refused:,}", *errors
        )
    OUT.print(shown)
    for one in said:
        if one.problem:
            OUT.print(f"  {escape(one.domain)}: {escape(one.problem)}", soft_wrap=True)


def baselines_table(report: Validation) -> Table:
    """The model beside every baseline, on the same rows."""
    shown = table(
        f"Validation, walked forward over {report.rows:,} decisions of {report.hours:,} hours",
        "forecaster", ">error", ">skill of the model over it", ">silent", "",
    )  # fmt: skip
    worst = max([report.error, *report.baselines.values()], default=math.nan)
    shown.add_row(report.learner, error_text(report.error), "", f"{report.silent:,}", _bar(report.error, worst, "blue"))
    for name, error in sorted(report.baselines.items(), key=lambda one: one[1]):
        skill = 1 - report.error / error if error > 0 else math.nan
        is_best = " [dim](best baseline)[/]" if name == report.best_baseline else ""
        silent = report.baselines_silent.get(name, 0)
        shown.add_row(
            f"{escape(name)}{is_best}",
            error_text(error),
            skill_text(skill),
            f"{silent:,}",
            _bar(error, worst, "yellow"),
        )
    return shown


def skill_text(skill: float) -> str:
    """A skill in percent, green where it is one."""
    if not math.isfinite(skill):
        return ""
    return f"[{'green' if skill > 0 else 'red'}]{skill:+.1%}[/]"


def error_text(error: float) -> str:
    """An error, four digits that matter."""
    return f"{error:.4g}" if math.isfinite(error) else ""


def _folds(report: Validation) -> Table:
    shown = table(
        "Folds", ">fold", "first decision", ">learned from", ">judged", ">error", f">{escape(report.best_baseline)}", ">skill",
        ">q10…q90", ">direction (90 %)",
    )  # fmt: skip
    for fold in report.folds:
        base = fold.baselines.get(report.best_baseline, math.nan)
        skill = 1 - fold.mae / base if base > 0 else math.nan
        shown.add_row(
            str(fold.number), f"{fold.test_from:%Y-%m-%d %H:%M}", f"{fold.train_rows:,}", f"{fold.rows:,}",
            error_text(fold.mae), error_text(base), skill_text(skill), share_text(fold.coverage), _direction(fold),
        )  # fmt: skip
    return shown


def _direction(fold: FoldScore) -> str:
    if not math.isfinite(fold.directional_accuracy):
        return ""
    low, high = fold.directional_low, fold.directional_high
    interval = f" ({low:.0%} … {high:.0%})" if math.isfinite(low) and math.isfinite(high) else ""
    return f"{fold.directional_accuracy:.1%}{interval}"


def _series(report: Validation) -> Table:
    more = f", {SHOWN_SERIES} of {len(report.series)}" if len(report.series) > SHOWN_SERIES else ""
    shown = table(f"Series{more}", "of", "series", ">judged", ">error", "best baseline", ">its error", ">skill")
    for one in sorted(report.series, key=lambda score: (-score.rows, score.series))[:SHOWN_SERIES]:
        name = one.series.series if "/" in one.series.series else short_address(one.series.series)
        shown.add_row(
            escape(one.series.domain), escape(name), f"{one.rows:,}", error_text(one.mae), escape(one.best_baseline),
            error_text(one.baseline_mae), skill_text(one.skill),
        )  # fmt: skip
    return shown


def _recent(view: VersionView) -> Table:
    shown = table(
        "What came of its predictions, out of sample", "of the last", ">outcomes", ">error", ">baseline", ">skill", ">q10…q90",
        ">direction", ">over validation's error",
    )  # fmt: skip
    for name, one in view.recent.items():
        expected = view.validation.error
        times = f"{one.mae / expected:.2f} ×" if expected > 0 and math.isfinite(one.mae) else ""
        shown.add_row(
            name, f"{one.rows:,}", error_text(one.mae), error_text(one.baseline_mae), skill_text(one.skill),
            share_text(one.coverage), share_text(one.directional_accuracy), times,
        )  # fmt: skip
    return shown


def _versions(view: VersionView) -> Table:
    shown = table(
        "Versions", ">version", "state", "learner", "trained to", ">skill", ">low", ">high", "over", "has skill"
    )
    for row in view.versions.sort_values("version", ascending=False).head(SHOWN_VERSIONS).to_dict("records"):
        state = f"[bold]{row['state']}[/]" if row["state"] == "champion" else row["state"]
        shown.add_row(
            str(row["version"]), state, escape(row["learner"]), f"{row['trained_to']:%Y-%m-%d %H:%M}",
            skill_text(row["skill"]), *(_share(row[name]) for name in ("skill_low", "skill_high")),
            escape(row["best_baseline"]), "yes" if row["has_skill"] else "no",
        )  # fmt: skip
    return shown


def _share(value: float) -> str:
    return f"{value:+.1%}" if math.isfinite(value) else ""


def _bar(value: float, worst: float, color: str) -> str:
    if not (math.isfinite(value) and worst > 0):
        return ""
    return f"[{color}]{'█' * max(1, round(value / worst * _BAR))}[/]"
