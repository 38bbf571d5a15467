"""A sandbox with quick quotes for all tests of feeds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crypto_assets.sandbox.config import SandboxConfig
from crypto_assets.sandbox.process import SandboxProcess


@pytest.fixture(scope="session")
def streaming() -> Iterator[SandboxProcess]:
    with SandboxProcess(SandboxConfig()) as process:
        process.set_stream_rate(40)
        yield process


@pytest.fixture
def streams(streaming: SandboxProcess) -> Iterator[SandboxProcess]:
    """The same without faults, before and after."""
    streaming.clear_stream_faults()
    yield streaming
    streaming.clear_stream_faults()
