"""The asset around events and snapshots: config, partitions and errors.

What belongs here: what trades, order books and tickers have in common. What does not: how each is collected, and what came of
it (outcomes.py).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import dagster as dg
from pydantic import Field
from sqlalchemy import Table

from crypto_assets.clients.exchange import Exchange
from crypto_assets.datasets.outcomes import EventOutcome, describe, judge, tell, told_to_dagster
from crypto_assets.latest.telling import SILENCE, LatestValues, Tell
from crypto_assets.partitions import Grids, VenueWindow, venue_days
from crypto_assets.resources import Exchanges, UniverseFile
from crypto_assets.schema.dagster_schema import table_schema
from crypto_assets.universe import Market, Universe, market_window
from crypto_assets.warehouse.connection import Warehouse

# Collected every five minutes: three missed rounds are worth a look, nine mean that it stands still.
FRESHNESS = dg.FreshnessPolicy.time_window(warn_window=timedelta(minutes=20), fail_window=timedelta(minutes=50))
POOL = "events"  # how many venues are asked at once; its limit stands in dagster.yaml


class EventConfig(dg.Config):
    """What a run collects; left out means every market of the venue, now."""

    markets: list[str] = Field(
        default=[], description="Unified symbols, as BTC/USDT. Empty: every market of the venue."
    )
    due_only: bool = Field(
        default=False,
        description="As schedules run it: only markets whose next poll is due, from where the last one ended.",
    )


@dataclass(frozen=True)
class EventRun[C: EventConfig]:
    """What collecting one venue's window is given.

    Args:
        tell: Told what is newest, once it is committed.
    """

    log: dg.DagsterLogManager
    warehouse: Warehouse
    exchange: Exchange
    universe: Universe
    window: VenueWindow
    config: C
    tell: Tell = SILENCE

    def markets(self) -> list[Market]:
        """The markets wanted in the window.

        Raises:
            UniverseError: an unknown symbol.
        """
        chosen = self.universe.select_markets(self.window.venue, tuple(self.config.markets))
        spans = {market.symbol: market_window(market, self.window.start, self.window.end) for market in chosen}
        return [market for market in chosen if spans[market.symbol][0] < spans[market.symbol][1]]

    def is_open(self, now: datetime) -> bool:
        """Whether the window still runs, so that there is something to see of it."""
        return self.window.start <= now < self.window.end


def event_asset[C: EventConfig](
    dataset: str,
    table: Table,
    grids: Grids,
    config_type: type[C],
    collect: Callable[[EventRun[C]], Sequence[EventOutcome]],
    *,
    description: str,
    after: Sequence[str] = (),
) -> dg.AssetsDefinition:
    """An asset of events or snapshots, day × venue.

    Args:
        dataset: Its name, which is its key and its table.
        table: Where its rows go.
        grids: Of the universe in force.
        config_type: What a run may be told.
        collect: Collects one venue's window and says what came of each market.
        description: For the UI.
        after: Datasets that it rests on.
    """

    def run(
        context: dg.AssetExecutionContext,
        config: EventConfig,
        warehouse: dg.ResourceParam[Warehouse],
        universe_file: dg.ResourceParam[UniverseFile],
        exchanges: dg.ResourceParam[Exchanges],
        latest: dg.ResourceParam[LatestValues],
    ) -> dg.MaterializeResult[None]:
        began = time.monotonic()
        with told_to_dagster(), latest.telling() as telling:
            universe = universe_file.in_force().universe
            outcomes: list[EventOutcome] = []
            for window in venue_days(context.partition_keys):
                exchange = exchanges.client(window.venue, universe)
                try:
                    given = EventRun(context.log, warehouse, exchange, universe, window, config, telling)
                    outcomes += collect(given)  # type: ignore[arg-type]
                finally:
                    exchange.close()
            tell(context.log, outcomes)
            judge(outcomes, universe.bounds.max_failed_market_share)
        return dg.MaterializeResult(metadata=describe(outcomes, time.monotonic() - began))

    run.__name__ = dataset.rpartition("/")[2]
    run.__annotations__["config"] = config_type
    return dg.asset(
        key=dg.AssetKey(dataset.split("/")),
        deps=[dg.AssetKey(name.split("/")) for name in after],
        partitions_def=grids.days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        freshness_policy=FRESHNESS,
        pool=POOL,
        group_name="market",
        kinds={"python", "postgres"},
        metadata={"dagster/column_schema": table_schema(table), "dagster/table_name": table.fullname},
        description=description,
    )(run)
