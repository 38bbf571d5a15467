"""Recorded vintages of GDP through parsing and storing: what was known on 200 days equals a recount of the recording."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from crypto_assets.clients.fred_rows import SeriesInfo, read_vintages
from crypto_assets.datasets.macro.observations.collect import build_rows
from crypto_assets.datasets.macro.observations.known import NEW_YORK, release_moments
from crypto_assets.datasets.macro.observations.read import latest_as_of, macro_as_of
from crypto_assets.datasets.macro.observations.read import read_vintages as read_arrays
from crypto_assets.datasets.macro.observations.table import observations
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import reading
from crypto_assets.warehouse.write import upsert
from crypto_assets_tests.datasets.dex.world import KeptOpen

type Row = Mapping[str, str]

INFO = SeriesInfo(
    "GDP", "Gross Domestic Product", "Billions of Dollars", "quarterly", "", datetime(2024, 10, 30, tzinfo=UTC)
)
RECORDED_ON = date(2024, 10, 30)


def _recorded(recordings: Path, name: str) -> Sequence[Row]:
    with gzip.open(recordings / "fred" / "api" / f"{name}.json.gz", "rt") as file:
        body = json.load(file)[0]["body"]
    assert body["count"] == len(body["observations"])
    rows: Sequence[Row] = body["observations"]
    return rows


@pytest.fixture(scope="module")
def releases(recordings: Path) -> Sequence[Row]:
    return _recorded(recordings, "test_get_series_all_releases_pandas")


@pytest.fixture(scope="module")
def stored(shared_warehouse: Warehouse, releases: Sequence[Row]) -> Iterator[KeptOpen]:
    found = read_vintages(releases, RECORDED_ON)
    assert not found.refused
    assert len(found.rows) == 3199
    known = release_moments(np.array([row.realtime_start for row in found.rows], dtype="datetime64[D]"))
    with shared_warehouse.connect() as connection:
        assert upsert(connection, observations, build_rows(INFO, found.rows, known)).inserted == 3199
    held = KeptOpen(shared_warehouse)
    yield held
    held.close()


def _days(releases: Sequence[Row]) -> list[date]:
    """200 days over all of the recording: vintage dates, days before them, and days between."""
    vintages = sorted({date.fromisoformat(row["realtime_start"]) for row in releases})
    days = {day - timedelta(days=back) for day in vintages[2:] for back in (0, 1, 20)}
    places = np.linspace(0, len(days) - 1, 199).astype(int).tolist()
    return [*np.array(sorted(days))[places].tolist(), RECORDED_ON]


def _end_of(day: date) -> datetime:
    """Midnight in New York, when all of the day's vintages are known, and none of the next day's."""
    return datetime.combine(day + timedelta(days=1), datetime.min.time(), NEW_YORK).astimezone(UTC)


def _recount(releases: Sequence[Row], day: date) -> dict[date, float | None]:
    """Every period's value on a day, straight from the recorded spans: text compared with text."""
    at = day.isoformat()
    return {
        date.fromisoformat(row["date"]): None if row["value"] == "." else float(row["value"])
        for row in releases
        if row["realtime_start"] <= at <= row["realtime_end"]
    }


def test_what_was_known_on_200_days_equals_the_recorded_spans(
    stored: KeptOpen, releases: Sequence[Row], capsys: pytest.CaptureFixture[str]
) -> None:
    days = _days(releases)
    assert len(days) == 200
    latest = _recount(releases, RECORDED_ON)
    compared = newest_differ = too_early = 0
    for day in days:
        frame = macro_as_of(stored, ["GDP"], _end_of(day))
        values = [None if np.isnan(value) else value for value in frame["value"]]
        found = dict(zip(frame["period_on"].dt.date, values, strict=True))
        assert found == _recount(releases, day), day
        compared += len(found)
        period = max(one for one, value in found.items() if value is not None)
        newest_differ += latest[period] != found[period]
        naive = max(one for one in latest if one <= day)  # what a join on the period's date takes
        too_early += naive != period
    with capsys.disabled():
        print(
            f"\n{compared:,} values of {len(days)} days equal the recording; a join with today's values is wrong on"
            f" {newest_differ} of them and takes a quarter that was not out yet on {too_early}"
        )
    assert compared > 40_000
    assert newest_differ >= 190
    assert too_early >= 150


