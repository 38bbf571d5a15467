"""What only Dagster can tell becomes alerts, and the sensor's tick tells them, without a secret anywhere."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange
from dagster._core.test_utils import create_run_for_test
from pydantic import SecretStr

from crypto_assets import alert_automation
from crypto_assets.alert_automation import (
    FINDERS,
    DagsterLook,
    alert_sensors,
    failed_checks,
    failed_runs,
    look_around,
    run_subject,
    stale_assets,
)
from crypto_assets.alerts import memory
from crypto_assets.alerts.alert import FAILED_RUN, STALE_ASSET, Alert, Severity
from crypto_assets.alerts.post import AlertPost
from crypto_assets.resources import UniverseFile
from crypto_assets.stream_runs import STREAM_JOB
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.alerts.receiver import PASSWORD, TOKEN, receiving
from crypto_assets_tests.playing import shipped_universe

UI = "http://127.0.0.1:3000"
UNIVERSE = "history_from: 2026-01-01\nvenues: {gate: {markets: [BTC/USDT]}}\n"
BARS = dg.AssetKey(["market", "ohlcv"])


@pytest.fixture
def warehouse(shared_warehouse: Warehouse) -> Warehouse:
    with shared_warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM ops.alerts; DELETE FROM ops.alert_messages; DELETE FROM ops.writes")
    return shared_warehouse


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def _look(instance: dg.DagsterInstance, warehouse: Warehouse, checks: Sequence[dg.AssetCheckKey] = ()) -> DagsterLook:
    return DagsterLook(warehouse, shipped_universe(), datetime.now(UTC), instance, checks, [BARS])


def _job(name: str = "collect_ohlcv", *, fails: bool) -> dg.JobDefinition:
    @dg.op
    def work() -> None:
        if fails:
            raise dg.Failure("3 of 3 markets failed, first: gate refused the key")

    @dg.job(name=name)
    def made() -> None:
        work()

    return made


def _run(
    instance: dg.DagsterInstance, tags: dict[str, str] | None = None, *, fails: bool, name: str = "collect_ohlcv"
) -> str:
    job = _job(name, fails=fails)
    return job.execute_in_process(instance=instance, tags=tags or {}, raise_on_error=False).run_id


def test_a_run_that_failed_for_good_is_an_alert_until_the_same_succeeds(
    instance: dg.DagsterInstance, warehouse: Warehouse
) -> None:
    march, april = ({"dagster/partition": f"2026-{month}-01|gate"} for month in ("03", "04"))
    failed = _run(instance, march, fails=True)
    _run(instance, april, fails=True)
    _run(instance, {"dagster/partition": "x", "dagster/will_retry": "true"}, fails=True)
    _run(instance, fails=True, name=STREAM_JOB)
    _run(instance, fails=False)
    found = {one.subject: one for one in failed_runs(_look(instance, warehouse))}
    assert set(found) == {"collect_ohlcv 2026-03-01|gate", "collect_ohlcv 2026-04-01|gate"}
    alert = found["collect_ohlcv 2026-03-01|gate"]
    assert (alert.path, alert.happened) == (f"/runs/{failed}", "3 of 3 markets failed, first: gate refused the key")
    assert failed[:8] in alert.way_out
    _run(instance, march, fails=False)
    assert [one.subject for one in failed_runs(_look(instance, warehouse))] == ["collect_ohlcv 2026-04-01|gate"]
    newest = _run(instance, april, fails=True)
    assert [one.path for one in failed_runs(_look(instance, warehouse))] == [f"/runs/{newest}"]


def test_a_run_without_a_job_is_named_by_its_assets(instance: dg.DagsterInstance, warehouse: Warehouse) -> None:
    @dg.asset(key=BARS)
    def ohlcv() -> None:
        raise ValueError("no\x00 bars\x07")

    dg.materialize([ohlcv], instance=instance, raise_on_error=False)
    [found] = failed_runs(_look(instance, warehouse))
    assert found.subject == "a run of everything"
    assert found.body().startswith("ValueError: no  bars\n")


def test_failed_checks_are_alerts_each_and_warnings_one(instance: dg.DagsterInstance, warehouse: Warehouse) -> None:
    told = {"key_is_unique": (False, "ERROR"), "few_anomalies": (False, "WARN"), "jump_within_bound": (True, "ERROR")}

    @dg.asset(key=BARS, check_specs=[dg.AssetCheckSpec(name, asset=BARS) for name in told])
    def ohlcv() -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        yield dg.MaterializeResult()
        for name, (passed, severity) in told.items():
            yield dg.AssetCheckResult(
                passed=passed, check_name=name, severity=dg.AssetCheckSeverity(severity), description=f"{name} says so"
            )

    keys = [dg.AssetCheckKey(BARS, name) for name in told]
    assert failed_checks(_look(instance, warehouse, keys)) == []
    dg.materialize([ohlcv], instance=instance)
    error, warning = failed_checks(_look(instance, warehouse, keys))
    assert (error.subject, error.severity, error.happened) == (
        "market/ohlcv key_is_unique", Severity.CRITICAL, "key_is_unique says so"
    )  # fmt: skip
    assert error.path == "/assets/market/ohlcv?view=checks&checkDetail=key_is_unique"
    assert (warning.subject, warning.severity, warning.happened) == (
        "warnings", Severity.NOTICE, "market/ohlcv few_anomalies."
    )  # fmt: skip
    told.update(key_is_unique=(True, "ERROR"), few_anomalies=(True, "WARN"))
    dg.materialize([ohlcv], instance=instance)
    assert failed_checks(_look(instance, warehouse, keys)) == []


def test_a_venue_that_holds_ends_no_failure_of_another(instance: dg.DagsterInstance, warehouse: Warehouse) -> None:
    told = {"gate": (False, "ERROR"), "mexc": (True, "ERROR")}
    venues = dg.MultiPartitionsDefinition(
        {"month": dg.StaticPartitionsDefinition(["2026-03-01"]), "venue": dg.StaticPartitionsDefinition(list(told))}
    )
    key = dg.AssetCheckKey(BARS, "newest_bar_is_recent")

    @dg.asset(key=BARS, partitions_def=venues, check_specs=[dg.AssetCheckSpec(key.name, asset=BARS)])
    def ohlcv(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        venue = context.partition_key.rpartition("|")[2]
        passed, severity = told[venue]
        yield dg.MaterializeResult()
        yield dg.AssetCheckResult(
            passed=passed, check_name=key.name, severity=dg.AssetCheckSeverity(severity), description=f"{venue} is late"
        )

    def judge(venue: str) -> list[tuple[str, Severity]]:
        dg.materialize([ohlcv], instance=instance, partition_key=f"2026-03-01|{venue}")
        return [(one.happened, one.severity) for one in failed_checks(_look(instance, warehouse, [key]))]

    gate = [("gate is late", Severity.CRITICAL)]
    assert judge("gate") == gate
    assert judge("mexc") == gate
    told["mexc"] = (False, "WARN")  # one that warns hides none of severity error
    assert judge("mexc") == gate
    told["gate"] = (True, "ERROR")
    assert judge("gate") == [("market/ohlcv newest_bar_is_recent.", Severity.NOTICE)]
    told["mexc"], told["gate"] = (True, "ERROR"), (False, "ERROR")
    judge("gate")
    assert judge("mexc") == gate
    look = replace(_look(instance, warehouse, [key]), now=datetime.now(UTC) + timedelta(hours=27))
    assert failed_checks(look) == []  # nobody has judged the venue since: it was taken out
    told["mexc"] = (False, "ERROR")
    judge("mexc")
    assert [one.happened for one in failed_checks(look)] == ["mexc is late"]  # the newest word counts for ever


def _made_up(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus, tags: dict[str, str] | None = None,
    *, name: str = "__ASSET_JOB", asset: str = "ohlcv",
) -> None:  # fmt: skip
    """A run that ended so, of an asset."""
    chosen = frozenset({dg.AssetKey(["market", asset])})
    create_run_for_test(instance, job_name=name, status=status, tags=tags or {}, asset_selection=chosen)


def test_a_run_that_was_made_good_stays_so_whatever_succeeds_later(
    instance: dg.DagsterInstance, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alert_automation, "_PAGE", 3)
    march, may = ({f"dagster/asset_partition_range_{end}": f"2026-0{month}-01|gate" for end in ("start", "end")}
                  for month in (3, 5))  # fmt: skip
    success, failure = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE
    for tags in ({}, march):
        _made_up(instance, failure, tags)
        for _ in range(7):
            _made_up(instance, success, may, asset="labels")
    assert [one.subject for one in failed_runs(_look(instance, warehouse))] == [
        "market/ohlcv 2026-03-01|gate", "market/ohlcv"
    ]  # fmt: skip
    _made_up(instance, success)
    monkeypatch.setattr(alert_automation, "_MOST_RUNS", 16)
    for _ in range(20):
        _made_up(instance, success, may, asset="labels")
    _made_up(instance, success, march)
    assert failed_runs(_look(instance, warehouse)) == []


def test_every_failed_run_of_the_week_is_read_or_nobody_can_tell(
    instance: dg.DagsterInstance, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alert_automation, "_PAGE", 3)
    monkeypatch.setattr(alert_automation, "_MOST_RUNS", 4)
    failure = dg.DagsterRunStatus.FAILURE
    for number in range(4):
        _made_up(instance, failure, {"dagster/partition": str(number)})
    for _ in range(9):  # neither is read as one of those
        _made_up(instance, failure, name=STREAM_JOB)
        _made_up(instance, failure, {"dagster/will_retry": "true"})
    finders = [(FAILED_RUN, failed_runs)]
    assert look_around(_look(instance, warehouse), UI, finders) == {"failed_run": 4}
    _made_up(instance, failure, {"dagster/partition": "4"})
    assert look_around(_look(instance, warehouse), UI, finders) == {"blind": 1, "failed_run": 4}


def test_an_asset_that_freshness_calls_failed_is_stale(tmp_path: Path, warehouse: Warehouse) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        for state in (FreshnessState.WARN, FreshnessState.FAIL):
            assert stale_assets(_look(instance, warehouse)) == []
            change = FreshnessStateChange(
                key=BARS, previous_state=FreshnessState.PASS, new_state=state,
                state_change_timestamp=datetime.now(UTC).timestamp(),
            )  # fmt: skip
            instance.report_runless_asset_event(change)
        [found] = stale_assets(_look(instance, warehouse))
    assert (found.subject, found.path) == ("market/ohlcv", "/assets/market/ohlcv?view=events")


def test_a_kind_that_cannot_be_looked_for_is_an_alert_and_ends_no_other(
    instance: dg.DagsterInstance, warehouse: Warehouse
) -> None:
    def broken(look: DagsterLook) -> list[Alert]:
        raise ValueError(f"secret {TOKEN}")

    _run(instance, fails=True)
    assert look_around(_look(instance, warehouse), UI, [(FAILED_RUN, failed_runs)]) == {"failed_run": 1}
    both = [(FAILED_RUN, broken), (STALE_ASSET, lambda _look: [])]
    assert look_around(_look(instance, warehouse), UI, both) == {"blind": 1, "failed_run": 1}
    assert TOKEN not in str(memory.remembered(warehouse, with_over=True).to_dict())
    assert look_around(_look(instance, warehouse), UI, [(FAILED_RUN, failed_runs)]) == {"failed_run": 1}


type Tick = Callable[[SecretStr | None], str]


@pytest.fixture
def tick(instance: dg.DagsterInstance, warehouse: Warehouse, tmp_path: Path) -> Tick:
    """A tick of the real sensor; what it says."""
    (tmp_path / "universe.yaml").write_text(UNIVERSE)
    universe = UniverseFile(tmp_path / "universe.yaml", warehouse)

    def evaluate(urls: SecretStr | None) -> str:
        [sensor] = alert_sensors()
        given = {"warehouse": warehouse, "universe_file": universe, "alert_post": AlertPost(urls, UI, "sandbox")}
        with dg.build_sensor_context(instance=instance, resources=given, repository_def=_repository()) as context:
            done = sensor.evaluate_tick(context)
        assert not done.run_requests
        assert done.cursor == f"{datetime.now(UTC):%Y-%m-%dT%H}"
        return done.skip_message or ""

    return evaluate


def _repository() -> dg.RepositoryDefinition:
    @dg.asset(key=BARS, freshness_policy=dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=2)))
    def ohlcv() -> None: ...

    return dg.Definitions(assets=[ohlcv]).get_repository_def()


def test_a_tick_remembers_without_an_address_and_tells_with_one_and_no_secret_leaks(
    tick: Tick, instance: dg.DagsterInstance, warehouse: Warehouse, capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    _run(instance, {"dagster/partition": "2026-03-01|gate"}, fails=True)
    told = tick(None)
    assert told.startswith("Open: 1 failed_run. No address is set (CRYPTO_ASSETS_ALERT_URLS)")
    with receiving() as receiver:
        receiver.refused.add("down")
        both = SecretStr(f"{receiver.url('up')} {receiver.url('down')}")
        failing = tick(both)
        receiver.refused.clear()
        assert tick(both) == "Open: 1 failed_run. Told: 1 in 1 messages."
        assert tick(both) == "Open: 1 failed_run. Told: 0 in 0 messages."
        titles = ["crypto_assets (sandbox): collect_ohlcv 2026-03-01|gate failed"]
        assert (receiver.titles("up"), receiver.titles("down")) == (titles, titles)
        assert f"{UI}/runs/" in receiver.got[0][1]["message"]
        assert "1 wait. json://127.0.0.1:" in failing
        assert "did not take it" in failing
    seen = (
        f"{told} {failing} {caplog.text} {capfd.readouterr()} {memory.remembered(warehouse, with_over=True).to_dict()}"
    )
    with warehouse.connect() as connection, connection.cursor() as cursor:
        for table in ("alerts", "alert_messages", "writes"):
            cursor.execute(f"SELECT t::text FROM ops.{table} AS t")  # noqa: S608 - constants
            seen += str(cursor.fetchall())
    assert TOKEN not in seen
    assert PASSWORD not in seen


def test_the_sensor_runs_by_default_and_every_kind_has_its_finder() -> None:
    [sensor] = alert_sensors()
    assert (sensor.name, sensor.minimum_interval_seconds) == ("alerts", 60)
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert len({kind.name for kind, _ in FINDERS}) == len(FINDERS) == 7


def test_old_notes_of_writes_go_once_an_hour(tick: Tick, warehouse: Warehouse) -> None:
    old = datetime.now(UTC) - timedelta(days=31)
    with warehouse.connect() as connection, connection.cursor() as cursor:
        for moment in (old, old + timedelta(days=2)):
            cursor.execute(
                "INSERT INTO ops.writes (table_name, rows_ingested_at, rows_inserted, rows_changed, rows_deleted, written_at)"
                " VALUES ('a.b', %s, 1, 0, 0, %s)",
                (moment, moment),
            )
    tick(None)
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM ops.writes WHERE table_name = 'a.b'")
        assert cursor.fetchone() == (1,)


@pytest.mark.parametrize(
    ("assets", "subject"),
    [
        (["b/c", "a/b"], "a/b, b/c 2026-03-01|gate"),
        (list("abcdefg"), "a, b, c, d, e and more 2026-03-01|gate"),
    ],
    ids=["few", "many"],
)
def test_a_run_that_somebody_chose_is_named_by_its_first_assets(assets: list[str], subject: str) -> None:
    chosen = frozenset(dg.AssetKey(name.split("/")) for name in assets)
    run = dg.DagsterRun(
        job_name="__ASSET_JOB", run_id="x", asset_selection=chosen, tags={"dagster/partition": "2026-03-01|gate"}
    )
    assert run_subject(run) == subject
