"""The asset models/predictions: what the champions say of each decision of a run's months and domains.

What belongs here: config, when it runs, what the UI shows. What does not: predicting (batch.py), the newest decision as soon as
it can be known (live.py), rules that judge (checks.py).
"""

import time
from collections.abc import Sequence
from datetime import timedelta

import dagster as dg
from pydantic import Field

from crypto_assets.datasets.features.ml_features.table import DATASET as FEATURES
from crypto_assets.datasets.models.catalog import FORECASTS, ForecastUnknown, forecast
from crypto_assets.datasets.models.predictions.batch import Predicted, predict_window
from crypto_assets.datasets.models.predictions.table import DATASET, predictions
from crypto_assets.datasets.outcomes import Described, told_to_dagster
from crypto_assets.forecasting.declaration import Forecast
from crypto_assets.latest.telling import LatestValues
from crypto_assets.partitions import MONTH, VENUE, Grids, venue_windows
from crypto_assets.resources import ModelStore, UniverseFile
from crypto_assets.schema.dagster_schema import table_schema
from crypto_assets.warehouse.connection import Warehouse

# Features of the open month come every 30 minutes and a decision each hour: two late hours warn, five mean a standstill.
FRESHNESS = dg.FreshnessPolicy.time_window(warn_window=timedelta(hours=3), fail_window=timedelta(hours=6))
# Dagster counts back from the end of the open month to the beginnings of others: two of the longest, and never three.
_TWO_MONTHS = timedelta(days=62)


class PredictionsConfig(dg.Config):
    """What a run predicts; left out means all."""

    forecasts: list[str] = Field(default=[], description="As gas_4h. Empty: every forecast about the domain.")
    again: bool = Field(default=False, description="Replace what was said before; old rows go to audit.revisions.")


def build_asset(grids: Grids) -> dg.AssetsDefinition:
    """The asset over the grids of the universe in force. It follows the features of its month and venue.

    Fees and pools are cut by the day, so that nothing of them is followed: a schedule asks for chains and networks. Champions
    are none of its partitions' either: the next decision is the new champion's first.
    """

    @dg.asset(
        key=dg.AssetKey(DATASET.split("/")),
        deps=[dg.AssetDep(dg.AssetKey(FEATURES.split("/")), partition_mapping=by_month_and_venue(grids))],
        partitions_def=grids.forecasts,
        backfill_policy=dg.BackfillPolicy.single_run(),
        freshness_policy=FRESHNESS,
        automation_condition=follows(),
        group_name=DATASET.partition("/")[0],
        kinds={"python", "postgres"},
        metadata={"dagster/column_schema": table_schema(predictions), "dagster/table_name": predictions.fullname},
        description="What the champion of each forecast said of each decision, beside the best baseline; month × domain.",
    )
    def made(
        context: dg.AssetExecutionContext,
        config: PredictionsConfig,
        warehouse: dg.ResourceParam[Warehouse],
        universe_file: dg.ResourceParam[UniverseFile],
        model_store: dg.ResourceParam[ModelStore],
        latest: dg.ResourceParam[LatestValues],
    ) -> dg.MaterializeResult[None]:
        began = time.monotonic()
        done: list[Predicted] = []
        with told_to_dagster(), latest.telling() as telling:
            universe = universe_file.in_force().universe
            wanted = forecasts_named(config.forecasts)
            for window in venue_windows(context.partition_keys):
                done += predict_window(
                    warehouse, universe, model_store.store(), window, wanted, config.again, tell=telling
                )
        for one in done:
            say = context.log.warning if one.is_fault else context.log.info
            say("%s", one_line(one))
        return dg.MaterializeResult(metadata=describe(done, time.monotonic() - began))

    return made


def forecasts_named(names: Sequence[str]) -> Sequence[Forecast]:
    """The forecasts that a run is about; all where none is named.

    Raises:
        Failure: there is none of that name, and no retry will bring it.
    """
    try:
        return [forecast(name) for name in names] or FORECASTS
    except ForecastUnknown as error:
        raise dg.Failure(str(error), allow_retries=False) from error


def by_month_and_venue(grids: Grids) -> dg.MultiPartitionMapping:
    """From months and venues of features to those of forecasts; networks and chains have no features to wait for."""
    venues = grids.bars.get_partitions_def_for_dimension(VENUE).get_partition_keys()
    same = dg.StaticPartitionMapping({venue: venue for venue in venues})
    return dg.MultiPartitionMapping(
        {
            MONTH: dg.DimensionPartitionMapping(MONTH, dg.TimeWindowPartitionMapping()),
            VENUE: dg.DimensionPartitionMapping(VENUE, same),
        }
    )


def follows() -> dg.AutomationCondition[dg.AssetKey | dg.AssetCheckKey]:
    """Requests the open month, and the one before, whenever what it rests on has changed."""
    condition = dg.AutomationCondition
    handled = condition.newly_requested() | condition.newly_updated()
    is_quiet = ~condition.any_deps_missing() & ~condition.any_deps_in_progress() & ~condition.in_progress()
    changed = condition.any_deps_updated().since(handled)
    return (condition.in_latest_time_window(_TWO_MONTHS) & changed & is_quiet).with_label("follows_its_inputs")


def one_line(one: Predicted) -> str:
    """What came of a forecast, in words."""
    told = f"{one.model} {one.domain}: {one.said:,} decisions of {one.series} series, {one.stored:,} new"
    refused = f", {one.refused:,} without a word" if one.refused else ""
    return f"{told}{refused}{f': {one.problem}' if one.problem else ''}"


def describe(done: Sequence[Predicted], seconds: float) -> Described:
    """Counts, a row a forecast, and what could not be said. Pure."""
    metadata: Described = {
        "dagster/row_count": dg.MetadataValue.int(sum(one.said for one in done)),
        "rows_written": dg.MetadataValue.int(sum(one.stored for one in done)),
        "decisions_refused": dg.MetadataValue.int(sum(one.refused for one in done)),
        "seconds": dg.MetadataValue.float(round(seconds, 2)),
    }
    records = [dg.TableRecord(_record(one)) for one in done]
    metadata["forecasts"] = dg.MetadataValue.table(
        records or [dg.TableRecord({"forecast": "none is about these domains"})]
    )
    warnings = [one_line(one) for one in done if one.is_fault]
    if warnings:
        metadata["warnings"] = dg.MetadataValue.md("\n".join(f"- {line}" for line in warnings))
    return metadata


def _record(one: Predicted) -> dict[str, str | int | float]:
    return {
        "forecast": one.model,
        "domain": one.domain,
        "version": one.version or 0,
        "series": one.series,
        "said": one.said,
        "written": one.stored,
        "refused": one.refused,
        "problem": one.problem,
    }
