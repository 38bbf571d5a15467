"""Results come as frames with the right values and types, also where they are empty."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    DateTime,
    Double,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    bindparam,
    func,
    null,
    select,
)
from sqlalchemy import Boolean as Flag
from sqlalchemy.dialects.postgresql import JSONB

from crypto_assets.datasets.market.ohlcv.table import ohlcv
from crypto_assets.warehouse.connection import DatabaseMissing, NotMigrated, Warehouse
from crypto_assets.warehouse.read import ReadFailed, read_arrow, read_frame, reading
from crypto_assets.warehouse.write import upsert
from crypto_assets_tests.warehouse.bars import batch

kinds = Table(
    "kinds",
    MetaData(),
    Column("id", Integer, nullable=False),
    Column("count", BigInteger),
    Column("share", Double),
    Column("exact", Numeric),
    Column("flag", Flag),
    Column("name", Text),
    Column("at", DateTime(timezone=True)),
    Column("day", Date),
    Column("raw", JSONB),
    schema="macro",
)
EXACT = Decimal("123456789012345678901234567890.123456789")
DTYPES = {
    "id": "int64",
    "count": "Int64",
    "share": "float64",
    "exact": "float64",
    "flag": "boolean",
    "name": "str",
    "at": "datetime64[us, UTC]",
    "day": "datetime64[ms]",
    "raw": "str",
}


@pytest.fixture
def filled(warehouse: Warehouse) -> Warehouse:
    engine = warehouse.engine()
    kinds.create(engine)
    at = datetime(2024, 2, 29, 12, 34, 56, 789012, tzinfo=UTC)
    with engine.begin() as connection:
        connection.execute(
            kinds.insert(),
            [
                {"id": 1, "count": 2**62 + 1, "share": 0.1, "exact": EXACT, "flag": True, "name": "ünï", "at": at,
                 "day": date(2024, 2, 29), "raw": {"a": [1, None]}},
                {"id": 2, "count": None, "share": None, "exact": None, "flag": None, "name": None, "at": None,
                 "day": None, "raw": null()},
            ],
        )  # fmt: skip
    engine.dispose()
    return warehouse


def dtypes(frame: pd.DataFrame) -> dict[str, str]:
    return {str(name): str(kind) for name, kind in frame.dtypes.items()}


def test_every_type_comes_with_its_value_and_null_as_missing(filled: Warehouse) -> None:
    frame = read_frame(filled, select(kinds).order_by(kinds.c.id))
    assert dtypes(frame) | {"raw": "str"} == DTYPES
    first, second = frame.iloc[0], frame.iloc[1]
    assert first["count"] == 2**62 + 1
    assert first["share"] == 0.1
    assert first["exact"] == float(EXACT)
    assert first["flag"]
    assert first["name"] == "ünï"
    assert first["at"] == pd.Timestamp("2024-02-29T12:34:56.789012Z")
    assert first["day"] == pd.Timestamp("2024-02-29")
    assert first["id"] == 1
    assert second.drop("id").isna().all()


def test_an_empty_result_has_its_columns_and_types(filled: Warehouse) -> None:
    frame = read_frame(filled, select(kinds).where(kinds.c.id > 2))
    assert len(frame) == 0
    assert dtypes(frame) | {"flag": "boolean"} == DTYPES


def test_columns_declared_nullable_have_the_same_type_whether_null_turns_up_or_not(filled: Warehouse) -> None:
    for bound in (2, 3):
        frame = read_frame(filled, select(kinds.c.id, kinds.c.count).where(kinds.c.id < bound))
        assert dtypes(frame) == {"id": "int64", "count": "Int64"}


def test_arrow_keeps_numeric_exact_and_times_in_utc(filled: Warehouse) -> None:
    table = read_arrow(filled, select(kinds.c.exact, kinds.c.at).where(kinds.c.id == 1))
    assert table.column("exact").to_pylist() == [str(EXACT)]
    assert table.schema.field("at").type == pa.timestamp("us", tz="UTC")


def test_columns_of_the_same_name_are_all_there(filled: Warehouse) -> None:
    frame = read_frame(filled, select(kinds.c.id, kinds.c.name.label("id")).where(kinds.c.id == 1))
    assert frame.to_numpy().tolist() == [[1, "ünï"]]


@pytest.mark.parametrize("hostile", ["'; DROP TABLE macro.kinds; --", "%s %(a)s %%", "\\'", "a\nb", "ünï"])
def test_values_are_quoted_by_the_driver(filled: Warehouse, hostile: str) -> None:
    statement = select(kinds.c.id, func.concat(hostile, "").label("said")).where(
        kinds.c.name != hostile, kinds.c.id == 1
    )
    frame = read_frame(filled, statement)
    assert frame["said"].tolist() == ([] if hostile == "ünï" else [hostile])
    assert len(read_frame(filled, select(kinds))) == 2


def test_lists_numpy_numbers_and_times_can_be_bound(filled: Warehouse) -> None:
    at = datetime(2024, 2, 29, 12, 34, 56, 789012, tzinfo=UTC)
    statement = select(kinds.c.id).where(
        kinds.c.id.in_([np.int64(1), 5]), kinds.c.at == at, kinds.c.share < np.float64(1)
    )
    assert read_frame(filled, statement)["id"].tolist() == [1]


def test_what_is_written_in_bulk_is_read_in_bulk(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        upsert(connection, ohlcv, batch(5000))
    frame = read_frame(
        warehouse, select(ohlcv.c.opened_at, ohlcv.c.close, ohlcv.c.trade_count).order_by(ohlcv.c.opened_at)
    )
    assert frame["close"].to_numpy().tolist() == [100.0 + minute for minute in range(5000)]
    assert frame["opened_at"].iloc[-1] == pd.Timestamp("2024-01-04T11:19:00Z")
    assert frame["trade_count"].dtype == pd.Int64Dtype()


def test_failures_are_told_apart(filled: Warehouse, empty_warehouse: Warehouse) -> None:
    with pytest.raises(NotMigrated):
        read_frame(empty_warehouse, select(ohlcv))
    with pytest.raises(ReadFailed, match="division by zero"):
        read_frame(filled, select((kinds.c.id / func.nullif(0, 1)).label("x")))
    absent = Warehouse(type(filled.url)(filled.url.get_secret_value() + "_absent"))
    with pytest.raises(DatabaseMissing):
        read_frame(absent, select(kinds))


def test_the_newest_row_is_the_frame_that_frame_gives_with_nulls_and_without_rows(filled: Warehouse) -> None:
    names = [column.name for column in kinds.c if column.name != "raw"]
    statement = select(*(kinds.c[name] for name in names)).where(kinds.c.id == bindparam("the_id"))
    with reading(filled) as reader:
        for number in (1, 2, 99, 1):
            expected = reader.frame(statement, {"the_id": number})
            pd.testing.assert_frame_equal(reader.newest(statement, {"the_id": number}), expected)
            assert len(expected) == (number != 99)
