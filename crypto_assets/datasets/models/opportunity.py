"""The forecasts of forward returns of exchanges' markets, and what is left of one after fees.

What belongs here: the declarations, with why each column was chosen, and the arithmetic of fees. What does not: reading
(features.py, arbitrage.py).
"""

from __future__ import annotations

import numpy as np

from crypto_assets.datasets.models.inputs import CALENDAR_INPUTS, choose, optional_of
from crypto_assets.forecasting.declaration import HORIZONS, Forecast, Promotion
from crypto_assets.forecasting.frame import Floats

MODEL = "opportunity"
# The market's own lags are among the features, so that no others are made of the close.
CHOSEN = choose(
    ("return_1", "reversal of the last hour"),
    ("return_1_lag_1", "and of those before"),
    ("return_1_lag_2", "and of those before"),
    ("return_4", "momentum of a session"),
    ("return_24", "momentum of a day"),
    ("return_168", "momentum of a week"),
    ("return_1_zscore", "an hour out of the ordinary"),
    ("close_to_sma_20", "distance from the short trend"),
    ("close_to_sma_200", "distance from the long trend"),
    ("close_to_vwap_day", "distance from what the day paid"),
    ("macd_zscore_168", "trend against its own week"),
    ("rsi_14", "overbought and oversold"),
    ("adx_14", "whether there is a trend at all"),
    ("bollinger_percent_b", "where the price stands in its band"),
    ("close_position_168", "where it stands in its week"),
    ("realized_volatility_24", "the size of what may come"),
    ("realized_volatility_168", "the same over a week"),
    ("volatility_ratio", "whether it is rising"),
    ("volume_to_mean_168", "moves with volume last longer"),
    ("volume_balance_24", "who has been buying"),
    ("illiquidity_24", "thin markets reverse"),
    ("reference_return_1", "small coins follow Bitcoin with a delay"),
    ("reference_return_24", "the same over a day"),
    ("relative_strength_24", "winners of a day among coins"),
    ("breadth_rising_24", "the mood of the venue"),
    ("market_return_1", "the venue's mean hour"),
    ("dispersion_24", "whether coins move apart"),
    ("venue_premium", "a price away from other venues comes back"),
    ("order_flow_imbalance", "pressure of takers in the hour"),
    ("order_flow_imbalance_24", "and over a day"),
    ("book_imbalance", "pressure of what is offered"),
    ("book_microprice_gap_bps", "where the book itself expects the price"),
    ("quote_imbalance_1h", "the same over an hour of quotes"),
    ("quote_volatility_1h", "how restless the hour was"),
    ("sentiment_fear_greed", "the crowd's mood"),
)
# Gaps to other venues that would have earned after fees, with this market at either end: seconds in which one was open, and
# the best, in percent. Zero where the stream listened and saw none; unknown where nobody listened.
ARBITRAGE_INPUTS = (
    "arbitrage_seconds_log_1h", "arbitrage_seconds_log_24h", "arbitrage_best_pct_1h", "arbitrage_best_pct_24h",
)  # fmt: skip

_PROMOTION = Promotion(
    0.005,
    "Hourly returns are close to unpredictable: published models explain about a hundredth of their variance, which is half a"
    " hundredth of the mean absolute error. Less than that cannot be told from luck; the interval's lower end has to lie above"
    " zero besides.",
)

FORECASTS = tuple(
    Forecast(
        model=MODEL,
        horizon_hours=hours,
        quantity="Price at the close of the hour",
        unit="quote currency",
        inputs=(*(one.name for one in CHOSEN), *ARBITRAGE_INPUTS, *CALENDAR_INPUTS),
        promotion=_PROMOTION,
        min_hours=504 if hours == max(HORIZONS) else 168,
        optional=(*optional_of(CHOSEN), *ARBITRAGE_INPUTS),
    )
    for hours in HORIZONS
)


def net_return(change: Floats, fee_pct: float) -> Floats:
    """What is left of a move for who trades its direction and back as a taker, by fraction of what was staked; n values. Pure.

    A rise is bought and sold again, a fall sold and bought back; both orders pay `fee_pct` percent of their value. The sign is
    the move's: +0.01 is a rise from which 1 % is earned, -0.01 a fall from which 1 % is earned, 0 a move that fees eat.

    Args:
        change: Logarithm of the price at the end over the price at the decision.
        fee_pct: What a taker pays there for one order, in percent.

    Returns:
        float64 (n,), a fraction; NaN where the change is.
    """
    fee = fee_pct / 100
    ratio = np.exp(np.asarray(change, dtype=np.float64))
    bought = ratio * (1 - fee) - (1 + fee)
    sold = (1 - fee) - ratio * (1 + fee)
    earned = np.maximum(np.where(ratio >= 1, bought, sold), 0.0)  # the maximum keeps NaN
    net: Floats = np.where(ratio >= 1, earned, -earned)
    return net


__all__ = ["ARBITRAGE_INPUTS", "CHOSEN", "FORECASTS", "MODEL", "net_return"]
