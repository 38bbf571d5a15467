"""The real jobs of datasets/dex against the sandbox: a whole round, a network in trouble, a pool that is wanted by name."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import Table, func, select

from crypto_assets.datasets.dex.pool_ohlcv.table import pool_ohlcv
from crypto_assets.datasets.dex.pool_trades.table import pool_trades
from crypto_assets.datasets.dex.pools.table import pool_lives, pools
from crypto_assets.datasets.dex.watchlist.table import watchlist
from crypto_assets.sandbox.config import SandboxConfig
from crypto_assets.sandbox.faults import Fault
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.schema.operations import market_polls, provider_limits
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame
from crypto_assets_tests.datasets.dex.stage import PoolStage, checks, metadata
from crypto_assets_tests.datasets.dex.world import lasting

NORMAL, QUIET = lasting(60), lasting(150)
WATCHED = (f"solana,{NORMAL.address},pool,normal,,", f"solana,{QUIET.base.address},token,quiet,,")


@pytest.fixture(scope="module")
def live_sandbox() -> Iterator[SandboxProcess]:
    """A sandbox whose clock is the real one: checks of recency read it."""
    with SandboxProcess(SandboxConfig()) as process:
        yield process


@pytest.fixture
def stage(tmp_path: Path, warehouse: Warehouse, live_sandbox: SandboxProcess) -> Iterator[PoolStage]:
    now = datetime.now(UTC)
    if (now.hour, now.minute) >= (23, 58):
        pytest.skip("the day ends within the test")
    live_sandbox.clear_faults()
    with dg.DagsterInstance.ephemeral() as instance:
        yield PoolStage(tmp_path, warehouse, live_sandbox.url, instance)
    live_sandbox.clear_faults()


def _count(stage: PoolStage, table: Table) -> int:
    return int(read_frame(stage.warehouse, select(func.count().label("n")).select_from(table))["n"].iloc[0])


def _said(result: dg.ExecuteInProcessResult) -> str:
    return str([event.step_failure_data.user_failure_data for event in result.all_events if event.is_step_failure])


def test_a_round_collects_all_five_and_every_check_holds(stage: PoolStage) -> None:
    now = datetime.now(UTC)
    stage.watch(WATCHED)
    results = [
        stage.run("refresh_dexes", "solana", now),
        stage.run("collect_pools", "solana", now),
        stage.run("collect_pool_data", "solana", now),
    ]
    assert all(result.success for result in results), [_said(result) for result in results]
    verdicts = {name: passed for result in results for name, passed in checks(result).items()}
    # Bars of the last minutes cannot be told quiet yet, and are too young to alarm: all else is sure.
    assert {name for name, passed in verdicts.items() if not passed} == set()
    assert len(verdicts) == 33
    dexes, lists, data = results
    made = [event.materialization.asset_key.path[-1] for event in data.get_asset_materialization_events()]
    assert made == ["pool_trades", "pool_ohlcv"]  # what leaves its window goes first
    assert metadata(dexes, "dexes")["changes"] == 8
    shown = metadata(lists, "watchlist")
    assert (shown["entries"], shown["entries_changed"], shown["rows_skipped"]) == (2, 2, 0)
    shown = metadata(lists, "pools")
    assert shown["pools"] == _count(stage, pools) == _count(stage, pool_lives) > 40
    assert metadata(data, "pool_trades")["rows_written"] == _count(stage, pool_trades) > 20
    assert metadata(data, "pool_ohlcv")["rows_written"] == _count(stage, pool_ohlcv) > 0
    assert {"seconds", "markets", "longest_wait_seconds"} <= metadata(data, "pool_ohlcv").keys()
    assert set(read_frame(stage.warehouse, select(pool_trades.c.pool_address))["pool_address"]) == {
        NORMAL.address, QUIET.address,
    }  # fmt: skip
    assert _count(stage, market_polls) == 4
    [limits] = read_frame(stage.warehouse, select(provider_limits)).to_dict("records")
    assert (limits["provider"], limits["breaker"], limits["throttled"]) == ("geckoterminal", "closed", 0)


def test_a_network_that_answers_503_fails_the_run_by_name_and_the_next_one_loses_nothing(
    stage: PoolStage, live_sandbox: SandboxProcess
) -> None:
    now = datetime.now(UTC)
    stage.watch(WATCHED)
    live_sandbox.set_faults([Fault(kind="unavailable", venue="geckoterminal")])
    blocked = stage.run("collect_pools", "solana", now)
    assert not blocked.success
    said = _said(blocked)
    assert "503" in said
    assert "`crypto-assets doctor` tries the providers; what was collected is stored, a rerun resumes." in said
    assert _count(stage, watchlist) == 2  # the entries stand, only their pools are not known
    live_sandbox.clear_faults()
    with stage.warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE ops.provider_limits SET open_until = now()")  # as if its rest were over
    later = stage.run("collect_pools", "solana", now)
    assert later.success, _said(later)
    assert set(read_frame(stage.warehouse, select(watchlist.c.pool_address))["pool_address"]) == {
        NORMAL.address, QUIET.address,
    }  # fmt: skip
    assert _count(stage, pools) == _count(stage, pool_lives) > 40
    assert {name for name, passed in checks(later).items() if not passed} == set()


def test_what_is_wrong_in_a_run_is_said_with_what_to_do(stage: PoolStage) -> None:
    now = datetime.now(UTC)
    unwatched = stage.run("collect_pool_data", "solana", now, {"pool_trades": {"pools": ["nowhere"]}})
    assert not unwatched.success
    assert "No watched pool of solana is nowhere" in _said(unwatched)
    assert "Add it to config/watchlist.csv" in _said(unwatched)
    universe = stage.watchlist.parent / "universe.yaml"
    universe.write_text(universe.read_text().replace("    solana: {dexes: [heaven, pumpswap]}\n", ""))
    removed = stage.run("refresh_dexes", "solana", now)
    assert not removed.success
    assert "Unknown network 'solana'" in _said(removed)
    assert "add it to dex.networks first" in _said(removed)
