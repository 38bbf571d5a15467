"""The newest hours of frames, read again and again: what the live path looks at.

What belongs here: which rows are kept in memory from one question to the next, and reading the newer ones. What does not: spans
of the past (frames.py) and what is made of the rows (parts.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
from sqlalchemy import ARRAY, DateTime, FromClause, Select, Text, and_, bindparam, func, literal_column, select, true

from crypto_assets.datasets.dex.pools.table import pools
from crypto_assets.datasets.features.ml_features.table import ml_features
from crypto_assets.datasets.market.order_books.table import order_books
from crypto_assets.datasets.models import gas, liquidity, opportunity
from crypto_assets.datasets.models.arbitrage_tail import GapTail
from crypto_assets.datasets.models.hours import hour_before, moment_of
from crypto_assets.datasets.models.inputs import OWN_INPUTS, REACH_HOURS
from crypto_assets.datasets.models.levels import SOURCES, TIMEFRAME, LevelSource, Observations, newest_of_hours
from crypto_assets.datasets.models.parts import Beside, Part, Span, Targets, frame_of, grid_of, part_of
from crypto_assets.datasets.models.reading import CHOSEN
from crypto_assets.datasets.models.stored_rows import (
    FeatureRows,
    feature_rows_of,
    observations_of,
    stored_feature_names,
    stored_names,
)
from crypto_assets.datasets.onchain.network_fees.table import ETHEREUM, network_fees
from crypto_assets.forecasting.declaration import Forecast
from crypto_assets.forecasting.frame import STEP, Frame, SeriesName
from crypto_assets.universe import Universe
from crypto_assets.warehouse.read import Reader

# A week and a day: what the longest seasonal baseline looks back, and a horizon of a day less.
TAIL_HOURS = 200
# Rows of so long before the newest one kept are read again: they may have been mended. What is mended further back is seen
# when everything is read anew, after so long, which takes as long as a dozen questions.
_AGAIN = timedelta(hours=3)
_ANEW = timedelta(hours=24)
_EVER = datetime(1970, 1, 1, tzinfo=UTC)
# Rows of a series that are read at most: a week of books of every five seconds. The limit keeps the planner at the key, from
# the newest row backwards, whatever it believes of the table.
_MOST_ROWS = 300_000
# So many rows of a series are thinned out to those that an hour can rest on.
_MANY = 1000


@dataclass
class _Kept[Rows]:
    """What was read of some series, and when each was read as a whole."""

    rows: dict[SeriesName, Rows] = field(default_factory=dict)
    whole_at: dict[SeriesName, datetime] = field(default_factory=dict)

    def forget_old(self, now: datetime) -> None:
        """Series that were read as a whole too long ago are to be read so again."""
        for name in [name for name, at in self.whole_at.items() if now - at > _ANEW]:
            del self.whole_at[name]
            self.rows.pop(name, None)


class TailReader:
    """Frames of the newest decisions, without targets, for one thread.

    The rows behind them are kept between questions, and newer ones read: one statement for the features of all series asked
    for, one for their levels.

    Args:
        reader: Kept open.
        universe: What is followed, and by whose rules what is read was collected.
        hours: At most so many decisions of each series.
        clock: The present, with its zone.
    """

    def __init__(
        self,
        reader: Reader,
        universe: Universe,
        *,
        hours: int = TAIL_HOURS,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.universe = universe
        self._reader = reader
        self._hours = hours
        self._clock = clock
        self._features: dict[tuple[str, ...], _Kept[FeatureRows]] = {}
        self._levels: dict[str, _Kept[Observations]] = {}
        self._gaps = GapTail(reader)

    def read(self, forecast: Forecast, series: Sequence[SeriesName]) -> Frame:
        """The newest decisions of some series; one of which nothing is stored is not in the frame.

        Of exchanges' markets the newest is the close of the newest bar that has features, of others the last full hour at
        which the quantity was known. Targets are NaN and NaT.

        Raises:
            DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame` of the warehouse.
        """
        names, now = sorted(set(series)), self._clock()
        if not names:
            return frame_of(forecast, {})
        beside = self._beside(forecast, names, now)
        levels = self._levels_of(forecast, beside, now)
        found = {name: self._part(forecast, rows, beside[name], now) for name, rows in levels.items()}
        return frame_of(
            forecast,
            {name: (part, Targets.unknown(len(part.hours))) for name, part in found.items() if part is not None},
        )

    def feature_versions(self, forecast: Forecast, series: Sequence[SeriesName]) -> dict[SeriesName, str]:
        """By which version of the features' code the newest row of each series was made, as of the last `read`.

        A model that looks at no features has none.
        """
        kept = self._features.get(_names(forecast))
        return {name: kept.rows[name].version for name in series if name in kept.rows} if kept else {}

    def _beside(self, forecast: Forecast, names: Sequence[SeriesName], now: datetime) -> dict[SeriesName, Beside]:
        if forecast.model not in CHOSEN:
            return {name: Beside() for name in names}
        columns = _names(forecast)
        rows = self._features_of(forecast, columns, names, now)
        if forecast.model != opportunity.MODEL:
            return {name: Beside(one, columns) for name, one in rows.items()}
        gaps = self._gaps.inputs(rows, now)
        return {name: Beside(one, columns, gaps[name]) for name, one in rows.items()}

    def _features_of(
        self, forecast: Forecast, columns: tuple[str, ...], names: Sequence[SeriesName], now: datetime
    ) -> dict[SeriesName, FeatureRows]:
        kept = self._features.setdefault(columns, _Kept())
        kept.forget_old(now)
        since = {
            name: moment_of(int(kept.rows[name].hours[-1])) - STEP - _AGAIN if name in kept.rows else _EVER
            for name in names
        }
        asked = _asked(since) | {"the_hours": self._hours}
        for name, newer in feature_rows_of(self._reader.arrow(_features_since(forecast.model), asked), columns).items():
            kept.rows[name] = _with_newer(kept.rows.get(name), newer, self._hours)
            kept.whole_at.setdefault(name, now)
        return {name: kept.rows[name] for name in names if name in kept.rows}

    def _levels_of(
        self, forecast: Forecast, beside: dict[SeriesName, Beside], now: datetime
    ) -> dict[SeriesName, Observations]:
        source, kept = SOURCES[forecast.model], self._levels.setdefault(forecast.model, _Kept())
        kept.forget_old(now)
        since = self._since(forecast, source, kept, beside)
        if since:
            found = observations_of(source, self._reader.arrow(_levels_since(forecast.model), _asked(since)))
            for name, newer in found.items():
                old = kept.rows.get(name)
                kept.rows[name] = (
                    newest_of_hours(newer) if old is None else _joined(old, newer, self._reach(forecast, source))
                )
                kept.whole_at.setdefault(name, now)
        return {name: kept.rows[name] for name in beside if name in kept.rows}

    def _since(
        self, forecast: Forecast, source: LevelSource, kept: _Kept[Observations], beside: dict[SeriesName, Beside]
    ) -> dict[SeriesName, datetime]:
        """From when on each series' rows are read; a series of which there are none is left out."""
        since = {
            name: _moment(kept.rows[name].observed_at.max()) - source.lag - _AGAIN
            for name in beside
            if name in kept.rows
        }
        cold = [name for name in beside if name not in kept.rows]
        if cold and forecast.model in CHOSEN:
            reach = timedelta(hours=_reach_hours(forecast)) + source.max_age + source.lag
            for name in cold:
                rows = beside[name].features
                if rows is not None:
                    since[name] = moment_of(int(rows.hours[0])) - reach
        elif cold:
            newest = self._reader.arrow(_newest(forecast.model), _asked(dict.fromkeys(cold, _EVER)))
            for name, one in observations_of(source, newest).items():
                since[name] = _moment(one.observed_at.max()) - self._reach(forecast, source)
        return since

    def _part(self, forecast: Forecast, rows: Observations, beside: Beside, now: datetime) -> Part | None:
        source, over = SOURCES[forecast.model], hour_before(now)
        if beside.features is not None:
            first, last = int(beside.features.hours[0]), min(int(beside.features.hours[-1]), over)
        else:
            last = min(hour_before(_moment(rows.observed_at.max()) + source.max_age), over)
            first = last - self._hours + 1
        span = Span(first, last, first - _reach_hours(forecast), last)
        there = grid_of(source, rows, span)
        return None if there is None else part_of(forecast, there, span, beside)

    def _reach(self, forecast: Forecast, source: LevelSource) -> timedelta:
        """How far before the newest row older ones are needed."""
        return timedelta(hours=self._hours + _reach_hours(forecast)) + source.max_age + source.lag


def stored_series(reader: Reader, forecast: Forecast) -> list[SeriesName]:
    """Every series of which a forecast can be made from what is stored, by name.

    Raises:
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame` of the warehouse.
    """
    if forecast.model == gas.MODEL:
        source = SOURCES[gas.MODEL]
        one = select(network_fees.c.chain).where(source.counts(network_fees)).limit(1)
        return [] if reader.frame(one).empty else [SeriesName(ETHEREUM, source.only)]
    if forecast.model == liquidity.RESERVE:
        return stored_names(reader, pools, "network", "pool_address", pools.c.reserve_usd.is_not(None))
    markets = stored_feature_names(reader)
    if forecast.model == opportunity.MODEL:
        return markets
    books = set(stored_names(reader, order_books, "venue", "symbol", true()))
    return [name for name in markets if name in books]


def _names(forecast: Forecast) -> tuple[str, ...]:
    return tuple(one.name for one in CHOSEN.get(forecast.model, ()))


def _reach_hours(forecast: Forecast) -> int:
    """What is made of the features alone looks back no further than they do."""
    return REACH_HOURS if OWN_INPUTS[0] in forecast.inputs else 0


def _asked(since: dict[SeriesName, datetime]) -> dict[str, object]:
    return {
        "domains": [name.domain for name in since],
        "names": [name.series for name in since],
        "moments": list(since.values()),
    }


def _asked_for() -> FromClause:
    """The series asked for and from when on, as a table."""
    domains, names = (bindparam(name, type_=ARRAY(Text())) for name in ("domains", "names"))
    moments = bindparam("moments", type_=ARRAY(DateTime(timezone=True)))
    return func.unnest(domains, names, moments).table_valued("domain", "series", "since", name="asked").render_derived()


@cache
def _features_since(model: str) -> Select[*tuple[object, ...]]:
    c, asked = ml_features.c, _asked_for()
    names = ("venue", "symbol", "opened_at", "known_at", "version", *(one.name for one in CHOSEN[model]))
    there = (
        select(*(c[name] for name in names))
        .where(c.venue == asked.c.domain, c.symbol == asked.c.series, c.opened_at >= asked.c.since)
        .where(c.timeframe == literal_column(f"'{TIMEFRAME}'"))
        .order_by(c.opened_at.desc())
        .limit(bindparam("the_hours"))
        .lateral("there")
    )
    return select(*there.c).select_from(asked.join(there, true()))


@cache
def _levels_since(model: str) -> Select[*tuple[object, ...]]:
    return _levels(model, _MOST_ROWS)


@cache
def _newest(model: str) -> Select[*tuple[object, ...]]:
    return _levels(model, 1)


def _levels(model: str, most: int) -> Select[*tuple[object, ...]]:
    source, asked = SOURCES[model], _asked_for()
    c = source.table.c
    keys = (source.domain, source.series) if source.series else (source.domain,)
    here = [c[name] == asked.c[ours] for name, ours in zip(keys, ("domain", "series"), strict=False)]
    there = (
        select(*(c[name] for name in (*keys, source.observed, "known_at", *source.reads)))
        .where(and_(*here, c[source.observed] >= asked.c.since, source.counts(source.table)))
        .order_by(c[source.observed].desc())
        .limit(literal_column(str(most)))
        .lateral("there")
    )
    return select(*there.c).select_from(asked.join(there, true()))


def _with_newer(kept: FeatureRows | None, newer: FeatureRows, hours: int) -> FeatureRows:
    """Rows kept, with those read now in the place of theirs and after them; the newest of them."""
    if kept is None:
        return newer
    older = kept.hours < newer.hours[0]
    return FeatureRows(
        np.concatenate([kept.hours[older], newer.hours])[-hours:],
        np.concatenate([kept.inputs[older], newer.inputs])[-hours:],
        newer.version,
    )


def _joined(kept: Observations, newer: Observations, reach: timedelta) -> Observations:
    """Observations kept that are not too old, with those read now in the place of theirs and after them."""
    begin = newer.observed_at.min()
    oldest = newer.observed_at.max() - np.timedelta64(reach // timedelta(microseconds=1), "us")
    older = (kept.observed_at < begin) & (kept.observed_at >= oldest)
    whole = Observations(
        np.concatenate([kept.known_at[older], newer.known_at]),
        np.concatenate([kept.observed_at[older], newer.observed_at]),
        {name: np.concatenate([values[older], newer.columns[name]]) for name, values in kept.columns.items()},
    )
    return newest_of_hours(whole) if len(whole.known_at) > _MANY else whole


def _moment(at: np.datetime64) -> datetime:
    return datetime.fromtimestamp(0, tz=UTC) + timedelta(microseconds=int(at.astype("datetime64[us]").astype(np.int64)))


__all__ = ["TAIL_HOURS", "TailReader", "stored_series"]
