"""The checks of models/predictions.

What belongs here: names, severities, bounds and the reasons of what blocks. What does not: how shared rules are looked at
(quality), and whether predictions came true (outcomes/checks.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import numpy as np
from dagster import AssetCheckSeverity
from sqlalchemy import Double, and_, cast, func, or_, select

from crypto_assets.datasets.models.catalog import FORECASTS
from crypto_assets.datasets.models.frames import read_frame as read_decisions
from crypto_assets.datasets.models.predictions.champions import expected_inputs
from crypto_assets.datasets.models.predictions.subjects import domains_of, subjects
from crypto_assets.datasets.models.predictions.table import DATASET, predictions
from crypto_assets.datasets.models.registry.registered import Registered, champions
from crypto_assets.datasets.models.registry.table import registry
from crypto_assets.forecasting.declaration import Forecast
from crypto_assets.forecasting.frame import FrameRefused
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.checks import Rule, inside, key_is_unique, make_check, read_findings, rows_keep
from crypto_assets.quality.findings import Dimension, Finding, Grid
from crypto_assets.quality.series import TICK, labelled_series, series_of, time_of
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame, reading

MAX_LATENCY_MS = 500.0  # of 99 in 100 predictions: whoever acts on the second cannot wait longer
OWN_LATENCY_MS = 25.0  # what one market takes by our own measure, shown beside
MAX_INCOMPLETE_SHARE = 0.1  # of the inputs that training practically always knew
# A decision an hour, features of it up to an hour later, and one round that failed.
MAX_NEWEST_AGE = timedelta(hours=4)
_LATELY = timedelta(days=7)  # whoever was spoken of since is still due
_LOOKED_AT = timedelta(days=1)  # of decisions, whose inputs are looked at
_C, _R = predictions.c, registry.c
_INFINITE = cast("Infinity", Double)


def _inputs_complete(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
    """Of the window's last day, each decision's quantity and nine in ten of the inputs that training knew are known."""
    end = min(window.end, datetime.now(UTC))
    begin = max(window.start, end - _LOOKED_AT)
    findings = []
    for forecast, champion, about in _spoken_of(warehouse, universe, window.venue, end - _LATELY, end):
        try:
            frame = read_decisions(warehouse, universe, forecast, begin, end, domains=[window.venue], series=about)
            expected = expected_inputs(forecast, champion)
            unknown = np.isnan(frame.inputs[:, expected])
        except FrameRefused as error:
            findings.append(Finding(window.venue, forecast.model, TICK, 1, 1, error.problem))
            continue
        is_short = ~np.isfinite(frame.now) | (unknown.mean(axis=1) > MAX_INCOMPLETE_SHARE)
        for code, name in enumerate(frame.series):
            rows = frame.code == code
            lacking = [frame.names[expected[place]] for place in np.flatnonzero(unknown[rows & is_short].any(axis=0))]
            told = ", ".join(lacking[:5]) or "the quantity itself"
            findings.append(
                Finding(
                    name.domain, f"{forecast.model} {name.series}", TICK, int(rows.sum()), int((rows & is_short).sum()),
                    told if (rows & is_short).any() else "",
                )
            )  # fmt: skip
    return findings


def _spoken_of(
    warehouse: Warehouse, universe: Universe, domain: str, begin: datetime, end: datetime
) -> Iterable[tuple[Forecast, Registered, list[str]]]:
    """Of each family that has a champion its first one, and the series that were spoken of; horizons share their inputs."""
    found = champions(warehouse)
    statement = (
        select(_C.model, _C.series)
        .where(_C.domain == domain, _C.decided_at >= begin, _C.decided_at < end)
        .distinct()
        .order_by(_C.model, _C.series)
    )
    said: dict[str, list[str]] = {}
    for model, series in read_frame(warehouse, statement).itertuples(index=False):
        said.setdefault(model, []).append(series)
    seen: set[str] = set()
    for forecast in FORECASTS:
        is_due = forecast.name in said and forecast.name in found and domain in domains_of(universe, forecast)
        if is_due and forecast.model not in seen:
            seen.add(forecast.model)
            yield forecast, found[forecast.name], said[forecast.name]


def _latency_within_bound(warehouse: Warehouse, _universe: Universe, window: VenueWindow) -> list[Finding]:
    """99 in 100 live predictions of a forecast took MAX_LATENCY_MS or less; batches have no latency."""
    late = func.count().filter(_C.latency_ms > MAX_LATENCY_MS)
    statement = (
        select(
            _C.domain,
            _C.model,
            func.count().label("checked"),
            late.label("late"),
            func.percentile_disc(0.5).within_group(_C.latency_ms).label("p50"),
            func.percentile_disc(0.99).within_group(_C.latency_ms).label("p99"),
        )
        .where(*inside(predictions, window), _C.latency_ms.is_not(None))
        .group_by(_C.domain, _C.model)
        .order_by(_C.domain, _C.model)
    )
    findings = []
    for row in read_frame(warehouse, statement).to_dict("records"):
        told = f"p50 {row['p50']:.1f} ms, p99 {row['p99']:.1f} ms; bound {MAX_LATENCY_MS:g}, our own {OWN_LATENCY_MS:g}"
        late_rows = int(row["late"]) if row["p99"] > MAX_LATENCY_MS else 0
        example = f"{row['p99']:.0f} ms" if late_rows else ""
        findings.append(Finding(row["domain"], row["model"], TICK, int(row["checked"]), late_rows, example, note=told))
    return findings


def _no_prediction_before_its_model(warehouse: Warehouse, _universe: Universe, window: VenueWindow) -> list[Finding]:
    """Each prediction's version is registered, was trained before it spoke, and is out of sample where the row says so."""
    broken = or_(
        _R.version.is_(None),
        _C.known_at < _R.known_at,
        _C.known_at < _C.decided_at,
        _C.is_out_of_sample != (_C.decided_at >= _R.trained_to),
    )
    counts = (
        func.count().label("checked"),
        func.count().filter(broken).label("failed"),
        func.min(time_of(predictions)).filter(broken).label("first_at"),
    )
    joined = predictions.outerjoin(registry, and_(_R.model == _C.model, _R.version == _C.version))
    chosen = select().add_columns(*labelled_series(predictions), *counts).select_from(joined)
    return read_findings(warehouse, chosen.where(*inside(predictions, window)).group_by(*series_of(predictions)))


