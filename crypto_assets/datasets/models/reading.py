"""Whole spans of what frames are made of, for training and for what came of predictions.

What belongs here: reading levels, features, gaps and labels of a span. What does not: the newest hours again and again
(frames_tail.py) and what is made of them (parts.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from sqlalchemy import ColumnElement

from crypto_assets.datasets.features.labels.table import labels
from crypto_assets.datasets.features.ml_features.table import ml_features
from crypto_assets.datasets.features.source import Source, floats, times
from crypto_assets.datasets.market.arbitrage_opportunities.table import arbitrage_opportunities
from crypto_assets.datasets.market.book_ticker_hours.table import book_ticker_hours
from crypto_assets.datasets.models import liquidity, opportunity
from crypto_assets.datasets.models.arbitrage import (
    DAY,
    NO_GAPS,
    Gaps,
    arbitrage_inputs,
    gaps_are_kept,
    gaps_of,
    gaps_statement,
    listened_of,
)
from crypto_assets.datasets.models.hours import hours_of, moment_of
from crypto_assets.datasets.models.inputs import REACH_HOURS, Chosen
from crypto_assets.datasets.models.levels import SOURCES, TIMEFRAME, Observations, changes_ahead
from crypto_assets.datasets.models.parts import Beside, Part, Span, Targets, grid_of, part_of
from crypto_assets.datasets.models.stored_rows import Choice, feature_rows_of, observations_of, split
from crypto_assets.forecasting.declaration import Forecast
from crypto_assets.forecasting.frame import STEP, Floats, Rows, SeriesName, Times

# What models of exchanges' markets look at of features.ml_features; the others look at none.
CHOSEN: dict[str, tuple[Chosen, ...]] = {
    liquidity.SPREAD: liquidity.CHOSEN,
    liquidity.DEPTH: liquidity.CHOSEN,
    opportunity.MODEL: opportunity.CHOSEN,
}
_NONE = np.zeros(0, dtype=np.int64)


def span_of(forecast: Forecast, first: int, last: int, last_known: int) -> Span:
    """The hours of a frame whose decisions lie from `first` to `last`, when the hours until `last_known` are over."""
    last = min(last, last_known)
    return Span(first, last, first - REACH_HOURS, min(last + forecast.horizon_hours, last_known))


def read_parts(source: Source, forecast: Forecast, choice: Choice, span: Span) -> dict[SeriesName, Part]:
    """Each series' decisions and inputs, without their targets.

    Raises:
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame` of the warehouse.
    """
    levels = read_levels(source, forecast, choice, span)
    grids = {name: grid_of(SOURCES[forecast.model], rows, span) for name, rows in levels.items()}
    # Before the quantity was first known there is no decision: books are far younger than features.
    first = min((there.first for there in grids.values() if there is not None), default=span.end + 1)
    span = replace(span, first=max(span.first, first))
    beside = _beside(source, forecast, choice, span) if span.first <= span.last else {}
    found = {}
    for name, there in grids.items():
        joined = beside.get(name) if forecast.model in CHOSEN else Beside()
        part = part_of(forecast, there, span, joined) if there is not None and joined is not None else None
        if part is not None:
            found[name] = part
    return found


def read_targets(
    source: Source, forecast: Forecast, choice: Choice, parts: dict[SeriesName, Part], last_known: int
) -> dict[SeriesName, Targets]:
    """What came after the decisions of each part.

    Of prices it is features.labels that say so; of all else the levels hour by hour.
    """
    if forecast.model != opportunity.MODEL:
        horizon = forecast.horizon_hours
        return {
            name: Targets(*changes_ahead(part.there, part.hours, horizon, last_known)) for name, part in parts.items()
        }
    found = {name: Targets.unknown(len(part.hours)) for name, part in parts.items()}
    if parts:
        first, last = min(int(part.hours[0]) for part in parts.values()), max(int(p.hours[-1]) for p in parts.values())
        for name, labelled in read_labels(source, forecast, choice, first, last):
            if name in parts:
                _join(parts[name].hours, found[name], *labelled)
    return found


def stored_feature_versions(source: Source, choice: Choice, span: Span) -> dict[str, int]:
    """How many rows of features of a span's decisions are stored by each version of the features' code."""
    rows = source.rows(ml_features, ("version",), _features_within(choice, span), ())
    versions, counts = np.unique(np.asarray(rows.column("version").to_pylist(), dtype=str), return_counts=True)
    return dict(zip(versions.tolist(), counts.tolist(), strict=True))


def read_levels(source: Source, forecast: Forecast, choice: Choice, span: Span) -> dict[SeriesName, Observations]:
    """Every observation that the hours of a span may rest on, by series."""
    of = SOURCES[forecast.model]
    c = of.table.c
    observed = c[of.observed]
    start, end = moment_of(span.reach) - of.max_age - of.lag, moment_of(span.end)
    where = (
        of.counts(of.table) & choice.where(c[of.domain], c[of.series] if of.series else None)
        & (observed >= start) & (observed <= end - of.lag) & (c.known_at <= end)
    )  # fmt: skip
    keys = (of.domain, of.series) if of.series else (of.domain,)
    rows = source.rows(of.table, (*keys, of.observed, "known_at", *of.reads), where, ())
    return {name: one for name, one in observations_of(of, rows).items() if choice.has(name)}


def _beside(source: Source, forecast: Forecast, choice: Choice, span: Span) -> dict[SeriesName, Beside]:
    chosen = CHOSEN.get(forecast.model)
    if chosen is None:
        return {}
    names = tuple(one.name for one in chosen)
    columns = ("venue", "symbol", "opened_at", "known_at", "version", *names)
    found = feature_rows_of(source.rows(ml_features, columns, _features_within(choice, span), ()), names)
    if forecast.model != opportunity.MODEL:
        return {name: Beside(rows, names) for name, rows in found.items()}
    gaps, listened = _gaps(source, choice, span), _listened(source, choice, span)
    return {
        name: Beside(
            rows, names, arbitrage_inputs(gaps.get(name, NO_GAPS), listened.get(name, _NONE), rows.hours)
        )
        for name, rows in found.items()
    }  # fmt: skip


def _features_within(choice: Choice, span: Span) -> ColumnElement[bool]:
    c = ml_features.c
    within = (c.opened_at >= moment_of(span.first) - STEP) & (c.opened_at < moment_of(span.last))
    return (c.timeframe == TIMEFRAME) & within & choice.where(c.venue, c.symbol)


def _gaps(source: Source, choice: Choice, span: Span) -> dict[SeriesName, Gaps]:
    c = arbitrage_opportunities.c
    end = moment_of(span.last)
    within = (c.snapshot_at >= moment_of(span.first - DAY - 1)) & (c.snapshot_at <= end) & (c.known_at <= end)
    symbols = choice.where(c.buy_venue, c.symbol) | choice.where(c.sell_venue, c.symbol)
    return gaps_of(source.reader.arrow(gaps_statement(source.stands(arbitrage_opportunities, within & symbols))))


def _listened(source: Source, choice: Choice, span: Span) -> dict[SeriesName, Rows]:
    c = book_ticker_hours.c
    within = (c.opened_at >= moment_of(span.first - DAY - 1)) & (c.opened_at < moment_of(span.last))
    where = within & (c.seconds > 0) & choice.where(c.venue, c.symbol) & gaps_are_kept()
    return listened_of(source.rows(book_ticker_hours, ("venue", "symbol", "opened_at", "known_at"), where, ()))


def read_labels(
    source: Source, forecast: Forecast, choice: Choice, first: int, last: int
) -> Iterator[tuple[SeriesName, tuple[Rows, Floats, Times]]]:
    """Labels of decisions from hour `first` to hour `last`, by market.

    Returns:
        Hours of the decisions (n,), logarithmic changes, float64 (n,), and when they could first be known, datetime64[us] (n,).
    """
    c = labels.c
    where = (
        (c.timeframe == TIMEFRAME) & (c.horizon_bars == forecast.horizon_hours) & choice.where(c.venue, c.symbol)
        & (c.opened_at >= moment_of(first) - STEP) & (c.opened_at < moment_of(last))
    )  # fmt: skip
    names = ("venue", "symbol", "opened_at", "label_end_at", "known_at", "forward_return")
    rows = source.rows(labels, names, where, ())
    hours = hours_of(times(rows, "opened_at")) + 1
    known = np.maximum(times(rows, "label_end_at"), times(rows, "known_at"))
    with np.errstate(divide="ignore", invalid="ignore"):
        change = np.log1p(floats(rows, "forward_return"))
    for name, at in split(rows, "venue", "symbol"):
        yield name, (hours[at], change[at], known[at])


def _join(decisions: Rows, after: Targets, hours: Rows, change: Floats, known_at: Times) -> None:
    """Write what is known of the decisions into their targets."""
    _, ours, theirs = np.intersect1d(decisions, hours, assume_unique=True, return_indices=True)
    is_told = np.isfinite(change[theirs])
    after.target[ours[is_told]] = change[theirs][is_told]
    after.known_at[ours[is_told]] = known_at[theirs][is_told]


__all__ = ["CHOSEN", "read_labels", "read_levels", "read_parts", "read_targets", "span_of", "stored_feature_versions"]
