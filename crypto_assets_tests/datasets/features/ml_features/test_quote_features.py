"""Quotes of every second as features: the newest hour known, for two hours; checked by hand, as of a moment, and for leaks."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from crypto_assets.datasets.features.ml_features import quotes
from crypto_assets.datasets.features.ml_features.as_of import newest_known
from crypto_assets.datasets.features.ml_features.load import load_features
from crypto_assets.datasets.features.ml_features.proof import no_look_ahead
from crypto_assets.datasets.features.ml_features.quotes_set import FEATURES
from crypto_assets.datasets.features.source import Source
from crypto_assets.datasets.market.book_ticker_hours.table import book_ticker_hours
from crypto_assets.indicators.declaration import Times
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.coverage import SeriesKey
from crypto_assets.universe import read_universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import reading
from crypto_assets_tests.datasets.features.ml_features.outside import DAY, HOUR, at, derived, put, walls
from crypto_assets_tests.datasets.features.stage import Stage

CLOSE = at("2024-02-10 12:00")
NAMES = [one.name for one in FEATURES]
WHOLE: Mapping[str, float] = {
    "snapshots": 3600, "seconds": 3600, "stale_seconds": 0, "expected_seconds": 3600, "compared_seconds": 3599,
    "quote_changes": 0, "spread_bps_mean": 2.0, "spread_bps_max": 9.0, "imbalance_mean": 0.25, "realized_volatility": 0.01,
    "mid_open": 100.0, "mid_close": 100.0, "bid_depth_quote_mean": 1.0, "ask_depth_quote_mean": 1.0,
}  # fmt: skip


def put_hours(warehouse: Warehouse, ends: list[datetime], **values: object) -> None:
    """Sums of SOL/USDT of hours that end at these moments; one value for all or a list, of whole hours where not told."""
    told = {
        name: np.broadcast_to(np.asarray(value, dtype=np.float64), len(ends))
        for name, value in {**WHOLE, **values}.items()
    }
    times = {"opened_at": walls([one - HOUR for one in ends]), "known_at": walls(ends)}
    put(warehouse, book_ticker_hours, {"venue": "binance", "symbol": "SOL/USDT", **times, **told})


def told(warehouse: Warehouse, start: datetime, end: datetime, timeframe: str = "1h") -> pd.DataFrame:
    """What features may know of SOL/USDT's quotes, by the close of the bars that open in [start, end)."""
    with reading(warehouse) as reader:
        key = SeriesKey("market/ohlcv", "binance", "SOL/USDT", timeframe)
        [rows] = quotes.quotes_known(Source(reader), key, start, end)
    return pd.DataFrame(dict(rows.values), index=pd.DatetimeIndex(rows.known_at).tz_localize("UTC"))


@pytest.fixture
def stored(shared_warehouse: Warehouse) -> Warehouse:
    """The module's database without sums of quotes."""
    with shared_warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM market.book_ticker_hours")
    return shared_warehouse


def test_an_hour_counts_from_the_close_at_which_it_ends_for_two_hours(stored: Warehouse) -> None:
    put_hours(stored, [CLOSE], stale_seconds=900)
    rows = told(stored, CLOSE - 2 * HOUR, CLOSE + 3 * HOUR)
    assert list(rows.index) == [CLOSE + place * HOUR for place in range(-1, 4)]
    assert list(rows["quote_spread"].dropna().index) == [CLOSE, CLOSE + HOUR, CLOSE + 2 * HOUR]
    assert list(rows["quote_stale_share"].dropna()) == pytest.approx([0.2] * 3)
    assert rows.iloc[-1].isna().all()


def test_volatility_and_changes_are_those_of_the_seconds_that_were_compared(stored: Warehouse) -> None:
    put_hours(stored, [CLOSE], seconds=2400, compared_seconds=1800, quote_changes=90, realized_volatility=0.02)
    [row] = told(stored, CLOSE - HOUR, CLOSE).to_dict("records")
    assert row["quote_changes_per_minute"] == pytest.approx(3)
    # Half of the hour's seconds were compared: the squares of all would have summed to twice as much.
    assert row["quote_volatility"] == pytest.approx(0.02 * np.sqrt(2))


def test_the_spread_is_compared_with_its_day_once_half_of_it_is_known(stored: Warehouse) -> None:
    ends = [CLOSE - place * HOUR for place in range(23, 11, -1)]
    put_hours(stored, ends, spread_bps_mean=[1.0] * 11 + [13.0])
    put_hours(stored, [CLOSE, CLOSE + HOUR], spread_bps_mean=6.0)
    mean = told(stored, CLOSE - 14 * HOUR, CLOSE + HOUR)["quote_spread_day_mean"]
    assert np.isnan(mean[CLOSE - 13 * HOUR])  # eleven hours
    assert mean[CLOSE - 12 * HOUR] == pytest.approx(2)
    assert mean[CLOSE] == pytest.approx(30 / 13)
    assert mean[CLOSE + HOUR] == pytest.approx(35 / 13)  # the first of them is now a day behind


def test_a_mean_of_a_day_has_the_same_bits_from_whatever_window(stored: Warehouse) -> None:
    ends = [CLOSE + place * HOUR for place in range(60)]
    put_hours(stored, ends, spread_bps_mean=np.random.default_rng(3).random(60))
    whole = told(stored, CLOSE, CLOSE + 59 * HOUR)
    part = told(stored, CLOSE + 40 * HOUR, CLOSE + 50 * HOUR)
    pd.testing.assert_frame_equal(part, whole.loc[part.index], check_exact=True)
    assert part["quote_spread_day_mean"].notna().all()


