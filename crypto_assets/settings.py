"""The only reader of the environment.

What belongs here: every variable the project reads, with its type, default and meaning, and the paths derived from
them. What does not: anything that opens a connection or starts a process, and what to collect (universe.py).

Every variable is named CRYPTO_ASSETS_<FIELD> and explained in .env.example; a `.env` file in the project folder is read
too, and the real environment wins over it.
"""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from crypto_assets.errors import CryptoAssetsError

ENV_PREFIX = "CRYPTO_ASSETS_"
_CHECKOUT = Path(__file__).resolve().parents[1]
_PACKAGED = Path(__file__).resolve().parent / "_project"  # where a wheel carries sql/ and config/


# Settings that hold what a provider knows us by: a key, or an address with one in it.
PROVIDER_KEYS = (
    "fred_api_key", "etherscan_api_key", "cryptopanic_api_key", "ethereum_rpc_url", "solana_rpc_url"
)  # fmt: skip


class SettingsError(CryptoAssetsError):
    """A variable of the environment holds a value that cannot be used."""


class Settings(BaseSettings):
    """All settings, read once by `load_settings` and handed down.

    Relative paths are taken from the folder the process was started in.
    """

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True
    )

    home: Path = Field(default=Path(".crypto_assets"), description="Everything written outside the database.")
    profile: str = Field(default="live", pattern=r"^[a-z][a-z0-9_]{0,40}$", description="Which set of databases.")
    database_url: SecretStr | None = Field(
        default=None, description="A PostgreSQL of yours instead of the embedded one."
    )
    warehouse_url: SecretStr | None = Field(
        default=None, description="Set by `crypto-assets env`: this profile's data."
    )
    dagster_url: SecretStr | None = Field(default=None, description="Set by `crypto-assets env`: Dagster's storage.")
    postgres_bin: Path | None = Field(default=None, description="Folder with initdb and postgres.")
    postgres_port: int = Field(
        default=0, ge=0, le=65535, description="Port of the embedded server; 0 picks a free one."
    )
    postgres_start_timeout_seconds: float = Field(default=180, ge=1, description="Crash recovery can take long.")
    universe: Path = Field(default=Path("config/universe.yaml"), description="What to collect.")
    watchlist: Path = Field(default=Path("config/watchlist.csv"), description="Pools and tokens to follow by name.")
    sandbox_url: str | None = Field(default=None, description="Ask this loopback server instead of the providers.")
    fred_api_key: SecretStr | None = Field(default=None, description="Macro series: free at fred.stlouisfed.org.")
    etherscan_api_key: SecretStr | None = Field(default=None, description="Ethereum's fees where no node answers.")
    cryptopanic_api_key: SecretStr | None = Field(default=None, description="News of CryptoPanic beside the feeds.")
    ethereum_rpc_url: SecretStr | None = Field(
        default=None, description="A node of yours, asked before the public ones."
    )
    solana_rpc_url: SecretStr | None = Field(default=None, description="A node of yours, asked before the public ones.")
    models: Path | None = Field(default=None, description="Folder of sentiment models that you fetched.")
    secrets_dir: Path | None = Field(default=None, description="Folder of files that hold a setting each.")
    model_store: str | None = Field(default=None, description="Where trained forecasts lie: a folder, or an address.")
    export_store: str | None = Field(default=None, description="Where exports go: a folder, or an address.")
    training_store: str | None = Field(default=None, description="Where training sets lie: a folder, or an address.")
    backup_store: str | None = Field(default=None, description="Where backups go: a folder, or an address.")
    archive_store: str | None = Field(default=None, description="Where old partitions go: a folder, or an address.")
    redis_url: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices(f"{ENV_PREFIX}REDIS_URL", "REDIS_URL", "redis_url"),
        description="A Redis that is told the latest values.",
    )
    broker_url: SecretStr | None = Field(default=None, description="A Redis over which runs go to Celery's workers.")
    broker_remote: bool = Field(default=False, description="Let that Redis lie on another machine.")
    alert_urls: SecretStr | None = Field(default=None, description="Apprise addresses, separated by spaces.")
    webserver_port: int = Field(default=3000, ge=1, le=65535, description="Port of the web UI on 127.0.0.1.")
    ui_url: str | None = Field(default=None, description="Where people reach the web UI; links in alerts go there.")
    dashboard_host: str = Field(default="127.0.0.1", description="Address that dashboard and metrics listen on.")
    dashboard_port: int = Field(default=3001, ge=1, le=65535, description="Port of dashboard and metrics.")
    origin: str | None = Field(default=None, description="Set for a child process: the run that it works for.")
    log_format: str = Field(default="console", pattern=r"^(console|json)$", description="For people, or for machines.")
    log_level: str = Field(
        default="WARNING", pattern=r"^(DEBUG|INFO|WARNING|ERROR)$", description="Least severe line shown."
    )

    @field_validator("database_url", "warehouse_url", "dagster_url")
    @classmethod
    def _names_postgres(cls, url: SecretStr | None) -> SecretStr | None:
        if url is None:
            return None
        parts = urlsplit(url.get_secret_value())
        if parts.scheme.split("+")[0] not in {"postgresql", "postgres"} or not parts.path.strip("/"):
            raise ValueError("expected postgresql://user:password@host:port/database")
        return url

    @field_validator(*PROVIDER_KEYS, "alert_urls")
    @classmethod
    def _empty_is_none(cls, secret: SecretStr | None) -> SecretStr | None:
        """An empty line of .env means that there is none."""
        return secret if secret is not None and secret.get_secret_value().strip() else None

    @field_validator("ethereum_rpc_url", "solana_rpc_url")
    @classmethod
    def _is_a_web_address(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            parts = urlsplit(url.get_secret_value())
            if parts.scheme not in {"http", "https"} or not parts.hostname:
                raise ValueError("expected http(s)://host/path")
        return url

    @field_validator("redis_url")
    @classmethod
    def _names_redis(cls, url: SecretStr | None) -> SecretStr | None:
        """An empty line of .env means that there is none."""
        if url is None or not url.get_secret_value().strip():
            return None
        parts = urlsplit(url.get_secret_value())
        if parts.scheme not in {"redis", "rediss", "unix"} or not (parts.hostname or parts.scheme == "unix"):
            raise ValueError("expected redis://:password@host:port/number")
        return url

    @field_validator("broker_url")
    @classmethod
    def _names_a_redis_on_a_host(cls, url: SecretStr | None) -> SecretStr | None:
        """An empty line of .env means that runs stay on this machine."""
        if url is None or not url.get_secret_value().strip():
            return None
        parts = urlsplit(url.get_secret_value().strip())
        if parts.scheme not in {"redis", "rediss"} or not parts.hostname:
            raise ValueError("expected redis://:password@host:port/number")
        return SecretStr(url.get_secret_value().strip())

    @field_validator("ui_url")
    @classmethod
    def _is_a_page(cls, url: str | None) -> str | None:
        if url is None or not url.strip():
            return None
        parts = urlsplit(url.strip())
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.password:
            raise ValueError("expected http(s)://host/path, without a password")
        return url.strip().rstrip("/")

    @field_validator("dashboard_host")
    @classmethod
    def _is_an_address(cls, host: str) -> str:
        try:
            return str(ipaddress.ip_address(host))
        except ValueError:
            raise ValueError("expected an address such as 127.0.0.1, or 0.0.0.0 for all of this machine's") from None

    @field_validator("model_store", "export_store", "training_store", "backup_store", "archive_store")
    @classmethod
    def _is_a_folder_or_an_address(cls, place: str | None) -> str | None:
        """An empty line of .env means the default."""
        if place is None or not place.strip():
            return None
        scheme, separator, rest = place.strip().partition("://")
        if separator and not (rest.strip("/") and re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme)):
            raise ValueError("expected a folder, or an address as s3://bucket/folder")
        return place.strip()

    @field_validator("sandbox_url")
    @classmethod
    def _stays_on_this_machine(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        try:
            loopback = ipaddress.ip_address(parts.hostname or "").is_loopback
        except ValueError:
            loopback = False
        if parts.scheme != "http" or not loopback or parts.port is None:
            raise ValueError("expected http://127.0.0.1:PORT, a sandbox on this machine")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _sandbox_never_meets_live_data(self) -> Self:
        if self.sandbox_url and self.profile == "live":
            raise ValueError("a sandbox needs a profile of its own (for example sandbox): its bars are not real")
        return self

    def keys(self) -> dict[str, SecretStr | None]:
        """What providers know us by, by the name of its setting; None where nobody has registered."""
        return {name: getattr(self, name) for name in PROVIDER_KEYS}

    @property
    def project(self) -> Path:
        """The folder that holds sql/, config/ and workspace.yaml: the checkout, or the package's own copy."""
        return _CHECKOUT if (_CHECKOUT / "sql").is_dir() else _PACKAGED

    @property
    def sql_folder(self) -> Path:
        """The numbered migrations."""
        return self.project / "sql"

    @property
    def dagster_file(self) -> Path:
        """Dagster's configuration: the one that hands runs to Celery's workers where a broker is named."""
        return self.project / ("deploy/celery/dagster.yaml" if self.broker_url else "dagster.yaml")

    @property
    def universe_file(self) -> Path:
        """The universe's path, absolute; a relative one that is not below the working folder is the project's."""
        return self._ours(self.universe)

    @property
    def watchlist_file(self) -> Path:
        """The watchlist's path, absolute; found as the universe's is."""
        return self._ours(self.watchlist)

    @property
    def model_store_place(self) -> str:
        """Where artefacts of trained forecasts lie: an address as it was given, a folder as an absolute path."""
        return self._place(self.model_store, "models")

    @property
    def export_place(self) -> str:
        """Where exports go; told as the store of models is."""
        return self._place(self.export_store, "exports")

    @property
    def training_place(self) -> str:
        """Where training sets lie; told as the store of models is."""
        return self._place(self.training_store, "training_sets")

    @property
    def backup_place(self) -> str:
        """Where backups go; told as the store of models is."""
        return self._place(self.backup_store, "backups")

    @property
    def archive_place(self) -> str:
        """Where partitions go that retention takes out of their tables; told as the store of models is."""
        return self._place(self.archive_store, "archive")

    @property
    def ui_address(self) -> str:
        """Where people reach the web UI, without a slash at its end."""
        return self.ui_url or f"http://127.0.0.1:{self.webserver_port}"

    @property
    def server_home(self) -> Path:
        """Folder of the embedded PostgreSQL, shared by all profiles."""
        return self.home.absolute() / "postgres"

    @property
    def dagster_home(self) -> Path:
        """DAGSTER_HOME of this profile."""
        return self.home.absolute() / self.profile / "dagster"

    @property
    def database_suffix(self) -> str:
        """What is added to database names so that no profile sees another's rows; empty for live."""
        return "" if self.profile == "live" else f"_{self.profile}"

    def _place(self, named: str | None, folder: str) -> str:
        place = named or str(self.home / folder)
        return place if "://" in place else str(Path(place).absolute())

    def _ours(self, path: Path) -> Path:
        here = path.absolute()
        return here if here.exists() or path.is_absolute() else self.project / path


def load_settings(**overrides: object) -> Settings:
    """Read the environment once.

    Raises:
        SettingsError: naming each variable, what it holds where that is no secret, and what was expected.
    """
    folder = os.environ.get(f"{ENV_PREFIX}SECRETS_DIR") or None  # known before anything else can be read from it
    if folder is not None and not Path(folder).is_dir():
        raise SettingsError(
            f"{ENV_PREFIX}SECRETS_DIR is no folder",
            way_out="Name the folder that holds a file for each secret setting.",
        )
    try:
        return Settings(_secrets_dir=folder, **overrides)  # type: ignore[call-arg, arg-type]
    except ValidationError as error:
        raise SettingsError(
            _explain(error), way_out="Correct the environment or .env; .env.example explains each."
        ) from None


def inherited_environment() -> dict[str, str]:
    """The whole environment, for child processes that we start."""
    return dict(os.environ)


def _explain(error: ValidationError) -> str:
    parts = []
    for issue in error.errors(include_url=False, include_input=False):
        told = "_".join(str(part) for part in issue["loc"]).upper().removeprefix(ENV_PREFIX)
        name = ENV_PREFIX + told if told else "the environment"
        parts.append(f"{name}: {issue['msg'].removeprefix('Value error, ')}")
    return "; ".join(parts)
