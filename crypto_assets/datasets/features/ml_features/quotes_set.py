"""Features of the quotes of every second: what an hour of them looked like.

What belongs here: features that rest on sums of quotes. What does not: reading these, how old they may be and how much of an
hour has to be there (quotes.py).

All are optional: quotes are followed on a few venues alone, and nobody can ask for those of the past.
"""

from __future__ import annotations

import numpy as np

from crypto_assets.datasets.features.ml_features.columns import Columns
from crypto_assets.datasets.features.ml_features.declaration import Feature, FeatureSet
from crypto_assets.indicators.declaration import Floats, where


def _spread_ratio(c: Columns) -> Floats:
    mean = c["quote_spread_day_mean"]
    return where(mean > 0, c["quote_spread"] / np.where(mean > 0, mean, 1))


FEATURES = (
    Feature(
        "quote_spread_bps_1h", "Mean spread of the newest hour of quotes", "basis points",
        ("quote_spread",), 0, lambda c: c["quote_spread"], optional=True,
    ),
    Feature(
        "quote_spread_ratio_24h", "The same over its mean of the 24 hours to it, of which 12 are known", "ratio",
        ("quote_spread", "quote_spread_day_mean"), 0, _spread_ratio, optional=True,
    ),
    Feature(
        "quote_imbalance_1h", "Quantity bid less that asked over both, at the best prices, mean of the newest hour",
        "share -1..1", ("quote_imbalance",), 0, lambda c: c["quote_imbalance"], least=-1, most=1, optional=True,
    ),
    Feature(
        "quote_intensity_1h", "Logarithm of 1 and the changes of the quote a minute, in the newest hour", "logarithm",
        ("quote_changes_per_minute",), 0, lambda c: np.log1p(c["quote_changes_per_minute"]), least=0, optional=True,
    ),
    Feature(
        "quote_volatility_1h", "Realised volatility of the middle from second to second, of the newest hour",
        "fraction over the hour", ("quote_volatility",), 0, lambda c: c["quote_volatility"], least=0, optional=True,
    ),
    Feature(
        "quote_stale_share_1h", "Share of the newest hour's snapshots that were stale", "share",
        ("quote_stale_share",), 0, lambda c: c["quote_stale_share"], least=0, most=1, optional=True,
    ),
)  # fmt: skip

QUOTES = FeatureSet("quotes", "What quotes of every second did", FEATURES, inputs=("quotes",))
