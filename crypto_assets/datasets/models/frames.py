"""Frames of forecasts from what is stored: decisions with what was known at each, and what came after.

What belongs here: the questions that training, batches and the CLI ask. What does not: what is read (reading.py), what is made
of it (parts.py), and the newest hours again and again (frames_tail.py).

Point in time: whatever stands in a row of a decision rests on rows with `known_at` up to the decision alone. Its target rests
on what was known at the horizon's end, and says that it could be known then.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files

from crypto_assets.datasets.features.ml_features.catalog import feature_version
from crypto_assets.datasets.features.source import Source
from crypto_assets.datasets.models import gas, liquidity
from crypto_assets.datasets.models.frames_tail import TAIL_HOURS, TailReader, stored_series
from crypto_assets.datasets.models.hours import hour_after, hour_before
from crypto_assets.datasets.models.parts import Part, frame_of
from crypto_assets.datasets.models.reading import (
    CHOSEN,
    read_parts,
    read_targets,
    span_of,
)
from crypto_assets.datasets.models.reading import stored_feature_versions as _versions_in
from crypto_assets.datasets.models.stored_rows import Choice
from crypto_assets.datasets.models.truth import read_truth
from crypto_assets.forecasting.declaration import Forecast
from crypto_assets.forecasting.frame import Frame, FrameRefused, SeriesName
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import Reader, reading

_SHOWN = 12  # names in a sentence
_CODE = ("hours", "inputs", "levels", "parts")
_COLLECTED_BY = {
    gas.MODEL: "onchain/network_fees",
    liquidity.SPREAD: "features/ml_features and market/order_books",
    liquidity.DEPTH: "features/ml_features and market/order_books",
    liquidity.RESERVE: "dex/pools",
}


class NothingStored(FrameRefused):
    """Of what was asked for nothing is stored; the text names what is."""


def read_frame(
    warehouse: Warehouse,
    universe: Universe,
    forecast: Forecast,
    start: datetime,
    end: datetime,
    *,
    domains: Sequence[str] = (),
    series: Sequence[str] = (),
    as_of_ingested: datetime | None = None,
) -> Frame:
    """Decisions of [start, end) with inputs and targets.

    Args:
        warehouse: Where to read.
        universe: What is followed, for the way out where nothing is stored.
        forecast: Of which quantity and horizon.
        start: With its zone.
        end: With its zone. Decisions of the future are never among them.
        domains: Exchanges or chains; empty for all.
        series: Symbols, pools' addresses, or names of chains' series; empty for all.
        as_of_ingested: Rows as they stood in the database at this moment, with its zone; None for the present ones. Features
            and labels keep no former rows: of these the present ones that were stored by then.

    Returns:
        Of exchanges' markets a decision for each stored row of features, of others one for each full hour between the first
        and the last at which the quantity is known. No decision lies before the quantity was first known.

    Raises:
        NothingStored: of the domains or series asked for nothing is stored, in that range or at all.
        FrameRefused: a time without its zone, or an empty range.
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame` of the warehouse.
    """
    _refuse_times(start, end, as_of_ingested)
    choice = Choice(tuple(domains), tuple(series))
    over = hour_before(min(at for at in (datetime.now(UTC), as_of_ingested) if at is not None))
    span = span_of(forecast, hour_after(start), hour_after(end) - 1, over)
    with reading(warehouse) as reader:
        source = Source(reader, as_of=as_of_ingested)
        parts = read_parts(source, forecast, choice, span) if span.first <= span.last else {}
        _refuse_absent(reader, universe, forecast, choice, parts, (start, end))
        targets = read_targets(source, forecast, choice, parts, over)
    return frame_of(forecast, {name: (part, targets[name]) for name, part in parts.items()})


def tail_frame(
    place: Warehouse | Reader,
    universe: Universe,
    forecast: Forecast,
    *,
    domains: Sequence[str] = (),
    series: Sequence[str] = (),
    hours: int = TAIL_HOURS,
) -> Frame:
    """The newest decisions of each series, without targets; for one question. Who asks again and again keeps a TailReader.

    Args:
        place: Where to read.
        universe: As for `read_frame`.
        forecast: Of which quantity.
        domains: Exchanges or chains; empty for all.
        series: Symbols, pools' addresses, or names of chains' series; empty for all.
        hours: At most so many decisions of each.

    Raises:
        NothingStored: of the domains or series asked for nothing is stored.
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame` of the warehouse.
    """
    if isinstance(place, Warehouse):
        with reading(place) as reader:
            return tail_frame(reader, universe, forecast, domains=domains, series=series, hours=hours)
    choice = Choice(tuple(domains), tuple(series))
    stored = stored_series(place, forecast)
    names = [name for name in stored if choice.has(name)]
    frame = TailReader(place, universe, hours=hours).read(forecast, names)
    _refuse_absent(place, universe, forecast, choice, dict.fromkeys(frame.series), None)
    return frame


@cache
def feature_version_of(forecast: Forecast) -> str:
    """Which version of its inputs a forecast looks at, by the code as it is: twelve hexadecimal digits.

    The version of features.ml_features for models of exchanges' markets; of the others a hash over the declared inputs and the
    code that computes them.
    """
    if forecast.model in CHOSEN:
        return feature_version()
    told = hashlib.sha256("|".join((forecast.model, *forecast.inputs)).encode())
    for module in _CODE:
        told.update(
            files("crypto_assets.datasets.models").joinpath(f"{module}.py").read_bytes().replace(b"\r\n", b"\n")
        )
    return told.hexdigest()[:12]


def stored_feature_versions(
    warehouse: Warehouse,
    forecast: Forecast,
    start: datetime,
    end: datetime,
    *,
    domains: Sequence[str] = (),
    series: Sequence[str] = (),
) -> dict[str, int]:
    """By which versions of the features' code the decisions of [start, end) are stored, and how many rows by each.

    Of a model that looks at no features, that is the version of this code alone, with no rows.
    """
    if forecast.model not in CHOSEN:
        return {feature_version_of(forecast): 0}
    span = span_of(forecast, hour_after(start), hour_after(end) - 1, hour_before(datetime.now(UTC)))
    with reading(warehouse) as reader:
        return _versions_in(Source(reader), Choice(tuple(domains), tuple(series)), span)


def _refuse_times(start: datetime, end: datetime, as_of: datetime | None) -> None:
    for name, moment in (("start", start), ("end", end), ("as_of_ingested", as_of)):
        if moment is not None and moment.tzinfo is None:
            raise FrameRefused(
                f"Expected {name} with its time zone, and got {moment.isoformat()}", way_out="Say 2024-01-01T00:00Z."
            )
    if start >= end:
        raise FrameRefused(f"Nothing lies between {start.isoformat()} and {end.isoformat()}")


def _refuse_absent(
    reader: Reader,
    universe: Universe,
    forecast: Forecast,
    choice: Choice,
    found: dict[SeriesName, Part] | dict[SeriesName, None],
    span: tuple[datetime, datetime] | None,
) -> None:
    """Refuse a question some part of which has no answer: a frame without it would look like one with it."""
    strange = [name for name in choice.domains if name not in {one.domain for one in found}]
    strange += [name for name in choice.series if name not in {one.series for one in found}]
    if found and not strange:
        return
    stored = stored_series(reader, forecast)
    there = sorted({one.domain for one in stored} | {one.series for one in stored})
    absent = [name for name in strange if name not in there]
    when = f" from {span[0]:%Y-%m-%d %H:%M} to {span[1]:%Y-%m-%d %H:%M}" if span else ""
    what = f" of {', '.join(absent or strange)}" if strange else ""
    raise NothingStored(
        f"Nothing{what} is stored{'' if absent else when} that {forecast.name} could look at",
        way_out=_way_out(universe, forecast, stored, absent),
    )


def _way_out(universe: Universe, forecast: Forecast, stored: Sequence[SeriesName], absent: Sequence[str]) -> str:
    by = _COLLECTED_BY.get(forecast.model, "features/ml_features")
    if not stored:
        hint = "" if forecast.model not in CHOSEN or "1h" in universe.features.timeframes else (
            "the universe's features.timeframes lacks 1h; "
        )  # fmt: skip
        return f"{hint}materialize {by} first.".capitalize()
    names = [str(one) for one in stored]
    near = [name for text in absent for name in difflib.get_close_matches(text, names, n=3, cutoff=0.4)]
    shown = near or names[:_SHOWN]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return f"Stored are {', '.join(shown)}{more}; what is missing {by} brings, once the universe has it."


__all__ = [
    "NothingStored", "TailReader", "feature_version_of", "read_frame", "read_truth", "stored_feature_versions",
    "stored_series", "tail_frame",
]  # fmt: skip
