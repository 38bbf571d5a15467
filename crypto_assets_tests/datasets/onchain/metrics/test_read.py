"""What was known of a metric, and when: from rows and their former versions."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name

from crypto_assets.datasets.onchain.metrics.asset import build_rows
from crypto_assets.datasets.onchain.metrics.read import metrics_as_of, newest_steps, read_metrics
from crypto_assets.datasets.onchain.metrics.search import Row, end_of
from crypto_assets.datasets.onchain.metrics.table import metrics
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import reading
from crypto_assets.warehouse.write import upsert

DAY = timedelta(days=1)
FIRST = date(2026, 3, 1)
BTC = ("BTC", "transactions")


def row(number: int, value: float, known_at: datetime | None = None, series: tuple[str, str] = BTC) -> Row:
    day = FIRST + DAY * number
    return Row(series, day, value, "coinmetrics x", known_at or end_of(day) + DAY, is_new=True)


def put(connection: Connection, *rows: Row) -> None:
    upsert(connection, metrics, build_rows(rows))
    connection.commit()


def at(day: int, hour: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, tzinfo=UTC)


@pytest.fixture
def corrected(warehouse: Warehouse) -> Warehouse:
    """Three days, of which the first was corrected on the 6th and the last on the 5th, hours after it was known."""
    with warehouse.connect() as connection:
        put(connection, row(0, 10), row(1, 11), row(2, 12), row(0, 99, series=("ETH", "supply")))
        put(connection, row(0, 20, at(6)), row(2, 22, at(5, 8)))
    return warehouse


@pytest.mark.parametrize(
    ("moment", "value", "day"),
    [
        (at(2, 23), None, None),  # the 1st is over, its value not known
        (at(3), 10.0, 1),
        (at(3, 23), 10.0, 1),
        (at(4), 11.0, 2),
        (at(5), 12.0, 3),
        (at(5, 8), 22.0, 3),
        (at(20), 22.0, 3),  # the correction of the 1st is no news of the newest day
    ],
)
def test_the_newest_day_counts_as_it_was_known_then(
    corrected: Warehouse, moment: datetime, value: float | None, day: int | None
) -> None:
    known = metrics_as_of(corrected, *BTC, moment)
    assert (None if known is None else known.value) == value
    if known is not None:
        assert known.observed_on.day == day
        assert known.unit == "transactions"
        assert known.known_at <= moment


def test_steps_say_the_same_as_asking_for_each_moment(corrected: Warehouse) -> None:
    with reading(corrected) as reader:
        found = read_metrics(reader, ["BTC", "ETH"], ["transactions", "supply"], at(1), at(20))
    assert found.keys() == {BTC, ("ETH", "supply")}
    steps = found[BTC]
    assert steps.known_at.tolist() == [one.replace(tzinfo=None) for one in (at(3), at(4), at(5), at(5, 8))]
    assert steps.value.tolist() == [10.0, 11.0, 12.0, 22.0]
    assert steps.observed_on.tolist() == [date(2026, 3, one) for one in (1, 2, 3, 3)]
    for moment in (at(3), at(4, 12), at(5, 7), at(5, 9), at(19)):
        place = int(np.searchsorted(steps.known_at, np.datetime64(moment.replace(tzinfo=None)), side="right")) - 1
        known = metrics_as_of(corrected, *BTC, moment)
        assert known is not None
        assert known.value == steps.value[place]


def test_nothing_known_later_or_long_before_is_among_the_steps(corrected: Warehouse) -> None:
    with reading(corrected) as reader:
        until_fifth = read_metrics(reader, ["BTC"], ["transactions"], at(1), at(5))
        weeks_later = read_metrics(reader, ["BTC"], ["transactions"], at(31), at(31, 5))
        nobody = read_metrics(reader, ["XYZ"], ["transactions"], at(1), at(31))
    assert until_fifth[BTC].value.tolist() == [10.0, 11.0]
    assert weeks_later == nobody == {}


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 10), st.floats(0, 9)), max_size=30))
def test_steps_never_look_back_and_hold_the_newest_day_known(versions: list[tuple[int, int, float]]) -> None:
    versions.sort(key=lambda one: one[:2])
    known_at = np.array([one[0] for one in versions], dtype="datetime64[us]")
    days = np.array([one[1] for one in versions], dtype="datetime64[D]")
    steps = newest_steps(known_at, np.array([one[2] for one in versions]), days)
    assert (np.diff(steps.observed_on.astype(int)) >= 0).all()
    for moment in range(51):
        known = [one for one in versions if one[0] <= moment]
        place = int((steps.known_at.astype(int) <= moment).sum()) - 1
        if not known:
            assert place == -1
        else:
            assert steps.observed_on.astype(int)[place] == max(day for _, day, _ in known)
