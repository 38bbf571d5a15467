"""Working through the markets of a run: which series, in two threads, each market one transaction, and what came of it.

What belongs here: the loop and its report, for every dataset of this folder. What does not: what is computed from a market.

Threads and not processes: TA-Lib, numpy's copies, ADBC and COPY all let go of the interpreter's lock, so two threads keep two
cores and the server busy, without a second's start of a process and its memory (docs/decisions/0006).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import local
from typing import Protocol

import numpy as np
from sqlalchemy import Table

from crypto_assets.datasets.features.blocks import Block, blocks_of, stretches
from crypto_assets.datasets.features.shared import Shared
from crypto_assets.datasets.features.source import Source
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.indicators.declaration import Floats, Singles, Times
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.coverage import SeriesKey
from crypto_assets.universe import TIMEFRAME_LENGTH, Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.detached import refuse_away
from crypto_assets.warehouse.read import reading
from crypto_assets.warehouse.write import replace

# One more than a desktop's cores: while two compute, the third waits for the server, which would else be waited for by both
# (132 features of fifty markets: 44 seconds for 50).
WORKERS = 3
# The tables that are partitioned by time, may leave it for an archive, and are read for what is derived.
RESTS_ON = (
    "dex.pool_ohlcv", "dex.pool_trades", "dex.pools", "market.ohlcv", "market.order_books", "market.trade_bars",
)  # fmt: skip


class NoBars(CryptoAssetsError):
    """Nothing is stored to derive anything from."""


type Column = Floats | Singles | Times


@dataclass(frozen=True)
class Rows:
    """Derived rows of one market in order of time.

    Args:
        opened_at: Of the bars they belong to.
        columns: One array a column; NaN where there is no value.
        known_at: When each could be known; None for the close of its bar.
    """

    opened_at: Times
    columns: Mapping[str, Column]
    known_at: Times | None = None


@dataclass(frozen=True)
class Derived:
    """What came of one market.

    Args:
        known: Values that are not null, by column.
        due: Rows in which a column can have one: an optional column's, those from the first on that has it; left out, all.
    """

    key: SeriesKey
    rows: int
    known: Mapping[str, int] = field(default_factory=dict)
    first: datetime | None = None
    last: datetime | None = None
    due: Mapping[str, int] = field(default_factory=dict)

    @property
    def values_known(self) -> int:
        """Values that are not null."""
        return sum(self.known.values())

    @property
    def values_due(self) -> int:
        """Values that could be."""
        return sum(self.due.get(name, self.rows) for name in self.known)

    @property
    def coverage(self) -> float:
        """Share of the values due that are not null; 0 for no row."""
        return self.values_known / self.values_due if self.values_due else 0.0


@dataclass(frozen=True)
class Task:
    """A market and the blocks of it that are read at once."""

    key: SeriesKey
    blocks: tuple[Block, ...]


class Choice(Protocol):
    """Which series a run is about; empty for all that the universe names."""

    @property
    def markets(self) -> Sequence[str]:
        """Unified symbols."""

    @property
    def timeframes(self) -> Sequence[str]:
        """Lengths of bars."""


def choose_series(stored: Sequence[SeriesKey], universe: Universe, venue: str, config: Choice) -> list[SeriesKey]:
    """The stored series of a venue that are wanted: named ones, else those of the universe. Pure.

    Raises:
        UniverseError: an unknown symbol.
        NoBars: a timeframe that is asked for by name and not stored.
    """
    symbols = {market.symbol for market in universe.select_markets(venue, tuple(config.markets))}
    there = {key.timeframe for key in stored}
    absent = [name for name in config.timeframes if name not in there]
    if absent and stored:
        raise NoBars(
            f"{venue} has no bars of {', '.join(absent)}",
            way_out=f"Stored are {', '.join(timeframes_of(stored))}; collect others first.",
        )
    wanted = set(config.timeframes) or set(universe.features.timeframes)
    return [key for key in stored if key.symbol in symbols and key.timeframe in wanted]


def tasks_of(keys: Sequence[SeriesKey], window: VenueWindow, *, before: int = 0) -> list[Task]:
    """The work of a window: stretches of blocks, each for all markets. Pure.

    Args:
        before: Bars before the window that are computed, too.
    """
    return [
        Task(key, tuple(piece))
        for timeframe in timeframes_of(keys)
        for piece in stretches(
            blocks_of(window.start - before * TIMEFRAME_LENGTH[timeframe], window.end, timeframe), timeframe
        )
        for key in keys
        if key.timeframe == timeframe
    ]


def timeframes_of(keys: Sequence[SeriesKey]) -> list[str]:
    """The timeframes of series, the shortest first."""
    return sorted({key.timeframe for key in keys}, key=lambda name: TIMEFRAME_LENGTH[name])


def derive[Work: Task](
    warehouse: Warehouse,
    table: Table,
    tasks: Iterable[Work],
    build: Callable[[Source, Work], Rows],
    constants: Mapping[str, str],
    tell: Callable[[Derived], None] = lambda _derived: None,
    optional: Collection[str] = (),
) -> list[Derived]:
    """Compute each task and put its rows in the place of the stored ones, a transaction each.

    Args:
        tasks: Taken one after the other as threads become free, so that they may be made on the way.
        table: Keyed venue, symbol, timeframe, opened_at.
        build: From a market's blocks to its rows; called in several threads.
        constants: Columns with one value for all rows, such as source.
        tell: Called with each result, in this thread.
        optional: Columns that a market may well not have.
    """

    def work(source: Source, task: Work) -> Derived:
        return _store(warehouse, table, task, build(source, task), constants, optional)

    results = []
    for derived in in_threads(warehouse, tasks, work):
        tell(derived)
        results.append(derived)
    return results


def in_threads[Item, Result](
    warehouse: Warehouse,
    items: Iterable[Item],
    work: Callable[[Source, Item], Result],
    *,
    as_of: datetime | None = None,
) -> Iterator[Result]:
    """The results in the items' order, computed by `WORKERS` threads with a reader each, few of them ahead.

    Raises:
        Whatever `work` raises; what has not begun then does not begin.
    """
    with _sources(warehouse, as_of) as source_of, ThreadPoolExecutor(WORKERS) as pool:
        pending: list[Future[Result]] = []
        try:
            for item in items:
                while len(pending) > WORKERS:
                    wait(pending[:1], return_when=FIRST_COMPLETED)
                    yield pending.pop(0).result()
                pending.append(pool.submit(lambda chosen: work(source_of(), chosen), item))
            while pending:
                yield pending.pop(0).result()
        finally:
            for future in pending:
                future.cancel()


@contextmanager
def _sources(warehouse: Warehouse, as_of: datetime | None) -> Iterator[Callable[[], Source]]:
    """A source for the calling thread, opened when it first asks; all are closed at the end."""
    mine = local()
    opened = []
    shared = Shared()

    def source_of() -> Source:
        if not hasattr(mine, "source"):
            context = reading(warehouse)
            mine.source = Source(context.__enter__(), as_of, shared=shared)
            opened.append(context)
        source: Source = mine.source
        return source

    try:
        yield source_of
    finally:
        for context in opened:
            context.__exit__(None, None, None)


def _store(
    warehouse: Warehouse,
    table: Table,
    task: Task,
    rows: Rows,
    constants: Mapping[str, str],
    optional: Collection[str],
) -> Derived:
    key = task.key
    where = {"venue": key.venue, "symbol": key.symbol, "timeframe": key.timeframe}
    length = np.timedelta64(int(TIMEFRAME_LENGTH[key.timeframe].total_seconds()), "s")
    known_at = rows.opened_at + length if rows.known_at is None else rows.known_at
    times = {"opened_at": rows.opened_at, "known_at": known_at}
    with warehouse.connect() as connection:
        # Rows in an archive are no rows that never were: what rests on them stays as it is until they are back.
        refuse_away(connection, RESTS_ON, (task.blocks[0].history_from, task.blocks[-1].end))
        replace(
            connection,
            table,
            {**where, **constants, **times, **rows.columns},
            where,
            task.blocks[0].start,
            task.blocks[-1].end,
        )
    known = {name: int(np.count_nonzero(np.isfinite(values))) for name, values in rows.columns.items()}
    if not len(rows.opened_at):
        return Derived(key, 0, known)
    first, last = (
        moment.astype("datetime64[us]").item().replace(tzinfo=UTC)
        for moment in (rows.opened_at.min(), rows.opened_at.max())
    )
    due = {name: _rows_from_first(rows.columns[name]) for name in optional}
    return Derived(key, len(rows.opened_at), known, first, last, due)


def _rows_from_first(values: Column) -> int:
    """Rows from the first on that has a value; 0 where none has."""
    is_known = np.isfinite(values)
    return len(values) - int(np.argmax(is_known)) if is_known.any() else 0


def joined(parts: Sequence[Rows], names: Sequence[str]) -> Rows:
    """The rows of several parts as one.

    Args:
        parts: At least one.
        names: Their columns.
    """
    if len(parts) == 1:
        return parts[0]
    known = [part.known_at for part in parts if part.known_at is not None]
    return Rows(
        np.concatenate([part.opened_at for part in parts]),
        {name: np.concatenate([part.columns[name] for part in parts]) for name in names},
        np.concatenate(known) if known else None,
    )
