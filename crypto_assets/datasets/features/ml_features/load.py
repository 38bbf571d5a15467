"""Features for consumers: as they are stored, or as they would have been computed with the data as ingested by a time.

What belongs here: reading for use. What does not: computing (engine.py) and storing (run.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

import numpy as np
import pandas as pd
from sqlalchemy import ColumnElement, Select, bindparam, func, literal_column, select

from crypto_assets.datasets.features.blocks import blocks_of
from crypto_assets.datasets.features.derive import Rows, Task, in_threads
from crypto_assets.datasets.features.ml_features.catalog import choose_features, feature_version
from crypto_assets.datasets.features.ml_features.declaration import Feature
from crypto_assets.datasets.features.ml_features.run import CrossMarkets, add_up, build_rows
from crypto_assets.datasets.features.ml_features.table import ml_features
from crypto_assets.datasets.features.source import DEFAULT_SCORER, Source
from crypto_assets.datasets.market.ohlcv.table import DATASET as BARS
from crypto_assets.datasets.market.ohlcv.table import ohlcv
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.quality.coverage import SeriesKey
from crypto_assets.schema.bookkeeping import revisions
from crypto_assets.universe import TIMEFRAME_LENGTH, DexRules, require_exchange_timeframe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import Reader, reading

KEYS = ("venue", "symbol", "timeframe", "opened_at", "known_at")
DEFAULT_REFERENCE = "BTC"
DEFAULT_DEX = DexRules()


class FeaturesRefused(CryptoAssetsError):
    """The question has no answer: nothing is stored there, or the moment or range makes no sense."""


def load_features(  # noqa: PLR0913 - a question has as many parts
    warehouse: Warehouse,
    venue: str,
    symbols: Sequence[str],
    timeframe: str,
    start: datetime,
    end: datetime,
    as_of: datetime | None = None,
    columns: Sequence[str] | None = None,
    *,
    reference: str = DEFAULT_REFERENCE,
    dex: DexRules = DEFAULT_DEX,
    scorer: str = DEFAULT_SCORER,
) -> pd.DataFrame:
    """Features of bars that open in [start, end), by symbol and time.

    Args:
        warehouse: Where to read.
        venue: By its ccxt id.
        symbols: Unified symbols; empty for every stored one.
        timeframe: As 1h.
        start: With its zone.
        end: With its zone.
        as_of: None: the stored rows. A moment with its zone: what would have been computed with bars and gap ledger as
            ingested by then, from audit.revisions, by the features as they are declared now.
        columns: Names of features, in the order wanted; None for all.
        reference: With `as_of`, the base currency that others are compared with, as the universe has it.
        dex: With `as_of`, which tokens stand for a currency, as the universe has it.
        scorer: With `as_of`, whose scores of headlines count, as the universe has it.

    Returns:
        venue, symbol, timeframe, opened_at, known_at (UTC), the features (float32, NaN for null), version. Rebuilt rows are
        equal to the stored ones to the last bit where nothing was ingested in between.

    Raises:
        FeatureUnknown: a column that no feature has.
        UniverseError: an unknown timeframe.
        FeaturesRefused: no bar of that market, timeframe or range; a range that is empty or a time without its zone; `as_of`
            before the first bar was ingested.
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    features = choose_features(columns or ())
    require_exchange_timeframe(timeframe)
    _refuse_times(start, end, as_of)
    with reading(warehouse) as reader:
        stored = [key for key in Source(reader).series(venue) if key.timeframe == timeframe]
        chosen = _choose(reader, stored, venue, symbols, timeframe)
        if as_of is None:
            frame = _stored(reader, chosen, start, end, features)
        else:
            _refuse_before_first(reader, chosen, as_of)
    if as_of is not None:

        def by_rules(source: Source) -> Source:
            return replace(source, dex=dex, scorer=scorer)

        frame = _rebuilt(warehouse, chosen, stored, (start, end), as_of, features, reference, by_rules)
    if frame.empty:
        there = ", ".join(key.symbol for key in chosen)
        raise FeaturesRefused(
            f"No features of {venue} {there} {timeframe} from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}",
            way_out="`crypto-assets status` shows the ranges; `crypto-assets features compute` derives what has bars.",
        )
    return frame


def latest_features(reader: Reader, venue: str, symbol: str, timeframe: str) -> pd.DataFrame:
    """The newest stored row of one market, in the columns of `load_features`; empty where there is none.

    Args:
        reader: Kept open between requests: a read then takes a few milliseconds.
    """
    return reader.newest(_latest(), {"the_venue": venue, "the_symbol": symbol, "the_timeframe": timeframe})


@cache
def _latest() -> Select[tuple[object, ...]]:
    """Made once, for it is asked for each bar of each market and has more than a hundred columns."""
    c = ml_features.c
    names = (*KEYS, *(one.name for one in choose_features(())), "version")
    here = (
        c.venue == bindparam("the_venue"), c.symbol == bindparam("the_symbol"), c.timeframe == bindparam("the_timeframe")
    )  # fmt: skip
    one: ColumnElement[int] = literal_column("1")  # a parameter would be planned for as many rows as there are
    return select(*(c[name] for name in names)).where(*here).order_by(c.opened_at.desc()).limit(one)


