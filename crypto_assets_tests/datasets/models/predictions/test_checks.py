"""Every check of models/predictions holds on what is sound, and fails when its rule is broken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import dagster as dg
import pytest

from crypto_assets.datasets.models.predictions import checks
from crypto_assets.datasets.models.predictions.checks import CHECKS, RULES
from crypto_assets.datasets.models.predictions.prediction import Prediction
from crypto_assets.forecasting.artefacts import Store
from crypto_assets.partitions import VenueWindow, month_key, month_window
from crypto_assets.quality.checks import result_of
from crypto_assets.quality.findings import Grid, run_windows
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.models.predictions.stage import (
    BTC,
    ETH,
    GAS,
    GAS_1H,
    SOL,
    UP_1H,
    crown,
    execute,
    forget,
    put_market,
    put_said,
    register_one,
    said,
    universe,
)
from crypto_assets_tests.datasets.models.rows import bars, features, hour

JANUARY = VenueWindow("binance", *month_window("2024-01-01"))
ORDER, BEFORE = "quantiles_in_order", "no_prediction_before_its_model"
LATENCY, RECENT, INPUTS = "latency_within_bound", "newest_prediction_is_recent", "inputs_complete"
NAN, INFINITE = float("nan"), float("inf")
BROKEN: list[tuple[Mapping[str, object], set[str]]] = [
    ({"q10": 0.011}, {ORDER}),
    ({"q90": 0.009}, {ORDER}),
    ({"q90": INFINITE}, {ORDER}),
    ({"baseline": -INFINITE}, {ORDER}),
    ({"level_now": 0.0}, {ORDER}),
    ({"level_now": INFINITE}, {ORDER}),
    ({"version": 2}, {BEFORE}),
    ({"known_at": hour(90), "decided_at": hour(89), "is_out_of_sample": False}, {BEFORE}),
    ({"is_out_of_sample": False}, {BEFORE}),
    ({"decided_at": hour(99)}, {BEFORE}),
    ({"latency_ms": 501.0}, {LATENCY}),
]


@pytest.fixture
def warehouse(shared_warehouse: Warehouse) -> Warehouse:
    forget(shared_warehouse)
    return shared_warehouse


def broken(warehouse: Warehouse, window: VenueWindow = JANUARY) -> dict[str, int]:
    """Rows that failed, of the rules that did not pass."""
    results = {rule.name: result_of(rule, rule.look(warehouse, universe(), window), universe()) for rule in RULES}
    return {name: int(str(one.metadata["rows_failed"].value)) for name, one in results.items() if not one.passed}


@pytest.mark.parametrize(("change", "names"), BROKEN)
def test_a_broken_row_is_found_by_the_rule_that_it_breaks(
    warehouse: Warehouse, tmp_path: Path, change: Mapping[str, object], names: set[str]
) -> None:
    register_one(warehouse, Store(tmp_path), UP_1H)
    execute(warehouse, "ALTER TABLE models.predictions DROP CONSTRAINT IF EXISTS quantiles_in_order")
    put_said(warehouse, [said(at=at) for at in range(110, 120)])
    assert broken(warehouse) == {}
    put_said(warehouse, [said(at=130, **change)])
    assert broken(warehouse) == dict.fromkeys(names, 1)


def test_a_number_that_is_none_is_refused_by_the_column_and_found_where_it_is_written_past_it(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    register_one(warehouse, Store(tmp_path), UP_1H)
    put_said(warehouse, [said()])
    for column in ("yhat", "q90", "baseline", "level_now"):
        execute(warehouse, f"UPDATE models.predictions SET {column} = 'NaN'")  # noqa: S608
        assert broken(warehouse) == {ORDER: 1}
        execute(warehouse, f"UPDATE models.predictions SET {column} = 0.02")  # noqa: S608
        execute(warehouse, "UPDATE models.predictions SET yhat = 0.01, level_now = 1")


def test_one_slow_prediction_in_a_hundred_is_within_the_bound_and_more_are_not(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    register_one(warehouse, Store(tmp_path), UP_1H)
    fast = [said(at=at, latency_ms=10.0) for at in range(101, 250)]
    put_said(warehouse, [*fast, said(at=300, latency_ms=9_000.0)])
    assert broken(warehouse) == {}
    put_said(warehouse, [said(at=at, latency_ms=9_000.0) for at in range(301, 303)])
    assert broken(warehouse) == {LATENCY: 3}
    [rule] = [one for one in RULES if one.name == LATENCY]
    [finding] = rule.look(warehouse, universe(), JANUARY)
    assert finding.note == "p50 10.0 ms, p99 9000.0 ms; bound 500, our own 25"
    # Batches have no latency.
    put_said(warehouse, [replace(one, latency_ms=None) for one in fast])
    [finding] = rule.look(warehouse, universe(), JANUARY)
    assert finding.checked == 3


def test_whoever_was_spoken_of_lately_is_still_due(warehouse: Warehouse, tmp_path: Path) -> None:
    crown(warehouse, Store(tmp_path), UP_1H)
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    here = VenueWindow("binance", *month_window(month_key(datetime.now(UTC))))

    def ago(hours: int, name: object = BTC) -> Prediction:
        return _at(said(name), now - timedelta(hours=hours))  # type: ignore[arg-type]

    put_said(warehouse, [ago(2), ago(30), ago(9, ETH), ago(24 * 8, SOL)])
    put_said(warehouse, [replace(ago(30), series="GONE/USDT")])
    # BTC's newest is two hours old; ETH's nine. SOL was not spoken of in a week, and nobody wants GONE.
    [rule] = [one for one in RULES if one.name == RECENT]
    found = {one.symbol: one.failed for one in rule.look(warehouse, universe(), here)}
    assert found == {"opportunity_1h BTC/USDT": 0, "opportunity_1h ETH/USDT": 1}
    assert rule.look(warehouse, universe(), JANUARY) == []


def test_inputs_that_training_knew_and_that_are_missing_now_are_named(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crown(warehouse, Store(tmp_path), UP_1H)
    put_market(warehouse, BTC, range(1, 120))
    bars(warehouse, ETH, dict.fromkeys(range(1, 120), 100.0))
    features(warehouse, ETH, range(1, 120), return_1=0.5)
    put_said(warehouse, [said(BTC, 110), said(ETH, 110)])
    [rule] = [one for one in RULES if one.name == INPUTS]
    window = VenueWindow("binance", hour(0), hour(120))
    # Gaps between exchanges, which nobody listened to, are four of the inputs: more than a tenth of none.
    monkeypatch.setattr(checks, "MAX_INCOMPLETE_SHARE", 0.2)
    btc, eth = rule.look(warehouse, universe(), window)
    assert (btc.symbol, btc.checked, btc.failed) == ("opportunity BTC/USDT", 24, 0)
    assert (eth.checked, eth.failed) == (24, 24)
    assert eth.example.startswith("return_1_lag_1, return_1_lag_2")
    # Where nothing is stored any more, that is said.
    put_said(warehouse, [said(SOL, 110)])
    [lost] = rule.look(warehouse, universe(), window)
    assert (lost.failed, lost.example.startswith("Nothing of SOL/USDT is stored")) == (1, True)
    # Of whom nobody spoke, nothing is due.
    assert rule.look(warehouse, universe(), VenueWindow("gate", hour(0), hour(120))) == []


def test_checks_look_at_networks_and_chains_too(warehouse: Warehouse, tmp_path: Path) -> None:
    assert len(CHECKS) == len(RULES)
    register_one(warehouse, Store(tmp_path), GAS_1H)
    put_said(warehouse, [said(GAS, model="gas_1h", version=7)])
    assert broken(warehouse, replace(JANUARY, venue="ethereum")) == {BEFORE: 1}
    # A check that runs by itself looks at the open month of each domain, and a run's at its partitions.
    alone = SimpleNamespace(run=SimpleNamespace(tags={}), partition_keys=[])
    windows = run_windows(cast(dg.AssetCheckExecutionContext, alone), universe(), Grid.FORECASTS)
    assert {one.venue for one in windows} == {"binance", "gate", "ethereum", *universe().dex.networks}
    month = SimpleNamespace(run=SimpleNamespace(tags={"dagster/partition": ""}), partition_keys=["2024-01-01|ethereum"])
    found = run_windows(cast(dg.AssetCheckExecutionContext, month), universe(), Grid.FORECASTS)
    assert found == [replace(JANUARY, venue="ethereum")]


def _at(one: Prediction, decided_at: datetime) -> Prediction:
    return replace(
        one,
        decided_at=decided_at,
        horizon_end_at=decided_at + timedelta(hours=1),
        known_at=decided_at + timedelta(minutes=1),
    )
