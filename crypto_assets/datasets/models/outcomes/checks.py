"""The checks of models/outcomes.

What belongs here: names, severities and bounds with their reasons. What does not: the join (score.py), and rules over
predictions whose truth is not known yet (predictions/checks.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from dagster import AssetCheckSeverity
from sqlalchemy import and_, case, func, or_, select

from crypto_assets.datasets.models.catalog import FORECASTS
from crypto_assets.datasets.models.outcomes.table import DATASET, outcomes
from crypto_assets.datasets.models.predictions.table import predictions
from crypto_assets.forecasting.declaration import Forecast
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.checks import Look, Rule, inside, key_is_unique, make_check, read_findings
from crypto_assets.quality.findings import Dimension, Finding, Grid
from crypto_assets.quality.series import TICK, labelled_series, series_of, time_of
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

NOMINAL = 0.8  # between q10 and q90
SKILL_OVER, COVERAGE_OVER = timedelta(days=7), timedelta(days=30)
# Horizons overlap: n hours hold about n / horizon outcomes of their own. Fewer than these say nothing.
MIN_EFFECTIVE = 12
# One-sided, one in twenty: worse than the baseline by more than chance makes of equals.
_Z_WORSE = 1.645
# Two-sided, three in a thousand: a dozen forecasts of six exchanges are looked at every hour.
_Z_COVERAGE = 3.0
_NEAR = 1e-9  # of a logarithm: what rounding in another order could make
_O, _P = outcomes.c, predictions.c

type Judge = Callable[[Forecast, pd.DataFrame], tuple[bool, str]]


def is_worse(forecast: Forecast, hours: pd.DataFrame) -> tuple[bool, str]:
    """Whether the error of the last days lies above the baseline's by more than chance, and both in words. Pure.

    Series of one hour move together, so that an hour counts once, as the mean over its series; and of hours whose horizons
    overlap, n count as n / horizon.

    Args:
        hours: A row an hour: error, baseline_error (means over its series), rows.
    """
    error, baseline = (float(np.average(hours[name], weights=hours["rows"])) for name in ("error", "baseline_error"))
    effective = len(hours) / forecast.horizon_hours
    worse = (hours["error"] - hours["baseline_error"]).to_numpy()
    noise = float(worse.std(ddof=1)) / math.sqrt(effective) if len(worse) > 1 else math.inf
    skill = f"skill {1 - error / baseline:.1%}" if baseline > 0 else "the baseline made no error"
    told = f"mean absolute error {error:.5f}, of the baseline {baseline:.5f}: {skill}"
    is_judged = effective >= MIN_EFFECTIVE
    return is_judged and float(worse.mean()) > _Z_WORSE * noise, told if is_judged else f"{told}; too few to judge"


def is_off_nominal(forecast: Forecast, hours: pd.DataFrame) -> tuple[bool, str]:
    """Whether the share of truths within q10 to q90 lies further from NOMINAL than chance takes it, and both in words. Pure.

    The bound is the binomial's for n / horizon draws, hours counting once as in `is_worse`.

    Args:
        hours: A row an hour: inside (share over its series), rows.
    """
    effective = len(hours) / forecast.horizon_hours
    observed = float(np.average(hours["inside"], weights=hours["rows"]))
    bound = _Z_COVERAGE * math.sqrt(NOMINAL * (1 - NOMINAL) / effective)
    told = f"{observed:.1%} of truths within q10 to q90, {NOMINAL:.0%} ± {bound:.1%} expected"
    is_judged = effective >= MIN_EFFECTIVE
    return is_judged and abs(observed - NOMINAL) > bound, told if is_judged else f"{told}; too few to judge"


def _lately(over: timedelta, judge: Judge) -> Look:
    """Each forecast's outcomes out of sample whose decisions lie in the last days of a window, judged as a whole."""

    def look(warehouse: Warehouse, _universe: Universe, window: VenueWindow) -> list[Finding]:
        end = min(window.end, datetime.now(UTC))
        findings = []
        for forecast, version, hours in _by_hour(warehouse, window.venue, end - over, end):
            is_broken, told = judge(forecast, hours)
            rows = int(hours["rows"].sum())
            note = f"version {version}: {told}"
            example = told if is_broken else ""
            findings.append(
                Finding(window.venue, forecast.name, TICK, rows, rows if is_broken else 0, example, note=note)
            )
        return findings

    return look


