"""What rows of books and pools say of liquidity."""

import numpy as np
import pytest

from crypto_assets.datasets.models import liquidity
from crypto_assets.datasets.models.levels import SOURCES

DAY = 86_400.0


def _tell(model: str, observed: float = 0.0, **read: float) -> dict[str, float]:
    source = SOURCES[model]
    columns = {name: np.array([read.get(name, np.nan)]) for name in source.reads}
    return {name: float(values[0]) for name, values in source.tell(columns, np.array([observed])).items()}


def test_depth_is_what_both_sides_offer_within_fifty_basis_points() -> None:
    assert _tell(liquidity.DEPTH, bid_depth_50bps_quote=30, ask_depth_50bps_quote=12)["level"] == 42
    assert np.isnan(_tell(liquidity.DEPTH, bid_depth_50bps_quote=0, ask_depth_50bps_quote=0)["level"])
    assert _tell(liquidity.SPREAD, spread_bps=2.5)["level"] == 2.5


def test_a_pool_is_told_in_relation_to_its_reserve() -> None:
    told = _tell(
        liquidity.RESERVE, observed=3 * DAY, created_at=0.0, reserve_usd=1000, volume_usd_1h=500, volume_usd_24h=3000,
        buys_1h=3, sells_1h=1, buys_24h=0, sells_24h=0, price_change_pct_1h=-5, price_change_pct_24h=20,
    )  # fmt: skip
    assert told["level"] == 1000
    assert told["turnover_1h_log"] == pytest.approx(np.log(1.5))
    assert told["turnover_24h_log"] == pytest.approx(np.log(4))
    assert told["buy_balance_1h"] == 0.5
    assert told["buy_balance_24h"] == 0  # nobody traded: no side had more
    assert told["trades_24h_log"] == 0
    assert (told["price_change_1h"], told["price_change_24h"]) == pytest.approx((-0.05, 0.2))
    assert told["pool_age_days_log"] == pytest.approx(np.log(4))


def test_what_geckoterminal_leaves_out_is_unknown_and_a_drained_pool_has_no_logarithm() -> None:
    told = _tell(liquidity.RESERVE, reserve_usd=0)
    assert all(np.isnan(value) for value in told.values())
    assert set(told) == {"level", *liquidity.POOL_INPUTS}


def test_each_quantity_has_its_bound_and_its_reason() -> None:
    bounds = {one.model: one.promotion for one in liquidity.FORECASTS}
    assert bounds[liquidity.RESERVE].min_skill < bounds[liquidity.SPREAD].min_skill
    assert len(liquidity.FORECASTS) == 9
