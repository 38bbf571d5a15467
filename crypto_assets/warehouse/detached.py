"""What retention has taken out of tables: ops.archived_partitions, read.

What belongs here: entries of that book, the spans that are away, and the error for whoever asks for one of them. What does not:
taking out (retention.py, detach.py) and bringing back (detach_restore.py).

Nobody who reads a span that is away may take the absence for a lack: `coverage` calls it archived or dropped, a scan finds no
gaps there, what is derived from it is not derived anew, and `read_bars` says where the rows are.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.spans import Span
from crypto_assets.warehouse.connection import Warehouse

type Outcome = Literal["dropped", "detached", "archived", "restored"]

_ENTRIES = """
SELECT table_name, starts_at, number, ends_at, partition_name, outcome, aside, row_count, table_bytes, file, file_bytes, sha256,
       row_hash, removed_at, restored_at
  FROM ops.archived_partitions
 WHERE (%(table)s::text IS NULL OR table_name = %(table)s) ORDER BY table_name, starts_at, number
"""
_AWAY = """
SELECT table_name, starts_at, ends_at, outcome FROM ops.archived_partitions
 WHERE table_name = ANY(%s) AND outcome <> 'restored' AND ends_at > %s AND starts_at < %s
 ORDER BY starts_at, table_name, number
"""
_BEGIN, _END = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


class SpanAway(CryptoAssetsError):
    """Rows of a span that is asked for are in an archive's file, or were dropped."""


@dataclass(frozen=True)
class Entry:
    """A partition that was taken out of its table; fields as in ops.archived_partitions."""

    table: str
    start: datetime
    number: int
    end: datetime
    partition: str
    outcome: Outcome
    aside: str | None
    rows: int | None
    table_bytes: int
    file: str | None
    file_bytes: int | None
    sha256: str | None
    row_hash: str | None
    removed_at: datetime
    restored_at: datetime | None

    @property
    def span(self) -> Span:
        """[start, end), UTC."""
        return self.start, self.end


@dataclass(frozen=True)
class Away:
    """A span of a table whose rows are not in it.

    Args:
        state: "archived" where a file holds them, "dropped" where nobody does.
    """

    table: str
    span: Span
    state: Literal["archived", "dropped"]

    @property
    def why(self) -> str:
        """The reason in a sentence."""
        if self.state == "dropped":
            return "Retention dropped these rows."
        return f"In the archive; `{self.way_back}` brings them back."

    @property
    def way_back(self) -> str:
        """What brings the rows back."""
        return f"crypto-assets retention restore {self.table} {span_name(self.span)}"


def span_name(span: Span) -> str:
    """How people call a partition: 2024 for a year, 2024-05-01 for a day. Pure."""
    start, end = span
    return f"{start:%Y}" if (end - start).days > 1 else f"{start:%Y-%m-%d}"


def entries(warehouse: Warehouse, table: str | None = None) -> list[Entry]:
    """What was taken out, by table, span and number.

    Args:
        table: As market.trades; None for all.

    Raises:
        DatabaseUnreachable, NotMigrated: no connection, or no such book.
    """
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_ENTRIES, {"table": table})
        return [_entry(row) for row in cursor.fetchall()]


def away(connection: Connection, tables: Collection[str], window: Span | None = None) -> list[Away]:
    """The spans of tables whose rows are not there, in order of time; those that touch the window, whole.

    Args:
        tables: As market.trades.
        window: None for all time.
    """
    start, end = window or (_BEGIN, _END)
    with connection.cursor() as cursor:
        cursor.execute(_AWAY, (list(tables), start, end))
        return [
            Away(table, (first.astimezone(UTC), last.astimezone(UTC)), "dropped" if how == "dropped" else "archived")
            for table, first, last, how in cursor.fetchall()
        ]


def away_spans(connection: Connection, table: str, window: Span | None = None) -> list[Span]:
    """The spans alone, of one table."""
    return [one.span for one in away(connection, [table], window)]


def refuse_away(connection: Connection, tables: Collection[str], window: Span) -> None:
    """Let nobody take rows that are away for rows that never were.

    Raises:
        SpanAway: one of the tables lacks a part of the window; says where it is.
    """
    found = away(connection, tables, window)
    if found:
        raise _refusal(found, window)


def _refusal(found: Sequence[Away], window: Span) -> SpanAway:
    first = next((one for one in found if one.state == "archived"), found[0])
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    asked = f"{window[0]:%Y-%m-%d %H:%M} to {window[1]:%Y-%m-%d %H:%M} UTC"
    told = "archived" if first.state == "archived" else "dropped"
    way_out = f"`{first.way_back}` brings it back." if first.state == "archived" else "Ask for a later span."
    return SpanAway(
        f"{first.table} of {span_name(first.span)}{more} was {told} and lies within {asked}", way_out=way_out
    )


def _entry(row: tuple[Any, ...]) -> Entry:  # a row of a cursor has no types
    table, start, number, end, *rest = row
    return Entry(table, start.astimezone(UTC), number, end.astimezone(UTC), *rest)


__all__ = ["Away", "Entry", "SpanAway", "away", "away_spans", "entries", "refuse_away", "span_name"]
