"""The asset models/outcomes: what came of the predictions of a run's months and domains.

What belongs here: config, when it runs, what the UI shows. What does not: the join (score.py), rules that judge (checks.py).
"""

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import dagster as dg
from pydantic import Field

from crypto_assets.datasets.models.outcomes.score import Scored, score_window
from crypto_assets.datasets.models.outcomes.table import DATASET, outcomes
from crypto_assets.datasets.models.predictions.asset import follows, forecasts_named
from crypto_assets.datasets.models.predictions.table import DATASET as PREDICTIONS
from crypto_assets.datasets.outcomes import Described, told_to_dagster
from crypto_assets.partitions import Grids, venue_windows
from crypto_assets.resources import UniverseFile
from crypto_assets.schema.dagster_schema import table_schema
from crypto_assets.warehouse.connection import Warehouse

# As predictions, after which they come.
FRESHNESS = dg.FreshnessPolicy.time_window(warn_window=timedelta(hours=3), fail_window=timedelta(hours=6))
# The truth about a month's last day comes in the next month, and sometimes late: each run looks back so far.
BEFORE = timedelta(days=3)


class OutcomesConfig(dg.Config):
    """What a run scores; left out means all."""

    forecasts: list[str] = Field(default=[], description="As gas_4h. Empty: every forecast about the domain.")


def build_asset(grids: Grids) -> dg.AssetsDefinition:
    """The asset over the grids of the universe in force. It follows predictions; truth comes later, so a schedule asks, too."""

    @dg.asset(
        key=dg.AssetKey(DATASET.split("/")),
        deps=[dg.AssetKey(PREDICTIONS.split("/"))],
        partitions_def=grids.forecasts,
        backfill_policy=dg.BackfillPolicy.single_run(),
        freshness_policy=FRESHNESS,
        automation_condition=follows(),
        group_name=DATASET.partition("/")[0],
        kinds={"python", "postgres"},
        metadata={"dagster/column_schema": table_schema(outcomes), "dagster/table_name": outcomes.fullname},
        description="What came of each prediction, with the errors of forecast and baseline beside each other.",
    )
    def made(
        context: dg.AssetExecutionContext,
        config: OutcomesConfig,
        warehouse: dg.ResourceParam[Warehouse],
        universe_file: dg.ResourceParam[UniverseFile],
    ) -> dg.MaterializeResult[None]:
        began = time.monotonic()
        done: list[Scored] = []
        with told_to_dagster():
            universe = universe_file.in_force().universe
            wanted = forecasts_named(config.forecasts)
            for window in venue_windows(context.partition_keys):
                done += score_window(warehouse, universe, replace(window, start=window.start - BEFORE), wanted)
        for one in done:
            context.log.info("%s", one_line(one))
        return dg.MaterializeResult(metadata=describe(done, time.monotonic() - began))

    return made


def one_line(one: Scored) -> str:
    """What came of a forecast's predictions, in words."""
    told = f"{one.model} {one.domain}: truth of {one.known:,} of {one.due:,} predictions, {one.counts.inserted:,} new"
    if math.isnan(one.mae):
        return f"{told}, none out of sample"
    return f"{told}; mean absolute error {one.mae:.5f}, of the baseline {one.baseline_mae:.5f}"


def describe(done: Sequence[Scored], seconds: float) -> Described:
    """Counts, and a row a forecast with its error beside the baseline's. Pure."""
    return {
        "dagster/row_count": dg.MetadataValue.int(sum(one.known for one in done)),
        "rows_written": dg.MetadataValue.int(sum(one.counts.inserted for one in done)),
        "rows_changed": dg.MetadataValue.int(sum(one.counts.changed for one in done)),
        "truths_awaited": dg.MetadataValue.int(sum(one.due - one.known for one in done)),
        "seconds": dg.MetadataValue.float(round(seconds, 2)),
        "forecasts": dg.MetadataValue.table(
            [dg.TableRecord(_record(one)) for one in done]
            or [dg.TableRecord({"forecast": "no prediction's horizon has ended"})]
        ),
    }


def _record(one: Scored) -> dict[str, str | int | float]:
    return {
        "forecast": one.model,
        "domain": one.domain,
        "due": one.due,
        "known": one.known,
        "written": one.counts.inserted + one.counts.changed,
        "mae": "" if math.isnan(one.mae) else round(one.mae, 6),
        "baseline_mae": "" if math.isnan(one.baseline_mae) else round(one.baseline_mae, 6),
    }
