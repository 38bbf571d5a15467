"""What tests of the dashboard are given: a filled database, a Dagster storage, a server on a port of its own."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from crypto_assets.dashboard.address import url_of
from crypto_assets.dashboard.answers import Place
from crypto_assets.dashboard.serving import listening, server_of
from crypto_assets.warehouse.connection import Warehouse, ensure_database
from crypto_assets.warehouse.server import ServerAddress
from crypto_assets_tests.dashboard import world

type Serve = Callable[[Place], AbstractContextManager[str]]


@pytest.fixture(scope="module")
def end() -> datetime:
    """When the newest bar closed."""
    return world.the_hour()


@pytest.fixture(scope="module")
def filled(shared_warehouse: Warehouse, end: datetime) -> Warehouse:
    """The small world, stored."""
    world.fill(shared_warehouse, end)
    return shared_warehouse


@pytest.fixture(scope="module")
def dagster_url(server: ServerAddress) -> SecretStr:
    """A Dagster storage with runs and results of checks."""
    url = server.url(f"dagster_{uuid.uuid4().hex[:12]}")
    ensure_database(url)
    world.dagster_storage(url)
    return url


@pytest.fixture(scope="module")
def place(filled: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The filled world, without Dagster."""
    return world.place_of(filled, tmp_path_factory.mktemp("dashboard"))


@contextmanager
def served(place: Place) -> Iterator[str]:
    """The URL of a real server in a thread, until the end of the block."""
    with listening("127.0.0.1", 0) as taken:
        server = server_of(place, "127.0.0.1")
        thread = threading.Thread(target=lambda: server.run(sockets=[taken]))
        thread.start()
        try:
            yield url_of("127.0.0.1", taken.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive(), "the server does not end"


@pytest.fixture(scope="module")
def url(place: Place) -> Iterator[str]:
    """The filled world, served."""
    with served(place) as at:
        yield at


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a stream would say where it is."""
    return tmp_path
