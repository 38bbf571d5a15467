"""When datasets/dex runs by itself: the rounds, what is left out of them, and the sensor that follows the watchlist."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import dagster as dg
import pytest

from crypto_assets.clients.breaker import BreakerState, BreakerStatus
from crypto_assets.collection.shared_pace import SharedPace
from crypto_assets.datasets.dex.watchlist.asset import Entry, build_rows
from crypto_assets.datasets.dex.watchlist.table import watchlist
from crypto_assets.definitions import build_definitions
from crypto_assets.partitions import day_key
from crypto_assets.pool_automation import (
    collect_pool_data,
    collect_pools,
    pool_schedules,
    pool_sensors,
    round_config,
    round_days,
)
from crypto_assets.resources import UniverseFile
from crypto_assets.settings import Settings
from crypto_assets.universe import DexRules, Universe, parse_universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.write import upsert

UNIVERSE = """
history_from: 2026-01-01
venues: {binance: {markets: [BTC/USDT]}}
"""
HEADER = "network,address,address_type,symbol,min_trade_usd,note\n"
POOL = "ethereum,0x0000000000000000000000000000000000000001,pool,one,,\n"
NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)
NETWORKS = ["ethereum", "solana"]


@pytest.fixture(scope="module")
def universe() -> Universe:
    return parse_universe(UNIVERSE, "u.yaml")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "universe.yaml").write_text(UNIVERSE)
    (tmp_path / "watchlist.csv").write_text(HEADER)
    return tmp_path


class _Ticks:
    """Evaluates the triggers of the real definitions."""

    def __init__(self, home: Path, warehouse: Warehouse, universe: Universe, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.warehouse = warehouse
        self.universe = universe
        settings = Settings(
            home=home, universe=home / "universe.yaml", watchlist=home / "watchlist.csv", warehouse_url=warehouse.url
        )
        self.definitions = build_definitions(settings)
        self._repository = self.definitions.get_repository_def()
        self._given = {
            "warehouse": warehouse,
            "universe_file": UniverseFile(home / "universe.yaml", warehouse, home / "watchlist.csv"),
        }

    def schedule(self, name: str, at: datetime) -> tuple[list[dg.RunRequest], str]:
        """What a schedule requests, and why not."""
        [schedule] = [one for one in pool_schedules(self.universe) if one.name == name]
        given = {
            key: self._given[key]
            for key in {"pools_every_10_minutes": ["warehouse"], "dexes_every_day": []}.get(name, list(self._given))
        }
        context = dg.build_schedule_context(
            instance=self.instance, scheduled_execution_time=at, repository_def=self._repository, resources=given
        )
        tick = schedule.evaluate_tick(context)
        return list(tick.run_requests or []), tick.skip_message or ""

    def sensor(self, cursor: str | None) -> tuple[list[dg.RunRequest], str, str | None]:
        """What the sensor requests, why not, and its cursor then."""
        [sensor] = pool_sensors(NETWORKS)
        context = dg.build_sensor_context(
            instance=self.instance,
            cursor=cursor,
            repository_def=self._repository,
            resources={"universe_file": self._given["universe_file"]},
        )
        tick = sensor.evaluate_tick(context)
        return list(tick.run_requests or []), tick.skip_message or "", tick.cursor

    def begin(self, job: str, network: str) -> str:
        """As if a run of a job were at work for a network; its id."""
        tags = {"dagster/partition/network": network, "dagster/partition": f"2026-05-20|{network}"}
        resolved = self.definitions.resolve_job_def(job)
        return self.instance.create_run_for_job(resolved, tags=tags, status=dg.DagsterRunStatus.STARTED).run_id


@pytest.fixture
def ticks(home: Path, warehouse: Warehouse, universe: Universe) -> Iterator[_Ticks]:
    with dg.DagsterInstance.local_temp(str(home)) as instance:  # resources of a schedule want one with an address
        yield _Ticks(home, warehouse, universe, instance)


def _keys(requests: list[dg.RunRequest]) -> list[str]:
    return [str(one.partition_key) for one in requests]


def test_a_round_ends_before_the_next_one_and_trades_have_the_larger_part() -> None:
    config = round_config(DexRules(ohlcv_share=0.25), NOON)["ops"]
    assert config == {
        # Five minutes less fifteen seconds; bars have the last quarter of the five minutes.
        "dex__pool_trades": {"config": {"due_only": True, "ends_at": "2026-05-20T12:03:30+00:00"}},
        "dex__pool_ohlcv": {"config": {"due_only": True, "ends_at": "2026-05-20T12:04:45+00:00", "history": True}},
    }


def test_the_first_round_of_a_day_visits_the_one_before() -> None:
    assert round_days(NOON) == ["2026-05-20"]
    assert round_days(datetime(2026, 5, 20, 0, 0, tzinfo=UTC)) == ["2026-05-19"]
    assert round_days(datetime(2026, 5, 20, 0, 5, tzinfo=UTC)) == ["2026-05-20"]
    assert round_days(datetime(2026, 1, 1, 0, 0, tzinfo=UTC)) == ["2025-12-31"]


def test_each_network_is_asked_for_its_open_day(ticks: _Ticks) -> None:
    both = [f"2026-05-20|{network}" for network in NETWORKS]
    for name in ("dexes_every_day", "pools_every_10_minutes", "pool_data_every_5_minutes"):
        requests, _ = ticks.schedule(name, NOON)
        assert _keys(requests) == both, name
    requests, _ = ticks.schedule("pool_data_every_5_minutes", datetime(2026, 5, 20, tzinfo=UTC))
    assert _keys(requests) == [f"2026-05-19|{network}" for network in NETWORKS]
    assert len({one.run_key for one in requests}) == 2
    assert requests[0].run_config == round_config(ticks.universe.dex, datetime(2026, 5, 20, tzinfo=UTC))
    assert {one.name: one.cron_schedule for one in pool_schedules(ticks.universe)} == {
        "dexes_every_day": "15 0 * * *",
        "pools_every_10_minutes": "9-59/10 * * * *",
        "watched_pools_between": "4-59/10 * * * *",
        "pool_data_every_5_minutes": "*/5 * * * *",
    }


def test_watched_pools_are_looked_at_in_between_where_a_round_cannot_poll_all(ticks: _Ticks) -> None:
    requests, why = ticks.schedule("watched_pools_between", NOON)
    assert (requests, why) == ([], "Every watched pool is polled in each round: there is nothing to learn before.")
    _watch(ticks.warehouse, "solana", 95)  # 95 polls of 2 s / 0.75 are 85 % of 298 s
    assert ticks.schedule("watched_pools_between", NOON)[0] == []
    _watch(ticks.warehouse, "solana", 96)
    [request] = ticks.schedule("watched_pools_between", NOON)[0]
    assert request.partition_key == "2026-05-20|solana"  # on Ethereum nobody is watched
    assert request.run_config == {"ops": {"dex__pools": {"config": {"watched_only": True}}}}
    ticks.begin(collect_pools.name, "solana")
    assert ticks.schedule("watched_pools_between", NOON)[1] == "Left out, the last run is still at work: solana."


def _watch(warehouse: Warehouse, network: str, pools: int) -> None:
    entries = [
        Entry(f"pool{number}", "pool", "", Decimal(0), "", NOON, pool_address=f"pool{number}", resolved_at=NOON)
        for number in range(pools)
    ]
    with warehouse.connect() as connection:
        upsert(connection, watchlist, build_rows(network, entries))


def test_a_network_at_work_and_a_provider_that_rests_are_left_out(ticks: _Ticks) -> None:
    ticks.begin(collect_pool_data.name, "solana")
    requests, _ = ticks.schedule("pool_data_every_5_minutes", NOON)
    assert _keys(requests) == ["2026-05-20|ethereum"]
    requests, _ = ticks.schedule("pools_every_10_minutes", NOON)
    assert len(requests) == 2  # a run of another job is no reason
    ticks.begin(collect_pool_data.name, "ethereum")
    requests, why = ticks.schedule("pool_data_every_5_minutes", NOON)
    assert (requests, why) == ([], "Left out, the last run is still at work: ethereum, solana.")
    ticks.begin(collect_pools.name, "ethereum")
    requests, _ = ticks.schedule("pools_every_10_minutes", NOON)
    assert _keys(requests) == ["2026-05-20|solana"]
    SharedPace(ticks.warehouse, "geckoterminal", 10).tell(BreakerStatus(BreakerState.OPEN, 5, 60, "503"))
    for name in ("pools_every_10_minutes", "pool_data_every_5_minutes"):
        requests, why = ticks.schedule(name, NOON)
        assert requests == []
        assert why.startswith("GeckoTerminal is left alone until ")


def test_the_watchlist_is_followed_when_it_changes(ticks: _Ticks, home: Path) -> None:
    today = day_key(datetime.now(UTC))
    requests, _, first = ticks.sensor(None)
    assert _keys(requests) == [f"{today}|{network}" for network in NETWORKS]
    requests, why, same = ticks.sensor(first)
    assert (requests, why) == ([], "The watchlist has not changed: 0 entries.")
    assert same == first
    (home / "watchlist.csv").write_text(HEADER + POOL + "mars,nowhere,pool,x,,\n")
    changed, _, second = ticks.sensor(first)
    assert _keys(changed) == [f"{today}|{network}" for network in NETWORKS]
    assert second != first
    (home / "watchlist.csv").write_text("no,watchlist\n")
    requests, why, kept = ticks.sensor(second)
    assert requests == []
    assert why.startswith("The watchlist is refused, its entries stay as they are: ")
    assert "missing columns" in why
    assert kept == second
    (home / "watchlist.csv").unlink()
    assert "Cannot read the watchlist" in ticks.sensor(second)[1]
    (home / "watchlist.csv").write_text(HEADER + POOL + "mars,nowhere,pool,x,,\n")
    assert ticks.sensor(second)[1] == "The watchlist has not changed: 1 entries."