def _stored(
    reader: Reader, keys: Sequence[SeriesKey], start: datetime, end: datetime, features: Sequence[Feature]
) -> pd.DataFrame:
    c = ml_features.c
    names = (*KEYS, *(one.name for one in features), "version")
    return reader.frame(
        select(*(c[name] for name in names))
        .where(c.venue == keys[0].venue, c.timeframe == keys[0].timeframe)
        .where(c.symbol.in_([key.symbol for key in keys]), c.opened_at >= start, c.opened_at < end)
        .order_by(c.symbol, c.opened_at)
    )


def _rebuilt(
    warehouse: Warehouse,
    keys: Sequence[SeriesKey],
    peers: Sequence[SeriesKey],
    span: tuple[datetime, datetime],
    as_of: datetime,
    features: Sequence[Feature],
    reference: str,
    by_rules: Callable[[Source], Source],
) -> pd.DataFrame:
    timeframe = keys[0].timeframe
    frames = []
    for block in blocks_of(*span, timeframe):
        crosses = add_up(warehouse, peers, [block], reference, as_of=as_of)
        tasks = [Task(key, (block,)) for key in keys]

        def build(source: Source, task: Task, crosses: CrossMarkets = crosses) -> pd.DataFrame:
            return _framed(task.key, build_rows(by_rules(source), task, crosses, features), features)

        frames += list(in_threads(warehouse, tasks, build, as_of=as_of))
    return pd.concat(frames, ignore_index=True).sort_values(["symbol", "opened_at"], ignore_index=True)


def _framed(key: SeriesKey, rows: Rows, features: Sequence[Feature]) -> pd.DataFrame:
    opened_at = pd.Series(rows.opened_at).dt.tz_localize("UTC")
    named = {"venue": key.venue, "symbol": key.symbol, "timeframe": key.timeframe}
    times = {"opened_at": opened_at, "known_at": opened_at + TIMEFRAME_LENGTH[key.timeframe]}
    values = {one.name: np.asarray(rows.columns[one.name], dtype=np.float32) for one in features}
    frame = pd.DataFrame({**times, **values, "version": feature_version()}, index=opened_at.index)
    return frame.assign(**named)[[*KEYS, *values, "version"]]


def _choose(
    reader: Reader, stored: Sequence[SeriesKey], venue: str, symbols: Sequence[str], timeframe: str
) -> list[SeriesKey]:
    if not stored:
        there = sorted({key.timeframe for key in Source(reader).series(venue)}, key=lambda name: TIMEFRAME_LENGTH[name])
        known = f"It has {', '.join(there)}." if there else "No bar of that venue was ever collected."
        raise FeaturesRefused(f"No bars of {timeframe} are stored for {venue}", way_out=known)
    absent = sorted(set(symbols) - {key.symbol for key in stored})
    if absent:
        raise FeaturesRefused(
            f"No {timeframe} bars of {', '.join(absent)} are stored for {venue}",
            way_out=f"Stored are {', '.join(key.symbol for key in stored)}.",
        )
    return [key for key in stored if not symbols or key.symbol in symbols]


def _refuse_times(start: datetime, end: datetime, as_of: datetime | None) -> None:
    for name, moment in (("start", start), ("end", end), ("as_of", as_of)):
        if moment is not None and moment.tzinfo is None:
            raise FeaturesRefused(
                f"Expected {name} with its time zone, and got {moment.isoformat()}", way_out="Say 2024-01-01T00:00Z."
            )
    if start >= end:
        raise FeaturesRefused(f"Nothing lies between {start.isoformat()} and {end.isoformat()}")


def _refuse_before_first(reader: Reader, keys: Sequence[SeriesKey], as_of: datetime) -> None:
    """A moment before the first bar was ingested: then there was nothing, and an empty frame would look like an answer."""
    c = ohlcv.c
    symbols = [key.symbol for key in keys]
    here = (c.venue == keys[0].venue, c.symbol.in_(symbols), c.timeframe == keys[0].timeframe)
    old = revisions.c.old_row
    superseded = (
        revisions.c.table_name == BARS.replace("/", "."),
        old["venue"].astext == keys[0].venue,
        old["symbol"].astext.in_(symbols),
        old["timeframe"].astext == keys[0].timeframe,
    )
    moments = [
        reader.frame(select(func.min(c.ingested_at).label("at")).where(*here))["at"],
        reader.frame(select(func.min(old["ingested_at"].astext).label("at")).where(*superseded))["at"],
    ]
    firsts = [pd.Timestamp(series.iloc[0]).to_pydatetime() for series in moments if series.notna().any()]
    if not firsts or as_of.astimezone(UTC) < min(firsts):
        when = f"the first was ingested {min(firsts):%Y-%m-%d %H:%M:%S} UTC" if firsts else "none was ever ingested"
        raise FeaturesRefused(
            f"By {as_of.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC no bar of these markets had been ingested: {when}",
            way_out="Choose a later as_of. It means when we stored data, not when the market traded.",
        )


__all__ = ["FeaturesRefused", "latest_features", "load_features"]
