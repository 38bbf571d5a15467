"""Fees for consumers: what was known of a chain at a moment, and all of a span as arrays.

What belongs here: questions that features, models and the CLI ask of onchain.network_fees. What does not: collecting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Float, Label, cast, func, select

from crypto_assets.datasets.onchain.network_fees.table import BITCOIN, ETHEREUM, SOLANA, network_fees
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_arrow, read_frame

# What `known_fees` gives of each chain.
KNOWN: Mapping[str, tuple[str, ...]] = {
    ETHEREUM: ("base_fee_gwei", "priority_fee_p50_gwei", "gas_used_ratio"),
    BITCOIN: ("half_hour_sat_vb",),
    SOLANA: ("priority_fee_p50_microlamports",),
}


@dataclass(frozen=True)
class KnownFees:
    """Samples of one chain in the order in which they became known; arrays of equal length.

    Args:
        known_at: datetime64[us], UTC, ascending.
        observed_at: datetime64[us], UTC.
        values: By column, float64, NaN where a sample does not tell.
    """

    known_at: NDArray[np.datetime64]
    observed_at: NDArray[np.datetime64]
    values: Mapping[str, NDArray[np.float64]]


def fees_as_of(warehouse: Warehouse, chain: str, at: datetime) -> dict[str, object] | None:
    """The newest sample of a chain that was known at a moment, by column; None where there is none.

    Args:
        at: A moment with its zone.

    Returns:
        All columns of onchain.network_fees; times with their zone, UTC; columns of other chains are None.

    Raises:
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    c = network_fees.c
    known = select(network_fees).where(c.chain == chain, c.known_at <= at).order_by(c.observed_at.desc()).limit(1)
    rows: list[dict[str, object]] = read_arrow(warehouse, known).to_pylist()
    return rows[0] if rows else None


def known_fees(warehouse: Warehouse, start: datetime, end: datetime) -> Mapping[str, KnownFees]:
    """Of every chain the samples that became known in [start, end), with the columns of KNOWN.

    Where Etherscan stood in for a node, base_fee_gwei is the next block's: it does not tell the newest block's own, and both
    are at most an eighth apart.

    Args:
        start: A moment with its zone; far enough back that a sample known before the first use is among them.

    Raises:
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    return {chain: _known(warehouse, chain, columns, start, end) for chain, columns in KNOWN.items()}


def _known(warehouse: Warehouse, chain: str, columns: tuple[str, ...], start: datetime, end: datetime) -> KnownFees:
    c = network_fees.c
    wanted = select(c.known_at, c.observed_at, *(_told(name) for name in columns))
    wanted = wanted.where(c.chain == chain, c.known_at >= start, c.known_at < end).order_by(c.known_at, c.observed_at)
    frame = read_frame(warehouse, wanted)
    times = [
        frame[name].dt.tz_localize(None).to_numpy().astype("datetime64[us]") for name in ("known_at", "observed_at")
    ]
    values = {name: frame[name].to_numpy().astype(np.float64) for name in columns}
    return KnownFees(times[0], times[1], values)


def _told(name: str) -> Label[float]:
    c = network_fees.c
    found = func.coalesce(c.base_fee_gwei, c.next_base_fee_gwei) if name == "base_fee_gwei" else c[name]
    return cast(found, Float(53)).label(name)


__all__ = ["KNOWN", "KnownFees", "fees_as_of", "known_fees"]
