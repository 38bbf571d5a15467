"""What a transaction costs as features: the newest observation known, for six hours; checked by hand."""

import numpy as np
import pytest

from crypto_assets_tests.datasets.features.ml_features.outside import HOUR, MICROSECOND, at, derived, put_fees
from crypto_assets_tests.datasets.features.stage import Stage

CLOSE = at("2024-02-10 12:00")


def test_every_market_has_ethereums_newest_fees_for_six_hours(stage: Stage) -> None:
    early = [CLOSE - place * HOUR for place in range(30, 24, -1)]
    put_fees(
        stage.warehouse, "ethereum", [(one, one) for one in early],
        base_fee_gwei=10.0, priority_fee_p50_gwei=1.0, gas_used_ratio=0.5,
    )  # fmt: skip
    put_fees(
        stage.warehouse, "ethereum", [(CLOSE - HOUR, CLOSE), (CLOSE - 2 * HOUR, CLOSE + MICROSECOND)],
        base_fee_gwei=[20.0, 99.0], priority_fee_p50_gwei=[2.0, 9.0], gas_used_ratio=[0.7, 0.9],
    )  # fmt: skip
    rows = derived(stage, "SOL/USDT", CLOSE - HOUR, CLOSE + 6 * HOUR)
    base, change = rows["fee_ethereum_base"], rows["fee_ethereum_base_change_24"]
    assert np.isnan(base[CLOSE - HOUR])  # what was observed by then was not known yet, and the one before is a day old
    assert base[CLOSE] == pytest.approx(np.log(20))
    assert base[CLOSE + HOUR] == pytest.approx(np.log(20))  # known last, but of an earlier moment
    assert change[CLOSE] == pytest.approx(np.log(20 / 10))
    assert rows.loc[CLOSE, "fee_ethereum_tip"] == pytest.approx(np.log1p(2))
    assert rows.loc[CLOSE, "fee_ethereum_used_ratio"] == pytest.approx(0.7)
    assert base.last_valid_index() == CLOSE + 5 * HOUR  # observed six hours before
    assert rows["fee_own_chain"].isna().all()


def test_a_currency_has_its_own_chains_fee(stage: Stage) -> None:
    chains: dict[str, tuple[str, dict[str, float], float]] = {
        "BTC/USDT": ("bitcoin", {"half_hour_sat_vb": 30.0}, 30.0),
        "ETH/USDT": ("ethereum", {"base_fee_gwei": 12.0, "priority_fee_p50_gwei": 0.5}, 12.5),
        "SOL/USDT": ("solana", {"priority_fee_p50_microlamports": 5000.0}, 5000.0),
    }
    for chain, values, _ in chains.values():
        for moment, share in ((CLOSE - 24 * HOUR, 0.5), (CLOSE, 1.0)):
            put_fees(
                stage.warehouse, chain, [(moment, moment)], **{name: value * share for name, value in values.items()}
            )
    for symbol, (_, _, fee) in chains.items():
        rows = derived(stage, symbol, CLOSE, CLOSE)
        assert rows["fee_own_chain"].tolist() == pytest.approx([np.log1p(fee)])
        change = np.log1p(fee) - np.log1p(fee / 2)
        assert rows["fee_own_chain_change_24"].tolist() == pytest.approx([change], abs=1e-6)
