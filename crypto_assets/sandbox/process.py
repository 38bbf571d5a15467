"""A sandbox in a child process, for the demo, benches and tests: it ends with its parent.

What belongs here: starting, asking and ending the child. What does not: serving.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from types import TracebackType
from typing import IO, Self

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.sandbox.absences import Absence
from crypto_assets.sandbox.budgets import Limit
from crypto_assets.sandbox.config import SandboxConfig
from crypto_assets.sandbox.faults import Fault
from crypto_assets.sandbox.streams.control import StreamCounts, StreamSettings
from crypto_assets.sandbox.streams.plan import StreamFault

STOP_SECONDS = 10


class SandboxFailed(CryptoAssetsError):
    """The child process did not come up."""


class SandboxProcess(AbstractContextManager["SandboxProcess"]):
    """A running sandbox between enter and exit; constructing it starts nothing."""

    def __init__(self, config: SandboxConfig) -> None:
        self._config = config
        self._process: subprocess.Popen[str] | None = None
        self._words: IO[str] | None = None
        self.url = ""

    def __enter__(self) -> Self:
        """Start the child and wait until it answers.

        Raises:
            SandboxFailed: with its own words.
        """
        self._words = tempfile.TemporaryFile(
            "w+", encoding="utf-8"
        )  # a pipe nobody reads would fill and block the child
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "crypto_assets.sandbox", *_arguments(self._config)],
            stdin=subprocess.PIPE,  # the child ends when this pipe closes, however we end
            stdout=subprocess.PIPE,
            stderr=self._words,
            text=True,
            start_new_session=True,
        )
        self._process = process
        line = process.stdout.readline() if process.stdout else ""
        if not line.startswith("sandbox ready at "):
            said = self._end(process).removeprefix("Error: ")
            raise SandboxFailed(said or "The sandbox did not start", way_out="Run `crypto-assets sandbox`.")
        self.url = line.removeprefix("sandbox ready at ").strip()
        if self._config.faults:
            self.set_faults(self._config.faults)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the child."""
        if self._process is not None:
            self._end(self._process)

    def _end(self, process: subprocess.Popen[str]) -> str:
        """End the child, and tell what it said on its error stream."""
        if process.stdin:
            process.stdin.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()
        said, words = "", self._words
        if words is not None:
            words.seek(0)
            said = words.read().strip()
            words.close()
        self._process, self._words = None, None
        return said

    def set_faults(self, faults: Sequence[Fault]) -> None:
        """Put these faults in force, and no others."""
        self._ask("POST", "faults", [fault.model_dump() for fault in faults])

    def clear_faults(self) -> None:
        """No faults from here on."""
        self._ask("DELETE", "faults")

    def set_absences(self, absences: Sequence[Absence]) -> None:
        """From here on the venues have no bars and trades there, and have all others."""
        self._ask("POST", "absences", [absence.model_dump(mode="json") for absence in absences])

    def set_now(self, now: datetime) -> None:
        """Let the clock of the made-up market and pools stand there; limits are counted by it from then on.

        Only for a sandbox that was started with `now`.
        """
        self._ask("POST", "clock", {"now": now.isoformat()})

    def requests(self) -> Mapping[str, int]:
        """How often each `venue path` has been asked for."""
        return _counted(self._ask("GET", "requests")["requests"])

    def most_in_flight(self) -> int:
        """The most requests that were answered at the same time."""
        return int(str(self._ask("GET", "requests")["most_in_flight"]))

    def set_limits(self, limits: Mapping[str, Limit]) -> None:
        """From here on answer 429 to what exceeds a venue's limit."""
        self._ask("POST", "limits", {venue: limit.model_dump() for venue, limit in limits.items()})

    def clear_limits(self) -> None:
        """No limits from here on."""
        self._ask("DELETE", "limits")

    def weights(self) -> Mapping[str, int]:
        """What all requests to each venue weighed."""
        return _counted(self._ask("GET", "requests")["weights"])

    def busiest(self, venue: str) -> Mapping[str, int]:
        """The most weight that arrived at a venue within any 1, 10 and 60 seconds, by those."""
        windows = self._ask("GET", "requests")["busiest"]
        return _counted(windows.get(venue)) if isinstance(windows, dict) else {}

    def refused(self) -> Mapping[str, int]:
        """How many requests to each venue exceeded its limit."""
        return _counted(self._ask("GET", "requests")["refused"])

    def set_stream_rate(self, rate: float) -> None:
        """So many quotes a second of each market from here on; connections are closed where that is fewer."""
        self.set_streams(StreamSettings(rate=rate))

    def set_streams(self, settings: StreamSettings) -> None:
        """Change what is not None in these settings."""
        self._ask("POST", "streams", settings.model_dump(exclude_none=True))

    def stream_counts(self) -> Mapping[str, StreamCounts]:
        """What each venue's streams carry and have carried, by venue."""
        return {venue: StreamCounts.model_validate(one) for venue, one in self._ask("GET", "streams").items()}

    def set_stream_faults(self, faults: Sequence[StreamFault]) -> None:
        """Begin these faults of streams now, and end all others, but for connections that are half open already."""
        self._ask("POST", "stream_faults", [fault.model_dump() for fault in faults])

    def clear_stream_faults(self) -> None:
        """No faults of streams from here on; half-open connections speak again."""
        self._ask("DELETE", "stream_faults")

    def _ask(self, method: str, name: str, content: object = None) -> Mapping[str, object]:
        body = json.dumps(content).encode() if content is not None else None
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/__sandbox__/{name}", body, headers, method=method)  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
            found: Mapping[str, object] = json.loads(answer.read())
        return found


def _counted(counts: object) -> dict[str, int]:
    return {str(key): int(str(value)) for key, value in counts.items()} if isinstance(counts, dict) else {}


def _arguments(config: SandboxConfig) -> list[str]:
    arguments = ["--port", str(config.port), "--seed", str(config.seed), "--end-with-input"]
    if config.recordings is not None:
        arguments += ["--recordings", str(config.recordings)]
    if config.now is not None:
        arguments += ["--now", config.now]
    if config.more_markets:
        arguments += ["--more-markets", str(config.more_markets)]
    return arguments
