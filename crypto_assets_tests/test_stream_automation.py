"""The stream under Dagster: what becomes of its reports, how its run ends, what keeps it alive, and who closes hours."""

import logging
import os
import shutil
import signal
import sys
import textwrap
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from pydantic import SecretStr

from crypto_assets.datasets.market.book_ticker_snapshots.asset import IS_FINAL
from crypto_assets.datasets.market.book_ticker_snapshots.checks import RULES
from crypto_assets.datasets.models.predictions.report_forecasts import ReportForecasts
from crypto_assets.datasets.models.predictions.table import predictions
from crypto_assets.definitions import build_definitions
from crypto_assets.forecasting.artefacts import Store
from crypto_assets.partitions import hour_key
from crypto_assets.resources import UniverseFile
from crypto_assets.settings import Settings
from crypto_assets.stream_automation import SUMS, book_ticker_stream_job, is_closed, stream_schedules
from crypto_assets.stream_child import COMMAND, Report, StreamChild, parse_report, variables_of
from crypto_assets.stream_runs import QUOTES
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.market.book_ticker_hours.quotes import (
    HOUR,
    Second,
    at,
    every_second,
    held,
    put_quotes,
    without_quotes,
)
from crypto_assets_tests.datasets.models.predictions.stage import GAS_1H, crown, forget, put_fees, rows_of

UNIVERSE = """
history_from: 2026-01-01
venues: {gate: {markets: [BTC/USDT]}, binance: {markets: [BTC/USDT]}}
stream: {venues: [gate], max_age_hours: 24}
"""
START = at("2026-03-02 10:00")
KEY, NEXT = "2026-03-02-10:00", "2026-03-02-11:00"
NOW = datetime(2026, 5, 20, 12, 2, tzinfo=UTC)
UNREACHABLE = Warehouse(SecretStr("postgresql://nobody@127.0.0.1:1/nothing"))
# What the real one does with its input and with SIGTERM.
CHILD = """
    import json, os, signal, sys, threading

    def say(event, **told):
        os.write(1, (json.dumps({"event": event, **told}) + chr(10)).encode())

    def leave(why):
        say("minute", hour="2026-03-02-11:00", rows=61)
        say("ended", why=why)
        os._exit(0)

    signal.signal(signal.SIGTERM, lambda *_: leave("asked to by SIGTERM"))
"""


@pytest.fixture
def warehouse(shared_warehouse: Warehouse) -> Warehouse:
    """The module's database without any quote: emptying it takes a tenth of making another."""
    without_quotes(shared_warehouse)
    with shared_warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM quality.scores")
    return shared_warehouse


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "universe.yaml").write_text(UNIVERSE)
    return tmp_path


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        yield instance


def _run(
    instance: dg.DagsterInstance, home: Path, warehouse: Warehouse, script: str, *, run_id: str | None = None
) -> dg.ExecuteInProcessResult:
    """The real job around a child that says what the script says."""
    command = (sys.executable, "-c", textwrap.dedent(CHILD) + textwrap.dedent(script))
    given = {
        "warehouse": warehouse,
        "universe_file": UniverseFile(home / "universe.yaml", warehouse),
        "book_ticker_child": StreamChild({}, command, stop_seconds=5),
        "report_forecasts": ReportForecasts(str(home / "models")),
    }
    return book_ticker_stream_job.execute_in_process(
        instance=instance, resources=given, raise_on_error=False, run_id=run_id
    )


def _told(instance: dg.DagsterInstance) -> list[tuple[str | None, Mapping[str, object]]]:
    """Hours of quotes that were materialized, oldest first, with what they show."""
    records = instance.fetch_materializations(QUOTES, limit=100, ascending=True).records
    events = [one.asset_materialization for one in records]
    return [(one.partition, {name: value.value for name, value in one.metadata.items()}) for one in events if one]


def _failure(result: dg.ExecuteInProcessResult) -> str:
    [event] = [event for event in result.all_events if event.is_step_failure]
    data = event.step_failure_data
    return str(data.user_failure_data.description if data.user_failure_data else data.error)


