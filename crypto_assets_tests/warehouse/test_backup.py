"""What is saved comes back as it was, in every row and right; nothing that is in doubt is restored, nothing whole is lost."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from crypto_assets.warehouse.backup import LEASE, BackupAtWork, Made, Saved, back_up
from crypto_assets.warehouse.backup_catalog import RolesMissing, held_by
from crypto_assets.warehouse.backup_log import FAILED, SUCCEEDED, newest_notes
from crypto_assets.warehouse.backup_manifest import BackupAltered, manifest_bytes, name_of
from crypto_assets.warehouse.backup_place import BackupPlace, PlaceUnusable
from crypto_assets.warehouse.backup_restore import Restored, TargetNotEmpty, TargetUnfit, compared, restore
from crypto_assets.warehouse.backup_tools import DumpDisturbed, ToolFailed, Tools, ToolsMissing
from crypto_assets.warehouse.connection import DatabaseMissing, Warehouse
from crypto_assets.warehouse.lease import lease
from crypto_assets.warehouse.migrate import migrate
from crypto_assets_tests.warehouse.backing_up import (
    SQL_FOLDER,
    add_bar,
    fetched,
    fill,
    name_of_none,
    restoring,
    saved_of,
    schema_of,
)

ROWS = "SELECT count(*) FROM market.ohlcv"
OLD_CLOSE = """SELECT old_row ->> 'close' FROM audit.revisions WHERE table_name = 'market.ohlcv'
                ORDER BY (key ->> 'opened_at')::timestamptz LIMIT 1"""
RUNS = "CREATE TABLE runs (id int PRIMARY KEY, body text); INSERT INTO runs VALUES (1, 'done'), (2, NULL)"


@pytest.fixture
def place(tmp_path: Path) -> BackupPlace:
    return BackupPlace(str(tmp_path / "backups"))


@pytest.fixture
def saved(warehouse: Warehouse, tmp_path: Path) -> Saved:
    return saved_of(warehouse, tmp_path)


@pytest.fixture
def small(empty_warehouse: Warehouse, tmp_path: Path) -> Saved:
    """A database with one table, where the schema does not matter."""
    fetched(empty_warehouse, RUNS)
    return saved_of(empty_warehouse, tmp_path)


def made_of(saved: Saved, place: BackupPlace, *, keep: int = 7) -> Made:
    return back_up(saved, place, jobs=2, keep=keep)


@contextmanager
def restored_from(place: BackupPlace, name: str, like: Warehouse, folder: Path) -> Iterator[tuple[Restored, Warehouse]]:
    with name_of_none(like) as url:
        yield restore(place, name, restoring(url, folder)), Warehouse(url)


def test_everything_comes_back_as_it_was_and_works(
    warehouse: Warehouse, empty_warehouse: Warehouse, tmp_path: Path, place: BackupPlace
) -> None:
    fill(warehouse)
    fetched(empty_warehouse, RUNS)
    models = tmp_path / "models"
    artefact = models / sha256(b"{}").hexdigest()
    artefact.mkdir(parents=True)
    (artefact / "manifest.json").write_bytes(b"{}")
    (artefact / "model.txt").write_bytes(b"tree")
    (models / "notes.txt").write_text("mine")
    made = made_of(saved_of(warehouse, tmp_path, dagster=empty_warehouse, models=models), place)
    assert set(made.notes) == {
        "public.fleeting is unlogged: saved, and empty after a crash", "notes.txt is not in it: no artefact's file"
    }  # fmt: skip
    with name_of_none(warehouse) as data, name_of_none(warehouse) as dagster:
        wanted = restoring(data, tmp_path, dagster=dagster, models=tmp_path / "other")
        restored = restore(place, made.name, wanted)
        there = Warehouse(data)
        assert restored.is_equal
        [kept, runs] = restored.databases
        bars = {
            one.table: one.found.rows for one in kept.tables if one.found and one.table.startswith("market.ohlcv_2")
        }
        assert bars == {"market.ohlcv_2024": 600, "market.ohlcv_2025": 600, "market.ohlcv_2026": 600}
        assert [(one.table, one.expected and one.expected.rows) for one in runs.tables] == [("public.runs", 2)]
        assert schema_of(there) == schema_of(warehouse)
        assert fetched(there, OLD_CLOSE) == fetched(warehouse, OLD_CLOSE) == [("100",)]
        odd = 'SELECT t::text FROM public."odd "" name" AS t'
        assert fetched(there, odd) == fetched(warehouse, odd)
        assert migrate(there, SQL_FOLDER).applied == ()
        _works(there)
        files = {
            path.relative_to(tmp_path / "other").as_posix(): path.read_bytes()
            for path in (tmp_path / "other").glob("*/*")
        }
        assert files == {f"{artefact.name}/manifest.json": b"{}", f"{artefact.name}/model.txt": b"tree"}
        assert (tmp_path / "restored_config" / "universe.yaml").read_text() == "the universe.yaml\n"


def _works(warehouse: Warehouse) -> None:
    """Rows can be written, revisions are kept, ids go on, and a partition that is made now grants what the old ones do."""
    add_bar(warehouse, 5000)
    fetched(warehouse, "UPDATE market.ohlcv SET close = 1, low = 1, open = 1 WHERE symbol = 'ETH/USD'")
    assert fetched(warehouse, "SELECT count(*) FROM audit.revisions WHERE key ->> 'symbol' = 'ETH/USD'") == [(1,)]
    assert fetched(warehouse, 'INSERT INTO public."odd "" name" (note) VALUES (\'next\') RETURNING id') == [(4,)]
    fetched(warehouse, "SELECT ops.ensure_year_partition('market.ohlcv', '2030-06-01')")
    rights = [
        fetched(warehouse, "SELECT has_table_privilege(%s, %s, %s)", f"crypto_assets_{role}", table, right)[0][0]
        for role, table, right in (
            ("reader", "market.ohlcv_2030", "SELECT"), ("writer", "market.ohlcv", "INSERT"),
            ("reader", "market.ohlcv", "INSERT"), ("writer", "market.ohlcv_2030", "INSERT"),
        )
    ]  # fmt: skip
    assert rights == [True, True, False, False]
    [(temporary,)] = fetched(
        warehouse, "SELECT has_database_privilege('crypto_assets_writer', current_database(), 'TEMPORARY')"
    )
    assert temporary


def test_rows_that_come_while_it_is_saved_are_in_neither_dump_nor_hashes(
    saved: Saved, place: BackupPlace, tmp_path: Path
) -> None:
    fill(saved.data, minutes=5)

    def meddle(what: str) -> None:
        if what.startswith("data: "):  # the moment is held, and nothing is dumped yet
            add_bar(saved.data, 100)
            fetched(saved.data, "DELETE FROM market.ohlcv WHERE symbol = 'BTC/USD' AND opened_at < '2025-01-01'")

    made = back_up(saved, place, jobs=2, keep=7, tell=meddle)
    assert fetched(saved.data, ROWS) == [(11,)]
    with restored_from(place, made.name, saved.data, tmp_path) as (restored, there):
        assert restored.is_equal
        assert fetched(there, ROWS) == [(30,)]


def test_a_difference_after_the_restore_is_named_by_table(saved: Saved, place: BackupPlace, tmp_path: Path) -> None:
    fill(saved.data, minutes=5)
    made = made_of(saved, place)
    mark = made.manifest.databases["data"]
    with restored_from(place, made.name, saved.data, tmp_path) as (_, there):
        fetched(there, "UPDATE public.fleeting SET third = third + 1e-15 WHERE i = 7")
        fetched(there, "DELETE FROM ops._yoyo_migration WHERE migration_id = '0001_schemas_and_roles'")
        fetched(there, "REVOKE SELECT ON market.ohlcv FROM crypto_assets_reader")
        fetched(there, "ALTER DEFAULT PRIVILEGES IN SCHEMA dex REVOKE SELECT ON TABLES FROM crypto_assets_reader")
        found = compared("data", mark, there, 2)
        count = len(mark.migrations)
        assert not found.is_equal
        assert {one.table: one.finding for one in found.tables if one.finding} == {
            "public.fleeting": "other values than were saved",
            "ops._yoyo_migration": f"{count - 1} rows in place of {count}",
        }
        assert found.findings == (
            "not granted: default of tables in dex crypto_assets_reader SELECT",
            "not granted: table market.ohlcv crypto_assets_reader SELECT",
            f"{count - 1} migrations in place of {count}",
        )


def test_a_database_that_holds_anything_is_refused_by_what_it_holds(
    saved: Saved, empty_warehouse: Warehouse, place: BackupPlace, tmp_path: Path
) -> None:
    made = made_of(saved, place)
    fetched(empty_warehouse, "CREATE TABLE mine (i int)")
    with name_of_none(saved.data) as fresh:
        wanted = replace(restoring(fresh, tmp_path), targets={"data": fresh, "dagster": empty_warehouse.url})
        with pytest.raises(TargetUnfit, match="does not hold dagster"):
            restore(place, made.name, wanted)
        with pytest.raises(TargetNotEmpty, match=r"is not empty: it holds table public\.mine\. Restore into another"):
            restore(place, made.name, restoring(empty_warehouse.url, tmp_path))
        with pytest.raises(DatabaseMissing):
            held_by(Warehouse(fresh))
    fetched(empty_warehouse, "DROP TABLE mine")
    assert restore(place, made.name, restoring(empty_warehouse.url, tmp_path)).is_equal


@pytest.mark.parametrize("content", [b"", b"x" * 5000], ids=["truncated", "altered"])
def test_an_altered_backup_is_refused_before_anything_is_touched(
    small: Saved, place: BackupPlace, tmp_path: Path, content: bytes
) -> None:
    made = made_of(small, place)
    assert place.folder
    (place.folder / made.name / "data" / "toc.dat").write_bytes(content)
    with name_of_none(small.data) as url:
        with pytest.raises(BackupAltered, match=r"data/toc\.dat"):
            restore(place, made.name, restoring(url, tmp_path))
        with pytest.raises(DatabaseMissing):
            held_by(Warehouse(url))


def test_what_cannot_be_restored_here_is_refused_before_anything_is_touched(
    saved: Saved, place: BackupPlace, tmp_path: Path
) -> None:
    role = f"visitor_{os.getpid()}"
    fetched(saved.data, f"CREATE ROLE {role} NOLOGIN")
    fetched(saved.data, f"GRANT SELECT ON market.ohlcv TO {role}")
    made = made_of(saved, place)
    fetched(saved.data, f"DROP OWNED BY {role}")
    fetched(saved.data, f"DROP ROLE {role}")
    with name_of_none(saved.data) as url:
        with pytest.raises(RolesMissing, match=f"does not have: {role}"):
            restore(place, made.name, restoring(url, tmp_path))
        older = replace(restoring(url, tmp_path), migrations=frozenset({"0001_schemas_and_roles"}))
        with pytest.raises(TargetUnfit, match="migrations that this version does not have: 0002_year_partitions"):
            restore(place, made.name, older)
        with pytest.raises(DatabaseMissing):
            held_by(Warehouse(url))


def test_a_dump_of_a_newer_program_is_refused_by_an_older_server(
    small: Saved, place: BackupPlace, tmp_path: Path
) -> None:
    made = made_of(small, place)
    assert place.folder
    newer = made.manifest.databases["data"].model_copy(update={"program": "99.1"})
    manifest = made.manifest.model_copy(update={"databases": {"data": newer}})
    content = manifest_bytes(manifest)
    (place.folder / made.name / "manifest.json").write_bytes(content)
    name = name_of(manifest, content)
    (place.folder / made.name).rename(place.folder / name)
    with name_of_none(small.data) as url, pytest.raises(TargetUnfit, match=r"saved by pg_dump 99, and .* is 18"):
        restore(place, name, restoring(url, tmp_path))


def test_a_restore_that_fails_takes_back_the_database_that_it_made(
    small: Saved, place: BackupPlace, tmp_path: Path
) -> None:
    # A check that was put on later lets old rows be; told to be valid it refuses them when they come back.
    fetched(small.data, "CREATE TABLE public.never AS SELECT 0 AS i")
    fetched(small.data, "ALTER TABLE public.never ADD CONSTRAINT positive CHECK (i > 0) NOT VALID")
    fetched(small.data, "UPDATE pg_constraint SET convalidated = true WHERE conname = 'positive'")
    made = made_of(small, place)
    with name_of_none(small.data) as url:
        with pytest.raises(ToolFailed, match="pg_restore failed"):
            restore(place, made.name, restoring(url, tmp_path))
        with pytest.raises(DatabaseMissing):
            held_by(Warehouse(url))


def test_what_everybody_may_no_longer_do_nobody_may_after_the_restore(
    small: Saved, place: BackupPlace, tmp_path: Path
) -> None:
    """A migration takes temporary tables from everybody, and it is not applied again to what was restored."""
    [(name,)] = fetched(small.data, "SELECT current_database()")
    fetched(small.data, f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC")
    rights = (
        "SELECT r, has_database_privilege('public', current_database(), r) FROM unnest(ARRAY['CONNECT', 'TEMP']) AS r"
    )
    with restored_from(place, made_of(small, place).name, small.data, tmp_path) as (restored, there):
        assert restored.is_equal
        assert fetched(there, rights) == fetched(small.data, rights) == [("CONNECT", True), ("TEMP", False)]


def test_another_owner_gets_the_same_rights_to_give(saved: Saved, place: BackupPlace, tmp_path: Path) -> None:
    fill(saved.data, minutes=5)
    made = made_of(saved, place)
    role = f"owner_{os.getpid()}"
    fetched(saved.data, f"CREATE ROLE {role} LOGIN CREATEDB CREATEROLE PASSWORD 'other'")
    try:
        with name_of_none(saved.data) as url:
            theirs = make_url(url.get_secret_value()).set(username=role, password="other")  # noqa: S106 - a role of this test
            other = SecretStr(theirs.render_as_string(hide_password=False))
            restored = restore(place, made.name, restoring(other, tmp_path))
            assert restored.is_equal
            assert fetched(
                Warehouse(other), "SELECT DISTINCT tableowner::text FROM pg_tables WHERE schemaname = 'market'"
            ) == [(role,)]
            _works(Warehouse(other))
    finally:
        fetched(saved.data, f"DROP ROLE {role}")


def test_the_oldest_go_once_enough_newer_ones_are_whole(small: Saved, place: BackupPlace) -> None:
    assert place.folder
    first, second, third = (made_of(small, place, keep=3).name for _ in range(3))
    (place.folder / second / "data" / "toc.dat").write_bytes(b"")  # counts as none: the first one has to stay
    made = made_of(small, place, keep=3)
    assert made.deleted == ()
    assert set(place.names()) == {first, second, third, made.name}
    last = made_of(small, place, keep=2)
    assert set(last.deleted) == {first, second, third}
    assert set(place.names()) == {made.name, last.name}


def test_one_that_holds_less_is_no_reason_to_let_a_fuller_one_go(small: Saved, place: BackupPlace) -> None:
    full = made_of(replace(small, dagster=small.data), place).name
    lesser = [made_of(small, place, keep=1).name for _ in range(2)]
    assert set(place.names()) == {full, lesser[1]}
    whole = made_of(replace(small, dagster=small.data), place, keep=1)
    assert set(whole.deleted) == {full, lesser[1]}


def test_backups_of_another_database_are_not_counted_and_not_deleted(
    saved: Saved, empty_warehouse: Warehouse, place: BackupPlace, tmp_path: Path
) -> None:
    other = made_of(saved_of(empty_warehouse, tmp_path), place).name
    mine = [made_of(saved, place, keep=1).name for _ in range(2)]
    assert set(place.names()) == {other, mine[1]}


def test_two_at_once_are_refused_and_what_became_of_each_is_noted(
    saved: Saved, place: BackupPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lease(saved.data, LEASE), pytest.raises(BackupAtWork, match="Another process is making a backup"):
        made_of(saved, place)
    assert newest_notes(saved.data) == {}
    made = made_of(saved, place)
    with monkeypatch.context() as patched:
        patched.setattr("crypto_assets.warehouse.backup_tools._installed", lambda _: iter(()))
        with pytest.raises(ToolsMissing):
            made_of(saved, place)
    notes = newest_notes(saved.data)
    assert (notes[SUCCEEDED].name, notes[SUCCEEDED].bytes) == (made.name, made.manifest.bytes)
    assert notes[SUCCEEDED].rows == made.manifest.rows > 0
    assert "and found none" in notes[FAILED].error
    assert [one.name for one in place.listed() if not one.problem] == [made.name]
    assert place.folder
    assert [path.name for path in place.folder.iterdir()] == [made.name]  # nothing half-made stays


def test_a_file_that_cannot_be_saved_ends_it_in_words_and_is_noted(
    saved: Saved, place: BackupPlace, tmp_path: Path
) -> None:
    odd = replace(saved, config={"universe.yaml": tmp_path})  # a folder: what a wrong CRYPTO_ASSETS_UNIVERSE names
    with pytest.raises(PlaceUnusable, match=f"{tmp_path}: Is a directory"):
        made_of(odd, place)
    assert newest_notes(saved.data)[FAILED].error == f"The backup cannot be written: {tmp_path}: Is a directory"
    assert place.names() == []
    assert [*(tmp_path / "backups").iterdir()] == []


def test_a_database_of_an_older_version_is_saved_too(
    empty_warehouse: Warehouse, place: BackupPlace, tmp_path: Path
) -> None:
    fetched(empty_warehouse, RUNS)
    made = made_of(saved_of(empty_warehouse, tmp_path), place)
    assert made.manifest.databases["data"].migrations == ()
    place.verify(made.name)


def test_backups_go_to_an_address_and_come_back_from_it(
    saved: Saved, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    fill(saved.data, minutes=5)
    far = BackupPlace(f"memory://{request.node.name}")
    made = made_of(saved, far)
    assert list(saved.staging.iterdir()) == []
    with restored_from(far, made.name, saved.data, tmp_path) as (restored, there):
        assert restored.is_equal
        assert fetched(there, ROWS) == [(30,)]
    assert list(saved.staging.iterdir()) == []
    far.remove(made.name, made.manifest.origin)


def test_a_dump_that_was_disturbed_is_begun_again_with_a_moment_of_its_own(
    saved: Saved, place: BackupPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(saved.data, minutes=5)
    real, folders = Tools.dump, list[Path]()

    def dump(self: Tools, url: SecretStr, folder: Path, **options: Any) -> None:
        folders.append(folder)
        if len(folders) < 3:
            folder.mkdir()
            (folder / "toc.dat").write_bytes(b"half")
            add_bar(saved.data, len(folders))
            raise DumpDisturbed("could not obtain lock")
        real(self, url, folder, **options)

    monkeypatch.setattr(Tools, "dump", dump)
    made = made_of(saved, place)
    assert len(folders) == 3
    with restored_from(place, made.name, saved.data, tmp_path) as (restored, there):
        assert restored.is_equal
        assert fetched(there, ROWS) == [(32,)]
    folders.clear()
    monkeypatch.setattr(Tools, "dump", lambda *_, **__: (_ for _ in ()).throw(DumpDisturbed("could not obtain lock")))
    with pytest.raises(DumpDisturbed):
        made_of(saved, place)
