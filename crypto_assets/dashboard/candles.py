"""Bars of one market with what is absent among them, and three indicators, for one chart.

What belongs here: joining bars, ledger and indicators in columns. What does not: reading bars for use
(datasets/market/ohlcv/read.py) and drawing (page/candle_chart.js).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import groupby

import msgspec
import numpy as np
import pandas as pd
from sqlalchemy import select

from crypto_assets.dashboard.read_only import asking
from crypto_assets.datasets.features.technical_indicators.table import technical_indicators
from crypto_assets.datasets.market.ohlcv.read import read_bars
from crypto_assets.datasets.market.ohlcv.table import DATASET
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.quality.coverage import coverage
from crypto_assets.spans import Span
from crypto_assets.universe import TIMEFRAME_LENGTH
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

MOST_BARS = 1000
UNNAMED = "unnamed"  # not stored, and the ledger takes it for present: a scan would name it
INDICATORS = ("sma_20", "bollinger_upper", "bollinger_lower", "rsi_14")
_PRICES = ("open", "high", "low", "close", "volume_base")
_SERIES = """
WITH RECURSIVE series AS (
    (SELECT venue, symbol, timeframe FROM market.ohlcv ORDER BY venue, symbol, timeframe LIMIT 1)
    UNION ALL
    SELECT later.* FROM series AS s
     CROSS JOIN LATERAL (SELECT t.venue, t.symbol, t.timeframe FROM market.ohlcv AS t
                          WHERE (t.venue, t.symbol, t.timeframe) > (s.venue, s.symbol, s.timeframe)
                          ORDER BY t.venue, t.symbol, t.timeframe LIMIT 1) AS later
)
SELECT s.venue, s.symbol, s.timeframe, span.first_at, span.newest_at FROM series AS s
 CROSS JOIN LATERAL (SELECT min(t.opened_at) AS first_at, max(t.opened_at) AS newest_at FROM market.ohlcv AS t
                      WHERE (t.venue, t.symbol, t.timeframe) = (s.venue, s.symbol, s.timeframe)) AS span
 ORDER BY s.venue, s.symbol, s.timeframe LIMIT 20000
"""

type Key = tuple[str, str, str]


class NotStored(CryptoAssetsError):
    """Somebody asks for what is not stored."""


class BarSeries(msgspec.Struct, frozen=True):
    """A series of market.ohlcv; first and newest opening time, milliseconds since 1970, UTC."""

    venue: str
    symbol: str
    timeframe: str
    first: int
    newest: int

    @property
    def key(self) -> Key:
        """Venue, symbol and timeframe."""
        return self.venue, self.symbol, self.timeframe


class Absence(msgspec.Struct, frozen=True):
    """Bars side by side that are absent.

    Args:
        start: Opening time of the first, milliseconds since 1970, UTC.
        end: Where the next bar would open.
        bars: How many.
        state: What the ledger says; not_collected where nobody asked, `UNNAMED` where it says nothing.
    """

    start: int
    end: int
    bars: int
    state: str
    why: str


class Candles(msgspec.Struct, frozen=True):
    """Columns of equal length, in the order of time; NaN, sent as null, where a value is not known.

    Args:
        seconds: Length of a bar.
        start: Of the window, milliseconds since 1970, UTC; `end` likewise.
        opened_at: Milliseconds since 1970, UTC.
        volume: In base currency; prices in quote currency.
        indicators: By name.
        absent: What is not there, in the order of time; together with the bars it fills the window.
    """

    venue: str
    symbol: str
    timeframe: str
    seconds: int
    start: int
    end: int
    opened_at: list[int]
    open: list[float]
    high: list[float]
    low: list[float]
    close: list[float]
    volume: list[float]
    indicators: dict[str, list[float]]
    absent: list[Absence]


def read_series(warehouse: Warehouse) -> list[BarSeries]:
    """Every series of market.ohlcv: a few index probes each, however many bars it has."""
    with asking(warehouse) as cursor:
        cursor.execute(_SERIES)
        return [
            BarSeries(venue, symbol, timeframe, _ms(first), _ms(newest))
            for venue, symbol, timeframe, first, newest in cursor.fetchall()
        ]


def read_candles(warehouse: Warehouse, series: BarSeries, bars: int, until: int | None = None) -> Candles:
    """The last bars of a series.

    Args:
        bars: Opening times that the window holds, 1 to `MOST_BARS`.
        until: The window ends with the bar that opens here or before, milliseconds since 1970, UTC; None for the newest.

    Raises:
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    length = TIMEFRAME_LENGTH[series.timeframe]
    step = round(length.total_seconds() * 1000)
    last = series.newest if until is None else min(max(until // step * step, series.first), series.newest)
    start, end = _moment(last - (bars - 1) * step), _moment(last + step)
    frame = read_bars(warehouse, *series.key, start, end)
    told = coverage(warehouse, DATASET, series.venue, series.symbol, start, end, timeframe=series.timeframe)
    beside = _indicators(warehouse, series.key, start, end)
    opened = pd.DatetimeIndex(frame["opened_at"])
    joined = beside.set_index("opened_at").reindex(opened)
    opens, highs, lows, closes, volumes = (frame[name].to_numpy(dtype=np.float64).tolist() for name in _PRICES)
    return Candles(
        *series.key,
        step // 1000,
        _ms(start),
        _ms(end),
        _epoch_ms(opened),
        opens,
        highs,
        lows,
        closes,
        volumes,
        indicators={name: joined[name].to_numpy(dtype=np.float64).tolist() for name in INDICATORS},
        absent=absences(opened, told, (start, end), length),
    )


def absences(opened: pd.DatetimeIndex, told: pd.DataFrame, window: Span, length: timedelta) -> list[Absence]:
    """What of the window is absent, with the ledger's state. Pure.

    Args:
        opened: Opening times of the bars that are there.
        told: As `quality.coverage.coverage` gives it for the window.
        window: Start and end, on the grid of the length.
    """
    due = pd.date_range(*window, freq=length, inclusive="left", unit="us")
    is_absent = ~due.isin(opened)
    states = np.full(len(due), "", dtype=object)
    states[is_absent] = UNNAMED
    whys = np.full(len(due), "", dtype=object)
    for span in told[told["state"] != "present"].to_dict("records"):
        inside = is_absent & (due >= span["span_start"]) & (due < span["span_end"])
        states[inside], whys[inside] = span["state"], span["why"] or ""
    found, first = [], 0
    for (state, why), group in groupby(zip(states.tolist(), whys.tolist(), strict=True)):
        count = len(list(group))
        if state:
            start = due[first].to_pydatetime()
            found.append(Absence(_ms(start), _ms(start + count * length), count, state, str(why)[:300]))
        first += count
    return found


def _indicators(warehouse: Warehouse, key: Key, start: datetime, end: datetime) -> pd.DataFrame:
    c = technical_indicators.c
    statement = (
        select()
        .add_columns(c.opened_at, *(c[name] for name in INDICATORS))
        .where(c.venue == key[0], c.symbol == key[1], c.timeframe == key[2], c.opened_at >= start, c.opened_at < end)
        .order_by(c.opened_at)
    )
    return read_frame(warehouse, statement)


def _epoch_ms(times: pd.DatetimeIndex) -> list[int]:
    wall = times.tz_convert("UTC").tz_localize(None)
    return wall.to_numpy(dtype="datetime64[ms]").astype(np.int64).tolist()


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


__all__ = [
    "INDICATORS", "MOST_BARS", "UNNAMED", "Absence", "BarSeries", "Candles", "Key", "NotStored", "absences", "read_candles",
    "read_series",
]  # fmt: skip
