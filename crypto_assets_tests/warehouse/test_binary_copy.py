"""Every value that is sent by binary COPY comes back as it was: psycopg2 reads what the encoder wrote."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2 import sql
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Integer,
    LargeBinary,
    Numeric,
    SmallInteger,
    Text,
)
from sqlalchemy.dialects.postgresql import ARRAY, REAL
from sqlalchemy.types import TypeEngine

from crypto_assets.warehouse.binary_copy import Batch, ValueRefused, encode_batch
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.copy_in import copy_rows

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_PYTHON, LAST_PYTHON = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
KINDS: dict[str, TypeEngine[object]] = {
    "double precision": Double(),
    "bigint": BigInteger(),  # type: ignore[dict-item]
    "integer": Integer(),  # type: ignore[dict-item]
    "smallint": SmallInteger(),  # type: ignore[dict-item]
    "real": REAL(),
    "boolean": Boolean(),  # type: ignore[dict-item]
    "text": Text(),  # type: ignore[dict-item]
    "timestamptz": DateTime(timezone=True),  # type: ignore[dict-item]
    "date": Date(),  # type: ignore[dict-item]
}
# The fixtures are a database that each example rolls back.
patient = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
moments = st.datetimes(FIRST_PYTHON.replace(tzinfo=None), LAST_PYTHON.replace(tzinfo=None))


def come_back(warehouse: Warehouse, kinds: list[str], batch: Batch) -> list[tuple[object, ...]]:
    """The rows as psycopg2 reads them after the encoder wrote them, in order of the column `row`."""
    columns = [Column("row", BigInteger())] + [Column(f"c{i}", KINDS[kind]) for i, kind in enumerate(kinds)]
    names = ["row bigint"] + [f"c{i} {kind}" for i, kind in enumerate(kinds)]
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE kept ({', '.join(names)})")
        rows = next((len(values) for values in batch.values() if isinstance(values, np.ndarray)), 1)
        numbered = {**batch, "row": np.arange(rows)}
        copy_rows(cursor, sql.Identifier("kept"), encode_batch(columns, numbered))  # type: ignore[arg-type]
        cursor.execute("SELECT * FROM kept ORDER BY row")
        found = [row[1:] for row in cursor.fetchall()]
        connection.rollback()
    return found


@patient
@given(values=st.lists(st.floats(allow_nan=False), min_size=1))
def test_every_double_comes_back_bit_for_bit(shared_warehouse: Warehouse, values: list[float]) -> None:
    found = come_back(shared_warehouse, ["double precision"], {"c0": np.array(values)})
    assert np.array([row[0] for row in found]).tobytes() == np.array(values).tobytes()


@patient
@given(values=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_every_whole_number_of_64_bits_comes_back(shared_warehouse: Warehouse, values: list[int]) -> None:
    assert come_back(shared_warehouse, ["bigint"], {"c0": np.array(values, dtype=np.int64)}) == [(v,) for v in values]


@patient
@given(values=st.lists(moments, min_size=1))
def test_every_moment_comes_back_to_the_microsecond(shared_warehouse: Warehouse, values: list[datetime]) -> None:
    found = come_back(shared_warehouse, ["timestamptz"], {"c0": np.array(values, dtype="datetime64[us]")})
    assert found == [(value.replace(tzinfo=UTC),) for value in values]


@patient
@given(values=st.lists(st.none() | texts, min_size=1))
def test_every_text_and_null_comes_back(shared_warehouse: Warehouse, values: list[str | None]) -> None:
    assert come_back(shared_warehouse, ["text"], {"c0": np.array(values, dtype=object)}) == [(v,) for v in values]


@patient
@given(
    rows=st.lists(
        st.tuples(
            st.none() | texts,
            st.none() | st.floats(allow_nan=False),
            st.none() | st.booleans(),
            st.none() | st.integers(-(2**53), 2**53),
            st.none() | moments,
        ),
        min_size=1,
        max_size=60,
    )
)
def test_rows_with_any_pattern_of_nulls_come_back_whole(
    shared_warehouse: Warehouse, rows: list[tuple[object, ...]]
) -> None:
    text, number, flag, count, moment = zip(*rows, strict=True)
    batch: dict[str, object] = {
        "c0": np.array(text, dtype=object),
        "c1": np.array([np.nan if value is None else value for value in number], dtype=np.float64),
        "c2": np.array(flag, dtype=object),
        "c3": np.array([np.nan if value is None else value for value in count], dtype=np.float64),
        "c4": np.array([np.datetime64("NaT") if value is None else value for value in moment], dtype="datetime64[us]"),
    }
    kinds = ["text", "double precision", "boolean", "bigint", "timestamptz"]
    expected = [(*row[:4], row[4].replace(tzinfo=UTC) if isinstance(row[4], datetime) else None) for row in rows]
    assert come_back(shared_warehouse, kinds, batch) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "scalar", "expected"),
    [
        ("text", "BTC/USD", "BTC/USD"),
        ("text", "", ""),
        ("text", None, None),
        ("bigint", 5, 5),
        ("bigint", None, None),
        ("double precision", 1, 1.0),
        ("double precision", float("nan"), None),
        ("double precision", None, None),
        ("boolean", True, True),
        ("boolean", None, None),
        ("timestamptz", datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC), datetime(2024, 5, 6, 7, 8, 9, 123456, UTC)),
        ("timestamptz", EPOCH.astimezone(), EPOCH),
        ("timestamptz", None, None),
        ("date", date(1969, 7, 20), date(1969, 7, 20)),
        ("integer", -(2**31), -(2**31)),
        ("smallint", 2**15 - 1, 2**15 - 1),
        ("real", 0.5, 0.5),
    ],
)
def test_a_scalar_stands_in_every_row(shared_warehouse: Warehouse, kind: str, scalar: object, expected: object) -> None:
    batch: dict[str, object] = {"c0": scalar, "c1": np.array(["a", "bc", "def"])}
    found = come_back(shared_warehouse, [kind, "text"], batch)  # type: ignore[arg-type]
    assert found == [(expected, "a"), (expected, "bc"), (expected, "def")]


@pytest.mark.parametrize("unit", ["Y", "M", "D", "h", "m", "s", "ms", "us", "ns"])
def test_times_of_every_unit_are_understood(shared_warehouse: Warehouse, unit: str) -> None:
    batch: Batch = {"c0": np.array(["1969", "2024"], dtype=f"datetime64[{unit}]")}
    expected = [(datetime(1969, 1, 1, tzinfo=UTC),), (datetime(2024, 1, 1, tzinfo=UTC),)]
    assert come_back(shared_warehouse, ["timestamptz"], batch) == expected


def test_parts_of_a_microsecond_are_cut_off_downwards(shared_warehouse: Warehouse) -> None:
    batch: Batch = {"c0": np.array([1999, -1], dtype="datetime64[ns]")}
    expected = [(EPOCH + timedelta(microseconds=1),), (EPOCH - timedelta(microseconds=1),)]
    assert come_back(shared_warehouse, ["timestamptz"], batch) == expected


WRONG: list[tuple[str, Callable[[], object]]] = [
    ("bigint", lambda: np.array([0.5])),
    ("bigint", lambda: np.array([2.0**63])),
    ("bigint", lambda: np.array([np.inf])),
    ("bigint", lambda: np.array([2**63], dtype=np.uint64)),
    ("bigint", lambda: 2**64),
    ("integer", lambda: np.array([2**31])),
    ("smallint", lambda: np.array([-(2**15) - 1])),
    ("real", lambda: np.array([1e300])),
    ("double precision", lambda: np.array(["1"])),
    ("text", lambda: np.array(["a\0b"], dtype=object)),
    ("text", lambda: np.array(["\ud800"], dtype=object)),
    ("text", lambda: np.array([1], dtype=object)),
    ("text", lambda: np.array([1.0])),
    ("boolean", lambda: np.array([1])),
    ("timestamptz", lambda: np.array([1])),
    ("timestamptz", lambda: datetime(2024, 1, 1)),  # noqa: DTZ001 - the fault under test
    ("timestamptz", lambda: np.array([2**62], dtype="datetime64[s]")),
    ("timestamptz", lambda: np.array(["-9999-01-01"], dtype="datetime64[D]")),
    ("double precision", lambda: np.zeros((2, 2))),
]


@pytest.mark.parametrize(("kind", "made"), WRONG)
def test_what_a_column_cannot_hold_is_refused(kind: str, made: Callable[[], object]) -> None:
    with pytest.raises(ValueRefused):
        encode_batch([Column("c0", KINDS[kind])], {"c0": made()})  # type: ignore[dict-item]


def test_null_in_a_column_that_may_not_be_null_is_refused_with_its_row() -> None:
    column: Column[object] = Column("c0", KINDS["double precision"], nullable=False)
    with pytest.raises(ValueRefused, match=r"c0.*row 1 of 2"):
        encode_batch([column], {"c0": np.array([1.0, np.nan])})


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (LargeBinary(), "BLOB|BYTEA"),
        (DateTime(), "DATETIME|TIMESTAMP"),
        (Numeric(10, 2), r"NUMERIC\(10, 2\)"),  # the server would round, and say nothing
        (ARRAY(Numeric), "ARRAY|NUMERIC"),
        (ARRAY(Text, dimensions=2), "ARRAY|TEXT"),
    ],
)
def test_types_that_have_no_encoding_are_refused_by_name(kind: TypeEngine[object], named: str) -> None:
    with pytest.raises(ValueRefused, match=named):
        encode_batch([Column("c0", kind)], {"c0": np.array([None], dtype=object)})
