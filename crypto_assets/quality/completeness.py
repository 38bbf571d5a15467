"""Whether every bar that is due is there or has a reason, and whether rows were refused.

What belongs here: rules that read the gap ledger, the quarantine and earlier scores beside a dataset's table. What does not:
rules over a table's own rows (checks.py), finding and naming gaps (scan.py, naming.py).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import Select, Table, and_, case, extract, func, literal, select, true

from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.checks import Look, bar_seconds, inside
from crypto_assets.quality.findings import Finding
from crypto_assets.quality.gaps import State
from crypto_assets.quality.scores import score_history
from crypto_assets.quality.series import labelled_series, series_of, symbol_of, time_of, timeframe_of, venue_of
from crypto_assets.schema.bookkeeping import collected_ranges, coverage, quarantine
from crypto_assets.spans import difference
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.detached import away_spans
from crypto_assets.warehouse.read import read_frame

SERIES = ["venue", "symbol", "timeframe"]
REFUSED_WITHIN = timedelta(days=1)  # a row refused longer ago says nothing about the data of now
JUDGED_BARS = 1_000  # newest bars of a series that are compared with each other
FEWEST_BARS = 50  # below this many, a median says too little
_TO_SIGMA = 1.4826  # median absolute deviation times this is the standard deviation of a normal distribution
FOUND_NOW = "missing since now"
_FAILING = frozenset({State.MISSING.value, State.UNRECOVERABLE.value, FOUND_NOW, "not in the ledger"})
_SCORE_NOISE = 0.001  # scores that never moved would make any change infinitely rare


def gaps_are_explained(table: Table, dataset: str) -> Look:
    """Every opening time collected holds a bar, or the ledger says why not.

    What is absent is counted from the table, not believed: an absent bar that the ledger does not know fails, too. A gap so
    young that the venue may still publish its bars is noted, and does not fail yet.
    """

    def look(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
        with warehouse.connect() as connection:
            gone = away_spans(connection, table.fullname, (window.start, window.end))
        if not difference([(window.start, window.end)], gone):  # nothing is due of what retention took out
            return []
        young = datetime.now(UTC) - universe.gaps.wait(1)
        due = read_frame(warehouse, _due(table, dataset, window))
        told = read_frame(warehouse, _told(dataset, window, young))
        states: dict[tuple[str, ...], dict[str, int]] = {}
        for row in told.to_dict("records"):
            states.setdefault(tuple(row[name] for name in SERIES), {})[row["kind"]] = round(row["bars"])
        return [
            _explained((row["venue"], row["symbol"], row["timeframe"]), round(row["due"]), int(row["stored"]), states)
            for row in due.to_dict("records")
        ]

    return look


def severity_by_share(findings: Sequence[Finding], universe: Universe) -> dg.AssetCheckSeverity:
    """ERROR where a series lacks more than min_completeness of the universe allows, WARN below.

    What was found within the first wait and was not asked for again yet, does not count here: a repair is on its way.
    """
    alarming = 1 - universe.bounds.min_completeness
    is_grave = any(one.checked and (one.failed - one.waiting) / one.checked > alarming for one in findings)
    return dg.AssetCheckSeverity.ERROR if is_grave else dg.AssetCheckSeverity.WARN


def rows_are_accepted(table: Table, dataset: str) -> Look:
    """No row of the last day had to be refused: rows in quarantine count against those that were stored."""

    def look(warehouse: Warehouse, _universe: Universe, window: VenueWindow) -> list[Finding]:
        q = quarantine.c
        refused = (
            select(q.venue, q.symbol, q.timeframe, func.count().label("refused"), func.max(q.reason).label("reason"))
            .where(q.dataset == dataset, *((q.venue == window.venue,) if window.venue else ()))
            .where(q.last_seen_at > datetime.now(UTC) - REFUSED_WITHIN)
            .group_by(q.venue, q.symbol, q.timeframe)
        )
        stored = (
            select(*labelled_series(table), func.count().label("stored"))
            .where(*inside(table, window))
            .group_by(*series_of(table))
        )
        counts: dict[tuple[str, str, str], tuple[int, int, str]] = {
            _key(row): (int(row["stored"]), 0, "") for row in read_frame(warehouse, stored).to_dict("records")
        }
        for row in read_frame(warehouse, refused).to_dict("records"):
            there = counts.get(_key(row), (0, 0, ""))[0]
            counts[_key(row)] = (there, int(row["refused"]), str(row["reason"]))
        return [
            Finding(*key, there + failed, failed, reason) for key, (there, failed, reason) in sorted(counts.items())
        ]

    return look


def few_anomalies(table: Table, volume: str = "volume_base") -> Look:
    """Returns and volumes of the newest bars stay near their series' median, by robust z-score.

    The robust z-score of x is (x - median) / (1.4826 median absolute deviation), after Iglewicz and Hoaglin (1993). A bar
    stands out where that of its log return or of its log volume exceeds the universe's max_robust_z. Crashes are real: up to
    a share of max_anomalous_share such bars are noted and pass.

    Args:
        volume: The table's column of what was traded.
    """

    def look(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
        frame = read_frame(warehouse, _newest_bars(table, volume, window))
        findings = []
        for key, bars in frame.groupby(SERIES, sort=True):
            venue, symbol, timeframe = (str(part) for part in key)
            if len(bars) >= FEWEST_BARS:
                ordered = bars.sort_values("opened_at")
                odd = np.flatnonzero(_stands_out(ordered["close"], ordered["volume"], universe.scores.max_robust_z))
                at = f"{ordered['opened_at'].iloc[int(odd[0])]:%Y-%m-%d %H:%M}" if len(odd) else ""
                failed = len(odd) if len(odd) > universe.scores.max_anomalous_share * len(ordered) else 0
                note = f"{len(odd)} of {len(ordered)} bars stand out, first {at}" if len(odd) and not failed else ""
                findings.append(Finding(venue, symbol, timeframe, len(ordered), failed, at, note))
        return findings

    return look


def score_near_its_history(dataset: str) -> Look:
    """The newest overall score of each series is no outlier below its last thirty."""

    def look(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
        history = score_history(warehouse, dataset, window.venue)
        findings = []
        for key, rows in history.groupby(SERIES, sort=True):
            venue, symbol, timeframe = (str(part) for part in key)
            scores = rows.sort_values("scored_at")["overall"].dropna().to_numpy()
            if len(scores) > 5:
                past = scores[:-1]
                spread = max(_TO_SIGMA * float(np.median(np.abs(past - np.median(past)))), _SCORE_NOISE)
                fell = float(np.median(past)) - float(scores[-1])
                told = f"{scores[-1]:.4f} after a median of {np.median(past):.4f}"
                findings.append(
                    Finding(venue, symbol, timeframe, 1, int(fell / spread > universe.scores.max_score_z), told)
                )
        return findings

    return look


def robust_z(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Robust z-scores of the values; zeros where they do not vary."""
    middle = np.median(values)
    spread = _TO_SIGMA * np.median(np.abs(values - middle))
    scores: NDArray[np.float64] = (values - middle) / spread if spread > 0 else np.zeros(len(values))
    return scores


