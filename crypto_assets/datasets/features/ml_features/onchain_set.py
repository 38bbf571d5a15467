"""Features of a currency's own chain: how it is used, secured, and where its coins go.

What belongs here: features that rest on metrics of chains. What does not: reading these, and how old a day may be (onchain.py).

All are optional: providers tell of a few dozen chains only, and of each not everything (a hash rate only where there is
mining); no market is at fault for that. Every market of a currency has the same ones.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from crypto_assets.datasets.features.ml_features.columns import Columns
from crypto_assets.datasets.features.ml_features.declaration import Feature, FeatureSet
from crypto_assets.indicators.declaration import Floats


def _feature(
    name: str, meaning: str, unit: str, inputs: tuple[str, ...], compute: Callable[[Columns], Floats]
) -> Feature:
    return Feature(f"onchain_{name}", f"{meaning}, newest day known", unit, inputs, 0, compute, optional=True)


def _log(name: str, metric: str, meaning: str, unit: str) -> Feature:
    column = f"chain_{metric}"
    return _feature(
        name, f"Logarithm of 1 and {meaning}", f"logarithm of {unit}", (column,), lambda c: np.log1p(c[column])
    )


def _change(name: str, metric: str, meaning: str) -> Feature:
    now, before = f"chain_{metric}", f"chain_{metric}_week_before"
    told = f"{meaning}: logarithm of the day over the day a week before it"
    return _feature(name, told, "logarithm", (now, before), lambda c: np.log(c[now] / c[before]))


def _net_flow(c: Columns) -> Floats:
    return c["chain_exchange_net_flow"] / c["chain_supply"]


FEATURES = (
    _log("active_addresses", "active_addresses", "the addresses active in a day", "addresses"),
    _change("active_addresses_change_7d", "active_addresses", "Active addresses"),
    _change("transactions_change_7d", "transactions", "Transactions"),
    _log("fees", "fees_usd", "the fees paid in a day", "USD"),
    _change("hash_rate_change_7d", "hash_rate", "Hash rate"),
    _feature(
        "exchange_net_flow", "Coins that went to exchanges in a day less those that left them, over the supply", "fraction",
        ("chain_exchange_net_flow", "chain_supply"), _net_flow,
    ),
    _change("tvl_change_7d", "tvl_usd", "Value locked in the chain's contracts"),
    _feature(
        "volatility_7d", "Standard deviation of seven daily log returns, as stored", "fraction a year",
        ("chain_price_volatility_7d",), lambda c: c["chain_price_volatility_7d"],
    ),
)  # fmt: skip

ONCHAIN = FeatureSet("onchain", "What happens on the currency's own chain", FEATURES, inputs=("onchain",))
