"""Reading whole results at once: through ADBC into Arrow, and from there into pandas.

What belongs here: running a SELECT and giving its columns their types. What does not: what to select, and reading as of
a time (revisions.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import groupby

import numpy as np
import pandas as pd
import pyarrow as pa
from adbc_driver_manager import Error as AdbcError
from adbc_driver_manager import dbapi
from psycopg2 import sql
from psycopg2.extensions import connection as QuotingConnection  # noqa: N812 - a class under a function's name
from sqlalchemy import Column, Compiled, CompoundSelect, Dialect, Select, make_url
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.sql.compiler import SQLCompiler

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.warehouse.connection import NotMigrated, Warehouse

type Statement = Select[*tuple[object, ...]] | CompoundSelect[*tuple[object, ...]]

_PG_TYPE = b"POSTGRESQL:type"
_NOT_THERE = frozenset({"42P01", "3F000"})  # undefined table, undefined schema


class ReadFailed(CryptoAssetsError):
    """PostgreSQL refused the statement."""


def read_frame(warehouse: Warehouse, statement: Statement) -> pd.DataFrame:
    """The statement's rows as a frame; an empty result has its columns and types, too.

    Types: timestamptz is datetime64[us, UTC]; double precision and numeric are float64 with NaN for NULL; whole numbers
    are int64, or Int64 for columns declared nullable (and wherever NULL turns up); booleans are bool, or boolean
    likewise; dates are datetime64[ms]; text is pandas' str. Other types come as text.

    Raises:
        DatabaseUnreachable: no connection.
        NotMigrated: a table is missing.
        ReadFailed: PostgreSQL refused the statement.
    """
    with reading(warehouse) as reader:
        return reader.frame(statement)


def read_arrow(warehouse: Warehouse, statement: Statement) -> pa.Table:
    """The statement's rows as an Arrow table. Times are timestamp[us, UTC]; numeric comes as text, exact.

    Raises:
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    with reading(warehouse) as reader:
        return reader.arrow(statement)


@contextmanager
def reading(warehouse: Warehouse) -> Iterator[Reader]:
    """A reader for many statements; its connection is kept for the next one.

    Raises:
        DatabaseUnreachable: no connection.
    """
    with warehouse.connect() as quoting, warehouse.kept_adbc() as connection:
        yield Reader(warehouse.place, quoting, connection)


class Reader:
    """Open connections to read through, one statement after the other; for one thread at a time."""

    def __init__(self, place: str, quoting: QuotingConnection, connection: dbapi.Connection) -> None:
        self._place = place
        self._quoting = quoting
        self._connection = connection
        self._asked: dict[Select[*tuple[object, ...]], _Asked] = {}

    def frame(self, statement: Statement, values: Mapping[str, object] | None = None) -> pd.DataFrame:
        """As `read_frame`.

        Args:
            values: Of the statement's own parameters (bindparam), where it is one that is asked again and again.
        """
        table = self.arrow(statement, values)
        nullable = _prepared(statement).nullable
        columns = {
            position: _values(table.column(position), field, nullable.get(field.name, False))
            for position, field in enumerate(table.schema)
        }
        frame = pd.DataFrame(columns, index=pd.RangeIndex(table.num_rows))
        return frame.set_axis(pd.Index(table.column_names), axis="columns")

    def newest(self, statement: Select[*tuple[object, ...]], values: Mapping[str, object]) -> pd.DataFrame:
        """As `frame`, of a statement that gives one row at most and is asked again and again.

        The server plans it once: of a hundred columns in many partitions that takes longer than the row. Not for columns of
        documents (jsonb): the driver makes objects of them, where `frame` gives text.
        """
        asked = self._asked.get(statement)
        if asked is None:
            empty = self.frame(statement.limit(0), values)
            asked = self._asked[statement] = _Asked(f"asked_{len(self._asked)}", _numbered(statement), empty)
            with self._quoting.cursor() as cursor:
                cursor.execute(asked.preparation())
            self._quoting.commit()
        with self._quoting.cursor() as cursor:
            cursor.execute(asked.execution(), [_bound(values)[name] for name in asked.numbered.positiontup or ()])
            row = cursor.fetchone()
        self._quoting.rollback()  # the next statement sees what was committed meanwhile
        return asked.empty.copy() if row is None else _one_row(row, asked.empty)

    def arrow(self, statement: Statement, values: Mapping[str, object] | None = None) -> pa.Table:
        """As `read_arrow`; values as in `frame`."""
        query = self._with_values(statement, values)
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(query)
                result = _plain(cursor.fetch_arrow_table())
        except AdbcError as error:
            if error.sqlstate in _NOT_THERE:
                raise NotMigrated(
                    f"{self._place} lacks a table that is read", way_out="`crypto-assets migrate` creates it."
                ) from error
            raise ReadFailed(f"PostgreSQL refused to read: {' '.join(str(error).split())}") from error
        finally:
            self._connection.rollback()  # the next statement sees what was committed meanwhile
        return result

    def _with_values(self, statement: Statement, values: Mapping[str, object] | None) -> str:
        """The statement's text, its values quoted by the driver: COPY, which ADBC reads through, takes no parameters."""
        compiled = _prepared(statement).compiled
        with self._quoting.cursor() as cursor:
            return cursor.mogrify(str(compiled), _bound(compiled.construct_params(dict(values or {})))).decode()


