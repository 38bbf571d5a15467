"""The forecasts of Ethereum's base fee: what they look at, how far ahead, and when one may become champion.

What belongs here: the declarations. What does not: reading onchain.network_fees (levels.py).
"""

from __future__ import annotations

from datetime import timedelta

from crypto_assets.datasets.models.inputs import CALENDAR_INPUTS, OWN_INPUTS
from crypto_assets.forecasting.declaration import HORIZONS, Forecast, Promotion

MODEL = "gas"
# Of days that are over there is a point every four hours, known half a minute after its block: at the hour of a point the one
# before is four hours and a block old. Anything shorter would cut that history into pieces; fees of five hours ago were paid
# in another part of the day.
MAX_AGE = timedelta(hours=5)
# A block's fullness moves the base fee by up to an eighth; tips and the next block's base fee show where it is heading. All of
# them may be absent for a while: Etherscan, where it stands in for a node, knows neither fullness nor the own block's fee.
FEE_INPUTS = ("gas_used_ratio", "next_base_fee_change", "tip_p50_log", "tip_spread_log")

_PROMOTION = Promotion(
    0.05,
    "The base fee follows the hour of the day, which the seasonal baselines know, too: a twentieth less error than theirs is"
    " what pays for a model that has to be kept, and more than validation differs from one week to the next.",
)

FORECASTS = tuple(
    Forecast(
        model=MODEL,
        horizon_hours=hours,
        quantity="Base fee of Ethereum",
        unit="gwei per gas",
        inputs=(*OWN_INPUTS, *FEE_INPUTS, *CALENDAR_INPUTS),
        promotion=_PROMOTION,
        min_hours=504 if hours == max(HORIZONS) else 168,
        optional=FEE_INPUTS,
    )
    for hours in HORIZONS
)

__all__ = ["FEE_INPUTS", "FORECASTS", "MAX_AGE", "MODEL"]
