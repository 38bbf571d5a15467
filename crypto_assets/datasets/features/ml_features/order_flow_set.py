"""Features of what was traded and offered: the takers' side, large trades, and the order book.

What belongs here: features that rest on trades and books. What does not: reading these (order_flow.py).

All are optional: trades and books are kept from the day on which they were first collected, and an hour that lacks a single
minute has none, so that a hole never reads as a quiet hour.
"""

from __future__ import annotations

import numpy as np

from crypto_assets.datasets.features.ml_features.columns import Columns
from crypto_assets.datasets.features.ml_features.declaration import Feature, FeatureSet
from crypto_assets.datasets.features.ml_features.scaling import robust
from crypto_assets.indicators.declaration import Floats, where

DAY, WEEK = 24, 168


def _flow(c: Columns) -> Floats:
    """(bought - sold) / all, of the value that takers traded."""
    traded = c["flow_volume"]
    return where(traded > 0, (2 * c["flow_buy_volume"] - traded) / np.maximum(traded, 1e-300))


def _mean_flow(c: Columns) -> Floats:
    flow = _flow(c)
    total, known = np.zeros(len(flow)), np.zeros(len(flow))
    for back in range(DAY):  # no running sum: its digits would depend on where the run began
        before = c.lag(flow, back)
        known += np.isfinite(before)
        total += np.nan_to_num(before)
    return where(known == DAY, total / DAY)


def _large(c: Columns) -> Floats:
    traded = c["flow_volume"]
    return where(traded > 0, c["flow_large_volume"] / np.maximum(traded, 1e-300))


def _intensity(c: Columns) -> Floats:
    return np.log1p(c["flow_trades_per_minute"])


def _vwap_gap(c: Columns) -> Floats:
    return c["close"] / c["flow_vwap"] - 1


def _depth(c: Columns) -> Floats:
    return np.log(c["book_depth"])


def _microprice_gap(c: Columns) -> Floats:
    return (c["book_microprice"] / c["book_mid"] - 1) * 1e4


FEATURES = (
    Feature(
        "order_flow_imbalance", "Value bought less sold by takers, over all, of the bar", "share -1..1",
        ("flow_buy_volume", "flow_volume"), 0, _flow, least=-1, most=1, optional=True,
    ),
    Feature(
        "order_flow_imbalance_24", "Mean of the same over 24 bars, each of them known", "share -1..1",
        ("flow_buy_volume", "flow_volume"), DAY - 1, _mean_flow, least=-1, most=1, optional=True,
    ),
    Feature(
        "large_trade_share", "Share of large trades in the bar's value", "share",
        ("flow_large_volume", "flow_volume"), 0, _large, least=0, most=1, optional=True,
    ),
    Feature(
        "trade_intensity", "Logarithm of 1 and the trades a minute", "logarithm",
        ("flow_trades_per_minute",), 0, _intensity, least=0, optional=True,
    ),
    Feature(
        "trade_intensity_robust_168", "The same against its week", "robust standard deviations",
        ("flow_trades_per_minute",), 0, _intensity, robust(WEEK), optional=True,
    ),
    Feature(
        "close_to_trade_vwap", "Close over the bar's average trade price, less 1", "fraction",
        ("close", "flow_vwap"), 0, _vwap_gap, least=-1, optional=True,
    ),
    Feature(
        "book_spread_bps", "Spread of the newest book", "basis points", ("book_spread",), 0, lambda c: c["book_spread"],
        least=0, optional=True,
    ),
    Feature(
        "book_imbalance", "Bids less asks over both, by value within 50 basis points, of the newest book", "share -1..1",
        ("book_imbalance_50bps",), 0, lambda c: c["book_imbalance_50bps"], least=-1, most=1, optional=True,
    ),
    Feature(
        "book_depth_log", "Logarithm of the value within 50 basis points on both sides of the newest book", "logarithm",
        ("book_depth",), 0, _depth, optional=True,
    ),
    Feature(
        "book_microprice_gap_bps", "Microprice of the newest book over its middle, less 1", "basis points",
        ("book_microprice", "book_mid"), 0, _microprice_gap, optional=True,
    ),
)  # fmt: skip

ORDER_FLOW = FeatureSet(
    "order_flow", "What takers did and what was offered", FEATURES, inputs=("trade_flow", "order_books")
)
