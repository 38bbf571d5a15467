"""Bars added up from trades (asset market/trade_bars, table market.trade_bars).

One row is one minute of one market of which every trade was collected: a minute that was only partly asked for, or lacks a
trade that the ledger knows of, has no row; a minute without trades has one, with zeros and no price. Source: market.trades.
Grain: 1m; coarser ones are sums of these.

It says what candles do not: who was the taker, the average price, how much of it came in large trades. It also proves the
candles: a check compares both, minute by minute.
"""
