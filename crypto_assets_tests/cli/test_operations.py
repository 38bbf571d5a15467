"""What status and doctor say of operating: a line of each thing, and what is wrong with its way out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from crypto_assets.cli.doctor_operations import operation_examinations
from crypto_assets.cli.status_operations import print_operations
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.scale_out import workers
from crypto_assets.settings import Settings
from crypto_assets.universe import Universe, parse_universe
from crypto_assets.warehouse.backup_log import FAILED, SUCCEEDED, BackupNote, write_note
from crypto_assets.warehouse.connection import Warehouse

NOW = datetime.now(UTC)
MINIMAL = "history_from: 2026-01-01\nvenues: {kraken: {markets: [BTC/USD]}}\n"


def _universe(more: str = "") -> Universe:
    return parse_universe(MINIMAL + more, "u.yaml")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", profile="test", alert_urls=None, redis_url=None)


def _found(settings: Settings, warehouse: Warehouse, universe: Universe) -> Iterator[tuple[str, str]]:
    for one in operation_examinations(settings, warehouse, universe):
        try:
            yield one.name, one.off or one.look()
        except CryptoAssetsError as error:
            yield one.name, f"NO {error.problem}"


def _states(printed: str) -> str:
    """The column of states, as one line: cells are wrapped."""
    cells = [line.split("│")[2].strip() for line in printed.splitlines() if line.count("│") == 4]
    return " ".join(cells)


def test_status_has_a_line_of_each_and_says_what_is_not_there_yet(
    settings: Settings, warehouse: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    print_operations(settings, warehouse, _universe(), NOW)
    said = _states(capsys.readouterr().out)
    for words in (
        "no quotes within five",
        "none yet, none by themselves",
        "nothing is open",
        "none trained yet",
        "GB a day",
    ):
        assert words in said, said
    at = NOW - timedelta(hours=30)
    write_note(warehouse, BackupNote(at, at, SUCCEEDED, "b1", "/somewhere", bytes=3 * 2**30))
    later = NOW - timedelta(hours=6)
    write_note(warehouse, BackupNote(later, later, FAILED, "", "/somewhere", error="the disk is full"))
    print_operations(settings, warehouse, _universe("backups: {every_hours: 24}\n"), NOW)
    assert "3.00 GB, one every 24 hours; the last one failed: the disk is full" in _states(capsys.readouterr().out)


def test_the_doctor_says_what_was_not_asked_for_and_leaves_nothing_behind(
    settings: Settings, warehouse: Warehouse
) -> None:
    found = dict(_found(settings, warehouse, _universe()))
    assert "GB free" in found["disk"]
    assert found["Redis"].startswith("not named")
    assert found["alerts"].startswith("no address is named")
    assert (found["broker"], found["workers"]) == ("not named; runs stay on this machine", "no broker is named")
    assert found["backups"] == "none yet, and none is asked for"
    for name in ("exports", "training sets", "backups", "models"):
        assert found[f"place of {name}"].endswith("can be written to")
    assert not [path for path in settings.home.rglob("*") if path.is_file()]


def test_the_doctor_finds_old_backups_closed_places_and_a_redis_that_is_away(
    settings: Settings, warehouse: Warehouse, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    at = NOW - timedelta(hours=31)
    write_note(warehouse, BackupNote(at, at, SUCCEEDED, "b1", "/somewhere"))
    changed = {
        "backup_store": str(tmp_path / "file" / "below"),
        "redis_url": SecretStr("redis://:canary@127.0.0.1:1/0"),
        "alert_urls": SecretStr("json://ada:canary@127.0.0.1:1/canary"),
    }
    universe = _universe("backups: {max_age_hours: 30}\n")
    found = dict(_found(settings.model_copy(update=changed), warehouse, universe))
    assert found["backups"].startswith("NO the newest is 1 d 7 h old")
    assert found["place of backups"].startswith("NO ")
    assert found["Redis"].startswith("NO ")
    assert "127.0.0.1:1" in found["Redis"]
    assert found["alerts"].startswith("1 named: json://127.0.0.1")
    assert not [line for line in found.values() if "canary" in line]


def test_a_broker_that_is_away_is_told_by_status_and_doctor(
    settings: Settings, warehouse: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("dagster_celery", reason="the extra [celery] is not installed")
    away = settings.model_copy(update={"broker_url": SecretStr("redis://:canary@127.0.0.1:1/1")})
    found = dict(_found(away, warehouse, _universe()))
    for name in ("broker", "workers"):
        assert found[name].startswith("NO Redis at 127.0.0.1:1 is away")
    print_operations(away, warehouse, None, NOW)
    said = capsys.readouterr().out
    assert "Redis at 127.0.0.1:1 is away" in _states(said)
    assert "canary" not in said


def test_a_broker_that_may_not_be_used_is_not_asked(settings: Settings, warehouse: Warehouse) -> None:
    pytest.importorskip("dagster_celery", reason="the extra [celery] is not installed")
    remote = settings.model_copy(update={"broker_url": SecretStr("redis://:canary@192.0.2.1:6379/1")})
    found = dict(_found(remote, warehouse, _universe()))
    for name in ("broker", "workers"):
        assert found[name].startswith("NO The broker 192.0.2.1:6379/1 is not on this machine")


def test_too_few_places_are_told_by_status_and_doctor(
    settings: Settings, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(workers, "find_workers", lambda _: [workers.CeleryWorker("first@a", 1, 2, ("runs",))])
    named = settings.model_copy(update={"broker_url": SecretStr("redis://127.0.0.1:1/1")})
    told = "1 answers, 1 of 2 runs at work, and max_concurrent_runs is 10"
    assert dict(_found(named, warehouse, _universe()))["workers"].startswith(f"NO {told}")
    print_operations(named, warehouse, None, NOW)
    assert told in _states(capsys.readouterr().out)