def _newest_prediction_is_recent(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
    """Where the window is open: whoever was spoken of lately, and is still wanted, was spoken of at a recent decision."""
    now = datetime.now(UTC)
    if not window.start <= now < window.end:
        return []
    statement = (
        select(_C.model, _C.series, func.max(_C.decided_at).label("newest"))
        .where(_C.domain == window.venue, _C.decided_at >= now - _LATELY)
        .group_by(_C.model, _C.series)
        .order_by(_C.model, _C.series)
    )
    with reading(warehouse) as reader:
        found, rows = champions(reader), reader.frame(statement).to_dict("records")
        wanted = {
            (one.name, name.series)
            for one in FORECASTS
            if one.name in found
            for name in subjects(reader, universe, one, [window.venue])
        }
    findings = []
    for row in rows:
        if (row["model"], row["series"]) in wanted:
            age = now - row["newest"].to_pydatetime()
            told = f"{row['newest']:%Y-%m-%d %H:%M}"
            findings.append(
                Finding(
                    window.venue, f"{row['model']} {row['series']}", TICK, 1, int(age > MAX_NEWEST_AGE), told,
                    lag_seconds=age.total_seconds(),
                )
            )  # fmt: skip
    return findings


# Blocking: what would make scores of predictions lies. The rest leaves them true, so it only tells.
RULES = (
    Rule(
        "key_is_unique",
        "One row for each forecast, domain, series and decision.",
        Dimension.ACCURACY,
        key_is_unique(predictions, "model"),
        blocking=True,
    ),
    Rule(
        "quantiles_in_order",
        "q10, the middle and q90 rise; they, the baseline and the quantity itself are finite, and the quantity is positive.",
        Dimension.ACCURACY,
        rows_keep(
            predictions,
            or_(
                _C.q10 > _C.yhat,
                _C.yhat > _C.q90,
                # PostgreSQL's NaN is equal to itself and larger than all: what is not below infinity is no number.
                *(~func.abs(one).between(0, 1e300) for one in (_C.q10, _C.yhat, _C.q90, _C.baseline)),
                _C.level_now <= 0,
                _C.level_now >= _INFINITE,
            ),
        ),
        blocking=True,
    ),
    Rule(
        "no_prediction_before_its_model",
        "Each prediction's version is registered, was trained before it spoke, and is out of sample where the row says so:"
        " scores would count what a model had seen.",
        Dimension.ACCURACY,
        _no_prediction_before_its_model,
        blocking=True,
    ),
    Rule(
        "inputs_complete",
        f"Of the last day's decisions the quantity is known, and of the inputs that training practically always knew"
        f" {1 - MAX_INCOMPLETE_SHARE:.0%} or more: a model answers holes by what it does with holes.",
        Dimension.COMPLETENESS,
        _inputs_complete,
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "latency_within_bound",
        f"99 in 100 live predictions of a forecast took {MAX_LATENCY_MS:g} ms or less from reading to forecast; our own bound"
        f" for one market is {OWN_LATENCY_MS:g} ms.",
        Dimension.TIMELINESS,
        _latency_within_bound,
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "newest_prediction_is_recent",
        f"In the open month, whoever was spoken of in the last week and is still wanted was spoken of at a decision of the last"
        f" {MAX_NEWEST_AGE / timedelta(hours=1):g} hours.",
        Dimension.TIMELINESS,
        _newest_prediction_is_recent,
        severity=AssetCheckSeverity.WARN,
    ),
)

CHECKS = [make_check(DATASET, rule, Grid.FORECASTS) for rule in RULES]
