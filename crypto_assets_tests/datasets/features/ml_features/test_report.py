"""The feature report: drift, columns that say nothing or the same, coverage."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from crypto_assets.datasets.features.ml_features.catalog import FEATURES
from crypto_assets.datasets.features.ml_features.report import build_report, notices, stability_index
from crypto_assets.universe import parse_universe

UNIVERSE = parse_universe("history_from: 2024-01-01\nvenues: {binance: {markets: [BTC/USDT]}}", "u.yaml")
ROWS = 2_000


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    values = {name: rng.normal(size=ROWS) for name in FEATURES}
    at = pd.date_range(datetime(2024, 1, 1, tzinfo=UTC), periods=ROWS, freq="h", unit="us")
    return pd.DataFrame({"venue": "binance", "symbol": "BTC/USDT", "timeframe": "1h", "opened_at": at, **values})


def test_the_stability_index_by_hand() -> None:
    before = np.arange(1000.0)
    assert stability_index(before, before) == pytest.approx(0, abs=1e-12)
    # Two bins of halves become 3/4 and 1/4: (1/4)·ln(3/2) + (-1/4)·ln(1/2)
    after = np.concatenate([np.full(750, 100.0), np.full(250, 900.0)])
    assert stability_index(before, after, bins=2) == pytest.approx(0.25 * np.log(1.5) - 0.25 * np.log(0.5))
    assert stability_index(before[:199], before) is None


def test_what_drifts_never_changes_or_repeats_is_named(frame: pd.DataFrame) -> None:
    recent = frame["opened_at"] > frame["opened_at"].max() - timedelta(days=30)
    frame.loc[recent, "natr_14"] += 3
    frame["rsi_14"] = 0.5
    frame["adx_14"] = frame["mfi_14"] * 2 + 1
    frame.loc[: ROWS // 2 - 1, "venue_premium"] = np.nan
    report = build_report(frame, 30)
    told = notices(report, UNIVERSE)
    assert [line.split(" ")[0] for line in told] == ["natr_14", "rsi_14", "adx_14"]
    assert told[0].startswith("natr_14 drifts: stability index ")
    assert told[1:] == ["rsi_14 never changes", "adx_14 and mfi_14 say the same (correlation 1.0000)"]
    premium = next(one for one in report.columns if one.name == "venue_premium")
    assert premium.coverage == 0.5
    cross = len([one for one in report.columns if one.feature_set == "cross_market"])
    assert report.coverage.loc["binance BTC/USDT 1h", "cross_market"] == pytest.approx(1 - 0.5 / cross, abs=1e-4)
    assert report.coverage.loc["binance BTC/USDT 1h", "market"] == 1.0


def test_without_rows_there_is_a_report_that_says_so() -> None:
    report = build_report(pd.DataFrame(), 30)
    assert (report.rows, report.columns, report.twins, report.constant) == (0, (), [], [])