def test_half_an_hour_of_fresh_seconds_is_the_least_that_tells_of_prices(stored: Warehouse) -> None:
    put_hours(
        stored, [CLOSE, CLOSE + HOUR, CLOSE + 2 * HOUR],
        seconds=[1799, 1800, 0], stale_seconds=[1801, 1800, 0], compared_seconds=[1790, 1799, 0],
        spread_bps_mean=[1.0, 1.0, np.nan], imbalance_mean=[0.0, 0.0, np.nan], realized_volatility=[0.1, 0.1, np.nan],
    )  # fmt: skip
    rows = told(stored, CLOSE - HOUR, CLOSE + 2 * HOUR)
    known = [{name for name, value in row.items() if np.isfinite(value)} for row in rows.to_dict("records")]
    assert known == [{"quote_stale_share"}, {"quote_spread", "quote_imbalance", "quote_stale_share"}, set()]
    assert rows["quote_stale_share"].iloc[0] == pytest.approx(1801 / 3600)


def test_bars_of_other_lengths_have_the_newest_hour_that_had_ended(stored: Warehouse) -> None:
    put_hours(stored, [CLOSE - HOUR, CLOSE], spread_bps_mean=[1.0, 2.0])
    wanted = {
        "15m": {CLOSE - HOUR / 4: 1.0, CLOSE: 2.0, CLOSE + 2 * HOUR: 2.0, CLOSE + 9 * HOUR / 4: np.nan},
        "4h": {CLOSE: 2.0, CLOSE + 4 * HOUR: np.nan},
    }
    for timeframe, closes in wanted.items():
        spread = told(stored, CLOSE - 4 * HOUR, CLOSE + 8 * HOUR, timeframe)["quote_spread"]
        assert [spread[close] for close in closes] == pytest.approx(list(closes.values()), nan_ok=True)


def test_features_are_made_of_them_and_a_market_without_quotes_has_none(stage: Stage) -> None:
    put_hours(stage.warehouse, [CLOSE - place * HOUR for place in range(12, 0, -1)], spread_bps_mean=2.0)
    put_hours(
        stage.warehouse, [CLOSE],
        stale_seconds=1200, compared_seconds=3600, quote_changes=120, spread_bps_mean=15.0, imbalance_mean=-0.5,
        realized_volatility=0.02,
    )  # fmt: skip
    [row] = derived(stage, "SOL/USDT", CLOSE, CLOSE)[NAMES].to_dict("records")
    assert row == pytest.approx(
        {
            "quote_spread_bps_1h": 15, "quote_spread_ratio_24h": 5, "quote_imbalance_1h": -0.5,
            "quote_intensity_1h": np.log(3), "quote_volatility_1h": 0.02, "quote_stale_share_1h": 0.25,
        },
    )  # fmt: skip
    with reading(stage.warehouse) as reader:
        other = SeriesKey("market/ohlcv", "binance", "BTC/USDT", "1h")
        assert quotes.quotes_known(Source(reader), other, CLOSE - HOUR, CLOSE) == []


def test_what_was_known_then_comes_back_and_a_sum_that_changed_since_does_not(stage: Stage) -> None:
    put_hours(stage.warehouse, [CLOSE], spread_bps_mean=3.0)
    then = derived(stage, "SOL/USDT", CLOSE, CLOSE)[NAMES]
    with stage.warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        [moment] = cursor.fetchone() or ()
    put_hours(stage.warehouse, [CLOSE], spread_bps_mean=4.0)  # seconds that had been spilled were stored
    assert told(stage.warehouse, CLOSE - HOUR, CLOSE)["quote_spread"].tolist() == [4.0]
    rebuilt = load_features(
        stage.warehouse, "binance", ["SOL/USDT"], "1h", CLOSE - HOUR, CLOSE, as_of=moment, columns=NAMES
    )
    pd.testing.assert_frame_equal(rebuilt[NAMES], then.reset_index(drop=True), check_exact=True, check_dtype=False)


def _seed(warehouse: Warehouse) -> list[datetime]:
    numbers = np.random.default_rng(8)
    ends = [CLOSE - DAY + place * HOUR for place in range(6 * 24)]
    many = {name: numbers.random(len(ends)) for name in ("spread_bps_mean", "imbalance_mean", "realized_volatility")}
    whole = {name: numbers.integers(1800, 3600, len(ends)) for name in ("compared_seconds", "quote_changes")}
    put_hours(warehouse, ends, **many, **whole, stale_seconds=numbers.integers(1, 900, len(ends)))
    return ends


def test_the_check_proves_that_nothing_is_known_early_and_would_see_an_hour_joined_by_its_beginning(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = _seed(stage.warehouse)
    stage.file.write_text(stage.file.read_text().replace("[BTC/USDT, ETH/USDT, SOL/USDT, XRP/USDT]", "[SOL/USDT]"))
    universe, _ = read_universe(stage.file)
    assert (derived(stage, "SOL/USDT", CLOSE, ends[-1])[NAMES].count() > 100).all()
    window = VenueWindow("binance", CLOSE - HOUR, ends[-1])
    look = no_look_ahead(FEATURES)
    [sound] = look(stage.warehouse, universe, window)
    assert sound.checked > 0
    assert sound.failed == 0

    def by_beginning(
        decided_at: Times, _known_at: Times, observed_at: Times, max_age: timedelta | None
    ) -> NDArray[np.int64]:
        return newest_known(decided_at, observed_at, observed_at, max_age)

    monkeypatch.setattr(quotes, "newest_known", by_beginning)
    [leaking] = look(stage.warehouse, universe, window)
    assert leaking.failed > 0
