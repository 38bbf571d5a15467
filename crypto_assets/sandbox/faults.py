"""Faults on demand: declared as data, the same at every run of the same seed.

What belongs here: which faults there are, when one strikes, and what it does to bars, trades, books and rows. What
does not: breaking a connection, which the server does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.sandbox.bars import COLUMNS, BarColumns
from crypto_assets.sandbox.books import Book
from crypto_assets.sandbox.trades import TradeColumns

Kind = Literal[
    "latency",
    "throttled",
    "banned",
    "unavailable",
    "html_200",
    "truncated_json",
    "null_rows",
    "missing_bars",
    "duplicate_bars",
    "disordered_bars",
    "late_bars",
    "revised_bars",
    "ohlc_broken",
    "dropped",
    "half_open",
    "slow_body",
    "clock_skew",
    "missing_trades",
    "duplicate_trades",
    "late_trades",
    "crossed_book",
]
ON_BARS = frozenset({"missing_bars", "late_bars", "revised_bars", "ohlc_broken"})
ON_ROWS = frozenset({"null_rows", "duplicate_bars", "disordered_bars"})
ON_TRADES = frozenset({"missing_trades", "duplicate_trades", "late_trades"})


class FaultError(CryptoAssetsError):
    """A list of faults that cannot be read."""


class Fault(BaseModel):
    """One fault.

    Args:
        kind: What goes wrong. throttled is 429, banned 418, unavailable 503.
        venue: Whose answers; * for all.
        route: Only paths that hold this text.
        rate: Share of matching requests that it strikes.
        times: Only the first so many matching requests; None for all.
        seconds: For latency, half_open, slow_body and clock_skew (may be negative there).
        retry_after: Value of a Retry-After header for throttled and banned.
        as_json: Whether an error status carries the venue's JSON, or plain text.
        bars: How many bars late_bars and revised_bars concern, how many trades late_trades does; how many bars, trades or
            rows the others break.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    venue: str = "*"
    route: str = ""
    rate: float = Field(default=1.0, ge=0, le=1)
    times: int | None = Field(default=None, ge=1)
    seconds: float = Field(default=0.5, ge=-86_400, le=86_400)
    retry_after: str | None = None
    as_json: bool = True
    bars: int = Field(default=1, ge=1, le=1000)


@dataclass
class FaultPlan:
    """The faults in force, and how often each has been asked about."""

    seed: int
    faults: Sequence[Fault] = ()
    _met: dict[int, int] = field(default_factory=dict)

    def replace(self, faults: Sequence[Fault]) -> None:
        """Put other faults in force."""
        self.faults = tuple(faults)
        self._met.clear()

    def striking(self, venue: str, path: str) -> list[Fault]:
        """The faults that strike this request."""
        struck = []
        for number, fault in enumerate(self.faults):
            if fault.venue not in {"*", venue} or fault.route not in path:
                continue
            met = self._met[number] = self._met.get(number, 0) + 1
            if (fault.times is None or met <= fault.times) and _chance(self.seed, number, met) < fault.rate:
                struck.append(fault)
        return struck


def load_faults(path: Path) -> tuple[Fault, ...]:
    """Faults from a YAML list.

    Raises:
        FaultError: naming what is wrong.
    """
    try:
        return parse_faults(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise FaultError(
            f"Cannot read {path.name}: {' '.join(str(error).split())[:200]}", way_out="Name a YAML list."
        ) from None


def parse_faults(content: object) -> tuple[Fault, ...]:
    """Faults from what JSON or YAML gave.

    Raises:
        FaultError: naming what is wrong.
    """
    return parse_models(content, Fault)


def parse_models[Model: BaseModel](content: object, model: type[Model]) -> tuple[Model, ...]:
    """A list of one kind of thing from what JSON or YAML gave.

    Raises:
        FaultError: naming what is wrong.
    """
    if not isinstance(content, list):
        raise FaultError(f"Expected a list of {model.__name__.lower()}s", way_out="Write each as a mapping.")
    try:
        return tuple(model.model_validate(one) for one in content)
    except ValidationError as error:
        issue = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in issue["loc"])
        raise FaultError(f"{model.__name__}: {key}: {issue['msg']}", way_out="Correct that key.") from None


