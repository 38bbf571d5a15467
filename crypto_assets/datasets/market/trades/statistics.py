"""What trades say together: pure functions over the rows of market.trades, and reading these rows.

What belongs here: statistics of a window, bars of trades, the bound of large trades. What does not: storing (trade_bars) and
printing (cli).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from sqlalchemy import Double, Label, cast, select

from crypto_assets.datasets.market.trades.table import trades
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_arrow

type Floats = NDArray[np.float64]
type Times = NDArray[np.datetime64]

FEWEST_TRADES = 1000  # below this many, the last percent is ten trades: a quantile says too little
_NUMBERS = ("price", "amount", "cost")
MINUTE = np.timedelta64(1, "m")


class WindowRefused(CryptoAssetsError):
    """A length of window that there is not."""


@dataclass(frozen=True)
class TradeColumns:
    """Trades of one market as arrays, in the order in which they happened.

    Args:
        traded_at: datetime64[us], UTC.
        price: Quote currency.
        amount: Base currency.
        cost: Quote currency.
        is_buy: Whether the taker bought.
        fills: Matches that each row adds up.
    """

    traded_at: Times
    price: Floats
    amount: Floats
    cost: Floats
    is_buy: NDArray[np.bool_]
    fills: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.traded_at)

    def between(self, start: np.datetime64, end: np.datetime64) -> TradeColumns:
        """Those of [start, end)."""
        low, high = np.searchsorted(self.traded_at, (start, end))
        part = slice(int(low), int(high))
        return TradeColumns(
            self.traded_at[part], self.price[part], self.amount[part], self.cost[part], self.is_buy[part],
            self.fills[part],
        )  # fmt: skip


def read_trades(warehouse: Warehouse, venue: str, symbol: str, start: datetime, end: datetime) -> TradeColumns:
    """The stored trades of one market in [start, end).

    Raises:
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    c = trades.c
    numbers: list[Label[float]] = [cast(c[name], Double()).label(name) for name in _NUMBERS]
    rows = read_arrow(
        warehouse,
        select(c.traded_at, *numbers, (c.side == "buy").label("is_buy"), c.fills)
        .where(c.venue == venue, c.symbol == symbol, c.traded_at >= start, c.traded_at < end)
        .order_by(c.traded_at, c.sequence),
    )
    return columns_of(rows)


def newest_costs(warehouse: Warehouse, venue: str, symbol: str, before: datetime, most: int) -> Floats:
    """Costs of the last `most` trades before a moment, oldest first."""
    c = trades.c
    rows = read_arrow(
        warehouse,
        select(cast(c.cost, Double()).label("cost"))
        .where(c.venue == venue, c.symbol == symbol, c.traded_at < before)
        .order_by(c.traded_at.desc(), c.sequence.desc())
        .limit(most),
    )
    return _floats(rows, "cost")[::-1]


def columns_of(rows: pa.Table) -> TradeColumns:
    """Arrays from what the database gave, or from any Arrow table with these columns."""
    micro = rows.column("traded_at").cast(pa.timestamp("us", "UTC")).cast(pa.int64()).combine_chunks()
    return TradeColumns(
        np.asarray(micro.to_numpy(zero_copy_only=False), dtype=np.int64).view("datetime64[us]"),
        _floats(rows, "price"),
        _floats(rows, "amount"),
        _floats(rows, "cost"),
        is_buy=np.asarray(rows.column("is_buy").combine_chunks().to_numpy(zero_copy_only=False), dtype=bool),
        fills=np.asarray(rows.column("fills").combine_chunks().to_numpy(zero_copy_only=False), dtype=np.int64),
    )


def large_bound(costs: Floats, quantile: float) -> float:
    """The cost from which a trade is large: that quantile of the costs given; NaN below `FEWEST_TRADES` of them. Pure."""
    return float(np.quantile(costs, quantile, method="higher")) if len(costs) >= FEWEST_TRADES else float("nan")


