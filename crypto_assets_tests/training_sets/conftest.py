from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from crypto_assets.datasets.models.catalog import forecast
from crypto_assets.datasets.models.frames import read_frame
from crypto_assets.forecasting.frame import Frame
from crypto_assets.training_sets.create import create
from crypto_assets.training_sets.manifest import Manifest
from crypto_assets.training_sets.place import Shelf
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.training_sets import world


@dataclass(frozen=True)
class Frozen:
    """A set of a world that was revised afterwards, with what was stored when it was made."""

    warehouse: Warehouse
    shelf: Shelf
    folder: Path
    manifest: Manifest
    features: pd.DataFrame
    labels: pd.DataFrame
    frame: Frame


@pytest.fixture(scope="module")
def frozen(shared_warehouse: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Frozen:
    folder = tmp_path_factory.mktemp("sets")
    world.seed(shared_warehouse)
    world.derive(shared_warehouse)
    made = create(shared_warehouse, world.universe(), world.shelf(folder), world.asked("before"))
    features, labels = world.stored(shared_warehouse)
    frame = read_frame(
        shared_warehouse, world.universe(), forecast("opportunity_4h"), world.START, world.END + world.HOUR
    )
    world.revise(shared_warehouse)
    world.derive(shared_warehouse)
    return Frozen(shared_warehouse, world.shelf(folder), folder / "test" / "before", made, features, labels, frame)
