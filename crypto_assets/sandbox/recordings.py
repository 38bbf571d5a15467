"""Playback of recorded bars and trades: a folder's recordings.yaml and the files that it names.

What belongs here: reading and checking the folder, and serving exactly what the files hold. What does not: a venue's format.

recordings.yaml holds `bars:`, a list of {venue, symbol, timeframe, file, columns}. Files are Parquet, Feather or CSV (also
.csv.gz); times are UTC; `columns.opened_at` names the column of opening times, and open, high, low, close, volume,
volume_quote and trade_count may be mapped likewise. The clock of a series stands in the middle of its last bar, so that
one is the bar still open. What a file does not hold, quote volume or trade count, is written as 0.

It may also hold `trades:`, a list of {venue, symbol, file, columns}; see recorded_trades.py. The clock of a market that has
trades only stands just after the last one; markets without recorded trades have none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from crypto_assets.sandbox.bars import COLUMNS, NO_BARS, BarColumns, aggregate
from crypto_assets.sandbox.recorded_trades import TradeEntry, read_trades
from crypto_assets.sandbox.recording_files import (
    FILE,
    RecordingError,
    find_columns,
    milliseconds,
    numbers,
    one_line,
    read_file,
    require_columns,
)
from crypto_assets.sandbox.trades import NO_TRADES, TradeColumns
from crypto_assets.universe import Symbol, Timeframe, VenueName, timeframe_ms

# Names under which recordings keep what we call otherwise, tried in this order.
ALIASES: Mapping[str, tuple[str, ...]] = {
    "volume_base": ("volume_base", "volume"),
    "volume_quote": ("volume_quote", "quote_volume"),
    "trade_count": ("trade_count", "trades"),
}


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    venue: VenueName
    symbol: Symbol
    timeframe: Timeframe
    file: str
    columns: dict[str, str] = Field(default_factory=dict)


class _Listing(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    bars: list[_Entry] = Field(default_factory=list)
    trades: list[TradeEntry] = Field(default_factory=list)

    @model_validator(mode="after")
    def _has_some(self) -> Self:
        if not self.bars and not self.trades:
            raise ValueError("it lists neither bars nor trades")
        return self


@dataclass(frozen=True)
class RecordedSeries:
    """What a recording holds: one market at one length of bar. Times are UTC."""

    venue: str
    symbol: str
    timeframe: str
    first_opened_at: datetime
    last_opened_at: datetime
    rows: int


class Recordings:
    """All series of a folder, read on first use.

    Raises:
        RecordingError: from the constructor's caller on: the folder or a file in it cannot be played.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        listing = _read_listing(folder)
        self._entries = _by_series(listing.bars)
        self._trade_entries = _by_market(listing.trades)
        self._read: dict[tuple[str, str, str], BarColumns] = {}
        self._read_trades: dict[tuple[str, str], TradeColumns] = {}

    def read_all(self) -> None:
        """Read every file now.

        Raises:
            RecordingError: naming the file that cannot be played.
        """
        for key in self._entries:
            self._columns(key)
        for venue, symbol in self._trade_entries:
            self._trades(venue, symbol)

    def series(self) -> list[RecordedSeries]:
        """What the folder holds, in the order of recordings.yaml."""
        listed = []
        for key in self._entries:
            times = self._columns(key).opened_at_ms
            first, last = (datetime.fromtimestamp(int(at) / 1000, UTC) for at in (times[0], times[-1]))
            listed.append(RecordedSeries(*key, first, last, len(times)))
        return listed

    def symbols(self, venue: str) -> Sequence[str]:
        """Unified symbols recorded of the venue."""
        return sorted({key[1] for key in [*self._entries, *self._trade_entries] if key[0] == venue})

    def now_ms(self, venue: str, symbol: str | None) -> int:
        """The middle of the market's last bar, else just after its last trade; without a market, the venue's latest."""
        if symbol is None:
            moments = [self._market_now(venue, one) for one in self.symbols(venue)]
        else:
            moments = [self._market_now(venue, symbol)] if symbol in self.symbols(venue) else []
        return max(moments) if moments else int(datetime.now(UTC).timestamp() * 1000)

    def _market_now(self, venue: str, symbol: str) -> int:
        middles = [
            int(self._columns(key).opened_at_ms[-1]) + timeframe_ms(key[2]) // 2
            for key in self._entries
            if key[:2] == (venue, symbol)
        ]
        return max(middles) if middles else int(self._trades(venue, symbol).traded_at_ms[-1]) + 1

    def finest_ms(self, venue: str, symbol: str) -> int | None:
        """The shortest length of bar recorded of the market, ms."""
        lengths = [timeframe_ms(key[2]) for key in self._entries if key[:2] == (venue, symbol)]
        return min(lengths, default=None)

    def listed_ms(self, venue: str, symbol: str) -> int:
        """When the market's first recorded bar opens, or its first trade was made."""
        firsts = [int(self._columns(key).opened_at_ms[0]) for key in self._entries if key[:2] == (venue, symbol)]
        return min([*firsts, *map(int, self._trades(venue, symbol).traded_at_ms[:1])])

    def bars(self, venue: str, symbol: str, length_ms: int, start_ms: int, end_ms: int) -> BarColumns:
        """The recorded bars that open in [start, end); a coarser length is made from the finest that fits into it."""
        lengths = sorted((timeframe_ms(key[2]), key) for key in self._entries if key[:2] == (venue, symbol))
        exact = [key for length, key in lengths if length == length_ms]
        finer = [key for length, key in lengths if length < length_ms and length_ms % length == 0]
        if not exact and not finer:
            return NO_BARS
        columns = self._columns((exact or finer)[0])
        first = start_ms if exact else start_ms - start_ms % length_ms
        last = end_ms if exact else end_ms - end_ms % length_ms + length_ms
        low, high = np.searchsorted(columns.opened_at_ms, (first, last))
        found = columns.take(slice(int(low), int(high)))
        if exact:
            return found
        coarse = aggregate(found, length_ms)
        return coarse.take((coarse.opened_at_ms >= start_ms) & (coarse.opened_at_ms < end_ms))

    def trades(self, venue: str, symbol: str, start_ms: int, end_ms: int) -> TradeColumns:
        """The recorded trades of [start, end), up to the market's clock."""
        found = self._trades(venue, symbol)
        return found.between(start_ms, min(end_ms, self.now_ms(venue, symbol) + 1)) if len(found) else found

    def moment_of(self, venue: str, symbol: str, trade_id: int) -> int:
        """When the first trade with this id or a higher one was made, ms; just after the clock where there is none."""
        found, now = self._trades(venue, symbol), self.now_ms(venue, symbol)
        later = found.traded_at_ms[np.searchsorted(found.trade_id, trade_id) :][:1]
        return min([now + 1, *map(int, later)])

    def has_recorded_trades(self, venue: str, symbol: str) -> bool:
        """All are recorded."""
        return (venue, symbol) in self._trade_entries

    def _trades(self, venue: str, symbol: str) -> TradeColumns:
        key = (venue, symbol)
        if key not in self._trade_entries:
            return NO_TRADES
        if key not in self._read_trades:
            self._read_trades[key] = read_trades(self._folder, self._trade_entries[key])
        return self._read_trades[key]

    def _columns(self, key: tuple[str, str, str]) -> BarColumns:
        if key not in self._read:
            self._read[key] = _read_bars(self._folder, self._entries[key])
        return self._read[key]


