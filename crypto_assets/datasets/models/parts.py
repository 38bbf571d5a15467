"""From what was known hour by hour to the rows of a frame.

What belongs here: which hours are decisions, putting inputs side by side, and joining the series. What does not: reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from crypto_assets.datasets.models.hours import HOUR_US, hours_of, times_of
from crypto_assets.datasets.models.inputs import OWN_INPUTS, calendar_inputs, own_inputs
from crypto_assets.datasets.models.levels import Hourly, LevelSource, Observations, hourly
from crypto_assets.datasets.models.stored_rows import FeatureRows
from crypto_assets.forecasting.declaration import Forecast
from crypto_assets.forecasting.frame import Floats, Frame, Rows, SeriesName, Singles, Times


@dataclass(frozen=True)
class Span:
    """Which hours a frame is made of.

    Args:
        first: First hour that may be a decision.
        last: Last hour that may be one.
        reach: First hour whose level the inputs look at.
        end: Last hour whose level is looked at: the last target's, or the newest hour that is over.
    """

    first: int
    last: int
    reach: int
    end: int


@dataclass(frozen=True)
class Part:
    """One series' rows of a frame, ascending; n of them.

    Args:
        hours: Of the decisions (n,).
        inputs: float32 (n, p).
        now: float64 (n,).
        there: The levels hour by hour, for targets.
    """

    hours: Rows
    inputs: Singles
    now: Floats
    there: Hourly


@dataclass(frozen=True)
class Targets:
    """What came after the decisions of a part: n of them, as in Frame."""

    target: Floats
    known_at: Times

    @classmethod
    def unknown(cls, count: int) -> Targets:
        """Of decisions whose horizon lies ahead."""
        return cls(np.full(count, np.nan), np.full(count, np.datetime64("NaT", "us")))


@dataclass(frozen=True)
class Beside:
    """What is joined to a series' levels.

    Args:
        features: Rows of features.ml_features; None for what has none.
        names: Of its columns.
        more: Further inputs by name, for each of the features' hours.
    """

    features: FeatureRows | None = None
    names: tuple[str, ...] = ()
    more: Mapping[str, Floats] = field(default_factory=dict)


def grid_of(source: LevelSource, rows: Observations, span: Span) -> Hourly | None:
    """The series' levels from its first observation on; None where nothing was known by the end of the span. Pure."""
    if not len(rows.known_at):
        return None
    begin = int(hours_of(rows.known_at.min() - np.timedelta64(1, "us")) + 1)  # the first full hour at or after it
    first = max(span.reach, begin)
    return hourly(rows, first, span.end, source.max_age) if first <= span.end else None


def part_of(forecast: Forecast, there: Hourly, span: Span, beside: Beside) -> Part | None:
    """One series' rows; None where it has no decision in the span. Pure.

    With features, each of their hours is a decision; without, every hour. None lies before the quantity was first known, and
    of those without features none after it was last known.
    """
    known = np.flatnonzero(np.isfinite(there.level))
    if not len(known):
        return None
    first = max(span.first, there.first + int(known[0]))
    if beside.features is None:
        hours: Rows = np.arange(first, min(span.last, there.first + int(known[-1])) + 1, dtype=np.int64)
        rows = slice(0, 0)
    else:
        last = min(span.last, there.first + len(there) - 1)
        begin, end = np.searchsorted(beside.features.hours, [first, last + 1]).tolist()
        rows = slice(begin, end)
        hours = beside.features.hours[rows]
    if not len(hours):
        return None
    place = _places(hours, there.first)
    return Part(hours, _side_by_side(forecast, there, hours, place, (beside, rows)), there.level[place], there)


def frame_of(forecast: Forecast, parts: Mapping[SeriesName, tuple[Part, Targets]]) -> Frame:
    """The series' rows one after the other, series by name. Pure."""
    names = sorted(parts)
    found = [parts[name] for name in names]
    counts = [len(part.hours) for part, _ in found]
    return Frame(
        names=forecast.inputs,
        series=tuple(names),
        code=np.repeat(np.arange(len(names), dtype=np.int64), counts),
        decided_at=times_of(np.concatenate([part.hours for part, _ in found] or [np.zeros(0, np.int64)])),
        inputs=np.concatenate(
            [part.inputs for part, _ in found] or [np.zeros((0, len(forecast.inputs)), np.float32)], dtype=np.float32
        ),
        now=np.concatenate([part.now for part, _ in found] or [np.zeros(0)]),
        target=np.concatenate([after.target for _, after in found] or [np.zeros(0)]),
        target_known_at=np.concatenate([after.known_at for _, after in found] or [np.zeros(0, "datetime64[us]")]),
    )


def _places(hours: Rows, first: int) -> slice | Rows:
    """Where the hours stand on a grid; hours without a hole are a slice of it, which is taken in a fifth of the time."""
    begin, end = int(hours[0]) - first, int(hours[-1]) - first + 1
    return slice(begin, end) if end - begin == len(hours) else hours - first


def _side_by_side(
    forecast: Forecast, there: Hourly, hours: Rows, place: slice | Rows, joined: tuple[Beside, slice]
) -> Singles:
    """The inputs in the forecast's order, float32 (n, p).

    Args:
        place: Of the hours on the grid.
        joined: What is joined, and which of its rows are those hours.
    """
    beside, rows = joined
    inputs = np.empty((len(hours), len(forecast.inputs)), dtype=np.float32)
    columns: dict[str, Floats] = {name: values[place] for name, values in there.columns.items()}
    if any(name in OWN_INPUTS for name in forecast.inputs):
        grid = times_of(there.first + np.arange(len(there), dtype=np.int64))
        age_hours = (grid - there.observed_at) / np.timedelta64(HOUR_US, "us")
        columns |= {name: values[place] for name, values in own_inputs(there.level, age_hours).items()}
    columns |= calendar_inputs(times_of(hours))
    columns |= {name: values[rows] for name, values in beside.more.items()}
    if beside.features is not None:  # they stand side by side in the declarations, too
        at = forecast.inputs.index(beside.names[0])
        inputs[:, at : at + len(beside.names)] = beside.features.inputs[rows]
    for at, name in enumerate(forecast.inputs):
        if name not in beside.names:
            inputs[:, at] = columns[name]
    return inputs


__all__ = ["Beside", "Part", "Span", "Targets", "frame_of", "grid_of", "part_of"]
