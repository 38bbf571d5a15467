"""What a training set is asked to hold: as it was typed, and resolved so that it can be asked again in a year.

What belongs here: the question, its name, and resolving it. What does not: answering it (rebuild.py).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from crypto_assets.datasets.features.source import Source
from crypto_assets.training_sets.columns import choose_columns, choose_horizons
from crypto_assets.training_sets.moments import settle
from crypto_assets.training_sets.refusals import SetRefused
from crypto_assets.universe import Universe, require_exchange_timeframe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import reading

MOST_SERIES = 20_000  # more than any universe; a hostile manifest must not ask for the world
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)

Short = Annotated[str, StringConstraints(min_length=1, max_length=80)]


class Part(BaseModel):
    """What manifests are made of: nothing is read that is not known, and nothing is changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Series(Part):
    """One market on one venue."""

    venue: Short
    symbol: Short


class Question(Part):
    """Everything that decides on the rows of a set.

    Args:
        start: Bars that open from here on, UTC.
        end: Bars that open before, UTC.
        as_of: Rows as they stood at this moment, UTC.
        timeframe: Length of the bars.
        series: By venue and symbol.
        columns: Values, in their order; keys and labels come besides.
        horizons: Of the labels, in bars.
        reference: Base currency of the markets that others are compared with, as the universe had it.
        scorer: Whose scores of headlines count, as the universe had it.
        dex: The universe's rules of pools.
    """

    start: AwareDatetime = Field(strict=False)
    end: AwareDatetime = Field(strict=False)
    as_of: AwareDatetime = Field(strict=False)
    timeframe: Short
    series: tuple[Series, ...] = Field(min_length=1, max_length=MOST_SERIES, strict=False)
    columns: tuple[Short, ...] = Field(max_length=2_000, strict=False)
    horizons: tuple[int, ...] = Field(max_length=100, strict=False)
    reference: Short
    scorer: Short
    dex: dict[str, object]


@dataclass(frozen=True)
class Asked:
    """A question as a person asks it.

    Args:
        name: Of the set.
        start: First moment, with its zone.
        end: Behind the last one; None for `as_of`.
        as_of: Rows as they stood then; None for the last moment that is settled.
        venues: By ccxt's ids; empty for all of the universe.
        markets: Unified symbols; empty for all that the universe names for these venues.
        timeframe: Of the bars.
        columns: Names; empty for all.
        horizons: Of labels, in bars; None for all, empty for none.
    """

    name: str
    start: datetime
    end: datetime | None = None
    as_of: datetime | None = None
    venues: Sequence[str] = ()
    markets: Sequence[str] = ()
    timeframe: str = "1h"
    columns: Sequence[str] = ()
    horizons: Collection[int] | None = None


def checked_name(name: str) -> str:
    """The name, if a set may have it: it becomes that of a folder.

    Raises:
        SetRefused: it may not.
    """
    if not _NAME.fullmatch(name):
        raise SetRefused(
            f"A training set cannot be named {name[:80]!r}",
            way_out="Use up to 63 small letters, digits, - and _, beginning with a letter or digit: momentum-2026.",
        )
    return name


def resolve(warehouse: Warehouse, universe: Universe, asked: Asked) -> Question:
    """Everything that was left open, filled in.

    Raises:
        UniverseError: an unknown venue, market or timeframe.
        SetRefused: an unknown column or horizon, an empty span, a market of which no bar was ever collected, a moment that is
            not over.
        DatabaseUnreachable: no connection.
    """
    require_exchange_timeframe(asked.timeframe)
    _refuse_without_zone(asked)
    columns, horizons = choose_columns(asked.columns, asked.timeframe), choose_horizons(asked.horizons)
    as_of = settle(warehouse, asked.as_of)
    start, end = asked.start.astimezone(UTC), (asked.end or as_of).astimezone(UTC)
    if start >= end:
        raise SetRefused(f"Nothing lies between {start:%Y-%m-%d %H:%M} and {end:%Y-%m-%d %H:%M}")
    return Question(
        start=start,
        end=end,
        as_of=as_of,
        timeframe=asked.timeframe,
        series=_series(warehouse, universe, asked),
        columns=columns,
        horizons=horizons,
        reference=universe.features.reference,
        scorer=universe.sentiment.features_scorer,
        dex=universe.dex.model_dump(mode="json"),
    )


def _series(warehouse: Warehouse, universe: Universe, asked: Asked) -> tuple[Series, ...]:
    found: list[Series] = []
    wanted, there = set(asked.markets), set[str]()
    venues = [name for name in dict.fromkeys(asked.venues) if universe.venue(name)] or sorted(universe.venues)
    with reading(warehouse) as reader:
        for venue in sorted(venues):
            stored = {key.symbol for key in Source(reader).series(venue) if key.timeframe == asked.timeframe}
            there |= stored
            named = {one.symbol for one in universe.venue(venue).markets}
            found += [Series(venue=venue, symbol=symbol) for symbol in sorted(stored & (wanted or named))]
    absent = sorted(wanted - {one.symbol for one in found})
    if absent or not found:
        what = ", ".join(absent)[:200] or f"bars of {asked.timeframe}"
        raise SetRefused(
            f"Of {what} nothing was ever collected as bars of {asked.timeframe} on {', '.join(venues)}",
            way_out=f"Stored are {', '.join(sorted(there)[:20])}."
            if there
            else "`crypto-assets backfill` collects bars.",
        )
    return tuple(found)


def _refuse_without_zone(asked: Asked) -> None:
    for name, at in (("start", asked.start), ("end", asked.end), ("as_of", asked.as_of)):
        if at is not None and at.tzinfo is None:
            raise SetRefused(
                f"Expected {name} with its time zone, and got {at.isoformat()}", way_out="Say 2024-01-01T00:00Z."
            )


__all__ = ["Asked", "Part", "Question", "Series", "Short", "checked_name", "resolve"]