def test_lines_of_the_child_are_reports_or_kept_as_they_are() -> None:
    line = '{"event": "minute", "hour": "2026-03-02-10:00", "rows": 3, "jitter_ms_p50": null}\n'
    assert parse_report(line) == Report("minute", KEY, {"rows": 3, "jitter_ms_p50": None})
    assert parse_report('{"event": "ready"}') == Report("ready", "", {})
    for other in ("Traceback (most recent call last):\n", "[1, 2]", '{"event": 7}', "", "{"):
        assert parse_report(other) == Report("", "", {"line": other.rstrip()})


def test_the_child_is_told_the_profile_and_never_shows_its_password(home: Path, warehouse: Warehouse) -> None:
    url = "http://127.0.0.1:8899"
    settings = Settings(
        home=home, profile="sandbox", universe=home / "universe.yaml", warehouse_url=warehouse.url, sandbox_url=url
    )
    told = variables_of(settings)
    assert told == {
        "CRYPTO_ASSETS_HOME": str(home),
        "CRYPTO_ASSETS_PROFILE": "sandbox",
        "CRYPTO_ASSETS_UNIVERSE": str(home / "universe.yaml"),
        "CRYPTO_ASSETS_WAREHOUSE_URL": warehouse.url.get_secret_value(),
        "CRYPTO_ASSETS_SANDBOX_URL": url,
    }
    child = StreamChild({"CRYPTO_ASSETS_WAREHOUSE_URL": "postgresql://u:canary@h/d"})
    assert "canary" not in repr(child)
    assert child.command == COMMAND
    assert {"--report", "--end-with-input", "--take-over"} <= set(COMMAND)


def test_reports_become_materializations_and_an_hours_end_brings_its_checks(
    instance: dg.DagsterInstance, home: Path, warehouse: Warehouse
) -> None:
    put_quotes(warehouse, every_second(START, 7200, Second(START)))
    script = """
        say("ready", pid=1)
        say("minute", hour="2026-03-02-10:00", rows=60, completeness=1.0, jitter_ms_p50=None, lost=0)
        print("a word of a library", flush=True)
        say("hour", hour="2026-03-02-10:00", rows=3600, completeness=1.0, jitter_ms_p50=0.4, lost=2)
        say("minute", hour="2026-03-02-11:00", rows=60)
        say("hour", hour="2026-03-02-11:00", rows=3600)
        say("ended", why="handed over")
    """
    result = _run(instance, home, warehouse, script)
    assert result.success
    told = _told(instance)
    rows = [(hour, one["dagster/row_count"], one[IS_FINAL]) for hour, one in told]
    assert rows == [(KEY, 60, False), (KEY, 3600, True), (NEXT, 60, False), (NEXT, 3600, True)]
    closing = told[1][1]
    # What the stream measured, and what was counted in the table.
    assert (closing["jitter_ms_p50"], closing["lost"]) == (0.4, 2)
    assert (closing["rows_due"], closing["rows_absent"]) == (3600, 0)
    assert is_closed(instance, KEY)
    for rule in RULES:
        key = dg.AssetCheckKey(QUOTES, rule.name)
        history = instance.event_log_storage.get_asset_check_execution_history(key, limit=10)
        # One for each hour, although one run made both.
        assert [(one.partition, one.status.value) for one in history] == [(NEXT, "SUCCEEDED"), (KEY, "SUCCEEDED")]
        assert {one.run_id for one in history} == {result.run_id}
    scores = "SELECT window_start, checks ? 'seconds_complete', overall FROM quality.scores ORDER BY 1"
    assert held(warehouse, scores) == [(START, True, 1.0), (START + HOUR, True, 1.0)]


