from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from crypto_assets.warehouse.server import ServerAddress
from crypto_assets_tests.databases import database, template_of
from crypto_assets_tests.datasets.features.stage import Stage


@pytest.fixture(scope="session")
def seeded_template(server: ServerAddress, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database that holds the bars of a stage, for each test to have a copy of."""
    with database(server) as warehouse, dg.DagsterInstance.ephemeral() as instance:
        Stage(tmp_path_factory.mktemp("seeded"), warehouse, instance).seed()
        yield template_of(server, warehouse)


@pytest.fixture(scope="session")
def derived_template(
    server: ServerAddress, seeded_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The same, with what is derived from those bars."""
    with database(server, seeded_template) as warehouse, dg.DagsterInstance.ephemeral() as instance:
        Stage(tmp_path_factory.mktemp("derived"), warehouse, instance).derive()
        yield template_of(server, warehouse)


@pytest.fixture
def stage(tmp_path: Path, server: ServerAddress, seeded_template: str) -> Iterator[Stage]:
    with database(server, seeded_template) as warehouse, dg.DagsterInstance.ephemeral() as instance:
        yield Stage(tmp_path, warehouse, instance)


@pytest.fixture
def derived_stage(tmp_path: Path, server: ServerAddress, derived_template: str) -> Iterator[Stage]:
    """A stage whose bars have been derived from: what `derive` gives, without doing it again."""
    with database(server, derived_template) as warehouse, dg.DagsterInstance.ephemeral() as instance:
        yield Stage(tmp_path, warehouse, instance)
