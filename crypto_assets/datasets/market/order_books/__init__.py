"""Snapshots of order books (asset market/order_books, table market.order_books).

One row is the book of one market at one moment: levels of both sides as the venue wrote them, and what they say together.
Source: the venues' public REST books, through ccxt. Grain: one snapshot a market and interval; the universe's order_books
section says how deep and how often, and a market whose price stands still is asked less often.

Caveats: a book cannot be asked for afterwards, so a day that nobody watched stays empty. Binance and kraken do not say when
their book stood so; `snapshot_at` is always when the answer had come, by our clock. A book whose sides cross or are out of
order is refused and kept in quality.quarantine.
"""
