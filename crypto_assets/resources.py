"""What assets are given to work with: the warehouse, the universe, the providers, the models' store, what Redis is told.

What belongs here: construction from the settings. What does not: any work; constructors open nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from crypto_assets.alerts.post import AlertPost
from crypto_assets.clients.exchange import Exchange
from crypto_assets.clients.geckoterminal import GeckoTerminal
from crypto_assets.clients.http import MOST_BYTES, HttpProvider
from crypto_assets.clients.transport import RetryPolicy, Transport
from crypto_assets.collection.shared_pace import SharedPace
from crypto_assets.forecasting.artefacts import Store
from crypto_assets.latest.telling import LatestValues
from crypto_assets.settings import Settings, SettingsError
from crypto_assets.universe import Universe
from crypto_assets.warehouse.backup import Saved
from crypto_assets.warehouse.backup_place import BackupPlace
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.detach_file import Archive
from crypto_assets.warehouse.universe_versions import UniverseInForce, universe_in_force

SANDBOX_REQUESTS_PER_SECOND = 1000.0


@dataclass(frozen=True)
class UniverseFile:
    """Reads the universe when a run asks for it, so that edits hold from the next run on.

    Args:
        watchlist: The file of followed pools; None for watchlist.csv beside the universe.
    """

    path: Path
    warehouse: Warehouse
    watchlist: Path | None = None

    @property
    def watchlist_path(self) -> Path:
        """Where the watchlist lies."""
        return self.watchlist or self.path.parent / "watchlist.csv"

    def in_force(self) -> UniverseInForce:
        """The universe to work with now.

        Raises:
            UniverseError: the file is invalid and no valid version is known.
        """
        return universe_in_force(self.path, self.warehouse)


@dataclass(frozen=True)
class Exchanges:
    """Makes a client a venue; a client lives as long as the run that asked for it.

    Args:
        sandbox_url: Ask this server in place of the venues.
        policy: How often a request is repeated.
        warehouse: Where all processes keep their pace towards a venue together; None for a pace of each client's own.
        keeps_budget: Whether the sandbox is asked no faster than the venue would be.
    """

    sandbox_url: str | None = None
    policy: RetryPolicy | None = None
    warehouse: Warehouse | None = None
    keeps_budget: bool = False

    def client(self, venue: str, universe: Universe) -> Exchange:
        """The client of a venue.

        Raises:
            UniverseError: the universe has no such venue.
        """
        entry = universe.venue(venue)
        if self.sandbox_url and not self.keeps_budget:  # a server of our own has no limit to respect
            entry = entry.model_copy(update={"requests_per_second": SANDBOX_REQUESTS_PER_SECOND})
        pace = SharedPace(self.warehouse, venue, entry.requests_per_second) if self.warehouse else None
        return Exchange(venue, entry, sandbox_url=self.sandbox_url, policy=self.policy, pace=pace)


@dataclass(frozen=True)
class PoolClients:
    """Makes clients of GeckoTerminal; a client lives as long as the run that asked for it.

    Args:
        sandbox_url: Ask this server in place of GeckoTerminal.
        policy: How often a request is repeated.
        warehouse: Where all processes keep their pace together; None for a pace of each client's own.
        keeps_budget: Whether the sandbox is asked no faster than GeckoTerminal would be.
    """

    sandbox_url: str | None = None
    policy: RetryPolicy | None = None
    warehouse: Warehouse | None = None
    keeps_budget: bool = False

    def client(self, universe: Universe) -> GeckoTerminal:
        """A client for the networks of the universe."""
        rules = universe.dex
        if self.sandbox_url and not self.keeps_budget:  # a server of our own has no limit to respect
            rules = rules.model_copy(update={"requests_per_minute": SANDBOX_REQUESTS_PER_SECOND * 60})
        budget = rules.requests_per_minute / 60
        pace = SharedPace(self.warehouse, GeckoTerminal.name, budget) if self.warehouse else None
        return GeckoTerminal(rules, sandbox_url=self.sandbox_url, policy=self.policy, pace=pace)


@dataclass(frozen=True)
class Keys:
    """What providers know us by; None where nobody has registered. Never shown: SecretStr hides them."""

    fred: SecretStr | None = None
    etherscan: SecretStr | None = None
    cryptopanic: SecretStr | None = None
    ethereum_rpc: SecretStr | None = None
    solana_rpc: SecretStr | None = None


@dataclass(frozen=True)
class Providers:
    """Makes what asks a provider over HTTP; it lives as long as the run that asked for it.

    Args:
        keys: What providers know us by.
        models: Folder of models that were fetched by hand; None for none.
        sandbox_url: Ask this server in place of the providers.
        policy: How often a request is repeated.
        warehouse: Where all processes keep their pace towards a provider together; None for a pace of each one's own.
        keeps_budget: Whether the sandbox is asked no faster than a provider would be.
    """

    keys: Keys = Keys()
    models: Path | None = None
    sandbox_url: str | None = None
    policy: RetryPolicy | None = None
    warehouse: Warehouse | None = None
    keeps_budget: bool = False

    def http(
        self,
        provider: str,
        requests_per_minute: float,
        *,
        secrets: Sequence[SecretStr] = (),
        headers: Mapping[str, str] | None = None,
        most_bytes: int = MOST_BYTES,
    ) -> HttpProvider:
        """What asks a provider.

        Args:
            provider: Its name, under which its pace and breaker are kept.
            requests_per_minute: Its budget, over all processes.
            secrets: What must never stand in a message.
            headers: Sent with each request.
            most_bytes: The largest answer that is read.
        """
        return HttpProvider(
            self.transport(provider, requests_per_minute),
            sandbox_url=self.sandbox_url,
            secrets=secrets,
            headers=headers,
            most_bytes=most_bytes,
        )

    def transport(self, provider: str, requests_per_minute: float) -> Transport:
        """Pace, retries and breaker towards a provider, for a client that sends by itself."""
        budget = requests_per_minute / 60
        if self.sandbox_url and not self.keeps_budget:  # a server of our own has no limit to respect
            budget = SANDBOX_REQUESTS_PER_SECOND
        pace = SharedPace(self.warehouse, provider, budget) if self.warehouse else None
        return Transport(provider, requests_per_second=budget, policy=self.policy, pace=pace)


@dataclass(frozen=True)
class ModelStore:
    """Where the artefacts of trained forecasts lie.

    Args:
        place: A folder, or an address that fsspec knows.
    """

    place: str

    def store(self) -> Store:
        """What keeps artefacts there and checks them when they are read."""
        return Store(self.place)


@dataclass(frozen=True)
class Backups:
    """What is saved of a profile, and where backups of it go.

    Args:
        saved: Databases, files, models.
        place: A folder, or an address that fsspec knows.
    """

    saved: Saved
    place: BackupPlace


def warehouse_of(settings: Settings) -> Warehouse:
    """The warehouse the environment names.

    Raises:
        SettingsError: no database is named: the environment was not loaded.
    """
    return Warehouse(_required(settings.warehouse_url))


def resources_of(settings: Settings) -> Mapping[str, object]:
    """All resources by the names assets ask for them."""
    warehouse = warehouse_of(settings)
    return {
        "warehouse": warehouse,
        "universe_file": UniverseFile(settings.universe_file, warehouse, settings.watchlist_file),
        "exchanges": Exchanges(settings.sandbox_url, warehouse=warehouse),
        "pool_clients": PoolClients(settings.sandbox_url, warehouse=warehouse),
        "providers": Providers(keys_of(settings), settings.models, settings.sandbox_url, warehouse=warehouse),
        "model_store": ModelStore(settings.model_store_place),
        "alert_post": AlertPost(settings.alert_urls, settings.ui_address, settings.profile),
        "backups": backups_of(settings),
        "archive": Archive(settings.archive_place, settings.profile),
        "latest": latest_of(settings),
    }


def latest_of(settings: Settings) -> LatestValues:
    """Where what is newest is told; nobody is, where the environment names no Redis."""
    return LatestValues(settings.redis_url, settings.profile)


def backups_of(settings: Settings) -> Backups:
    """What is saved of the profile that the environment names."""
    dagster = Warehouse(settings.dagster_url) if settings.dagster_url is not None else None
    saved = Saved(
        profile=settings.profile,
        data=warehouse_of(settings),
        dagster=dagster,
        config={"universe.yaml": settings.universe_file, "watchlist.csv": settings.watchlist_file},
        models=settings.model_store_place,
        staging=settings.home.absolute() / settings.profile / "backup_staging",
        binaries=settings.postgres_bin,
        notes=() if dagster is not None else ("Dagster's runs are not in it: CRYPTO_ASSETS_DAGSTER_URL is not set",),
    )
    return Backups(saved, BackupPlace(settings.backup_place))


def keys_of(settings: Settings) -> Keys:
    """What the environment says that providers know us by."""
    return Keys(**{name.removesuffix("_api_key").removesuffix("_url"): key for name, key in settings.keys().items()})


def _required(url: SecretStr | None) -> SecretStr:
    if url is None:
        raise SettingsError(
            "CRYPTO_ASSETS_WAREHOUSE_URL is not set",
            way_out='Load the environment first: eval "$(crypto-assets env)"; it starts the embedded PostgreSQL too.',
        )
    return url
