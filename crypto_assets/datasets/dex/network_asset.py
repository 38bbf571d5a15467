"""The asset around what is known of a network's pools: config, partitions, client and errors.

What belongs here: what dexes, pools, the watchlist, bars and trades of pools have in common. What does not: how each is
collected, and whose turn it is (pool_polling.py).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
from pydantic import Field
from sqlalchemy import Table

from crypto_assets.clients.geckoterminal import GeckoTerminal
from crypto_assets.datasets.outcomes import Collected, Described, EventOutcome, describe, judge, tell, told_to_dagster
from crypto_assets.partitions import Grids, VenueWindow, venue_days
from crypto_assets.resources import PoolClients, UniverseFile
from crypto_assets.schema.dagster_schema import table_schema
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse

POOL = "dex"  # how many networks are asked at once; its limit stands in dagster.yaml


class PoolConfig(dg.Config):
    """What a run collects; left out means every watched pool of the network."""

    pools: list[str] = Field(default=[], description="Pool addresses. Empty: every pool of the watchlist.")
    due_only: bool = Field(default=False, description="As schedules run it: only pools whose next poll is due.")
    ends_at: str = Field(default="", description="No poll begins after this ISO 8601 time. Empty: when all is done.")


@dataclass(frozen=True)
class NetworkRun[C: dg.Config]:
    """What collecting one network's window is given.

    Args:
        window: The network's name in place of a venue, and the days.
        watchlist_path: The file that says which pools are followed.
        clock: The present, UTC.
        sleep: Waits so many seconds of that clock.
    """

    log: dg.DagsterLogManager
    warehouse: Warehouse
    client: GeckoTerminal
    universe: Universe
    window: VenueWindow
    config: C
    watchlist_path: Path = Path("config/watchlist.csv")
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep

    @property
    def network(self) -> str:
        """The network's name in the universe."""
        return self.window.venue

    def is_open(self) -> bool:
        """Whether the window still runs, so that there is something to see of it; says so where it does not."""
        is_open = self.window.start <= self.clock() < self.window.end
        if not is_open:
            self.log.warning("%s: what stood in a list of the past cannot be asked for; nothing is done.", self.network)
        return is_open


@dataclass(frozen=True)
class Order:
    """An asset's place in a run.

    Args:
        after: Datasets that it rests on.
        goes_first: Whether a run does it before the others that rest on the same.
    """

    after: Sequence[str] = ()
    goes_first: bool = False


def network_asset[C: dg.Config](
    dataset: str,
    table: Table,
    grids: Grids,
    config_type: type[C],
    collect: Callable[[NetworkRun[C]], Collected],
    *,
    description: str,
    expected_every: timedelta,
    order: Order | None = None,
) -> dg.AssetsDefinition:
    """An asset of what GeckoTerminal tells of a network, day × network.

    Args:
        dataset: Its name, which is its key and its table.
        table: Where its rows go.
        grids: Of the universe in force.
        config_type: What a run may be told.
        collect: Collects one network's window and says what came of each series.
        description: For the UI.
        expected_every: How often the schedule runs it: four missed rounds are worth a look, ten mean that it stands still.
        order: What it comes after in a run.
    """
    order = order or Order()

    def run(
        context: dg.AssetExecutionContext,
        config: dg.Config,
        warehouse: dg.ResourceParam[Warehouse],
        universe_file: dg.ResourceParam[UniverseFile],
        pool_clients: dg.ResourceParam[PoolClients],
    ) -> dg.MaterializeResult[None]:
        began = time.monotonic()
        outcomes: list[EventOutcome] = []
        metadata: Described = {}
        with told_to_dagster():
            universe = universe_file.in_force().universe
            for window in venue_days(context.partition_keys):
                universe.network(window.venue)  # refuses one that was taken out of the file
                client = pool_clients.client(universe)
                try:
                    watchlist = universe_file.watchlist_path
                    asked = NetworkRun(context.log, warehouse, client, universe, window, config, watchlist)
                    done = collect(asked)  # type: ignore[arg-type]
                finally:
                    client.close()
                outcomes += done.outcomes
                metadata |= done.metadata
            tell(context.log, outcomes)
            judge(outcomes, universe.bounds.max_failed_market_share)
        return dg.MaterializeResult(metadata=describe(outcomes, time.monotonic() - began) | metadata)

    run.__name__ = dataset.rpartition("/")[2]
    run.__annotations__["config"] = config_type
    return dg.asset(
        key=dg.AssetKey(dataset.split("/")),
        deps=[dg.AssetKey(name.split("/")) for name in order.after],
        partitions_def=grids.network_days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        freshness_policy=dg.FreshnessPolicy.time_window(
            warn_window=4 * expected_every, fail_window=10 * expected_every
        ),
        pool=POOL,
        group_name="dex",
        op_tags={"dagster/priority": str(int(order.goes_first))},
        kinds={"python", "postgres"},
        metadata={"dagster/column_schema": table_schema(table), "dagster/table_name": table.fullname},
        description=description,
    )(run)
