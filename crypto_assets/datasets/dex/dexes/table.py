"""dex.dexes: the table and its key.

What belongs here: columns and key. What does not: asking and comparing (asset.py), judging (checks.py).
"""

from __future__ import annotations

from sqlalchemy import PrimaryKeyConstraint, Table, Text

from crypto_assets.schema.columns import METADATA, column, moment, network, provenance

DATASET = "dex/dexes"

dexes = Table(
    "dexes",
    METADATA,
    network(),
    column("dex", Text(), "GeckoTerminal's name of the exchange, as uniswap_v3"),
    column("name", Text(), "Its name as people write it"),
    moment("first_seen_at", "When we first saw it in the network's list"),
    moment("vanished_at", "When it was first absent from the list; null while it is in it", nullable=True),
    *provenance(),
    PrimaryKeyConstraint("network", "dex"),
    schema="dex",
    comment="One decentralised exchange of one network. Rows change only when the list does; audit.revisions has the past.",
    info={"series": ("network", "dex"), "time": "first_seen_at"},
)

__all__ = ["DATASET", "dexes"]
