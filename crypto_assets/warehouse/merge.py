"""Merging a batch into a table that may hold some of its rows: compare, then write only what differs.

What belongs here: the statements of the merge, and looking whether there is anything to compare with. What does not:
what a batch must be like (write.py).

The comparison's cost follows the batch, not the table: a batch of one series reads that series' index range between the
batch's first and last key and joins it; any other batch probes the index row by row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a class under a function's name
from sqlalchemy import Column, Table, Text

from crypto_assets.warehouse.binary_copy import Array, EncodedBatch, Values
from crypto_assets.warehouse.copy_in import copy_rows, table_name

INGESTED_AT = "ingested_at"
_STAGING = sql.Identifier("upsert_staging")
# Below this many rows, probing the index costs less than reading all between the first and the last key.
RANGE_JOIN_ROWS = 1_000
# So many distinct texts of a key column are listed when looking whether anything is there.
LISTED_TEXTS = 50
_SHOWN_EARLY = 1_000

type _Condition = tuple[sql.Composable, list[object]]


def may_hold(cursor: Cursor, table: Table, keys: Mapping[str, Values]) -> bool:
    """Whether the table holds a row within the batch's range of keys; true, too, where that is not cheap to say.

    Asked of the key's leading columns, up to the first with no short condition (a million trade ids): whatever else a
    key of the batch has, it meets the condition, so where no row does, none of its keys is there.
    """
    known = list(_leading(table, keys))
    if not known:
        return True
    query = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE {})").format(
        table_name(table), sql.SQL(" AND ").join(condition for condition, _ in known)
    )
    # With old statistics a sequential scan would be chosen, and read the whole table.
    cursor.execute(
        sql.SQL("SET LOCAL enable_seqscan = off; {}").format(query), [value for _, values in known for value in values]
    )
    row = cursor.fetchone()
    cursor.execute("SET LOCAL enable_seqscan = DEFAULT")
    return row is None or bool(row[0])


def rows_ahead(cursor: Cursor, table: Table, keys: Mapping[str, Values]) -> NDArray[np.bool_] | None:
    """Which rows of a series' batch lie behind everything that the table holds in the batch's range of keys.

    Pages that overlap what was stored before have most of their rows ahead of it, and these need no comparison.

    Returns:
        True for a row that cannot be there; None where the batch is of several series, or too small for it to matter.
    """
    columns = list(table.primary_key.columns)
    varying = next((column for column in columns if _varies(keys[column.name])), None)
    times = keys[varying.name] if varying is not None else None
    known = _series_range(table, keys)
    if known is None or varying is None or not isinstance(times, np.ndarray) or times.dtype.kind != "M":
        return None
    if len(times) < RANGE_JOIN_ROWS:
        return None
    query = sql.SQL("SET LOCAL enable_seqscan = off; SELECT max({}) AT TIME ZONE 'UTC' FROM {} WHERE {}").format(
        sql.Identifier(varying.name), table_name(table), known[0]
    )
    cursor.execute(query, known[1])
    row = cursor.fetchone()
    cursor.execute("SET LOCAL enable_seqscan = DEFAULT")
    if row is None or row[0] is None:
        return np.ones(len(times), dtype=bool)
    ahead: NDArray[np.bool_] = times.astype("datetime64[us]") > np.datetime64(row[0], "us")
    return ahead


def _leading(table: Table, keys: Mapping[str, Values]) -> Iterator[_Condition]:
    """Conditions on the key's columns, in their order, as long as there is a short one."""
    for column in table.primary_key.columns:
        condition = _condition(column, keys[column.name])
        if condition is None:
            return
        yield condition


def merge(cursor: Cursor, table: Table, batch: EncodedBatch, keys: Mapping[str, Values]) -> int:
    """Insert the rows that are not there and change those that differ.

    Args:
        cursor: In a transaction.
        table: With a primary key and `ingested_at`.
        batch: The rows, with `ingested_at`.
        keys: The batch's primary key columns.

    Returns:
        How many rows were inserted or changed.
    """
    names = sql.SQL(", ").join(sql.Identifier(column.name) for column in batch.columns)
    staging = sql.SQL("pg_temp.{}").format(_STAGING)
    cursor.execute(
        sql.SQL("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(
            _STAGING, names, table_name(table)
        )
    )
    copy_rows(cursor, staging, batch)
    known = _series_range(table, keys) if batch.rows >= RANGE_JOIN_ROWS else None
    with _planned_without(cursor, *(("nestloop",) if known else ("hashjoin", "mergejoin"))):
        if known:
            cursor.execute(_merge_statement(table, batch.columns, staging, known[0]), known[1])
        else:
            cursor.execute(_merge_statement(table, batch.columns, staging, None))
        written = cursor.rowcount
    cursor.execute(sql.SQL("DROP TABLE {}").format(staging))
    return written


