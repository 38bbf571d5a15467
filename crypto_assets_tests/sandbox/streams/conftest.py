"""One sandbox with the real time for all tests of streams."""

from collections.abc import Iterator

import pytest

from crypto_assets.sandbox.config import SandboxConfig
from crypto_assets.sandbox.process import SandboxProcess

SEED = 11
RATE = 100.0


@pytest.fixture(scope="session")
def stream_process() -> Iterator[SandboxProcess]:
    with SandboxProcess(SandboxConfig(seed=SEED, more_markets=40)) as process:
        yield process


@pytest.fixture
def streams(stream_process: SandboxProcess) -> Iterator[SandboxProcess]:
    stream_process.clear_stream_faults()
    stream_process.set_stream_rate(RATE)
    yield stream_process
    stream_process.clear_stream_faults()
