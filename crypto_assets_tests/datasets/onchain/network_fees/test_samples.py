"""From answers to columns, by numbers that can be checked by hand."""

from __future__ import annotations

from crypto_assets.clients.etherscan_gas import GasOracle
from crypto_assets.clients.evm_rpc import FeeHistory
from crypto_assets.clients.mempool_space import RecommendedFees
from crypto_assets.clients.solana_rpc import SlotFee
from crypto_assets.datasets.onchain.network_fees.samples import (
    bitcoin_values,
    ethereum_values,
    oracle_values,
    solana_values,
)

GWEI = 10**9


def test_ethereum_tips_are_the_median_over_blocks_that_are_not_empty() -> None:
    history = FeeHistory(
        100,
        (10 * GWEI, 11 * GWEI, 12 * GWEI, 10 * GWEI, 9 * GWEI),
        (0.5, 0.7, 0.0, 0.4),
        ((1 * GWEI, 2 * GWEI, 900 * GWEI), (3 * GWEI, 4 * GWEI, 5 * GWEI), (0, 0, 0), (2 * GWEI, 3 * GWEI, 8 * GWEI)),
    )
    assert ethereum_values(history) == {
        "base_fee_gwei": 10.0, "next_base_fee_gwei": 9.0, "gas_used_ratio": 0.4, "block_number": 103,
        "priority_fee_p10_gwei": 2.0, "priority_fee_p50_gwei": 3.0, "priority_fee_p90_gwei": 8.0,
    }  # fmt: skip


def test_empty_blocks_alone_say_nothing_of_tips() -> None:
    told = ethereum_values(FeeHistory(5, (8, 7), (0,), ((0, 0, 0),)))
    assert [told[f"priority_fee_p{percent}_gwei"] for percent in (10, 50, 90)] == [None, None, None]
    assert (told["base_fee_gwei"], told["gas_used_ratio"]) == (8e-9, 0)


def test_etherscan_does_not_tell_the_newest_blocks_base_fee() -> None:
    assert oracle_values(GasOracle(7, 30.5, (0.0, 1.0, 2.5), (0.25, 0.75))) == {
        "next_base_fee_gwei": 30.5, "gas_used_ratio": 0.5, "block_number": 7,
        "priority_fee_p10_gwei": 0.0, "priority_fee_p50_gwei": 1.0, "priority_fee_p90_gwei": 2.5,
    }  # fmt: skip


def test_solana_percentiles_are_fees_that_slots_had() -> None:
    told = solana_values([SlotFee(slot, fee) for slot, fee in enumerate([0, 5, 0, 70, 20, 0, 0, 30, 10, 1])])
    # Sorted: 0 0 0 0 1 5 10 20 30 70; nearest ranks 1, 5 and 9 of ten.
    assert [told[f"priority_fee_p{percent}_microlamports"] for percent in (10, 50, 90)] == [0, 1, 30]
    assert told["block_number"] == 9


def test_bitcoin_may_lack_its_height() -> None:
    told = bitcoin_values(RecommendedFees(5, 4, 3, 2, 1), None)
    assert told["block_number"] is None
    assert [told[f"{name}_sat_vb"] for name in ("fastest", "half_hour", "hour", "economy", "minimum")] == [
        5,
        4,
        3,
        2,
        1,
    ]
