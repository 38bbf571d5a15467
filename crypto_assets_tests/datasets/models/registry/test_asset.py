"""Training as Dagster runs it: fees of some weeks, several forecasts in one run, and the checks behind it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from crypto_assets.datasets.models.catalog import FORECASTS
from crypto_assets.datasets.models.registry import checks
from crypto_assets.datasets.models.registry.asset import NoneTrained, build_asset, refuse_if_none
from crypto_assets.datasets.models.registry.checks import CHECKS
from crypto_assets.datasets.models.registry.registered import Registered, champion
from crypto_assets.datasets.models.registry.store import promote
from crypto_assets.datasets.models.registry.train import LEARNERS
from crypto_assets.datasets.outcomes import Described
from crypto_assets.forecasting.artefacts import Store
from crypto_assets.forecasting.drift import Drift
from crypto_assets.forecasting.validation_report import Validation
from crypto_assets.partitions import grids_of
from crypto_assets.quality.findings import Finding
from crypto_assets.resources import ModelStore, UniverseFile
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.features.ml_features.outside import put_fees
from crypto_assets_tests.datasets.models.registry.stage import FAST, registered, trained

HOURS = 24 * 24
END = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
START = END - timedelta(hours=HOURS)
ASSET = "models__registry"
UNIVERSE = Universe.model_validate({"history_from": "2024-01-01", "venues": {"binance": {"markets": ["BTC/USDT"]}}})


@pytest.fixture(scope="module")
def stored(shared_warehouse: Warehouse) -> Warehouse:
    """Base fees that swing around a mean: whoever knows where they stand knows the way back, however far ahead."""
    random = np.random.default_rng(3)
    base, tips = np.exp(3 + random.normal(0, 0.3, HOURS)), np.exp(random.normal(0, 0.3, HOURS))
    moments = [(START + timedelta(hours=hour),) * 2 for hour in range(HOURS)]
    put_fees(
        shared_warehouse, "ethereum", moments, base_fee_gwei=base, next_base_fee_gwei=1.01 * base,
        priority_fee_p10_gwei=tips, priority_fee_p50_gwei=tips, priority_fee_p90_gwei=2 * tips,
        gas_used_ratio=np.full(HOURS, 0.5),
    )  # fmt: skip
    return shared_warehouse


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the artefacts and of the universe."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "universe.yaml").write_text("history_from: 2024-01-01\nvenues:\n  binance: {markets: [BTC/USDT]}\n")
    return folder


def _materialized(
    instance: dg.DagsterInstance, warehouse: Warehouse, place: Path, *names: str
) -> dg.ExecuteInProcessResult:
    order = [one.name for one in FORECASTS]
    asset = build_asset(grids_of(START.date(), ["binance"], ["solana"]))
    first, last = min(names, key=order.index), max(names, key=order.index)
    return dg.materialize(
        [asset, *CHECKS],
        instance=instance,
        raise_on_error=False,
        tags={"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last},
        resources={
            "warehouse": warehouse,
            "universe_file": UniverseFile(place / "universe.yaml", warehouse),
            "model_store": ModelStore(str(place / "store")),
        },
    )


def test_a_run_shows_each_forecast_its_own_verdict_and_is_checked(stored: Warehouse, place: Path) -> None:
    # Of fees, and of spreads, of which nothing is stored.
    with dg.DagsterInstance.ephemeral() as instance, pytest.MonkeyPatch.context() as patch:
        patch.setitem(LEARNERS, "lightgbm", lambda: FAST)  # type: ignore[misc]
        run = _materialized(instance, stored, place, "gas_24h", "liquidity_spread_1h")
    assert run.success
    shown = {one.partition: dict(one.metadata) for one in run.asset_materializations_for_node(ASSET)}
    assert set(shown) == {"gas_24h", "liquidity_spread_1h"}
    assert str(shown["liquidity_spread_1h"]["verdict"].value).startswith("- not trained: Nothing is stored")
    gas = shown["gas_24h"]
    assert (gas["forecasts_trained"].value, gas["forecasts_failed"].value) == (1, 1)
    held = champion(stored, "gas_24h")
    assert held is not None
    _shows_the_champion(gas, held)
    _shows_tables_and_pictures(gas, held.validation)
    checked = {one.check_name: one for one in run.get_asset_check_evaluations()}
    assert set(checked) == {truth.name for truth in checks.TRUTHS}
    assert all(one.passed for one in checked.values())
    assert checked["skill_above_baseline"].metadata["series_checked"].value == 1


def _shows_the_champion(shown: Described, held: Registered) -> None:
    assert shown["verdict"].value == f"- version 1 of lightgbm: {held.verdict}; champion: {held.promoted_why}"
    assert str(shown["champion"].value).startswith("version 1 of lightgbm, promoted ")
    assert shown["dagster/row_count"].value == held.training_rows


def _shows_tables_and_pictures(shown: Described, report: Validation) -> None:
    tables = {name: [one.data for one in shown[name].records] for name in ("skill", "folds", "series")}  # type: ignore[attr-defined]
    errors = {row["forecaster"]: row["mae"] for row in tables["skill"]}
    assert errors == pytest.approx({"lightgbm": report.error, **report.baselines}, rel=1e-4)
    assert [row["fold"] for row in tables["folds"]] == [1, 2, 3, 4, 5]
    assert [row["series"] for row in tables["series"]] == ["ethereum fees"]
    for name in ("calibration", "residuals", "errors_by_fold"):
        assert f"![{name} of lightgbm](data:image/svg+xml;base64," in str(shown[name].value)


def test_a_run_of_which_nothing_can_be_trained_fails(stored: Warehouse, place: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = _materialized(instance, stored, place, "opportunity_1h", "opportunity_4h")
    assert not result.success
    [failure] = [one for one in result.all_events if one.is_step_failure]
    assert "None of 2 forecasts could be trained; opportunity_1h: Nothing is stored" in str(failure.event_specific_data)


def test_a_run_stands_while_anything_was_trained() -> None:
    refuse_if_none(["a", "b"], {"a": "too little"})
    refuse_if_none([], {})
    with pytest.raises(NoneTrained, match="None of 2 forecasts could be trained; a: too little"):
        refuse_if_none(["a", "b"], {"a": "too little", "b": "nothing"})


def _stood(warehouse: Warehouse, store: Store, model: str) -> checks.Stood:
    found = checks.stood(warehouse, UNIVERSE, store, model, END)
    assert found is not None
    return found


def _failed(findings: list[Finding]) -> list[str]:
    return [one.example for one in findings if one.failed]


def test_what_breaks_a_check_is_told(stored: Warehouse, tmp_path: Path) -> None:
    store, model = Store(tmp_path), "gas_1h"
    assert checks.stood(stored, UNIVERSE, store, "opportunity_24h", END) is None
    for has_skill in (True, True, False):
        last = registered(stored, trained(model, has_skill=has_skill))
    promote(stored, model, last - 2, "ada", "first")
    promote(stored, model, last - 1, "ada", "second")
    found = _stood(stored, store, model)
    assert _failed(checks.skill_above_baseline(found)) == ["no skill: 1.0 % over drift"]
    assert _failed(checks.one_champion(found)) == []
    # The champion, the one before it and the newest are looked for.
    assert len(_failed(checks.artefacts_are_whole(found))) == 3
    assert "has no file manifest.json" in _failed(checks.artefacts_are_whole(found))[0]
    assert _failed(checks.champion_is_fresh(found)) == [f"version {last - 1} learned up to 2024-02-01 00:00"]
    [told] = _failed(
        checks.drift_below_bound(found)
    )  # these versions were never trained: there is nothing to compare with
    assert told.startswith("Expected the reference that drift is measured against")
    with stored.connect() as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE models.registry SET state = 'retired' WHERE model = %s AND state = 'champion'", (model,))
    assert _failed(checks.one_champion(_stood(stored, store, model))) == [
        f"champions [], by models.promotions [{last - 1}]"
    ]
    assert isinstance(found.versions[0], Registered)


@pytest.mark.parametrize(
    ("drift", "told"),
    [
        (Drift({"level_log": 0.1, "tip": 0.2}, (), 0.3, 0.5, 0.5, 1.5), []),
        (
            Drift({"level_log": 0.1, "tip": 2.0}, ("tip",), 0.3, 0.5, 0.5, 1.5),
            ["50% of inputs drifted (bound 30%): tip 2.00; error 1.00 times validation's (bound 1.5)"],
        ),
        (
            Drift({"level_log": 0.1, "tip": 0.2}, (), 0.3, 0.8, 0.5, 1.5),
            ["0% of inputs drifted (bound 30%); error 1.60 times validation's (bound 1.5)"],
        ),
    ],
    ids=["within", "inputs", "errors"],
)
def test_drift_of_inputs_or_errors_is_told(stored: Warehouse, tmp_path: Path, drift: Drift, told: list[str]) -> None:
    model = "gas_4h"
    promote(stored, model, registered(stored, trained(model)), "ada", "for this test")
    found = replace(_stood(stored, Store(tmp_path), model), drift=lambda _held: drift)
    assert _failed(checks.drift_below_bound(found)) == told
