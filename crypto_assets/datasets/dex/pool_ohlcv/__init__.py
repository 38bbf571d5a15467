"""Closed bars of the watchlist's pools (asset dex/pool_ohlcv, table dex.pool_ohlcv).

One row is one bar in which something was traded: 1m 5m 15m 1h 4h 12h 1d, prices of the base token and volume in USD. Source:
GeckoTerminal's public API, backwards page by page as far as dex.history_days of the universe or the pool's birth.
The bar that is still open is never stored. Grain: network, pool, timeframe, opening time.

GeckoTerminal leaves out bars without trades. An absent bar is told from a missing one by what else is known: a longer bar
whose volume its shorter bars add up to has no other trades, so the absent ones were quiet; so are those within a longer bar
that was quiet, those for whose time all trades were collected and none is there, and the longest bars that an exact request
did not bring. Nothing is asked for from before the pool's birth,
where that is known; where it is not, bars of before it count as absent like any others. All else is
missing, and is asked for again like an exchange's bars. Each request brings some bars of before along: those that trades
reached late are corrected, and audit.revisions keeps what they were.

Caveats: a bar opens at the close before it, not at its first trade. Volumes are estimates in USD. GeckoTerminal keeps
about six months. known_at lies dex.settle_seconds behind the close: trades reach the API late.
"""
