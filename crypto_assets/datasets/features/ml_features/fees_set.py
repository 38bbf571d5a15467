"""Features of what transactions cost: on Ethereum, where most of decentralised trading happens, and on the own chain.

What belongs here: features that rest on fees. What does not: reading these, and how old they may be (fees.py).

All are optional: fees are kept from the day on which they were first collected, and only three chains' are; no market is at
fault for that. Every market has Ethereum's, and those of BTC, ETH and SOL their own chain's.
"""

from __future__ import annotations

import numpy as np

from crypto_assets.datasets.features.ml_features.columns import Columns
from crypto_assets.datasets.features.ml_features.declaration import Feature, FeatureSet
from crypto_assets.indicators.declaration import Floats

DAY = 24
_OWN_UNIT = "logarithm of satoshi a virtual byte, gwei or micro-lamports"


def _base(c: Columns) -> Floats:
    return np.log(c["ethereum_base_fee"])


def _base_change(c: Columns) -> Floats:
    base = _base(c)
    return base - c.lag(base, DAY)


def _own(c: Columns) -> Floats:
    return np.log1p(c["own_chain_fee"])


def _own_change(c: Columns) -> Floats:
    own = _own(c)
    return own - c.lag(own, DAY)


FEATURES = (
    Feature(
        "fee_ethereum_base", "Logarithm of Ethereum's base fee", "logarithm of gwei",
        ("ethereum_base_fee",), 0, _base, optional=True,
    ),
    Feature(
        "fee_ethereum_base_change_24", "The same less that of 24 bars before", "logarithm",
        ("ethereum_base_fee",), DAY, _base_change, optional=True,
    ),
    Feature(
        "fee_ethereum_tip", "Logarithm of 1 and the median tip on Ethereum", "logarithm of gwei",
        ("ethereum_tip",), 0, lambda c: np.log1p(c["ethereum_tip"]), optional=True,
    ),
    Feature(
        "fee_ethereum_used_ratio", "Share of a block's gas limit that was used on Ethereum", "share",
        ("ethereum_used_ratio",), 0, lambda c: c["ethereum_used_ratio"], least=0, most=1, optional=True,
    ),
    Feature(
        "fee_own_chain", "Logarithm of 1 and the fee of the base currency's chain: Bitcoin's for half an hour, Ethereum's"
        " base fee and median tip, Solana's median priority fee", _OWN_UNIT,
        ("own_chain_fee",), 0, _own, optional=True,
    ),
    Feature(
        "fee_own_chain_change_24", "The same less that of 24 bars before", "logarithm",
        ("own_chain_fee",), DAY, _own_change, optional=True,
    ),
)  # fmt: skip

FEES = FeatureSet("fees", "What a transaction costs", FEATURES, inputs=("fees", "own_fees"))
