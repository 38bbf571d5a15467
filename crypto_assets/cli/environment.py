"""From settings to a running environment: databases found or started, migrated, and named for child processes.

What belongs here: resolving which databases a profile uses, and the variables children are given. What does not:
reading the environment (settings.py) and commands.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

from pydantic import SecretStr

from crypto_assets.logs import bound_origin
from crypto_assets.settings import ENV_PREFIX, Settings
from crypto_assets.warehouse.connection import Warehouse, ensure_database
from crypto_assets.warehouse.migrate import MigrationReport, migrate
from crypto_assets.warehouse.server import EmbeddedServer

DATABASE = "crypto_assets"


@dataclass(frozen=True)
class Databases:
    """The two databases of a profile: the data, and Dagster's runs and events."""

    warehouse: SecretStr
    dagster: SecretStr


def embedded_server(settings: Settings) -> EmbeddedServer:
    """The embedded server of these settings, not started."""
    return EmbeddedServer(
        settings.server_home,
        binaries=settings.postgres_bin,
        port=settings.postgres_port,
        start_timeout_seconds=settings.postgres_start_timeout_seconds,
    )


class Environment(AbstractContextManager["Environment"]):
    """Everything a command needs running, for as long as it needs it.

    Args:
        settings: Which profile.
        keep_server: Leave the embedded server running at the end, even where this environment started it.
    """

    def __init__(self, settings: Settings, *, keep_server: bool = False) -> None:
        self.settings = settings
        self.databases: Databases | None = None
        self.migrated: MigrationReport | None = None
        self._keep_server = keep_server
        self._started: EmbeddedServer | None = None

    def __enter__(self) -> Self:
        """Find or start the server, create and migrate the databases, write Dagster's configuration."""
        try:
            self.databases = self._find_databases()
            self.migrated = migrate(self.warehouse, self.settings.sql_folder)
            self._write_dagster_home()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the embedded server where this environment started it and nobody is to find it running."""
        if not self._keep_server:
            self._stop()

    @property
    def warehouse(self) -> Warehouse:
        """The profile's warehouse."""
        if self.databases is None:
            raise RuntimeError("the environment has not been entered")
        return Warehouse(self.databases.warehouse, bound_origin())

    def variables(self) -> Mapping[str, str]:
        """What child processes and shells need; holds the password, so it is never logged."""
        if self.databases is None:
            raise RuntimeError("the environment has not been entered")
        settings = self.settings
        variables = {
            "DAGSTER_HOME": str(settings.dagster_home),
            f"{ENV_PREFIX}HOME": str(settings.home.absolute()),
            f"{ENV_PREFIX}PROFILE": settings.profile,
            f"{ENV_PREFIX}UNIVERSE": str(settings.universe_file),
            f"{ENV_PREFIX}WATCHLIST": str(settings.watchlist_file),
            f"{ENV_PREFIX}MODEL_STORE": settings.model_store_place,
            f"{ENV_PREFIX}EXPORT_STORE": settings.export_place,
            f"{ENV_PREFIX}TRAINING_STORE": settings.training_place,
            f"{ENV_PREFIX}BACKUP_STORE": settings.backup_place,
            f"{ENV_PREFIX}ARCHIVE_STORE": settings.archive_place,
            f"{ENV_PREFIX}UI_URL": settings.ui_address,
            f"{ENV_PREFIX}LOG_FORMAT": settings.log_format,
            f"{ENV_PREFIX}BROKER_REMOTE": str(int(settings.broker_remote)),
            f"{ENV_PREFIX}WAREHOUSE_URL": self.databases.warehouse.get_secret_value(),
            f"{ENV_PREFIX}DAGSTER_URL": self.databases.dagster.get_secret_value(),
        }
        if settings.sandbox_url:
            variables[f"{ENV_PREFIX}SANDBOX_URL"] = settings.sandbox_url
        if settings.broker_url:  # dagster.yaml names a launcher that asks for it
            variables[f"{ENV_PREFIX}BROKER_URL"] = settings.broker_url.get_secret_value()
        return variables

    def child_variables(self) -> Mapping[str, str]:
        """The same and the providers' keys, for processes that we start; a shell reads the keys by itself."""
        settings = self.settings
        keys = settings.keys() | {
            "redis_url": settings.redis_url,
            "broker_url": settings.broker_url,
            "alert_urls": settings.alert_urls,
        }
        # An empty one hides what the environment or .env holds from a sandbox's processes
        told = {f"{ENV_PREFIX}{name.upper()}": key.get_secret_value() if key else "" for name, key in keys.items()}
        return {**self.variables(), **told}

    def _find_databases(self) -> Databases:
        settings = self.settings
        if settings.database_url is not None:
            base = settings.database_url
        else:
            server = embedded_server(settings)
            was_running = server.address() is not None
            address = server.start()
            self._started = None if was_running else server
            base = address.url(DATABASE)
        warehouse = with_suffix(base, settings.database_suffix)
        databases = Databases(warehouse, with_suffix(warehouse, "_dagster"))
        ensure_database(databases.warehouse)
        ensure_database(databases.dagster)
        return databases

    def _write_dagster_home(self) -> None:
        home = self.settings.dagster_home
        home.mkdir(parents=True, exist_ok=True)
        # Whole or not at all: who reads an empty dagster.yaml gets an instance in SQLite without a word.
        whole = home / f"dagster.yaml.{uuid4().hex}"
        try:
            shutil.copyfile(self.settings.dagster_file, whole)
            whole.replace(home / "dagster.yaml")
        finally:
            whole.unlink(missing_ok=True)

    def _stop(self) -> None:
        from crypto_assets.cli.serve import running_processes

        # `up` may have found it running meanwhile, and works with it for as long as it runs.
        if self._started is not None and not running_processes(self.settings):
            self._started.stop()
        self._started = None


def with_suffix(url: SecretStr, suffix: str) -> SecretStr:
    """The same server, another database: the name in the URL with a suffix; the driver is always named."""
    parts = urlsplit(url.get_secret_value())
    return SecretStr(urlunsplit(parts._replace(scheme="postgresql+psycopg2", path=parts.path.rstrip("/") + suffix)))
