"""The assets of predictions and outcomes: what they wait for, and a run of both over a month of Ethereum."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pytest

from crypto_assets.datasets.features.ml_features.asset import build_asset as build_features
from crypto_assets.datasets.models.outcomes.asset import build_asset as build_outcomes
from crypto_assets.datasets.models.outcomes.table import outcomes
from crypto_assets.datasets.models.predictions.asset import build_asset as build_predictions
from crypto_assets.datasets.models.predictions.table import predictions
from crypto_assets.latest.telling import LatestValues
from crypto_assets.partitions import grids_of, join_key
from crypto_assets.resources import ModelStore, UniverseFile
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.models.predictions.stage import GAS_4H, UNIVERSE, UP_1H, crown, put_fees, rows_of

GRIDS = grids_of(date(2024, 1, 1), ["binance", "gate"], ["solana", "ethereum"])
JANUARY = join_key("2024-01-01", "ethereum")
FEATURES = dg.AssetKey(["features", "ml_features"])


def run(
    folder: Path, warehouse: Warehouse, key: dg.MultiPartitionKey, config: dict[str, object] | None = None
) -> dict[str, dict[str, object]]:
    """A run of both over one partition; what it shows, by asset."""
    (folder / "universe.yaml").write_text(UNIVERSE)
    given = {
        "warehouse": warehouse,
        "universe_file": UniverseFile(folder / "universe.yaml", warehouse),
        "model_store": ModelStore(str(folder)),
        "latest": LatestValues(),
    }
    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize(
            [build_predictions(GRIDS), build_outcomes(GRIDS), build_features(GRIDS).to_source_assets()[0]],
            instance=instance,
            resources=given,
            partition_key=key,
            selection=["models/predictions", "models/outcomes"],
            run_config={"ops": {"models__predictions": {"config": config or {}}}},
        )
        return {
            event.asset_key.to_user_string(): {
                name: value.value for name, value in event.materialization.metadata.items()
            }
            for event in done.get_asset_materialization_events()
            if event.asset_key is not None
        }


def upstream(key: dg.MultiPartitionKey) -> Sequence[str]:
    """Partitions of features that a partition of predictions rests on."""
    mapping = build_predictions(GRIDS).get_partition_mapping(FEATURES)
    assert mapping is not None
    found = mapping.get_upstream_mapped_partitions_result_for_partitions(
        GRIDS.forecasts.subset_with_partition_keys([key]), GRIDS.forecasts, GRIDS.bars
    )
    assert not found.required_but_nonexistent_subset.get_partition_keys()
    return sorted(found.partitions_subset.get_partition_keys())


def test_predictions_wait_for_features_of_their_month_and_venue_and_chains_for_none() -> None:
    assert upstream(join_key("2024-02-01", "binance")) == [join_key("2024-02-01", "binance")]
    assert upstream(join_key("2024-02-01", "ethereum")) == []
    assert upstream(join_key("2024-02-01", "solana")) == []


def test_a_run_predicts_scores_and_shows_what_came_of_each_forecast(warehouse: Warehouse, tmp_path: Path) -> None:
    put_fees(warehouse)
    store = ModelStore(str(tmp_path)).store()
    crown(warehouse, store, GAS_4H)
    crown(warehouse, store, UP_1H)
    shown = run(tmp_path, warehouse, JANUARY)
    told = shown["models/predictions"]
    # Fees of the hours 0 to 200, the last one counting for five more; of the first four too little is known.
    assert (told["dagster/row_count"], told["rows_written"], told["decisions_refused"]) == (202, 202, 4)
    assert "gas_4h ethereum: 202 decisions of 1 series, 202 new, 4 without a word" in str(told["warnings"])
    assert len(rows_of(warehouse, predictions)) == 202
    scored = shown["models/outcomes"]
    rows = rows_of(warehouse, outcomes)
    assert (scored["dagster/row_count"], scored["truths_awaited"]) == (len(rows), 202 - len(rows))
    assert len(rows) > 190
    assert rows["is_out_of_sample"].sum() > 90
    again = run(tmp_path, warehouse, JANUARY, {"again": True, "forecasts": ["gas_4h"]})
    assert again["models/predictions"]["rows_written"] == 202
    nobody = run(tmp_path, warehouse, join_key("2024-01-01", "solana"))
    assert nobody["models/predictions"]["dagster/row_count"] == 0
    with pytest.raises(dg.Failure, match=r"Unknown forecast 'gas_5h'\. Did you mean gas_4h") as caught:
        run(tmp_path, warehouse, JANUARY, {"forecasts": ["gas_5h"]})
    assert caught.value.allow_retries is False


def test_predictions_and_then_outcomes_follow_the_features_of_the_open_month_and_the_one_before() -> None:
    now = datetime(2024, 5, 2, 12, tzinfo=UTC)
    specs = [dg.AssetSpec(FEATURES, partitions_def=GRIDS.bars)]
    nothing = dict.fromkeys(("warehouse", "universe_file", "model_store", "latest"))
    defs = dg.Definitions(assets=[*specs, build_predictions(GRIDS), build_outcomes(GRIDS)], resources=nothing)
    with dg.DagsterInstance.ephemeral() as instance:
        first = dg.evaluate_automation_conditions(defs=defs, instance=instance, evaluation_time=now)
        assert first.total_requested == 0
        for month in ("2024-05-01", "2024-04-01", "2024-03-01"):
            event = dg.AssetMaterialization(FEATURES, partition=join_key(month, "binance"))
            instance.report_runless_asset_event(event)
        second = dg.evaluate_automation_conditions(
            defs=defs, instance=instance, cursor=first.cursor, evaluation_time=now
        )
        for name in ("predictions", "outcomes"):
            asked = second.get_requested_partitions(dg.AssetKey(["models", name]))
            assert asked == {join_key(month, "binance") for month in ("2024-05-01", "2024-04-01")}, name
