"""The checks of onchain/network_fees.

What belongs here: names, severities and the rules of a sample. What does not: how shared rules are looked at
(quality/checks.py) and bounds (the universe).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from dagster import AssetCheckSeverity
from sqlalchemy import ColumnElement, and_, func, or_, select

from crypto_assets.datasets.onchain.network_fees.table import DATASET, SERIES, VALUES, network_fees
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.checks import Look, Rule, key_is_unique, make_check, rows_keep
from crypto_assets.quality.completeness import rows_are_accepted
from crypto_assets.quality.findings import Dimension, Finding, Grid
from crypto_assets.quality.series import TICK
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

_C = network_fees.c
_CLOCK_AHEAD = timedelta(minutes=1)
_FEES = tuple(_C[name] for name in VALUES if name not in {"gas_used_ratio", "block_number"})
_WEI_IN_GWEI = 1e-9
# In each of these no number may be below the one before it.
_ASCENDING = (
    ("priority_fee_p10_gwei", "priority_fee_p50_gwei", "priority_fee_p90_gwei"),
    ("priority_fee_p10_microlamports", "priority_fee_p50_microlamports", "priority_fee_p90_microlamports"),
    ("minimum_sat_vb", "economy_sat_vb", "hour_sat_vb", "half_hour_sat_vb", "fastest_sat_vb"),
)


def _out_of_order() -> ColumnElement[bool]:
    pairs = [pair for names in _ASCENDING for pair in pairwise(names)]
    return or_(*(_C[lower] > _C[higher] for lower, higher in pairs))


def _chain_by_chain(look: Look) -> Look:
    """The quarantine names rows by their chain, and windows of days name none."""

    def looked(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
        chains = universe.network_fees.chains
        return [one for chain in chains for one in look(warehouse, universe, replace(window, venue=chain))]

    return looked


def _newest_is_recent(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
    """In the open day the newest sample of each chain is younger than the bound."""
    now = datetime.now(UTC)
    if not window.start <= now < window.end:
        return []
    since = now - timedelta(days=1)
    newest = select(_C.chain, func.max(_C.observed_at).label("at")).where(_C.observed_at >= since).group_by(_C.chain)
    found = {row["chain"]: row["at"].to_pydatetime() for row in read_frame(warehouse, newest).to_dict("records")}
    bound = timedelta(minutes=universe.network_fees.max_age_minutes)
    findings = []
    for chain in universe.network_fees.chains:
        at = found.get(chain)
        told = f"newest {at:%Y-%m-%d %H:%M:%S}" if at else "no sample of the last day"
        lag = (now - at).total_seconds() if at else None
        findings.append(Finding(chain, SERIES, TICK, 1, int(at is None or now - at > bound), told, lag_seconds=lag))
    return findings


def _within_bounds(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
    """No fee lies beyond what a chain has ever asked for."""
    rules = universe.network_fees
    most = {
        "base_fee_gwei": rules.max_base_fee_gwei,
        "next_base_fee_gwei": rules.max_base_fee_gwei,
        "priority_fee_p90_gwei": rules.max_priority_fee_gwei,
        "fastest_sat_vb": rules.max_sat_vb,
        "priority_fee_p90_microlamports": rules.max_microlamports,
    }
    beyond = or_(*(_C[name] > bound for name, bound in most.items()))
    return list(rows_keep(network_fees, beyond)(warehouse, universe, window))


RULES = (
    Rule(
        "key_is_unique",
        "One row for each chain and time.",
        Dimension.ACCURACY,
        key_is_unique(network_fees),
        blocking=True,
    ),
    Rule(
        "fees_not_negative",
        "No fee is negative.",
        Dimension.ACCURACY,
        rows_keep(network_fees, or_(*(one < 0 for one in _FEES))),
        blocking=True,
    ),
    Rule(
        "percentiles_in_order",
        "p10 ≤ p50 ≤ p90, and the sooner a transaction of Bitcoin shall be mined, the more it pays.",
        Dimension.ACCURACY,
        rows_keep(network_fees, _out_of_order()),
    ),
    Rule(
        "gas_used_ratio_is_a_share",
        "Gas used lies between nothing and the gas limit.",
        Dimension.ACCURACY,
        rows_keep(network_fees, or_(_C.gas_used_ratio < 0, _C.gas_used_ratio > 1)),
    ),
    Rule(
        "base_fee_moves_by_an_eighth",
        "The next block's base fee is at most an eighth above or below the newest block's, as EIP-1559 has it: more means that"
        " a node mixed up blocks, or that the protocol has changed.",
        Dimension.ACCURACY,
        rows_keep(
            network_fees,
            and_(
                _C.base_fee_gwei.is_not(None),
                func.abs(_C.next_base_fee_gwei - _C.base_fee_gwei) > _C.base_fee_gwei / 8 + _WEI_IN_GWEI,
            ),
        ),
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "no_sample_from_the_future",
        "No sample is of a later time than now, or was known before the time that it speaks of.",
        Dimension.ACCURACY,
        rows_keep(network_fees, or_(_C.observed_at > func.now() + _CLOCK_AHEAD, _C.known_at < _C.observed_at)),
        blocking=True,
    ),
    Rule(
        "rows_are_accepted",
        "No answer of the last day had to be refused.",
        Dimension.ACCURACY,
        _chain_by_chain(rows_are_accepted(network_fees, DATASET)),
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "fees_within_bounds",
        "No fee lies beyond the universe's bounds, which are wider than any chain has ever asked for: a wrong unit does.",
        Dimension.ACCURACY,
        _within_bounds,
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "newest_sample_is_recent",
        "In the open day the newest sample of each chain is younger than network_fees.max_age_minutes of the universe.",
        Dimension.TIMELINESS,
        _newest_is_recent,
        severity=AssetCheckSeverity.WARN,
    ),
)

CHECKS = [make_check(DATASET, rule, Grid.CALENDAR_DAYS) for rule in RULES]
