"""The embedded server: found by all, owned by none, hurt by no kill, and no danger to others."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy import make_url

from crypto_assets.warehouse.postgres_binaries import BinariesMissing, find_binaries
from crypto_assets.warehouse.server import SYSTEM_FOLDER, EmbeddedServer, PortInUse, ServerAddress, ServerError
from crypto_assets.warehouse.service_account import SERVICE_USER, server_account

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="shows what happens where the process is root")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may enter, and that vanishes with what runs in it."""
    made = Path(tempfile.mkdtemp(prefix="crypto_assets_server_"))
    made.chmod(0o755)
    try:
        yield made
    finally:
        for home in made.glob("**/server.lock"):
            EmbeddedServer(home.parent).stop()
        shutil.rmtree(made)


def ask(address: ServerAddress, statement: str) -> list[tuple[object, ...]]:
    url = make_url(address.url("postgres").get_secret_value())
    with closing(psycopg2.connect(**url.translate_connect_args(username="user", database="dbname"))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []


def until(holds: object, *, seconds: float = 60) -> None:
    """Poll until the callable is true."""
    deadline = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        if time.monotonic() > deadline:
            pytest.fail("it did not come true in time")
        time.sleep(0.02)


def in_another_process(code: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


ATTACH = """
import sys; from pathlib import Path; from crypto_assets.warehouse.server import EmbeddedServer
print(EmbeddedServer(Path(sys.argv[1])).start().port)
"""
STOP = """
import sys; from pathlib import Path; from crypto_assets.warehouse.server import EmbeddedServer
print(EmbeddedServer(Path(sys.argv[1])).stop())
"""


def test_it_starts_attaches_stops_and_keeps_its_rows_and_port(folder: Path) -> None:
    home = folder / "home"
    server = EmbeddedServer(home)
    assert server.address() is None
    assert server.pid() is None
    assert not server.stop()
    assert not home.exists()

    address = server.start()
    assert server.address() == address == EmbeddedServer(home).start()
    ask(address, "CREATE TABLE kept AS SELECT 42 AS answer")
    assert in_another_process(ATTACH, str(home)) == str(address.port)

    assert in_another_process(STOP, str(home)) == "True"
    assert server.address() is None
    assert server.pid() is None
    assert not server.stop()

    again = server.start()
    assert again == address
    assert ask(again, "SELECT answer FROM kept") == [(42,)]


def test_it_is_safe_by_its_settings(folder: Path) -> None:
    address = EmbeddedServer(folder / "home").start()
    shown: dict[object, object] = dict(
        ask(  # type: ignore[arg-type]
            address,
            "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'listen_addresses', 'TimeZone', 'data_checksums',"
            " 'unix_socket_directories', 'server_encoding', 'password_encryption', 'full_page_writes')",
        )
    )
    assert shown == {
        "fsync": "on",
        "full_page_writes": "on",
        "listen_addresses": "127.0.0.1",
        "TimeZone": "UTC",
        "data_checksums": "on",
        "unix_socket_directories": "",
        "server_encoding": "UTF8",
        "password_encryption": "scram-sha-256",
    }
    assert ask(address, "SELECT DISTINCT auth_method FROM pg_hba_file_rules") == [("scram-sha-256",)]
    assert stat.S_IMODE((folder / "home" / "password").stat().st_mode) == 0o600
    assert address.password.get_secret_value() not in repr(address)
    for file in folder.glob("home/*"):
        if file.is_file() and file.name != "password":
            assert address.password.get_secret_value() not in file.read_text(errors="replace")
    with pytest.raises(psycopg2.OperationalError, match="password"):
        psycopg2.connect(host=address.host, port=address.port, user=address.user, password="", dbname="postgres")


def test_many_processes_that_start_at_once_share_one_server(folder: Path) -> None:
    started = [
        subprocess.Popen([sys.executable, "-c", ATTACH, str(folder / "home")], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    ports = {process.communicate()[0].splitlines()[-1] for process in started}
    assert all(process.returncode == 0 for process in started)
    assert len(ports) == 1


def test_a_killed_postmaster_is_followed_by_a_new_one_with_all_committed_rows(folder: Path) -> None:
    server = EmbeddedServer(folder / "home")
    address = server.start()
    ask(address, "CREATE TABLE kept AS SELECT n FROM generate_series(1, 1000) AS n")
    pid = server.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until(lambda: server.pid() is None)
    again = server.start()
    assert server.pid() not in {None, pid}
    assert ask(again, "SELECT count(*), sum(n) FROM kept") == [(1000, 500500)]


def test_a_killed_client_leaves_a_server_that_the_next_one_finds_and_stops(folder: Path) -> None:
    code = ATTACH + "import os, signal; sys.stdout.flush(); os.kill(os.getpid(), signal.SIGKILL)"
    home = folder / "home"
    client = subprocess.run([sys.executable, "-c", code, str(home)], capture_output=True, text=True, check=False)
    assert client.returncode == -signal.SIGKILL
    server = EmbeddedServer(home)
    address = server.address()
    assert address is not None
    assert server.start() == address
    assert server.stop()


def test_a_stale_pid_file_that_names_a_living_stranger_hurts_nobody(folder: Path) -> None:
    server = EmbeddedServer(folder / "home")
    server.start()
    server.stop()
    account = server_account()
    stranger = subprocess.Popen(
        ["/bin/sleep", "600"], cwd="/", user=account.uid, group=account.gid, extra_groups=account.groups
    )
    try:
        data = folder / "home" / "data"
        (data / "postmaster.pid").write_text(f"{stranger.pid}\n{data}\n1700000000\n5432\n\n127.0.0.1\n")
        assert server.pid() is None
        assert not server.stop()
        address = server.start()
        assert ask(address, "SELECT 1") == [(1,)]
        assert server.pid() != stranger.pid
        assert server.stop()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_server_that_was_started_by_hand_is_attached_to(folder: Path) -> None:
    server = EmbeddedServer(folder / "home")
    address = server.start()
    server.stop()
    account = server_account()
    postgres = find_binaries(None).program("postgres")
    by_hand = subprocess.Popen(
        [postgres, "-D", folder / "home" / "data", "-p", str(address.port), "-c", "unix_socket_directories="],
        cwd=folder,
        stderr=subprocess.DEVNULL,
        user=account.uid,
        group=account.gid,
        extra_groups=account.groups,
    )
    until(lambda: server.pid() == by_hand.pid)
    assert server.start() == address
    assert server.pid() == by_hand.pid
    assert server.stop()
    by_hand.wait()


def test_a_port_that_was_asked_for_and_is_taken_is_refused_by_number(folder: Path) -> None:
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortInUse, match=str(port)):
            EmbeddedServer(folder / "home", port=port).start()
    assert EmbeddedServer(folder / "home", port=port).start().port == port


def test_a_remembered_port_that_is_taken_meanwhile_is_replaced(folder: Path) -> None:
    server = EmbeddedServer(folder / "home")
    port = server.start().port
    server.stop()
    with closing(socket.socket()) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        assert server.address() is None
        address = server.start()
        assert address.port != port
        assert ask(address, "SELECT 1") == [(1,)]


def test_a_half_made_data_folder_is_made_anew(folder: Path) -> None:
    (folder / "home" / "initdb-abc" / "data").mkdir(parents=True)
    (folder / "home" / "initdb-abc" / "data" / "PG_VERSION").write_text("18\n")
    assert ask(EmbeddedServer(folder / "home").start(), "SELECT 1") == [(1,)]
    assert not list((folder / "home").glob("initdb-*"))


def test_data_of_another_major_version_is_refused(folder: Path) -> None:
    data = folder / "home" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("12\n")
    with pytest.raises(ServerError, match=r"PostgreSQL 12.*version 18"):
        EmbeddedServer(folder / "home").start()


def test_a_folder_without_programs_is_refused_by_name(folder: Path) -> None:
    with pytest.raises(BinariesMissing, match="initdb"):
        EmbeddedServer(folder / "home", binaries=folder).start()


def test_a_home_that_cannot_be_made_is_refused(folder: Path) -> None:
    (folder / "file").touch()
    with pytest.raises(ServerError, match="cannot be created"):
        EmbeddedServer(folder / "file" / "home").start()


@as_root
def test_root_gets_a_server_of_the_service_user(folder: Path) -> None:
    server = EmbeddedServer(folder / "home")
    server.start()
    pid = server.pid()
    assert pid is not None
    assert Path(f"/proc/{pid}").stat().st_uid == pwd.getpwnam(SERVICE_USER).pw_uid
    assert (folder / "home" / "password").stat().st_uid == 0


@as_root
def test_where_the_service_user_cannot_go_the_data_lies_below_var_lib_and_no_mode_changes(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    server = EmbeddedServer(closed / "home")
    address = server.start()
    try:
        rows = ask(address, "SELECT current_setting('data_directory')")
        data = Path(str(rows[0][0]))
        assert data.is_relative_to(SYSTEM_FOLDER)
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        assert EmbeddedServer(closed / "home").start() == address
    finally:
        assert server.stop()
        shutil.rmtree(data.parent)


@as_root
def test_programs_that_the_service_user_cannot_reach_are_copied_beside_the_data(folder: Path) -> None:
    package = find_binaries(None).folder.parents[1]
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    shutil.copytree(package, closed / package.name, ignore=shutil.ignore_patterns("include", "*.py"))
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, closed / libraries.name)
    server = EmbeddedServer(folder / "home", binaries=closed / package.name / "pginstall" / "bin")
    assert ask(server.start(), "SELECT 1") == [(1,)]
    assert list((folder / "home" / "programs").glob("*/*/pginstall/bin/postgres"))
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


AS_NOBODY = """
import os, pwd, sys; from pathlib import Path; from crypto_assets.warehouse.server import EmbeddedServer
warm = EmbeddedServer(Path(sys.argv[1]))  # loads everything: later this process may not read its own interpreter
warm.start(); warm.pid(); warm.stop()
nobody = pwd.getpwnam("nobody")
os.setgroups([]); os.setgid(nobody.pw_gid); os.setuid(nobody.pw_uid); os.chdir("/")
server = EmbeddedServer(Path(sys.argv[2]))
server.start()
owner = Path(f"/proc/{server.pid()}").stat().st_uid
print(owner, server.stop())
"""


@as_root
def test_an_ordinary_user_gets_a_server_of_its_own(folder: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    owned = folder / "owned"
    owned.mkdir()
    os.chown(owned, nobody.pw_uid, nobody.pw_gid)
    answer = in_another_process(AS_NOBODY, str(folder / "roots"), str(owned / "home"))
    assert answer == f"{nobody.pw_uid} True"
