"""Rows of a table as lines of CSV, by Arrow's functions over whole columns: no loop over rows.

What belongs here: how a value is written, and guarding programs that take text for a formula. What does not: files
(writers.py).

The format is RFC 4180: commas, lines that end with CR LF, quotes doubled within quotes, a header. A time is ISO 8601 in
UTC. Text always stands in quotes and a value that is not known is nothing at all, so that no text and empty text differ.
Numbers and times never stand in quotes.

A spreadsheet takes text that begins with = + - @ a tab or the end of a line for a formula, in quotes or not; a headline or
a token's symbol, which anybody may choose, must not run there. Such text gets an apostrophe before it, and so does text
that begins with one: whoever takes one apostrophe from each text that begins with it has the text as it was stored. Numbers
are left alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

END = "\r\n"
_FORMULA = r"^[=+\-@\t\r\n']"


def header(names: Sequence[str]) -> bytes:
    """The first line."""
    return (",".join(names) + END).encode()


def lines(rows: pa.Table) -> bytes:
    """All rows, each with its end."""
    columns = [cells(rows.column(position), field) for position, field in enumerate(rows.schema)]
    joined = pc.binary_join_element_wise(*columns, ",", null_handling="replace", null_replacement="")
    return "".join(line + END for line in joined.to_pylist()).encode()


def cells(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    """One column's cells; null stays null.

    Args:
        field: Its name and metadata; text that holds digits says so (`exact`), and is no text then.
    """
    if pa.types.is_timestamp(field.type):
        return pc.strftime(column, format="%Y-%m-%dT%H:%M:%SZ")
    if pa.types.is_string(field.type) and b"exact" not in (field.metadata or {}):
        return _quoted(_guarded(column))
    return column.cast(pa.string())


def _guarded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    is_formula = pc.match_substring_regex(column, _FORMULA)
    if not pc.any(is_formula).as_py():
        return column
    return pc.if_else(is_formula, pc.binary_join_element_wise("'", column, ""), column)


def _quoted(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.binary_join_element_wise('"', pc.replace_substring(column, '"', '""'), '"', "")


__all__ = ["cells", "header", "lines"]
