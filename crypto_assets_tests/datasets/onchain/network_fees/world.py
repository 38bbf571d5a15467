"""Runs of onchain/network_fees without Dagster, on a sandbox whose clock a test sets.

What belongs here: putting a run together, and what the sandbox's chains hold. What does not: assertions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import dagster as dg
import numpy as np
import pandas as pd
from sqlalchemy import select

from crypto_assets.clients.transport import RetryPolicy
from crypto_assets.datasets.calendar_asset import CalendarRun
from crypto_assets.datasets.onchain.network_fees.asset import NetworkFeesConfig, collect_fees
from crypto_assets.datasets.onchain.network_fees.table import network_fees
from crypto_assets.datasets.outcomes import EventOutcome
from crypto_assets.partitions import VenueWindow
from crypto_assets.resources import Keys, Providers
from crypto_assets.sandbox.config import DEFAULT_SEED
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.sandbox.providers.ethereum_chain import base_fees, block_time, gas_used_ratios, newest_block, tips
from crypto_assets.universe import Universe, parse_universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

NOW = datetime(2026, 3, 10, 12, 0, 30, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 10, tzinfo=UTC)
DAY = timedelta(days=1)
ONCE = RetryPolicy(attempts=1, first_pause_seconds=0.01, breaker_failures=1000)
UNIVERSE = parse_universe("history_from: 2021-01-01\nvenues: {kraken: {markets: [BTC/USD]}}", "u.yaml")


@dataclass
class FeeWorld:
    """A run's surroundings.

    Args:
        behind: How far the sandbox's clock is behind that of the run.
    """

    warehouse: Warehouse
    sandbox: SandboxProcess
    keys: Keys = field(default_factory=Keys)
    universe: Universe = UNIVERSE
    now: datetime = NOW
    behind: timedelta = timedelta()

    def with_rules(self, **changed: object) -> None:
        """Change the universe's rules of fees."""
        rules = self.universe.network_fees.model_copy(update=changed)
        self.universe = self.universe.model_copy(update={"network_fees": rules})

    def run(self, *chains: str, days: tuple[datetime, datetime] | None = None) -> Sequence[EventOutcome]:
        """Collect as the asset does; the window is the clock's day."""
        self.sandbox.set_now(self.now - self.behind)
        midnight = self.now.replace(hour=0, minute=0, second=0, microsecond=0)
        run = CalendarRun(
            dg.get_dagster_logger(),
            self.warehouse,
            Providers(self.keys, sandbox_url=self.sandbox.url, policy=ONCE),
            self.universe,
            VenueWindow("", *(days or (midnight, midnight + DAY))),
            NetworkFeesConfig(chains=list(chains)),
            clock=lambda: self.now,
        )
        return collect_fees(run).outcomes

    def rows(self, chain: str | None = None) -> pd.DataFrame:
        """What is stored, by chain and time."""
        chosen = select(network_fees).order_by(network_fees.c.chain, network_fees.c.observed_at)
        return read_frame(self.warehouse, chosen if chain is None else chosen.where(network_fees.c.chain == chain))

    def scalar(self, statement: str, *values: object) -> object:
        """The first value of a statement's first row."""
        with self.warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            row = cursor.fetchone()
            return row[0] if row else None

    def asked(self) -> int:
        """How often the sandbox's chains have been asked so far."""
        names = ("evm_rpc", "etherscan", "mempool_space", "solana_rpc")
        return sum(count for path, count in self.sandbox.requests().items() if path.startswith(names))


def truth_of_blocks(newest: int, blocks: int = 20) -> dict[str, float]:
    """What the made-up chain holds of so many blocks, worked out another way than by the code that is tested."""
    fees = base_fees(DEFAULT_SEED, newest - blocks + 1, blocks + 1)
    paid = np.array(tips(DEFAULT_SEED, newest - blocks + 1, blocks, [10.0, 50.0, 90.0]), dtype=np.float64) / 1e9
    middle = np.median(paid, axis=0)
    return {
        "base_fee_gwei": fees[blocks - 1] / 1e9,
        "next_base_fee_gwei": fees[blocks] / 1e9,
        "gas_used_ratio": float(np.mean(gas_used_ratios(fees))),
        "block_number": newest,
        "priority_fee_p10_gwei": middle[0],
        "priority_fee_p50_gwei": middle[1],
        "priority_fee_p90_gwei": middle[2],
    }


def first_block_after(at: datetime) -> int:
    """The first block at or after a moment, found by walking."""
    number = newest_block(DEFAULT_SEED, int(at.timestamp())) - 2
    while block_time(DEFAULT_SEED, number) < at.timestamp():
        number += 1
    return number