def test_the_day_before_a_release_does_not_know_it(stored: KeptOpen) -> None:
    """GDP of 2024-07-01 first came on 2024-10-30."""
    before, after = (latest_as_of(stored, ["GDP"], _end_of(date(2024, 10, day))).iloc[0] for day in (29, 30))
    assert (before["period_on"].date(), after["period_on"].date()) == (date(2024, 4, 1), date(2024, 7, 1))
    just_before = latest_as_of(stored, ["GDP"], _end_of(date(2024, 10, 30)) - timedelta(microseconds=1)).iloc[0]
    assert just_before["period_on"].date() == date(2024, 4, 1)


def test_first_vintages_equal_the_recorded_initial_releases(stored: KeptOpen, recordings: Path) -> None:
    initial = _recorded(recordings, "test_get_series_initial_release_pandas")
    arrays = read_arrays(stored, ["GDP"], datetime(1990, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC))
    first: dict[date, tuple[np.datetime64, float]] = {}
    for period, known, value in zip(arrays.period_on.tolist(), arrays.known_at, arrays.value.tolist(), strict=True):
        first.setdefault(period, (known, value))
    assert len(initial) == 132
    for row in initial:
        known = release_moments(np.array([row["realtime_start"]], dtype="datetime64[D]"))[0]
        assert first[date.fromisoformat(row["date"])] == (known, float(row["value"])), row


def test_bulk_vintages_lie_in_order_and_within_what_was_asked(stored: KeptOpen) -> None:
    start, end = _end_of(date(2010, 1, 1)), _end_of(date(2015, 7, 30))
    with reading(stored) as reader:
        arrays = read_arrays(reader, ["NONE", "GDP"], start, end)
    assert len(arrays) == len(arrays.of("GDP")) > 300
    assert len(arrays.of("NONE")) == 0
    assert (np.diff(arrays.known_at) >= np.timedelta64(0)).all()
    assert arrays.known_at[0] >= np.datetime64(start.replace(tzinfo=None))
    assert arrays.known_at[-1] == np.datetime64(end.replace(tzinfo=None))  # the release of 2015-07-30, included
    all_ = read_arrays(stored, ["GDP"], datetime(1990, 1, 1, tzinfo=UTC), end)
    held = dict(zip(all_.period_on.tolist(), all_.value.tolist(), strict=True))  # the last one holds
    frame = macro_as_of(stored, ["GDP"], end)
    assert np.array_equal([held[day] for day in frame["period_on"].dt.date], frame["value"], equal_nan=True)
    assert len(held) == len(frame)


def test_a_value_whose_successor_is_not_stored_holds_no_longer(warehouse: Warehouse) -> None:
    rows = read_vintages(
        [{"date": "2024-01-01", "realtime_start": "2024-04-25", "realtime_end": "2024-05-29", "value": "28284.5"}],
        RECORDED_ON,
    ).rows
    with warehouse.connect() as connection:
        upsert(
            connection,
            observations,
            build_rows(INFO, rows, release_moments(np.array(["2024-04-25"], dtype="datetime64[D]"))),
        )
    assert len(macro_as_of(warehouse, ["GDP"], _end_of(date(2024, 5, 30)) - timedelta(seconds=1))) == 1
    assert len(macro_as_of(warehouse, ["GDP"], _end_of(date(2024, 5, 30)))) == 0


def test_a_moment_needs_its_zone(shared_warehouse: Warehouse) -> None:
    naive = datetime(2024, 1, 1)  # noqa: DTZ001 - on purpose
    with pytest.raises(ValueError, match="its zone"):
        macro_as_of(shared_warehouse, ["GDP"], naive)
    with pytest.raises(ValueError, match="its zone"):
        read_arrays(shared_warehouse, ["GDP"], naive, naive)
