"""Indicators against recorded values of Skender, StockCharts and Jesse; docs/features.md names the differences."""

import csv
import gzip
import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import talib

from crypto_assets.indicators.catalog import GROUPS
from crypto_assets.indicators.declaration import Bars, Floats
from crypto_assets.indicators.segments import compute_groups, join_quiet
from crypto_assets_tests.playing import needs_recordings

pytestmark = needs_recordings
DAY = np.timedelta64(1, "D")
BOUND = 1e-9


@pytest.fixture(scope="module")
def folder(recordings: Path) -> Path:
    return recordings / "indicators"


@pytest.fixture(scope="module")
def quotes(folder: Path) -> Bars:
    """Skender's 502 daily quotes, moved onto an unbroken grid: what the file leaves out are weekends."""
    rows = list(csv.DictReader(_text(folder / "skender" / "quotes_default.csv.gz").splitlines()))
    columns = (np.array([float(row[name]) for row in rows]) for name in ("open", "high", "low", "close", "volume"))
    return Bars(np.datetime64("2017-01-03", "us") + np.arange(len(rows)) * DAY, *columns)


@pytest.fixture(scope="module")
def computed(quotes: Bars) -> dict[str, Floats]:
    return compute_groups(join_quiet(quotes, timedelta(days=1)), GROUPS)


def _text(file: Path) -> str:
    return gzip.decompress(file.read_bytes()).decode()


def _skender(folder: Path, name: str, key: str) -> Floats:
    rows = json.loads(_text(folder / "skender" / "results" / f"{name}.standard.json.gz"))
    return np.array([np.nan if row.get(key) is None else float(row[key]) for row in rows])


def _error(ours: Floats, theirs: Floats, skip: int = 0) -> float:
    known = np.isfinite(ours) & np.isfinite(theirs) & (np.arange(len(ours)) >= skip)
    assert known.sum() > 10
    return float(np.max(np.abs(ours[known] - theirs[known]) / np.maximum(np.abs(theirs[known]), 1e-6)))


@pytest.mark.parametrize(
    ("column", "file", "key"),
    [
        ("sma_20", "sma", "sma"),
        ("ema_12", "macd", "fastEma"),
        ("ema_26", "macd", "slowEma"),
        ("bollinger_upper", "bb", "upperBand"),
        ("bollinger_middle", "bb", "sma"),
        ("bollinger_lower", "bb", "lowerBand"),
        ("bollinger_percent_b", "bb", "percentB"),
        ("bollinger_width", "bb", "width"),
        ("rsi_14", "rsi", "rsi"),
        ("williams_r_14", "willr", "williamsR"),
    ],
)
def test_values_equal_skenders_from_the_first_one_on(
    folder: Path, computed: dict[str, Floats], column: str, file: str, key: str
) -> None:
    assert _error(computed[column], _skender(folder, file, key)) <= BOUND


@pytest.mark.parametrize(
    ("column", "key"), [("macd", "macd"), ("macd_signal", "signal"), ("macd_histogram", "histogram")]
)
def test_macd_equals_skenders_once_the_seed_of_the_fast_average_has_faded(
    folder: Path, computed: dict[str, Floats], column: str, key: str
) -> None:
    theirs = _skender(folder, "macd", key)
    assert _error(computed[column], theirs, skip=200) <= BOUND
    assert (
        _error(computed[column], theirs) <= 1e-5
    )  # TA-Lib seeds the fast average with bars 15 to 26, Skender with 1 to 12


def test_on_balance_volume_differs_by_its_start_alone(folder: Path, computed: dict[str, Floats]) -> None:
    difference = computed["obv"] - _skender(folder, "obv", "obv")
    assert set(difference) == {96708880.0}  # the first day's volume, which TA-Lib starts with


def test_zscore_takes_the_sample_deviation_where_skender_takes_the_populations(
    folder: Path, computed: dict[str, Floats]
) -> None:
    assert _error(computed["close_zscore_20"] * np.sqrt(20 / 19), _skender(folder, "bb", "zScore")) <= BOUND


