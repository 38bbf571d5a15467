"""`crypto-assets show bars`: the newest bars of a market, what its trades say beside them, and what is absent.

What belongs here: joining bars, minutes of trades and the ledger for one table; JSON. What does not: reading bars for use
(datasets/market/ohlcv/read.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from rich.markup import escape
from sqlalchemy import func, select

from crypto_assets.cli.console import OUT, table
from crypto_assets.cli.gap_tables import COLORS
from crypto_assets.cli.show_stored import find_series
from crypto_assets.cli.show_text import (
    age_text,
    json_text,
    number_text,
    ratio_bar,
    records,
    share_text,
    sparkline,
    volume_text,
)
from crypto_assets.datasets.market.ohlcv.read import read_bars
from crypto_assets.datasets.market.ohlcv.table import DATASET, ohlcv
from crypto_assets.datasets.market.trade_bars.table import TIMEFRAME, trade_bars
from crypto_assets.quality.coverage import coverage
from crypto_assets.universe import TIMEFRAME_LENGTH, Universe, require_exchange_timeframe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

UNKNOWN_TO_LEDGER = "unnamed"  # not stored, though the ledger takes it for present: a scan would name it
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PRICES = ["open", "high", "low", "close", "volume_base", "volume_quote"]
_TRADED = ["vwap", "buy_ratio", "large_share", "minutes"]


@dataclass(frozen=True)
class BarsView:
    """What there is to show of one series.

    Args:
        rows: A row for each opening time, by `opened_at` (UTC): the prices and volumes of the bar, its `state` (present, or
            what the ledger says of its absence) and `why`; of its trades vwap (quote currency), buy_ratio and large_share
            (of the value, 0..1), and `minutes`, how many of its minutes these rest on. NaN is not known.
        length: Of a bar.
    """

    venue: str
    symbol: str
    timeframe: str
    rows: pd.DataFrame
    length: timedelta


def read_view(warehouse: Warehouse, universe: Universe, market: tuple[str, str], timeframe: str, last: int) -> BarsView:
    """Read what there is to show of the last bars.

    Raises:
        UniverseError: an unknown timeframe.
        UnknownMarket, NothingStored: there are no bars to show.
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    require_exchange_timeframe(timeframe)
    length = TIMEFRAME_LENGTH[timeframe]
    newest = find_series(warehouse, ohlcv, universe, (*market, timeframe), "bars").newest
    start, end = newest - (last - 1) * length, newest + length
    bars = read_bars(warehouse, *market, timeframe, start, end)
    told = coverage(warehouse, DATASET, *market, start, end, timeframe=timeframe)
    traded = read_traded(warehouse, market, length, start, end)
    return BarsView(*market, timeframe, join_rows(bars, told, traded, length, last), length)


def read_traded(
    warehouse: Warehouse, market: tuple[str, str], length: timedelta, start: datetime, end: datetime
) -> pd.DataFrame:
    """What market.trade_bars says of each bar of [start, end), by `opened_at` (UTC); see `BarsView`."""
    c = trade_bars.c
    opened = func.date_bin(length, c.opened_at, _EPOCH).label("opened_at")
    quote, base = func.sum(c.volume_quote), func.sum(c.volume_base)
    judged = func.sum(c.volume_quote).filter(c.large_volume_quote.is_not(None))
    rows = read_frame(
        warehouse,
        select(
            opened,
            (quote / func.nullif(base, 0)).label("vwap"),
            (func.sum(c.buy_volume_quote) / func.nullif(quote, 0)).label("buy_ratio"),
            (func.sum(c.large_volume_quote) / func.nullif(judged, 0)).label("large_share"),
            func.count().label("minutes"),
        )
        .where(c.venue == market[0], c.symbol == market[1], c.timeframe == TIMEFRAME)
        .where(c.opened_at >= start, c.opened_at < end)
        .group_by(opened),
    )
    return rows.set_index("opened_at")


