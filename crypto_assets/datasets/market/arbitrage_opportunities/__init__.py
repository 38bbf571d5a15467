"""Gaps between exchanges that would have earned after fees (asset market/arbitrage_opportunities, the table of that name).

One row is one second at which a market could be bought at one venue's best ask and sold at another's best bid with a profit
after both takers' fees. Grain: market, buying venue, selling venue and second; rows with the same opened_at are one
opportunity. Source: the quotes that `crypto-assets stream` follows; both stand in market.book_ticker_snapshots at that second.

An opportunity is told from the snapshot on that is the `persistence_snapshots`th in a row to show it, and only while both
quotes are younger than those snapshots reach back, so that a feed that has stopped cannot make one. Slow markets, whose best
prices stand for longer than that, show none: a higher persistence_snapshots admits older quotes and asks for longer gaps.

Caveats: fees are those of the universe at that time and stand in the row; no transfer, no slippage beyond the best level, no
delay of orders is deducted, so a row is a sighting and no earning. One symbol can be two currencies on two venues:
gains_are_believable warns. Where one process of the stream follows another, the new one counts the seconds anew, so opened_at
can begin there again.
"""
