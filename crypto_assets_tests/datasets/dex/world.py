"""A world of made-up pools whose clock a test moves: a sandbox, a database, a watchlist, and runs without Dagster.

What belongs here: putting the world together, and what is true in it. What does not: assertions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import dagster as dg
import pandas as pd
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name
from sqlalchemy import Table, select

from crypto_assets.clients.breaker import BreakerStatus
from crypto_assets.clients.geckoterminal import GeckoTerminal
from crypto_assets.clients.pacing import Usage
from crypto_assets.clients.transport import RetryPolicy
from crypto_assets.datasets.dex.network_asset import NetworkRun
from crypto_assets.datasets.dex.watchlist.asset import Entry, WatchlistConfig, build_rows, follow_watchlist
from crypto_assets.datasets.dex.watchlist.table import watchlist
from crypto_assets.datasets.outcomes import Collected
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.coverage import read_gaps
from crypto_assets.sandbox.config import DEFAULT_SEED
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.sandbox.seeded_pool_list import CHAINS, SeededPool, born_pool, lasting_pool
from crypto_assets.sandbox.seeded_pools import SeededPools
from crypto_assets.universe import parse_universe
from crypto_assets.universe_rules import DexRules
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame
from crypto_assets.warehouse.write import upsert
from crypto_assets_tests.datasets.dex.stage import FAST, HASTE, HEADER, UNIVERSE

NOW = datetime(2026, 3, 10, 12, 0, 30, tzinfo=UTC)
DAY = timedelta(days=1)


class MovingPace:
    """Hands out every slot at once; what a request takes passes on the world's clock."""

    def __init__(self, passes: Callable[[], None]) -> None:
        self._passes = passes

    def reserve(self, cost: float) -> float:  # noqa: ARG002 - requests take the same
        """The slot of now."""
        self._passes()
        return 0.0

    def rest(self, seconds: float) -> None:
        """Nobody waits here."""

    def failures(self) -> int:
        """None: nobody else asks."""
        return 0

    def tell(self, status: BreakerStatus) -> None:
        """Nobody is there to be told."""

    def used(self, usage: Usage) -> None:
        """Nobody is there to be told."""


class KeptOpen(Warehouse):
    """A warehouse whose connection stays open, for hundreds of small steps; each is committed by itself as ever.

    For one thread at a time.
    """

    def __init__(self, warehouse: Warehouse) -> None:
        super().__init__(warehouse.url)
        self._open = ExitStack()
        self._writing = self._open.enter_context(super().connect())
        self._is_lent = False

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """The one connection; a second one at the same time is the real one's."""
        if self._is_lent:
            with super().connect() as connection:
                yield connection
            return
        self._is_lent = True
        try:
            yield self._writing
            self._writing.commit()
        except BaseException:
            self._writing.rollback()
            raise
        finally:
            self._is_lent = False

    def close(self) -> None:
        """Close it."""
        self._open.close()


