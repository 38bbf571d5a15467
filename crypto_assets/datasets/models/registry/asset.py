"""The asset models/registry: a version of each forecast of a run, trained on all that is stored.

What belongs here: the asset and what a run may be told. What does not: training (train.py), what it shows (report.py),
promoting by hand (store.py), when it runs (automation).
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import dagster as dg
from pydantic import Field

from crypto_assets.datasets.models.catalog import FORECASTS
from crypto_assets.datasets.models.catalog import forecast as forecast_named
from crypto_assets.datasets.models.registry.report import describe, not_trained, told_of
from crypto_assets.datasets.models.registry.table import DATASET
from crypto_assets.datasets.models.registry.table import registry as table
from crypto_assets.datasets.models.registry.train import learners_named, train
from crypto_assets.datasets.outcomes import told_to_dagster
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.forecasting.frame import FrameRefused
from crypto_assets.forecasting.lstm import ExtraMissing
from crypto_assets.partitions import Grids
from crypto_assets.resources import ModelStore, UniverseFile
from crypto_assets.schema.dagster_schema import table_schema
from crypto_assets.warehouse.connection import Warehouse

# Trained once a week: a day more is a late training, a second week without one means that it stands still.
FRESHNESS = dg.FreshnessPolicy.time_window(warn_window=timedelta(days=8), fail_window=timedelta(days=15))
POOL = "models"  # how many of these run at once; its limit stands in dagster.yaml
# One forecast that lacks history, or a column, says nothing of the others.
_NOT_TRAINED = (FrameRefused, ExtraMissing)


class NoneTrained(CryptoAssetsError):
    """Of all forecasts of a run none could be trained."""


class RegistryConfig(dg.Config):
    """What a run may be told."""

    learners: list[str] = Field(default=["lightgbm"], description="Who learns: lightgbm, lstm (an extra).")


def build_asset(_grids: Grids) -> dg.AssetsDefinition:
    """The asset over the forecasts; the automation adds when it runs."""

    @dg.asset(
        key=dg.AssetKey(DATASET.split("/")),
        partitions_def=dg.StaticPartitionsDefinition([one.name for one in FORECASTS]),
        backfill_policy=dg.BackfillPolicy.single_run(),
        freshness_policy=FRESHNESS,
        pool=POOL,
        group_name="models",
        kinds={"python", "postgres"},
        metadata={"dagster/column_schema": table_schema(table), "dagster/table_name": table.fullname},
        description="Trained versions of each forecast with their skill against the best baseline, and who is champion.",
    )
    def registry(
        context: dg.AssetExecutionContext,
        config: RegistryConfig,
        warehouse: dg.ResourceParam[Warehouse],
        universe_file: dg.ResourceParam[UniverseFile],
        model_store: dg.ResourceParam[ModelStore],
    ) -> dg.MaterializeResult[None]:
        failed: dict[str, str] = {}
        with told_to_dagster():
            universe, store = universe_file.in_force().universe, model_store.store()
            learners_named(config.learners)  # a name that is wrong is wrong for all
            for name in context.partition_keys:
                try:
                    outcome = train(
                        warehouse, universe, store, forecast_named(name), learners=config.learners,
                        tell=lambda step: context.log.info("%s", step),
                    )  # fmt: skip
                except _NOT_TRAINED as error:
                    failed[name] = str(error)
                    context.log.warning("%s was not trained: %s", name, error)
                    context.add_asset_metadata(not_trained(str(error)), partition_key=name)
                    continue
                for one in outcome.versions:
                    context.log.info("%s: %s", name, told_of(one))
                for warning in outcome.warnings:
                    context.log.warning("%s: %s", name, warning)
                context.add_asset_metadata(describe(outcome), partition_key=name)
            refuse_if_none(context.partition_keys, failed)
        counts = {"forecasts_trained": len(context.partition_keys) - len(failed), "forecasts_failed": len(failed)}
        return dg.MaterializeResult(metadata={name: dg.MetadataValue.int(count) for name, count in counts.items()})

    return registry


def refuse_if_none(asked: Sequence[str], failed: Mapping[str, str]) -> None:
    """Let a run stand while any of its forecasts was trained. Pure.

    Raises:
        NoneTrained: with the first reason.
    """
    if asked and len(failed) == len(asked):
        first = next(iter(failed))
        raise NoneTrained(
            f"None of {len(asked)} forecasts could be trained; {first}: {failed[first]}",
            way_out="The log of the run says what each of them lacks.",
        )
