"""Scores and the index as Dagster runs them: the assets with their checks, over the day that is still open."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from crypto_assets.datasets.sentiment.fear_greed import asset as fear_greed_asset
from crypto_assets.datasets.sentiment.fear_greed.checks import CHECKS as INDEX_CHECKS
from crypto_assets.datasets.sentiment.fear_greed.table import fear_greed
from crypto_assets.datasets.sentiment.scores import asset as scores_asset
from crypto_assets.datasets.sentiment.scores.checks import CHECKS as SCORE_CHECKS
from crypto_assets.datasets.sentiment.scores.table import scores
from crypto_assets.latest.telling import LatestValues
from crypto_assets.partitions import Grids, day_key, grids_of
from crypto_assets.resources import Providers, UniverseFile
from crypto_assets.sandbox.config import SandboxConfig
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.sentiment.stage import HASTE, PLAIN, add_news, rows

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess(SandboxConfig()) as process:
        yield process


@pytest.fixture(scope="module")
def grids() -> Grids:
    return grids_of(NOW.date() - timedelta(days=40), ["binance"], ["solana"])


def _materialized(
    folder: Path, warehouse: Warehouse, sandbox: SandboxProcess, parts: list[object]
) -> tuple[dg.ExecuteInProcessResult, dict[str, bool]]:
    path = folder / "universe.yaml"
    path.write_text(PLAIN, encoding="utf-8")
    result = dg.materialize(
        parts,  # type: ignore[arg-type]
        partition_key=day_key(NOW - timedelta(days=1)),
        instance=dg.DagsterInstance.ephemeral(),
        resources={
            "warehouse": warehouse,
            "universe_file": UniverseFile(path, warehouse),
            "providers": Providers(sandbox_url=sandbox.url, policy=HASTE),
            "latest": LatestValues(),
        },
    )
    checks = {one.check_name: bool(one.passed) for one in result.get_asset_check_evaluations()}
    return result, checks


def test_the_index_of_a_day_is_collected_and_checked(
    tmp_path: Path, warehouse: Warehouse, sandbox: SandboxProcess, grids: Grids
) -> None:
    parts = [fear_greed_asset.build_asset(grids), *INDEX_CHECKS]
    result, checks = _materialized(tmp_path, warehouse, sandbox, parts)
    assert result.success
    assert len(rows(warehouse, fear_greed)) == 1
    assert checks == dict.fromkeys(checks, True)
    assert len(checks) == len(INDEX_CHECKS)


def test_headlines_of_a_day_are_scored_and_checked(
    tmp_path: Path, warehouse: Warehouse, sandbox: SandboxProcess, grids: Grids
) -> None:
    noon = (NOW - timedelta(days=1)).replace(hour=12)
    add_news(warehouse, "one", "Exchange hacked", noon, "BTC")
    add_news(warehouse, "two", "A quiet day", noon)
    parts = [scores_asset.build_asset(grids), *SCORE_CHECKS]
    result, checks = _materialized(tmp_path, warehouse, sandbox, parts)
    assert result.success
    assert sorted(rows(warehouse, scores)["label"]) == ["negative", "neutral"]
    assert checks == dict.fromkeys(checks, True)
    assert len(checks) == len(SCORE_CHECKS)
    [event] = result.asset_materializations_for_node("sentiment__scores")
    assert event.metadata["dagster/row_count"].value == 2
