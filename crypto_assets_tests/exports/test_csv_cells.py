"""CSV cells: read back by Python's own reader as they were, and none of them is a formula."""

import csv
import io
from datetime import UTC, datetime

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.exports import csv_cells

TEXT = st.one_of(
    st.none(),
    st.text(max_size=20),
    st.sampled_from(["=1+1", "+1", "-2", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "'=1", "'", '"', 'a,"b"\r\n', "", "ünï"]),
)


def _read(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline=""), strict=True))


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=6))
def test_any_text_comes_back_and_none_is_a_formula(rows: list[tuple[str | None, str | None]]) -> None:
    table = pa.table({name: pa.array([row[place] for row in rows], pa.string()) for place, name in enumerate("ab")})
    content = csv_cells.header(["a", "b"]) + csv_cells.lines(table)
    told = _read(content)
    assert told[0] == ["a", "b"]
    for cells, row in zip(told[1:], rows, strict=True):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for cell in cells)
        assert [cell.removeprefix("'") for cell in cells] == [value or "" for value in row]
    assert content.endswith(b"\r\n")


def test_numbers_times_and_what_is_not_known_stand_without_quotes() -> None:
    exact = pa.field("exact", pa.string(), metadata={"exact": "yes"})
    at = datetime(2024, 2, 29, 23, 59, 59, 1, tzinfo=UTC)
    schema = pa.schema(
        [("at", pa.timestamp("us", "UTC")), ("close", pa.float64()), exact, ("count", pa.int64()), ("ok", pa.bool_()),
         ("text", pa.string()), ("day", pa.date32())]
    )  # fmt: skip
    rows = [
        {"at": at, "close": -0.1, "exact": "-0.10000000000000000000000000000000000000001", "count": -3, "ok": True,
         "text": "-3", "day": at.date()},
        dict.fromkeys(schema.names) | {"text": ""},
    ]  # fmt: skip
    assert csv_cells.lines(pa.Table.from_pylist(rows, schema=schema)).decode().split("\r\n") == [
        '2024-02-29T23:59:59.000001Z,-0.1,-0.10000000000000000000000000000000000000001,-3,true,"\'-3",2024-02-29',
        ',,,,,"",',
        "",
    ]
