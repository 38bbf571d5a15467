"""Exact numbers, order books and JSON that are sent by binary COPY come back to the last digit: PostgreSQL says how."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg2 import sql
from sqlalchemy import BigInteger, Column, Numeric, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import TypeEngine

from crypto_assets.warehouse.binary_copy import ValueRefused, Values, encode_batch
from crypto_assets.warehouse.binary_fields import Array
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.copy_in import copy_rows

KINDS: dict[str, TypeEngine[object]] = {
    "numeric": Numeric(),  # type: ignore[dict-item]
    "numeric[][]": ARRAY(Numeric, dimensions=2),  # type: ignore[dict-item]
    "jsonb": JSONB(),
    "text": Text(),  # type: ignore[dict-item]
}
# The fixtures are a database that each example rolls back.
patient = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
digits = st.text("0123456789", max_size=70)
whole_parts = st.just("0") | st.builds(lambda first, rest: first + rest, st.sampled_from("123456789"), digits)
fractions = st.just("") | digits.filter(bool).map(lambda text: "." + text)
unsigned = st.builds(lambda whole, fraction: whole + fraction, whole_parts, fractions)
# Just so does PostgreSQL show a number: no sign before zero, none but a minus, no zero too many before the point.
numbers = unsigned | unsigned.filter(lambda text: bool(text.strip("0."))).map(lambda text: "-" + text)
spellings = st.builds(
    lambda sign, zeros, number, power: sign + zeros + number + power,
    st.sampled_from(["", "+", "-"]),
    st.sampled_from(["", "0", "000"]),
    unsigned | digits.filter(bool).map(lambda text: "." + text) | digits.filter(bool).map(lambda text: text + "."),
    st.just("") | st.integers(-80, 80).map(lambda power: f"E{power}") | st.sampled_from(["e5", "e+5", "E-05"]),
)
documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(st.characters(exclude_categories=["Cs", "Cc"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abcü😀"), inner),
    max_leaves=8,
)


def objects(items: Sequence[object]) -> Array:
    """A one-dimensional array of the items, whatever they are."""
    array = np.empty(len(items), dtype=object)
    for index, item in enumerate(items):
        array[index] = item
    return array


def come_back(warehouse: Warehouse, kind: str, values: Values, seen: str = "value::text") -> list[object]:
    """What PostgreSQL shows of the values, in their order."""
    rows = len(values) if isinstance(values, np.ndarray) else 1
    columns = [Column("row", BigInteger()), Column("value", KINDS[kind])]
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE kept (row bigint, value {kind})")
        encoded = encode_batch(columns, {"row": np.arange(rows), "value": values})  # type: ignore[arg-type]
        copy_rows(cursor, sql.Identifier("kept"), encoded)
        cursor.execute(f"SELECT {seen} FROM kept ORDER BY row")  # noqa: S608 - the tests' own text
        found = [row[0] for row in cursor.fetchall()]
        connection.rollback()
    return found


def as_the_server_reads(warehouse: Warehouse, texts: Sequence[str]) -> list[tuple[object, ...]]:
    """Each text as PostgreSQL itself reads it: how it shows it, and the digits that it keeps, in hex."""
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT value::numeric::text, encode(numeric_send(value::numeric), 'hex')"
            " FROM unnest(%s::text[]) WITH ORDINALITY AS given (value, row) ORDER BY row",
            [list(texts)],
        )
        return cursor.fetchall()


@patient
@given(values=st.lists(st.none() | numbers, min_size=1))
@example(values=["0", "0.0", "-0.00001", None, "9999", "10000", "99999999.0000", "1" + "0" * 39 + "." + "0" * 59 + "1"])
def test_every_number_comes_back_to_the_last_digit(shared_warehouse: Warehouse, values: list[str | None]) -> None:
    assert come_back(shared_warehouse, "numeric", objects(values)) == values


@patient
@given(values=st.lists(st.none() | numbers, min_size=1))
def test_decimals_come_back_to_the_last_digit(shared_warehouse: Warehouse, values: list[str | None]) -> None:
    decimals = [None if value is None else Decimal(value) for value in values]
    assert come_back(shared_warehouse, "numeric", objects(decimals)) == values


@patient
@given(values=st.lists(spellings, min_size=1))
@example(values=["00.5", "-.5", "5.", "+7", "1E-8", "1.50E3", "-0", "-0.00", "0E5", "0.00001230"])
def test_every_spelling_is_read_as_the_server_reads_it(shared_warehouse: Warehouse, values: list[str]) -> None:
    expected = as_the_server_reads(shared_warehouse, values)
    assert come_back(shared_warehouse, "numeric", objects(values)) == [shown for shown, _ in expected]
    assert come_back(shared_warehouse, "numeric", np.array(values)) == [shown for shown, _ in expected]


def test_the_groups_of_zeros_that_make_numbers_alike_are_not_stored(shared_warehouse: Warehouse) -> None:
    values = ["123456789012.000000000001", "1", "0.5", "0", "0.0000", "10000", "-70000000.10"]
    expected = as_the_server_reads(shared_warehouse, values)
    stored = come_back(shared_warehouse, "numeric", objects(values), "encode(numeric_send(value), 'hex')")
    assert stored == [kept for _, kept in expected]
    assert (
        stored[1] == "0001" + "0000" + "0000" + "0000" + "0001"
    )  # one group, of ones; positive; none behind the point


def test_the_longest_numbers_come_back_beside_short_ones(shared_warehouse: Warehouse) -> None:
    values = ["1.5", "9" * 131_072, None, "0." + "7" * 16_383, "-2.50", "8" * 131_072 + "." + "3" * 16_383]
    assert come_back(shared_warehouse, "numeric", objects(values)) == values


def test_a_long_number_does_not_widen_the_others() -> None:
    # A short row: 2 bytes, then length (4) and number (8 + two groups of 2). The long one: 2500 groups and one.
    values = objects(["1.5"] * 10_000 + ["9" * 10_000 + ".5"])
    encoded = encode_batch([Column("value", Numeric())], {"value": values})
    start_and_end = 19 + 2
    assert sum(map(len, encoded.pieces())) == start_and_end + 10_000 * 18 + (2 + 4 + 8 + 2 * 2501)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([1, -20], dtype=np.int64), ["1", "-20"]),
        (np.array([2**64 - 1], dtype=np.uint64), ["18446744073709551615"]),
        (np.array([0.1, 1e-7, np.nan, 1e22]), ["0.1", "0.0000001", None, "1" + "0" * 22]),
        (np.array([0.1], dtype=np.float32), ["0.1"]),
        (
            objects([10**30, 0.25, float("nan"), np.int64(3), np.float32(0.1)]),
            ["1" + "0" * 30, "0.25", None, "3", "0.1"],
        ),
        ("1.10", ["1.10"]),
        (Decimal("1E-8"), ["0.00000001"]),
        (5, ["5"]),
        (0.5, ["0.5"]),
        (None, [None]),
    ],
)
def test_numbers_of_other_types_are_taken_by_their_shortest_text(
    shared_warehouse: Warehouse, values: Values, expected: list[str | None]
) -> None:
    assert come_back(shared_warehouse, "numeric", values) == expected


@pytest.mark.parametrize(
    "wrong",
    [
        *(
            "",
            " ",
            "-",
            ".",
            "-.",
            "1 ",
            " 1",
            "1.2.3",
            "1..2",
            "--1",
            "+-1",
            "1-",
            "1-2",
            "1_000",
            "1,5",
            "0x1",
            "abc",
        ),
        *("1\n2", "1\0", "\u0661", "NaN", "Infinity", "-inf", "1E", "E5", "1E5.0", "1E131072", "1E-16384"),
        *("1E99999999999999999999", "9" * 131_073, "0." + "1" * 16_384, Decimal("NaN"), Decimal("-Infinity")),
        *(Decimal("sNaN"), Decimal("1E+200000"), float("inf"), True, b"1", [], object),
    ],
)
def test_what_is_no_number_is_refused_with_its_row_and_value(wrong: object) -> None:
    with pytest.raises(ValueRefused, match=r"price, row 2") as refused:
        encode_batch([Column("price", Numeric())], {"price": objects(["1.5", None, wrong, "2"])})
    assert (str(wrong) if isinstance(wrong, Decimal | float) else repr(wrong)[:40]) in str(refused.value)


@pytest.mark.parametrize("values", [np.array([True]), np.array(["2024"], dtype="datetime64[s]"), np.array([1j])])
def test_arrays_that_hold_no_numbers_are_refused(values: Array) -> None:
    with pytest.raises(ValueRefused, match="price"):
        encode_batch([Column("price", Numeric())], {"price": values})


def test_null_in_a_number_that_may_not_be_null_is_refused() -> None:
    with pytest.raises(ValueRefused, match=r"price may not be NULL, and row 1 of 2"):
        encode_batch([Column("price", Numeric(), nullable=False)], {"price": objects(["1", None])})


@patient
@given(books=st.lists(st.none() | st.lists(st.tuples(numbers, numbers), max_size=12), min_size=1, max_size=12))
@example(books=[[("64000.10", "0.50")], None, [], [("1", "2"), ("3." + "0" * 60, "9" * 100)]])
def test_every_order_book_comes_back_whole(
    shared_warehouse: Warehouse, books: list[list[tuple[str, str]] | None]
) -> None:
    expected = [
        None if book is None else "{" + ",".join(f"{{{price},{amount}}}" for price, amount in book) + "}"
        for book in books
    ]
    assert come_back(shared_warehouse, "numeric[][]", objects(books)) == expected


@pytest.mark.parametrize(
    "book",
    [
        [[Decimal("1.0"), 2]],
        (("1.0", "2"),),
        np.array([["1.0", "2"]], dtype=object),
        [np.array(["1.0", "2"])],
    ],
)
def test_a_book_may_be_any_sequence_of_pairs(shared_warehouse: Warehouse, book: object) -> None:
    assert come_back(shared_warehouse, "numeric[][]", objects([book])) == ["{{1.0,2}}"]


def test_a_book_begins_at_one_like_the_servers_own(shared_warehouse: Warehouse) -> None:
    books = objects([[("1", "2"), ("3", "4"), ("5", "6")]])
    assert come_back(shared_warehouse, "numeric[][]", books, "array_dims(value)") == ["[1:3][1:2]"]
    assert come_back(shared_warehouse, "numeric[][]", books, "value[3][2]::text") == ["6"]


@pytest.mark.parametrize(
    ("book", "named"),
    [
        ([("1", "2"), ("3",)], r"bids, row 1.*'3'"),
        ([("1", "2", "3")], r"bids, row 1"),
        ([()], r"bids, row 1"),
        (["12"], r"bids, row 1.*'12'"),
        ("12", r"bids, row 1.*'12'"),
        (5, r"bids, row 1.*5"),
        (np.array(5), r"bids, row 1.*5"),
        ([("1", None)], r"bids, row 1, pair 0"),
        ([("1", "2"), ("x", "2")], r"bids, row 1, pair 1.*'x'"),
        ([("1", "2"), ("3", Decimal("NaN"))], r"bids, row 1, pair 1.*NaN"),
    ],
)
def test_what_is_no_book_is_refused_with_its_row(book: object, named: str) -> None:
    with pytest.raises(ValueRefused, match=named):
        encode_batch(
            [Column("bids", ARRAY(Numeric, dimensions=2))], {"bids": objects([[("1", "2"), ("3", "4")], book, []])}
        )


@patient
@given(values=st.lists(documents, min_size=1), nulls=st.sets(st.integers(0, 20)))
def test_every_json_document_comes_back(shared_warehouse: Warehouse, values: list[object], nulls: set[int]) -> None:
    texts = [None if row in nulls else json.dumps(value, ensure_ascii=False) for row, value in enumerate(values)]
    found = come_back(shared_warehouse, "jsonb", objects(texts))
    read = [None if text is None else (json.loads(str(text)),) for text in found]
    assert read == [None if row in nulls else (value,) for row, value in enumerate(values)]


def test_json_of_many_lengths_has_few_lengths_on_the_way(shared_warehouse: Warehouse) -> None:
    texts = ['"' + "x" * length + '"' for length in range(300)]
    assert come_back(shared_warehouse, "jsonb", objects(texts)) == texts
    encoded = encode_batch([Column("value", JSONB())], {"value": objects(texts)})
    assert len(list(encoded.pieces())) == 2 + 13  # start and end; 16, 32 … 128, then four steps to each doubling


@pytest.mark.parametrize("wrong", [5, {"a": 1}, "\0", "\ud800"])
def test_what_is_no_text_is_refused_as_json(wrong: object) -> None:
    with pytest.raises(ValueRefused, match="payload"):
        encode_batch([Column("payload", JSONB())], {"payload": objects(["{}", wrong])})


def test_texts_that_are_all_different_come_back_in_their_rows(shared_warehouse: Warehouse) -> None:
    ids = [str(number * 7919) for number in range(5000)]  # of one to eight characters
    assert come_back(shared_warehouse, "text", objects(ids)) == ids
    assert come_back(shared_warehouse, "text", np.array(ids)) == ids
