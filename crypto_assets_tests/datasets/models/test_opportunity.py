"""What is left of a return after fees, and gaps between exchanges as inputs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.datasets.models.arbitrage import NO_GAPS, Gaps, arbitrage_inputs
from crypto_assets.datasets.models.opportunity import ARBITRAGE_INPUTS, net_return

NOBODY = np.zeros(0, dtype=np.int64)


def test_a_rise_is_bought_and_a_fall_is_sold_and_both_orders_pay() -> None:
    """At 1 % a side: 100 cost 101, and 110 bring 108.9. Sold at 100 for 99, bought back at 90 for 90.9."""
    net = net_return(np.log([1.1, 0.9]), 1.0)
    assert net == pytest.approx([0.079, -0.081])


def test_a_move_that_fees_eat_is_none_and_what_is_not_known_stays_so() -> None:
    assert net_return(np.log([1.015, 0.985, 1.0]), 1.0).tolist() == [0, 0, 0]
    assert np.isnan(net_return(np.array([np.nan]), 1.0)).all()
    assert net_return(np.log([1.2]), 0.0) == pytest.approx([0.2])


@given(st.floats(-2, 2), st.floats(0, 5))
def test_fees_never_turn_a_move_around_nor_add_to_it(change: float, fee_pct: float) -> None:
    net = float(net_return(np.array([change]), fee_pct)[0])
    move = np.expm1(change)
    assert abs(net) <= abs(move) + 1e-12
    assert net * move >= 0


def test_gaps_are_added_up_over_an_hour_and_a_day() -> None:
    """Hour 100 had 9 seconds of up to 0.5 %, hour 110 one second of 0.2 %; everybody listened."""
    gaps = Gaps(np.array([100, 110]), np.array([9.0, 1.0]), np.array([0.5, 0.2]))
    told = arbitrage_inputs(gaps, np.arange(60, 140), np.array([99, 100, 101, 110, 123, 124, 134]))
    assert tuple(told) == ARBITRAGE_INPUTS
    assert told["arbitrage_seconds_log_1h"] == pytest.approx(np.log([1, 10, 1, 2, 1, 1, 1]))
    assert told["arbitrage_seconds_log_24h"] == pytest.approx(np.log([1, 10, 10, 11, 11, 2, 1]))
    assert told["arbitrage_best_pct_1h"] == pytest.approx([0, 0.5, 0, 0.2, 0, 0, 0])
    assert told["arbitrage_best_pct_24h"] == pytest.approx([0, 0.5, 0.5, 0.5, 0.5, 0.2, 0])


def test_where_nobody_listened_none_is_not_zero() -> None:
    told = arbitrage_inputs(NO_GAPS, NOBODY, np.array([100, 101]))
    assert all(np.isnan(values).all() for values in told.values())
    # Twelve hours until 100: the hour's word holds two hours more, the day's while twelve of 24 lie in it.
    told = arbitrage_inputs(NO_GAPS, np.arange(89, 101), np.array([99, 100, 102, 103, 112, 113]))
    assert np.isfinite(told["arbitrage_seconds_log_1h"]).tolist() == [True, True, True, False, False, False]
    assert np.isfinite(told["arbitrage_best_pct_24h"]).tolist() == [False, True, True, True, True, False]


def test_a_gap_that_was_seen_proves_that_somebody_listened() -> None:
    told = arbitrage_inputs(Gaps(np.array([100]), np.array([3.0]), np.array([0.4])), NOBODY, np.array([100, 101]))
    assert told["arbitrage_best_pct_1h"][0] == 0.4
    assert np.isnan(told["arbitrage_best_pct_1h"][1])
    assert told["arbitrage_best_pct_24h"].tolist() == [0.4, 0.4]
    assert all(len(values) == 0 for values in arbitrage_inputs(NO_GAPS, NOBODY, NOBODY).values())
