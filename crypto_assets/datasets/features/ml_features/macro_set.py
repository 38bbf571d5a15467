"""Features of the economy: jobs, prices, growth, rates, fear, the dollar, oil and gold, each as it was known.

What belongs here: features that rest on macroeconomic series. What does not: reading these, and how old a value may be
(macro.py).

All are optional: a warehouse may keep no series, or only from the day on which they were first collected, and no market is at
fault for that. Every market has the same ones. A value stays until the next period's is known, or until it is too old.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from crypto_assets.datasets.features.ml_features.columns import Columns
from crypto_assets.datasets.features.ml_features.declaration import Feature, FeatureSet
from crypto_assets.datasets.features.ml_features.macro import TREND
from crypto_assets.indicators.declaration import Floats

_POINTS = "percentage points"


def _feature(
    name: str,
    meaning: str,
    unit: str,
    inputs: tuple[str, ...],
    compute: Callable[[Columns], Floats],
    least: float | None = None,
) -> Feature:
    return Feature(f"macro_{name}", meaning, unit, inputs, 0, compute, least=least, optional=True)


def _level(name: str, column: str, meaning: str, unit: str) -> Feature:
    return _feature(name, f"{meaning}, newest value known", unit, (column,), lambda c: c[column])


def _log_level(name: str, column: str, meaning: str, unit: str) -> Feature:
    told = f"Logarithm of {meaning}, newest value known"
    return _feature(name, told, f"logarithm of {unit}", (column,), lambda c: np.log(c[column]))


def _change(name: str, of: str, meaning: str, unit: str) -> Feature:
    """The newest value less the one before."""
    value, before = f"{of}_value", f"{of}_before"
    told = f"{meaning}: newest value less that of the period before, both as known"
    return _feature(name, told, unit, (value, before), lambda c: c[value] - c[before])


def _log_change(name: str, of: str, meaning: str) -> Feature:
    value, before = f"{of}_value", f"{of}_before"
    told = f"{meaning}: logarithm of the newest value over that of the trading day before, both as known"
    return _feature(name, told, "logarithm", (value, before), lambda c: np.log(c[value] / c[before]))


def _jobs_surprise(c: Columns) -> Floats:
    return c["unemployment_first"] - (c["unemployment_last_then"] + c["unemployment_trend_then"])


def _inflation(c: Columns) -> Floats:
    return c["prices_value"] / c["prices_year_before"] - 1


def _price_surprise(c: Columns) -> Floats:
    last = c["prices_last_then"]
    return (c["prices_first"] - (last + c["prices_trend_then"])) / last


def _growth_surprise(c: Columns) -> Floats:
    return c["growth_first"] - c["growth_last_then"]


_BEYOND_TREND = (
    f"newest month as first told less (the month before + the mean change of {TREND} months to it),"
    " as known just before"
)

FEATURES = (
    _feature(
        "unemployment", "Unemployment rate of the United States, newest value known", "percent",
        ("unemployment_value",), lambda c: c["unemployment_value"], 0,
    ),
    _change("unemployment_change", "unemployment", "Unemployment rate", _POINTS),
    _feature(
        "unemployment_surprise", f"Unemployment rate: {_BEYOND_TREND}", _POINTS,
        ("unemployment_first", "unemployment_last_then", "unemployment_trend_then"), _jobs_surprise,
    ),
    _feature(
        "inflation", "Consumer prices: newest month over the same month a year before, less 1, both as known", "fraction",
        ("prices_value", "prices_year_before"), _inflation, -1,
    ),
    _feature(
        "inflation_surprise", f"Consumer prices: {_BEYOND_TREND}, over the month before", "fraction",
        ("prices_first", "prices_last_then", "prices_trend_then"), _price_surprise,
    ),
    _level("growth", "growth_value", "Growth of real output, a year's rate", "percent"),
    _feature(
        "growth_surprise", "Growth of real output: newest quarter as first told less the quarter before as known just before",
        _POINTS, ("growth_first", "growth_last_then"), _growth_surprise,
    ),
    _level("policy_rate", "policy_rate_value", "Federal funds rate, mean of a month", "percent"),
    _change("policy_rate_change", "policy_rate", "Federal funds rate", _POINTS),
    _level("ten_year_yield", "ten_year_value", "Yield of ten-year Treasury bonds", "percent"),
    _change("ten_year_yield_change", "ten_year", "Yield of ten-year Treasury bonds", _POINTS),
    _log_level("vix", "vix_value", "the volatility index VIX", "points"),
    _log_change("vix_change", "vix", "Volatility index VIX"),
    _log_level("dollar", "dollar_value", "the broad dollar index", "points"),
    _log_change("dollar_change", "dollar", "Broad dollar index"),
    # Not as logarithms: on 2020-04-20 a barrel cost -36.98 USD.
    _level("oil", "oil_value", "Crude oil, West Texas Intermediate", "USD a barrel"),
    _change("oil_change", "oil", "Crude oil, West Texas Intermediate", "USD a barrel"),
    _log_level("gold", "gold_value", "an ounce of gold as PAX Gold trades", "USD"),
    _log_change("gold_change", "gold", "Gold as PAX Gold trades"),
)  # fmt: skip

MACRO = FeatureSet("macro", "What was known of the economy", FEATURES, inputs=("macro",))
