"""Pools as they stood when asked for (assets dex/pools, tables dex.pools and dex.pool_lives).

One row of dex.pools is one pool at one moment: price, reserve, volumes and transactions of the last 5m, 1h, 6h and 24h, value
of the token. Asked for every ten minutes: the top pools of each DEX in the universe, the network's new pools, the
watchlist's, and in turn pools that left those lists. Source: GeckoTerminal's public API; no key is needed.

dex.pool_lives has one row for each pool ever seen. The rule of death, by a snapshot: GeckoTerminal lists the pool no more
(unlisted), or nothing was traded for 24 hours and the reserve is below dex.dead_reserve_usd of the universe (drained). A
dead pool is not asked for any more; one that shows up alive in a list lives again. `pools_as_of` in read.py gives the pools
known at a date with what was known then, dead ones included: no survivorship bias.

Caveats: symbols are whatever a token's makers chose. Reserves of GeckoTerminal are estimates. A pool that never stood in a
list we ask for is not here.
"""
