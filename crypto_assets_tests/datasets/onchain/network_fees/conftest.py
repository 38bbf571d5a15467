"""A sandbox whose clock stands where a test sets it, and a world around a database."""

from collections.abc import Iterator

import pytest

from crypto_assets.sandbox.config import SandboxConfig
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.onchain.network_fees.world import NOW, FeeWorld


@pytest.fixture(scope="session")
def fee_sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess(SandboxConfig(now=NOW.isoformat())) as process:
        yield process


@pytest.fixture
def world(shared_warehouse: Warehouse, fee_sandbox: SandboxProcess) -> Iterator[FeeWorld]:
    fee_sandbox.clear_faults()
    with shared_warehouse.connect() as connection, connection.cursor() as cursor:
        # One by one: tables that keep revisions cannot be truncated.
        cursor.execute(
            "DELETE FROM onchain.network_fees; DELETE FROM ops.collected_ranges; DELETE FROM quality.quarantine"
        )
    yield FeeWorld(shared_warehouse, fee_sandbox)
    fee_sandbox.clear_faults()