def spoil_bars(bars: BarColumns, faults: Sequence[Fault], now_ms: int, length_ms: int) -> BarColumns:
    """Bars as a venue with these faults would know them. Pure."""
    for fault in faults:
        closed = bars.opened_at_ms + length_ms <= now_ms
        if fault.kind == "missing_bars" and len(bars) > 2:
            keep = np.ones(len(bars), dtype=bool)
            keep[1 : 1 + fault.bars] = False
            bars = bars.take(keep)
        elif fault.kind == "late_bars":
            bars = bars.take(~(closed & (bars.opened_at_ms + length_ms * (fault.bars + 1) > now_ms)))
        elif fault.kind == "revised_bars":
            young = closed & (bars.opened_at_ms + length_ms * (fault.bars + 1) > now_ms)
            bars = _with(
                bars, {"volume_base": np.where(young, bars.values["volume_base"] / 2, bars.values["volume_base"])}
            )
        elif fault.kind == "ohlc_broken" and len(bars):
            broken = bars.values["high"].copy()
            broken[len(bars) // 2] = bars.values["low"][len(bars) // 2] / 2
            bars = _with(bars, {"high": broken})
    return bars


def spoil_trades(trades: TradeColumns, faults: Sequence[Fault]) -> TradeColumns:
    """Trades as a venue with these faults would send them: some gone from the middle, one twice, the newest not there
    yet. Pure.
    """
    return trades.take(_sent_trades(len(trades), faults))


def spoil_list[Trade](trades: Sequence[Trade], faults: Sequence[Fault]) -> list[Trade]:
    """The same for trades in a list, ascending. Pure."""
    return [trades[number] for number in _sent_trades(len(trades), faults).tolist()]


def _sent_trades(count: int, faults: Sequence[Fault]) -> NDArray[np.int64]:
    """Which of so many trades are sent, by number."""
    sent: NDArray[np.int64] = np.arange(count, dtype=np.int64)
    for fault in faults:
        places = np.arange(len(sent))
        middle = len(sent) // 2
        if fault.kind == "missing_trades" and len(sent) > 2:
            missing = min(fault.bars, len(sent) - 2)
            first = 1 + (len(sent) - 2 - missing) // 2
            sent = sent[(places < first) | (places >= first + missing)]
        elif fault.kind == "duplicate_trades" and len(sent):
            sent = sent[np.insert(places, middle, middle)]
        elif fault.kind == "late_trades":
            sent = sent[: max(0, len(sent) - fault.bars)]
    return sent


def spoil_book(book: Book, faults: Sequence[Fault]) -> Book:
    """The book as a venue with these faults would send it: its best bid above its best ask. Pure."""
    if any(fault.kind == "crossed_book" for fault in faults) and len(book.bids) and len(book.asks):
        prices = book.bids.prices.copy()
        prices[0] = book.asks.prices[min(1, len(book.asks) - 1)] + book.tick
        return replace(book, bids=replace(book.bids, prices=prices))
    return book


def spoil_rows(rows: list[object], faults: Sequence[Fault]) -> list[object]:
    """Rows as a venue with these faults would send them. Pure."""
    rows = list(rows)
    for fault in faults:
        middle = len(rows) // 2
        if fault.kind == "null_rows" and rows:
            first = max(0, middle - fault.bars // 2)
            last = min(len(rows), first + fault.bars)
            rows[first:last] = [None] * (last - first)
        elif fault.kind == "duplicate_bars" and rows:
            rows.insert(middle, rows[middle])
        elif fault.kind == "disordered_bars" and len(rows) > 2:
            rows[middle - 1], rows[middle] = rows[middle], rows[middle - 1]
    return rows


def _with(bars: BarColumns, changed: Mapping[str, NDArray[np.float64]]) -> BarColumns:
    return BarColumns(bars.opened_at_ms, {name: changed.get(name, bars.values[name]) for name in COLUMNS})


def _chance(seed: int, number: int, met: int) -> float:
    digest = hashlib.sha256(f"{seed}|{number}|{met}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
