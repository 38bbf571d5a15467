"""A sandbox of pools whose clock stands where a test sets it, and the world around it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from crypto_assets.sandbox.config import SandboxConfig
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.dex.world import NOW, KeptOpen, PoolWorld


@pytest.fixture(scope="session")
def pool_sandbox() -> Iterator[SandboxProcess]:
    """Apart from the sandbox of the other tests: here they move its clock."""
    with SandboxProcess(SandboxConfig(now=NOW.isoformat())) as process:
        yield process


@pytest.fixture
def world(tmp_path: Path, warehouse: Warehouse, pool_sandbox: SandboxProcess) -> Iterator[PoolWorld]:
    pool_sandbox.clear_faults()
    kept = KeptOpen(warehouse)
    world = PoolWorld(tmp_path, kept, pool_sandbox)
    world.at(NOW)
    yield world
    kept.close()
    pool_sandbox.clear_faults()
