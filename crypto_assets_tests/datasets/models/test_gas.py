"""What the forecasts of the base fee look at, and what a row of fees says."""

from datetime import timedelta

import numpy as np
import pytest

from crypto_assets.datasets.models import gas
from crypto_assets.datasets.models.levels import SOURCES


def _tell(**read: float) -> dict[str, float]:
    source = SOURCES[gas.MODEL]
    columns = {name: np.array([read.get(name, np.nan)]) for name in source.reads}
    return {name: float(values[0]) for name, values in source.tell(columns, np.zeros(1)).items()}


def test_a_row_says_the_base_fee_and_where_it_is_heading() -> None:
    told = _tell(
        base_fee_gwei=20, next_base_fee_gwei=22.5, priority_fee_p10_gwei=0, priority_fee_p50_gwei=1, priority_fee_p90_gwei=3,
        gas_used_ratio=0.75,
    )  # fmt: skip
    assert told["level"] == 20
    assert told["next_base_fee_change"] == pytest.approx(np.log(1.125))
    assert told["tip_p50_log"] == pytest.approx(np.log(2))
    assert told["tip_spread_log"] == pytest.approx(np.log(4))
    assert told["gas_used_ratio"] == 0.75


def test_where_etherscan_stood_in_the_next_base_fee_stands_for_the_level() -> None:
    told = _tell(next_base_fee_gwei=22.5)
    assert told["level"] == 22.5
    assert np.isnan([told[name] for name in gas.FEE_INPUTS]).all()


def test_a_fee_of_nothing_has_no_logarithm() -> None:
    assert np.isnan(_tell(base_fee_gwei=0)["level"])


def test_a_history_of_a_point_every_four_hours_has_no_holes() -> None:
    """The point is known half a minute after the hour, so that the one before is four hours old there."""
    assert timedelta(hours=4, seconds=30) < gas.MAX_AGE
    assert set(gas.FORECASTS[0].optional) == set(gas.FEE_INPUTS)
