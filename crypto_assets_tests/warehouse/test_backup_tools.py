"""The right pg_dump is taken, or a way to it is told; passwords stand neither in arguments nor in errors."""

import os
import signal
from pathlib import Path

import pytest
from pydantic import SecretStr

from crypto_assets.warehouse.backup_manifest import BackupError
from crypto_assets.warehouse.backup_tools import DumpDisturbed, ToolFailed, ToolsMissing, find_tools, run_tool
from crypto_assets.warehouse.postgres_binaries import find_binaries

URL = SecretStr("postgresql://someone:s3cr3t%20pass@127.0.0.1:5/db?sslmode=disable&application_name=x")


def program(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def installed(folder: Path, version: str) -> Path:
    for name in ("pg_dump", "pg_restore"):
        program(folder, name, f'echo "{name} (PostgreSQL) {version}"')
    return folder


def test_an_older_pg_dump_is_passed_over_for_one_that_fits(tmp_path: Path) -> None:
    tools = find_tools(18, installed(tmp_path / "15", "15.4 (Debian 15.4-1)"))
    assert tools.folder == find_binaries(None).folder
    assert tools.major == 18
    assert find_tools(15, installed(tmp_path / "15", "15.4 (Debian 15.4-1)")).folder == tmp_path / "15"


def test_where_none_fits_the_error_names_what_was_found_and_what_is_wanted(tmp_path: Path) -> None:
    own = installed(tmp_path / "15", "15.4")
    with pytest.raises(ToolsMissing) as refused:
        find_tools(99, own)
    assert "Expected pg_dump and pg_restore of PostgreSQL 99 or newer, and found 15.4 in" in refused.value.problem
    assert "CRYPTO_ASSETS_POSTGRES_BIN" in refused.value.way_out


def test_programs_of_two_versions_in_one_folder_are_not_taken(tmp_path: Path) -> None:
    own = installed(tmp_path / "mixed", "99.1")
    program(own, "pg_restore", 'echo "pg_restore (PostgreSQL) 98.1"')
    with pytest.raises(ToolsMissing):
        find_tools(99, own)


def test_the_password_stands_in_the_environment_alone_and_our_own_secrets_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYPTO_ASSETS_FRED_API_KEY", "k3y")
    shown = program(tmp_path / "p", "pg_dump", 'echo "$@"; echo; env')
    arguments, _, variables = run_tool(shown, ["--format=directory"], URL).partition("\n\n")
    assert "s3cr3t" not in arguments
    assert "user=someone" in arguments
    assert "host=127.0.0.1" in arguments
    assert "sslmode=disable" in arguments
    assert "PGPASSWORD=s3cr3t pass\n" in variables
    assert "k3y" not in variables


def test_a_password_among_the_parameters_is_one_too(tmp_path: Path) -> None:
    shown = program(tmp_path / "p", "pg_dump", 'echo "$@"; echo "$PGPASSWORD"')
    told = run_tool(shown, [], SecretStr("postgresql://someone@127.0.0.1:5/db?password=s3cr3t"))
    assert told.splitlines()[1:] == ["s3cr3t"]
    assert "s3cr3t" not in told.splitlines()[0]
    with pytest.raises(BackupError, match="holds sslpassword"):
        run_tool(shown, [], SecretStr("postgresql://someone@127.0.0.1:5/db?sslpassword=s3cr3t"))


def test_what_a_program_complains_of_is_told_without_the_password(tmp_path: Path) -> None:
    failing = program(tmp_path / "p", "pg_dump", 'echo "bad password s3cr3t pass, sorry" >&2; exit 3')
    with pytest.raises(ToolFailed) as failed:
        run_tool(failing, [], URL)
    assert failed.value.problem == "pg_dump failed: bad password ***, sorry"


def test_a_table_that_cannot_be_locked_is_told_apart_for_another_try_may_have_it(tmp_path: Path) -> None:
    failing = program(tmp_path / "p", "pg_dump", 'echo "pg_dump: error: could not obtain lock on relation" >&2; exit 1')
    with pytest.raises(DumpDisturbed):
        run_tool(failing, [], URL)


def test_a_program_ends_when_the_work_is_given_up(tmp_path: Path) -> None:
    slow = program(tmp_path / "p", "pg_dump", f"echo $$ > {tmp_path}/pid; sleep 0.5; kill -INT $PPID; exec sleep 60")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's job in the background ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            run_tool(slow, [], URL)
    finally:
        signal.signal(signal.SIGINT, before)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.parametrize(
    ("knows", "taken"), [("zstd lz4", "zstd:3"), ("lz4", "lz4"), ("", "1")], ids=["all", "no_zstd", "gzip_alone"]
)
def test_the_best_compression_that_pg_dump_was_built_with_is_taken(tmp_path: Path, knows: str, taken: str) -> None:
    own = installed(tmp_path / "99", "99.1")
    program(
        own,
        "pg_dump",
        f"""[ "$1" = --version ] && echo "pg_dump (PostgreSQL) 99.1" && exit
for known in {knows}; do case "$1" in --compress=$known*) echo "no server" >&2; exit 1;; esac; done
echo "error: this build does not support compression" >&2; exit 1""",
    )
    assert find_tools(99, own).compression() == taken
