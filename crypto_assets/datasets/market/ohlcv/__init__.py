"""Bars of exchange markets: open, high, low, close and volume (asset market/ohlcv, table market.ohlcv).

One row is one closed bar of one market on one venue, keyed by the UTC time at which it opens; it is known when it
closes. Source: the venues' public REST candles, through ccxt; no key is needed. Grain: 1m 5m 15m 30m 1h 4h 1d, each
collected from the venue, none derived from another.

Caveats: a venue revises young bars now and then, so the last ones are asked for again and a changed row keeps its old
value in audit.revisions. Venues differ in reach: kraken serves the newest 720 bars, gate the newest 10,000, coinbase has
no 4h. Quote volume and trade count are null where the venue does not say them. Some venues skip minutes without trades,
others send them with volume zero: both are stored as they come.
"""
