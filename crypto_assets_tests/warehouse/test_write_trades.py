"""Tables keyed by a series, a time and an id: what an upsert leaves there, and when it may skip the comparison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name
from sqlalchemy import BigInteger, Column, DateTime, Integer, MetaData, Numeric, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from crypto_assets.warehouse import merge
from crypto_assets.warehouse.binary_copy import Batch, Values
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.write import DuplicateKeys, WriteCounts, upsert

FIRST = np.datetime64("2024-01-01T00:00:00", "ms")
SECOND = np.timedelta64(1000, "ms")
METADATA = MetaData()
deals = Table(
    "deals",
    METADATA,
    Column("venue", Text, primary_key=True),
    Column("symbol", Text, primary_key=True),
    Column("traded_at", DateTime(timezone=True), primary_key=True),
    Column("trade_id", Text, primary_key=True),
    Column("price", Numeric, nullable=False),
    Column("bids", ARRAY(Numeric, dimensions=2)),
    Column("payload", JSONB),
    Column("sequence", BigInteger),
    Column("ingested_at", DateTime(timezone=True), server_default=text("now()"), nullable=False),
    schema="market",
    info={"partition_by": "traded_at"},
)
swaps = Table(
    "swaps",
    METADATA,
    Column("network", Text, primary_key=True),
    Column("pool_address", Text, primary_key=True),
    Column("traded_at", DateTime(timezone=True), primary_key=True),
    Column("tx_hash", Text, primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("ingested_at", DateTime(timezone=True), server_default=text("now()"), nullable=False),
    schema="dex",
)
CREATED = """
CREATE TABLE market.deals (
    venue text, symbol text, traded_at timestamptz, trade_id text, price numeric NOT NULL, bids numeric[][],
    payload jsonb, sequence bigint, ingested_at timestamptz DEFAULT now() NOT NULL,
    PRIMARY KEY (venue, symbol, traded_at, trade_id)
) PARTITION BY RANGE (traded_at);
CREATE TABLE dex.swaps (
    network text, pool_address text, traded_at timestamptz, tx_hash text, ordinal integer,
    ingested_at timestamptz DEFAULT now() NOT NULL, PRIMARY KEY (network, pool_address, traded_at, tx_hash, ordinal)
);
DO $$ BEGIN PERFORM audit.keep_revisions_of('market.deals'); PERFORM audit.keep_revisions_of('dex.swaps'); END $$;
"""


@pytest.fixture
def trading(connection: Connection) -> Iterator[Connection]:
    """A transaction on a database with both tables, empty."""
    with connection.cursor() as cursor:
        cursor.execute(CREATED)
    yield connection
    connection.rollback()


def trades(count: int, *, first: int = 0, symbol: str = "BTC/USD") -> dict[str, Values]:
    """`count` trades from number `first` on: two a second, trade i at the price of i and ten cents."""
    numbers = np.arange(first, first + count)
    return {
        "venue": "kraken",
        "symbol": symbol,
        "traded_at": FIRST + numbers // 2 * SECOND,
        "trade_id": np.array([f"t{number}" for number in numbers], dtype=object),
        "price": np.array([f"{number}.10" for number in numbers], dtype=object),
        "sequence": numbers,
    }


def keys_of(table: Table, batch: Batch) -> dict[str, Values]:
    return {column.name: batch[column.name] for column in table.primary_key.columns}


def may_hold(connection: Connection, table: Table, keys: Mapping[str, Values]) -> bool:
    with connection.cursor() as cursor:
        return merge.may_hold(cursor, table, keys)


def seen(connection: Connection, columns: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM market.deals ORDER BY sequence")  # noqa: S608 - the tests' own text
        return cursor.fetchall()


def test_numbers_books_and_json_come_back_as_they_were(trading: Connection) -> None:
    batch = trades(3)
    batch["price"] = np.array(["64000.10", "0.00001230", "1E-8"], dtype=object)
    bids = np.array([None, None, None], dtype=object)
    bids[0], bids[1] = [("64000.10", "0.50"), ("63999", "1")], []
    batch["bids"] = bids
    batch["payload"] = np.array(['{"b": 1, "a": [null]}', None, "null"], dtype=object)
    assert upsert(trading, deals, batch) == WriteCounts(3, 3, 0, 0)
    assert upsert(trading, deals, batch) == WriteCounts(3, 0, 0, 3)
    assert seen(trading, "price::text, bids::text, payload::text") == [
        ("64000.10", "{{64000.10,0.50},{63999,1}}", '{"a": [null], "b": 1}'),
        ("0.00001230", "{}", None),
        ("0.00000001", None, "null"),
    ]


@pytest.mark.parametrize("count", [10, merge.RANGE_JOIN_ROWS + 10])
def test_new_changed_and_unchanged_trades_are_counted_apart(trading: Connection, count: int) -> None:
    upsert(trading, deals, trades(count))
    again = trades(count + 4)
    prices = [f"{number}.10" for number in range(count + 4)]
    prices[1], prices[3] = "7.5", "8.5"
    again["price"] = np.array(prices, dtype=object)
    assert upsert(trading, deals, again) == WriteCounts(count + 4, 4, 2, count - 2)
    assert [row[0] for row in seen(trading, "price::text")] == prices


def test_another_trade_of_the_same_moment_is_another_row(trading: Connection) -> None:
    upsert(trading, deals, trades(2))
    late = trades(2)
    late["trade_id"] = np.array(["t1", "t1b"], dtype=object)
    late["price"] = np.array(["1.10", "5.00"], dtype=object)
    late["sequence"] = np.array([1, 2])
    assert upsert(trading, deals, late) == WriteCounts(2, 1, 0, 1)
    assert seen(trading, "trade_id, price::text") == [("t0", "0.10"), ("t1", "1.10"), ("t1b", "5.00")]


@pytest.mark.parametrize("count", [10, merge.RANGE_JOIN_ROWS + 10])
@pytest.mark.parametrize("filled", [False, True])
def test_a_trade_that_stands_twice_is_refused_by_name(trading: Connection, count: int, filled: bool) -> None:
    if filled:
        upsert(trading, deals, trades(count))
    twice = trades(count)
    ids = [f"t{number}" for number in range(count)]
    ids[7] = "t6"  # of the same second
    twice["trade_id"] = np.array(ids, dtype=object)
    with pytest.raises(DuplicateKeys, match=r"same key 2 times.*kraken.*BTC/USD.*2024-01-01T00:00:03.*t6"):
        upsert(trading, deals, twice)


def test_an_id_may_come_again_at_another_time(trading: Connection) -> None:
    batch = trades(4)
    batch["trade_id"] = np.array(["a", "b", "a", "b"], dtype=object)
    assert upsert(trading, deals, batch) == WriteCounts(4, 4, 0, 0)


def test_behind_the_stored_trades_there_is_nothing_whatever_their_ids(trading: Connection) -> None:
    many = 2 * merge.LISTED_TEXTS
    assert not may_hold(trading, deals, keys_of(deals, trades(many)))
    upsert(trading, deals, trades(many))
    assert may_hold(trading, deals, keys_of(deals, trades(many)))
    assert may_hold(trading, deals, keys_of(deals, trades(many, first=many - 1)))  # its first second is there
    assert not may_hold(trading, deals, keys_of(deals, trades(many, first=many)))
    assert not may_hold(trading, deals, keys_of(deals, trades(many, symbol="ETH/USD")))


def test_keys_with_no_short_condition_to_begin_with_may_be_there(trading: Connection) -> None:
    keys = keys_of(deals, trades(2 * merge.LISTED_TEXTS))
    keys["venue"] = keys["trade_id"]
    assert may_hold(trading, deals, keys)


type Swap = tuple[str, str, int, str, int]
swapped = st.lists(
    st.tuples(
        st.sampled_from("ab"), st.sampled_from("pq"), st.integers(0, 6), st.sampled_from("xyz"), st.integers(0, 2)
    ),
    unique=True,
    min_size=1,
    max_size=6,
)


def as_batch(rows: list[Swap], listed: int) -> dict[str, Values]:
    """The rows as a batch whose leading columns are scalars where all rows have the same there."""
    network, pool, second, tx_hash, ordinal = zip(*rows, strict=True)
    columns: dict[str, Values] = {
        "network": np.array(network, dtype=object),
        "pool_address": np.array(pool, dtype=object),
        "traded_at": FIRST + np.array(second) * SECOND,
        "tx_hash": np.array(tx_hash, dtype=object),
        "ordinal": np.array(ordinal),
    }
    for name, values in (("network", network), ("pool_address", pool), ("tx_hash", tx_hash), ("ordinal", ordinal)):
        if len(set(values)) == 1 and listed % 2:
            columns[name] = values[0]
    return columns


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stored=swapped, rows=swapped, form=st.integers(0, 1), listed=st.integers(0, 3), from_row=st.integers(0, 1))
def test_nothing_is_said_to_be_missing_that_is_there(
    shared_warehouse: Warehouse, stored: list[Swap], rows: list[Swap], form: int, listed: int, from_row: int
) -> None:
    with shared_warehouse.connect() as connection, pytest.MonkeyPatch.context() as patched:
        patched.setattr(merge, "LISTED_TEXTS", listed)
        patched.setattr(merge, "RANGE_JOIN_ROWS", (0, 1000)[from_row])
        with connection.cursor() as cursor:
            cursor.execute(CREATED)
        upsert(connection, swaps, as_batch(stored, 0))
        batch = as_batch(rows, form)
        there = len(set(stored) & set(rows))
        assert there == 0 or may_hold(connection, swaps, keys_of(swaps, batch))
        assert upsert(connection, swaps, batch) == WriteCounts(len(rows), len(rows) - there, 0, there)
        connection.rollback()


def test_trades_are_compared_with_those_of_their_time_only(trading: Connection) -> None:
    upsert(trading, deals, trades(20_000))
    upsert(trading, deals, trades(20_000, symbol="ETH/USD"))
    trading.commit()
    before = _read(trading)
    rows = merge.RANGE_JOIN_ROWS
    assert upsert(trading, deals, trades(rows, first=10_000)) == WriteCounts(rows, 0, 0, rows)
    trading.commit()
    scans, tuples = (now - then for now, then in zip(_read(trading), before, strict=True))
    assert scans == 0
    assert tuples <= rows + 1  # and the one that said that something is there


def _read(connection: Connection) -> tuple[int, int]:
    """How often the table was read from end to end, and how many index entries were, since it was made."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        connection.commit()
        cursor.execute(
            "SELECT pg_stat_clear_snapshot(), t.seq_scan, i.idx_tup_read FROM pg_stat_user_tables t"
            " JOIN pg_stat_user_indexes i USING (relid) WHERE t.relname = 'deals_2024'"
        )
        row = cursor.fetchone()
    return (int(row[1]), int(row[2])) if row else (-1, -1)


def test_of_an_overlapping_page_only_the_overlap_is_compared(trading: Connection) -> None:
    rows = 2 * merge.RANGE_JOIN_ROWS
    upsert(trading, deals, trades(rows))
    trading.commit()
    before = _read(trading)
    page = dict(trades(rows, first=rows - 500))
    prices = np.array(page["price"], dtype=object)
    prices[:3] = "7.5"
    assert upsert(trading, deals, page | {"price": prices}) == WriteCounts(rows, rows - 500, 3, 497)
    trading.commit()
    scans, tuples = (now - then for now, then in zip(_read(trading), before, strict=True))
    assert scans == 0
    assert tuples <= 500 + 3 + 1  # the overlap, each changed row once more, and the newest one
    with trading.cursor() as cursor:
        cursor.execute("SELECT count(*), count(*) FILTER (WHERE price = 7.5) FROM market.deals")
        assert cursor.fetchone() == (2 * rows - 500, 3)
