"""Reading features: stored ones, rebuilt ones as of a time, and questions without an answer."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from crypto_assets.datasets.features.ml_features.catalog import FEATURES, FeatureUnknown, feature_version
from crypto_assets.datasets.features.ml_features.load import FeaturesRefused, latest_features, load_features
from crypto_assets.universe import UniverseError
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import reading
from crypto_assets_tests.datasets.features.stage import HOURS, Stage
from crypto_assets_tests.markets import START, store, walk

END = START + timedelta(hours=HOURS)


def _now(warehouse: Warehouse) -> datetime:
    """The clock that stamps rows."""
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        row = cursor.fetchone()
    assert row
    moment: datetime = row[0]
    return moment.astimezone(UTC)


def _ask(stage: Stage, **changes: object) -> pd.DataFrame:
    question: dict[str, object] = {
        "venue": "binance", "symbols": ["ETH/USDT", "SOL/USDT"], "timeframe": "1h", "start": START, "end": END,
    }  # fmt: skip
    return load_features(stage.warehouse, **{**question, **changes})  # type: ignore[arg-type]


def test_stored_rows_come_typed_in_order_and_with_their_version(stage: Stage) -> None:
    stage.derive()
    frame = _ask(stage, start=START + timedelta(hours=10), end=START + timedelta(hours=13))
    assert frame["symbol"].tolist() == ["ETH/USDT"] * 3 + ["SOL/USDT"] * 3
    assert list(frame) == ["venue", "symbol", "timeframe", "opened_at", "known_at", *FEATURES, "version"]
    assert str(frame["opened_at"].dtype) == "datetime64[us, UTC]"
    assert set(frame[list(FEATURES)].dtypes.astype(str)) == {"float32"}
    assert frame["version"].unique().tolist() == [feature_version()]
    chosen = _ask(stage, columns=["rsi_14", "hour_of_day_sin"], symbols=[])
    assert list(chosen)[5:] == ["rsi_14", "hour_of_day_sin", "version"]
    assert chosen["symbol"].nunique() == 4
    with reading(stage.warehouse) as reader:
        newest = latest_features(reader, "binance", "ETH/USDT", "1h")
        assert newest["opened_at"].tolist() == [END - timedelta(hours=1)]
        assert latest_features(reader, "binance", "DOGE/USDT", "1h").empty


def test_what_was_computed_then_is_rebuilt_to_the_last_bit_after_bars_were_revised(stage: Stage) -> None:
    """Late revisions, deletions and additions of bars, of the market, its peers and other venues; then back to before."""
    stage.derive()
    before = _ask(stage)
    then = _now(stage.warehouse)
    for number, symbol in enumerate(("BTC/USDT", "ETH/USDT", "SOL/USDT")):
        store(stage.warehouse, walk(HOURS, number + 40), symbol)
    store(stage.warehouse, walk(HOURS, 50), "ETH/USDT", venue="gate")
    store(stage.warehouse, walk(HOURS + 200, 60, start=START - timedelta(hours=200)), "XRP/USDT")
    with stage.warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM market.ohlcv WHERE symbol = 'SOL/USDT' AND opened_at >= '2024-02-01'")
    stage.derive()
    now = _ask(stage)
    assert len(now) < len(before)
    changed = [name for name in FEATURES if not np.array_equal(now[name][:HOURS], before[name][:HOURS], equal_nan=True)]
    assert len(changed) > 50
    rebuilt = _ask(stage, as_of=then)
    pd.testing.assert_frame_equal(rebuilt, before, check_exact=True)
    pd.testing.assert_frame_equal(_ask(stage, as_of=_now(stage.warehouse)), now, check_exact=True)


def test_questions_without_an_answer_say_what_is_wrong_and_what_there_is(stage: Stage) -> None:
    start = START.replace(tzinfo=None)
    questions: list[tuple[dict[str, object], type[Exception], str]] = [
        ({"columns": ["rsi14"]}, FeatureUnknown, "Unknown feature 'rsi14'.*Did you mean .*rsi_14"),
        ({"timeframe": "4h"}, FeaturesRefused, "No bars of 4h are stored for binance.*It has 1h"),
        ({"timeframe": "2h"}, UniverseError, "Unknown timeframe '2h'"),
        ({"venue": "okx"}, FeaturesRefused, "No bar of that venue was ever collected"),
        ({"symbols": ["DOGE/USDT"]}, FeaturesRefused, "No 1h bars of DOGE/USDT.*Stored are BTC/USDT"),
        ({"start": END, "end": START}, FeaturesRefused, "Nothing lies between"),
        ({"start": start}, FeaturesRefused, "Expected start with its time zone"),
        ({"as_of": datetime(2030, 1, 1)}, FeaturesRefused, "Expected as_of with its time zone"),  # noqa: DTZ001
        ({"as_of": datetime(2020, 1, 1, tzinfo=UTC)}, FeaturesRefused, "no bar of these markets had been ingested"),
        ({}, FeaturesRefused, "No features of binance"),  # bars there are, but nothing was computed
        (
            {"start": START - timedelta(days=900), "end": START - timedelta(days=800), "as_of": _now(stage.warehouse)},
            FeaturesRefused,
            "No features of binance",
        ),
    ]
    for question, error, told in questions:
        with pytest.raises(error, match=f"(?s){told}"):
            _ask(stage, **question)
