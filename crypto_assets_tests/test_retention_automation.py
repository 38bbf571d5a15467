"""Days of quotes go by themselves, once their hours are added up; a day that lacks a sum gets it first."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from crypto_assets.datasets.market.book_ticker_hours.build import SummedHour, sum_up
from crypto_assets.datasets.market.book_ticker_snapshots.table import book_ticker_snapshots
from crypto_assets.definitions import build_definitions
from crypto_assets.retention_automation import (
    drop_old_snapshots,
    judge_policies,
    plan_retention,
    policies_of,
    retain,
    retainable_tables,
    retention_schedules,
    sum_up_missing,
)
from crypto_assets.schema.columns import METADATA
from crypto_assets.settings import Settings
from crypto_assets.universe import Universe, UniverseError, parse_universe
from crypto_assets.universe_operations import DETACHABLE, DROPPABLE, KEPT_FOR_EVER, TableRetention
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.detach_file import Archive, ArchiveUnavailable
from crypto_assets.warehouse.retention import Verdict, partitioned, partitions_of
from crypto_assets_tests.datasets.market.book_ticker_hours.quotes import (
    HOUR,
    SECOND,
    Second,
    at,
    held,
    put_gap,
    put_quotes,
    without_quotes,
)

NOW = at("2026-03-10 03:30")
START = at("2026-03-02 10:00")
LIKE = Second(START)
SUMMED = "SELECT opened_at, symbol, seconds FROM market.book_ticker_hours ORDER BY 1, 2"
BASE = "history_from: 2026-01-01\nvenues: {gate: {markets: [BTC/USDT]}}\n"
UNIVERSE = f"{BASE}stream: {{venues: [gate], keep_days: 3}}\n"
RULES = parse_universe(BASE, "test")


@pytest.fixture
def stored(shared_warehouse: Warehouse) -> Warehouse:
    """The module's database without any day of quotes."""
    without_quotes(shared_warehouse)
    for one in partitions_of(shared_warehouse, book_ticker_snapshots):
        held(shared_warehouse, f"DROP TABLE market.{one.name}; SELECT 1")
    return shared_warehouse


def _days(warehouse: Warehouse) -> list[str]:
    return [one.label[5:] for one in partitions_of(warehouse, book_ticker_snapshots)]


def _round(warehouse: Warehouse, rules: Universe = RULES) -> tuple[list[SummedHour], list[Verdict]]:
    done = retain(warehouse, rules, Archive("/nowhere/that/is", "live"), NOW)
    return list(done.summed), list(done.verdicts)


def _with(policy: str) -> Universe:
    return parse_universe(f"{BASE}retention: {{tables: {{{policy}}}}}\n", "test")


def test_every_partitioned_table_either_may_go_or_says_why_not() -> None:
    """A new dataset with partitions has to be put into one of the three lists of universe_operations.py."""
    retainable = {one.fullname for one in retainable_tables()}
    every = {one.fullname for one in partitioned(METADATA.tables.values())}
    assert retainable == DROPPABLE | DETACHABLE
    assert every - retainable <= KEPT_FOR_EVER.keys()


def test_tables_that_may_only_be_archived_are_those_that_keep_old_values(stored: Warehouse) -> None:
    kept = held(stored, "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE tgname ~ '^keep_revision'")
    names = {str(name) for (name,) in kept}
    assert names >= DETACHABLE
    assert not names & DROPPABLE


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ("audit.revisions: {keep_days: 9}", "audit.revisions is kept for ever: as-of reading"),
        ("market.book_ticker_hours: {keep_days: 9}", "market.book_ticker_hours is kept for ever"),
        ("market.ohlcv: {keep_days: 9, then: drop}", "market.ohlcv keeps old values"),
        ("market.trade: {keep_days: 9}", "market.trade is no table whose partitions may go"),
        ("market.trades: {keep_days: 0}", "greater than or equal to 1"),
        ("'market.trades; drop': {keep_days: 9}", "should match pattern"),
    ],
)
def test_a_table_that_must_not_go_is_refused_when_the_universe_is_read(policy: str, told: str) -> None:
    with pytest.raises(UniverseError, match=told):
        _with(policy)


