"""Which run of the stream is alive, which is followed by another, which is given up; and the sensor that sees to it."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from crypto_assets.definitions import build_definitions
from crypto_assets.resources import UniverseFile
from crypto_assets.settings import Settings
from crypto_assets.stream_automation import stream_sensors
from crypto_assets.stream_runs import (
    CODE,
    CODE_TAG,
    FOLLOWED_TAG,
    STREAM_JOB,
    StreamRun,
    code_digest,
    due,
    end_streams,
    followed_digest,
    pause_after,
)
from crypto_assets.universe import parse_universe
from crypto_assets.warehouse.connection import Warehouse

UNIVERSE = """
history_from: 2026-01-01
venues: {gate: {markets: [BTC/USDT]}, binance: {markets: [BTC/USDT]}}
stream: {venues: [gate], max_age_hours: 24}
"""
NOW = datetime(2026, 5, 20, 12, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY, MINUTE = timedelta(hours=24), timedelta(minutes=1)
ALIVE = StreamRun("aaaaaaaa-1", NOW - HOUR, NOW - HOUR, {CODE_TAG: CODE, FOLLOWED_TAG: "f"})


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "universe.yaml").write_text(UNIVERSE)
    return tmp_path


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        yield instance


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory, shared_warehouse: Warehouse) -> Iterator[dg.Definitions]:
    home = tmp_path_factory.mktemp("definitions")
    (home / "universe.yaml").write_text(UNIVERSE)
    settings = Settings(home=home, universe=home / "universe.yaml", warehouse_url=shared_warehouse.url)
    with dg.DagsterInstance.ephemeral():
        yield build_definitions(settings)


def test_other_code_and_other_markets_have_other_digests(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("one")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c.py").write_text("two")
    first = code_digest(tmp_path)
    (tmp_path / "note.txt").write_text("no code")
    assert code_digest(tmp_path) == first
    (tmp_path / "b" / "c.py").write_text("twx")
    second = code_digest(tmp_path)
    (tmp_path / "b" / "c.py").rename(tmp_path / "c.py")
    assert len({first, second, code_digest(tmp_path)}) == 3
    assert len(CODE) == 16
    universe = parse_universe(UNIVERSE, "u.yaml")
    others = [
        UNIVERSE.replace("gate: {markets: [BTC/USDT]}", "gate: {markets: [BTC/USDT, ETH/USDT]}"),
        UNIVERSE.replace("max_age_hours: 24", "stale_seconds: 9"),
    ]
    digests = {followed_digest(one) for one in [universe, *(parse_universe(text, "u.yaml") for text in others)]}
    assert len(digests) == 3
    # Of venues that are not followed the stream knows nothing.
    unseen = UNIVERSE.replace("binance: {markets: [BTC/USDT]}", "binance: {markets: [ETH/USDT]}")
    assert followed_digest(parse_universe(unseen, "u.yaml")) == followed_digest(universe)


@pytest.mark.parametrize(
    ("runs", "is_due", "why"),
    [
        ([], True, "No stream runs."),
        ([ALIVE], False, "Run aaaaaaaa is at work."),
        ([replace(ALIVE, started=NOW - DAY)], False, "Run aaaaaaaa is at work."),
        ([replace(ALIVE, started=NOW - DAY - MINUTE)], True, "Run aaaaaaaa is older than stream.max_age_hours."),
        ([replace(ALIVE, started=None, created=NOW - 2 * DAY)], False, "Run aaaaaaaa is at work."),
        ([replace(ALIVE, tags={})], True, "Run aaaaaaaa runs other code."),
        # Started by hand, it has no list of markets to compare.
        ([replace(ALIVE, tags={CODE_TAG: CODE})], False, "Run aaaaaaaa is at work."),
        (
            [replace(ALIVE, tags={CODE_TAG: CODE, FOLLOWED_TAG: "g"})],
            True,
            "Run aaaaaaaa follows other markets, or by other rules.",
        ),
        ([replace(ALIVE, run_id="b", created=NOW - 4 * MINUTE), replace(ALIVE, tags={})], False, "Run b takes over."),
        (
            [replace(ALIVE, run_id="b", created=NOW - 6 * MINUTE), replace(ALIVE, tags={})],
            False,
            "2 runs for more than 5 minutes: the older one does not hand over; terminate one of them.",
        ),
    ],
)
def test_one_stream_is_alive_and_a_successor_comes_when_it_is_time(
    runs: list[StreamRun], is_due: bool, why: str
) -> None:
    assert due(runs, "f", DAY, NOW) == (is_due, why)


def test_a_run_that_does_not_report_is_silent() -> None:
    assert not replace(ALIVE, reported=NOW - 5 * MINUTE).is_silent(NOW)
    assert replace(ALIVE, reported=NOW - 6 * MINUTE).is_silent(NOW)
    assert ALIVE.is_silent(NOW)  # an hour without a report
    assert not replace(ALIVE, started=NOW - 4 * MINUTE).is_silent(NOW)  # its first one takes a while
    assert not replace(ALIVE, started=None).is_silent(NOW)
    assert not replace(ALIVE, is_canceling=True).is_silent(NOW)


def test_starts_that_fail_at_once_become_rarer() -> None:
    second = timedelta(seconds=1)
    assert [pause_after([second] * count).total_seconds() for count in range(8)] == [0, 0, 30, 60, 120, 240, 300, 300]
    assert pause_after([second, HOUR, second]) == timedelta()
    assert pause_after([None, None, HOUR]) == timedelta(seconds=30)


def _sensed(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    home: Path,
    shared_warehouse: Warehouse,
    watched_seconds: float = 0,
) -> tuple[list[dg.RunRequest], str]:
    [sensor] = stream_sensors(watched_seconds)
    context = dg.build_sensor_context(
        instance=instance,
        repository_def=definitions.get_repository_def(),
        resources={"universe_file": UniverseFile(home / "universe.yaml", shared_warehouse)},
    )
    tick = sensor.evaluate_tick(context)
    return list(tick.run_requests or []), tick.skip_message or ""


def _begun(definitions: dg.Definitions, instance: dg.DagsterInstance, status: dg.DagsterRunStatus) -> dg.DagsterRun:
    """As if somebody had started it by hand."""
    job = definitions.resolve_job_def(STREAM_JOB)
    return instance.create_run_for_job(job, status=status, tags=job.run_tags)


def test_the_sensor_keeps_one_run_alive(
    definitions: dg.Definitions, instance: dg.DagsterInstance, home: Path, shared_warehouse: Warehouse
) -> None:
    [request], _ = _sensed(definitions, instance, home, shared_warehouse)
    followed = followed_digest(parse_universe(UNIVERSE, "u.yaml"))
    assert request.run_key is None
    assert (request.tags[CODE_TAG], request.tags[FOLLOWED_TAG]) == (CODE, followed)
    run = _begun(definitions, instance, dg.DagsterRunStatus.STARTED)
    # It is known by its code, is not retried, and passes what waits.
    assert {CODE_TAG: CODE, "dagster/max_retries": "0", "dagster/priority": "10"}.items() <= run.tags.items()
    assert _sensed(definitions, instance, home, shared_warehouse) == ([], f"Run {run.run_id[:8]} is at work.")
    instance.add_run_tags(run.run_id, {CODE_TAG: "older"})
    [request], _ = _sensed(definitions, instance, home, shared_warehouse)
    second = _begun(definitions, instance, dg.DagsterRunStatus.NOT_STARTED)
    assert _sensed(definitions, instance, home, shared_warehouse) == ([], f"Run {second.run_id[:8]} takes over.")
    for one in (run, second):
        instance.delete_run(one.run_id)
    (home / "universe.yaml").write_text(UNIVERSE.replace("venues: [gate]", "venues: [mexc, okx]"))
    requests, why = _sensed(definitions, instance, home, shared_warehouse)
    assert (requests, why) == ([], "The universe has no market of stream.venues (mexc, okx): nothing to follow.")


def test_a_run_that_dies_while_the_sensor_looks_is_replaced_in_the_same_look(
    definitions: dg.Definitions, instance: dg.DagsterInstance, home: Path, shared_warehouse: Warehouse
) -> None:
    run = _begun(definitions, instance, dg.DagsterRunStatus.STARTED)
    dies = threading.Timer(0.3, instance.report_run_failed, [run])
    dies.start()
    try:
        # A look that lasts a minute ends as soon as there is something to do.
        requests, why = _sensed(definitions, instance, home, shared_warehouse, watched_seconds=60)
    finally:
        dies.join()
    assert (len(requests), why) == (1, "")


def test_a_run_whose_worker_went_with_its_machine_is_given_up(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    home: Path,
    shared_warehouse: Warehouse,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lost = _begun(definitions, instance, dg.DagsterRunStatus.NOT_STARTED)
    with monkeypatch.context() as patched:  # Dagster writes down when a run starts by this clock
        hour_ago = time.time() - 3600
        patched.setattr(time, "time", lambda: hour_ago)
        instance.report_dagster_event(
            dg.DagsterEvent(dg.DagsterEventType.PIPELINE_START.value, STREAM_JOB), lost.run_id
        )
    requests, _ = _sensed(definitions, instance, home, shared_warehouse)
    assert len(requests) == 1
    run = instance.get_run_by_id(lost.run_id)
    assert run is not None
    assert run.status == dg.DagsterRunStatus.CANCELING
    # Until the monitoring has ended it, no other one is asked for.
    assert _sensed(definitions, instance, home, shared_warehouse)[0] == []


def test_the_end_of_the_pipeline_ends_streams_that_wait_or_have_no_worker(
    definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    run = _begun(definitions, instance, dg.DagsterRunStatus.NOT_STARTED)
    assert end_streams(instance, patience_seconds=0.1) == 1
    ended = instance.get_run_by_id(run.run_id)
    assert ended is not None
    assert ended.status in {dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED}
    instance.report_run_canceled(ended)
    assert end_streams(instance) == 0


def test_the_sensor_waits_after_starts_that_failed_at_once(
    definitions: dg.Definitions, instance: dg.DagsterInstance, home: Path, shared_warehouse: Warehouse
) -> None:
    for expected in (1, 0):  # after the first one at once, after the second one not
        run = _begun(definitions, instance, dg.DagsterRunStatus.STARTED)
        instance.report_run_failed(run)
        requests, why = _sensed(definitions, instance, home, shared_warehouse)
        assert len(requests) == expected
    assert why.startswith("The last runs failed at once; the next one starts at ")
