"""Planning runs: what is asked for against what the universe has."""

from datetime import UTC, datetime

import pytest

from crypto_assets.cli.runs import Plan, expected_bars, plan_runs
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.universe import Universe, parse_universe

MARCH, APRIL = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)


@pytest.fixture
def universe() -> Universe:
    text = """
history_from: 2026-01-01
venues:
  okx: {markets: [BTC/USDT, ETH/USDT], timeframes: [1h, 1d]}
  mexc: {markets: [BTC/USDT], timeframes: [1h]}
"""
    return parse_universe(text, "u.yaml")


def test_one_run_a_venue_over_whole_months(universe: Universe) -> None:
    plans = plan_runs(universe, MARCH, APRIL, (), (), ())
    assert [(plan.venue, plan.months) for plan in plans] == [
        (name, ("2026-03-01", "2026-03-01")) for name in ("mexc", "okx")
    ]
    assert expected_bars(universe, plans[1]) == 2 * (31 * 24 + 31)


def test_a_market_narrows_to_the_venues_that_have_it(universe: Universe) -> None:
    [plan] = plan_runs(universe, MARCH, APRIL, (), ("ETH/USDT",), ("1d",))
    assert (plan.venue, plan.markets, plan.timeframes) == ("okx", ("ETH/USDT",), ("1d",))


def test_a_plan_reaches_its_worker_unchanged() -> None:
    plan = Plan("okx", MARCH, APRIL, ("BTC/USDT",), ("1h",), refresh=True)
    assert Plan.from_json(plan.to_json()) == plan


@pytest.mark.parametrize(
    ("span", "venues", "markets", "timeframes", "said"),
    [
        ((MARCH, APRIL), ("nowhere",), (), (), "Unknown venue 'nowhere'"),
        ((MARCH, APRIL), ("okx",), ("NO/SUCH",), (), "Unknown symbol 'NO/SUCH' on okx"),
        ((MARCH, APRIL), (), ("NO/SUCH",), (), "None of the venues has NO/SUCH"),
        ((MARCH, APRIL), (), (), ("2m",), "Unknown timeframe '2m'"),
        ((APRIL, MARCH), (), (), (), "--from must be before --to"),
        ((datetime(2020, 1, 1, tzinfo=UTC), APRIL), (), (), (), "before the partition grid, which starts 2026-01-01"),
        ((datetime(2998, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)), (), (), (), "lies in the future"),
    ],
)
def test_what_cannot_be_planned_is_said_before_anything_starts(
    universe: Universe,
    span: tuple[datetime, datetime],
    venues: tuple[str, ...],
    markets: tuple[str, ...],
    timeframes: tuple[str, ...],
    said: str,
) -> None:
    with pytest.raises(CryptoAssetsError, match=said):
        plan_runs(universe, *span, venues, markets, timeframes)