def test_tables_of_the_stream_go_by_its_days_unless_they_are_named_and_by_those_said_by_hand() -> None:
    tables = retainable_tables()
    quotes, seen = "market.book_ticker_snapshots", "market.arbitrage_opportunities"
    assert policies_of(RULES, tables) == {one: TableRetention(keep_days=7, then="drop") for one in (quotes, seen)}
    named = _with(f"{quotes}: {{keep_days: 30, then: detach}}, market.trades: {{keep_days: 730}}")
    found = policies_of(named, tables)
    assert (found[quotes].keep_days, found[quotes].then, found[seen].keep_days) == (30, "detach", 7)
    by_hand = policies_of(named, tables, 3)
    assert {name: one.keep_days for name, one in by_hand.items()} == {quotes: 3, seen: 3, "market.trades": 730}


def _year(warehouse: Warehouse, table: str, year: int) -> None:
    held(warehouse, f"SELECT ops.ensure_year_partition('{table}', '{year}-06-01T00:00Z'), 1")


def _kept(warehouse: Warehouse, policy: str) -> dict[str, str]:
    found = plan_retention(warehouse, _with(policy), NOW)
    return {
        one.partition.label: one.kept
        for one in found
        if one.partition.table.fullname == policy.split(":", maxsplit=1)[0]
    }


def test_what_features_of_this_year_rest_on_stays_and_so_does_what_is_still_asked_for(stored: Warehouse) -> None:
    for year in (2023, 2024, 2025, 2026):
        _year(stored, "market.ohlcv", year)
    held(
        stored,
        "INSERT INTO quality.coverage (dataset, venue, symbol, timeframe, gap_start, gap_end, state, evidence)"
        " VALUES ('market/ohlcv', 'gate', 'BTC/USDT', '1h', '2023-05-05', '2023-05-06', 'missing', '{}') RETURNING 1",
    )
    # 2,400 hours before 2026 are 100 days: 2025-09-23.
    assert _kept(stored, "market.ohlcv: {keep_days: 30}") == {
        "2023": "1 gap is still asked for, first 2023-05-05 00:00",
        "2024": "",
        "2025": "features of this year look back to 2025-09-23",
        "2026": "ended less than 30 days ago",
    }
    held(stored, "DELETE FROM quality.coverage WHERE dataset = 'market/ohlcv' RETURNING 1")
    assert _kept(stored, "market.ohlcv: {keep_days: 30}")["2023"] == ""


def test_features_that_a_champion_learned_from_are_archived_but_never_dropped(stored: Warehouse) -> None:
    for year in (2023, 2024):
        _year(stored, "features.ml_features", year)
    held(
        stored,
        "INSERT INTO models.registry SELECT (jsonb_populate_record(NULL::models.registry, jsonb_build_object("
        " 'model', 'liquidity_4h', 'version', 3, 'state', 'champion', 'learner', 'lightgbm', 'artefact_sha256', 'a',"
        " 'artefact_bytes', 1, 'code_hash', 'c', 'feature_version', 'f', 'data_as_of', now(), 'trained_from', '2024-02-01',"
        " 'trained_to', '2025-02-01', 'training_rows', 9, 'series', 1, 'parameters', '{}'::jsonb, 'metrics', '{}'::jsonb,"
        " 'best_baseline', 'b', 'skill', 0.1, 'skill_low', 0.05, 'skill_high', 0.2, 'has_skill', true, 'promoted_at', now(),"
        " 'promoted_by', 'rule', 'promoted_why', 'w', 'source', 's', 'known_at', now(), 'ingested_at', now()))).* RETURNING 1",
    )
    told = "the champion liquidity_4h 3 learned from it: detach keeps that repeatable"
    assert _kept(stored, "features.ml_features: {keep_days: 30, then: drop}") == {"2023": "", "2024": told}
    held(
        stored,
        "INSERT INTO ops.training_sets VALUES ('frozen', now(), now(), '2023-03-01', '2023-04-01', '1h', '{}', '{}', 9, 9,"
        " repeat('0', 64), 'f', 'p', repeat('0', 64), 'created') RETURNING 1",
    )
    # A training set is rebuilt from bars and their like, never from stored features: it holds back none of them.
    assert _kept(stored, "features.ml_features: {keep_days: 30, then: drop}") == {"2023": "", "2024": told}
    assert _kept(stored, "features.ml_features: {keep_days: 30}") == {"2023": "", "2024": ""}


