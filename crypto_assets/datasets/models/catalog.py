"""All forecasts: the list, and by name.

What belongs here: putting the declarations together. What does not: declarations (gas.py, liquidity.py, opportunity.py).
"""

from __future__ import annotations

import difflib

from crypto_assets.datasets.models import gas, liquidity, opportunity
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.forecasting.declaration import Forecast

FORECASTS: tuple[Forecast, ...] = (*gas.FORECASTS, *liquidity.FORECASTS, *opportunity.FORECASTS)


class ForecastUnknown(CryptoAssetsError):
    """A name that no forecast has."""


def forecast(name: str) -> Forecast:
    """The forecast of that name, as gas_4h.

    Raises:
        ForecastUnknown: naming what there is.
    """
    names = [one.name for one in FORECASTS]
    if name not in names:
        near = difflib.get_close_matches(name, names, n=3)
        hint = f"Did you mean {' or '.join(near)}? " if near else ""
        raise ForecastUnknown(f"Unknown forecast '{str(name)[:60]}'", way_out=f"{hint}There are {', '.join(names)}.")
    return FORECASTS[names.index(name)]


__all__ = ["FORECASTS", "ForecastUnknown", "forecast"]
