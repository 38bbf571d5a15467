"""Migrations: complete, once each, safe from many processes and kills, and equal to what the code declares."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import unquote

import psycopg2
import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.migrate import (
    DatabaseNewerThanCode,
    MigrationChanged,
    MigrationError,
    MigrationFailed,
    migrate,
    migration_status,
)
from crypto_assets.warehouse.postgres_binaries import find_binaries
from crypto_assets.warehouse.server import ServerAddress
from crypto_assets_tests.conftest import CHECKOUT
from crypto_assets_tests.warehouse.catalog import METADATA, catalog_of, drop_tables, load_tables

SQL = CHECKOUT / "sql"
NAMES = tuple(sorted(file.stem for file in SQL.glob("*.sql")))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copy = tmp_path / "sql [copy]"  # brackets would be a pattern to whoever globs
    shutil.copytree(SQL, copy)
    return copy


def test_a_migrated_database_equals_the_tables_that_the_code_declares(warehouse: Warehouse) -> None:
    load_tables()
    with warehouse.connect() as connection:
        migrated = catalog_of(connection)
        drop_tables(connection)
    engine = warehouse.engine()
    METADATA.create_all(engine)
    engine.dispose()
    with warehouse.connect() as connection:
        declared = catalog_of(connection)
    assert migrated.keys() == declared.keys()
    for name in sorted(declared):
        assert migrated[name] == declared[name], name
    assert "market.ohlcv" in declared


def test_every_table_and_column_has_its_meaning_as_comment(shared_warehouse: Warehouse) -> None:
    with shared_warehouse.connect() as connection:
        for name, table in catalog_of(connection).items():
            assert table["comment"], name
            for column in table["columns"]:  # type: ignore[attr-defined]
                assert column[-1], f"{name}.{column[0]}"


def test_each_file_is_applied_once_and_in_order(empty_warehouse: Warehouse) -> None:
    status = migration_status(empty_warehouse, SQL)
    assert (status.applied, status.pending, status.unknown) == ((), NAMES, ())
    report = migrate(empty_warehouse, SQL)
    assert (report.applied, report.already) == (NAMES, 0)
    again = migrate(empty_warehouse, SQL)
    assert (again.applied, again.already) == ((), len(NAMES))
    status = migration_status(empty_warehouse, SQL)
    assert (status.applied, status.pending, status.unknown) == (NAMES, (), ())


def test_every_file_runs_under_psql_as_well(empty_warehouse: Warehouse, server: ServerAddress) -> None:
    psql = find_binaries(None).program("psql")
    database = empty_warehouse.place.rpartition("/")[2]
    environment = {"PGPASSWORD": server.password.get_secret_value(), "PGUSER": server.user, "PGDATABASE": database}
    environment |= {"PGHOST": server.host, "PGPORT": str(server.port)}
    for name in NAMES:
        done = subprocess.run(
            [psql, "--no-psqlrc", "--single-transaction", "-v", "ON_ERROR_STOP=1", "-q", "-f", SQL / f"{name}.sql"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), name
    with empty_warehouse.connect() as connection:
        assert "market.ohlcv" in catalog_of(connection)


def test_many_at_once_all_succeed_and_apply_each_file_once(empty_warehouse: Warehouse) -> None:
    applied: list[tuple[str, ...]] = []
    threads = [threading.Thread(target=lambda: applied.append(migrate(empty_warehouse, SQL).applied)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(applied) == [(), (), NAMES]


def test_several_databases_of_one_server_may_migrate_at_once(empty_warehouse: Warehouse, server: ServerAddress) -> None:
    with empty_warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_roles WHERE rolname IN ('crypto_assets_reader', 'crypto_assets_writer')"
        )
        assert cursor.fetchone() == (2,)  # made by the template's migration, and met again by this one
    assert migrate(empty_warehouse, SQL).applied == NAMES


def test_a_file_that_fails_leaves_no_trace_and_can_be_resumed(empty_warehouse: Warehouse, folder: Path) -> None:
    broken = folder / "0900_broken.sql"
    broken.write_text("CREATE TABLE ops.half_made (n integer);\nSELECT 1 / 0;\n")
    later = folder / "0901_later.sql"
    later.write_text("CREATE TABLE ops.later (n integer);\n")
    with pytest.raises(MigrationFailed, match=r"0900_broken\.sql.*division by zero"):
        migrate(empty_warehouse, folder)
    assert migration_status(empty_warehouse, folder).pending == ("0900_broken", "0901_later")
    with empty_warehouse.connect() as connection:
        assert not {"ops.half_made", "ops.later"} & catalog_of(connection).keys()
    broken.write_text("CREATE TABLE ops.half_made (n integer);\n")
    assert migrate(empty_warehouse, folder).applied == ("0900_broken", "0901_later")


MIGRATE = """
import sys; from pathlib import Path; from pydantic import SecretStr
from crypto_assets.warehouse.connection import Warehouse; from crypto_assets.warehouse.migrate import migrate
print("begun", flush=True)
migrate(Warehouse(SecretStr(sys.stdin.readline().strip())), Path(sys.argv[1]))
"""


def test_a_killed_run_blocks_nobody_and_leaves_no_half_file(empty_warehouse: Warehouse, folder: Path) -> None:
    slow = folder / "0900_slow.sql"
    slow.write_text("CREATE TABLE ops.slow (n integer);\nDO $$ BEGIN PERFORM pg_sleep(600); END $$;\n")
    run = subprocess.Popen(
        [sys.executable, "-c", MIGRATE, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert run.stdin is not None
    run.stdin.write(empty_warehouse.url.get_secret_value() + "\n")
    run.stdin.flush()
    backends = _wait_for_sleepers(empty_warehouse)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    # A sleeping backend does not notice that its client is gone; a real one does with its next answer.
    with empty_warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s) AS pid", (backends,))
        # What yoyo's own lock would look like after a kill; the row must not matter.
        cursor.execute("INSERT INTO ops.yoyo_lock (locked, ctime, pid) VALUES (1, now(), 1) ON CONFLICT DO NOTHING")
    slow.write_text("CREATE TABLE ops.slow (n integer);\n")
    assert migrate(empty_warehouse, folder).applied == ("0900_slow",)


def _wait_for_sleepers(warehouse: Warehouse) -> list[int]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
            )
            found = [row[0] for row in cursor.fetchall()]
        if found:
            return found
        time.sleep(0.05)
    pytest.fail("the migration did not come to its slow statement")


def test_a_database_with_unknown_migrations_is_refused_by_their_names(empty_warehouse: Warehouse, folder: Path) -> None:
    (folder / "0900_from_the_future.sql").write_text("CREATE TABLE ops.future (n integer);\n")
    migrate(empty_warehouse, folder)
    assert migration_status(empty_warehouse, SQL).unknown == ("0900_from_the_future",)
    with pytest.raises(DatabaseNewerThanCode, match="0900_from_the_future"):
        migrate(empty_warehouse, SQL)


def test_a_file_that_was_edited_after_it_was_applied_is_refused_by_name(
    empty_warehouse: Warehouse, folder: Path
) -> None:
    migrate(empty_warehouse, folder)
    edited = folder / f"{NAMES[-1]}.sql"
    before = edited.read_text()
    edited.write_text(before.replace("\n", "\r\n"), newline="")  # another checkout's line ends are no edit
    assert migrate(empty_warehouse, folder).applied == ()
    edited.write_text(before + "-- one more word\n")
    with pytest.raises(MigrationChanged, match=edited.name):
        migrate(empty_warehouse, folder)


@pytest.mark.parametrize("name", ["0005_twice.sql", "6_short.sql", "notes.sql", "0900_code.py"])
def test_files_that_are_named_otherwise_are_refused(empty_warehouse: Warehouse, folder: Path, name: str) -> None:
    (folder / name).write_text("")
    with pytest.raises(MigrationError, match=name.rpartition(".")[0]):
        migrate(empty_warehouse, folder)


@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_without_files_is_refused(empty_warehouse: Warehouse, tmp_path: Path, exists: bool) -> None:
    with pytest.raises(MigrationError):
        migrate(empty_warehouse, tmp_path if exists else tmp_path / "absent")


def test_a_user_that_may_not_create_roles_can_migrate(empty_warehouse: Warehouse, server: ServerAddress) -> None:
    with empty_warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE ROLE plain_owner LOGIN PASSWORD 'x'")
        cursor.execute(f"ALTER DATABASE {empty_warehouse.place.rpartition('/')[2]} OWNER TO plain_owner")
    url = make_url(empty_warehouse.url.get_secret_value()).set(username="plain_owner", password="x")  # noqa: S106
    owner = Warehouse(SecretStr(unquote(url.render_as_string(hide_password=False))))
    try:
        assert migrate(owner, SQL).applied == NAMES
    finally:
        with empty_warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.execute("DROP OWNED BY plain_owner CASCADE")
            cursor.execute(f"ALTER DATABASE {empty_warehouse.place.rpartition('/')[2]} OWNER TO CURRENT_USER")
            cursor.execute("DROP ROLE plain_owner")


def test_a_user_that_may_not_create_schemas_is_told_so(empty_warehouse: Warehouse, server: ServerAddress) -> None:
    with empty_warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE ROLE plain_guest LOGIN PASSWORD 'x'")
    database = empty_warehouse.place.rpartition("/")[2]
    guest = Warehouse(SecretStr(f"postgresql://plain_guest:x@{server.host}:{server.port}/{database}"))
    try:
        with pytest.raises(MigrationError, match="may not create schemas"):
            migrate(guest, SQL)
    finally:
        with empty_warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.execute("DROP ROLE plain_guest")


def test_a_missing_role_is_a_notice_and_no_failure(empty_warehouse: Warehouse) -> None:
    # The roles belong to the whole server, so they are hidden here by another name instead of dropped.
    text = (SQL / "0001_schemas_and_roles.sql").read_text().replace("crypto_assets_", "absent_role_")
    with empty_warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE ROLE may_not_create_roles")
        cursor.execute(f"GRANT CREATE ON DATABASE {empty_warehouse.place.rpartition('/')[2]} TO may_not_create_roles")
        cursor.execute("SET ROLE may_not_create_roles")
        cursor.execute(text)
        assert any("may not create roles" in notice for notice in connection.notices)
        connection.rollback()


def role_can(warehouse: Warehouse, role: str, statement: str) -> bool:
    try:
        with warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"SET ROLE {role}")
            cursor.execute(statement)
    except psycopg2.errors.InsufficientPrivilege:
        return False
    return True


@pytest.mark.parametrize(
    ("statement", "reader", "writer"),
    [
        ("SELECT count(*) FROM market.ohlcv", True, True),
        ("SELECT count(*) FROM audit.revisions", True, True),
        ("SELECT count(*) FROM market.later", True, True),
        ("DELETE FROM market.ohlcv", False, True),
        ("INSERT INTO ops.universe_versions VALUES ('a', 'b')", False, True),
        ("UPDATE quality.quarantine SET reason = ''", False, True),
        ("INSERT INTO market.later VALUES (1)", False, True),
        ("DO $$ BEGIN PERFORM ops.ensure_year_partition('market.ohlcv', '2031-01-01'); END $$", False, True),
        ("CREATE TEMPORARY TABLE staged (n integer)", True, True),
        ("DELETE FROM audit.revisions", False, False),
        ("INSERT INTO market.ohlcv_2030 (venue) VALUES ('x')", False, False),
        ("CREATE TABLE market.mine (n integer)", False, False),
        ("DROP TABLE market.ohlcv", False, False),
        ("ALTER TABLE market.ohlcv DISABLE TRIGGER ALL", False, False),
        ("SELECT audit.keep_revisions_of('ops.universe_versions')", False, False),
    ],
)
def test_reader_and_writer_may_do_their_work_and_no_more(
    warehouse: Warehouse, statement: str, reader: bool, writer: bool
) -> None:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE market.later (n integer)")
        cursor.execute("SELECT ops.ensure_year_partition('market.ohlcv', '2030-06-01')")
    assert role_can(warehouse, "crypto_assets_reader", statement) == reader
    assert role_can(warehouse, "crypto_assets_writer", statement) == writer