def _by_hour(
    warehouse: Warehouse, domain: str, begin: datetime, end: datetime
) -> Iterator[tuple[Forecast, int, pd.DataFrame]]:
    """Of each forecast's newest version that has outcomes out of sample there: means over the series of each hour."""
    statement = (
        select(
            _O.model,
            _O.version,
            _O.decided_at,
            func.avg(_O.error).label("error"),
            func.avg(_O.baseline_error).label("baseline_error"),
            func.avg(case((_O.is_inside, 1.0), else_=0.0)).label("inside"),
            func.count().label("rows"),
        )
        .where(_O.domain == domain, _O.decided_at >= begin, _O.decided_at < end, _O.is_out_of_sample)
        .group_by(_O.model, _O.version, _O.decided_at)
        .order_by(_O.model, _O.version, _O.decided_at)
    )
    found = {str(model): rows for model, rows in read_frame(warehouse, statement).groupby("model")}
    for forecast in FORECASTS:
        if forecast.name in found:
            rows = found[forecast.name]
            version = int(rows["version"].max())
            # What a version before had said is no fault of this one.
            yield forecast, version, rows[rows["version"] == version].astype({"inside": float})


def _errors_follow(warehouse: Warehouse, _universe: Universe, window: VenueWindow) -> list[Finding]:
    """Each outcome has its prediction, and its errors, interval and direction are what that and the truth come to."""
    rises = func.sign(_O.truth) * func.sign(_P.yhat)
    broken = or_(
        _P.version.is_(None),
        _P.version != _O.version,
        _P.is_out_of_sample != _O.is_out_of_sample,
        func.abs(func.abs(_O.truth - _P.yhat) - _O.error) > _NEAR,
        func.abs(func.abs(_O.truth - _P.baseline) - _O.baseline_error) > _NEAR,
        _O.is_inside != _O.truth.between(_P.q10, _P.q90),
        _O.is_direction_right.is_distinct_from(case((rises != 0, rises > 0))),
        _O.known_at < _P.known_at,
    )
    same = and_(*(_P[name] == _O[name] for name in ("model", "domain", "series", "decided_at")))
    counts = (
        func.count().label("checked"),
        func.count().filter(broken).label("failed"),
        func.min(time_of(outcomes)).filter(broken).label("first_at"),
    )
    chosen = (
        select().add_columns(*labelled_series(outcomes), *counts).select_from(outcomes.outerjoin(predictions, same))
    )
    return read_findings(warehouse, chosen.where(*inside(outcomes, window)).group_by(*series_of(outcomes)))


RULES = (
    Rule(
        "key_is_unique",
        "One row for each forecast, domain, series and decision.",
        Dimension.ACCURACY,
        key_is_unique(outcomes, "model"),
        blocking=True,
    ),
    Rule(
        "errors_follow_from_predictions",
        "Each outcome has its prediction, and its errors, interval and direction are what that and the truth come to. If not,"
        " the prediction was said again since: materialize the month's outcomes again.",
        Dimension.ACCURACY,
        _errors_follow,
    ),
    Rule(
        "skill_out_of_sample",
        f"Over the last {SKILL_OVER.days} days the newest version's mean absolute error is not above the baseline's by more"
        " than chance: who is worse than a baseline should be rolled back.",
        None,
        _lately(SKILL_OVER, is_worse),
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "coverage_near_nominal",
        f"Over the last {COVERAGE_OVER.days} days the share of truths from q10 to q90 is {NOMINAL:.0%}, within what chance"
        " makes of so many outcomes, hours with overlapping horizons counted once.",
        None,
        _lately(COVERAGE_OVER, is_off_nominal),
        severity=AssetCheckSeverity.WARN,
    ),
)

CHECKS = [make_check(DATASET, rule, Grid.FORECASTS) for rule in RULES]
