"""The asset around what is cut by the hour: quotes of every second, what is seen in them, and their sums.

What belongs here: what these datasets have in common: grid, errors, what the UI shows. What does not: what a run does with its
hours, and the stream that brings the quotes (stream/, stream_automation.py).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
from sqlalchemy import Table

from crypto_assets.datasets.outcomes import Described, told_to_dagster
from crypto_assets.partitions import Grids, VenueWindow, hours
from crypto_assets.resources import UniverseFile
from crypto_assets.schema.dagster_schema import table_schema
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse

POOL = "quotes"  # how many of these run at once beside the stream; its limit stands in dagster.yaml


@dataclass(frozen=True)
class HourRun:
    """What working on hours is given.

    Args:
        windows: [start, end), UTC; adjacent hours are one, in order; their venue is empty.
        clock: The present, UTC.
    """

    log: dg.DagsterLogManager
    warehouse: Warehouse
    universe: Universe
    windows: Sequence[VenueWindow]
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)


def hour_asset(
    dataset: str,
    table: Table,
    grids: Grids,
    work: Callable[[HourRun], Described],
    *,
    freshness: dg.FreshnessPolicy,
    description: str,
    after: Sequence[str] = (),
) -> dg.AssetsDefinition:
    """An asset on the grid of hours.

    Args:
        dataset: Its name, which is its key and its table.
        table: Where its rows go.
        grids: Of the universe in force.
        work: Does what there is to do for a run's hours and gives what the UI shows of it.
        freshness: How old the newest materialization may be.
        description: For the UI.
        after: Datasets that it rests on, hour by hour.
    """

    def run(
        context: dg.AssetExecutionContext,
        warehouse: dg.ResourceParam[Warehouse],
        universe_file: dg.ResourceParam[UniverseFile],
    ) -> dg.MaterializeResult[None]:
        began = time.monotonic()
        with told_to_dagster():
            universe = universe_file.in_force().universe
            metadata = work(HourRun(context.log, warehouse, universe, hours(context.partition_keys)))
        metadata |= {"seconds": dg.MetadataValue.float(round(time.monotonic() - began, 2))}
        return dg.MaterializeResult(metadata=metadata)

    run.__name__ = dataset.rpartition("/")[2]
    return dg.asset(
        key=dg.AssetKey(dataset.split("/")),
        deps=[dg.AssetKey(name.split("/")) for name in after],
        partitions_def=grids.hours,
        backfill_policy=dg.BackfillPolicy.single_run(),
        freshness_policy=freshness,
        pool=POOL,
        group_name=dataset.partition("/")[0],
        kinds={"python", "postgres"},
        metadata={"dagster/column_schema": table_schema(table), "dagster/table_name": table.fullname},
        description=description,
    )(run)
