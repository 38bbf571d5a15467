"""Indicators, features and labels as Dagster runs them: rows, checks, metadata, and what checks catch."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import numpy as np
import pytest
from sqlalchemy import func, select

from crypto_assets.datasets.features.labels.table import HORIZONS, labels
from crypto_assets.datasets.features.ml_features import checks as feature_checks
from crypto_assets.datasets.features.ml_features.catalog import feature_version
from crypto_assets.datasets.features.ml_features.declaration import Feature
from crypto_assets.datasets.features.ml_features.proof import no_look_ahead, told
from crypto_assets.datasets.features.ml_features.table import ml_features
from crypto_assets.datasets.features.technical_indicators import checks as indicator_checks
from crypto_assets.datasets.features.technical_indicators.table import technical_indicators
from crypto_assets.partitions import VenueWindow
from crypto_assets.universe import read_universe
from crypto_assets.warehouse.read import read_frame
from crypto_assets_tests.datasets.features.ml_features.worlds import ALL
from crypto_assets_tests.datasets.features.stage import FEBRUARY, HOURS, JANUARY, MARCH, SYMBOLS, Stage
from crypto_assets_tests.markets import START, store, walk, without

NAMES = ("technical_indicators", "ml_features", "labels")
TABLES = (technical_indicators, ml_features)
WINDOW = VenueWindow("binance", START, START + timedelta(days=70))


def _checks(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {f"{one.asset_key.path[-1]}.{one.check_name}": one.passed for one in result.get_asset_check_evaluations()}


def _metadata(result: dg.ExecuteInProcessResult, name: str) -> dict[str, object]:
    events = result.get_asset_materialization_events()
    found = next(one.materialization for one in events if one.materialization.asset_key.path[-1] == name)
    return {key: value.value for key, value in found.metadata.items()}


def _count(stage: Stage, table: object) -> int:
    return int(read_frame(stage.warehouse, select(func.count().label("n")).select_from(table))["n"].iloc[0])  # type: ignore[arg-type]


def test_a_run_over_months_stores_a_row_a_bar_and_every_check_holds(stage: Stage) -> None:
    result = stage.run(JANUARY, MARCH)
    assert result.success, result.all_events
    checks = _checks(result)
    assert checks.pop("technical_indicators.key_is_unique")
    assert {name for name, passed in checks.items() if not passed} == set()
    assert len(checks) == 15
    for table in TABLES:
        assert _count(stage, table) == len(SYMBOLS) * HOURS
    assert _count(stage, labels) == len(SYMBOLS) * sum(HOURS - horizon for horizon in HORIZONS)
    shown = _metadata(result, "ml_features")
    assert shown["dagster/row_count"] == len(SYMBOLS) * HOURS
    assert shown["version"] == feature_version()
    assert str(shown["look_ahead_proof"]).startswith("0 of 1,584 values in 3 series")
    assert len(shown["feature_report"].records) == len(ALL)  # type: ignore[attr-defined]
    assert 0.7 < shown["values_known"] < 1  # type: ignore[operator]
    [versions] = read_frame(stage.warehouse, select(ml_features.c.version).distinct())["version"]
    assert versions == feature_version()


def test_month_by_month_gives_the_bits_of_one_run(derived_stage: Stage) -> None:
    whole = [
        read_frame(derived_stage.warehouse, select(table).order_by(*table.primary_key)) for table in (*TABLES, labels)
    ]
    for month in (MARCH, JANUARY, FEBRUARY):
        derived_stage.derive(month, month)
    again = [
        read_frame(derived_stage.warehouse, select(table).order_by(*table.primary_key)) for table in (*TABLES, labels)
    ]
    for before, after in zip(whole, again, strict=True):
        assert before.drop(columns="ingested_at").equals(after.drop(columns="ingested_at"))


def test_a_row_is_known_when_its_bar_closes_and_a_label_when_its_horizon_ends(derived_stage: Stage) -> None:
    rows = read_frame(derived_stage.warehouse, select(ml_features.c.opened_at, ml_features.c.known_at))
    assert ((rows["known_at"] - rows["opened_at"]) == timedelta(hours=1)).all()
    c = labels.c
    named = select(c.opened_at, c.label_end_at, c.known_at, c.forward_return, c.forward_volatility)
    label = read_frame(
        derived_stage.warehouse,
        named.where(c.symbol == "ETH/USDT", c.horizon_bars == 4, c.opened_at == START + timedelta(hours=100)),
    ).iloc[0]
    assert label["label_end_at"] == label["known_at"] == START + timedelta(hours=105)
    close = walk(HOURS, 1).close
    assert label["forward_return"] == pytest.approx(close[104] / close[100] - 1, rel=1e-12)
    moves = np.diff(np.log(close[100:105]))
    assert label["forward_volatility"] == pytest.approx(np.sqrt(np.sum(moves**2)), rel=1e-9)


def test_no_label_spans_a_hole(stage: Stage) -> None:
    with stage.warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM market.ohlcv WHERE symbol = 'SOL/USDT' AND opened_at = '2024-01-10T00:00Z'")
    stage.derive()
    c = labels.c
    rows = read_frame(stage.warehouse, select(c.opened_at, c.horizon_bars).where(c.symbol == "SOL/USDT"))
    hole = datetime(2024, 1, 10, tzinfo=UTC)
    ends = rows["opened_at"] + rows["horizon_bars"] * timedelta(hours=1)
    assert not ((rows["opened_at"] < hole) & (ends >= hole)).any()
    assert ((rows["opened_at"] == hole - timedelta(hours=2)) & (rows["horizon_bars"] == 1)).any()


def test_labels_of_a_month_grow_when_the_next_one_comes(stage: Stage) -> None:
    for symbol in SYMBOLS:
        with stage.warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.execute("DELETE FROM market.ohlcv WHERE symbol = %s AND opened_at >= '2024-02-01'", (symbol,))
    stage.derive(JANUARY, JANUARY)
    january = 31 * 24
    assert _count(stage, labels) == len(SYMBOLS) * sum(january - horizon for horizon in HORIZONS)
    for number, symbol in enumerate(SYMBOLS):
        store(stage.warehouse, walk(HOURS, number), symbol)
    stage.derive(FEBRUARY, FEBRUARY)
    c = labels.c
    last = read_frame(
        stage.warehouse, select(c.horizon_bars).where(c.opened_at == datetime(2024, 1, 31, 23, tzinfo=UTC))
    )
    assert sorted(last["horizon_bars"]) == sorted(HORIZONS * len(SYMBOLS))


def test_stored_values_that_are_not_what_bars_give_any_more_are_caught(derived_stage: Stage) -> None:
    for number, symbol in enumerate(SYMBOLS):  # the venue revises every bar
        store(derived_stage.warehouse, walk(HOURS, number, step=0.011), symbol)
    universe, _ = read_universe(derived_stage.file)
    for rules in (indicator_checks.RULES, feature_checks.RULES):
        [rule] = [rule for rule in rules if rule.name == "sample_equals_recomputed"]
        looked = rule.look(derived_stage.warehouse, universe, WINDOW)
        assert len(looked) == 3
        assert all(one.failed > 1_000 for one in looked)


def test_each_check_fails_on_what_it_is_there_for(derived_stage: Stage) -> None:
    universe, _ = read_universe(derived_stage.file)
    faults = {
        "values_in_range": "UPDATE features.technical_indicators SET rsi_14 = 101 WHERE opened_at = '2024-02-10T05:00Z'",
        "warm_up_is_null": "UPDATE features.technical_indicators SET sma_200 = 100 WHERE opened_at = '2024-01-02T00:00Z'",
        "every_bar_has_its_row": "DELETE FROM features.technical_indicators WHERE opened_at = '2024-02-10T05:00Z'",
        "coverage_above_bound": "UPDATE features.technical_indicators SET adx_14 = NULL",
    }
    for rule in indicator_checks.RULES:
        if rule.name not in faults:
            continue
        assert sum(one.failed for one in rule.look(derived_stage.warehouse, universe, WINDOW)) == 0
        with derived_stage.warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.execute(faults[rule.name])
        assert sum(one.failed for one in rule.look(derived_stage.warehouse, universe, WINDOW)) >= 3, rule.name


def test_the_check_catches_a_planted_leak_in_stored_data(derived_stage: Stage) -> None:
    leak = Feature(
        "leak", "Planted", "fraction", ("close",), 1, lambda c: np.append(c["close"][1:], np.nan) / c["close"] - 1
    )
    universe, _ = read_universe(derived_stage.file)
    honest = no_look_ahead(ALL)(derived_stage.warehouse, universe, WINDOW)
    assert honest
    assert sum(one.failed for one in honest) == 0
    assert told(honest) == "0 of 1,584 values in 3 series changed when the future was taken away"
    caught = no_look_ahead((*ALL, leak))(derived_stage.warehouse, universe, WINDOW)
    assert all(one.failed >= 3 and one.example == "leak" for one in caught)


def test_a_hole_leaves_nulls_behind_it_and_only_coverage_suffers(stage: Stage) -> None:
    store(stage.warehouse, without(walk(HOURS, 9), (1000, 1003)), "DOGE/USDT")
    stage.file.write_text(stage.file.read_text().replace("XRP/USDT]", "XRP/USDT, DOGE/USDT]"))
    result = stage.run(JANUARY, MARCH)
    assert result.success
    # Ranks over a month start anew behind the hole, and the series ends before they are back.
    assert {name for name, passed in _checks(result).items() if not passed} == {"ml_features.coverage_above_bound"}
    c = technical_indicators.c
    rows = read_frame(
        stage.warehouse, select(c.opened_at, c.sma_20, c.obv).where(c.symbol == "DOGE/USDT").order_by(c.opened_at)
    )
    assert len(rows) == HOURS - 3
    assert rows["sma_20"][1000:1019].isna().all()
    assert rows["sma_20"].notna()[[999, 1019]].all()


def test_a_timeframe_that_is_not_stored_and_an_unknown_market_are_refused_with_the_way_out(stage: Stage) -> None:
    for config, expected in (
        ({"timeframes": ["4h"]}, "no bars of 4h"),
        ({"markets": ["DOGE/USDT"]}, "Unknown symbol 'DOGE/USDT'"),
    ):
        result = stage.run(JANUARY, **config)
        assert not result.success
        failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
        descriptions = [one.user_failure_data.description for one in failures if one.user_failure_data]
        assert any(expected in (text or "") for text in descriptions)


def test_a_market_by_name_leaves_the_others_as_they_are(stage: Stage) -> None:
    assert stage.run(JANUARY, MARCH, markets=["ETH/USDT"]).success
    assert _count(stage, technical_indicators) == HOURS
    premium = read_frame(stage.warehouse, select(ml_features.c.venue_premium))["venue_premium"]
    np.testing.assert_allclose(premium, 100 / 101 - 1, rtol=1e-5)  # the same walk from another price on gate


def test_a_window_without_bars_stores_nothing_and_says_so(stage: Stage) -> None:
    result = stage.run("2024-06-01|binance")
    assert result.success
    assert _metadata(result, "technical_indicators")["dagster/row_count"] == 0
