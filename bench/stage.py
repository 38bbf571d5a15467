"""A server, a sandbox and a fresh database for a bench, in a folder that vanishes with it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from crypto_assets.sandbox.config import SandboxConfig
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.settings import load_settings
from crypto_assets.warehouse.connection import Warehouse, ensure_database
from crypto_assets.warehouse.migrate import migrate
from crypto_assets.warehouse.server import EmbeddedServer

NOW = "2026-11-01T00:00:00+00:00"  # the sandbox's clock stands still, so that every run asks for the same


@contextmanager
def database(name: str) -> Iterator[Warehouse]:
    """A migrated database on a server of its own."""
    with tempfile.TemporaryDirectory(prefix="crypto_assets_bench_") as folder:
        Path(folder).chmod(0o755)
        server = EmbeddedServer(Path(folder) / "postgres")
        url: SecretStr = server.start().url(name)
        try:
            ensure_database(url)
            warehouse = Warehouse(url)
            migrate(warehouse, load_settings().sql_folder)
            yield warehouse
        finally:
            server.stop()


@contextmanager
def sandbox() -> Iterator[str]:
    """A seeded sandbox in a process of its own; yields its URL."""
    with SandboxProcess(SandboxConfig(now=NOW)) as process:
        yield process.url
