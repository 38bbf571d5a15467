"""The asset features/ml_features: features of the bars of a run's months and venues.

What belongs here: the asset. What does not: features (…_set.py), the order of the work (run.py), the report (report.py), rules
that judge (checks.py).
"""

import dagster as dg

from crypto_assets.datasets.features.derived_asset import derived_asset
from crypto_assets.datasets.features.ml_features.catalog import feature_version
from crypto_assets.datasets.features.ml_features.report import report_metadata
from crypto_assets.datasets.features.ml_features.run import compute_window
from crypto_assets.datasets.features.ml_features.table import DATASET, ml_features
from crypto_assets.datasets.features.technical_indicators.table import DATASET as INDICATORS
from crypto_assets.partitions import Grids


def build_asset(grids: Grids) -> dg.AssetsDefinition:
    """The asset over the grids of the universe in force; automation.py adds when it runs."""
    return derived_asset(
        DATASET,
        ml_features,
        grids,
        compute_window,
        description="What a model may know of each market at each bar's close, month × venue.",
        # Features come from bars in one pass; indicators only go before, so that a run checks them first.
        # Trades, books, pools, the economy, chains and news are left out, though features rest on them: their grids are others,
        # and automation would make each month of each venue wait for those that have nothing to do with it. What is not there
        # is null.
        after=[INDICATORS],
        about={"version": feature_version()},
        report=report_metadata,
    )