def test_an_hour_with_a_hole_is_named_in_the_ledger_when_it_closes(
    instance: dg.DagsterInstance, home: Path, warehouse: Warehouse
) -> None:
    put_quotes(
        warehouse, [*every_second(START, 100, Second(START)), *every_second(START + HOUR / 2, 1800, Second(START))]
    )
    _run(instance, home, warehouse, f"say('hour', hour='{KEY}', rows=1900)")
    [(_, told)] = _told(instance)
    assert (told["rows_absent"], told["ledger_rows_written"]) == (1700, 1)


@pytest.mark.parametrize(("code", "success"), [(0, True), (3, True), (1, False), (2, False)])
def test_how_the_child_ends_decides_how_the_run_ends(
    instance: dg.DagsterInstance, home: Path, code: int, success: bool
) -> None:
    script = f"say('ended', why='the disk is full'); sys.exit({code})"
    result = _run(instance, home, UNREACHABLE, script)
    assert result.success is success
    if not success:
        assert _failure(result) == f"The stream ended with code {code}: the disk is full"


def test_a_stream_that_had_worked_and_dies_is_followed_by_another_in_the_same_run(
    instance: dg.DagsterInstance, home: Path, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crypto_assets.stream_automation.SHORT_LIFE", timedelta())
    mark = home / "killed"
    script = f"""
        import os, pathlib, signal
        mark = pathlib.Path({str(mark)!r})
        if mark.exists():
            say("ended", why="handed over")
        else:
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    """
    result = _run(instance, home, warehouse, script)
    assert result.success
    said = [event.message for event in instance.all_logs(result.run_id)]
    assert sum("The stream is process" in one for one in said) == 2
    assert any("ended with code -9. The next one starts at once." in one for one in said)


def test_a_database_that_is_away_leaves_the_stream_running_and_the_hour_open(
    instance: dg.DagsterInstance, home: Path
) -> None:
    script = f"""
        say("minute", hour="{KEY}", rows=60)
        say("hour", hour="{KEY}", rows=3600)
        say("minute", hour="{NEXT}", rows=60)
    """
    assert _run(instance, home, UNREACHABLE, script).success
    assert [hour for hour, _ in _told(instance)] == [KEY, NEXT]
    assert not is_closed(instance, KEY)


def test_champions_speak_at_each_minutes_report_and_their_trouble_ends_no_run(
    instance: dg.DagsterInstance, home: Path, warehouse: Warehouse
) -> None:
    script = f"""
        say("ready", pid=1)
        say("minute", hour="{KEY}", rows=60)
        say("minute", hour="{KEY}", rows=120)
        say("ended", why="handed over")
    """
    quiet = _run(instance, home, warehouse, script)
    assert quiet.success
    said = [event.message for event in instance.all_logs(quiet.run_id)]
    assert not [one for one in said if "redict" in one]  # nobody is champion
    try:
        put_fees(warehouse)
        store = Store(home / "models")
        crown(warehouse, store, GAS_1H)
        sound = _run(instance, home, warehouse, script)
        assert sound.success
        [row] = rows_of(warehouse, predictions).to_dict("records")
        assert (row["model"], row["series"]) == ("gas_1h", "fees")
        [told] = [one.message for one in instance.all_logs(sound.run_id) if "new predictions" in one.message]
        assert told.startswith("1 new predictions by 1 champions; the slowest took ")
        shutil.rmtree(home / "models")
        broken = _run(instance, home, warehouse, script)
        assert broken.success
        warnings = [one.message for one in instance.all_logs(broken.run_id) if one.level == logging.WARNING]
        [told] = [one for one in warnings if "redict" in one]
        assert told.startswith("Not predicted: gas_1h: The artefact ")
        assert [rows for _, one in _told(instance) for rows in [one["dagster/row_count"]]] == [60, 120] * 3
    finally:
        forget(warehouse)


def test_terminating_the_run_ends_the_child_in_order_and_cancels_the_run(
    instance: dg.DagsterInstance, home: Path
) -> None:
    run_id = "11111111-2222-4333-8444-555555555555"
    heard = home / "pid"
    script = f"""
        open({str(heard)!r}, "w").write(str(os.getpid()))
        say("minute", hour="{NEXT}", rows=60)
        sys.stdin.read()
        leave("who started it is gone")
    """

    def terminate() -> None:
        """As the web UI does it: the run is marked, its process gets a signal."""
        while not _told(instance):
            threading.Event().wait(0.02)
        run = instance.get_run_by_id(run_id)
        assert run is not None
        instance.report_run_canceling(run)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=terminate)
    thread.start()
    result = _run(instance, home, UNREACHABLE, script, run_id=run_id)
    thread.join()
    assert not result.success
    run = instance.get_run_by_id(run_id)
    assert run is not None
    assert run.status == dg.DagsterRunStatus.CANCELED
    # What the child said on its way out was heard.
    assert [told["dagster/row_count"] for _, told in _told(instance)] == [60, 61]
    assert not Path(f"/proc/{heard.read_text()}").exists()


