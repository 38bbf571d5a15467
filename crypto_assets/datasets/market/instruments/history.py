"""How a market's rows change: what the venue lists now, against what is known of it.

What belongs here: the rules of validity, as pure functions over one symbol's rows. What does not: asking, reading and
writing (asset.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from crypto_assets.clients.exchange import ListedMarket


@dataclass(frozen=True)
class Row:
    """One row of market.instruments, without venue and symbol; times are UTC."""

    valid_from: datetime
    venue_symbol: str
    base: str
    quote: str
    type: str
    tick_size: float | None
    lot_size: float | None
    status: str
    listed_at: datetime | None
    delisted_at: datetime | None
    valid_to: datetime | None
    known_at: datetime

    @property
    def description(self) -> tuple[object, ...]:
        """What begins a new row when it changes."""
        return self.venue_symbol, self.base, self.quote, self.type, self.tick_size, self.lot_size


@dataclass(frozen=True)
class Pause:
    """A time in which a market stood still: [start, end), with the prices around it.

    Args:
        end: When its next bar opened; None where there is none yet.
        price_ratio: How many times the price before it the price after it is, or the other way round; at least 1.
    """

    start: datetime
    end: datetime | None = None
    price_ratio: float = 1.0


@dataclass(frozen=True)
class Facts:
    """What our own bars say of a market.

    Args:
        first_bar: When the first bar opened, of those stored or of those the venue serves.
        last_bar_end: When the last stored bar closed.
        pauses: Its halts, in order.
    """

    first_bar: datetime | None = None
    last_bar_end: datetime | None = None
    pauses: Sequence[Pause] = field(default_factory=tuple)


def next_rows(
    stored: Sequence[Row], listed: ListedMarket | None, facts: Facts, now: datetime, relisted_price_ratio: float
) -> list[Row]:
    """The symbol's rows as they shall be, oldest first.

    Args:
        stored: Its rows so far, oldest first.
        listed: How the venue describes it now; None where it is in the list no more.
        facts: What our bars say.
        now: When the venue was asked.
        relisted_price_ratio: From this change of price over a pause on, the symbol means another coin.
    """
    rows = _ended(list(stored), facts, now) if listed is None else _described(list(stored), listed, facts, now)
    for pause in facts.pauses:
        rows = _paused(rows, pause, now, relisted_price_ratio)
    return rows


def _described(rows: list[Row], listed: ListedMarket, facts: Facts, now: datetime) -> list[Row]:
    begun = [moment for moment in (listed.listed_at, facts.first_bar) if moment is not None]
    current = _row(listed, min(begun, default=None), now)
    if not rows:
        return [current]
    last = rows[-1]
    if last.valid_to is not None:  # it had left the list, and is back
        return [*rows, replace(current, valid_from=now, listed_at=now)]
    if last.listed_at is None and begun:
        rows = [replace(row, listed_at=min(begun)) if row.listed_at is None else row for row in rows]
        last = rows[-1]
    if last.description != current.description:
        fresh = replace(current, valid_from=now, listed_at=last.listed_at, delisted_at=last.delisted_at)
        return [*rows[:-1], replace(last, valid_to=now), fresh]
    delisted_at = last.delisted_at if listed.is_trading else last.delisted_at or facts.last_bar_end
    return [*rows[:-1], replace(last, status=current.status, delisted_at=delisted_at)]


def _ended(rows: list[Row], facts: Facts, now: datetime) -> list[Row]:
    if not rows or rows[-1].valid_to is not None:
        return rows
    last = rows[-1]
    ended = last.delisted_at or facts.last_bar_end or now
    return [*rows[:-1], replace(last, status="gone", delisted_at=ended, valid_to=max(ended, _after(last)))]


def _paused(rows: list[Row], pause: Pause, now: datetime, relisted_price_ratio: float) -> list[Row]:
    at = next((i for i, row in enumerate(rows) if row.valid_from < pause.start < (row.valid_to or now)), None)
    if at is None:
        return rows
    row = rows[at]
    if pause.end is None:
        return [*rows[:at], replace(row, delisted_at=pause.start, status="halted"), *rows[at + 1 :]]
    if pause.price_ratio < relisted_price_ratio:
        resumed = replace(row, delisted_at=None) if row.delisted_at == pause.start else row
        return [*rows[:at], resumed, *rows[at + 1 :]]
    before = replace(row, delisted_at=pause.start, valid_to=pause.start)
    delisted_at = None if row.delisted_at == pause.start else row.delisted_at
    after = replace(row, valid_from=pause.end, listed_at=pause.end, delisted_at=delisted_at, known_at=now)
    later = [replace(one, listed_at=pause.end) if one.listed_at == row.listed_at else one for one in rows[at + 1 :]]
    return [*rows[:at], before, after, *later]


def _row(listed: ListedMarket, listed_at: datetime | None, now: datetime) -> Row:
    return Row(
        valid_from=listed_at or now,
        venue_symbol=listed.venue_symbol,
        base=listed.base,
        quote=listed.quote,
        type=listed.kind,
        tick_size=listed.tick_size,
        lot_size=listed.lot_size,
        status="trading" if listed.is_trading else "halted",
        listed_at=listed_at,
        delisted_at=None,
        valid_to=None,
        known_at=now,
    )


def _after(row: Row) -> datetime:
    """The earliest moment at which the row may end."""
    return row.valid_from.replace(microsecond=min(999_999, row.valid_from.microsecond + 1))
