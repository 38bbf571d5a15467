"""What is exported for Qlib: which columns become which fields, and what each series holds now.

What belongs here: fields, series and their marks. What does not: formats (qlib_files.py) and writing (qlib_export.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Column, Float, Integer, Numeric, Table, func, select

from crypto_assets.datasets.market.ohlcv.table import ohlcv
from crypto_assets.exports.catalog import BARS, Exported
from crypto_assets.exports.contents import hash_of, mark_text
from crypto_assets.exports.qlib_names import FREQUENCIES, NotForQlib, frequency_of, instrument_of, market_of
from crypto_assets.exports.selection import Selection
from crypto_assets.warehouse.read import Reader

FOR_QLIB = (BARS, "features", "indicators")
# Qlib's own names where it has some; what takes part in its built-in data sets is called so.
BAR_FIELDS = {
    "open": "open", "high": "high", "low": "low", "close": "close", "volume_base": "volume", "volume_quote": "amount",
    "trade_count": "trades",
}  # fmt: skip


@dataclass(frozen=True)
class Source:
    """A table and which of its columns become which fields."""

    table: Table
    fields: Mapping[str, str]


@dataclass(frozen=True, order=True)
class SeriesName:
    """A market at one length of bar."""

    venue: str
    symbol: str
    timeframe: str

    @property
    def key(self) -> str:
        """Under which the manifest has it: instrument and frequency."""
        return f"{instrument_of(self.venue, self.symbol)}/{frequency_of(self.timeframe)}"

    @classmethod
    def of(cls, key: str) -> SeriesName:
        """The series of a manifest's key.

        Raises:
            NotForQlib: it is none of ours.
        """
        instrument, _, frequency = key.partition("/")
        if frequency not in FREQUENCIES:
            raise NotForQlib(f"'{key[:80]}' is no series of an export", way_out="Remove the manifest that holds it.")
        return cls(*market_of(instrument), FREQUENCIES[frequency])


@dataclass(frozen=True)
class SeriesContent:
    """What a series holds now: rows and span of its bars, and a mark of all its tables."""

    rows: int
    first: datetime
    last: datetime
    mark: str


def sources_of(one: Exported, selection: Selection) -> list[Source]:
    """The tables that give a folder its fields.

    Raises:
        NotForQlib: the dataset is none of bars.
    """
    if one.name not in FOR_QLIB:
        raise NotForQlib(
            f"{one.name} has no form that Qlib knows",
            way_out=f"Export {', '.join(FOR_QLIB)} for Qlib, and {one.name} as parquet.",
        )
    wanted = set(selection.columns)
    if one.name == BARS:
        return [Source(ohlcv, {c: name for c, name in BAR_FIELDS.items() if not wanted or c in wanted})]
    numbers = {c.name: c.name for c in one.table.c if _is_number(c) and (not wanted or c.name in wanted)}
    return [Source(ohlcv, BAR_FIELDS), Source(one.table, numbers)]


def series_contents(reader: Reader, sources: Sequence[Source], selection: Selection) -> dict[SeriesName, SeriesContent]:
    """What every series of bars holds now, of all venues: the calendar is theirs together."""
    found: dict[SeriesName, SeriesContent] = {}
    for source in sources:
        c = source.table.c
        keys = (c.venue, c.symbol, c.timeframe)
        statement = select(
            *keys,
            func.count().label("rows"),
            func.min(c.opened_at).label("first"),
            func.max(c.opened_at).label("last"),
            func.max(c.ingested_at).label("newest"),
            hash_of(c.opened_at, c.ingested_at).label("hash"),
        ).group_by(*keys)
        if selection.markets:
            statement = statement.where(c.symbol.in_(sorted(set(selection.markets))))
        if selection.timeframes:
            statement = statement.where(c.timeframe.in_(sorted(set(selection.timeframes))))
        for row in reader.frame(statement.order_by(*keys)).to_dict("records"):
            name = SeriesName(*(row[column.name] for column in keys))
            mark = mark_text(row["rows"], row["newest"], [row["hash"]])
            if source.table is ohlcv:
                first, last = (at.to_pydatetime().astimezone(UTC) for at in (row["first"], row["last"]))
                found[name] = SeriesContent(row["rows"], first, last, mark)
            elif name in found:
                found[name] = replace(found[name], mark=f"{found[name].mark} {mark}")
    return found


def fields_of(root: Path, key: str) -> list[Path]:
    """A series' files."""
    instrument, _, frequency = key.partition("/")
    return sorted((root / "features" / instrument.lower()).glob(f"*.{frequency}.bin"))


def _is_number(column: Column[object]) -> bool:
    return isinstance(column.type, (Integer, Float, Numeric)) and not column.primary_key


__all__ = [
    "BAR_FIELDS", "FOR_QLIB", "SeriesContent", "SeriesName", "Source", "fields_of", "series_contents", "sources_of",
]  # fmt: skip
