"""The feature report: how much of each column is there, how it is spread, whether it drifts, repeats or says nothing.

What belongs here: figures over stored features, and as metadata of a run. What does not: the page (report_page.py), judging
(checks.py).

It looks at the newest `REPORT_DAYS` of what each window holds, and there at evenly spaced rows of each market: a share or a
quantile needs thousands of rows, not millions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import Integer, cast, extract, func, select

from crypto_assets.datasets.features.ml_features.calendar_set import CALENDAR
from crypto_assets.datasets.features.ml_features.catalog import FEATURE_SETS, FEATURES, feature_version
from crypto_assets.datasets.features.ml_features.proof import no_look_ahead, told
from crypto_assets.datasets.features.ml_features.table import ml_features
from crypto_assets.indicators.declaration import Floats
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.checks import bar_seconds, inside
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

REPORT_DAYS = 365
TARGET_ROWS = 20_000
MIN_DRIFT_ROWS = 200  # of either window: ten bins of twenty
TWINS_FROM = 0.999  # columns correlated so far say the same
_SHARE_FLOOR = 1e-4  # an empty bin counts as this, for a logarithm of nothing is none
_SET_OF = {one.name: chosen.name for chosen in FEATURE_SETS for one in chosen.features}


@dataclass(frozen=True)
class ColumnFigures:
    """One column over the sampled rows.

    Args:
        coverage: Share of rows with a value.
        quantiles: Least, 5 %, median, 95 %, most; empty without a value.
        psi: Population stability index of the newest days against those before; None where there are too few rows.
    """

    name: str
    feature_set: str
    coverage: float
    mean: float
    deviation: float
    quantiles: tuple[float, ...]
    psi: float | None

    @property
    def is_constant(self) -> bool:
        """Whether all its values are one."""
        return bool(self.quantiles) and self.quantiles[0] == self.quantiles[-1]


@dataclass(frozen=True)
class FeatureReport:
    """Figures over stored features.

    Args:
        rows: Sampled.
        coverage: Share of values by market (row) and feature set (column).
        correlation: Pearson's, columns in the order of `columns`; NaN where one is constant or unknown.
    """

    version: str
    rows: int
    start: datetime | None
    end: datetime | None
    columns: tuple[ColumnFigures, ...] = ()
    coverage: pd.DataFrame = field(default_factory=pd.DataFrame)
    correlation: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))

    @property
    def twins(self) -> list[tuple[str, str, float]]:
        """Pairs of columns that say the same."""
        close = np.argwhere(np.triu(np.abs(self.correlation) >= TWINS_FROM, 1))
        return [(self.columns[i].name, self.columns[j].name, float(self.correlation[i, j])) for i, j in close]

    @property
    def constant(self) -> list[str]:
        """Columns that never change."""
        return [one.name for one in self.columns if one.is_constant]


def read_report(warehouse: Warehouse, universe: Universe, windows: Sequence[VenueWindow]) -> FeatureReport:
    """The report over what is stored for some windows."""
    frames = [_sample(warehouse, window) for window in windows]
    frame = pd.concat([one for one in frames if not one.empty] or frames[:1] or [pd.DataFrame()], ignore_index=True)
    return build_report(frame, universe.features.drift_days)


def build_report(frame: pd.DataFrame, drift_days: int) -> FeatureReport:
    """The report over rows with venue, symbol, timeframe, opened_at and the features. Pure."""
    if frame.empty:
        return FeatureReport(feature_version(), 0, None, None)
    values = frame[list(FEATURES)].to_numpy(dtype=np.float64)
    newest = frame["opened_at"].max()
    is_recent = (frame["opened_at"] > newest - timedelta(days=drift_days)).to_numpy()
    columns = tuple(_figures(name, values[:, place], is_recent) for place, name in enumerate(FEATURES))
    return FeatureReport(
        feature_version(),
        len(frame),
        frame["opened_at"].min().to_pydatetime(),
        newest.to_pydatetime(),
        columns,
        _coverage(frame),
        frame[list(FEATURES)].corr().to_numpy(dtype=np.float64),
    )


def stability_index(before: Floats, after: Floats, bins: int = 10) -> float | None:
    """Population stability index over the deciles of `before`; None where either has too few values.

    Sum over bins of (share after - share before) · ln(share after / share before); 0 for equal distributions, 0.25 the usual
    mark of a shift.
    """
    before, after = before[np.isfinite(before)], after[np.isfinite(after)]
    if min(len(before), len(after)) < MIN_DRIFT_ROWS:
        return None
    edges = np.unique(np.quantile(before, np.linspace(0, 1, bins + 1)[1:-1]))
    shares = []
    for values in (before, after):
        counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
        shares.append(np.maximum(counts / len(values), _SHARE_FLOOR))
    old, new = shares
    return float(np.sum((new - old) * np.log(new / old)))


def report_metadata(
    warehouse: Warehouse, universe: Universe, windows: Sequence[VenueWindow]
) -> dict[str, dg.MetadataValue[Any]]:
    """The report as a run's metadata: a row a column, coverage a market, and what is worth a look in words."""
    report = read_report(warehouse, universe, windows)
    if not report.rows:
        return {}
    prove = no_look_ahead(tuple(FEATURES.values()))
    proof = told([one for window in windows for one in prove(warehouse, universe, window)])
    metadata: dict[str, dg.MetadataValue[Any]] = {
        "feature_report": dg.MetadataValue.table([dg.TableRecord(_record(one)) for one in report.columns]),
        "look_ahead_proof": dg.MetadataValue.text(proof),
        "report_rows": dg.MetadataValue.int(report.rows),
        "worth_a_look": dg.MetadataValue.md(
            "\n".join(f"- {line}" for line in notices(report, universe)) or "- nothing"
        ),
    }
    coverage = report.coverage.reset_index().to_dict("records")
    metadata["coverage_by_market"] = dg.MetadataValue.table(
        [dg.TableRecord({str(name): value for name, value in row.items()}) for row in coverage[:200]]
    )
    return metadata


