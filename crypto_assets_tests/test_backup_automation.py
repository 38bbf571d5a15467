"""Backups come when they are due, a failed one comes again, and a check says when there is none that is young enough."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from crypto_assets.backup_automation import (
    back_up_everything,
    backup_is_recent,
    backup_schedules,
    judge,
    save_everything,
    whole,
)
from crypto_assets.definitions import build_definitions
from crypto_assets.resources import Backups, UniverseFile, backups_of
from crypto_assets.settings import Settings
from crypto_assets.warehouse.backup_catalog import origin_of
from crypto_assets.warehouse.backup_log import FAILED, SUCCEEDED, BackupNote, newest_notes, write_note
from crypto_assets.warehouse.backup_manifest import DatabaseKind
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.lease import lease
from crypto_assets_tests.warehouse.backing_up import by_hand

BOTH: Sequence[DatabaseKind] = ("data", "dagster")
UNIVERSE = "history_from: 2026-01-01\nvenues: {{gate: {{markets: [BTC/USDT]}}}}\nbackups: {}\n"


@pytest.fixture
def settings(warehouse: Warehouse, tmp_path: Path) -> Settings:
    (tmp_path / "universe.yaml").write_text(UNIVERSE.format("{every_hours: 24, keep: 1, max_age_hours: 30}"))
    return Settings(
        universe=tmp_path / "universe.yaml",
        home=tmp_path,
        warehouse_url=warehouse.url,
        dagster_url=warehouse.url,
        backup_store=str(tmp_path / "backups"),
    )


@pytest.fixture
def origin(warehouse: Warehouse) -> str:
    """What tells backups of this database from those of others."""
    with warehouse.connect() as connection, connection.cursor() as cursor:
        return origin_of(cursor)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


def told_at(settings: Settings, instance: dg.DagsterInstance, now: datetime) -> str:
    """What the schedule says at a moment: the run's reason, or why there is none."""
    assert settings.warehouse_url
    warehouse = Warehouse(settings.warehouse_url)
    [schedule] = backup_schedules()
    context = dg.build_schedule_context(
        instance=instance,
        scheduled_execution_time=now,
        resources={
            "warehouse": warehouse,
            "universe_file": UniverseFile(settings.universe_file, warehouse),
            "backups": backups_of(settings),
        },
    )
    told = schedule.evaluate_tick(context)
    [*requests] = told.run_requests or []
    return (
        f"run {requests[0].run_key}: {requests[0].tags['crypto_assets/because']}"
        if requests
        else str(told.skip_message)
    )


def kept(settings: Settings, place: Path, minute: int, kinds: Sequence[DatabaseKind] = BOTH) -> None:
    """A backup of 12:minute of 1 March that was made and verified."""
    assert settings.warehouse_url
    with Warehouse(settings.warehouse_url).connect() as connection, connection.cursor() as cursor:
        origin = origin_of(cursor)
    place.mkdir(exist_ok=True)
    name = by_hand(place, {"data/toc.dat": b"x"}, minute=minute, kinds=kinds, origin=origin)
    at = datetime(2026, 3, 1, 12, minute, tzinfo=UTC)
    write_note(Warehouse(settings.warehouse_url), BackupNote(at, at, SUCCEEDED, name, str(place)))


def test_a_backup_is_asked_for_when_the_last_is_old_enough_and_again_after_one_that_failed(
    settings: Settings, instance: dg.DagsterInstance, origin: str, tmp_path: Path
) -> None:
    assert settings.warehouse_url
    place = tmp_path / "backups"
    kept(settings, tmp_path / "stick", 50)  # taken by hand to another place: not one of these
    kept(settings, place, 55, ("data",))  # nor is one without Dagster's runs
    place.mkdir(exist_ok=True)
    by_hand(place, {"data/toc.dat": b"y"}, minute=58, kinds=BOTH, origin=origin)  # nor one that was not read back
    soon, later = (datetime(2026, 3, 2, hour, 40, tzinfo=UTC) for hour in (11, 12))
    assert told_at(settings, instance, soon) == "run 2026-03-02T11: there is none yet"
    kept(settings, place, 40)
    assert told_at(settings, instance, soon) == "The next backup is due at 2026-03-02 12:40 UTC."
    assert told_at(settings, instance, later) == "run 2026-03-02T12: the last was begun at 2026-03-01 12:40 UTC"
    write_note(Warehouse(settings.warehouse_url), BackupNote(later, later, FAILED, "", str(place), error="full"))
    told = told_at(settings, instance, later + timedelta(hours=1))
    assert told.endswith("begun at 2026-03-01 12:40 UTC; the try of 2026-03-02 12:40 UTC failed")
    instance.create_run_for_job(back_up_everything, status=dg.DagsterRunStatus.STARTED)
    assert told_at(settings, instance, later) == "The last backup is still at work."
    settings.universe.write_text(UNIVERSE.format("{every_hours: 0}"))
    assert told_at(settings, instance, later) == "No backups are asked for: backups.every_hours is 0."


