"""Every dataset can be exported or is left out with a reason, and every column has a type in files."""

import pytest

from crypto_assets.definitions import dataset_modules
from crypto_assets.exports.arrow_columns import arrow_schema
from crypto_assets.exports.catalog import DATASETS, UnknownDataset, exported
from crypto_assets.exports.place import plain
from crypto_assets.exports.selection import Selection, SelectionRefused

LEFT_OUT = {
    "market/order_books": "levels are arrays of arrays, for which readers of Parquet have no common form",
    "dex/dexes": "a list of names",
    "dex/watchlist": "it is a file of the user's own",
    "models/registry": "artefacts are what it is about, and those lie in their store",
}


def test_every_dataset_is_exported_or_left_out_for_a_reason() -> None:
    known = {module.DATASET for module in dataset_modules("table")}
    assert {one.asset for one in DATASETS.values()} | LEFT_OUT.keys() == known
    assert not {one.asset for one in DATASETS.values()} & LEFT_OUT.keys()


@pytest.mark.parametrize("name", DATASETS)
def test_every_column_has_type_unit_and_meaning_in_files(name: str) -> None:
    one = exported(name)
    schema = arrow_schema(one, list(one.table.c))
    assert schema.names == one.table.c.keys()
    for column, field in zip(one.table.c, schema, strict=True):
        told = {key.decode(): value.decode() for key, value in field.metadata.items()}
        assert told["unit"] == column.info["unit"]
        assert told["meaning"]
        assert f"[{told['unit']}]" not in told["meaning"]
        assert field.nullable == column.nullable
    assert {one.domain, one.time, one.market} - {""} <= set(one.table.c.keys())
    assert "ingested_at" in one.table.c
    assert plain(name) == name


def test_exact_numbers_are_decimals_and_measured_ones_are_not() -> None:
    trades = arrow_schema(exported("trades"), list(exported("trades").table.c))
    assert str(trades.field("price").type) == "decimal128(38, 20)"
    assert str(trades.field("traded_at").type) == "timestamp[us, tz=UTC]"
    assert str(arrow_schema(exported("bars"), [exported("bars").table.c.close]).field("close").type) == "double"
    pool = exported("pool_trades")
    assert str(arrow_schema(pool, list(pool.table.c)).field("amount_base").type) == "decimal256(76, 38)"


def test_what_a_dataset_lacks_is_refused_by_name() -> None:
    with pytest.raises(UnknownDataset, match="No dataset 'bar'") as error:
        exported("bar")
    assert "Did you mean bars?" in error.value.way_out
    for chosen, told in (
        (Selection(timeframes=("1h",)), "no timeframe"),
        (Selection(markets=("BTC/USDT",)), "no market"),
        (Selection(columns=("vlaue",)), "no column 'vlaue'"),
    ):
        with pytest.raises(SelectionRefused, match=told):
            chosen.check(exported("onchain"))
