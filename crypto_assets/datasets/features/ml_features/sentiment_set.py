"""Features of what is said and felt: headlines of the last day about the currency and the market, and Fear & Greed.

What belongs here: features that rest on scores of headlines and moods. What does not: reading these (sentiment.py).

All are optional: news cannot be collected afterwards, so that they begin with the first day of collecting, and most
currencies are named on few days; no market is at fault for that. A day on which news was collected and none named the
currency counts 0 headlines, and their mean is null.
"""

from __future__ import annotations

import numpy as np

from crypto_assets.datasets.features.ml_features.declaration import Feature, FeatureSet

FEATURES = (
    Feature(
        "sentiment_news_24h", "Logarithm of 1 and the headlines about the base currency that became known in 24 hours",
        "logarithm", ("news_count",), 0, lambda c: np.log1p(c["news_count"]), least=0, optional=True,
    ),
    Feature(
        "sentiment_mean_24h", "Mean score of the same", "score -1..1",
        ("news_mean",), 0, lambda c: c["news_mean"], least=-1, most=1, optional=True,
    ),
    Feature(
        "sentiment_dispersion_24h", "Standard deviation of the scores of the same, of two at least", "score",
        ("news_deviation",), 0, lambda c: c["news_deviation"], least=0, most=1, optional=True,
    ),
    Feature(
        "sentiment_market_mean_24h", "Mean score of the headlines about the market as a whole in 24 hours", "score -1..1",
        ("news_market_mean",), 0, lambda c: c["news_market_mean"], least=-1, most=1, optional=True,
    ),
    Feature(
        "sentiment_fear_greed", "Fear & Greed index, newest day known", "0..100",
        ("fear_greed",), 0, lambda c: c["fear_greed"], least=0, most=100, optional=True,
    ),
    Feature(
        "sentiment_fear_greed_change_7d", "The same less that of the day a week before", "points",
        ("fear_greed", "fear_greed_week_before"), 0, lambda c: c["fear_greed"] - c["fear_greed_week_before"],
        least=-100, most=100, optional=True,
    ),
)  # fmt: skip

SENTIMENT = FeatureSet("sentiment", "What is said and felt", FEATURES, inputs=("news", "mood"))
