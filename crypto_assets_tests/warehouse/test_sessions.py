"""Whoever is about to stop a server sees who else works with it, and takes nobody for at work who has just gone."""

import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from crypto_assets.cli.backup import server_of
from crypto_assets.cli.environment import embedded_server
from crypto_assets.settings import Settings
from crypto_assets.warehouse.connection import Warehouse, ensure_database
from crypto_assets.warehouse.sessions import others_connected


@pytest.fixture
def settings() -> Iterator[Settings]:
    """Of a home of the test's own, which everybody may enter, with a server that nobody has started yet."""
    home = Path(tempfile.mkdtemp(prefix="crypto_assets_sessions_"))
    home.chmod(0o755)
    made = Settings(home=home, database_url=None)
    try:
        yield made
    finally:
        embedded_server(made).stop()
        shutil.rmtree(home)


def _at(url: SecretStr) -> Warehouse:
    ensure_database(url)
    return Warehouse(url)


def test_a_server_that_was_started_for_a_moment_stops_unless_others_came_to_it(settings: Settings) -> None:
    server = embedded_server(settings)
    with server_of(settings) as url:
        warehouse = _at(url)
        assert not others_connected(warehouse)
        assert server.address() is not None
    assert server.address() is None
    with server_of(settings) as url:
        other = _at(url).connect()
        other.__enter__()
    assert server.address() is not None
    other.__exit__(None, None, None)
    with server_of(settings):
        pass
    assert server.address() is not None  # it had been running before


def test_sessions_of_any_database_count_and_those_that_end_meanwhile_do_not(settings: Settings) -> None:
    server = embedded_server(settings)
    address = server.start()
    warehouse, elsewhere = _at(address.url("one")), Warehouse(address.url("postgres"))
    with elsewhere.connect():
        assert others_connected(warehouse, 0.0)
    other = elsewhere.connect()
    other.__enter__()
    ending = threading.Timer(0.1, other.__exit__, (None, None, None))
    ending.start()
    assert not others_connected(warehouse, 60.0)
    ending.join()
    server.stop()
    assert others_connected(warehouse)  # nobody can tell
