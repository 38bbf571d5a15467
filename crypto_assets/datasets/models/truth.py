"""What came after decisions, and when it could first be known.

What belongs here: reading the truth of a span of decisions. What does not: comparing predictions with it (outcomes/score.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from crypto_assets.datasets.features.source import Source, wall
from crypto_assets.datasets.models import opportunity
from crypto_assets.datasets.models.hours import hour_after, hour_before, times_of
from crypto_assets.datasets.models.levels import SOURCES, changes_ahead
from crypto_assets.datasets.models.parts import Span, grid_of
from crypto_assets.datasets.models.reading import read_labels, read_levels
from crypto_assets.datasets.models.stored_rows import Choice
from crypto_assets.forecasting.declaration import Forecast
from crypto_assets.forecasting.frame import Floats, Rows, SeriesName, Times
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import reading

COLUMNS = ("domain", "series", "decided_at", "truth", "known_at")


def read_truth(
    warehouse: Warehouse,
    universe: Universe,  # noqa: ARG001 - whoever asks for frames asks so for their truth
    forecast: Forecast,
    start: datetime,
    end: datetime,
    *,
    domains: Sequence[str] = (),
    series: Sequence[str] = (),
    now: datetime | None = None,
) -> pd.DataFrame:
    """What came after the decisions of [start, end), as `read_frame` has it in its targets; those alone whose truth is known.

    Args:
        warehouse: Where to read.
        universe: As for `read_frame`.
        forecast: Of which quantity and horizon.
        start: With its zone.
        end: With its zone.
        domains: Only these exchanges or chains.
        series: Only these symbols, pools or series of chains.
        now: What ends later is not known yet, with its zone; None for the clock.

    Returns:
        domain, series, decided_at (UTC, every full hour), truth (logarithmic change), known_at (UTC, never before the
        horizon's end); by domain, series and time.

    Raises:
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame` of the warehouse.
    """
    first, last, over = hour_after(start), hour_after(end) - 1, hour_before(now or datetime.now(UTC))
    last = min(last, over - forecast.horizon_hours)
    choice = Choice(domains, series)
    frames = []
    if first <= last:
        with reading(warehouse) as reader:
            source = Source(reader)
            told = _labelled if forecast.model == opportunity.MODEL else _changed
            for name, hours, truth, known_at in told(source, forecast, choice, first, last):
                is_known = np.isfinite(truth) & (known_at <= wall(now or datetime.now(UTC)))
                frames.append(_framed(name, hours[is_known], truth[is_known], known_at[is_known]))
    if not frames:
        return _framed(SeriesName("", ""), np.zeros(0, np.int64), np.zeros(0), np.zeros(0, "datetime64[us]"))
    return pd.concat(frames, ignore_index=True)


def _changed(
    source: Source, forecast: Forecast, choice: Choice, first: int, last: int
) -> Iterator[tuple[SeriesName, Rows, Floats, Times]]:
    span = Span(first, last, first, last + forecast.horizon_hours)
    for name, rows in sorted(read_levels(source, forecast, choice, span).items()):
        there = grid_of(SOURCES[forecast.model], rows, span)
        if there is not None:
            hours = np.arange(max(first, there.first), last + 1, dtype=np.int64)
            yield name, hours, *changes_ahead(there, hours, forecast.horizon_hours, span.end)


def _labelled(
    source: Source, forecast: Forecast, choice: Choice, first: int, last: int
) -> Iterator[tuple[SeriesName, Rows, Floats, Times]]:
    for name, (hours, change, known_at) in read_labels(source, forecast, choice, first, last):
        order = np.argsort(hours, kind="stable")
        yield name, hours[order], change[order], known_at[order]


def _framed(name: SeriesName, hours: Rows, truth: Floats, known_at: Times) -> pd.DataFrame:
    decided_at = pd.Series(times_of(hours)).dt.tz_localize("UTC")
    frame = pd.DataFrame(
        {"decided_at": decided_at, "truth": truth, "known_at": pd.Series(known_at).dt.tz_localize("UTC")}
    )
    return frame.assign(domain=name.domain, series=name.series)[list(COLUMNS)]


__all__ = ["COLUMNS", "read_truth"]
