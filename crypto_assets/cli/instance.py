"""Dagster's instance, as the command line uses it.

What belongs here: opening the instance of an environment, and what must be there before several workers start at once. What
does not: runs (runs.py) and what is read from the instance.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from crypto_assets.cli.environment import Environment
from crypto_assets.datasets.dex.network_asset import POOL as NETWORKS
from crypto_assets.datasets.market.event_asset import POOL as EVENTS
from crypto_assets.datasets.market.hour_asset import POOL as QUOTES
from crypto_assets.datasets.market.ohlcv.asset import POOL as VENUES
from crypto_assets.datasets.models.registry.asset import POOL as MODELS


@contextmanager
def dagster_instance(environment: Environment) -> Iterator[dg.DagsterInstance]:
    """The instance of the environment's profile; until it is closed this process and its children have the environment."""
    told = environment.variables()
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)  # DagsterInstance.get() reads DAGSTER_HOME and what dagster.yaml names
    try:
        with dg.DagsterInstance.get() as instance:
            yield instance
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def prepare_instance(environment: Environment) -> None:
    """Create Dagster's tables and pools: two workers that meet an empty storage would both insert, and one would fail."""
    with dagster_instance(environment) as instance:
        storage = instance.event_log_storage
        for pool in {
            VENUES,
            EVENTS,
            NETWORKS,
            QUOTES,
            MODELS,
        } - storage.get_concurrency_keys():  # Dagster's call fails on one that is there
            storage.initialize_concurrency_limit_to_default(pool)
