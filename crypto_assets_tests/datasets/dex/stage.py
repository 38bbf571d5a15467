"""Definitions over a database and a sandbox, and runs of the real jobs over a day of a network.

What belongs here: putting a stage together. What does not: assertions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import dagster as dg

from crypto_assets.clients.geckoterminal import GeckoTerminal
from crypto_assets.clients.transport import RetryPolicy
from crypto_assets.definitions import build_definitions
from crypto_assets.partitions import day_key, join_network_key
from crypto_assets.resources import PoolClients
from crypto_assets.settings import Settings
from crypto_assets.universe_rules import DexRules
from crypto_assets.warehouse.connection import Warehouse

UNIVERSE = """
history_from: 2024-01-01
venues:
  binance: {markets: [BTC/USDT]}
dex:
  networks:
    solana: {dexes: [heaven, pumpswap]}
    ethereum: {id: eth, dexes: [uniswap_v3]}
  history_days: 2
"""
HEADER = "network,address,address_type,symbol,min_trade_usd,note"
HASTE = RetryPolicy(attempts=2, first_pause_seconds=0.01, max_pause_seconds=0.02, breaker_failures=4)
FAST = DexRules(requests_per_minute=10_000)


class PoolStage:
    """Runs of datasets/dex against a sandbox whose clock is the real one."""

    def __init__(self, folder: Path, warehouse: Warehouse, sandbox_url: str, instance: dg.DagsterInstance) -> None:
        self.warehouse = warehouse
        self.instance = instance
        self.watchlist = folder / "watchlist.csv"
        self.watchlist.write_text(HEADER + "\n")
        universe = folder / "universe.yaml"
        universe.write_text(UNIVERSE)
        self._url = sandbox_url
        settings = Settings(
            home=folder, profile="test", universe=universe, watchlist=self.watchlist, warehouse_url=warehouse.url,
            sandbox_url=sandbox_url,
        )  # fmt: skip
        self.definitions = build_definitions(settings)

    def client(self) -> GeckoTerminal:
        """A client of the sandbox."""
        return GeckoTerminal(FAST, sandbox_url=self._url, policy=HASTE)

    def watch(self, rows: Sequence[str]) -> None:
        """Write the watchlist: its rows below the header."""
        self.watchlist.write_text("\n".join((HEADER, *rows)) + "\n")

    def run(
        self, job: str, network: str, day: datetime, configs: Mapping[str, Mapping[str, object]] | None = None
    ) -> dg.ExecuteInProcessResult:
        """Run a job of datasets/dex for a day of a network.

        Args:
            job: refresh_dexes, collect_pools or collect_pool_data.
            configs: Config by asset: pool_trades, pool_ohlcv.
        """
        return self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            raise_on_error=False,
            partition_key=join_network_key(day_key(day), network),
            run_config={"ops": {f"dex__{name}": {"config": dict(config)} for name, config in (configs or {}).items()}},
            resources={**self.definitions.resources, "pool_clients": PoolClients(self._url, HASTE, self.warehouse)},  # type: ignore[dict-item]
        )


def metadata(result: dg.ExecuteInProcessResult, name: str) -> dict[str, object]:
    """What a run's materialization of dex/<name> shows."""
    for event in result.get_asset_materialization_events():
        if event.materialization.asset_key == dg.AssetKey(["dex", name]):
            return {key: value.value for key, value in event.materialization.metadata.items()}
    return {}


def checks(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    """Each check's verdict, as pools.key_is_unique."""
    return {f"{one.asset_key.path[-1]}.{one.check_name}": one.passed for one in result.get_asset_check_evaluations()}
