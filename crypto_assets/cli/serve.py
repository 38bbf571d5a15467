"""`crypto-assets up` and `down`: webserver, daemon and dashboard as children of one foreground process.

What belongs here: starting, watching and ending the long-running processes. What does not: what they run.

`up` records its own and its children's process ids with their start times; `down` ends just those, so that a reused id
never hits a stranger.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import psutil

from crypto_assets.cli.console import NOTICES, OUT
from crypto_assets.cli.environment import Environment
from crypto_assets.cli.instance import dagster_instance, prepare_instance
from crypto_assets.dashboard.address import url_of
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.settings import Settings, inherited_environment

HOST = "127.0.0.1"
STOP_SECONDS = 20
# `up` itself ends its children beside each other, then streams (30 s), then PostgreSQL (120 s): who kills it sooner than it
# may take leaves a stream behind that has lost its database.
UP_STOP_SECONDS = STOP_SECONDS + 30 + 120 + 10
LOOKER_ON = "dashboard"


class AlreadyUp(CryptoAssetsError):
    """This profile is being served already."""


class PortTaken(CryptoAssetsError):
    """Another program listens where the web UI or the dashboard should."""


class ServiceEnded(CryptoAssetsError):
    """Webserver or daemon ended by itself."""


@dataclass(frozen=True)
class Process:
    """A process of ours: its id is only good together with when it started."""

    name: str
    pid: int
    started: float

    @classmethod
    def of(cls, name: str, pid: int) -> Process:
        """The running process of that id."""
        return cls(name, pid, psutil.Process(pid).create_time())

    def running(self) -> psutil.Process | None:
        """The process where it still is the same one."""
        try:
            found = psutil.Process(self.pid)
            same = abs(found.create_time() - self.started) < 0.1 and found.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return found if same else None


def serve(settings: Settings) -> None:
    """Run webserver, daemon and dashboard until SIGINT or SIGTERM, or until one of the first two ends.

    Raises:
        AlreadyUp, PortTaken, ServiceEnded: in one line each.
    """
    if served := running_processes(settings):
        names = ", ".join(process.name for process in served)
        raise AlreadyUp(f"Profile {settings.profile} is up already ({names})", way_out="`crypto-assets down` ends it.")
    require_free_port(settings.webserver_port)
    require_free_port(settings.dashboard_port, settings.dashboard_host, "CRYPTO_ASSETS_DASHBOARD_PORT")
    with _stopping_on_signals() as ending, Environment(settings) as environment:
        prepare_instance(environment)
        children: list[tuple[str, subprocess.Popen[bytes]]] = []
        try:
            for name, child in _started(environment):  # one by one: who interrupts between two leaves none behind
                children.append((name, child))
            _write_state(settings, children)
            OUT.print(
                f"crypto_assets is up ({settings.profile}): [bold]http://{HOST}:{settings.webserver_port}[/]  Ctrl-C ends it."
            )
            OUT.print(f"Dashboard and metrics: [bold]{url_of(settings.dashboard_host, settings.dashboard_port)}[/]")
            _watch(children, settings)
        finally:
            ending.set()
            NOTICES.print("Ending webserver, daemon, dashboard and database.")
            code_servers = _code_servers(children)
            _end(children)
            _end_streams(environment)
            for left in code_servers:  # one that loses the database while a run's end is to be reported never ends
                with suppress(psutil.NoSuchProcess):
                    left.kill()
            state_file(settings).unlink(missing_ok=True)


def stop(settings: Settings) -> list[str]:
    """End what `up` started for this profile.

    Returns:
        Names of the processes that were ended.
    """
    ended = []
    for process in running_processes(settings):
        found = process.running()
        if found is None:
            continue
        with suppress(psutil.NoSuchProcess):  # it may end by itself at any moment
            found.terminate()
            try:
                found.wait(UP_STOP_SECONDS if process.name == "up" else STOP_SECONDS)
            except psutil.TimeoutExpired:
                found.kill()
        ended.append(process.name)
    state_file(settings).unlink(missing_ok=True)
    return ended


def running_processes(settings: Settings) -> list[Process]:
    """What `up` started for this profile and still runs, the parent first."""
    try:
        told = json.loads(state_file(settings).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return []
    return [process for process in (Process(**entry) for entry in told) if process.running()]


def state_file(settings: Settings) -> Path:
    """Where `up` notes its processes."""
    return settings.home.absolute() / settings.profile / "up.json"


def require_free_port(port: int, host: str = HOST, setting: str = "CRYPTO_ASSETS_WEBSERVER_PORT") -> None:
    """Make sure that a port is free.

    Args:
        host: The address that is to be listened on.
        setting: Which variable names another port.

    Raises:
        PortTaken: it is not.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            raise PortTaken(
                f"Port {port} on {host} is in use", way_out=f"Set {setting} to another, or end what uses it."
            ) from None