def notices(report: FeatureReport, universe: Universe) -> list[str]:
    """What is worth a look: columns that drift, never change or say the same as another."""
    bound = universe.features.max_psi
    drifting = [one for one in report.columns if one.psi is not None and one.psi > bound]
    lines = [
        f"{one.name} drifts: stability index {one.psi:.2f} over {bound}"
        for one in sorted(drifting, key=lambda one: -(one.psi or 0))
    ]
    lines += [f"{name} never changes" for name in report.constant]
    return lines + [
        f"{first} and {second} say the same (correlation {value:.4f})" for first, second, value in report.twins
    ]


def _sample(warehouse: Warehouse, window: VenueWindow) -> pd.DataFrame:
    c = ml_features.c
    newest = read_frame(warehouse, select(func.max(c.opened_at).label("at")).where(*inside(ml_features, window)))["at"]
    end = min(window.end, newest.iloc[0] + timedelta(seconds=1)) if newest.notna().all() else window.end
    recent = VenueWindow(window.venue, max(window.start, end - timedelta(days=REPORT_DAYS)), end)
    number = cast(extract("epoch", c.opened_at), Integer) / bar_seconds(ml_features)
    names = ("venue", "symbol", "timeframe", "opened_at")
    series = read_frame(
        warehouse, select(*(c[name] for name in names[:3])).where(*inside(ml_features, recent)).distinct()
    )
    bars = max(1, len(series)) * int((recent.end - recent.start) / timedelta(hours=1))
    every = max(1, bars // TARGET_ROWS)
    # A stride that shares a factor with a day would always see the same hours.
    stride = next(step for step in range(every, every + 48) if step == 1 or (step % 2 and step % 3))
    statement = select(*(c[name] for name in (*names, *FEATURES))).where(*inside(ml_features, recent))
    return read_frame(warehouse, statement.where(cast(number, Integer) % stride == 0))


def _figures(name: str, values: Floats, is_recent: NDArray[np.bool_]) -> ColumnFigures:
    known = values[np.isfinite(values)]
    quantiles = tuple(np.quantile(known, [0, 0.05, 0.5, 0.95, 1]).tolist()) if len(known) else ()
    mean, deviation = (float(known.mean()), float(known.std())) if len(known) else (float("nan"), float("nan"))
    # A month's season differs from the year's, and no calendar drifts.
    is_calendar = _SET_OF[name] == CALENDAR.name
    psi = None if is_calendar else stability_index(values[~is_recent], values[is_recent])
    share = len(known) / len(values) if len(values) else 0.0
    return ColumnFigures(name, _SET_OF[name], share, mean, deviation, quantiles, psi)


def _coverage(frame: pd.DataFrame) -> pd.DataFrame:
    """Share of known values by market and feature set."""
    market = frame["venue"] + " " + frame["symbol"] + " " + frame["timeframe"]
    shares = {
        chosen.name: frame[[one.name for one in chosen.features]].notna().mean(axis=1).groupby(market).mean().round(4)
        for chosen in FEATURE_SETS
    }
    return pd.DataFrame(shares).rename_axis("series")


def _record(one: ColumnFigures) -> dict[str, str | int | float]:
    shown = {
        name: f"{value:.4g}"
        for name, value in zip(("least", "q05", "median", "q95", "most"), one.quantiles, strict=False)
    }
    mean, deviation = (f"{one.mean:.4g}", f"{one.deviation:.4g}") if one.quantiles else ("", "")
    return {
        "column": one.name,
        "set": one.feature_set,
        "coverage": round(one.coverage, 4),
        "mean": mean,
        "deviation": deviation,
        **dict.fromkeys(("least", "q05", "median", "q95", "most"), ""),
        **shown,
        "psi": "" if one.psi is None else f"{one.psi:.3f}",
    }
