"""onchain.network_fees: the table and its key.

What belongs here: columns, key and the names of chains. What does not: asking (sources.py), what a row is made of (samples.py),
judging (checks.py).
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, PrimaryKeyConstraint, Table, Text

from crypto_assets.schema.columns import METADATA, column, moment, number, provenance

DATASET = "onchain/network_fees"
SERIES = "fees"  # what ledgers call a chain's one series
ETHEREUM: Final = "ethereum"
BITCOIN: Final = "bitcoin"
SOLANA: Final = "solana"

_GWEI = "gwei per gas"
_SAT_VB = "satoshi per virtual byte"
_MICROLAMPORTS = "micro-lamports per compute unit"


def _tip(percent: int, oracle: str) -> str:
    return (
        f"Priority fee that {percent} % of a block's gas paid at most, median of the sampled blocks;"
        f" from Etherscan the {oracle} gas price beyond the next base fee"
    )


def _slots(percent: int) -> str:
    return f"Of the last slots' least priority fees the {percent}th percentile, nearest rank"


network_fees = Table(
    "network_fees",
    METADATA,
    column("chain", Text(), "Chain: ethereum, bitcoin, solana"),
    moment("observed_at", "When the answer had come; of a point of the past the time of its newest block"),
    number("base_fee_gwei", "Base fee of the newest block", unit=_GWEI, nullable=True),
    number("priority_fee_p10_gwei", _tip(10, "safe"), unit=_GWEI, nullable=True),
    number("priority_fee_p50_gwei", _tip(50, "proposed"), unit=_GWEI, nullable=True),
    number("priority_fee_p90_gwei", _tip(90, "fast"), unit=_GWEI, nullable=True),
    number("gas_used_ratio", "Gas used over the gas limit, mean of the sampled blocks", unit="0..1", nullable=True),
    column(
        "block_number", BigInteger(), "Newest block that the row rests on; Solana's newest slot", unit="number",
        nullable=True,
    ),
    number("next_base_fee_gwei", "Base fee of the block that comes next", unit=_GWEI, nullable=True),
    number("fastest_sat_vb", "Fee to be mined in the next block", unit=_SAT_VB, nullable=True),
    number("half_hour_sat_vb", "Fee to be mined within half an hour", unit=_SAT_VB, nullable=True),
    number("hour_sat_vb", "Fee to be mined within an hour", unit=_SAT_VB, nullable=True),
    number("economy_sat_vb", "Fee to be mined at some time", unit=_SAT_VB, nullable=True),
    number("minimum_sat_vb", "Fee below which nodes drop a transaction", unit=_SAT_VB, nullable=True),
    number("priority_fee_p10_microlamports", _slots(10), unit=_MICROLAMPORTS, nullable=True),
    number("priority_fee_p50_microlamports", _slots(50), unit=_MICROLAMPORTS, nullable=True),
    number("priority_fee_p90_microlamports", _slots(90), unit=_MICROLAMPORTS, nullable=True),
    *provenance(),
    PrimaryKeyConstraint("chain", "observed_at"),
    schema="onchain",
    comment="What a transaction cost on one chain at one moment. Columns of other chains are null.",
    info={"series": ("chain", SERIES), "time": "observed_at"},
)  # fmt: skip

VALUES = tuple(
    one.name for one in network_fees.c if one.name not in {"chain", "observed_at", "source", "known_at", "ingested_at"}
)

__all__ = ["BITCOIN", "DATASET", "ETHEREUM", "SERIES", "SOLANA", "VALUES", "network_fees"]