def test_a_day_stays_while_an_hour_of_it_is_not_summed_up(stored: Warehouse) -> None:
    put_quotes(stored, [LIKE, replace(LIKE, at=START + HOUR), replace(LIKE, at=START + 5 * HOUR)])
    [told] = plan_retention(stored, RULES, NOW)
    assert (told.goes, told.kept) == (False, "3 hours are not summed up")
    for hour in (START, START + HOUR):
        sum_up(stored, (hour, hour + HOUR), 1)
    assert plan_retention(stored, RULES, NOW)[0].kept == "1 hour is not summed up"
    sum_up(stored, (START + 5 * HOUR, START + 6 * HOUR), 1)
    assert plan_retention(stored, RULES, NOW)[0].goes
    put_quotes(stored, [replace(LIKE, at=START + SECOND)])  # stored late: the sum of the hour is an old one
    assert plan_retention(stored, RULES, NOW)[0].kept == "1 hour is not summed up"
    assert _days(stored) == ["03-02"]


def test_a_round_sums_up_what_is_due_and_then_drops_it_and_the_ledger_stays(stored: Warehouse) -> None:
    ether = replace(LIKE, symbol="ETH/USDT")
    put_quotes(stored, [LIKE, replace(LIKE, at=START + SECOND), ether, replace(LIKE, at=at("2026-03-05 00:00"))])
    put_gap(stored, START + 2 * SECOND, START + HOUR, LIKE)
    summed, verdicts = _round(stored)
    assert [one.hour for one in summed] == [(START, START + HOUR)]
    assert [(one.partition.label[5:], one.kept) for one in verdicts] == [
        ("03-02", ""),
        ("03-05", "ended less than 7 days ago"),
    ]
    assert verdicts[0].freed > 0
    assert _days(stored) == ["03-05"]
    assert held(stored, SUMMED) == [(START, "BTC/USDT", 2), (START, "ETH/USDT", 1)]
    assert held(stored, "SELECT count(*) FROM quality.coverage WHERE symbol = 'BTC/USDT'") == [(1,)]
    again, verdicts = _round(stored)
    assert again == []
    assert [one.goes for one in verdicts] == [False]


def test_days_are_dropped_though_the_archives_place_cannot_be_written(stored: Warehouse, tmp_path: Path) -> None:
    """Tables are gone through by name, and features come before the quotes that fill the disk."""
    put_quotes(stored, [LIKE])
    _year(stored, "features.labels", 2023)
    (tmp_path / "file").touch()
    archive = Archive(str(tmp_path / "file"), "live")
    rules = _with("features.labels: {keep_days: 30, then: detach}")
    with pytest.raises(ArchiveUnavailable):
        retain(stored, rules, archive, NOW)
    assert _days(stored) == []
    assert [one.kept for one in plan_retention(stored, rules, NOW)] == [""]  # the year of labels, once there is a place


def test_closed_hours_of_the_last_days_are_summed_up_too_and_the_open_one_is_not(stored: Warehouse) -> None:
    moments = ("2026-03-10 03:29", "2026-03-10 02:59", "2026-03-09 00:00", "2026-03-08 23:59", "2026-03-06 00:00")
    put_quotes(stored, [replace(LIKE, at=at(text)) for text in moments])
    done = sum_up_missing(stored, RULES, NOW)
    assert [f"{one.hour[0]:%m-%d %H}" for one in done] == ["03-08 23", "03-09 00", "03-10 02"]


