"""Exports as assets: on their source's partitions, written where something changed, checked, and followed where wanted."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest

from crypto_assets.definitions import build_definitions
from crypto_assets.export_automation import ExportStore, asset_key, formats_of, selections
from crypto_assets.exports.catalog import DATASETS, exported
from crypto_assets.exports.selection import Selection
from crypto_assets.exports.writers import FileFormat
from crypto_assets.partitions import join_day_key, join_key, join_network_key
from crypto_assets.settings import Settings
from crypto_assets.universe import parse_universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.markets import store, walk

UNIVERSE = "history_from: 2024-01-01\nvenues: {binance: {markets: [BTC/USDT]}, kraken: {markets: [BTC/USDT]}}\n"
FOLLOWED = UNIVERSE + "exports: {formats: [parquet, qlib]}\n"
BARS, OHLCV = asset_key("bars"), dg.AssetKey(["market", "ohlcv"])
JANUARY = join_key("2024-01-01", "binance")


def _definitions(folder: Path, warehouse: Warehouse, universe: str) -> dg.Definitions:
    (folder / "universe.yaml").write_text(universe)
    settings = Settings(
        home=folder, profile="sandbox", universe=folder / "universe.yaml", warehouse_url=warehouse.url,
        export_store=str(folder / "exports"),
    )  # fmt: skip
    return build_definitions(settings)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def _run(definitions: dg.Definitions, instance: dg.DagsterInstance, **config: object) -> dg.ExecuteInProcessResult:
    job = definitions.resolve_implicit_global_asset_job_def().get_subset(asset_selection={BARS})
    tags = {
        f"dagster/asset_partition_range_{end}": f"2024-0{number}-01|binance"
        for end, number in (("start", 1), ("end", 2))
    }
    told = {"ops": {"exports__bars": {"config": config}}} if config else {}
    return job.execute_in_process(instance=instance, tags=tags, run_config=told, raise_on_error=False)


def _checks(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {one.check_name: one.passed for one in result.get_asset_check_evaluations()}


def test_a_run_writes_the_files_of_its_partitions_and_its_checks_find_what_is_wrong(
    warehouse: Warehouse, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    for venue in ("binance", "kraken"):
        store(warehouse, walk(70 * 24), "BTC/USDT", venue=venue)  # January to the tenth of March
    definitions = _definitions(tmp_path, warehouse, UNIVERSE)
    result = _run(definitions, instance)
    assert result.success
    assert _checks(result) == {"files_hold_all_rows": True, "files_are_whole": True}
    folder = tmp_path / "exports" / "sandbox" / "parquet" / "bars"
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet"))
    assert files == [f"venue=binance/month=2024-0{number}/part.parquet" for number in (1, 2)]
    assert pq.read_metadata(folder / files[1]).num_rows == 29 * 24
    first, last = result.get_asset_materialization_events()
    assert {first.partition, last.partition} == {"2024-01-01|binance", "2024-02-01|binance"}
    told = {name: value.value for name, value in last.materialization.metadata.items()}
    assert (told["files_written"], told["rows_written"], told["dagster/row_count"]) == (2, 60 * 24, 60 * 24)
    records = [record.data for record in last.materialization.metadata["files"].records]  # type: ignore[attr-defined]
    assert [(one["file"], one["rows"], one["outcome"]) for one in records] == [
        (f"parquet/bars/{files[0]}", 744, "written"), (f"parquet/bars/{files[1]}", 696, "written"),
    ]  # fmt: skip
    again = _run(definitions, instance, formats=["parquet", "csv"])
    told = {
        name: value.value
        for name, value in again.get_asset_materialization_events()[0].materialization.metadata.items()
    }
    assert (told["files_written"], told["files_unchanged"]) == (2, 2)  # as CSV for the first time
    assert told["dagster/row_count"] == 60 * 24
    (folder / files[0]).write_bytes(bytes(100))
    assert _checks(_run(definitions, instance, formats=["csv"])) == {
        "files_hold_all_rows": True,
        "files_are_whole": False,
    }
    store(warehouse, walk(5, seed=4), "BTC/USDT")
    assert _checks(_run(definitions, instance, formats=["arrow"])) == {
        "files_hold_all_rows": False,
        "files_are_whole": False,
    }
    healed = _run(definitions, instance, formats=["parquet", "csv"], again=True)
    assert _checks(healed) == {"files_hold_all_rows": True, "files_are_whole": True}
    assert not _run(definitions, instance, formats=["xlsx"]).success


def test_each_dataset_has_an_asset_on_its_sources_partitions_that_follows_only_where_that_is_wanted(
    warehouse: Warehouse, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    for text, follows in ((UNIVERSE, False), (FOLLOWED, True)):
        graph = _definitions(tmp_path, warehouse, text).resolve_asset_graph()
        for name, one in DATASETS.items():
            if name == "coverage":
                assert not graph.has(asset_key(name))
                continue
            node, source = graph.get(asset_key(name)), dg.AssetKey(one.asset.split("/"))
            assert node.parent_keys == {source}
            assert node.partitions_def == graph.get(source).partitions_def
            assert node.group_name == "exports"
            assert (node.automation_condition is not None) is follows
            assert node.freshness_policy == (graph.get(source).freshness_policy if follows else None)
            checks = {check.name for check in graph.asset_check_keys if check.asset_key == asset_key(name)}
            assert checks == {"files_hold_all_rows", "files_are_whole"}


def test_an_export_is_requested_once_after_its_source_was_renewed(
    warehouse: Warehouse, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    definitions = _definitions(tmp_path, warehouse, FOLLOWED)
    selected = dg.AssetSelection.assets(BARS)
    now = datetime(2024, 2, 10, tzinfo=UTC)

    def requested(cursor: object) -> tuple[object, set[str]]:
        told = dg.evaluate_automation_conditions(
            definitions,
            instance,
            asset_selection=selected,
            cursor=cursor,
            evaluation_time=now,  # type: ignore[arg-type]
        )
        return told.cursor, {str(key) for key in told.get_requested_partitions(BARS)}

    cursor, none = requested(None)
    assert none == set()
    instance.report_runless_asset_event(dg.AssetMaterialization(OHLCV, partition=str(JANUARY)))
    cursor, once = requested(cursor)
    assert once == {"2024-01-01|binance"}
    instance.report_runless_asset_event(dg.AssetMaterialization(BARS, partition=str(JANUARY)))
    assert requested(cursor)[1] == set()


def test_partitions_choose_just_what_lies_in_them() -> None:
    start, middle, end = (datetime(2024, month, 1, tzinfo=UTC) for month in (1, 2, 3))
    months = [join_key(f"2024-0{number}-01", "binance") for number in (1, 2)]
    day = [join_network_key("2024-01-31", "solana")]
    parquet, qlib = FileFormat.PARQUET, FileFormat.QLIB
    assert selections(exported("bars"), months, parquet) == [Selection(("binance",), start, end)]
    assert selections(exported("bars"), months, qlib) == [Selection(("binance",))]
    assert selections(exported("predictions"), months, parquet) == [Selection((), start, end)]
    assert selections(exported("pool_trades"), day, parquet) == [
        Selection(("solana",), datetime(2024, 1, 31, tzinfo=UTC), middle)
    ]
    assert selections(exported("arbitrage"), ["2024-01-31-23:00"], parquet) == [
        Selection((), datetime(2024, 1, 31, 23, tzinfo=UTC), middle)
    ]
    assert selections(exported("instruments"), ["kraken", "binance"], parquet) == [
        Selection(("binance",)), Selection(("kraken",))
    ]  # fmt: skip
    for name, key in (("macro", "2024-01-01"), ("news", "2024-01-31")):
        assert selections(exported(name), [key], parquet) == [Selection()]
    assert selections(exported("bars"), None, parquet) == [Selection()]
    assert selections(exported("trades"), [join_day_key("2024-01-31", "binance")], parquet)[0].start == datetime(
        2024, 1, 31, tzinfo=UTC
    )


def test_formats_are_those_of_the_run_else_of_the_universe_and_qlib_is_for_bars_alone() -> None:
    plain, followed = (parse_universe(text, "test") for text in (UNIVERSE, FOLLOWED))
    assert formats_of(exported("bars"), (), plain) == [FileFormat.PARQUET]
    assert formats_of(exported("bars"), (), followed) == [FileFormat.PARQUET, FileFormat.QLIB]
    assert formats_of(exported("news"), (), followed) == [FileFormat.PARQUET]
    assert formats_of(exported("news"), ("csv", "qlib"), followed) == [FileFormat.CSV]
    store = ExportStore("/exports", "sandbox")
    assert str(store.target(FileFormat.CSV).folder(exported("news"))) == "/exports/sandbox/csv/news"