def _key(row: Mapping[Hashable, object]) -> tuple[str, str, str]:
    return str(row["venue"]), str(row["symbol"]), str(row["timeframe"])


def _stands_out(close: pd.Series[float], volume: pd.Series[float], bound: float) -> NDArray[np.bool_]:
    returns = np.diff(np.log(close.to_numpy()), prepend=np.log(close.iloc[0]))
    volumes = np.log1p(volume.to_numpy() / max(float(volume.median()), 1e-12))
    odd: NDArray[np.bool_] = (np.abs(robust_z(returns)) > bound) | (np.abs(robust_z(volumes)) > bound)
    return odd


def _explained(
    key: tuple[str, str, str], due: int, stored: int, states: Mapping[tuple[str, ...], Mapping[str, int]]
) -> Finding:
    here = states.get(key, {})
    known = sum(here.values())
    unknown = max(0, due - stored - known)
    failing = {**here, "not in the ledger": unknown}
    failed = sum(bars for kind, bars in failing.items() if kind in _FAILING)
    waiting = here.get(FOUND_NOW, 0)
    told = ", ".join(f"{bars:,} {kind.replace('_', ' ')}" for kind, bars in sorted(failing.items()) if bars)
    return Finding(*key, due, failed, told if failed else "", note="" if failed else told, waiting=waiting)