class PoolWorld:
    """Runs of datasets/dex on a sandbox whose clock stands at `now`.

    Args:
        folder: For the watchlist.
        sandbox: Started with a time of its own.
    """

    def __init__(self, folder: Path, warehouse: Warehouse, sandbox: SandboxProcess) -> None:
        self.warehouse = warehouse
        self.sandbox = sandbox
        self.watchlist = folder / "watchlist.csv"
        self.universe = parse_universe(UNIVERSE, "universe.yaml")
        self.policy: RetryPolicy = HASTE
        self.now = NOW
        self.seconds_a_request = 0.0
        self.before_request: Callable[[], None] = lambda: None
        self.truth = SeededPools(DEFAULT_SEED, lambda: int(self.now.timestamp() * 1000))

    @property
    def rules(self) -> DexRules:
        """The universe's."""
        return self.universe.dex

    def with_rules(self, **changed: object) -> None:
        """Another universe from here on."""
        self.universe = self.universe.model_copy(update={"dex": self.universe.dex.model_copy(update=changed)})

    def at(self, moment: datetime) -> None:
        """Set both clocks."""
        self.now = moment
        self.sandbox.set_now(moment)

    def forward(self, **passed: float) -> None:
        """Let time pass: minutes=5."""
        self.at(self.now + timedelta(**passed))

    def client(self) -> GeckoTerminal:
        """A client of the sandbox; its breaker is closed."""
        return GeckoTerminal(FAST, sandbox_url=self.sandbox.url, policy=self.policy, pace=MovingPace(self._request))

    def _request(self) -> None:
        self.before_request()
        if self.seconds_a_request:
            self.forward(seconds=self.seconds_a_request)

    def network_run[C: dg.Config](
        self, config: C, network: str = "solana", days: tuple[datetime, datetime] | None = None
    ) -> NetworkRun[C]:
        """What collecting is given: the window is the clock's day."""
        midnight = self.now.replace(hour=0, minute=0, second=0, microsecond=0)
        window = VenueWindow(network, *(days or (midnight, midnight + DAY)))
        return NetworkRun(
            dg.get_dagster_logger(), self.warehouse, self.client(), self.universe, window, config, self.watchlist,  # type: ignore[arg-type]
            clock=lambda: self.now, sleep=lambda seconds: self.forward(seconds=seconds),
        )  # fmt: skip

    def run[C: dg.Config](
        self,
        collect: Callable[[NetworkRun[C]], Collected],
        config: C,
        network: str = "solana",
        days: tuple[datetime, datetime] | None = None,
    ) -> Collected:
        """Collect as the asset does."""
        run = self.network_run(config, network, days)
        try:
            return collect(run)
        finally:
            run.client.close()

    def watch(self, *rows: str, network: str = "solana") -> Collected:
        """Write the watchlist, its rows below the header, and follow it."""
        self.watchlist.write_text("\n".join((HEADER, *rows)) + "\n")
        return self.run(follow_watchlist, WatchlistConfig(), network)

    def follow(self, *addresses: str, network: str = "solana", min_trade_usd: str = "0") -> None:
        """Watch these pools, nobody asked."""
        one = Entry("", "pool", "", Decimal(min_trade_usd), "", self.now - DAY, resolved_at=self.now)
        entries = [replace(one, address=address, pool_address=address) for address in addresses]
        with self.warehouse.connect() as connection:
            upsert(connection, watchlist, build_rows(network, entries))

    def rows(self, table: Table, **where: object) -> pd.DataFrame:
        """All rows of a table, in the order of its key."""
        chosen = select(table).where(*(table.c[name] == value for name, value in where.items()))
        return read_frame(self.warehouse, chosen.order_by(*table.primary_key.columns))

    def gaps(self, dataset: str, **where: str) -> pd.DataFrame:
        """Rows of the gap ledger."""
        return read_gaps(self.warehouse, dataset=dataset, **where)  # type: ignore[arg-type]

    def execute(self, statement: str, *values: object) -> None:
        """One statement of SQL."""
        with self.warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement, values)

    def scalar(self, statement: str, *values: object) -> object:
        """The first value of a statement's first row."""
        with self.warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            row = cursor.fetchone()
            return row[0] if row else None

    def requests(self) -> int:
        """How often the sandbox's pools have been asked for so far."""
        return sum(count for path, count in self.sandbox.requests().items() if path.startswith("geckoterminal"))


def lasting(place: int, network: str = "solana", dex: str = "pumpswap") -> SeededPool:
    """A pool that always trades, by its place in its exchange: the first trade the most."""
    number = [one.id for one in CHAINS[network].dexes].index(dex) * 1000 + place
    pool = lasting_pool(DEFAULT_SEED, network, number)
    assert pool is not None
    return pool


def born(when: datetime, network: str = "solana") -> SeededPool:
    """The pool that was born in the ten minutes around a moment."""
    pool = born_pool(DEFAULT_SEED, network, int(when.timestamp()) // 600)
    assert pool is not None
    return pool


def made_at(pool: SeededPool) -> datetime:
    """When a pool was made."""
    return datetime.fromtimestamp(pool.first_minute * 60 + pool.second, UTC)


def told(done: Collected) -> Mapping[str, object]:
    """What a run shows, without Dagster's wrapping."""
    return {name: value.value for name, value in done.metadata.items()}


def problems(done: Collected) -> Sequence[str]:
    """The warnings of a run."""
    return [one.warning for one in done.outcomes if one.warning]
