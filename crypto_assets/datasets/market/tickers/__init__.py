"""24-hour statistics of exchange markets (asset market/tickers, table market.tickers).

One row is what a venue said of one market's last 24 hours at one moment. Source: the venues' public REST tickers, through
ccxt. Grain: one row a market and poll, every five minutes.

Caveats: what a venue does not say is null: coinbase gives no high and low, binance's best prices come without a time.
Kraken's open and change are those of the UTC day. Statistics of the past cannot be asked for.
"""
