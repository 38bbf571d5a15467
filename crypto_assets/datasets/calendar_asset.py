"""The asset around what belongs to no venue and no network: economies, chains, fees, news and moods.

What belongs here: what they have in common: grid, config, providers, errors. What does not: how each is collected, and what
came of it (outcomes.py).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
from sqlalchemy import Table

from crypto_assets.datasets.outcomes import Collected, Described, EventOutcome, describe, judge, tell, told_to_dagster
from crypto_assets.latest.telling import SILENCE, LatestValues, Tell
from crypto_assets.partitions import Grids, VenueWindow, calendar_days, calendar_months
from crypto_assets.resources import Providers, UniverseFile
from crypto_assets.schema.dagster_schema import table_schema
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse

POOL = "calendar"  # how many of these run at once; its limit stands in dagster.yaml


@dataclass(frozen=True)
class CalendarRun[C: dg.Config]:
    """What collecting a window is given.

    Args:
        window: [start, end), UTC; its venue is empty.
        clock: The present, UTC.
        sleep: Waits so many seconds of that clock.
        tell: Told what is newest, once it is committed.
    """

    log: dg.DagsterLogManager
    warehouse: Warehouse
    providers: Providers
    universe: Universe
    window: VenueWindow
    config: C
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep
    tell: Tell = SILENCE

    def is_open(self) -> bool:
        """Whether the window still runs."""
        return self.window.start <= self.clock() < self.window.end


@dataclass(frozen=True)
class Rhythm:
    """How a calendar dataset's time is cut and how often its schedule runs it.

    Args:
        by_month: Month by month, else day by day.
        expected_every: Four missed rounds are worth a look, ten mean that it stands still.
    """

    by_month: bool
    expected_every: timedelta


def calendar_asset[C: dg.Config](
    dataset: str,
    table: Table,
    grids: Grids,
    config_type: type[C],
    collect: Callable[[CalendarRun[C]], Collected],
    rhythm: Rhythm,
    *,
    description: str,
    after: Sequence[str] = (),
) -> dg.AssetsDefinition:
    """An asset on the grid of months or of days.

    Args:
        dataset: Its name, which is its key and its table.
        table: Where its rows go.
        grids: Of the universe in force.
        config_type: What a run may be told.
        collect: Collects one window and says what came of each series.
        rhythm: Its grid and schedule.
        description: For the UI.
        after: Datasets that it rests on.
    """
    windows_of = calendar_months if rhythm.by_month else calendar_days

    def run(
        context: dg.AssetExecutionContext,
        config: dg.Config,
        warehouse: dg.ResourceParam[Warehouse],
        universe_file: dg.ResourceParam[UniverseFile],
        providers: dg.ResourceParam[Providers],
        latest: dg.ResourceParam[LatestValues],
    ) -> dg.MaterializeResult[None]:
        began = time.monotonic()
        outcomes: list[EventOutcome] = []
        metadata: Described = {}
        with told_to_dagster(), latest.telling() as telling:
            universe = universe_file.in_force().universe
            for window in windows_of(context.partition_keys):
                given = CalendarRun(context.log, warehouse, providers, universe, window, config, tell=telling)
                done = collect(given)  # type: ignore[arg-type]
                outcomes += done.outcomes
                metadata |= done.metadata
            tell(context.log, outcomes)
            judge(outcomes, universe.bounds.max_failed_market_share)
        return dg.MaterializeResult(metadata=describe(outcomes, time.monotonic() - began) | metadata)

    run.__name__ = dataset.rpartition("/")[2]
    run.__annotations__["config"] = config_type
    return dg.asset(
        key=dg.AssetKey(dataset.split("/")),
        deps=[dg.AssetKey(name.split("/")) for name in after],
        partitions_def=grids.calendar_months if rhythm.by_month else grids.calendar_days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        freshness_policy=dg.FreshnessPolicy.time_window(
            warn_window=4 * rhythm.expected_every, fail_window=10 * rhythm.expected_every
        ),
        pool=POOL,
        group_name=dataset.partition("/")[0],
        kinds={"python", "postgres"},
        metadata={"dagster/column_schema": table_schema(table), "dagster/table_name": table.fullname},
        description=description,
    )(run)