def test_opportunities_go_by_age_alone(stored: Warehouse) -> None:
    held(stored, "SELECT ops.ensure_day_partition('market.arbitrage_opportunities', '2026-03-01T00:00Z'), 1")
    [verdict] = _round(stored)[1]
    assert verdict.partition.table.fullname == "market.arbitrage_opportunities"
    assert verdict.goes
    assert plan_retention(stored, RULES, NOW) == []


@pytest.fixture
def definitions(tmp_path: Path, stored: Warehouse) -> Iterator[dg.Definitions]:
    (tmp_path / "universe.yaml").write_text(UNIVERSE)
    with dg.DagsterInstance.ephemeral():
        yield build_definitions(Settings(universe=tmp_path / "universe.yaml", warehouse_url=stored.url))


def test_the_job_tells_what_it_would_drop_and_then_drops_it(definitions: dg.Definitions, stored: Warehouse) -> None:
    now = datetime.now(UTC)
    old, young = (now - timedelta(days=back) for back in (5, 2))
    put_quotes(stored, [replace(LIKE, at=old.replace(microsecond=0)), replace(LIKE, at=young.replace(microsecond=0))])
    job = definitions.resolve_job_def(drop_old_snapshots.name)
    config = {"ops": {"drop_old_days": {"config": {"dry_run": True}}}}
    told = _told(job.execute_in_process(run_config=config))
    assert told["partitions_to_drop"] == 0
    assert told["partitions"] == [
        (f"{old:%Y-%m-%d}", "kept: 1 hour is not summed up"), (f"{young:%Y-%m-%d}", "kept: ended less than 3 days ago")
    ]  # fmt: skip
    assert len(_days(stored)) == 2
    assert held(stored, SUMMED) == []
    done = _told(job.execute_in_process())
    assert (done["hours_summed_up"], done["partitions_dropped"]) == (2, 1)
    freed = done["bytes_freed"]
    assert isinstance(freed, int)
    assert freed > 0
    assert done["partitions"] == [
        (f"{old:%Y-%m-%d}", f"dropped, {freed:,} bytes freed"),
        (f"{young:%Y-%m-%d}", "kept: ended less than 3 days ago"),
    ]
    assert _days(stored) == [f"{young:%m-%d}"]
    assert "retention_every_day" in {one.name for one in definitions.schedules or ()}
    assert held(stored, "SELECT count(*) > 30 FROM ops.storage_samples") == [(True,)]


def test_a_partition_two_days_over_is_warned_of_with_its_reason(definitions: dg.Definitions, stored: Warehouse) -> None:
    put_quotes(stored, [LIKE])
    told = judge_policies(stored, RULES, NOW)
    assert told.passed  # due since 2026-03-10
    told = judge_policies(stored, RULES, NOW + timedelta(days=2))
    assert (told.passed, told.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "book_ticker_snapshots_20260302 (1 hour is not summed up)" in (told.description or "")
    result = definitions.resolve_job_def(drop_old_snapshots.name).execute_in_process()
    [check] = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == ("tables_keep_to_their_policy", True)
    assert _days(stored) == []


def _told(result: dg.ExecuteInProcessResult) -> dict[str, object]:
    [event] = [one for one in result.all_node_events if one.event_type_value == "STEP_OUTPUT"]
    metadata = event.step_output_data.metadata
    parts = metadata["partitions"]
    assert isinstance(parts, dg.TableMetadataValue)
    rows = [(record.data["partition"], record.data["outcome"]) for record in parts.records]
    return {**{name: one.value for name, one in metadata.items()}, "partitions": rows}


def test_every_night_one_run_is_requested_unless_the_last_is_at_work(tmp_path: Path) -> None:
    [schedule] = retention_schedules()
    assert (schedule.name, schedule.cron_schedule) == ("retention_every_day", "30 3 * * *")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        context = dg.build_schedule_context(instance=instance, scheduled_execution_time=NOW)
        [request] = schedule.evaluate_tick(context).run_requests or []
        assert request.run_key == "2026-03-10"
        instance.create_run_for_job(drop_old_snapshots, status=dg.DagsterRunStatus.STARTED)
        assert schedule.evaluate_tick(context).skip_message == "The last run is still at work."
