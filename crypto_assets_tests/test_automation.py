"""When things run by themselves, without a daemon: conditions, the schedule, the sensor's words."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from crypto_assets.automation import (
    DERIVED,
    EVENTS,
    OHLCV,
    TRADE_BARS,
    TRADES_KEY,
    collect_events,
    collect_ohlcv,
    event_config,
    open_days,
    open_months,
    refresh_instruments,
    repair_requests,
    schedules_of,
    universe_notice,
    with_automation,
)
from crypto_assets.clients.breaker import BreakerState, BreakerStatus
from crypto_assets.clients.pacing import Usage
from crypto_assets.collection.shared_pace import SharedPace
from crypto_assets.datasets.features.labels.asset import build_asset as build_labels
from crypto_assets.datasets.features.ml_features.asset import build_asset as build_features
from crypto_assets.datasets.features.technical_indicators.asset import build_asset as build_indicators
from crypto_assets.datasets.market.instruments.asset import build_asset as build_instruments
from crypto_assets.datasets.market.ohlcv.asset import build_asset
from crypto_assets.datasets.onchain.metrics.asset import build_asset as build_metrics
from crypto_assets.definitions import build_assets
from crypto_assets.partitions import grids_of
from crypto_assets.quality.coverage import SeriesKey
from crypto_assets.quality.gaps import Evidence, Gap, State
from crypto_assets.resources import UniverseFile
from crypto_assets.universe import Universe, parse_universe
from crypto_assets.warehouse.connection import Warehouse

UNIVERSE = """
history_from: 2026-01-01
automatic_history_days: 62
venues: {binance: {markets: [BTC/USDT]}, okx: {markets: [BTC/USDT]}}
"""
NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)


@pytest.fixture
def universe() -> Universe:
    return parse_universe(UNIVERSE, "u.yaml")


def test_missing_months_of_the_automatic_history_are_requested_once_and_a_new_month_when_it_comes(
    universe: Universe,
) -> None:
    grids = grids_of(date(2026, 1, 1), ["binance", "okx"], ["solana"])
    [asset] = with_automation([build_asset(grids)], universe)
    nothing = {"warehouse": None, "universe_file": None, "exchanges": None, "latest": None}
    defs = dg.Definitions([asset], resources=nothing)
    with dg.DagsterInstance.ephemeral() as instance:
        first = dg.evaluate_automation_conditions(defs, instance, evaluation_time=NOON)
        assert first.get_requested_partitions(OHLCV) == {
            f"2026-0{month}-01|{venue}" for month in (4, 5) for venue in ("binance", "okx")
        }
        later = NOON + timedelta(minutes=5)
        second = dg.evaluate_automation_conditions(defs, instance, evaluation_time=later, cursor=first.cursor)
        assert second.total_requested == 0
        june = NOON + timedelta(days=15)
        third = dg.evaluate_automation_conditions(defs, instance, evaluation_time=june, cursor=second.cursor)
        assert third.get_requested_partitions(OHLCV) == {"2026-06-01|binance", "2026-06-01|okx"}


def test_missing_months_of_chains_metrics_are_requested_as_far_back_as_their_own_history(universe: Universe) -> None:
    grids = grids_of(date(2026, 1, 1), ["binance"], ["solana"])
    wide = universe.model_copy(update={"onchain": universe.onchain.model_copy(update={"history_days": 90})})
    [asset] = with_automation([build_metrics(grids)], wide)
    defs = dg.Definitions(
        [asset], resources={"warehouse": None, "universe_file": None, "providers": None, "latest": None}
    )
    with dg.DagsterInstance.ephemeral() as instance:
        requested = dg.evaluate_automation_conditions(defs, instance, evaluation_time=NOON)
    # Ninety days before 20 May lie in February.
    assert requested.get_requested_partitions(asset.key) == {f"2026-0{month}-01" for month in (2, 3, 4, 5)}


def test_on_a_months_first_day_the_month_before_is_still_open() -> None:
    assert open_months(datetime(2026, 5, 1, 0, 30, tzinfo=UTC)) == ["2026-04-01", "2026-05-01"]
    assert open_months(datetime(2026, 5, 2, 0, 30, tzinfo=UTC)) == ["2026-05-01"]
    assert open_months(datetime(2026, 1, 1, 0, 0, tzinfo=UTC)) == ["2025-12-01", "2026-01-01"]


def _requests(universe: Universe, instance: dg.DagsterInstance, at: datetime) -> list[object]:
    schedule = schedules_of(universe)[0]
    asset = build_asset(grids_of(universe.history_from, sorted(universe.venues), sorted(universe.dex.networks)))
    nothing = {"warehouse": None, "universe_file": None, "exchanges": None, "latest": None}
    loaded = dg.Definitions([asset], jobs=[collect_ohlcv], schedules=[schedule], resources=nothing)
    context = dg.build_schedule_context(
        instance=instance, scheduled_execution_time=at, repository_def=loaded.get_repository_def()
    )
    return list(schedule.evaluate_tick(context).run_requests or [])


def test_every_half_hour_each_venue_is_asked_for_its_open_month(universe: Universe) -> None:
    with dg.instance_for_test() as instance:
        requests = _requests(universe, instance, NOON)
        assert [str(one.partition_key) for one in requests] == ["2026-05-01|binance", "2026-05-01|okx"]  # type: ignore[attr-defined]
    schedule = schedules_of(universe)[0]
    assert schedule.cron_schedule == "*/30 * * * *"


def test_a_venue_whose_last_run_is_still_at_work_is_left_out(universe: Universe) -> None:
    with dg.instance_for_test() as instance:
        instance.add_run(
            dg.DagsterRun(
                job_name=collect_ohlcv.name, status=dg.DagsterRunStatus.STARTED, tags={"dagster/partition/venue": "okx"}
            )
        )
        requests = _requests(universe, instance, NOON)
        assert [str(one.partition_key) for one in requests] == ["2026-05-01|binance"]  # type: ignore[attr-defined]


def _gap(start: datetime, end: datetime, symbol: str = "BTC/USDT", timeframe: str = "1h") -> tuple[SeriesKey, Gap]:
    return SeriesKey("market/ohlcv", "okx", symbol, timeframe), Gap(start, end, State.MISSING, Evidence(why="x"), start)


def test_due_gaps_request_a_repair_of_each_month_they_lie_in_naming_their_markets(universe: Universe) -> None:
    over_new_year = _gap(datetime(2026, 3, 31, 23, tzinfo=UTC), datetime(2026, 4, 1, 1, tzinfo=UTC))
    requests = repair_requests([over_new_year], universe, ["okx"], NOON)
    assert [str(one.partition_key) for one in requests] == ["2026-03-01|okx", "2026-04-01|okx"]
    assert requests[0].run_config == {"ops": {"market__ohlcv": {"config": {"repair": True, "markets": ["BTC/USDT"]}}}}
    assert requests[0].run_key == "repair 2026-03-01 okx 2026-05-20T12"


def test_gaps_that_are_young_or_no_run_would_ask_for_request_nothing(universe: Universe) -> None:
    day = datetime(2026, 4, 1, tzinfo=UTC)
    assert (
        repair_requests([_gap(NOON - timedelta(minutes=70), NOON - timedelta(minutes=10))], universe, ["okx"], NOON)
        == []
    )
    for gap in (
        _gap(day, day + timedelta(hours=1), symbol="GONE/USDT"),
        _gap(datetime(2025, 4, 1, tzinfo=UTC), datetime(2025, 4, 2, tzinfo=UTC)),
        _gap(day, day + timedelta(hours=1), timeframe="2h"),
    ):
        assert repair_requests([gap], universe, ["okx"], NOON) == []
    assert repair_requests([_gap(day, day + timedelta(hours=1))], universe, ["binance"], NOON) == []


def test_instruments_are_asked_for_once_a_day_and_when_there_are_none(universe: Universe) -> None:
    schedule = schedules_of(universe)[1]
    loaded = dg.Definitions(
        [build_instruments(grids_of(universe.history_from, sorted(universe.venues), sorted(universe.dex.networks)))],
        jobs=[refresh_instruments],
        schedules=[schedule],
        resources={"warehouse": None, "universe_file": None, "exchanges": None},
    )
    with dg.instance_for_test() as instance:
        context = dg.build_schedule_context(
            instance=instance, scheduled_execution_time=NOON, repository_def=loaded.get_repository_def()
        )
        requests = schedule.evaluate_tick(context).run_requests or []
    assert [one.partition_key for one in requests] == ["binance", "okx"]


def test_the_sensor_says_what_is_wrong_with_the_universe_and_what_to_do(tmp_path: Path, warehouse: Warehouse) -> None:
    path = tmp_path / "universe.yaml"
    watched = UniverseFile(path, warehouse)
    path.write_text("venues: 5")
    assert "no valid version is known" in universe_notice(watched, ["binance"], [])
    path.write_text(UNIVERSE)
    networks = ["ethereum", "solana"]
    sound = "The universe file is valid and all its venues and networks are loaded."
    assert universe_notice(watched, ["binance", "okx"], networks) == sound
    changed = universe_notice(watched, ["binance", "gate"], networks)
    assert changed.startswith("Venues changed (new: okx; removed: gate): reload the definitions")
    changed = universe_notice(watched, ["binance", "okx"], ["solana", "base"])
    assert changed.startswith("Networks changed (new: ethereum; removed: base): reload the definitions")
    both = universe_notice(watched, ["binance"], ["solana"])
    assert both.startswith("Venues changed (new: okx), Networks changed (new: ethereum): reload")
    path.write_text("venues: 5")
    assert "the last valid version holds" in universe_notice(watched, ["binance", "okx"], networks)


def test_what_derives_from_bars_follows_them_once_and_together(universe: Universe) -> None:
    grids = grids_of(date(2026, 1, 1), ["binance", "okx"], ["solana"])
    builders = (build_asset, build_indicators, build_features, build_labels)
    assets = with_automation([build(grids) for build in builders], universe)
    defs = dg.Definitions(
        assets, resources={"warehouse": None, "universe_file": None, "exchanges": None, "latest": None}
    )
    may = "2026-05-01|binance"

    def report(instance: dg.DagsterInstance, *keys: dg.AssetKey) -> None:
        for key in keys:
            instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=may))

    with dg.DagsterInstance.ephemeral() as instance:
        cursor, requested = None, []
        for minute, updated in enumerate([(), (OHLCV, *DERIVED), (), (OHLCV,), DERIVED]):
            report(instance, *updated)
            result = dg.evaluate_automation_conditions(
                defs, instance, evaluation_time=NOON + timedelta(minutes=minute), cursor=cursor
            )
            cursor = result.cursor
            requested.append([set(result.get_requested_partitions(key)) for key in DERIVED])
            if minute == 0:  # bars that are missing are collected and derived from in one run
                assert requested[0] == [set(result.get_requested_partitions(OHLCV))] * 3
                assert may in requested[0][0]
    nothing: list[set[str]] = [set()] * 3
    assert requested[1:] == [nothing, nothing, [{may}] * 3, nothing]


def test_days_missed_since_the_last_round_are_caught_up_for_a_week() -> None:
    assert open_days(NOON, None) == ["2026-05-20"]
    assert open_days(NOON, NOON - timedelta(minutes=6)) == ["2026-05-20"]
    midnight = datetime(2026, 5, 20, 0, 5, tzinfo=UTC)
    assert open_days(midnight, midnight - timedelta(minutes=6)) == ["2026-05-19", "2026-05-20"]
    assert open_days(NOON, NOON - timedelta(days=2)) == ["2026-05-18", "2026-05-19", "2026-05-20"]
    assert open_days(NOON, NOON - timedelta(days=40))[0] == "2026-05-13"
    assert open_days(NOON, NOON + timedelta(seconds=3)) == ["2026-05-20"]


def test_books_are_watched_for_the_whole_round_where_they_are_wanted_more_often(universe: Universe) -> None:
    once = event_config(universe)["ops"]["market__order_books"]["config"]  # type: ignore[index]
    assert once == {"due_only": True, "minutes": 0.0}
    dense = parse_universe(UNIVERSE + "order_books: {interval_seconds: 20}\n", "u.yaml")
    watched = event_config(dense)["ops"]["market__order_books"]["config"]  # type: ignore[index]
    assert watched == {"due_only": True, "minutes": 4.0}


def test_a_round_of_events_leaves_out_venues_that_rest_or_are_at_work(
    universe: Universe, warehouse: Warehouse, tmp_path: Path
) -> None:
    file = tmp_path / "universe.yaml"
    file.write_text(UNIVERSE)
    schedule = schedules_of(universe)[2]
    grids = grids_of(universe.history_from, sorted(universe.venues), sorted(universe.dex.networks))
    assets = [one for one in build_assets(grids) if one.key in EVENTS]
    given = {"warehouse": warehouse, "universe_file": UniverseFile(file, warehouse), "exchanges": None, "latest": None}
    loaded = dg.Definitions(assets, jobs=[collect_events], schedules=[schedule], resources=given)

    def keys(instance: dg.DagsterInstance) -> tuple[list[str], str]:
        context = dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=NOON,
            repository_def=loaded.get_repository_def(),
            resources={name: given[name] for name in ("warehouse", "universe_file")},
        )
        tick = schedule.evaluate_tick(context)
        return [str(request.partition_key) for request in tick.run_requests or []], tick.skip_message or ""

    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:  # resources of a schedule want one with an address
        assert keys(instance) == (["2026-05-20|binance", "2026-05-20|okx"], "")
        pace = SharedPace(warehouse, "binance", 10)
        pace.tell(BreakerStatus(BreakerState.OPEN, 5, 60, "429"))
        assert keys(instance) == (["2026-05-20|okx"], "")
        busy = loaded.resolve_job_def(collect_events.name)
        instance.create_run_for_job(
            busy,
            tags={"dagster/partition/venue": "okx", "dagster/partition": "2026-05-20|okx"},
            status=dg.DagsterRunStatus.STARTED,
        )
        requested, why = keys(instance)
        assert requested == []
        assert "binance (left alone until" in why
        assert "okx (the last run is still at work)" in why
        pace.used(Usage(0, 0, None))


def test_trades_that_changed_are_added_up_once(universe: Universe) -> None:
    grids = grids_of(date(2026, 1, 1), ["binance"], ["solana"])
    assets = with_automation([one for one in build_assets(grids) if one.key in EVENTS], universe)
    defs = dg.Definitions(
        assets, resources={"warehouse": None, "universe_file": None, "exchanges": None, "latest": None}
    )
    key = "2026-05-20|binance"
    with dg.DagsterInstance.ephemeral() as instance:
        first = dg.evaluate_automation_conditions(defs, instance, evaluation_time=NOON)
        assert first.total_requested == 0
        instance.report_runless_asset_event(dg.AssetMaterialization(TRADES_KEY, partition=key))
        second = dg.evaluate_automation_conditions(
            defs, instance, evaluation_time=NOON + timedelta(minutes=1), cursor=first.cursor
        )
        assert second.get_requested_partitions(TRADE_BARS) == {key}
        instance.report_runless_asset_event(dg.AssetMaterialization(TRADE_BARS, partition=key))
        third = dg.evaluate_automation_conditions(
            defs, instance, evaluation_time=NOON + timedelta(minutes=2), cursor=second.cursor
        )
        assert third.total_requested == 0
