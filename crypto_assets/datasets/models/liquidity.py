"""The forecasts of liquidity: spread and depth of exchanges' markets, reserve of pools.

What belongs here: the declarations, with why each column of features was chosen. What does not: reading (levels.py,
features.py).
"""

from __future__ import annotations

from datetime import timedelta

from crypto_assets.datasets.models.inputs import CALENDAR_INPUTS, OWN_INPUTS, choose, optional_of
from crypto_assets.forecasting.declaration import HORIZONS, Forecast, Promotion

SPREAD, DEPTH, RESERVE = "liquidity_spread", "liquidity_depth", "liquidity_reserve"
# A book is asked for every five to fifteen minutes: older than two hours means that collecting stood still.
BOOK_MAX_AGE = timedelta(hours=2)
# Pools are asked for every ten minutes while they stand in a list, and in turn after: a day covers the longest turn.
RESERVE_MAX_AGE = timedelta(hours=24)

# Market makers are paid for risk: they quote wide and thin where prices move and where flow is one-sided.
CHOSEN = choose(
    ("realized_volatility_24", "the risk of a quote grows with it"),
    ("realized_volatility_168", "what the market's makers are used to"),
    ("volatility_ratio", "whether the day is wilder than the week"),
    ("range_to_close", "the last hour's move, which a mean of a day hides"),
    ("natr_14", "the same over half a day"),
    ("return_1", "books thin out on the side that was run over"),
    ("return_4", "the same over the hours before"),
    ("return_24", "the same over a day"),
    ("drawdown_168", "after a fall makers come back slowly"),
    ("volume_to_mean_168", "liquidity comes with trading"),
    ("volume_zscore_20", "sudden trading eats the book"),
    ("volume_balance_24", "one-sided trading leaves makers with stock"),
    ("illiquidity_24", "price impact is the reverse of depth"),
    ("dispersion_24", "a market-wide day, or this coin's own"),
    ("market_return_1", "all books thin out together"),
    ("order_flow_imbalance", "what takers did in the hour"),
    ("large_trade_share", "large trades are what empties books"),
    ("trade_intensity", "quotes are renewed as trades come"),
    ("book_spread_bps", "the newest book of half an hour"),
    ("book_imbalance", "the thin side is the one that gives way"),
    ("book_depth_log", "depth tells of the spread to come, and the spread of the depth"),
    ("quote_spread_bps_1h", "the hour's mean, which one book is a noisy sample of"),
    ("quote_spread_ratio_24h", "whether the hour was out of the ordinary"),
    ("quote_intensity_1h", "how many makers are at work"),
    ("quote_volatility_1h", "the risk as makers see it, second by second"),
)
# What a pool's snapshot says beside its reserve; GeckoTerminal leaves any of it out at times.
POOL_INPUTS = (
    "turnover_1h_log", "turnover_24h_log", "buy_balance_1h", "buy_balance_24h", "trades_24h_log", "price_change_1h",
    "price_change_24h", "pool_age_days_log",
)  # fmt: skip

_EXCHANGE = (*OWN_INPUTS, *(one.name for one in CHOSEN), *CALENDAR_INPUTS)
_BOOK_PROMOTION = Promotion(
    0.05,
    "A book is one sample of a quantity that jumps from second to second and returns: any mean beats zero change by much. A"
    " twentieth less error than the best baseline, which knows the day's rhythm, is what tells a model from a mean.",
)
_RESERVE_PROMOTION = Promotion(
    0.03,
    "Reserves mostly stand still and then move at once: zero change is hard to beat, and a thirtieth less error is already"
    " worth having; the interval's lower end has to lie above zero besides.",
)


def _forecast(
    model: str, hours: int, told: tuple[str, str], inputs: tuple[str, ...], optional: tuple[str, ...]
) -> Forecast:
    return Forecast(
        model=model,
        horizon_hours=hours,
        quantity=told[0],
        unit=told[1],
        inputs=inputs,
        promotion=_RESERVE_PROMOTION if model == RESERVE else _BOOK_PROMOTION,
        min_hours=504 if hours == max(HORIZONS) else 168,
        optional=optional,
    )


_BOOKS = {
    SPREAD: ("Spread of the order book", "basis points"),
    DEPTH: ("Value of bids and asks within 50 basis points", "quote currency"),
}
FORECASTS = (
    *(
        _forecast(model, hours, told, _EXCHANGE, optional_of(CHOSEN))
        for model, told in _BOOKS.items()
        for hours in HORIZONS
    ),
    *(
        _forecast(
            RESERVE, hours, ("Reserve of the pool", "USD"), (*OWN_INPUTS, *POOL_INPUTS, *CALENDAR_INPUTS), POOL_INPUTS
        )
        for hours in HORIZONS
    ),
)

__all__ = ["BOOK_MAX_AGE", "CHOSEN", "DEPTH", "FORECASTS", "POOL_INPUTS", "RESERVE", "RESERVE_MAX_AGE", "SPREAD"]