def join_rows(
    bars: pd.DataFrame, told: pd.DataFrame, traded: pd.DataFrame, length: timedelta, last: int
) -> pd.DataFrame:
    """A row for each of the `last` opening times up to the newest bar's. Pure.

    Args:
        bars: As `read_bars` reads them, at least one.
        told: As `coverage` gives it for the same range.
        traded: As `read_traded` reads it.
    """
    stored = bars.set_index("opened_at")
    opened = pd.date_range(end=stored.index[-1], periods=last, freq=length, unit="us", name="opened_at")
    rows = stored[_PRICES].reindex(opened).join(traded[_TRADED].reindex(opened))
    rows["minutes"] = rows["minutes"].fillna(0).astype("int64")
    states = np.full(last, "present", dtype=object)
    whys = np.full(last, "", dtype=object)
    is_absent = ~opened.isin(stored.index)
    states[is_absent] = UNKNOWN_TO_LEDGER
    for span in told[told["state"] != "present"].to_dict("records"):
        inside = is_absent & (opened >= span["span_start"]) & (opened < span["span_end"])
        states[inside], whys[inside] = span["state"], span["why"] or ""
    rows["state"], rows["why"] = states, whys
    return rows


def print_view(view: BarsView) -> None:
    """A row a bar, absent ones too, then the closes as a line."""
    has_trades = bool((view.rows["minutes"] > 0).any())
    beside = (">vwap", "bought", ">large", ">minutes") if has_trades else ()
    title = f"{view.venue} {view.symbol}: bars of {view.timeframe}"
    shown = table(escape(title), "opens (UTC)", ">open", ">high", ">low", ">close", ">volume", *beside)
    shown.columns[0].no_wrap = True
    minutes = round(view.length / timedelta(minutes=1))
    for opened_at, row in view.rows.iterrows():
        name = f"{opened_at:%Y-%m-%d %H:%M}"
        if row["state"] == "present":
            prices = [number_text(row[column]) for column in ("open", "high", "low", "close")]
            prices.append(volume_text(row["volume_base"]))
        else:
            state = f"[{COLORS.get(row['state'], 'yellow')}]{escape(row['state'].replace('_', ' '))}[/]"
            prices = [state, "", "", "", ""]
        shown.add_row(name, *prices, *(_traded(row, minutes) if has_trades else ()))
    OUT.print(shown)
    OUT.print(f"close {sparkline(view.rows['close'].tolist())}")
    absent = view.rows[view.rows["state"] != "present"]
    if len(absent):
        OUT.print(_absent(absent))
    if not has_trades:
        OUT.print("No trades have been added up for these bars.")
    closed = view.rows.index[-1].to_pydatetime() + view.length
    OUT.print(f"Newest bar closed {closed:%Y-%m-%d %H:%M} UTC, {age_text(datetime.now(UTC) - closed)} ago.")


def view_json(view: BarsView) -> str:
    """The same for machines."""
    return json_text(
        {
            "venue": view.venue,
            "symbol": view.symbol,
            "timeframe": view.timeframe,
            "bars": records(view.rows.reset_index()),
        }
    )


def _traded(row: pd.Series, minutes: int) -> tuple[str, ...]:
    if not row["minutes"]:
        return "", "", "", ""
    count = f"{row['minutes']}" if row["minutes"] == minutes else f"[yellow]{row['minutes']} of {minutes}[/]"
    return number_text(row["vwap"]), ratio_bar(row["buy_ratio"], 4), share_text(row["large_share"]), count


def _absent(absent: pd.DataFrame) -> str:
    counts = absent["state"].value_counts()
    named = ", ".join(f"{count} {escape(str(state))}" for state, count in counts.items())
    whys = [escape(why) for why in dict.fromkeys(absent["why"]) if why]
    scan = " `crypto-assets gaps scan` names them." if UNKNOWN_TO_LEDGER in counts.index else ""
    return f"Absent: {named}. {' '.join(whys[:2])}{scan}".rstrip()
