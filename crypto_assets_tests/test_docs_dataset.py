"""The dataset of docs/extend.md, made from the page: found, migrated, materialized and checked."""

from __future__ import annotations

import importlib
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest
from sqlalchemy import Table, select

import crypto_assets.datasets.features
from crypto_assets import automation
from crypto_assets.definitions import build_definitions
from crypto_assets.partitions import grids_of
from crypto_assets.schema.columns import METADATA
from crypto_assets.settings import Settings
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.migrate import migrate
from crypto_assets.warehouse.read import read_frame
from crypto_assets_tests.markets import START, store, walk, without
from crypto_assets_tests.test_definitions import (
    test_every_dataset_has_card_key_freshness_automation_units_times_and_checks as conforms,
)
from crypto_assets_tests.warehouse.catalog import catalog_of

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "extend.md").read_text()
FILES = dict(re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```$', PAGE, re.S | re.M))
PACKAGE = "crypto_assets.datasets.features.day_ranges"
TABLE = "features.day_ranges"
UNIVERSE = "history_from: 2024-01-01\nvenues: {binance: {markets: [BTC/USDT], timeframes: [1h]}}\n"
HOURS = 60  # two days and a half; of the second day an hour is missing


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The page's files beside the package, as if they stood in it; the process is as before in the end."""
    for name, content in FILES.items():
        path = tmp_path / name.replace("NNNN", "9999")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    place = str(tmp_path / "crypto_assets" / "datasets" / "features")
    monkeypatch.setattr(crypto_assets.datasets.features, "__path__", [*crypto_assets.datasets.features.__path__, place])
    monkeypatch.setattr(automation, "DERIVED", list(automation.DERIVED))
    exec((tmp_path / "crypto_assets" / "automation.py").read_text(), vars(automation))  # noqa: S102 - our own page
    shutil.copytree(ROOT / "sql", tmp_path / "sql", dirs_exist_ok=True)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith(PACKAGE)]:
        del sys.modules[name]
    vars(crypto_assets.datasets.features).pop("day_ranges", None)
    METADATA.remove(METADATA.tables[TABLE])


def table() -> Table:
    declared: Table = importlib.import_module(f"{PACKAGE}.table").day_ranges
    return declared


@pytest.fixture
def migrated(folder: Path, warehouse: Warehouse) -> Warehouse:
    report = migrate(warehouse, folder / "sql")
    assert report.applied == ("9999_day_ranges",)
    return warehouse


@pytest.fixture
def definitions(folder: Path, migrated: Warehouse) -> Iterator[dg.Definitions]:
    (folder / "universe.yaml").write_text(UNIVERSE)
    with dg.DagsterInstance.ephemeral():
        yield build_definitions(
            Settings(home=folder, profile="test", universe=folder / "universe.yaml", warehouse_url=migrated.url)
        )


def test_the_page_has_each_file_of_a_dataset() -> None:
    names = ("__init__.py", "table.py", "asset.py", "checks.py")
    expected = [f"{PACKAGE.replace('.', '/')}/{name}" for name in names]
    assert sorted(FILES) == sorted([*expected, "sql/NNNN_day_ranges.sql", "crypto_assets/automation.py"])


@pytest.mark.usefixtures("folder")
def test_its_migration_makes_the_table_that_it_declares(migrated: Warehouse) -> None:
    declared = table()
    with migrated.connect() as connection:
        made = catalog_of(connection)[TABLE]
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE {TABLE}")
    engine = migrated.engine()
    declared.create(engine)
    engine.dispose()
    with migrated.connect() as connection:
        assert made == catalog_of(connection)[TABLE]


def test_it_is_found_conforms_is_materialized_and_keeps_its_checks(
    definitions: dg.Definitions, migrated: Warehouse
) -> None:
    conforms(definitions)
    bars = walk(HOURS)
    store(migrated, without(bars, (30, 31)), "BTC/USDT")
    asset, checks = (importlib.import_module(f"{PACKAGE}.{part}") for part in ("asset", "checks"))
    grids = grids_of(START.date(), ["binance"], ["solana"])
    done = dg.materialize(
        [asset.build_asset(grids), *checks.CHECKS],
        partition_key="2024-01-01|binance",
        resources=definitions.resources,
    )
    assert done.success
    verdicts = {one.check_name: one.passed for one in done.get_asset_check_evaluations()}
    assert verdicts == {"key_is_unique": True, "ranges_not_negative": True, "days_are_known_at_their_end": True}
    rows = read_frame(migrated, select(table()))
    # Of 60 hours the first day is whole; the second lacks an hour, the third its end.
    first_day = 100 * (bars.high[:24].max() / bars.low[:24].min() - 1)
    assert rows["opened_at"].tolist() == [pd.Timestamp(START)]
    assert rows["known_at"].tolist() == [pd.Timestamp(START) + pd.Timedelta(days=1)]
    assert rows["range_pct"].tolist() == pytest.approx([first_day])


@pytest.mark.usefixtures("folder")
def test_its_arithmetic_needs_no_database() -> None:
    build_ranges = importlib.import_module(f"{PACKAGE}.asset").build_ranges
    assert table().fullname == TABLE
    bars = walk(48)
    rows = build_ranges(bars)
    assert rows.opened_at.tolist() == bars.opened_at[[0, 24]].tolist()
    assert (rows.known_at - rows.opened_at == np.timedelta64(1, "D")).all()
    assert len(build_ranges(without(bars, (3, 4), (47, 48))).opened_at) == 0
    assert len(build_ranges(without(bars, (0, 48))).opened_at) == 0
