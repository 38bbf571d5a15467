"""Checks on tables that belong to no venue: windows of time alone, and a table that holds one series."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from psycopg2.extras import execute_values
from sqlalchemy import Column, DateTime, Double, MetaData, Table, Text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from crypto_assets.partitions import VenueWindow, day_key, day_window, grids_of, month_key, month_window
from crypto_assets.quality.checks import Rule, key_is_unique, make_check, rows_keep
from crypto_assets.quality.findings import Dimension, Finding, Grid
from crypto_assets.quality.scores import latest_scores
from crypto_assets.resources import UniverseFile
from crypto_assets.universe import parse_universe
from crypto_assets.warehouse.connection import Warehouse

TEXT = "history_from: 2024-01-01\nvenues: {kraken: {markets: [BTC/USD]}}"
UNIVERSE = parse_universe(TEXT, "u.yaml")
BEGIN = datetime(2024, 2, 1, tzinfo=UTC)
FEBRUARY = VenueWindow("", *month_window("2024-02-01"))
MOOD = Table(
    "mood",
    MetaData(schema="trial"),
    Column("source", Text(), nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False),
    Column("value", Double(), nullable=False),
    info={"series": ("source", "mood"), "time": "seen_at"},
)


@pytest.fixture
def moods(warehouse: Warehouse) -> Warehouse:
    rows = [("a", BEGIN + timedelta(days=day), value) for day, value in ((-1, -5.0), (0, 3.0), (1, -1.0), (29, -7.0))]
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA trial")
        cursor.execute(str(CreateTable(MOOD).compile(dialect=postgresql.dialect())))  # type: ignore[no-untyped-call]
        execute_values(cursor, "INSERT INTO trial.mood VALUES %s", [*rows, ("b", BEGIN, 2.0), ("b", BEGIN, 2.0)])
    return warehouse


def test_a_window_without_a_venue_holds_every_series_and_a_name_that_is_no_column_stands_for_itself(
    moods: Warehouse,
) -> None:
    found = {one.series: one for one in rows_keep(MOOD, MOOD.c.value < 0)(moods, UNIVERSE, FEBRUARY)}
    assert {name: (one.checked, one.failed, one.example) for name, one in found.items()} == {
        "a mood tick": (2, 1, "2024-02-02 00:00"),  # neither the last of January nor the first of March
        "b mood tick": (2, 0, ""),
    }
    one = VenueWindow("b", FEBRUARY.start, FEBRUARY.end)
    assert [found.series for found in rows_keep(MOOD, MOOD.c.value < 0)(moods, UNIVERSE, one)] == ["b mood tick"]
    assert {found.series: found.failed for found in key_is_unique(MOOD)(moods, UNIVERSE, FEBRUARY)} == {
        "a mood tick": 0,
        "b mood tick": 1,
    }


@pytest.mark.parametrize("grid", [Grid.CALENDAR_MONTHS, Grid.CALENDAR_DAYS])
@pytest.mark.parametrize("is_partitioned", [True, False])
def test_a_check_looks_at_the_runs_months_or_days_else_at_the_open_one(
    moods: Warehouse, tmp_path: Path, grid: Grid, *, is_partitioned: bool
) -> None:
    by_month = grid is Grid.CALENDAR_MONTHS
    seen: list[VenueWindow] = []

    def look(_warehouse: Warehouse, _universe: object, window: VenueWindow) -> list[Finding]:
        seen.append(window)
        return [Finding("a", "mood", "tick", 10, 1)]

    grids = grids_of(BEGIN.date(), ["kraken"], ["solana"])
    partitions = grids.calendar_months if by_month else grids.calendar_days

    @dg.asset(key=["trial", "mood"], partitions_def=partitions if is_partitioned else None)
    def mood() -> None:
        """Nothing: only the check matters."""

    (tmp_path / "universe.yaml").write_text(TEXT)
    resources = {"warehouse": moods, "universe_file": UniverseFile(tmp_path / "universe.yaml", moods)}
    check = make_check("trial/mood", Rule("all_is_well", "Nothing is wrong.", Dimension.ACCURACY, look), grid)
    key = "2024-03-01" if is_partitioned else None
    before = datetime.now(UTC)
    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize([mood, check], partition_key=key, resources=resources, instance=instance)
    key_of, window_of = (month_key, month_window) if by_month else (day_key, day_window)
    keys = [key] if key else [key_of(before), key_of(datetime.now(UTC))]
    assert seen in [[VenueWindow("", *window_of(one))] for one in keys]
    assert latest_scores(moods)["accuracy"].tolist() == [0.9]
