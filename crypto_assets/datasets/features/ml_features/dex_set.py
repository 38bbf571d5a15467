"""Features of decentralised exchanges: how much of the currency lies in pools, and how it is traded there.

What belongs here: features that rest on pools. What does not: reading these (dex_pools.py, dex_trades.py).

All are optional: most currencies have no token that stands for them, and pools are kept from the day on which they were
first collected. Every market of a currency has the same ones, since pools know no venue.
"""

from __future__ import annotations

import numpy as np

from crypto_assets.datasets.features.ml_features.columns import Columns
from crypto_assets.datasets.features.ml_features.declaration import Feature, FeatureSet
from crypto_assets.indicators.declaration import Floats, where

DAY = 24


def _reserve(c: Columns) -> Floats:
    return np.log(c["pool_reserve"])


def _reserve_change(c: Columns) -> Floats:
    reserve = _reserve(c)
    return reserve - c.lag(reserve, DAY)


def _turnover(c: Columns) -> Floats:
    reserve = c["pool_volume_reserve"]
    return where(reserve > 0, c["pool_volume"] / np.maximum(reserve, 1e-300))


def _buy_share(c: Columns) -> Floats:
    traded = c["pool_buys"] + c["pool_sells"]
    return where(traded > 0, c["pool_buys"] / np.maximum(traded, 1e-300))


def _net_buying(c: Columns) -> Floats:
    traded = c["pool_bought"] + c["pool_sold"]
    return where(traded > 0, (c["pool_bought"] - c["pool_sold"]) / np.maximum(traded, 1e-300))


FEATURES = (
    Feature(
        "dex_reserve", "Logarithm of the value in the base currency's pools, by snapshots of the last hour",
        "logarithm of USD", ("pool_reserve",), 0, _reserve, optional=True,
    ),
    Feature(
        "dex_reserve_change_24", "The same less that of 24 bars before", "logarithm",
        ("pool_reserve",), DAY, _reserve_change, optional=True,
    ),
    Feature(
        "dex_turnover_1h", "Value traded in an hour over the reserve, of pools that tell both", "fraction an hour",
        ("pool_volume", "pool_volume_reserve"), 0, _turnover, least=0, optional=True,
    ),
    Feature(
        "dex_buy_share_1h", "Purchases of the currency among an hour's transactions", "share",
        ("pool_buys", "pool_sells"), 0, _buy_share, least=0, most=1, optional=True,
    ),
    Feature(
        "dex_net_buying", "Value bought less sold, over both, in the bar's trades of the watched pools", "share -1..1",
        ("pool_bought", "pool_sold"), 0, _net_buying, least=-1, most=1, optional=True,
    ),
    Feature(
        "dex_pools", "Living pools with a snapshot of the last hour", "pools",
        ("pool_count",), 0, lambda c: c["pool_count"], least=0, optional=True,
    ),
    Feature(
        "dex_new_pools_24h", "Pools first seen in the last 24 hours", "pools",
        ("pool_births",), 0, lambda c: c["pool_births"], least=0, optional=True,
    ),
)  # fmt: skip

DEX = FeatureSet(
    "dex", "What lies in pools of decentralised exchanges, and what was traded there", FEATURES,
    inputs=("dex_pools", "dex_trades"),
)  # fmt: skip
