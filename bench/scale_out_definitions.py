"""Bars and events alone, asked at the venues' budgets even on the sandbox, without anything that runs by itself.

What belongs here: that, for the daemon and the workers of bench/scale_out.py. What does not: any measuring.
"""

import warnings

import dagster as dg

from crypto_assets.automation import collect_events, collect_ohlcv
from crypto_assets.definitions import build_assets, dataset_modules
from crypto_assets.partitions import grids_of
from crypto_assets.resources import Exchanges, resources_of, warehouse_of
from crypto_assets.settings import load_settings
from crypto_assets.universe import read_universe


@dg.definitions
def defs() -> dg.Definitions:
    return definitions()


def definitions() -> dg.Definitions:
    """The same, for whoever is no Dagster process."""
    warnings.simplefilter("ignore", dg.BetaWarning)  # as the product's own definitions do
    settings = load_settings()
    universe, _ = read_universe(settings.universe_file)
    grids = grids_of(universe.history_from, sorted(universe.venues), sorted(universe.dex.networks), ("ethereum",))
    exchanges = Exchanges(settings.sandbox_url, warehouse=warehouse_of(settings), keeps_budget=True)
    return dg.Definitions(
        assets=build_assets(grids),
        asset_checks=[check for module in dataset_modules("checks") for check in module.CHECKS],
        jobs=[collect_ohlcv, collect_events],
        resources={**resources_of(settings), "exchanges": exchanges},
        executor=dg.in_process_executor,
    )