@dataclass(frozen=True)
class _Prepared:
    """What is found out of a statement before it is sent; of a hundred columns it takes as long as the reading.

    Args:
        nullable: Of the columns of tables among those it selects.
    """

    compiled: Compiled
    nullable: Mapping[str, bool]


@dataclass(frozen=True)
class _Asked:
    """A statement that the server keeps planned for one connection.

    Args:
        name: There.
        numbered: With $1, $2 … for its parameters.
        empty: A frame of its columns and types, without rows.
    """

    name: str
    numbered: SQLCompiler
    empty: pd.DataFrame

    def preparation(self) -> sql.Composed:
        return sql.SQL("PREPARE {} AS ").format(sql.Identifier(self.name)) + sql.SQL(str(self.numbered))

    def execution(self) -> sql.Composed:
        marks = sql.SQL(", ").join([sql.Placeholder()] * len(self.numbered.positiontup or ()))
        return sql.SQL("EXECUTE {} ({})").format(sql.Identifier(self.name), marks)


def _numbered(statement: Select[*tuple[object, ...]]) -> SQLCompiler:
    compiled: SQLCompiler = statement.compile(dialect=PGDialect(paramstyle="numeric_dollar"))  # type: ignore[no-untyped-call]
    return compiled


def _one_row(row: Sequence[object], empty: pd.DataFrame) -> pd.DataFrame:
    """A frame of one row; columns of one kind that lie side by side are made together, which is what the time goes into."""
    parts, begin = [], 0
    for dtype, group in groupby(empty.dtypes):
        end = begin + len(list(group))
        names = empty.columns[begin:end]
        if isinstance(dtype, np.dtype) and dtype.kind == "f":
            parts.append(pd.DataFrame(np.array([row[begin:end]], dtype=dtype), columns=names))
        else:
            made = {name: pd.array([value], dtype=dtype) for name, value in zip(names, row[begin:end], strict=True)}
            parts.append(pd.DataFrame(made))
        begin = end
    return pd.concat(parts, axis=1)


@lru_cache(maxsize=32)
def _prepared(statement: Statement) -> _Prepared:
    compiled = statement.compile(dialect=_dialect(), compile_kwargs={"render_postcompile": True})
    columns = [column for column in statement.selected_columns if isinstance(column, Column)]
    return _Prepared(compiled, {column.name: bool(column.nullable) for column in columns})


@cache
def _dialect() -> Dialect:
    """One for the process: it remembers what it has found out of each type."""
    return make_url("postgresql+psycopg2://").get_dialect()()


def _bound(values: Mapping[str, object] | None) -> dict[str, object]:
    # numpy's numbers are unknown to psycopg2.
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in (values or {}).items()}


def _plain(table: pa.Table) -> pa.Table:
    """Types that Arrow does not know (numeric, jsonb) as what carries them: text."""
    for position, field in enumerate(table.schema):
        if isinstance(field.type, pa.BaseExtensionType):
            column = table.column(position).cast(field.type.storage_type)
            table = table.set_column(position, pa.field(field.name, column.type, metadata=field.metadata), column)
    return table


def _values(column: pa.ChunkedArray, field: pa.Field, is_nullable: bool) -> object:
    """One Arrow column as the array that pandas holds: a series would be copied to fit the frame's index."""
    if pa.types.is_floating(field.type):
        return column.to_numpy()
    has_nulls = is_nullable or column.null_count > 0
    if (field.metadata or {}).get(_PG_TYPE) == b"numeric":
        return pd.to_numeric(column.to_pandas(), errors="raise").astype("float64").array
    if pa.types.is_integer(field.type):
        integers = column.cast(pa.int64())
        held = integers.to_pandas(types_mapper=lambda _: pd.Int64Dtype()) if has_nulls else integers.to_pandas()
    elif pa.types.is_boolean(field.type) and has_nulls:
        held = column.to_pandas(types_mapper=lambda _: pd.BooleanDtype())
    else:
        held = column.to_pandas(date_as_object=False)
    return held.array
