"""The checks of dex/watchlist.

What belongs here: names and severities. What does not: how shared rules are looked at (quality) and the file's rules
(watchlist_file.py).
"""

from __future__ import annotations

from dagster import AssetCheckSeverity
from sqlalchemy import select

from crypto_assets.datasets.dex.watchlist.table import DATASET, watchlist
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.checks import Rule, key_is_unique, make_check, rows_keep
from crypto_assets.quality.coverage import TICK
from crypto_assets.quality.findings import Dimension, Finding, Grid
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

_C = watchlist.c


def _entries_have_a_pool(warehouse: Warehouse, _universe: Universe, window: VenueWindow) -> list[Finding]:
    """Every open entry of the network stands for a pool, whenever it came."""
    has_none = _C.pool_address.is_(None).label("has_none")
    chosen = select(_C.address, has_none, _C.problem).where(_C.network == window.venue, _C.valid_to.is_(None))
    return [
        Finding(window.venue, row["address"], TICK, 1, int(row["has_none"]), row["problem"] or "not asked for yet")
        for row in read_frame(warehouse, chosen.order_by(_C.address)).to_dict("records")
    ]


RULES = (
    Rule(
        "key_is_unique",
        "One row for each network, address and beginning.",
        Dimension.ACCURACY,
        key_is_unique(watchlist, "address"),
        blocking=True,
    ),
    Rule(
        "minimum_not_negative",
        "No entry asks for trades worth less than nothing.",
        Dimension.ACCURACY,
        rows_keep(watchlist, _C.min_trade_usd < 0),
        blocking=True,
    ),
    Rule(
        "entries_have_a_pool",
        "Every open entry stands for a pool: one that does not collects nothing.",
        Dimension.COMPLETENESS,
        _entries_have_a_pool,
        severity=AssetCheckSeverity.WARN,
    ),
)

CHECKS = [make_check(DATASET, rule, Grid.NETWORK_DAYS) for rule in RULES]
