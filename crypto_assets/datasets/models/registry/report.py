"""What a training shows in the UI: the verdict, errors beside those of every baseline, folds, series and pictures.

What belongs here: from an outcome to metadata. What does not: the pictures themselves (forecasting/charts.py) and the asset.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import dagster as dg

from crypto_assets.datasets.models.registry.registered import Registered
from crypto_assets.datasets.models.registry.train import TrainingOutcome, VersionOutcome
from crypto_assets.datasets.outcomes import SHOWN, Described
from crypto_assets.forecasting.charts import calibration_svg, folds_svg, residuals_svg
from crypto_assets.forecasting.validation_report import Validation
from crypto_assets.schema.plots import data_uri

type Cell = str | int | float

_PICTURES: tuple[tuple[str, Callable[[Validation], str]], ...] = (
    ("calibration", calibration_svg),
    ("residuals", residuals_svg),
    ("errors_by_fold", folds_svg),
)
_UNKNOWN = "unknown"


def describe(outcome: TrainingOutcome) -> Described:
    """Metadata of one forecast's training. Pure."""
    trained = outcome.versions
    metadata: Described = {
        "dagster/row_count": dg.MetadataValue.int(max(one.registered.training_rows for one in trained)),
        "verdict": dg.MetadataValue.md("\n".join(f"- {told_of(one)}" for one in trained)),
        "champion": dg.MetadataValue.text(told_champion(outcome.champion)),
        "skill": _table(_against_baselines(trained)),
        "folds": _table(_folds(trained)),
        "series": _table(_series(trained)),
    }
    for name, draw in _PICTURES:
        drawn = [(one.registered.learner, draw(one.validation)) for one in trained]
        images = [f"![{name} of {learner}]({data_uri(svg)})" for learner, svg in drawn if svg]
        if images:
            metadata[name] = dg.MetadataValue.md("\n\n".join(images))
    if outcome.warnings:
        metadata["warnings"] = dg.MetadataValue.md("\n".join(f"- {one}" for one in outcome.warnings))
    return metadata


def not_trained(why: str) -> Described:
    """Metadata of a forecast that could not be trained."""
    return {"verdict": dg.MetadataValue.md(f"- not trained: {why}")}


def told_of(one: VersionOutcome) -> str:
    """A version in a sentence: who, how well, and whether it became champion."""
    became = "champion" if one.ruling.promoted else "candidate"
    version = one.registered
    why = "" if one.ruling.why == version.verdict else f": {one.ruling.why}"
    return f"version {version.version} of {version.learner}: {version.verdict}; {became}{why}"


def told_champion(holder: Registered | None) -> str:
    """Who answers for a forecast, in words."""
    if holder is None:
        return "none: no version has had skill yet"
    return (
        f"version {holder.version} of {holder.learner}, promoted {holder.promoted_at:%Y-%m-%d %H:%M} by"
        f" {holder.promoted_by}: {holder.promoted_why}"
    )


def _against_baselines(trained: Sequence[VersionOutcome]) -> Iterator[dict[str, Cell]]:
    for one in trained:
        found = one.validation
        yield {
            "forecaster": found.learner,
            "rows": found.rows,
            "silent": found.silent,
            "mae": _cell(found.error),
            "skill_over_it": "",
        }
        for name, error in sorted(found.baselines.items(), key=lambda pair: pair[1]):
            over = 1 - found.error / error if error else math.nan
            silent = found.baselines_silent.get(name, 0)
            yield {
                "forecaster": name,
                "rows": found.rows,
                "silent": silent,
                "mae": _cell(error),
                "skill_over_it": _cell(over),
            }


def _folds(trained: Sequence[VersionOutcome]) -> Iterator[dict[str, Cell]]:
    for one in trained:
        best = one.validation.best_baseline
        for fold in one.validation.folds:
            yield {
                "learner": one.validation.learner,
                "fold": fold.number,
                "from": f"{fold.test_from:%Y-%m-%d %H:%M}",
                "to": f"{fold.test_to:%Y-%m-%d %H:%M}",
                "learned_from": fold.train_rows,
                "rows": fold.rows,
                "mae": _cell(fold.mae),
                f"mae_{best}": _cell(fold.baselines.get(best, math.nan)),
                "coverage": _cell(fold.coverage),
                "directional_accuracy": _cell(fold.directional_accuracy),
            }


def _series(trained: Sequence[VersionOutcome]) -> Iterator[dict[str, Cell]]:
    for one in trained:
        for score in sorted(one.validation.series, key=lambda of: -of.skill if math.isfinite(of.skill) else math.inf):
            yield {
                "learner": one.validation.learner,
                "series": str(score.series),
                "rows": score.rows,
                "mae": _cell(score.mae),
                "best_baseline": score.best_baseline,
                "baseline_mae": _cell(score.baseline_mae),
                "skill": _cell(score.skill),
            }


def _table(records: Iterator[dict[str, Cell]]) -> dg.TableMetadataValue:
    rows = [dg.TableRecord(record) for record, _ in zip(records, range(SHOWN), strict=False)]
    return dg.MetadataValue.table(rows or [dg.TableRecord({"series": "nothing was judged"})])


def _cell(value: float) -> Cell:
    """Five figures; a word where there is no number, which tables of the UI cannot hold."""
    return float(f"{value:.5g}") if math.isfinite(value) else _UNKNOWN


__all__ = ["describe", "not_trained", "told_champion", "told_of"]
