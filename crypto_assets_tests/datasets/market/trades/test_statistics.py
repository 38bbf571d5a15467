"""What trades say together: by hand, by properties, and against bars that Binance made of the same trades."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.datasets.market.trades.statistics import (
    FEWEST_TRADES,
    MINUTE,
    TradeColumns,
    WindowRefused,
    aggregate,
    large_bound,
    large_volumes,
    trade_statistics,
)

T0 = np.datetime64("2026-03-01T12:00:00", "us")
SECOND = np.timedelta64(1_000_000, "us")
_SUMS = ("volume_base", "volume_quote", "buy_volume_base", "buy_volume_quote")


def columns(rows: list[tuple[float, float, float, bool, int]]) -> TradeColumns:
    """Trades of (seconds after noon, price, amount, whether bought, matches)."""
    seconds, price, amount, is_buy, fills = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    prices, amounts = np.array(price, dtype=np.float64), np.array(amount, dtype=np.float64)
    at = T0 + (np.array(seconds, dtype=np.float64) * 1e6).astype("timedelta64[us]")
    return TradeColumns(
        at, prices, amounts, prices * amounts, np.array(is_buy, dtype=bool), np.array(fills, dtype=np.int64)
    )


DAY = [
    (0.0, 100.0, 1.0, True, 1),
    (30.0, 102.0, 2.0, False, 3),
    (59.999999, 99.0, 1.0, True, 1),
    (180.0, 101.0, 4.0, False, 2),
]


def test_minutes_by_hand() -> None:
    told = aggregate(columns(DAY), MINUTE)
    expected = {
        "opened_at": [T0, T0 + 180 * SECOND],
        "open": [100, 101], "high": [102, 101], "low": [99, 101], "close": [99, 101],
        "vwap": [403 / 4, 101], "volume_base": [4, 4], "volume_quote": [403, 404],
        "buy_volume_base": [2, 0], "buy_volume_quote": [199, 0], "trade_count": [5, 2], "buy_count": [2, 0],
    }  # fmt: skip
    assert {name: list(values) for name, values in told.items()} == expected


def test_a_trade_at_the_full_minute_belongs_to_the_minute_that_begins() -> None:
    told = aggregate(columns([(59.999999, 1, 1, True, 1), (60.0, 2, 1, True, 1)]), MINUTE)
    assert list(told["opened_at"]) == [T0, T0 + 60 * SECOND]


def test_without_trades_there_are_no_bars() -> None:
    assert all(len(values) == 0 for values in aggregate(columns([]), MINUTE).values())
    assert len(trade_statistics(columns([]), "1h")) == 0


def test_the_statistics_by_hand() -> None:
    frame = trade_statistics(columns(DAY), "1h", large_from=150.0)
    (row,) = frame.to_dict("records")
    assert frame.index[0] == pd.Timestamp("2026-03-01 12:00", tz="UTC")
    assert (row["open"], row["high"], row["low"], row["close"]) == (100, 102, 99, 101)
    assert row["volume_quote"] == 807
    assert row["vwap"] == pytest.approx(807 / 8)
    assert row["buy_ratio"] == pytest.approx(199 / 807)
    assert row["trade_count"] == 7
    assert row["large_count"] == 5  # 204 of three matches and 404 of two
    assert row["large_share"] == pytest.approx(608 / 807)


def test_a_cost_at_the_bound_is_large() -> None:
    frame = trade_statistics(columns(DAY), "1min", large_from=204.0)
    assert list(frame["large_count"]) == [3, 2]
    assert list(trade_statistics(columns(DAY), "1min", large_from=204.01)["large_count"]) == [0, 2]


def test_where_no_bound_is_known_nothing_is_said_of_large_trades() -> None:
    frame = trade_statistics(columns(DAY), "1min")
    assert frame[["large_count", "large_share"]].isna().all().all()
    assert not frame.drop(columns=["large_count", "large_share"]).isna().any().any()


@pytest.mark.parametrize("window", ["soon", "", "NaT", "0s", "1ns", "5", "-1h", "1M", "1e30D", "x" * 999])
def test_what_is_no_length_of_time_is_refused(window: str) -> None:
    with pytest.raises(WindowRefused, match="is no length of time"):
        trade_statistics(columns(DAY), window)


def test_below_a_thousand_trades_no_bound_is_known() -> None:
    costs = np.arange(1.0, FEWEST_TRADES + 1)
    assert np.isnan(large_bound(costs[1:], 0.99))
    assert np.isnan(large_bound(costs[:0], 0.99))
    assert large_bound(costs, 0.99) == 991  # the last percent: 991 to 1000
    assert (costs >= large_bound(costs, 0.99)).sum() == 10


def test_the_bound_is_the_cost_of_a_trade_there_was() -> None:
    costs = np.array([1.0] * 990 + [5.0] * 10)
    assert large_bound(costs, 0.99) in {1.0, 5.0}
    assert large_bound(costs, 0.995) == 5.0


def test_each_trade_is_measured_by_its_own_hours_bound() -> None:
    found = columns([(0, 10, 1, True, 1), (3599, 10, 2, True, 1), (3600, 10, 1, True, 1), (7200, 10, 9, True, 1)])
    noon = T0.astype("datetime64[h]")
    told = large_volumes(found, {noon: 15.0, noon + 1: 5.0, noon + 2: float("nan")})
    np.testing.assert_array_equal(told, [0, 20, 10, np.nan])
    assert np.isnan(large_volumes(found, {})).all()


_TRADES = st.lists(
    st.tuples(
        st.floats(0, 20_000), st.floats(1e-6, 1e6), st.floats(1e-6, 1e4), st.booleans(), st.integers(1, 9)
    ),
    max_size=60,
).map(sorted)  # fmt: skip


@given(_TRADES, st.sampled_from(["1min", "7min", "1h", "1D"]))
def test_windows_add_up_to_the_whole(rows: list[tuple[float, float, float, bool, int]], window: str) -> None:
    found = columns(rows)
    told = aggregate(found, np.timedelta64(pd.Timedelta(window).to_timedelta64()))
    for name, values in zip(_SUMS[:2], (found.amount, found.cost), strict=True):
        assert told[name].sum() == pytest.approx(values.sum())
        assert told[f"buy_{name}"].sum() == pytest.approx(values[found.is_buy].sum())
    assert (told["trade_count"].sum(), told["buy_count"].sum()) == (
        found.fills.sum(),
        found.fills[found.is_buy].sum(),
    )


@given(_TRADES)
def test_averages_lie_between_low_and_high_and_open_and_close_as_well(
    rows: list[tuple[float, float, float, bool, int]],
) -> None:
    told = aggregate(columns(rows), MINUTE)
    low, high = np.asarray(told["low"], float) * (1 - 1e-12), np.asarray(told["high"], float) * (1 + 1e-12)
    for name in ("open", "close", "vwap"):
        values = np.asarray(told[name], float)
        assert ((low <= values) & (values <= high)).all()
    assert (np.diff(told["opened_at"].astype(np.int64)) > 0).all()
    assert (told["opened_at"].astype(np.int64) % 60_000_000 == 0).all()


@given(_TRADES)
def test_shares_lie_between_nothing_and_all(rows: list[tuple[float, float, float, bool, int]]) -> None:
    frame = trade_statistics(columns(rows), "5min", large_from=100.0)
    for name in ("buy_ratio", "large_share"):
        assert frame[name].between(0, 1 + 1e-12).all()
    assert (frame["large_count"] <= frame["trade_count"]).all()


@given(_TRADES, st.integers(0, 20_000), st.integers(0, 20_000))
def test_a_part_holds_the_trades_of_its_span_alone(
    rows: list[tuple[float, float, float, bool, int]], one: int, other: int
) -> None:
    start, end = sorted((one, other))
    part = columns(rows).between(T0 + start * SECOND, T0 + end * SECOND)
    assert len(part) == sum(T0 + start * SECOND <= at < T0 + end * SECOND for at in columns(rows).traded_at)


def test_recorded_trades_make_the_recorded_bars_to_the_last_digit(recordings: Path) -> None:
    """Both cover 2019-10-11 00:00 to 2019-10-13 11:19 UTC; a minute in which nothing was traded has no bar in either."""
    raw = pd.read_feather(recordings / "trades" / "XRP_ETH-trades.feather").sort_values(["timestamp", "id"])
    bars = pd.read_feather(recordings / "ohlcv" / "freqtrade" / "XRP_ETH-1m.feather")
    found = TradeColumns(
        raw["timestamp"].to_numpy().astype("datetime64[ms]").astype("datetime64[us]"),
        raw["price"].to_numpy(),
        raw["amount"].to_numpy(),
        raw["cost"].to_numpy(),
        (raw["side"] == "buy").to_numpy(),
        np.ones(len(raw), dtype=np.int64),
    )
    told = pd.DataFrame(aggregate(found, MINUTE)).set_index("opened_at")
    truth = bars.set_index(bars["date"].dt.tz_localize(None).astype("datetime64[us]"))
    first, last = max(told.index[0], truth.index[0]), min(told.index[-1], truth.index[-1])
    told, truth = told.loc[first:last], truth.loc[first:last]
    assert (str(first), str(last)) == ("2019-10-11 00:00:00", "2019-10-13 11:19:00")
    assert list(told.index) == list(truth.index)
    assert len(told) == 2469 < (last - first) // pd.Timedelta("1min") + 1 == 3560  # the others were quiet
    for ours, theirs in {**{name: name for name in ("open", "high", "low", "close")}, "volume_base": "volume"}.items():
        np.testing.assert_array_equal(told[ours].to_numpy(), truth[theirs].to_numpy())
