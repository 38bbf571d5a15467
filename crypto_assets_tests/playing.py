"""A sandbox for tests: one process a session and worker, with a clock that stands still, and the recordings' folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from crypto_assets.clients.exchange import Exchange
from crypto_assets.clients.transport import RetryPolicy
from crypto_assets.sandbox.config import SandboxConfig
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.universe import Universe, read_universe

NOW = datetime(2026, 3, 10, 12, 0, 30, tzinfo=UTC)  # half a minute into a minute, so that a bar of each length is open
HASTE = RetryPolicy(first_pause_seconds=0.01, max_pause_seconds=0.02, breaker_failures=50)
RECORDINGS = Path(os.environ.get("CRYPTO_ASSETS_RECORDINGS", Path(__file__).parents[2] / "shared" / "data"))
needs_recordings = pytest.mark.skipif(
    not (RECORDINGS / "recordings.yaml").exists(),
    reason="no recordings: set CRYPTO_ASSETS_RECORDINGS to a folder with recordings.yaml",
)


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[SandboxProcess]:
    with SandboxProcess(SandboxConfig(now=NOW.isoformat())) as process:
        yield process


@pytest.fixture
def sandbox(sandbox_process: SandboxProcess) -> Iterator[SandboxProcess]:
    sandbox_process.clear_faults()
    yield sandbox_process
    sandbox_process.clear_faults()


@pytest.fixture(scope="session")
def playback() -> Iterator[SandboxProcess]:
    if not (RECORDINGS / "recordings.yaml").exists():
        pytest.skip("no recordings: set CRYPTO_ASSETS_RECORDINGS to a folder with recordings.yaml")
    with SandboxProcess(SandboxConfig(recordings=RECORDINGS)) as process:
        yield process


@cache
def shipped_universe() -> Universe:
    universe, _ = read_universe(Path(__file__).parents[1] / "config" / "universe.yaml")
    return universe


def exchange_of(url: str, name: str, policy: RetryPolicy = HASTE) -> Exchange:
    """The real client of a venue as shipped, on the sandbox and without its budget."""
    venue = shipped_universe().venue(name).model_copy(update={"requests_per_second": 1000.0})
    return Exchange(name, venue, sandbox_url=url, policy=policy)
