"""All feature sets: the list, by name, and the version of what they say and how it is computed.

What belongs here: putting the sets together. What does not: features (…_set.py).

A new set is one more entry of `FEATURE_SETS`, a migration with its columns, and its inputs in inputs.py.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Collection, Mapping
from functools import cache
from importlib.metadata import version
from importlib.resources import files

from crypto_assets.datasets.features.ml_features.calendar_set import CALENDAR
from crypto_assets.datasets.features.ml_features.cross_market_set import CROSS_MARKET
from crypto_assets.datasets.features.ml_features.declaration import Feature, FeatureSet
from crypto_assets.datasets.features.ml_features.dex_set import DEX
from crypto_assets.datasets.features.ml_features.fees_set import FEES
from crypto_assets.datasets.features.ml_features.macro_set import MACRO
from crypto_assets.datasets.features.ml_features.market_set import MARKET
from crypto_assets.datasets.features.ml_features.onchain_set import ONCHAIN
from crypto_assets.datasets.features.ml_features.order_flow_set import ORDER_FLOW
from crypto_assets.datasets.features.ml_features.quotes_set import QUOTES
from crypto_assets.datasets.features.ml_features.sentiment_set import SENTIMENT
from crypto_assets.errors import CryptoAssetsError

FEATURE_SETS: tuple[FeatureSet, ...] = (
    MARKET, CROSS_MARKET, CALENDAR, ORDER_FLOW, DEX, MACRO, ONCHAIN, FEES, SENTIMENT, QUOTES,
)  # fmt: skip
FEATURES: Mapping[str, Feature] = {one.name: one for chosen in FEATURE_SETS for one in chosen.features}
# What decides on a value: formulas, the rules at holes, the history, the join. Tables, checks and reports do not.
_CODE = {
    "crypto_assets.indicators": ("declaration", "segments", "trend", "momentum", "volatility", "volume"),
    "crypto_assets.datasets.features": ("blocks", "source"),
    "crypto_assets.datasets.features.ml_features": (
        "as_of", "calendar_set", "columns", "cross_market", "cross_market_set", "declaration", "dex_pools", "dex_set",
        "dex_trades", "editions", "engine", "fees", "fees_set", "inputs", "macro", "macro_set", "market_set",
        "news_totals", "onchain", "onchain_set", "order_flow", "order_flow_set", "pool_totals", "quotes", "quotes_set",
        "scaling", "sentiment", "sentiment_set", "vintages",
    ),
}  # fmt: skip
_ENGINES = ("ta-lib", "pandas-ta", "numpy", "pandas")


class FeatureUnknown(CryptoAssetsError):
    """A name that no feature has."""


@cache
def feature_version() -> str:
    """Twelve hexadecimal digits of a hash over declarations, code and engines: equal versions compute equal values."""
    told = hashlib.sha256()
    for chosen in FEATURE_SETS:
        for one in chosen.features:
            told.update(f"{chosen.name}|{one.name}|{one.unit}|{one.comment}\n".encode())
    for package, modules in _CODE.items():
        for module in modules:
            told.update(files(package).joinpath(f"{module}.py").read_bytes().replace(b"\r\n", b"\n"))
    for engine in _ENGINES:
        told.update(f"{engine} {version(engine)}\n".encode())
    return told.hexdigest()[:12]


def choose_features(names: Collection[str]) -> tuple[Feature, ...]:
    """The named features, in the order of the names; all of them for no name.

    Raises:
        FeatureUnknown: naming what comes near.
    """
    for name in names:
        if name not in FEATURES:
            near = difflib.get_close_matches(name, FEATURES, n=3)
            hint = f"Did you mean {' or '.join(near)}? " if near else ""
            raise FeatureUnknown(
                f"Unknown feature '{str(name)[:60]}'",
                way_out=f"{hint}`crypto-assets features list` shows all {len(FEATURES)}.",
            )
    return tuple(FEATURES[name] for name in names) or tuple(FEATURES.values())
