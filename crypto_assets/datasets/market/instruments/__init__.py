"""What venues trade, over time (asset market/instruments, table market.instruments).

One row is one market of a venue for as long as its symbol meant the same coin and its description held: a new tick size
begins a new row, and so does a symbol that returns from a long halt at another price. Source: the venues' public lists of
markets, through ccxt; no key is needed. Grain: one partition a venue; a list has no history that could be asked for,
so history grows from the first run on, in `valid_from` and `valid_to`, and a market that has left the list keeps its rows.

Caveats: `listed_at` is the venue's word where it has one (okx, futures), else, for markets in the universe, the open of the
first bar it serves, and null where it no longer serves its first bars (kraken, gate) or nobody collects the market.
`delisted_at` is the end of the last bar stored. A description is known since the first run that saw it (`known_at`),
even where the row begins at the listing.
"""