def test_functions_of_other_lengths_equal_skenders(folder: Path, quotes: Bars) -> None:
    """The recorded lengths are not ours, so the function behind our column is asked for theirs."""
    assert _error(talib.ROC(quotes.close, 14), _skender(folder, "roc", "roc")) <= BOUND
    assert _error(talib.MOM(quotes.close, 14), _skender(folder, "roc", "momentum")) <= BOUND
    assert _error(talib.ATR(quotes.high, quotes.low, quotes.close, 21), _skender(folder, "atr-stop", "atr")) <= BOUND
    assert _error(talib.TRANGE(quotes.high, quotes.low, quotes.close), _skender(folder, "tr", "tr")) <= BOUND
    assert _error(talib.STDDEV(quotes.close, 14), _skender(folder, "stdev", "stdDev")) <= BOUND


def _stockcharts(folder: Path, name: str) -> dict[str, Floats]:
    rows = list(csv.DictReader((folder / "stockcharts" / f"{name}.csv").read_text().splitlines()))
    return {
        key: np.array([float(row[key]) if row[key] else np.nan for row in rows]) for key in rows[0] if key != "Date"
    }


def test_values_equal_stockcharts_to_the_printed_digit(folder: Path) -> None:
    bands = _stockcharts(folder, "cs-bbands")
    upper, middle, lower = talib.BBANDS(bands["Close"], 20, 2.0, 2.0)
    for ours, key in ((upper, "HighBand"), (middle, "MiddleBand"), (lower, "LowBand")):
        assert _error(ours, bands[key]) <= 1e-8  # six decimals of a price near 90
    balance = _stockcharts(folder, "cs-obv")
    assert _error(talib.OBV(balance["Close"], np.nan_to_num(balance["Volume"])), balance["OBV"]) == 0
    oscillator = _stockcharts(folder, "cs-soo")
    close = np.where(np.isnan(oscillator["Close"]), oscillator["High"], oscillator["Close"])
    k, d = talib.STOCH(oscillator["High"], oscillator["Low"], close, 14, 1, 0, 3, 0)
    assert _error(k, oscillator["SO"]) <= 1e-8
    assert _error(d, oscillator["SO_SIG"]) <= 1e-8


def test_stockcharts_averages_from_the_first_bar_on_converge_to_ours(folder: Path) -> None:
    """That file seeds its averages with the first value instead of a mean: another definition, the same limit."""
    macd = _stockcharts(folder, "cs-macd")
    ours = talib.MACD(macd["Close"], 12, 26, 9)[0]
    errors = np.abs(ours - macd["MACD_line"])
    assert errors[-1] < errors[33] / 100


def _jesse(folder: Path, name: str) -> dict[str, Floats]:
    candles = np.array(json.loads(_text(folder / "jesse" / "candles.json.gz"))[name], dtype=np.float64)
    opened_at = (candles[:, 0] * 1000).astype(np.int64).view("datetime64[us]")
    # time, open, CLOSE, HIGH, LOW, volume
    columns = (np.ascontiguousarray(candles[:, place]) for place in (1, 3, 4, 2, 5))
    step = np.median(np.diff(opened_at)).astype("timedelta64[us]").item()
    return compute_groups(join_quiet(Bars(opened_at, *columns), step), GROUPS)


@pytest.mark.parametrize(
    ("candles", "column", "digits", "asserted"),
    [
        ("test_candles_10", "adx_14", 0, 26),
        ("test_candles_2", "atr_14", 1, 2.8),
        ("test_candles_11", "bollinger_middle", 1, 141.2),
        ("test_candles_12", "bollinger_width", 4, 0.0771),
        ("test_candles_19", "plus_di_14", 2, 10.8),
        ("test_candles_19", "minus_di_14", 1, 45.3),
        ("test_candles_19", "donchian_middle", 2, 189.2),
        ("test_candles_19", "donchian_lower", 2, 101.2),
        ("test_candles_19", "macd_signal", 2, -4.1),
        ("test_candles_19", "macd_histogram", 2, -11.22),
        ("test_candles_19", "supertrend", 2, 228.45),
    ],
)
def test_values_equal_those_jesse_asserts(
    folder: Path, candles: str, column: str, digits: int, asserted: float
) -> None:
    recorded = json.loads((folder / "jesse" / "expected_open.json").read_text())
    assert any(one["candles"] == candles and one["expected"] == asserted for one in recorded)
    assert round(float(_jesse(folder, candles)[column][-1]), digits) == asserted
