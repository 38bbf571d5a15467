"""Definitions over a database and a sandbox, and runs of the real jobs over a day of a venue.

What belongs here: putting a stage together. What does not: assertions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import dagster as dg

from crypto_assets.automation import collect_events
from crypto_assets.clients.exchange import Exchange
from crypto_assets.clients.transport import RetryPolicy
from crypto_assets.definitions import build_definitions
from crypto_assets.partitions import day_key, join_day_key
from crypto_assets.resources import Exchanges
from crypto_assets.settings import Settings
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse

UNIVERSE = """
history_from: 2024-01-01
venues:
  binance: {requests_per_second: 500, markets: [BTC/USDT, ETH/USDT, SOL/USDT]}
  kraken: {requests_per_second: 500, markets: [BTC/USD, ETH/USD]}
  mexc: {requests_per_second: 500, markets: [BTC/USDT]}
trades: {first_minutes: 3}
"""
HASTE = RetryPolicy(attempts=2, first_pause_seconds=0.01, max_pause_seconds=0.02, breaker_failures=4)


@dataclass(frozen=True)
class _Lacking(Exchanges):
    """Clients of venues that lack some methods."""

    methods: tuple[str, ...] = ()

    def client(self, venue: str, universe: Universe) -> Exchange:
        exchange = super().client(venue, universe)
        exchange.client.has.update(dict.fromkeys(self.methods, False))
        return exchange


class EventStage:
    """Runs of collect_events against a sandbox whose clock is the real one."""

    def __init__(self, folder: Path, warehouse: Warehouse, sandbox_url: str, instance: dg.DagsterInstance) -> None:
        self.warehouse = warehouse
        self.instance = instance
        self.file = folder / "universe.yaml"
        self.file.write_text(UNIVERSE)
        self._url = sandbox_url
        self._settings = Settings(
            home=folder, profile="test", universe=self.file, warehouse_url=warehouse.url, sandbox_url=sandbox_url
        )
        self.definitions = build_definitions(self._settings)

    def run(
        self,
        venue: str,
        day: datetime,
        configs: Mapping[str, Mapping[str, object]] | None = None,
        *,
        due_only: bool = True,
        lacking: tuple[str, ...] = (),
    ) -> dg.ExecuteInProcessResult:
        """Collect a day of a venue.

        Args:
            configs: More config by asset: trades, order_books, …
            lacking: What the venue cannot be asked for, by ccxt's names of methods.
        """
        names = ("tickers", "trades", "trade_bars", "order_books")
        told = {name: {"due_only": due_only, **(configs or {}).get(name, {})} for name in names}
        exchanges = _Lacking(self._url, HASTE, self.warehouse, methods=lacking)
        job = self.definitions.resolve_job_def(collect_events.name)
        return job.execute_in_process(
            instance=self.instance,
            raise_on_error=False,
            partition_key=join_day_key(day_key(day), venue),
            run_config={"ops": {f"market__{name}": {"config": config} for name, config in told.items()}},
            resources={**self.definitions.resources, "exchanges": exchanges},  # type: ignore[dict-item]
        )


def metadata(result: dg.ExecuteInProcessResult, name: str) -> dict[str, object]:
    """What a run's materialization of market/<name> shows."""
    for event in result.get_asset_materialization_events():
        if event.materialization.asset_key == dg.AssetKey(["market", name]):
            return {key: value.value for key, value in event.materialization.metadata.items()}
    return {}


def checks(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    """Each check's verdict, as trades.key_is_unique."""
    return {f"{one.asset_key.path[-1]}.{one.check_name}": one.passed for one in result.get_asset_check_evaluations()}
