from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.features.stage import Stage


@pytest.fixture
def stage(tmp_path: Path, warehouse: Warehouse) -> Iterator[Stage]:
    with dg.DagsterInstance.ephemeral() as instance:
        one = Stage(tmp_path, warehouse, instance)
        one.seed()
        yield one
