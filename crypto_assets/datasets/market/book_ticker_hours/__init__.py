"""Hours of best prices, added up from a snapshot every second (asset market/book_ticker_hours, table
market.book_ticker_hours).

One row is one hour of one market: how many of its seconds had a fresh quote, spread and imbalance, how often the quote
changed, the middle's realised volatility from second to second, its first and last value, and what stood at the best prices.
Source: market.book_ticker_snapshots. Grain: an hour, added up once it has ended; known at its end.

Snapshots are dropped after some days; these rows stay, and a day is not dropped before its hours stand here as they were
stored. Caveats: stale seconds count in no price. Changes and returns are taken between adjacent fresh seconds of the same hour
alone, so that an hour with holes shows fewer of both: divide by `compared_seconds`. What changes twice within a second is one
change. A second that is stored late changes its hour's row, and audit.revisions keeps the former one.
"""
