"""From a question to its answer: a frame, an Arrow table, or one part after the other.

What belongs here: running it, its bound on size, the forms of an answer. What does not: what may be asked (questions.py) and
connecting (connecting.py).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Protocol

import pandas as pd
import pyarrow as pa
from sqlalchemy import text

from crypto_assets.client.names import Names
from crypto_assets.client.questions import PastUnknown, Question, QuestionRefused, has_a_past, moment_of
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.detached import away, refuse_away
from crypto_assets.warehouse.read import read_arrow, read_frame, reading

# Two gigabytes of a frame with fifty columns of numbers; whoever has more memory says so.
MOST_ROWS = 5_000_000
CHUNK_ROWS = 100_000
_FIRST, _LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
_KEEPS = """
SELECT EXISTS (SELECT FROM pg_trigger
                WHERE tgrelid = to_regclass(:name) AND tgfoid = to_regprocedure('audit.keep_revision()'))
"""


class RowsAwayWarning(UserWarning):
    """All that is stored was asked for, and retention has taken a part of it out of the table."""


class AnswerTooLarge(QuestionRefused):
    """More rows than the client was told to hold in memory."""


class Source:
    """Where questions are put. Making one connects nowhere.

    Args:
        warehouse: Whose sessions can only read.
        most_rows: A larger answer is refused.
        chunk_rows: Of one part.
    """

    def __init__(self, warehouse: Warehouse, *, most_rows: int = MOST_ROWS, chunk_rows: int = CHUNK_ROWS) -> None:
        self.warehouse = warehouse
        self.most_rows = most_rows
        self.chunk_rows = chunk_rows
        self.names = Names(warehouse)
        self._keeps_past: dict[str, bool] = {}

    def admit(self, question: Question) -> None:
        """Let a question pass that makes sense.

        Raises:
            NameUnknown: a name under which nothing is stored.
            PastUnknown: `as_of` for a table that does not keep what its rows were.
            ColumnUnknown, MomentUnclear: as they say.
            SpanAway: a part of the span that is asked for is in the archive, or was dropped.
        """
        question.statement()
        self._refuse_less(question)
        if question.choice.get("as_of") is not None:
            self._require_past(question)
        self.names.require(question.table, question.filters)

    def refuse_more(self, question: Question, rows: int) -> None:
        """Let an answer pass that is not too large.

        Raises:
            AnswerTooLarge: it is.
        """
        if rows > self.most_rows:
            raise AnswerTooLarge(
                f"More than {self.most_rows:,} rows of {question.table.fullname} answer this",
                way_out="Ask for less time, fewer markets or columns, take it in parts (client.chunks), or connect with"
                " a larger most_rows.",
            )

    def _refuse_less(self, question: Question) -> None:
        """Rows that retention took away are no rows that never were: whoever names a span that lacks some is told."""
        name, start, end = question.table.fullname, question.choice.get("start"), question.choice.get("end")
        last = _LAST if end is None else moment_of(end, "end")
        with self.warehouse.connect() as connection:
            if start is not None:
                refuse_away(connection, [name], (moment_of(start, "start"), last))
                return
            for one in away(connection, [name], (_FIRST, last)):
                told = f"{name}: rows of {one.span[0]:%Y-%m-%d} to {one.span[1]:%Y-%m-%d} are not in it. {one.why}"
                warnings.warn(told, RowsAwayWarning, stacklevel=6)

    def _require_past(self, question: Question) -> None:
        name = question.table.fullname
        if name not in self._keeps_past:
            self._keeps_past[name] = has_a_past(question.table) or self._has_triggers(name)
        if not self._keeps_past[name]:
            raise PastUnknown(
                f"{name} is derived and does not keep what its rows were before",
                way_out="Freeze what you learn from (`crypto-assets dataset create … --as-of`), or ask its inputs as of then.",
            )

    def _has_triggers(self, name: str) -> bool:
        engine = self.warehouse.engine()
        try:
            with engine.connect() as connection:
                return bool(connection.execute(text(_KEEPS), {"name": name}).scalar())
        finally:
            engine.dispose()


class Render[T](Protocol):
    """Makes an answer of a question."""

    def __call__(self, source: Source, question: Question) -> T:
        """The answer.

        Raises:
            QuestionRefused: it makes no sense, or its answer is too large.
            DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
        """


def as_frame(source: Source, question: Question) -> pd.DataFrame:
    """A frame; its types are those of `read_frame`."""
    source.admit(question)
    frame = read_frame(source.warehouse, question.statement().limit(source.most_rows + 1))
    source.refuse_more(question, len(frame))
    return frame


def as_arrow(source: Source, question: Question) -> pa.Table:
    """An Arrow table; numeric columns are text, exact."""
    source.admit(question)
    table = read_arrow(source.warehouse, question.statement().limit(source.most_rows + 1))
    source.refuse_more(question, table.num_rows)
    return table


def as_chunks(source: Source, question: Question) -> Iterator[pd.DataFrame]:
    """Frames one after the other, in the order of the key; each is read when it is asked for, in a transaction of its own."""
    source.admit(question)
    return _chunks(source, question)


def _chunks(source: Source, question: Question) -> Iterator[pd.DataFrame]:
    after = None
    while True:
        with reading(source.warehouse) as reader:
            frame = reader.frame(question.statement(after).limit(source.chunk_rows))
        if len(frame):
            yield frame
        if len(frame) < source.chunk_rows:
            return
        last = frame.iloc[-1]
        after = [value.to_pydatetime() if isinstance(value, pd.Timestamp) else value for value in last[[*question.key]]]


__all__ = [
    "CHUNK_ROWS", "MOST_ROWS", "AnswerTooLarge", "Render", "RowsAwayWarning", "Source", "as_arrow", "as_chunks", "as_frame",
]  # fmt: skip
