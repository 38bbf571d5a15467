"""features.technical_indicators: what technical analysis says of each stored bar.

A row is one bar of one market, keyed as the bar is; its columns are indicators of that bar and those before it.
Source: market.ohlcv through TA-Lib; pandas-ta for the z-scores, with its own TA-Lib switch off.
Grain: venue, symbol, timeframe, opened_at; cut month × venue. By default the 1h bars; universe.yaml names others.
Known at the close of the bar: no value rests on a later one.
Caveats: a value is null, never wrong: during its warm-up, behind a hole it may not cross (the column's comment names its class
and warm-up), and where its formula divides by nothing. Values of a calendar year rest on bars since 2,400 bars before it and
on none before. On-balance volume starts there, too, so that only its changes mean something. Bars that the venue named quiet
count as flat bars without volume, and get no row.
"""
