"""`crypto-assets show book` and `show ticker`: the newest snapshot of a market.

What belongs here: tables and JSON of one book and one ticker. What does not: reading books
(datasets/market/order_books/read.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pandas as pd
from rich.markup import escape
from sqlalchemy import select

from crypto_assets.cli.console import OUT, table
from crypto_assets.cli.show_stored import NothingStored, find_series
from crypto_assets.cli.show_text import (
    LINE_WIDTH,
    age_text,
    currencies,
    json_text,
    number_text,
    records,
    sparkline,
    volume_text,
)
from crypto_assets.clients.book_rows import Level
from crypto_assets.datasets.market.order_books.read import StoredBook, newest_book, recent_measures
from crypto_assets.datasets.market.order_books.table import order_books
from crypto_assets.datasets.market.tickers.table import tickers
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

BAR_WIDTH = 20
DAY = timedelta(days=1)
_TICKER = (
    "snapshot_at", "last", "bid", "ask", "open_24h", "high_24h", "low_24h", "volume_base_24h", "volume_quote_24h",
    "change_pct_24h", "venue_at", "source",
)  # fmt: skip


@dataclass(frozen=True)
class BookView:
    """What there is to show of one market's book.

    Args:
        asked_at: The moment before which it is the newest; now where none was given. UTC.
        recent: As `recent_measures` gives them, up to this book.
    """

    venue: str
    symbol: str
    asked_at: datetime
    book: StoredBook
    recent: pd.DataFrame


@dataclass(frozen=True)
class Rung:
    """One level of a ladder: exact price and amount, its value, and the value of it and all better ones (quote currency)."""

    price: str
    amount: str
    value: Decimal
    cumulated: Decimal


@dataclass(frozen=True)
class TickerView:
    """What there is to show of one market's ticker: the newest row, and the snapshots of the day up to it."""

    venue: str
    symbol: str
    newest: pd.Series
    day: pd.DataFrame


def read_book(warehouse: Warehouse, universe: Universe, market: tuple[str, str], at: datetime | None) -> BookView:
    """Read what there is to show.

    Raises:
        UnknownMarket, NothingStored: there is no book to show.
        BookUnreadable: what is stored is none.
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    stored = find_series(warehouse, order_books, universe, market, "order books")
    book, moment = newest_book(warehouse, *market, before=at), at or datetime.now(UTC)
    if book is None:
        raise NothingStored(
            f"No order book of {' '.join(market)} from before {moment:%Y-%m-%d %H:%M:%S} UTC is stored",
            way_out=f"They are there from {stored.first:%Y-%m-%d %H:%M:%S} to {stored.newest:%Y-%m-%d %H:%M:%S} UTC.",
        )
    recent = recent_measures(warehouse, *market, LINE_WIDTH, until=book.snapshot_at)
    return BookView(*market, moment, book, recent)


def ladder(side: Sequence[Level], most: int) -> list[Rung]:
    """The best `most` levels of a side, best first, with what they come to. Pure."""
    rungs: list[Rung] = []
    cumulated = Decimal(0)
    for price, amount in side[:most]:
        value = Decimal(price) * Decimal(amount)
        cumulated += value
        rungs.append(Rung(price, amount, value, cumulated))
    return rungs


def print_book(view: BookView, levels: int) -> None:
    """The ladder, asks above bids, then the metrics."""
    book, metrics = view.book, view.book.metrics
    _, quote = currencies(view.symbol)
    asks, bids = ladder(book.levels.asks, levels), ladder(book.levels.bids, levels)
    most = max(asks[-1].cumulated, bids[-1].cumulated)
    title = f"{view.venue} {view.symbol}: order book of {book.snapshot_at:%Y-%m-%d %H:%M:%S} UTC"
    shown = table(escape(title), "", ">price", ">amount", f">{quote}", ">up to here", "depth")
    for number, one in enumerate(reversed(asks)):
        shown.add_row(*_rung("ask", "red", one, most), end_section=number == len(asks) - 1)
    spread = f"mid {number_text(metrics.mid)}, spread {number_text(metrics.spread_bps)} bps"
    shown.add_row(
        "", f"[bold]{number_text(metrics.mid)}[/]", "", "", "", f"{metrics.spread_bps:.3g} bps", end_section=True
    )
    for one in bids:
        shown.add_row(*_rung("bid", "green", one, most))
    OUT.print(shown)
    lean = "bids" if metrics.imbalance > 0 else "asks"
    OUT.print(f"{spread[0].upper()}{spread[1:]}, microprice {number_text(metrics.microprice)}.")
    OUT.print(
        f"Imbalance {metrics.imbalance:+.3f} within 50 bps: {'even' if metrics.imbalance == 0 else f'more {lean}'}."
    )
    down, up = _reach(book)
    for bps in (10, 50):
        bid, ask = (getattr(metrics, f"{side}_depth_{bps}bps_quote") for side in ("bid", "ask"))
        told = [f"{_at_least(reach, bps)}{volume_text(value)}" for value, reach in ((bid, down), (ask, up))]
        OUT.print(f"Within {bps} bps: bids {told[0]}, asks {told[1]} {escape(quote)}.")
    values = [volume_text(value) for value in (metrics.bid_depth_quote, metrics.ask_depth_quote)]
    kept = f"{len(book.levels.bids)} bids reach {down:.3g} bps down, {len(book.levels.asks)} asks {up:.3g} bps up"
    OUT.print(f"Kept: {kept}; {values[0]} and {values[1]} {escape(quote)}.")
    OUT.print(f"spread {sparkline(view.recent['spread_bps'].tolist())} last {len(view.recent)} snapshots")
    OUT.print(f"Age {age_text(view.asked_at - book.snapshot_at)}, {escape(book.source)}.")


def book_json(view: BookView, levels: int) -> str:
    """The same for machines; prices and amounts are exact texts."""
    book = view.book
    sides = {
        name: [[one.price, one.amount, one.cumulated] for one in ladder(side, levels)]
        for name, side in (("asks", book.levels.asks), ("bids", book.levels.bids))
    }
    return json_text(
        {
            "venue": view.venue,
            "symbol": view.symbol,
            "snapshot_at": book.snapshot_at,
            "age_seconds": (view.asked_at - book.snapshot_at).total_seconds(),
            "sequence": book.sequence,
            "venue_at": book.venue_at,
            "source": book.source,
            "columns": ["price", "amount", "cumulated_quote"],
            **sides,
            **asdict(book.metrics),
            "recent": records(view.recent),
        }
    )


def read_ticker(warehouse: Warehouse, universe: Universe, market: tuple[str, str]) -> TickerView:
    """Read what there is to show.

    Raises:
        UnknownMarket, NothingStored: there is no ticker to show.
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    newest = find_series(warehouse, tickers, universe, market, "tickers").newest
    c = tickers.c
    day = read_frame(
        warehouse,
        select(*(c[name] for name in _TICKER))
        .where(c.venue == market[0], c.symbol == market[1], c.snapshot_at > newest - DAY)
        .order_by(c.snapshot_at),
    )
    return TickerView(*market, day.iloc[-1], day)