def _merge_statement(
    table: Table, columns: Sequence[Column[object]], staging: sql.Composable, series: sql.Composable | None
) -> sql.Composed:
    key = [sql.Identifier(column.name) for column in table.primary_key.columns]
    compared = [
        sql.Identifier(column.name) for column in columns if not column.primary_key and column.name != INGESTED_AT
    ]
    same_key = _joined(" AND ", "o.{0} = s.{0}", key)
    if series is None:
        # OFFSET 0 keeps the subquery apart, so that it stays a probe by key.
        matched = _joined(" AND ", "p.{0} = s.{0}", key)
        there = sql.SQL("LATERAL (SELECT true AS is_there, p.* FROM {} AS p WHERE {} OFFSET 0) AS o ON true").format(
            table_name(table), matched
        )
    else:
        there = sql.SQL("(SELECT true AS is_there, p.* FROM {} AS p WHERE {}) AS o ON {}").format(
            table_name(table), series, same_key
        )
    return sql.SQL(
        "INSERT INTO {target} AS t ({names}) SELECT {staged} FROM {staging} AS s LEFT JOIN {there}"
        " WHERE o.is_there IS NULL OR {differs_from_staged} ON CONFLICT ({key}) DO {action}"
    ).format(
        target=table_name(table),
        names=sql.SQL(", ").join(sql.Identifier(column.name) for column in columns),
        staged=_joined(", ", "s.{0}", [sql.Identifier(column.name) for column in columns]),
        staging=staging,
        there=there,
        differs_from_staged=_differs("o", "s", compared),
        key=sql.SQL(", ").join(key),
        action=_change(compared) if compared else sql.SQL("NOTHING"),
    )


def _change(compared: Sequence[sql.Identifier]) -> sql.Composed:
    # A clock that was set back must not make the new version older than the old one.
    return sql.SQL(
        "UPDATE SET {changes}, {ingested_at} ="
        " greatest(excluded.{ingested_at}, t.{ingested_at} + interval '1 microsecond') WHERE {differs}"
    ).format(
        changes=_joined(", ", "{0} = excluded.{0}", compared),
        ingested_at=sql.Identifier(INGESTED_AT),
        differs=_differs("t", "excluded", compared),
    )


def _differs(one: str, other: str, compared: Sequence[sql.Identifier]) -> sql.Composable:
    if not compared:
        return sql.SQL("false")
    return sql.SQL("ROW({}) IS DISTINCT FROM ROW({})").format(
        _joined(", ", f"{one}.{{0}}", compared), _joined(", ", f"{other}.{{0}}", compared)
    )


def _joined(separator: str, pattern: str, names: Sequence[sql.Identifier]) -> sql.Composed:
    return sql.SQL(separator).join(sql.SQL(pattern).format(name) for name in names)


def _series_range(table: Table, keys: Mapping[str, Values]) -> _Condition | None:
    """The condition that bounds one series, and its values; None where the keys are not a series'.

    A series' keys begin with columns of one value each, and a time or number comes next. What follows those (a trade's
    id) may vary too.
    """
    columns = list(table.primary_key.columns)
    bounded = next((index for index, column in enumerate(columns) if _varies(keys[column.name])), len(columns))
    if bounded == len(columns) or not _has_bounds(keys[columns[bounded].name]):
        return None
    # Behind the time, only single values narrow the range further.
    wanted = [column for index, column in enumerate(columns) if index <= bounded or not _varies(keys[column.name])]
    known = [condition for column in wanted if (condition := _condition(column, keys[column.name])) is not None]
    qualified = sql.SQL(" AND ").join(condition for condition, _ in known)
    return qualified, [value for _, values in known for value in values]


def _varies(given: Values) -> bool:
    return isinstance(given, np.ndarray)


def _has_bounds(given: Values) -> bool:
    """Whether it is an array of times or whole numbers."""
    return isinstance(given, np.ndarray) and given.dtype.kind in "Miu"


def _condition(column: Column[object], given: Values) -> _Condition | None:
    """A condition that all keys of the batch meet, and its values; None where there is no short one."""
    name = sql.Identifier(column.name)
    if not isinstance(given, np.ndarray):
        return sql.SQL("{} = %s").format(name), [given]
    if given.dtype.kind == "M":
        micro = given.astype("datetime64[us]")
        bounds: list[object] = [f"{np.datetime_as_string(bound)}+00" for bound in (micro.min(), micro.max())]
        return sql.SQL("{} BETWEEN %s::timestamptz AND %s::timestamptz").format(name), bounds
    if given.dtype.kind in "iu":
        return sql.SQL("{} BETWEEN %s AND %s").format(name), [int(given.min()), int(given.max())]
    return _listed(name, given) if isinstance(column.type, Text) else None


def _listed(name: sql.Identifier, given: Array) -> _Condition | None:
    # Most columns of too many texts show it early, and a million need not be told apart.
    for texts in (given[:_SHOWN_EARLY], given):
        distinct = pd.unique(texts.astype(object))
        if len(distinct) > LISTED_TEXTS:
            return None
    return sql.SQL("{} = ANY(%s)").format(name), [list(distinct)]


@contextmanager
def _planned_without(cursor: Cursor, *methods: str) -> Iterator[None]:
    """Statements of the block are planned without these methods."""
    for state in ("off", "DEFAULT"):
        statement = sql.SQL("SET LOCAL {} = {}")
        names = (sql.Identifier(f"enable_{method}") for method in methods)
        cursor.execute(sql.SQL("; ").join(statement.format(name, sql.SQL(state)) for name in names))
        if state == "off":
            yield
