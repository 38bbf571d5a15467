"""A partition's rows, read piece by piece in the order of its key.

What belongs here: how many rows are read at once, and the statements. What does not: types (arrow_columns.py) and files.

A piece is some of the partition's markets, or of one market a part of the time, so that memory is bounded whatever the
partition. Markets are named to the server one by one: then the table's key finds each one's span, where a condition on time
alone would read a year for every month of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise

from sqlalchemy import ColumnElement, Select, select

from crypto_assets.exports.catalog import Exported
from crypto_assets.exports.contents import Content
from crypto_assets.exports.selection import Selection
from crypto_assets.spans import Span

MOST_VALUES = 8_000_000  # of a piece: 64 MB of numbers; one is read while one is written
LEAST_ROWS = 10_000


def pieces(one: Exported, content: Content, selection: Selection) -> Iterator[Select[*tuple[object, ...]]]:
    """The statements that bring all rows of a partition, each in the order of the key, one after the other."""
    columns = selection.columns_of(one)
    most = max(LEAST_ROWS, MOST_VALUES // len(columns))
    whole = content.partition.span(one.cut)
    for values, span in _shares(one, content, whole, most):
        conditions = list(selection.rows_of(one))
        if one.domain:
            conditions.append(one.table.c[one.domain] == content.partition.domain)
        conditions += [column.in_(named) for column, named in zip(one.series, values, strict=True)]
        if span is not None:
            conditions += _within(one, span)
        yield select(*columns).where(*conditions).order_by(*one.table.primary_key.columns)


def _shares(
    one: Exported, content: Content, whole: Span | None, most: int
) -> Iterator[tuple[list[list[str]], Span | None]]:
    """Values of the columns of series, and the span, of each piece."""
    if not one.series:
        for span in _slices(whole, content.rows, most) if _is_in_time_order(one) else [whole]:
            yield [], span
        return
    others = [sorted({values[place] for values, _ in content.series}) for place in range(1, len(one.series))]
    for markets, rows in _groups(content.series, most):
        for span in _slices(whole, rows, most) if _is_in_time_order(one) else [whole]:
            yield [markets, *others], span


def _is_in_time_order(one: Exported) -> bool:
    """Whether rows of one market lie in the order of time: then parts of the time are parts of the file."""
    names = [column.name for column in one.table.primary_key.columns]
    return bool(one.time) and names[len(one.series) + bool(one.domain)] == one.time and len(one.series) <= 1


def _groups(series: Sequence[tuple[tuple[str, ...], int]], most: int) -> Iterator[tuple[list[str], int]]:
    """Markets that are read together, in the database's order, and how many rows they have; a market is in one group."""
    counts: dict[str, int] = {}
    for values, rows in series:
        counts[values[0]] = counts.get(values[0], 0) + rows
    group, held = list[str](), 0
    for market, rows in counts.items():
        if group and held + rows > most:
            yield group, held
            group, held = [], 0
        group.append(market)
        held += rows
    if group:
        yield group, held


def _slices(whole: Span | None, rows: int, most: int) -> list[Span | None]:
    """A span in as many equal parts as the rows need; pieces of several markets are small enough and stay whole."""
    parts = -(-rows // most)
    if whole is None or parts <= 1:
        return [whole]
    start, end = whole
    bounds = [start + (end - start) * number / parts for number in range(parts)] + [end]
    return list(pairwise(bounds))


def _within(one: Exported, span: tuple[datetime, datetime]) -> list[ColumnElement[bool]]:
    column = one.table.c[one.time]
    return [column >= span[0], column < span[1]]


__all__ = ["pieces"]
