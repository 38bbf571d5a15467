"""features.labels: what came after each bar's close: the truth that a model is trained and judged by.

A row is one stored bar and one horizon: the return from the bar's close to the close `horizon_bars` later, and the volatility
on the way. Source: market.ohlcv. Grain: venue, symbol, timeframe, opened_at, horizon_bars; cut month × venue by opened_at.
Known at `label_end_at`, the close of the horizon's last bar, and not a moment before: a label whose end has not come has no
row. Nothing in features.ml_features reads this table; training sets join the two and purge by `label_end_at`.
Caveats: no row where a hole (missing bars, an outage, a time in which the market was not listed) lies in the horizon. Bars
that the venue named quiet count as flat.
"""