def _started(environment: Environment) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    settings = environment.settings
    logs = settings.home.absolute() / settings.profile / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    tools = Path(sys.executable).parent
    workspace = str(settings.project / "workspace.yaml")
    look = ("--log-format", "json") if settings.log_format == "json" else ()
    commands: Mapping[str, Sequence[str]] = {
        "webserver": (
            str(tools / "dagster-webserver"),
            "-h",
            HOST,
            "-p",
            str(settings.webserver_port),
            "-w",
            workspace,
            *look,
        ),
        "daemon": (str(tools / "dagster-daemon"), "run", "-w", workspace, *look),
        LOOKER_ON: (sys.executable, "-m", "crypto_assets.cli.main", "dashboard", *_listening(settings)),
    }
    for name, command in commands.items():
        with (logs / f"{name}.log").open("ab") as log:
            child = subprocess.Popen(  # noqa: S603 - fixed programs of our own environment
                command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={**inherited_environment(), **environment.child_variables()},
                cwd=settings.project,
                start_new_session=True,  # Ctrl-C reaches this process alone, which then ends them in order
            )
        yield name, child


def _listening(settings: Settings) -> tuple[str, ...]:
    return "--host", settings.dashboard_host, "--port", str(settings.dashboard_port)


def _watch(children: Sequence[tuple[str, subprocess.Popen[bytes]]], settings: Settings) -> None:
    told_ready = False
    ended: set[str] = set()
    while True:
        time.sleep(0.5)
        for name, child in children:
            if child.poll() is None or name in ended:
                continue
            if name == LOOKER_ON:  # collecting goes on without anybody who looks
                ended.add(name)
                log = f"{settings.home}/{settings.profile}/logs/{name}.log"
                NOTICES.print(
                    f"[yellow]The {name} ended with code {child.returncode}[/]; all else goes on. Its log: {log}"
                )
            else:
                raise ServiceEnded(
                    f"The {name} ended with code {child.returncode}",
                    way_out=f"Its log: {settings.home}/{settings.profile}/logs/{name}.log",
                )
        if not told_ready and _answers(settings.webserver_port):
            told_ready = True
            NOTICES.print("The web UI answers.")


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((HOST, port)) == 0


def _end(children: Sequence[tuple[str, subprocess.Popen[bytes]]]) -> None:
    """End all beside each other; what has not ended after STOP_SECONDS is killed."""
    for _, child in children:
        if child.poll() is None:
            child.terminate()
    until = time.monotonic() + STOP_SECONDS
    for _, child in children:
        try:
            child.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _code_servers(children: Sequence[tuple[str, subprocess.Popen[bytes]]]) -> list[psutil.Process]:
    """Dagster's code servers below these; runs are processes of their own, and go on without them."""
    found = []
    for _, child in children:
        with suppress(psutil.Error):
            for process in psutil.Process(child.pid).children(recursive=True):
                with suppress(psutil.Error):
                    if process.cmdline()[1:5] == ["-m", "dagster", "api", "grpc"]:
                        found.append(process)
    return found


def _end_streams(environment: Environment) -> None:
    """End the stream, which would outlive daemon and database: other runs end by themselves."""
    from crypto_assets.stream_runs import end_streams

    with dagster_instance(environment) as instance:
        if end_streams(instance):
            NOTICES.print("The stream has ended.")


def _write_state(settings: Settings, children: Sequence[tuple[str, subprocess.Popen[bytes]]]) -> None:
    processes = [Process.of("up", psutil.Process().pid), *(Process.of(name, child.pid) for name, child in children)]
    state_file(settings).write_text(json.dumps([vars(process) for process in processes]))


@contextmanager
def _stopping_on_signals() -> Iterator[threading.Event]:
    """The first SIGTERM or Ctrl-C ends all, through the finally blocks. Further ones would break just that off, and leave
    processes behind: they are not heard. All that ending waits for has a limit.

    Yields:
        To be set where the ending begins without a signal.
    """
    ending = threading.Event()

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        if not ending.is_set():
            ending.set()
            raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield ending
    except KeyboardInterrupt:
        NOTICES.print("All have ended.")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