def aggregate(found: TradeColumns, length: np.timedelta64) -> dict[str, NDArray[np.generic]]:
    """Bars of trades: a row for each stretch of `length` in which something was traded. Pure.

    Returns:
        opened_at, open, high, low, close, vwap, volume_base, volume_quote, buy_volume_base, buy_volume_quote, trade_count,
        buy_count; in the units of market.trade_bars.
    """
    step = length.astype("timedelta64[us]").astype(np.int64)
    micro = found.traded_at.astype("datetime64[us]").astype(np.int64)
    opened = micro - micro % step
    starts = np.flatnonzero(np.diff(opened, prepend=opened[:1] - 1)) if len(opened) else np.empty(0, np.int64)
    ends = np.append(starts[1:], len(opened)) - 1

    def total(values: NDArray[np.generic]) -> NDArray[np.generic]:
        return np.add.reduceat(values, starts) if len(starts) else values[:0]

    def extreme(of: np.ufunc) -> Floats:
        return of.reduceat(found.price, starts) if len(starts) else found.price[:0]

    base, quote = total(found.amount), total(found.cost)
    return {
        "opened_at": opened[starts].view("datetime64[us]"),
        "open": found.price[starts],
        "high": extreme(np.maximum),
        "low": extreme(np.minimum),
        "close": found.price[ends] if len(starts) else found.price[:0],
        "vwap": quote / base,  # type: ignore[operator]
        "volume_base": base,
        "volume_quote": quote,
        "buy_volume_base": total(np.where(found.is_buy, found.amount, 0.0)),
        "buy_volume_quote": total(np.where(found.is_buy, found.cost, 0.0)),
        "trade_count": total(found.fills),
        "buy_count": total(np.where(found.is_buy, found.fills, 0)),
    }


def trade_statistics(found: TradeColumns, window: str, large_from: float = float("nan")) -> pd.DataFrame:
    """Volume, average price, taker's side and large trades of each window in which something was traded. Pure.

    Args:
        found: Of one market.
        window: A length as pandas writes it, of a second or more: 30s, 15min, 1h, 1D.
        large_from: Cost in the quote currency from which a trade is large; NaN where that is not known.

    Returns:
        A row a window, by `opened_at` (UTC): open, high, low, close, vwap (quote currency), volume_base, volume_quote,
        buy_ratio (share of the value that takers bought, 0..1), trade_count, large_count, large_share (of the value, 0..1).

    Raises:
        WindowRefused: no such length, or less than a second.
    """
    try:
        asked = pd.Timedelta(window)
    except ValueError:
        asked = pd.Timedelta(0)
    if not asked >= pd.Timedelta(seconds=1):  # false for NaT too
        raise WindowRefused(f"'{window[:40]}' is no length of time", way_out="Write it as 30s, 15min, 1h or 1D.")
    length = np.timedelta64(asked.to_timedelta64())
    told = pd.DataFrame(aggregate(found, length))
    large = found.cost >= large_from
    counted = pd.DataFrame(aggregate(_only(found, large), length)).set_index("opened_at")[
        ["volume_quote", "trade_count"]
    ]
    frame = told.set_index("opened_at")
    frame["buy_ratio"] = frame["buy_volume_quote"] / frame["volume_quote"]
    is_known = np.isfinite(large_from)
    found_large = counted.reindex(frame.index, fill_value=0)
    frame["large_count"] = found_large["trade_count"] if is_known else np.nan
    frame["large_share"] = found_large["volume_quote"] / frame["volume_quote"] if is_known else np.nan
    names = ["open", "high", "low", "close", "vwap", "volume_base", "volume_quote", "buy_ratio", "trade_count"]
    frame.index = pd.DatetimeIndex(frame.index, name="opened_at").tz_localize("UTC")
    return frame[[*names, "large_count", "large_share"]]


def large_volumes(found: TradeColumns, bounds: Mapping[np.datetime64, float]) -> NDArray[np.float64]:
    """For each trade its cost where it is large by its hour's bound, 0 where it is not, NaN where none can tell. Pure.

    Args:
        bounds: Beginning of an hour → the cost from which its trades are large.
    """
    hours = found.traded_at.astype("datetime64[h]")
    values = np.full(len(found), np.nan)
    for hour in np.unique(hours):
        bound, inside = bounds.get(hour, float("nan")), hours == hour
        if np.isfinite(bound):
            values[inside] = np.where(found.cost[inside] >= bound, found.cost[inside], 0.0)
    return values


def _only(found: TradeColumns, chosen: NDArray[np.bool_]) -> TradeColumns:
    return TradeColumns(
        found.traded_at[chosen], found.price[chosen], found.amount[chosen], found.cost[chosen], found.is_buy[chosen],
        found.fills[chosen],
    )  # fmt: skip


def _floats(rows: pa.Table, name: str) -> Floats:
    return np.asarray(rows.column(name).combine_chunks().to_numpy(zero_copy_only=False), dtype=np.float64)