def _due(table: Table, dataset: str, window: VenueWindow) -> Select[tuple[object, ...]]:
    """Per series: bars due in what was collected of the window, and bars stored there."""
    ranges = collected_ranges
    asked = func.tstzmultirange(func.tstzrange(window.start, window.end))
    spans = (
        select(
            ranges.c.venue, ranges.c.symbol, ranges.c.timeframe, func.unnest(ranges.c.collected * asked).label("span")
        )
        .where(ranges.c.dataset == dataset, ranges.c.venue == window.venue)
        .subquery()
    )
    first, last = func.lower(spans.c.span), func.upper(spans.c.span)
    seconds = bar_seconds(spans)
    due = func.ceil(extract("epoch", last) / seconds) - func.ceil(extract("epoch", first) / seconds)
    stored = (
        select(func.count())
        .where(
            venue_of(table) == spans.c.venue,
            symbol_of(table) == spans.c.symbol,
            timeframe_of(table) == spans.c.timeframe,
            time_of(table) >= first,
            time_of(table) < last,
        )
        .correlate(spans)
        .scalar_subquery()
    )
    counted = select(
        spans.c.venue, spans.c.symbol, spans.c.timeframe, due.label("due"), stored.label("stored")
    ).subquery()
    return select(
        counted.c.venue,
        counted.c.symbol,
        counted.c.timeframe,
        func.sum(counted.c.due).label("due"),
        func.sum(counted.c.stored).label("stored"),
    ).group_by(counted.c.venue, counted.c.symbol, counted.c.timeframe)


def _told(dataset: str, window: VenueWindow, young: datetime) -> Select[tuple[object, ...]]:
    """Per series and kind of absence: bars of the window that the ledger knows."""
    c = coverage.c
    is_missing = c.state == State.MISSING.value
    kind = case(
        (and_(is_missing, c.gap_end > young), "too young to ask for again"),
        (and_(is_missing, c.first_seen > young, ~c.evidence.has_key("asked")), FOUND_NOW),
        else_=c.state,
    )
    length = extract("epoch", func.least(c.gap_end, window.end) - func.greatest(c.gap_start, window.start))
    bars = func.sum(length / bar_seconds(coverage))
    return (
        select(c.venue, c.symbol, c.timeframe, kind.label("kind"), bars.label("bars"))
        .where(c.dataset == dataset, c.venue == window.venue, c.state != State.REPAIRED.value)
        .where(c.gap_end > window.start, c.gap_start < window.end)
        .group_by(c.venue, c.symbol, c.timeframe, kind)
    )


def _newest_bars(table: Table, volume: str, window: VenueWindow) -> Select[tuple[object, ...]]:
    ranges = collected_ranges
    newest = (
        select(table.c.opened_at, table.c.close, table.c[volume].label("volume"))
        .where(
            venue_of(table) == ranges.c.venue,
            symbol_of(table) == ranges.c.symbol,
            timeframe_of(table) == ranges.c.timeframe,
            table.c.opened_at >= literal(window.start),
            table.c.opened_at < literal(window.end),
        )
        .order_by(table.c.opened_at.desc())
        .limit(JUDGED_BARS)
        .lateral("newest")
    )
    return (
        select(
            ranges.c.venue,
            ranges.c.symbol,
            ranges.c.timeframe,
            newest.c.opened_at,
            newest.c.close,
            newest.c.volume,
        )
        .select_from(ranges.join(newest, true()))
        .where(ranges.c.dataset == table.fullname.replace(".", "/"), ranges.c.venue == window.venue)
    )


__all__ = [
    "few_anomalies", "gaps_are_explained", "robust_z", "rows_are_accepted",
    "score_near_its_history", "severity_by_share",
]  # fmt: skip
