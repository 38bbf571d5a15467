"""What tests are given: a PostgreSQL of their own, a fresh database each, the recordings.

What belongs here: fixtures that tests of several packages use. What does not: fixtures of one package.

Sandboxes are named here and nowhere else: a conftest that imports them again has processes of its own.

One server serves the whole session, shared by xdist's workers: whoever needs it first starts it, the others attach, and
the controlling process stops it at the end. Each test gets a copy of a database that was migrated once.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import pytest
from dagster._core.storage.defs_state.base import _current_storage
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name

from crypto_assets.warehouse.connection import Warehouse, ensure_database
from crypto_assets.warehouse.migrate import migrate
from crypto_assets.warehouse.server import EmbeddedServer, ServerAddress
from crypto_assets.warehouse.server_settings import SETTINGS
from crypto_assets_tests.databases import TEMPLATE, database, hasten_connections
from crypto_assets_tests.playing import playback, sandbox, sandbox_process

CHECKOUT = Path(__file__).resolve().parents[1]
_HOME = pytest.StashKey[Path]()
# What it holds need not outlive the machine, and waiting for the disk is a third of making a test's database.
_SETTINGS = {**SETTINGS, "fsync": "off", "full_page_writes": "off"}


class _Node(Protocol):
    """What xdist's controller keeps of a worker."""

    config: pytest.Config
    workerinput: dict[str, object]


def pytest_configure(config: pytest.Config) -> None:
    """Name the folder of the session's server; a worker is told the controller's."""
    # Tests start hundreds of processes; without compiled files each would spend seconds on compiling what it imports.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    told: Mapping[str, str] | None = getattr(config, "workerinput", None)
    if told is not None:
        config.stash[_HOME] = Path(told["postgres_home"])
        return
    folder = Path(tempfile.mkdtemp(prefix="crypto_assets_tests_"))
    folder.chmod(0o755)  # where the tests run as root, the server's user must get in
    config.stash[_HOME] = folder / "postgres"


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: _Node) -> None:
    """Tell a worker of xdist where the server is."""
    node.workerinput["postgres_home"] = str(node.config.stash[_HOME])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the server, in the process that named its folder."""
    home = config.stash.get(_HOME, None)
    if home is not None and not hasattr(config, "workerinput"):
        EmbeddedServer(home).stop()
        shutil.rmtree(home.parent)


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> ServerAddress:
    """The session's PostgreSQL, with a template database that holds the migrated schema."""
    home = request.config.stash[_HOME]
    address = EmbeddedServer(home, settings=_SETTINGS).start()
    with (home.parent / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        mark = home.parent / "template.ready"
        if not mark.exists():
            hasten_connections(address)
            ensure_database(address.url(TEMPLATE))
            migrate(Warehouse(address.url(TEMPLATE)), CHECKOUT / "sql")
            mark.touch()
    return address


@pytest.fixture(autouse=True)
def no_storage_of_a_closed_instance() -> Iterator[None]:
    """Dagster keeps the storage of the instance that was opened last; one that is closed out of turn would stay for ever."""
    yield
    _current_storage.set(None)


@pytest.fixture
def empty_warehouse(server: ServerAddress) -> Iterator[Warehouse]:
    """A database of the test's own with nothing in it."""
    with database(server, "template0") as warehouse:
        yield warehouse


@pytest.fixture
def warehouse(server: ServerAddress) -> Iterator[Warehouse]:
    """A database of the test's own with the migrated schema."""
    with database(server, TEMPLATE) as warehouse:
        yield warehouse


@pytest.fixture(scope="module")
def shared_warehouse(server: ServerAddress) -> Iterator[Warehouse]:
    """A migrated database that the tests of one module share; for those that roll back or only read."""
    with database(server, TEMPLATE) as warehouse:
        yield warehouse


@pytest.fixture
def connection(warehouse: Warehouse) -> Iterator[Connection]:
    """One transaction on the test's own database."""
    with warehouse.connect() as connection:
        yield connection


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of recorded market data, which is not part of the checkout."""
    named = os.environ.get("CRYPTO_ASSETS_RECORDINGS")
    folder = Path(named) if named else CHECKOUT.parent / "shared" / "data"
    if not (folder / "recordings.yaml").is_file():
        pytest.skip(f"no recordings in {folder}; CRYPTO_ASSETS_RECORDINGS names their folder")
    return folder


__all__ = [
    "connection",
    "empty_warehouse",
    "playback",
    "recordings",
    "sandbox",
    "sandbox_process",
    "server",
    "shared_warehouse",
    "warehouse",
]
