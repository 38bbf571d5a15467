"""The pools and tokens that are followed closely (asset dex/watchlist, table dex.watchlist).

One row is one entry of config/watchlist.csv for as long as it stood there: valid_from is when it was first seen, valid_to
when it was first absent. An entry whose symbol or note changes keeps its row, and audit.revisions what it was; one that wants
trades of another value, or stands for another pool, ends and begins anew. Bars and trades are collected for the pools of
the open entries; what was collected of a removed one stays.

A token stands for its best pool: of GeckoTerminal's top pools of the token those in which it is the base token (only where
there is none, those in which it is the quote token); among them the one with the largest reserve that was traded within 24
hours; ties go to the larger volume, then to the smaller address. It is chosen once, and again when that pool has died.

Caveats: the file is the truth; rows that are wrong in it are reported by their line and skipped. The universe must know the
network.
"""
