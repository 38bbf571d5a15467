"""What the web UI shows of a table."""

from crypto_assets.datasets.market.ohlcv.table import ohlcv
from crypto_assets.schema.dagster_schema import table_schema


def test_columns_carry_type_meaning_and_unit() -> None:
    columns = {column.name: column for column in table_schema(ohlcv).columns}
    assert list(columns) == list(ohlcv.c.keys())
    assert columns["close"].type == "double precision"
    assert columns["close"].description == "Price of the last trade [quote currency]"
    assert columns["close"].tags == {"unit": "quote_currency"}
    assert columns["opened_at"].type == "timestamp with time zone"
    assert (columns["close"].constraints.nullable, columns["volume_quote"].constraints.nullable) == (False, True)
