"""Public trades of exchange markets (asset market/trades, table market.trades).

One row is one trade as the venue reports it: binance adds up the matches of one taker order at one price (`fills` says how
many), the others report single matches. Source: the venues' public REST trades, through ccxt; no key is needed. Grain: each
trade, keyed by venue, symbol, time and id.

How complete it is: where a venue numbers a market's trades without holes (binance, coinbase, okx), a missing number is a
missing trade, and the ledger says which span lacks it. Elsewhere the venue's answer over a span of time is believed as
long as it was not cut. ops.collected_ranges says for which time trades were asked for, under the timeframe `tick`.

Caveats: mexc gives no ids; theirs are made of time, price, amount and side with an ordinal among equal trades. Venues differ
in reach: okx serves three months, mexc and gate days. `side` is the taker's.
"""
