"""`crypto-assets backup` and `restore` as they are typed; a killed backup leaves the older ones; secrets stand nowhere."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psutil
import psycopg2
import pytest
from click.testing import Result
from sqlalchemy import make_url
from typer.testing import CliRunner

from crypto_assets.cli.console import NOTICES, OUT
from crypto_assets.cli.main import app
from crypto_assets.warehouse.backup_place import BackupPlace
from crypto_assets.warehouse.connection import Warehouse, ensure_database
from crypto_assets.warehouse.postgres_binaries import find_binaries
from crypto_assets_tests.warehouse.backing_up import fetched, fill, name_of_none

ROOT = Path(__file__).parents[2]
UNIVERSE = "history_from: 2026-01-01\nvenues: {gate: {markets: [BTC/USDT]}}\nbackups: {keep: 2, jobs: 1}\n"
RUNS = "CREATE TABLE runs (id int PRIMARY KEY); INSERT INTO runs SELECT generate_series(1, 3)"

type Run = Callable[..., Result]


@pytest.fixture
def environment(warehouse: Warehouse, tmp_path: Path) -> Iterator[dict[str, str]]:
    """What the command is told; the profile's second database is there as well, and holds three rows."""
    (tmp_path / "universe.yaml").write_text(UNIVERSE)
    url = make_url(warehouse.url.get_secret_value())
    dagster = Warehouse(
        type(warehouse.url)(url.set(database=f"{url.database}_dagster").render_as_string(hide_password=False))
    )
    ensure_database(dagster.url)
    fetched(dagster, RUNS)
    yield {
        "CRYPTO_ASSETS_HOME": str(tmp_path / "home"),
        "CRYPTO_ASSETS_DATABASE_URL": warehouse.url.get_secret_value(),
        "CRYPTO_ASSETS_UNIVERSE": str(tmp_path / "universe.yaml"),
    }
    fetched(dagster, "DROP TABLE runs")
    with closing(_administrator(warehouse)) as made, made.cursor() as cursor:
        cursor.execute(f'DROP DATABASE "{url.database}_dagster" WITH (FORCE)')


def _administrator(warehouse: Warehouse) -> psycopg2.extensions.connection:
    url = make_url(warehouse.url.get_secret_value()).set(database="postgres")
    made = psycopg2.connect(**url.translate_connect_args(username="user", database="dbname"))
    made.autocommit = True
    return made


