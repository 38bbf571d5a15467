"""From what nodes say to rows: which number stands in which column.

What belongs here: pure arithmetic of a sample, and the batch that is stored. What does not: asking (sources.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean, median

import numpy as np
from numpy.typing import NDArray

from crypto_assets.clients.etherscan_gas import GasOracle
from crypto_assets.clients.evm_rpc import FeeHistory
from crypto_assets.clients.mempool_space import RecommendedFees
from crypto_assets.clients.solana_rpc import SlotFee
from crypto_assets.datasets.onchain.network_fees.table import VALUES
from crypto_assets.warehouse.write import Batch

_WEI_PER_GWEI = 10**9
_PERCENTS = (10, 50, 90)

type Values = Mapping[str, float | None]


@dataclass(frozen=True)
class FeeSample:
    """One row.

    Args:
        observed_at: UTC, as known_at.
        source: Provider and how it was asked.
        values: By column; those that are absent are not known.
    """

    chain: str
    observed_at: datetime
    known_at: datetime
    source: str
    values: Values


def ethereum_values(history: FeeHistory) -> Values:
    """What adjacent blocks say: of tips the median over the blocks, for one odd block should not move a row. Pure.

    Empty blocks say nothing of tips; where all are empty, tips are not known.
    """
    filled = [tips for tips, ratio in zip(history.tips, history.gas_used_ratios, strict=True) if ratio > 0]
    told: dict[str, float | None] = {
        "base_fee_gwei": history.base_fees[-2] / _WEI_PER_GWEI,
        "next_base_fee_gwei": history.base_fees[-1] / _WEI_PER_GWEI,
        "gas_used_ratio": min(1.0, fmean(history.gas_used_ratios)),
        "block_number": history.newest_block,
    }
    for place, percent in enumerate(_PERCENTS):
        tips = [one[place] for one in filled]
        told[f"priority_fee_p{percent}_gwei"] = median(tips) / _WEI_PER_GWEI if tips else None
    return told


def oracle_values(oracle: GasOracle) -> Values:
    """What Etherscan says; it does not tell the newest block's own base fee. Pure."""
    tips = {f"priority_fee_p{percent}_gwei": tip for percent, tip in zip(_PERCENTS, oracle.tips, strict=True)}
    return tips | {
        "next_base_fee_gwei": oracle.next_base_fee,
        "gas_used_ratio": min(1.0, fmean(oracle.gas_used_ratios)),
        "block_number": oracle.last_block,
    }


def bitcoin_values(fees: RecommendedFees, height: int | None) -> Values:
    """What mempool.space recommends. Pure."""
    return {
        "fastest_sat_vb": fees.fastest,
        "half_hour_sat_vb": fees.half_hour,
        "hour_sat_vb": fees.hour,
        "economy_sat_vb": fees.economy,
        "minimum_sat_vb": fees.minimum,
        "block_number": height,
    }


def solana_values(fees: Sequence[SlotFee]) -> Values:
    """Percentiles of the slots' fees, each a fee that a slot had (nearest rank). Pure.

    Args:
        fees: By slot ascending, at least one.
    """
    paid = np.array([one.fee for one in fees], dtype=np.float64)
    ranks = np.percentile(paid, _PERCENTS, method="inverted_cdf").tolist()
    told = {f"priority_fee_p{percent}_microlamports": rank for percent, rank in zip(_PERCENTS, ranks, strict=True)}
    return told | {"block_number": fees[-1].slot}


def build_rows(samples: Sequence[FeeSample]) -> Batch:
    """The table's columns. Pure."""
    numbers = {name: np.array([_number(one.values.get(name)) for one in samples], dtype=np.float64) for name in VALUES}
    return {
        "chain": np.array([one.chain for one in samples], dtype=object),
        "observed_at": _walls([one.observed_at for one in samples]),
        **numbers,
        "source": np.array([one.source for one in samples], dtype=object),
        "known_at": _walls([one.known_at for one in samples]),
    }


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _walls(moments: Sequence[datetime]) -> NDArray[np.datetime64]:
    return np.array([at.astimezone(UTC).replace(tzinfo=None) for at in moments], dtype="datetime64[us]")