def list_series(folder: Path) -> list[RecordedSeries]:
    """What a folder of recordings holds.

    Raises:
        RecordingError: naming the file and the key that cannot be used.
    """
    return Recordings(folder).series()


def _by_series(entries: Sequence[_Entry]) -> dict[tuple[str, str, str], _Entry]:
    found: dict[tuple[str, str, str], _Entry] = {}
    for number, one in enumerate(entries):
        key = (one.venue, one.symbol, one.timeframe)
        if key in found:
            raise RecordingError(
                f"{FILE}: bars.{number}: {' '.join(key)} stands twice: {found[key].file} and {one.file}",
                way_out="Remove one of the two.",
            )
        found[key] = one
    return found


def _by_market(entries: Sequence[TradeEntry]) -> dict[tuple[str, str], TradeEntry]:
    found: dict[tuple[str, str], TradeEntry] = {}
    for number, one in enumerate(entries):
        known = found.setdefault((one.venue, one.symbol), one)
        if known is not one:
            raise RecordingError(
                f"{FILE}: trades.{number}: {one.venue} {one.symbol} stands twice: {known.file} and {one.file}",
                way_out="Remove one of the two.",
            )
    return found


def _read_listing(folder: Path) -> _Listing:
    path = folder / FILE
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return _Listing.model_validate(content if isinstance(content, dict) else {})
    except (OSError, UnicodeDecodeError) as error:
        raise RecordingError(
            f"Cannot read {path.name} in {folder.name}: {error}", way_out="Name a folder that holds one."
        ) from None
    except yaml.YAMLError as error:
        raise RecordingError(f"{FILE} is no YAML: {one_line(error)}", way_out="Correct it.") from None
    except ValidationError as error:
        issue = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in issue["loc"]) or FILE
        raise RecordingError(f"{FILE}: {key}: {issue['msg']}", way_out="Correct that entry.") from None


def _read_bars(folder: Path, entry: _Entry) -> BarColumns:
    table = read_file(folder, entry.file)
    wanted = {name: ALIASES.get(name, (name,)) for name in ("opened_at", *COLUMNS)}
    names = find_columns(table, wanted, entry.columns, entry.file)
    require_columns(table, names, ("opened_at", *COLUMNS[:5]), entry.file)
    times = milliseconds(table, str(names["opened_at"]), entry.file)
    if (np.diff(times) <= 0).any():
        raise RecordingError(
            f"{entry.file}: opening times do not ascend", way_out="Sort it and remove what stands twice."
        )
    return BarColumns(times, {name: numbers(table, names[name], entry.file) for name in COLUMNS})