@pytest.fixture
def run(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command on a wide terminal."""
    for console in (OUT, NOTICES):
        monkeypatch.setattr(console, "width", 160)

    def invoke(*arguments: str, code: int = 0) -> Result:
        told = CliRunner(env=environment).invoke(app, [*arguments], catch_exceptions=code != 0)
        assert told.exit_code == code, told.output
        return told

    return invoke


def _name(told: str) -> str:
    return re.findall(r"live-\d{8}T\d{6}Z-[0-9a-f]{16}", told)[-1]


def test_a_backup_is_made_listed_verified_and_restored(run: Run, warehouse: Warehouse, tmp_path: Path) -> None:
    fill(warehouse, minutes=5)
    assert "No backup lies in" in run("backup", "list").stdout
    told = run("backup").stdout
    assert re.search(r"│ data +│ +\d+ │ +\d+ │ +\d+ │", told)
    assert re.search(r"│ dagster +│ +1 │ +3 │ +0 │", told)
    assert "Note: public.fleeting is unlogged: saved, and empty after a crash." in told
    name = _name(told)
    assert f"It lies in {tmp_path / 'home' / 'backups'}." in told
    assert re.search(rf"│ {name} +│ [-\d]+ [\d:]+ +│ +[\d.]+ [KM]B │ +\d+ │ whole +│", run("backup", "list").stdout)
    [listed] = json.loads(run("backup", "list", "--json").stdout)["backups"]
    assert (listed["name"], listed["problem"]) == (name, "")
    assert f"{name} is as it was written" in run("backup", "verify", "latest").stdout
    with name_of_none(warehouse) as url:
        database = str(make_url(url.get_secret_value()).database)
        told = run("restore", name[:24], "--database", database).stdout
        assert re.search(r"│ market +│ +\d+ │ +30 │ equal +│", told)
        assert f"Every table is as {name} saved it." in told
        assert (tmp_path / "home/live/restored_config" / name / "universe.yaml").read_text() == UNIVERSE
        refused = run("restore", "latest", "--into", url.get_secret_value(), code=1)
        assert "is not empty: it holds" in str(refused.exception)
        assert fetched(Warehouse(url), "SELECT count(*) FROM market.ohlcv") == [(30,)]
        with closing(_administrator(warehouse)) as made, made.cursor() as cursor:
            cursor.execute(f'DROP DATABASE "{database}_dagster" WITH (FORCE)')


def test_a_flipped_byte_is_told_by_file_and_nothing_is_restored(run: Run, tmp_path: Path) -> None:
    name = _name(run("backup", "--without-dagster", "--without-models").stdout)
    path = tmp_path / "home/backups" / name / "data" / "toc.dat"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    told = run("backup", "verify", name, code=1)
    assert "data/toc.dat: other bytes than were written" in told.output
    assert "is not as it was written" in str(run("restore", name, "--database", "never", code=1).exception)


def test_a_restore_into_another_profile_has_to_be_said(run: Run) -> None:
    name = _name(run("backup", "--without-dagster").stdout)
    refused = run("--profile", "sandbox", "restore", name, code=1)
    assert "is of the profile live, and this is sandbox" in str(refused.exception)
    assert "Take small letters" in str(run("restore", name, "--database", "../x", code=1).exception)


def test_differences_after_a_restore_are_told_with_exit_code_1(
    run: Run, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = _name(run("backup", "--without-dagster").stdout)
    real = "crypto_assets.warehouse.backup_restore._analyze"
    # The moment between restoring and comparing: a row that was not saved.
    monkeypatch.setattr(real, lambda there: fetched(there, "INSERT INTO ops.universe_versions VALUES ('x', 'y')"))
    with name_of_none(warehouse) as url:
        told = run("restore", name, "--without-dagster", "--into", url.get_secret_value(), code=1)
    assert "What was restored is not what was saved: data ops.universe_versions: 1 rows in place of 0" in told.output
    assert re.search(r"│   ops\.universe_versions +│ +│ +│ 1 rows in place of 0 +│", told.output)
    assert "Every table is as" not in told.output


def test_the_commands_of_the_document_do_what_it_says(run: Run, warehouse: Warehouse, tmp_path: Path) -> None:
    """Each command of docs/backup.md, in its order; places and databases are this test's."""
    text = (ROOT / "docs" / "backup.md").read_text()
    lines = [line[2:] for block in re.findall(r"```console\n(.*?)```", text, re.S) for line in block.splitlines()]
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("crypto-assets ")]
    done = set()
    with name_of_none(warehouse) as url:
        look = str(make_url(url.get_secret_value()).database)
        names = {
            "/mnt/backups": str(tmp_path / "mounted"),
            "s3://bucket/backups": "memory://bucket/backups",
            "look": look,
        }
        for words in commands:
            told = [names.get(word, word) for word in words]
            if told[0] in {"backup", "restore"}:
                code = 1 if told == ["restore", "latest"] else 0  # the profile's own databases are in use
                run(*told, code=code)
                done.add(told[0] if len(told) == 1 else " ".join(told[:2]))
        assert {"backup", "backup list", "backup verify", "restore latest"} <= done
        assert BackupPlace("memory://bucket/backups").listed()[0].problem == ""
        with closing(_administrator(warehouse)) as made, made.cursor() as cursor:
            cursor.execute(f'DROP DATABASE IF EXISTS "{look}_dagster" WITH (FORCE)')


