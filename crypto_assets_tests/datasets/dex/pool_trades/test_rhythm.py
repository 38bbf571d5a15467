"""How often pools are polled: the busy ones by their pace, the quiet ones by what these leave of the budget."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.datasets.dex.pool_trades.rhythm import (
    PLANNED_SHARE,
    interval_for,
    longest_interval,
    poll_seconds,
    quiet_interval,
)
from crypto_assets.universe import DexRules

RULES = DexRules()  # 30 requests a minute, a quarter of them for bars: a poll takes 2 s / 0.75
POLL = 60 / 30 / 0.75


def test_a_hundred_trades_come_together_between_two_polls() -> None:
    assert interval_for(0.5, RULES, 900) == 200
    assert interval_for(0.01, RULES, 900) == 900
    assert interval_for(0.0, RULES, 900) == 900
    assert interval_for(50.0, RULES, 900) == 10


def test_the_quietest_waits_at_most_twice_what_a_round_takes() -> None:
    assert poll_seconds(RULES) == POLL
    assert longest_interval(RULES, 200) == pytest.approx(2 * 200 * POLL)
    assert longest_interval(RULES, 20) == 300
    assert longest_interval(RULES, 100_000) == 360 * 60


def test_quiet_pools_are_polled_as_often_as_busy_ones_leave_budget_for() -> None:
    assert quiet_interval(RULES, []) == quiet_interval(RULES, [0.0] * 20) == 300
    assert quiet_interval(RULES, [0.0] * 200) == pytest.approx(200 * POLL / 0.85)
    # Ten pools of a trade a second are polled every 100 s: ten times 2.67 s of every 100 s, 26.7 % of 85 %.
    some = quiet_interval(RULES, [1.0] * 10 + [0.0] * 190)
    assert some == pytest.approx(190 * POLL / (0.85 - 10 * POLL / 100))
    # When busy ones want all of it, the quiet ones are asked after twice a round's time; whose turn it is, urgency tells.
    assert quiet_interval(RULES, [1.0] * 100 + [0.0] * 100) == pytest.approx(2 * 200 * POLL)


@given(st.lists(st.floats(0, 30), max_size=300))
def test_the_plan_fits_the_budget_or_the_longest_interval_is_reached(paces: list[float]) -> None:
    longest = longest_interval(RULES, len(paces))
    quiet = quiet_interval(RULES, paces)
    assert 300 <= quiet <= longest
    if quiet < longest:
        load = sum(POLL / interval_for(pace, RULES, quiet) for pace in paces)
        assert load <= PLANNED_SHARE + 1e-9
        if quiet > 300:  # and nothing of it is left
            assert load == pytest.approx(PLANNED_SHARE)
