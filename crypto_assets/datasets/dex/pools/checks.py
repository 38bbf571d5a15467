"""The checks of dex/pools.

What belongs here: names, severities and the reasons of what blocks. What does not: how shared rules are looked at (quality,
pool_checks.py) and bounds (the universe).
"""

from __future__ import annotations

from itertools import pairwise

from dagster import AssetCheckSeverity
from sqlalchemy import func, or_

from crypto_assets.datasets.dex.pool_checks import list_was_asked
from crypto_assets.datasets.dex.pools.table import DATASET, WINDOWS, pools
from crypto_assets.quality.checks import Rule, key_is_unique, make_check, rows_keep
from crypto_assets.quality.completeness import rows_are_accepted
from crypto_assets.quality.findings import Dimension, Grid

_C = pools.c
_VOLUMES = [_C[f"volume_usd_{window}"] for window in WINDOWS]
_COUNTS = [[_C[f"{what}_{window}"] for window in WINDOWS] for what in ("buys", "sells")]
# A longer window holds the shorter one. GeckoTerminal adds its windows up at moments of their own: a percent of slack.
_NOT_NESTED = or_(*(short > 1.01 * long for short, long in pairwise(_VOLUMES)))

RULES = (
    Rule(
        "key_is_unique",
        "One snapshot for each network, pool and time.",
        Dimension.ACCURACY,
        key_is_unique(pools, "pool_address"),
        blocking=True,
    ),
    Rule(
        "prices_positive",
        "Prices are above zero where they are told.",
        Dimension.ACCURACY,
        rows_keep(pools, or_(_C.price_usd <= 0, _C.quote_price_usd <= 0, _C.price_quote <= 0)),
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "reserve_not_negative",
        "No pool holds less than nothing.",
        Dimension.ACCURACY,
        rows_keep(pools, _C.reserve_usd < 0),
        blocking=True,
    ),
    Rule(
        "volumes_not_negative",
        "Volumes and counts are zero or more.",
        Dimension.ACCURACY,
        rows_keep(pools, or_(*(one < 0 for one in (*_VOLUMES, *_COUNTS[0], *_COUNTS[1])))),
        blocking=True,
    ),
    Rule(
        "windows_are_nested",
        "The volume of 5 minutes is part of that of an hour, that of 6 hours, that of a day.",
        Dimension.ACCURACY,
        rows_keep(pools, _NOT_NESTED),
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "made_before_seen",
        "No pool was seen more than a minute before it was made.",
        Dimension.ACCURACY,
        rows_keep(pools, _C.created_at > _C.snapshot_at + func.make_interval(0, 0, 0, 0, 0, 1)),
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "rows_are_accepted",
        "No row of the last day had to be refused.",
        Dimension.ACCURACY,
        rows_are_accepted(pools, DATASET),
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "newest_snapshot_is_recent",
        "In the open day, the network's newest snapshot is younger than dex.max_age_minutes of the universe.",
        Dimension.TIMELINESS,
        list_was_asked(pools, "snapshots", lambda universe: universe.dex.max_age_minutes),
    ),
)

CHECKS = [make_check(DATASET, rule, Grid.NETWORK_DAYS) for rule in RULES]
