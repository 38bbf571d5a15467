"""`crypto-assets show trades`: what the newest trades of a market say, window by window, and how much of them was collected.

What belongs here: which span and windows, tables, JSON. What does not: the statistics (datasets/market/trades/statistics.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from rich.markup import escape
from sqlalchemy import select

from crypto_assets.cli.console import OUT, table
from crypto_assets.cli.show_stored import find_series
from crypto_assets.cli.show_text import (
    age_text,
    currencies,
    json_text,
    number_text,
    ratio_bar,
    records,
    share_text,
    sparkline,
    volume_text,
)
from crypto_assets.datasets.market.trades import statistics
from crypto_assets.datasets.market.trades.table import DATASET, trades
from crypto_assets.quality.coverage import TICK, coverage
from crypto_assets.spans import Span, floored
from crypto_assets.universe import Universe
from crypto_assets.warehouse.collected import read_collected
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_arrow

MOST_WINDOWS = 10_000
SHOWN_WINDOWS = 96  # of a table: a day of quarter hours
SHOWN_HOLES = 3
_MICROSECOND = timedelta(microseconds=1)
_EXACT = ("price", "amount", "cost")


@dataclass(frozen=True)
class TradesView:
    """What there is to show of one market's trades. Times are UTC.

    Args:
        span: What is looked at: whole windows, the last one up to `until`.
        until: End of what is known: behind the newest trade, or behind what was collected last.
        newest_at: When the newest trade was.
        windows: A row for each window of the span, traded or not, by `opened_at`: the columns of `trade_statistics` and
            `collected`, the share of the window that was (0..1).
        total: The same columns of the whole span.
        told: As `coverage` gives it for the span.
        large_from: Cost from which a trade is large, quote currency; NaN where too few trades tell.
        rests_on: How many trades that rests on.
        quantile: Which quantile of their costs it is.
        last: The newest trades, newest first; numbers as exact texts.
    """

    venue: str
    symbol: str
    window: str
    span: Span
    until: datetime
    newest_at: datetime
    windows: pd.DataFrame
    total: Mapping[str, float]
    told: pd.DataFrame
    large_from: float
    rests_on: int
    quantile: float
    last: list[dict[str, object]]


def read_view(
    warehouse: Warehouse, universe: Universe, market: tuple[str, str], window: str, hours: float, last: int
) -> TradesView:
    """Read what there is to show.

    Args:
        market: Venue and symbol.
        window: A length as pandas writes it.
        hours: How far to look back from the newest that is known.
        last: How many single trades.

    Raises:
        WindowRefused: no such window, or too many or none of it in the hours.
        UnknownMarket, NothingStored: there are no trades to show.
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    length = window_length(window, hours)
    newest_at = find_series(warehouse, trades, universe, market, "trades").newest
    with warehouse.connect() as connection:
        collected = read_collected(connection, DATASET, *market, TICK)
    until = max(newest_at + _MICROSECOND, min(collected[-1][1], datetime.now(UTC)) if collected else newest_at)
    start = floored(until - timedelta(hours=hours), length)
    found = statistics.read_trades(warehouse, *market, start, until)
    costs = statistics.newest_costs(warehouse, *market, until, universe.trades.large_of_trades)
    bound = statistics.large_bound(costs, universe.trades.large_quantile)
    told = coverage(warehouse, DATASET, *market, start, until, timeframe=TICK)
    windows = every_window(statistics.trade_statistics(found, window, bound), _present(told), (start, until), length)
    return TradesView(
        *market, window, (start, until), until, newest_at, windows, whole(windows, _present(told), (start, until)), told,
        bound, len(costs), universe.trades.large_quantile, newest_trades(warehouse, *market, last),
    )  # fmt: skip


def window_length(window: str, hours: float) -> timedelta:
    """The length of a window that fits into some hours. Pure.

    Raises:
        WindowRefused: no such length, one below a second, or too many or none of them in the hours.
    """
    try:
        length = pd.Timedelta(window).to_pytimedelta()
    except (ValueError, AttributeError):  # "NaT" is read, and is none
        length = timedelta(0)
    if not isinstance(length, timedelta) or length < timedelta(seconds=1):
        raise statistics.WindowRefused(
            f"--window is '{window[:40]}', no length of a second or more", way_out="Write it as 1min, 15min, 1h or 1D."
        )
    there = timedelta(hours=hours) / length
    if there < 1:
        raise statistics.WindowRefused(
            f"A window of {window} does not fit into {hours:g} hours",
            way_out=f"Choose a shorter one, or --hours {length.total_seconds() / 3600:g}.",
        )
    if there > MOST_WINDOWS:
        raise statistics.WindowRefused(
            f"{hours:g} hours hold {there:,.0f} windows of {window}; at most {MOST_WINDOWS:,} are shown",
            way_out="Choose longer windows or fewer hours.",
        )
    return length


