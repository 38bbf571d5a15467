"""features.ml_features: what a model may know of a market at each bar's close.

A row is one bar of one market; its columns are the features of every feature set (catalog.py), scaled as declared, and the
version of the declarations and code that made it.
Source: market.ohlcv, through indicators, the same market on other venues and the other markets of the venue;
market.trade_bars, market.order_books and market.book_ticker_hours; dex.pools, dex.pool_lives, dex.pool_trades and dex.watchlist
for currencies that tokens stand for (universe.yaml); macro.observations; onchain.metrics and onchain.network_fees;
sentiment.scores and sentiment.fear_greed.
Grain: venue, symbol, timeframe, opened_at; cut month × venue. By default the 1h bars; universe.yaml names others.
Known at the close of the bar: decisions are made then. Every input row had `known_at` at or before that moment, and one older
than its input's bound counts as unknown. Scaling looks back over a window, never over the whole sample.
Caveats: null where an input is unknown, a warm-up is not over or a hole lies in the window. Labels live apart in
features.labels, and nothing here may read them. Breadth and dispersion count the markets that are stored for the venue.
"""
