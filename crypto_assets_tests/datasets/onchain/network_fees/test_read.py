"""What consumers read: what was known at a moment, and arrays in the order of knowing."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from crypto_assets.datasets.onchain.network_fees.read import KNOWN, fees_as_of, known_fees
from crypto_assets.datasets.onchain.network_fees.samples import FeeSample, Values, build_rows
from crypto_assets.datasets.onchain.network_fees.table import VALUES, network_fees
from crypto_assets.warehouse.write import upsert
from crypto_assets_tests.datasets.onchain.network_fees.world import DAY, NOW, FeeWorld

SECOND = timedelta(seconds=1)


def _store(world: FeeWorld, chain: str, at: datetime, values: Values, lag: float = 0) -> None:
    with world.warehouse.connect() as connection:
        row = FeeSample(chain, at, at + lag * SECOND, "by hand", values)
        upsert(connection, network_fees, build_rows([row]))


def test_nothing_is_known_before_its_time(world: FeeWorld) -> None:
    _store(world, "ethereum", NOW, {"base_fee_gwei": 1.5, "block_number": 7}, lag=30)
    _store(world, "ethereum", NOW + 10 * SECOND, {"base_fee_gwei": 2.5})
    _store(world, "bitcoin", NOW, {"half_hour_sat_vb": 4})
    assert fees_as_of(world.warehouse, "ethereum", NOW + 9 * SECOND) is None
    found = fees_as_of(world.warehouse, "ethereum", NOW + 10 * SECOND)
    assert found is not None
    assert (found["base_fee_gwei"], found["block_number"], found["observed_at"]) == (2.5, None, NOW + 10 * SECOND)
    later = fees_as_of(world.warehouse, "ethereum", NOW + 40 * SECOND)
    assert later == found  # what became known later speaks of an earlier time
    assert set(found) == {*VALUES, "chain", "observed_at", "source", "known_at", "ingested_at"}
    assert fees_as_of(world.warehouse, "solana", NOW + DAY) is None


def test_arrays_come_in_the_order_of_knowing(world: FeeWorld) -> None:
    assert {name for names in KNOWN.values() for name in names} <= set(VALUES)
    _store(world, "ethereum", NOW, {"base_fee_gwei": 1.5, "priority_fee_p50_gwei": 0.5, "gas_used_ratio": 0.4}, lag=30)
    _store(world, "ethereum", NOW + 10 * SECOND, {"next_base_fee_gwei": 2.5, "priority_fee_p50_gwei": 0.7})
    _store(world, "ethereum", NOW + DAY, {"base_fee_gwei": 9})
    _store(world, "solana", NOW, {"priority_fee_p50_microlamports": 1000})
    found = known_fees(world.warehouse, NOW, NOW + DAY)
    assert set(found) == {"ethereum", "bitcoin", "solana"}
    ethereum = found["ethereum"]
    begin = np.datetime64(NOW.replace(tzinfo=None), "us")
    assert ethereum.known_at.dtype == ethereum.observed_at.dtype == np.dtype("datetime64[us]")
    assert (ethereum.known_at - begin).astype(int).tolist() == [10_000_000, 30_000_000]
    assert (ethereum.observed_at - begin).astype(int).tolist() == [10_000_000, 0]
    assert ethereum.values["base_fee_gwei"].tolist() == [2.5, 1.5]  # the next block's, where that alone is told
    assert ethereum.values["priority_fee_p50_gwei"].tolist() == [0.7, 0.5]
    np.testing.assert_array_equal(ethereum.values["gas_used_ratio"], [np.nan, 0.4])
    assert found["solana"].values["priority_fee_p50_microlamports"].tolist() == [1000.0]
    assert len(found["bitcoin"].known_at) == len(found["bitcoin"].values["half_hour_sat_vb"]) == 0
    assert found["bitcoin"].values["half_hour_sat_vb"].dtype == np.float64