WRAPPER = """#!/bin/sh
# The real pg_dump, which waits until the test has made itself ready.
case "$1" in --version|--compress=*) exec {real} "$@";; esac
echo $$ > {folder}/pid.new; mv {folder}/pid.new {folder}/pid
while [ ! -e {folder}/go ]; do sleep 0.02; done
exec {real} "$@"
"""


def _wait_until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _slow_tools(folder: Path) -> Path:
    """Programs whose pg_dump can be held; beside them the real pg_restore."""
    real = find_binaries(None).folder
    programs = folder / "programs"
    programs.mkdir()
    (programs / "pg_dump").write_text(WRAPPER.format(real=real / "pg_dump", folder=folder))
    (programs / "pg_restore").write_text(f'#!/bin/sh\nexec {real / "pg_restore"} "$@"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    return programs


def test_a_backup_that_is_killed_leaves_the_older_one_and_the_next_one_clears_up(
    run: Run, environment: dict[str, str], warehouse: Warehouse, tmp_path: Path
) -> None:
    fill(warehouse, minutes=5)
    older = _name(run("backup").stdout)
    place = BackupPlace(str(tmp_path / "home" / "backups"))
    assert place.folder
    variables = {**os.environ, **environment, "CRYPTO_ASSETS_POSTGRES_BIN": str(_slow_tools(tmp_path)),
                 "CRYPTO_ASSETS_LOG_LEVEL": "DEBUG"}  # fmt: skip
    log = tmp_path / "log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "crypto_assets.cli.main", "--debug", "backup"]
        process = subprocess.Popen(command, env=variables, stdout=output, stderr=output, cwd=ROOT)
    waiting = psycopg2.connect(
        **make_url(warehouse.url.get_secret_value()).translate_connect_args(username="user", database="dbname")
    )
    try:
        _wait_until((tmp_path / "pid").exists)
        dump = psutil.Process(int((tmp_path / "pid").read_text()))
        # Whoever wants the table for himself waits for the backup, and pg_dump waits behind him: it stands still in mid-work.
        number = waiting.info.backend_pid
        queued = "SELECT 1 FROM pg_locks WHERE pid = %s AND NOT granted"
        _lock_in_background(waiting)
        _wait_until(lambda: fetched(warehouse, queued, number))
        (tmp_path / "go").touch()
        held = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'crypto_assets backup' AND wait_event_type = 'Lock'"
        _wait_until(lambda: fetched(warehouse, held))
        password = str(make_url(warehouse.url.get_secret_value()).password)
        arguments = " ".join(dump.cmdline())
        assert "--snapshot=" in arguments
        assert password not in arguments
        assert "Another process is making a backup" in str(run("backup", code=1).exception)
        process.send_signal(signal.SIGKILL)
        process.wait()
        _wait_until(lambda: not dump.is_running())  # though nobody was left to end it
    finally:
        process.kill()
        process.wait()
        waiting.close()
    assert password not in log.read_text()
    assert [one.name for one in place.listed() if not one.problem] == [older]
    assert f"{older} is as it was written" in run("backup", "verify", older).stdout
    [left] = [path.name for path in place.folder.iterdir() if path.name != older]
    told = run("backup").stdout
    assert f"Removed what a killed run had left: {left}." in told
    assert {path.name for path in place.folder.iterdir()} == {older, _name(told)}
    kept = [path.read_bytes() for path in place.folder.rglob("*") if path.is_file()]
    assert not any(password.encode() in content for content in kept)


def _lock_in_background(connection: psycopg2.extensions.connection) -> None:
    """Ask for a table without waiting for the answer."""

    def ask() -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("LOCK TABLE market.ohlcv IN ACCESS EXCLUSIVE MODE")
        except psycopg2.Error:
            pass  # the test ended first

    threading.Thread(target=ask, daemon=True).start()
