"""A currency's own chain as features: of its own currency, by what was known, a week apart; checked by hand."""

from datetime import date, timedelta

import numpy as np
import pytest

from crypto_assets_tests.datasets.features.ml_features.outside import DAY, HOUR, MICROSECOND, at, derived, put_metric
from crypto_assets_tests.datasets.features.stage import Stage

FIRST = date(2024, 1, 20)


def _days(count: int, value: float, step: float = 0.0) -> list[tuple[date, object, float]]:
    """A day's value is known two days after the day began."""
    days = [FIRST + timedelta(days=place) for place in range(count)]
    return [(day, at(f"{day + timedelta(days=2)} 00:00"), value + step * place) for place, day in enumerate(days)]


def test_the_newest_day_known_is_told_and_compared_with_a_week_before(stage: Stage) -> None:
    values = {
        "active_addresses": (1000.0, 100.0), "transactions": (500.0, 50.0), "fees_usd": (99.0, 0.0),
        "hash_rate": (10.0, 1.0), "supply": (1000.0, 0.0), "exchange_net_flow": (-5.0, 0.0), "tvl_usd": (70.0, -1.0),
        "price_volatility_7d": (0.6, 0.0),
    }  # fmt: skip
    for metric, (first, step) in values.items():
        put_metric(stage.warehouse, "SOL", metric, _days(9, first, step))  # type: ignore[arg-type]
    put_metric(stage.warehouse, "BTC", "active_addresses", _days(9, 1e6))  # type: ignore[arg-type]
    known = at("2024-01-29 00:00")  # of the 27th, a week behind the first
    rows = derived(stage, "SOL/USDT", known - HOUR, at("2024-02-04 00:00"))
    before, first = rows.loc[known - HOUR], rows.loc[known]
    assert before["onchain_active_addresses"] == pytest.approx(np.log1p(1600))
    assert np.isnan(before["onchain_active_addresses_change_7d"])
    told = {name: float(first[f"onchain_{name}"]) for name in (
        "active_addresses", "active_addresses_change_7d", "transactions_change_7d", "fees", "hash_rate_change_7d",
        "exchange_net_flow", "tvl_change_7d", "volatility_7d",
    )}  # fmt: skip
    assert told == pytest.approx({
        "active_addresses": np.log1p(1700), "active_addresses_change_7d": np.log(1700 / 1000),
        "transactions_change_7d": np.log(850 / 500), "fees": np.log(100), "hash_rate_change_7d": np.log(17 / 10),
        "exchange_net_flow": -0.005, "tvl_change_7d": np.log(63 / 70), "volatility_7d": 0.6,
    })  # fmt: skip
    assert rows["onchain_fees"].last_valid_index() == at("2024-01-28 00:00") + 6 * DAY


def test_a_currency_has_its_own_chains_metrics_only(stage: Stage) -> None:
    put_metric(stage.warehouse, "ETH", "active_addresses", _days(9, 400.0))  # type: ignore[arg-type]
    span = at("2024-01-29 00:00"), at("2024-01-29 02:00")
    assert derived(stage, "ETH/USDT", *span)["onchain_active_addresses"].tolist() == pytest.approx([np.log1p(400)] * 3)
    rows = derived(stage, "SOL/USDT", *span)
    assert rows[[name for name in rows if name.startswith("onchain_")]].isna().all(axis=None)


def test_before_a_correction_came_the_former_value_was_known(stage: Stage) -> None:
    day = date(2024, 1, 25)
    for known, value in ((at("2024-01-27 00:00"), 400.0), (at("2024-01-27 05:00") + MICROSECOND, 500.0)):
        put_metric(stage.warehouse, "SOL", "active_addresses", [(day, known, value)])
    rows = derived(stage, "SOL/USDT", at("2024-01-26 23:00"), at("2024-01-27 06:00"))
    told = np.expm1(rows["onchain_active_addresses"].to_numpy(dtype=np.float64))
    np.testing.assert_allclose(told, [np.nan, *[400] * 6, 500], rtol=1e-5)
