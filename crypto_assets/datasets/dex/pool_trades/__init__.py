"""Trades of the watchlist's pools (asset dex/pool_trades, table dex.pool_trades).

One row is one trade, every digit of its amounts kept. Source: GeckoTerminal's public API, which serves the newest 300
trades of the last 24 hours and nothing older; the watchlist's min_trade_usd is what trades must be worth. Grain: network, pool,
block time, transaction and the trade's place in it.

Completeness: a page of fewer than 300 trades is all of 24 hours; a full one reaches back to its oldest trade. Where a page
overlaps what was stored before, nothing lies between; where it does not, trades have fallen out of the window for good, and
the ledger names the span (unrecoverable, timeframe `tick`). The pool with the most unseen trades is asked first.

Caveats: amounts and USD values are GeckoTerminal's. Trades appear in the API some seconds after their block; a span counts
as collected only dex.settle_seconds later.
"""
