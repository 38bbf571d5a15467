"""From raw rows to bars: layouts against ccxt's own parser, and what each broken row is called."""

import math

import ccxt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.clients.exchange_bars import LAYOUTS, NUMBERS, parse_bars

MINUTE = 60_000
T0 = 1_700_000_040_000  # 2023-11-14 22:14:00 UTC, on the minute

RAW = {
    "binance": [T0, "10.0", "12.0", "9.0", "11.0", "5.0", T0 + 59_999, "52.5", 7, "2.0", "21.0", "0"],
    "mexc": [T0, "10.0", "12.0", "9.0", "11.0", "5.0", T0 + 59_999, "52.5"],
    "gate": [str(T0 // 1000), "52.5", "11.0", "12.0", "9.0", "10.0", "5.0", "true"],
    "kraken": [T0 // 1000, "10.0", "12.0", "9.0", "11.0", "10.5", "5.0", 7],
    "coinbase": {
        "start": str(T0 // 1000),
        "open": "10.0",
        "high": "12.0",
        "low": "9.0",
        "close": "11.0",
        "volume": "5.0",
    },
    "okx": [str(T0), "10.0", "12.0", "9.0", "11.0", "5.0", "5.0", "52.5", "1"],
}


def _row(
    minute: int, opened: float = 10, high: float = 12, low: float = 9, close: float = 11, volume: float = 5
) -> list[object]:
    return [T0 + minute * MINUTE, str(opened), str(high), str(low), str(close), str(volume), 0, "1", 1, "0", "0", "0"]


def _reasons(rows: list[object]) -> list[str]:
    return [refused.reason for refused in parse_bars(rows, LAYOUTS["binance"], MINUTE).refused]


@pytest.mark.parametrize("venue", sorted(RAW))
def test_each_layout_reads_what_ccxt_reads(venue: str) -> None:
    bars = parse_bars([RAW[venue]], LAYOUTS[venue], MINUTE)
    market = {"spot": True, "contract": False, "inverse": False, "type": "spot", "symbol": "A/B"}
    expected = getattr(ccxt, venue)().parse_ohlcv(RAW[venue], market)
    read = [bars.opened_at_ms[0], *(bars.columns[name][0] for name in NUMBERS[:5])]
    assert read == expected == [T0, 10, 12, 9, 11, 5]


@pytest.mark.parametrize(
    ("venue", "quote", "count"),
    [
        ("binance", 52.5, 7),
        ("mexc", 52.5, None),
        ("gate", 52.5, None),
        ("okx", 52.5, None),
        ("kraken", None, 7),
        ("coinbase", None, None),
    ],
)
def test_quote_volume_and_trade_count_are_kept_where_the_venue_says_them(
    venue: str, quote: float | None, count: int | None
) -> None:
    bars = parse_bars([RAW[venue]], LAYOUTS[venue], MINUTE)
    for name, expected in (("volume_quote", quote), ("trade_count", count)):
        value = bars.columns[name][0]
        assert math.isnan(value) if expected is None else value == expected


def test_newest_first_venues_come_out_oldest_first() -> None:
    rows = [[str(T0 + n * MINUTE), *RAW["okx"][1:]] for n in (2, 1, 0)]  # type: ignore[index]
    assert parse_bars(rows, LAYOUTS["okx"], MINUTE).opened_at_ms.tolist() == [T0, T0 + MINUTE, T0 + 2 * MINUTE]


def test_the_venues_own_mark_tells_a_bar_that_is_still_open() -> None:
    rows = [RAW["okx"], [str(T0 + MINUTE), *RAW["okx"][1:8], "0"]]  # type: ignore[index]
    assert parse_bars(list(reversed(rows)), LAYOUTS["okx"], MINUTE).is_finished.tolist() == [True, False]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ([None] * 12, "unreadable"),
        (None, "unreadable"),
        ("8", "unreadable"),
        ([T0 + MINUTE], "unreadable"),
        ([T0 + MINUTE, "ten", "12", "9", "11", "5", 0, "1", 1], "unreadable"),
        (_row(1, opened=math.nan), "not finite"),
        (_row(1, high=math.inf), "not finite"),
        (_row(1, opened=0, low=0), "not positive"),
        (_row(1, high=10.5), "high is below"),
        (_row(1, low=10.5), "low is above"),
        (_row(1, volume=-1), "volume is negative"),
        ([T0 + MINUTE + 1, *_row(1)[1:]], "off the grid"),
        ([T0 // 1000, *_row(1)[1:]], "implausible"),
        (_row(0), "came twice"),
    ],
)
def test_a_broken_row_is_refused_by_name_with_its_payload_and_its_neighbours_land(row: object, reason: str) -> None:
    bars = parse_bars([_row(0), row, _row(2)], LAYOUTS["binance"], MINUTE)
    assert bars.opened_at_ms.tolist() == [T0, T0 + 2 * MINUTE]
    assert [reason in refused.reason for refused in bars.refused] == [True]
    assert bars.refused[0].payload is row


def test_a_row_out_of_order_is_refused_and_two_versions_of_one_bar_both_are() -> None:
    assert _reasons([_row(0), _row(2), _row(1), _row(3)]) == ["bar is out of order"]
    assert _reasons([_row(0), _row(1), _row(1, close=11.5), _row(2)]) == ["two different bars for one time"] * 2


@given(
    st.lists(
        st.tuples(
            st.floats(1e-9, 1e7), st.floats(1e-9, 1e7), st.floats(1e-9, 1e7), st.floats(1e-9, 1e7), st.floats(0, 1e12)
        ),
        max_size=30,
    )
)
def test_sound_rows_come_out_as_they_went_in(values: list[tuple[float, float, float, float, float]]) -> None:
    rows = [_row(i, a, max(a, b, c, d), min(a, b, c, d), b, v) for i, (a, b, c, d, v) in enumerate(values)]
    bars = parse_bars(rows, LAYOUTS["binance"], MINUTE)
    assert not bars.refused
    for i, (a, b, c, d, v) in enumerate(values):
        assert [bars.columns[name][i] for name in NUMBERS[:5]] == [a, max(a, b, c, d), min(a, b, c, d), b, v]


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=12) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=20,
)


@given(st.lists(_ANYTHING, max_size=8), st.sampled_from(sorted(LAYOUTS)))
def test_no_row_whatever_it_is_breaks_the_parser_or_is_lost(rows: list[object], venue: str) -> None:
    bars = parse_bars(rows, LAYOUTS[venue], MINUTE)
    assert len(bars) + len(bars.refused) == len(rows)
    assert np.all(np.diff(bars.opened_at_ms) > 0)
