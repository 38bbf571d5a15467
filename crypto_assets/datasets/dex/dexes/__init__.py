"""Decentralised exchanges of each followed network (asset dex/dexes, table dex.dexes).

One row is one DEX in GeckoTerminal's list of a network. Grain: network and DEX; a row changes only when the list does, and
audit.revisions keeps what it was, so any day's list can be read. Source: GeckoTerminal's public API; no key is needed.

A run compares the list with what is stored and names what appeared, vanished (vanished_at), came back or was renamed. The
API tells only of now: a run for a day that is over stores nothing and says so.

Caveats: the list is GeckoTerminal's, not the chain's. One refused page of it leaves the run without any vanishing: what
was not told is not gone.
"""
