"""Everything that Dagster loads, and what every dataset must have."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml

from crypto_assets.definitions import build_definitions, dataset_modules
from crypto_assets.settings import Settings, SettingsError
from crypto_assets.warehouse.connection import Warehouse

ROOT = Path(__file__).parents[1]


@pytest.fixture
def definitions(warehouse: Warehouse) -> Iterator[dg.Definitions]:
    # Dagster reads state through the instance entered last in the process; without one of its own, this test would ask
    # another test's instance, which is gone.
    with dg.DagsterInstance.ephemeral():
        yield build_definitions(Settings(universe=ROOT / "config" / "universe.yaml", warehouse_url=warehouse.url))


def test_all_definitions_load_and_fit_together(definitions: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(definitions)


def test_every_dataset_has_card_key_freshness_automation_units_times_and_checks(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    jobs = {schedule.job_name for schedule in definitions.schedules or ()}  # type: ignore[union-attr]
    scheduled = {key for job in jobs for key in definitions.resolve_job_def(job).asset_layer.executable_asset_keys}
    for module in dataset_modules("table"):
        package = module.__name__.rsplit(".", 1)[0]
        area, name = package.split(".")[-2:]
        key = dg.AssetKey([area, name])
        node = graph.get(key)
        table = getattr(module, name)
        assert f"{area}.{name}" == table.fullname
        assert len(__import__(package, fromlist=["__doc__"]).__doc__ or "") > 200, f"{package} lacks a data card"
        assert node.freshness_policy is not None
        assert node.automation_condition is not None or key in scheduled
        assert node.partitions_def is not None
        assert isinstance(node.backfill_policy, dg.BackfillPolicy)
        assert {"source", "known_at", "ingested_at"} <= set(table.c.keys())
        assert all(column.comment for column in table.c)
        assert all(column.info["unit"] for column in table.c if column.type.python_type in {float, int})
        assert {check.name for check in graph.asset_check_keys if check.asset_key == key}


def test_checks_are_named_by_the_truth_that_holds(definitions: dg.Definitions) -> None:
    names = {check.name for check in definitions.resolve_asset_graph().asset_check_keys}
    assert names == {
        "key_is_unique", "prices_in_order", "volume_not_negative", "no_bar_from_the_future", "bars_on_grid",
        "jump_within_bound", "few_anomalies", "rows_are_accepted", "gaps_are_explained", "newest_bar_is_recent",
        "score_near_its_history", "universe_file_is_valid", "tables_keep_to_their_policy", "backup_is_recent",
        "files_are_whole", "files_hold_all_rows",
        "periods_do_not_overlap", "steps_and_dates_possible", "universe_markets_listed",
        "values_in_range", "warm_up_is_null", "sample_equals_recomputed", "every_bar_has_its_row", "coverage_above_bound",
        "no_look_ahead", "labels_end_after_their_horizon", "labels_are_possible",
        "price_and_amount_positive", "no_trade_from_the_future", "numbers_rise_with_time",
        "no_trade_is_missing", "markets_were_asked", "parts_within_whole", "trades_match_bars", "book_not_crossed",
        "levels_in_order", "book_deep_enough", "prices_within_range", "change_is_consistent", "newest_ticker_is_recent",
        "names_are_told", "vanished_after_seen", "followed_are_listed",
        "prices_positive", "reserve_not_negative", "volumes_not_negative", "windows_are_nested", "made_before_seen",
        "newest_snapshot_is_recent", "minimum_not_negative", "entries_have_a_pool",
        "shorter_bars_add_up", "pools_were_asked",
        "price_positive", "value_is_price_times_amount", "trades_fit_bars", "no_trade_is_lost",
        "vintages_follow_each_other", "no_release_from_the_future", "newest_release_is_recent",
        "values_within_bounds", "values_not_negative", "no_value_from_the_future", "newest_day_is_recent",
        "days_are_known", "fees_not_negative", "fees_within_bounds", "base_fee_moves_by_an_eighth",
        "gas_used_ratio_is_a_share", "percentiles_in_order", "no_sample_from_the_future", "newest_sample_is_recent",
        "no_news_from_the_future", "newest_news_is_recent", "feeds_are_alive", "assets_are_known", "texts_are_plain",
        "scores_in_range", "labels_are_known", "no_score_before_its_news", "every_news_is_scored", "value_in_range",
        "classification_fits_value", "every_day_is_there", "newest_value_is_recent",
        "seconds_complete", "spread_positive", "not_crossed", "few_stale", "snapshots_agree_with_bars",
        "no_snapshot_from_the_future", "seconds_accounted_for", "sample_equals_recounted",
        "profit_is_positive", "profit_follows_from_prices", "quotes_were_fresh", "gains_are_believable",
        "skill_above_baseline", "one_champion", "artefacts_are_whole", "champion_is_fresh", "drift_below_bound",
        "quantiles_in_order", "no_prediction_before_its_model", "inputs_complete", "latency_within_bound",
        "newest_prediction_is_recent", "errors_follow_from_predictions", "skill_out_of_sample", "coverage_near_nominal",
    }  # fmt: skip


def test_without_an_environment_the_way_out_is_named() -> None:
    with pytest.raises(SettingsError, match=r'eval "\$\(crypto-assets env\)"'):
        build_definitions(Settings(_env_file=None, warehouse_url=None))  # type: ignore[call-arg]


def test_the_jobs_of_pools_select_their_datasets_and_wait_in_a_pool_of_their_own(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    selected = {
        job: {key.to_user_string() for key in definitions.resolve_job_def(job).asset_layer.executable_asset_keys}
        for job in ("refresh_dexes", "collect_pools", "collect_pool_data")
    }
    assert selected == {
        "refresh_dexes": {"dex/dexes"},
        "collect_pools": {"dex/watchlist", "dex/pools"},
        "collect_pool_data": {"dex/pool_trades", "dex/pool_ohlcv"},
    }
    for key in (dg.AssetKey(name.split("/")) for names in selected.values() for name in names):
        assert graph.get(key).pools == {"dex"}
        assert graph.get(key).group_name == "dex"
    running = {one.name for one in definitions.schedules or () if one.default_status.value == "RUNNING"}  # type: ignore[union-attr]
    assert {
        "dexes_every_day",
        "pools_every_10_minutes",
        "watched_pools_between",
        "pool_data_every_5_minutes",
    } <= running
    assert "watchlist_watch" in {one.name for one in definitions.sensors or ()}


def test_the_instance_queues_two_runs_a_venue_or_network_and_one_training_and_forgets_old_ticks() -> None:
    instance = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    limits = instance["concurrency"]["runs"]["tag_concurrency_limits"]
    assert [(limit["key"], limit.get("value"), limit["limit"]) for limit in limits] == [
        ("dagster/partition/venue", {"applyLimitPerUniqueValue": True}, 2),
        ("dagster/partition/network", {"applyLimitPerUniqueValue": True}, 2),
        ("crypto_assets/training", None, 1),
    ]
    assert instance["storage"]["postgres"]["postgres_url"] == {"env": "CRYPTO_ASSETS_DAGSTER_URL"}
    assert instance["retention"]["sensor"]["purge_after_days"]["skipped"] > 0
    assert instance["telemetry"]["enabled"] is False