def every_window(told: pd.DataFrame, present: Sequence[Span], span: Span, length: timedelta) -> pd.DataFrame:
    """The statistics with a row for each window of the span, and how much of each was collected. Pure.

    Args:
        told: As `trade_statistics` gives it.
        present: Spans that were collected and lack nothing.
        span: From the beginning of a window on.
    """
    opened = pd.date_range(span[0], span[1], freq=length, inclusive="left", unit="us", name="opened_at")
    frame = told.reindex(opened)
    for name in ("volume_base", "volume_quote"):
        frame[name] = frame[name].fillna(0.0)
    frame["trade_count"] = frame["trade_count"].fillna(0).astype("int64")
    starts = opened.tz_convert(None).to_numpy()
    ends = np.minimum(starts + np.timedelta64(length), _wall(span[1]))
    seconds = np.zeros(len(opened))
    for first, end in present:
        shared = np.minimum(ends, _wall(end)) - np.maximum(starts, _wall(first))
        seconds += np.maximum(shared / np.timedelta64(1, "s"), 0.0)
    frame["collected"] = seconds / ((ends - starts) / np.timedelta64(1, "s"))
    return frame


def whole(windows: pd.DataFrame, present: Sequence[Span], span: Span) -> dict[str, float]:
    """The windows as one, in the same columns. Pure."""
    traded = windows[windows["trade_count"] > 0]
    value = float(traded["volume_quote"].sum())
    base = float(traded["volume_base"].sum())
    told: dict[str, float] = dict.fromkeys((str(name) for name in windows.columns), float("nan"))
    told |= {"volume_base": base, "volume_quote": value, "trade_count": int(traded["trade_count"].sum())}
    told["collected"] = sum(((end - start) / (span[1] - span[0]) for start, end in present), 0.0)
    if len(traded):
        told |= {
            "open": float(traded["open"].iloc[0]),
            "high": float(traded["high"].max()),
            "low": float(traded["low"].min()),
            "close": float(traded["close"].iloc[-1]),
            "vwap": value / base,
            "buy_ratio": float((traded["buy_ratio"] * traded["volume_quote"]).sum()) / value,
        }
    if traded["large_count"].notna().any():
        told["large_count"] = int(traded["large_count"].sum())
        told["large_share"] = float((traded["large_share"] * traded["volume_quote"]).sum()) / value
    return told


def newest_trades(warehouse: Warehouse, venue: str, symbol: str, most: int) -> list[dict[str, object]]:
    """The last trades, newest first: traded_at (UTC), trade_id, side, and price, amount and cost as exact texts."""
    if not most:
        return []
    c = trades.c
    rows = read_arrow(
        warehouse,
        select(c.traded_at, c.trade_id, c.side, *(c[name] for name in _EXACT))
        .where(c.venue == venue, c.symbol == symbol)
        .order_by(c.traded_at.desc(), c.sequence.desc())
        .limit(most),
    )
    found: list[dict[str, object]] = rows.to_pylist()
    return found


def print_view(view: TradesView) -> None:
    """Tables, then what they rest on."""
    _, quote = currencies(view.symbol)
    is_whole = bool((view.windows["collected"] >= 1).all())
    title = f"{view.venue} {view.symbol}: trades in windows of {view.window}"
    columns = ("UTC", ">open", ">close", ">vwap", f">{quote}", "takers bought", ">trades", ">large")
    shown = table(escape(title), *columns, *(() if is_whole else (">collected",)))
    shown.columns[0].no_wrap = True
    for opened_at, row in view.windows.tail(SHOWN_WINDOWS).iterrows():
        shown.add_row(*_cells(f"{opened_at:%m-%d %H:%M}", row, with_collected=not is_whole))
    shown.add_section()
    shown.add_row(*_cells("all", view.total, with_collected=not is_whole), style="bold")
    OUT.print(shown)
    if len(view.windows) > SHOWN_WINDOWS:
        OUT.print(f"The newest {SHOWN_WINDOWS} of {len(view.windows):,} windows; --json gives all.")
    OUT.print(f"vwap {sparkline(view.windows['vwap'].tolist())}")
    OUT.print(_collected(view))
    OUT.print(_large(view, quote))
    if view.last:
        _print_last(view)
    age = age_text(datetime.now(UTC) - view.newest_at)
    OUT.print(f"Newest trade {view.newest_at:%Y-%m-%d %H:%M:%S} UTC, {age} ago.")


