"""The economy, chains, fees, headlines and moods together: no feature knows the future, and what was known then comes back."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import Table

from crypto_assets.datasets.features.ml_features import macro, vintages
from crypto_assets.datasets.features.ml_features.catalog import FEATURE_SETS, FEATURES
from crypto_assets.datasets.features.ml_features.checks import RULES
from crypto_assets.datasets.features.ml_features.load import load_features
from crypto_assets.datasets.features.ml_features.macro import SERIES
from crypto_assets.datasets.features.ml_features.proof import no_look_ahead
from crypto_assets.partitions import VenueWindow
from crypto_assets.universe import read_universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.features.ml_features.outside import (
    DAY,
    HOUR,
    TABLES,
    at,
    derived,
    put_fees,
    put_macro,
    put_metric,
    put_moods,
    put_scores,
)
from crypto_assets_tests.datasets.features.stage import Stage

FIRST, LAST = at("2024-02-08 00:00"), at("2024-02-20 00:00")
NAMES = [
    one.name
    for chosen in FEATURE_SETS
    if chosen.name in {"macro", "onchain", "fees", "sentiment"}
    for one in chosen.features
]
_METRICS = (
    "active_addresses", "transactions", "fees_usd", "hash_rate", "supply", "exchange_net_flow", "tvl_usd",
    "price_volatility_7d",
)  # fmt: skip


def _seed(warehouse: Warehouse, seed: int = 0) -> None:
    """Rows of every table that change within the span, known hours after what they speak of; revisions among them."""
    numbers = np.random.default_rng(seed)
    _seed_macro(warehouse, numbers)
    days = [date(2024, 1, 20) + timedelta(days=place) for place in range(30)]
    for metric in _METRICS:
        told = [(day, _hours_behind(day, numbers.integers(24, 60)), 50 + float(numbers.random())) for day in days]
        put_metric(warehouse, "SOL", metric, told)
    hours = [FIRST - 40 * HOUR + place * HOUR for place in range(40 + 12 * 24)]
    moments = [(one, one + timedelta(minutes=int(numbers.integers(0, 90)))) for one in hours]
    many = {name: 1 + numbers.random(len(moments)) for name in ("base_fee_gwei", "priority_fee_p50_gwei")}
    put_fees(warehouse, "ethereum", moments, **many, gas_used_ratio=numbers.random(len(moments)))
    put_fees(warehouse, "solana", moments, priority_fee_p50_microlamports=100 * numbers.random(len(moments)))
    scored = [
        (f"n{place}", ("SOL", "BTC", "")[place % 3], FIRST - DAY + place * HOUR, float(numbers.uniform(-1, 1)))
        for place in range(13 * 24)
    ]
    put_scores(warehouse, scored)
    put_moods(warehouse, [(day, _hours_behind(day, 1), float(numbers.integers(0, 100))) for day in days])


def _seed_macro(warehouse: Warehouse, numbers: np.random.Generator) -> None:
    for one in SERIES.values():
        months = [f"{year}-{month:02d}" for year in (2022, 2023) for month in range(1, 13)] + ["2024-01"]
        periods = [date.fromisoformat(f"{name}-01") for name in months[:: one.months or 1]]
        if not one.months:
            periods = [date(2024, 1, 20) + timedelta(days=place) for place in range(30)]
        lag = 45 if one.months else 1  # so that a release lies behind the moment at which the future is taken away
        told = [
            (day, day + timedelta(days=lag), _hours_behind(day, 24 * lag + 14), 50 + float(numbers.random()))
            for day in periods
        ]
        # The last of each are revised twelve days later.
        told += [
            (day, vintage + 12 * DAY, known + 12 * DAY, 50 + float(numbers.random()))
            for day, vintage, known, _ in told[-9:]
        ]
        frequency = {0: "daily", 1: "monthly", 3: "quarterly"}[one.months]
        put_macro(warehouse, one.series_id, frequency, told)


def _hours_behind(day: date, hours: int) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + int(hours) * HOUR


def _delete_known_after(warehouse: Warehouse, moment: datetime, tables: Sequence[Table] = TABLES) -> None:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"DELETE FROM {table.fullname} WHERE known_at > %s", (moment,))  # noqa: S608 - names from Tables


def test_without_what_was_known_later_every_feature_stays_as_it_was_and_with_it_again(stage: Stage) -> None:
    _seed(stage.warehouse)
    whole = derived(stage, "SOL/USDT", FIRST, LAST)
    assert (whole[NAMES].count() > 100).all()
    moment = FIRST + 6 * DAY + 5 * HOUR
    _delete_known_after(stage.warehouse, moment)
    cut = derived(stage, "SOL/USDT", FIRST, LAST)
    pd.testing.assert_frame_equal(cut.loc[:moment, NAMES], whole.loc[:moment, NAMES], check_exact=True)
    behind = moment + DAY
    changed = [name for name in NAMES if not cut.loc[behind:, name].equals(whole.loc[behind:, name])]
    assert set(changed) == set(NAMES)
    _seed(stage.warehouse)
    pd.testing.assert_frame_equal(derived(stage, "SOL/USDT", FIRST, LAST)[NAMES], whole[NAMES], check_exact=True)


def test_the_check_proves_it_and_would_see_a_value_joined_by_its_period(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    _seed(stage.warehouse)
    stage.file.write_text(stage.file.read_text().replace("[BTC/USDT, ETH/USDT, SOL/USDT, XRP/USDT]", "[SOL/USDT]"))
    derived(stage, "SOL/USDT", FIRST, LAST)
    universe, _ = read_universe(stage.file)
    window = VenueWindow("binance", FIRST - HOUR, LAST)
    prove = no_look_ahead(tuple(FEATURES.values()))
    [finding] = prove(stage.warehouse, universe, window)
    assert finding.failed == 0
    [same] = [rule for rule in RULES if rule.name == "sample_equals_recomputed"]
    assert sum(one.failed for one in same.look(stage.warehouse, universe, window)) == 0

    class ByPeriod(vintages.Vintages):
        def __init__(self, period: vintages.Whole, known_at: vintages.Whole, *rest: np.ndarray) -> None:  # type: ignore[type-arg]
            super().__init__(period, np.minimum(known_at, period * 86_400_000_000), *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(macro, "Vintages", ByPeriod)
    [leaky] = prove(stage.warehouse, universe, window)
    assert leaky.failed
    assert "macro_vix" in leaky.example


def test_days_and_hours_computed_alone_give_the_bits_of_one_run(stage: Stage) -> None:
    _seed(stage.warehouse)
    whole = derived(stage, "SOL/USDT", FIRST, LAST)
    for start, end in ((FIRST + 30 * HOUR, FIRST + 30 * HOUR), (LAST - 2 * DAY, LAST)):
        alone = derived(stage, "SOL/USDT", start, end)
        columns = [name for name in whole if name != "ingested_at"]
        pd.testing.assert_frame_equal(alone[columns], whole.loc[start:end, columns], check_exact=True)


def test_what_was_computed_then_is_rebuilt_after_everything_was_revised_and_deleted(stage: Stage) -> None:
    _seed(stage.warehouse)
    derived(stage, "SOL/USDT", FIRST, LAST)
    span = FIRST, LAST

    def ask(as_of: datetime | None) -> pd.DataFrame:
        return load_features(stage.warehouse, "binance", ["SOL/USDT"], "1h", *span, as_of, columns=NAMES)

    before = ask(None)
    with stage.warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        row = cursor.fetchone()
    assert row
    _seed(stage.warehouse, seed=1)
    _delete_known_after(stage.warehouse, FIRST + 10 * DAY)
    derived(stage, "SOL/USDT", FIRST, LAST)
    now = ask(None)
    assert all(not now[name].equals(before[name]) for name in NAMES if name != "sentiment_news_24h")
    pd.testing.assert_frame_equal(ask(row[0].astimezone(UTC)), before, check_exact=True)