def test_the_job_saves_both_databases_and_tells_of_each_table(settings: Settings) -> None:
    with dg.DagsterInstance.ephemeral():
        definitions = build_definitions(settings)
        assert "backups_when_due" in {one.name for one in definitions.schedules or ()}
        job = definitions.resolve_job_def("back_up")
        assert settings.warehouse_url
        warehouse = Warehouse(settings.warehouse_url)
        with lease(warehouse, "backup"), pytest.raises(dg.Failure, match="Another process is making a backup"):
            # By itself, for the job would try again a minute later: nothing is broken, and a later try goes through.
            save_everything(
                dg.build_op_context(),
                universe_file=UniverseFile(settings.universe_file, warehouse),
                backups=backups_of(settings),
            )
        result = job.execute_in_process()
    [event] = [one for one in result.all_node_events if one.event_type_value == "STEP_OUTPUT"]
    metadata = event.step_output_data.metadata
    tables = metadata["tables"]
    assert isinstance(tables, dg.TableMetadataValue)
    migrations = {
        one.data["database"]: one.data for one in tables.records if one.data["table"] == "ops._yoyo_migration"
    }
    assert migrations.keys() == {"data", "dagster"}
    assert migrations["data"]["rows"] == len(list((Path(__file__).parents[1] / "sql").glob("*.sql")))
    assert metadata["place"].value == str(settings.backup_place)
    assert metadata["rows"].value > 0
    [listed] = backups_of(settings).place.listed("live")
    assert (listed.name, listed.problem) == (metadata["name"].value, "")
    assert newest_notes(warehouse)[SUCCEEDED].name == listed.name


def test_the_check_fails_without_a_young_backup(
    settings: Settings, warehouse: Warehouse, origin: str, tmp_path: Path
) -> None:
    backups, universe = backups_of(settings), UniverseFile(settings.universe_file, warehouse)

    def checked(backups: Backups) -> tuple[bool, str]:
        told = backup_is_recent(universe_file=universe, backups=backups)
        assert isinstance(told, dg.AssetCheckResult)
        return told.passed, str(told.description)

    assert checked(backups) == (False, "There is no whole backup, and one of the last 30 hours is asked for.")
    (tmp_path / "backups").mkdir()
    # One without Dagster's runs, one of another machine with the same profile, and ours.
    by_hand(tmp_path / "backups", {"data/toc.dat": b"y"}, minute=30, kinds=("data",), origin=origin)
    by_hand(tmp_path / "backups", {"data/toc.dat": b"z"}, minute=40, kinds=BOTH)
    name = by_hand(tmp_path / "backups", {"data/toc.dat": b"x"}, kinds=BOTH, origin=origin)
    passed, told = checked(backups)
    assert not passed
    assert told.startswith(f"The newest, {name}, is ")
    settings.universe.write_text(UNIVERSE.format("{max_age_hours: 0}"))
    assert checked(backups) == (True, "No backup is asked for: backups.max_age_hours is 0.")


def test_a_damaged_backup_does_not_count_as_recent(settings: Settings, origin: str, tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    older, newer = (
        by_hand(tmp_path / "backups", {"data/toc.dat": b"x"}, minute=minute, kinds=BOTH, origin=origin)
        for minute in (0, 30)
    )
    (tmp_path / "backups" / newer / "data" / "toc.dat").unlink()
    backups = backups_of(settings)
    held = whole(backups.place.listed(), backups.saved)
    now = datetime(2026, 3, 1, 14, 0, tzinfo=UTC)
    assert judge(held, 2, now) == (True, f"The newest, {older}, is 2.0 hours old; 2 are allowed.")
    assert judge(held, 1, now)[0] is False