def view_json(view: TradesView) -> str:
    """The same for machines."""
    return json_text(
        {
            "venue": view.venue,
            "symbol": view.symbol,
            "window": view.window,
            "start": view.span[0],
            "until": view.until,
            "newest_at": view.newest_at,
            "coverage": [
                {name: row[name] for name in ("span_start", "span_end", "state", "why")} for row in records(view.told)
            ],
            "large": {"from_quote": view.large_from, "quantile": view.quantile, "trades": view.rests_on},
            "windows": records(view.windows.reset_index()),
            "total": view.total,
            "last": view.last,
        }
    )


def _cells(name: str, row: pd.Series | Mapping[str, float], *, with_collected: bool) -> list[str]:
    known = share_text(row["collected"]) if row["collected"] >= 1 else f"[yellow]{row['collected']:.0%}[/]"
    cells = [
        name,
        *(number_text(row[column]) for column in ("open", "close", "vwap")),
        volume_text(row["volume_quote"]),
        ratio_bar(row["buy_ratio"]),
        f"{row['trade_count']:,.0f}",
        "" if np.isnan(row["large_count"]) else f"{row['large_count']:,.0f}, {share_text(row['large_share'])}",
    ]
    return [*cells, known] if with_collected else cells


def _collected(view: TradesView) -> str:
    """How much of the span was collected, and what was not."""
    start, until = view.span
    span = f"{start:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC"
    holes = view.told[view.told["state"] != "present"]
    if holes.empty:
        return f"Collected: all of {span}; a window without trades is a quiet one."
    longest = holes.assign(length=holes["span_end"] - holes["span_start"]).nlargest(SHOWN_HOLES, "length")
    named = ", ".join(
        f"{row['span_start']:%m-%d %H:%M:%S} to {row['span_end']:%m-%d %H:%M:%S} ({row['state']})"
        for row in longest.sort_values("span_start").to_dict("records")
    )
    more = f" and {len(holes) - SHOWN_HOLES} more" if len(holes) > SHOWN_HOLES else ""
    share = share_text(float(view.total["collected"]))
    return (
        f"[yellow]Collected: {share} of {span}[/]; not: {named}{more}. What was traded there is not in these numbers."
    )


def _large(view: TradesView, quote: str) -> str:
    if not np.isfinite(view.large_from):
        few = f"{view.rests_on:,} trades are too few to tell which is large; it takes {statistics.FEWEST_TRADES:,}"
        return f"Large: {few}."
    bound = f"{number_text(view.large_from)} {escape(quote)}"
    rests_on = f"the {view.quantile:.0%} quantile of the newest {view.rests_on:,} trades"
    return f"Large: from {bound} on, {rests_on}; beside their count, their share of the value."


def _print_last(view: TradesView) -> None:
    shown = table(f"The newest {len(view.last)} trades", "UTC", "taker", ">price", ">amount", ">cost", "id")
    for one in view.last:
        side = str(one["side"])
        told = f"[{'green' if side == 'buy' else 'red'}]{escape(side)}[/]"
        exact = (escape(str(one[name])) for name in _EXACT)
        shown.add_row(f"{one['traded_at']:%m-%d %H:%M:%S.%f}"[:-3], told, *exact, escape(str(one["trade_id"])))
    OUT.print(shown)


def _present(told: pd.DataFrame) -> list[Span]:
    rows = told[told["state"] == "present"]
    return [
        (start.to_pydatetime(), end.to_pydatetime())
        for start, end in zip(rows["span_start"], rows["span_end"], strict=True)
    ]


def _wall(moment: datetime) -> np.datetime64:
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")
