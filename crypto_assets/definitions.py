"""The only dagster.Definitions: every dataset found under datasets/, its checks, and the automation.

What belongs here: discovery and putting together. What does not: anything that a dataset or a trigger decides.
"""

from __future__ import annotations

import importlib
import pkgutil
import warnings
from collections.abc import Iterator, Sequence
from types import ModuleType

import dagster as dg

import crypto_assets.datasets
from crypto_assets.alert_automation import alert_sensors
from crypto_assets.automation import (
    collect_events,
    collect_ohlcv,
    derive_features,
    refresh_instruments,
    repair_ohlcv,
    schedules_of,
    sensors_of,
    with_automation,
)
from crypto_assets.backup_automation import CHECKS as BACKUP_CHECKS
from crypto_assets.backup_automation import JOBS as BACKUP_JOBS
from crypto_assets.backup_automation import backup_schedules
from crypto_assets.calendar_automation import JOBS as CALENDAR_JOBS
from crypto_assets.calendar_automation import calendar_schedules
from crypto_assets.datasets.onchain.network_fees.table import ETHEREUM
from crypto_assets.export_automation import export_assets, export_checks, export_resources
from crypto_assets.model_automation import JOBS as MODEL_JOBS
from crypto_assets.model_automation import model_schedules, model_sensors
from crypto_assets.partitions import Grids, grids_of
from crypto_assets.pool_automation import JOBS as POOL_JOBS
from crypto_assets.pool_automation import pool_schedules, pool_sensors
from crypto_assets.quality.universe_check import universe_file_is_valid
from crypto_assets.resources import UniverseFile, resources_of, warehouse_of
from crypto_assets.retention_automation import JOBS as RETENTION_JOBS
from crypto_assets.retention_automation import retention_schedules, tables_keep_to_their_policy
from crypto_assets.run_origin import log_runs, traced
from crypto_assets.settings import Settings, load_settings
from crypto_assets.stream_automation import JOBS as STREAM_JOBS
from crypto_assets.stream_automation import stream_resources, stream_schedules, stream_sensors
from crypto_assets.universe import Universe

CHAINS = (ETHEREUM,)  # whose fees are forecast


def dataset_modules(part: str) -> Iterator[ModuleType]:
    """The module `part` (asset, checks, table) of every dataset, in the order of their names."""
    for area in _packages(crypto_assets.datasets):
        for dataset in _packages(area):
            yield importlib.import_module(f"{dataset.__name__}.{part}")


def build_assets(grids: Grids) -> Sequence[dg.AssetsDefinition]:
    """Every dataset's asset."""
    return [module.build_asset(grids) for module in dataset_modules("asset")]


def build_definitions(settings: Settings) -> dg.Definitions:
    """All definitions for the universe in force.

    Raises:
        UniverseError: the universe file is invalid and no valid version is known.
        SettingsError: no database is named.
    """
    universe = UniverseFile(settings.universe_file, warehouse_of(settings)).in_force().universe
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # Dagster's version is pinned, so its betas do not move
        return _put_together(settings, universe)


def _put_together(settings: Settings, universe: Universe) -> dg.Definitions:
    venues, networks = sorted(universe.venues), sorted(universe.dex.networks)
    assets = with_automation(build_assets(grids_of(universe.history_from, venues, networks, CHAINS)), universe)
    return dg.Definitions(
        assets=[*assets, *export_assets(assets, universe)],
        asset_checks=[check for module in dataset_modules("checks") for check in module.CHECKS]
        + [tables_keep_to_their_policy, universe_file_is_valid, *BACKUP_CHECKS, *export_checks()],
        jobs=[
            collect_ohlcv,
            collect_events,
            repair_ohlcv,
            refresh_instruments,
            derive_features,
            *POOL_JOBS,
            *CALENDAR_JOBS,
            *STREAM_JOBS,
            *RETENTION_JOBS,
            *MODEL_JOBS,
            *BACKUP_JOBS,
        ],
        schedules=[
            *schedules_of(universe),
            *pool_schedules(universe),
            *calendar_schedules(),
            *stream_schedules(),
            *retention_schedules(),
            *backup_schedules(),
            *model_schedules({*venues, *networks, *CHAINS}),
        ],
        sensors=[
            *sensors_of(venues, networks),
            *pool_sensors(networks),
            *stream_sensors(),
            *model_sensors(),
            *alert_sensors(),
        ],
        resources={**traced(resources_of(settings)), **stream_resources(settings), **export_resources(settings)},
        # One process a run: a process a step would spend seconds on imports for checks that take milliseconds.
        executor=dg.in_process_executor,
    )


def _packages(parent: ModuleType) -> Iterator[ModuleType]:
    for module in sorted(pkgutil.iter_modules(parent.__path__), key=lambda found: found.name):
        if module.ispkg:
            yield importlib.import_module(f"{parent.__name__}.{module.name}")


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster loads."""
    settings = load_settings()
    log_runs(settings)
    return build_definitions(settings)