def test_a_child_that_does_not_end_is_killed(instance: dg.DagsterInstance, home: Path) -> None:
    command = (
        sys.executable,
        "-c",
        "import signal,time\nsignal.signal(15, signal.SIG_IGN)\nprint('{}', flush=True)\ntime.sleep(60)",
    )
    with StreamChild({}, command, stop_seconds=0.2).running() as child:
        next(child.reports())
        assert child.last_reports() == []
        assert child.exit_code() == -signal.SIGKILL


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory, shared_warehouse: Warehouse) -> Iterator[dg.Definitions]:
    home = tmp_path_factory.mktemp("definitions")
    (home / "universe.yaml").write_text(UNIVERSE)
    settings = Settings(home=home, universe=home / "universe.yaml", warehouse_url=shared_warehouse.url)
    with dg.DagsterInstance.ephemeral():
        yield build_definitions(settings)


def _hours(
    definitions: dg.Definitions, instance: dg.DagsterInstance, now: datetime = NOW
) -> tuple[dict[str | None, set[str]], list[str | None], str]:
    """Hours that the schedule requests with what of each, run keys, and why not."""
    [schedule] = stream_schedules()
    context = dg.build_schedule_context(
        instance=instance, scheduled_execution_time=now, repository_def=definitions.get_repository_def()
    )
    tick = schedule.evaluate_tick(context)
    requests = tick.run_requests or []
    chosen = {one.partition_key: {key.path[-1] for key in one.asset_selection or ()} for one in requests}
    return chosen, [one.run_key for one in requests], tick.skip_message or ""


def _tell(instance: dg.DagsterInstance, asset: dg.AssetKey, hour: str, *, is_final: bool) -> None:
    instance.report_runless_asset_event(
        dg.AssetMaterialization(asset, partition=hour, metadata={IS_FINAL: dg.MetadataValue.bool(is_final)})
    )


def test_hours_are_added_up_and_those_that_nobody_closed_are_counted_anew(
    definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    assert _hours(definitions, instance) == ({}, [], "No stream has told of an hour yet.")
    closed, cut_off, open_now = (hour_key(NOW - back * HOUR) for back in (3, 2, 0))
    _tell(instance, QUOTES, closed, is_final=False)
    _tell(instance, QUOTES, closed, is_final=True)
    _tell(instance, QUOTES, cut_off, is_final=False)  # then the stream was gone, for the hour after as well
    _tell(instance, QUOTES, open_now, is_final=False)
    requests, keys, _ = _hours(definitions, instance)
    both = {QUOTES.path[-1], SUMS.path[-1]}
    assert requests == {closed: {SUMS.path[-1]}, cut_off: both, hour_key(NOW - HOUR): both}
    assert keys == [f"hour {hour}" for hour in requests]
    for hour in requests:
        assert hour is not None
        _tell(instance, QUOTES, hour, is_final=True)
        _tell(instance, SUMS, hour, is_final=True)
    assert _hours(definitions, instance) == ({}, [], "Every hour is closed and added up.")
    # Older hours than a day are left to whoever asks for them.
    assert min(_hours(definitions, instance, NOW + 48 * HOUR)[0], key=str) == hour_key(NOW + 24 * HOUR)
