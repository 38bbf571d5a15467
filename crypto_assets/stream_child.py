"""The stream as the child of a Dagster run: starting it, hearing its reports, and ending it.

What belongs here: the process and its lines. What does not: what a report means to Dagster (stream_automation.py), and the
stream itself (stream/, cli/stream.py).

Its standard input is a pipe that nobody writes to: it closes when this process is gone, however it went, and the child ends.
Its standard error is ours, so that its log stands in the run's.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from crypto_assets.origin import NOBODY, Origin
from crypto_assets.settings import ENV_PREFIX, Settings, inherited_environment

COMMAND = (
    sys.executable, "-m", "crypto_assets.cli.main", "stream", "--report", "--end-with-input", "--take-over"
)  # fmt: skip
ENDED_WELL, ANOTHER_WRITES = 0, 3  # its exit codes: by itself or because a successor took over; the table is not free
_LAST_BYTES = 4000

type Told = str | int | float | bool | list[object] | dict[str, object] | None


@dataclass(frozen=True)
class Report:
    """One line of the child.

    Args:
        event: ready, minute, hour or ended; empty where the line was no report.
        hour: Key of the hour's partition that it speaks of; empty where it speaks of none.
        told: What else it says; of a line that was no report, the line.
    """

    event: str
    hour: str
    told: Mapping[str, Told]


@dataclass(frozen=True)
class StreamChild:
    """Starts the stream. Making one starts nothing.

    Args:
        variables: What it is told beside the whole environment of this process; holds the password, so it is never logged.
        command: The program and its arguments.
        stop_seconds: How long it may take to end before it is killed. Dagster gives up on a canceled run after 60.
    """

    variables: Mapping[str, str] = field(repr=False)
    command: Sequence[str] = COMMAND
    stop_seconds: float = 40

    @contextmanager
    def running(self, origin: Origin = NOBODY) -> Iterator[RunningStream]:
        """The child, running; whatever happens in the block, it has ended behind it.

        Args:
            origin: The run that it works for: its log lines and its writes say so.
        """
        process = subprocess.Popen(  # noqa: S603 - our own program
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**inherited_environment(), **self.variables, f"{ENV_PREFIX}ORIGIN": origin.to_json()},
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # Ctrl-C reaches us alone, and we end it in order
        )
        running = RunningStream(process, self.stop_seconds)
        try:
            yield running
        finally:
            running.end()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()


class RunningStream:
    """A child that runs, or has ended."""

    def __init__(self, process: subprocess.Popen[str], stop_seconds: float) -> None:
        self._process = process
        self._stop_seconds = stop_seconds

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def reports(self) -> Iterator[Report]:
        """Its lines as they come, until it has closed its output."""
        if self._process.stdout is not None:
            for line in self._process.stdout:
                yield parse_report(line)

    def last_reports(self) -> list[Report]:
        """Ask it to end, and hear what it still says; killed where that takes too long."""
        if self._process.poll() is None:
            self._process.terminate()
        timer = threading.Timer(self._stop_seconds, self._process.kill)
        timer.start()
        try:
            return list(self.reports())
        finally:
            timer.cancel()

    def exit_code(self) -> int:
        """How it ended, once it has closed its output; killed where it does not end then."""
        try:
            return self._process.wait(self._stop_seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def end(self) -> int:
        """End it, where it still runs; its exit code."""
        if self._process.poll() is None:
            self._process.terminate()
        return self.exit_code()


def parse_report(line: str) -> Report:
    """A line of the child; one that is no report is kept as it is. Pure."""
    try:
        told = json.loads(line)
    except ValueError:
        told = None
    if not isinstance(told, dict) or not isinstance(told.get("event"), str):
        return Report("", "", {"line": line.rstrip()[:1000]})
    rest = {name: value for name, value in told.items() if name not in {"event", "hour"}}
    return Report(told["event"], str(told.get("hour") or ""), rest)


def last_lines() -> str:
    """The newest lines of our standard error, which is the child's, where it goes to a file as in Dagster's runs."""
    try:
        status = os.fstat(2)
        if not stat.S_ISREG(status.st_mode):
            return ""
        size = status.st_size
        told = os.pread(2, _LAST_BYTES, max(0, size - _LAST_BYTES)).decode(errors="replace")
    except OSError:  # it may have been opened for writing alone
        return ""
    return "\n".join(told.splitlines()[-20:])


def variables_of(settings: Settings) -> dict[str, str]:
    """What the child must be told so that it works on the same profile as we; holds the password, so it is never logged."""
    variables = {
        "HOME": str(settings.home.absolute()),
        "PROFILE": settings.profile,
        "UNIVERSE": str(settings.universe_file),
    }
    if settings.warehouse_url is not None:
        variables["WAREHOUSE_URL"] = settings.warehouse_url.get_secret_value()
    if settings.sandbox_url:
        variables["SANDBOX_URL"] = settings.sandbox_url
    if settings.redis_url is not None:
        variables["REDIS_URL"] = settings.redis_url.get_secret_value()
    return {f"{ENV_PREFIX}{name}": value for name, value in variables.items()}
