"""Best bid and ask of every second (asset market/book_ticker_snapshots, table market.book_ticker_snapshots).

One row is the newest quote of one market at one whole second: both prices and quantities as the venue wrote them, when it
says that it was so, when it came, and whether it is too old to be traded on. Source: the venues' public book-ticker streams.
Grain: a second of a market; stream.venues of the universe says of which venues, and all of their markets are followed.

Caveats: nobody can be asked for quotes of the past. Seconds in which no stream ran, or which could not be kept, stand in
quality.coverage as unrecoverable, outages of a venue's feed as venue_outage; during these the rows repeat the last quote and
are marked stale. A market has no row before its first quote. Changes within a second are not kept. Whole days are dropped
after stream.keep_days; market/book_ticker_hours keeps what each hour adds up to.
"""