def print_ticker(view: TickerView) -> None:
    """The newest row, and the day's prices as a line."""
    row = view.newest
    base, quote = currencies(view.symbol)
    title = f"{view.venue} {view.symbol}: ticker of {row['snapshot_at']:%Y-%m-%d %H:%M:%S} UTC"
    shown = table(escape(title), "", ">value", "unit")
    change = row["change_pct_24h"]
    color = "green" if change >= 0 else "red"
    spread = (row["ask"] - row["bid"]) / (row["ask"] + row["bid"]) * 2e4
    cells = (
        ("last", number_text(row["last"]), quote),
        ("bid", number_text(row["bid"]), quote),
        ("ask", number_text(row["ask"]), quote),
        ("spread", number_text(spread), "basis points"),
        ("24 hours before", number_text(row["open_24h"]), quote),
        ("highest of 24 hours", number_text(row["high_24h"]), quote),
        ("lowest of 24 hours", number_text(row["low_24h"]), quote),
        ("change in 24 hours", f"[{color}]{change:+.2f}[/]" if pd.notna(change) else "", "percent"),
        ("amount of 24 hours", number_text(row["volume_base_24h"]), base),
        ("value of 24 hours", number_text(row["volume_quote_24h"]), quote),
    )
    for name, value, unit in cells:
        shown.add_row(name, value or "[dim]not told[/]", f"[dim]{escape(unit)}[/]")
    OUT.print(shown)
    first = view.day["snapshot_at"].iloc[0]
    many = f"{len(view.day):,} snapshots since {first:%m-%d %H:%M}"
    OUT.print(f"last {sparkline(view.day['last'].tolist())} {many}")
    age = age_text(datetime.now(UTC) - row["snapshot_at"].to_pydatetime())
    OUT.print(f"Age {age}, {escape(str(row['source']))}.")


def ticker_json(view: TickerView) -> str:
    """The same for machines."""
    age = datetime.now(UTC) - view.newest["snapshot_at"].to_pydatetime()
    return json_text(
        {
            "venue": view.venue,
            "symbol": view.symbol,
            **{str(name): value for name, value in view.newest.items()},
            "age_seconds": age.total_seconds(),
            "day": records(view.day[["snapshot_at", "last"]]),
        }
    )


def _rung(side: str, color: str, one: Rung, most: Decimal) -> tuple[str, ...]:
    bar = "█" * max(1, round(BAR_WIDTH * one.cumulated / most))
    told = (volume_text(float(value)) for value in (one.value, one.cumulated))
    return f"[{color}]{side}[/]", f"[{color}]{one.price}[/]", one.amount, *told, f"[{color}]{bar}[/]"


def _reach(book: StoredBook) -> tuple[float, float]:
    """How far the kept levels reach from the middle, down and up, in basis points."""
    mid = book.metrics.mid
    bid, ask = float(book.levels.bids[-1][0]), float(book.levels.asks[-1][0])
    return (mid - bid) / mid * 1e4, (ask - mid) / mid * 1e4


def _at_least(reach: float, bps: int) -> str:
    # Of a book that was cut off nearer than that, nobody knows what stands behind.
    return "at least " if reach < bps else ""
