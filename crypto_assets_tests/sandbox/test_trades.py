"""The made-up market's trades: they add up to its bars, and are the same however they are asked for."""

from collections.abc import Iterable
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_assets.sandbox.absences import Absence, WithAbsences
from crypto_assets.sandbox.market import FIRST_TRADED_MS, SeededMarket
from crypto_assets.sandbox.tickers import day_traded, traded_since
from crypto_assets.sandbox.trades import NO_TRADES, TradeColumns, join_trades
from crypto_assets_tests.playing import NOW

MINUTE, DAY = 60_000, 86_400_000
NOW_MS = int(NOW.timestamp() * 1000)
MARKETS = [
    ("binance", "BTC/USDT"),
    ("gate", "ETH/BTC"),
    ("kraken", "ADA/USD"),
    ("mexc", "DOGE/USDT"),
    ("okx", "XRP/USDT"),
]
MARKET = SeededMarket(7, lambda: NOW_MS)  # it keeps what it made, and nothing else
minutes = st.integers(FIRST_TRADED_MS // MINUTE, NOW_MS // MINUTE - 1)


def _exact(numbers: Iterable[float]) -> Decimal:
    return sum((Decimal(repr(float(one))) for one in numbers), Decimal(0))


def _same(one: TradeColumns, other: TradeColumns) -> None:
    for name in ("trade_id", "traded_at_ms", "price", "amount", "is_buy"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), name)


@given(market=st.sampled_from(MARKETS), minute=minutes)
@settings(max_examples=100, deadline=None)
def test_a_minutes_trades_add_up_to_its_bar(market: tuple[str, str], minute: int) -> None:
    start = minute * MINUTE
    bar = {
        name: float(column[0]) for name, column in MARKET.bars(*market, MINUTE, start, start + MINUTE).values.items()
    }
    trades = MARKET.trades(*market, start, start + MINUTE)
    price, amount = trades.price, trades.amount
    assert len(trades) == bar["trade_count"]
    assert [price[0], price.max(), price.min(), price[-1]] == [bar[name] for name in ("open", "high", "low", "close")]
    assert (amount > 0).all()
    assert _exact(amount) == Decimal(repr(bar["volume_base"]))
    cost = sum(
        (Decimal(repr(float(p))) * Decimal(repr(float(a))) for p, a in zip(price, amount, strict=True)), Decimal(0)
    )
    assert float(cost) == pytest.approx(bar["volume_quote"], rel=1e-15)
    assert all(Decimal(repr(float(one))) == round(Decimal(repr(float(one))), 5) for one in amount)
    assert (np.diff(trades.traded_at_ms) >= 0).all()
    assert start <= trades.traded_at_ms[0] <= trades.traded_at_ms[-1] < start + MINUTE


@given(market=st.sampled_from(MARKETS), minute=minutes, begin=st.integers(0, MINUTE), length=st.integers(0, 4 * MINUTE))
@settings(max_examples=50, deadline=None)
def test_trades_are_the_same_however_asked_for(market: tuple[str, str], minute: int, begin: int, length: int) -> None:
    start = minute * MINUTE - MINUTE
    whole = MARKET.trades(*market, start, start + 6 * MINUTE)
    part = SeededMarket(7, lambda: NOW_MS).trades(*market, start + begin, start + begin + length)
    _same(part, whole.between(start + begin, start + begin + length))


def test_ids_are_dense_across_minutes_and_days_and_begin_with_1() -> None:
    for start in (FIRST_TRADED_MS, NOW_MS - NOW_MS % DAY, 1_700_006_400_000 + 70 * DAY):
        ids = MARKET.trades("binance", "BTC/USDT", start - 3 * MINUTE, start + 3 * MINUTE).trade_id
        assert (np.diff(ids) == 1).all()
    assert MARKET.trades("binance", "BTC/USDT", 0, FIRST_TRADED_MS + MINUTE).trade_id[0] == 1
    counted = MARKET.bars("binance", "BTC/USDT", DAY, FIRST_TRADED_MS - FIRST_TRADED_MS % DAY + DAY, NOW_MS - DAY)
    first, last = int(counted.opened_at_ms[0]), int(counted.opened_at_ms[-1]) + DAY
    ends = [MARKET.trades("binance", "BTC/USDT", at, at + MINUTE).trade_id[0] for at in (first, last)]
    assert ends[1] - ends[0] == counted.values["trade_count"].sum()


@given(market=st.sampled_from(MARKETS), minute=minutes, place=st.integers(0, 9))
@settings(max_examples=50, deadline=None)
def test_a_trade_is_found_by_its_id(market: tuple[str, str], minute: int, place: int) -> None:
    trades = MARKET.trades(*market, minute * MINUTE, (minute + 1) * MINUTE)
    assert MARKET.moment_of(*market, int(trades.trade_id[place])) == trades.traded_at_ms[place]


def test_ids_before_the_first_and_behind_the_last_have_the_moments_of_the_ends() -> None:
    first = int(MARKET.trades("okx", "BTC/USDT", 0, FIRST_TRADED_MS + MINUTE).traded_at_ms[0])
    assert [MARKET.moment_of("okx", "BTC/USDT", one) for one in (-5, 0, 1)] == [first] * 3
    assert MARKET.moment_of("okx", "BTC/USDT", 10**15) == NOW_MS + 1
    assert SeededMarket(7, lambda: FIRST_TRADED_MS - 1).moment_of("okx", "BTC/USDT", 1) == FIRST_TRADED_MS


def test_nothing_comes_from_the_future_and_the_open_minute_adds_up_once_closed() -> None:
    opened = NOW_MS - NOW_MS % MINUTE
    so_far = MARKET.trades("mexc", "ETH/USDT", opened, NOW_MS + DAY)
    assert so_far.traded_at_ms[-1] <= NOW_MS
    closed = SeededMarket(7, lambda: opened + MINUTE).trades("mexc", "ETH/USDT", opened, opened + MINUTE)
    _same(so_far, closed.between(0, NOW_MS + 1))
    bar = MARKET.bars("mexc", "ETH/USDT", MINUTE, opened, opened + MINUTE)
    assert 0 < len(so_far) < len(closed) == bar.values["trade_count"][0]


def test_trades_bunch_some_are_twins_and_both_sides_take() -> None:
    trades = MARKET.trades("mexc", "BTC/USDT", NOW_MS - 60 * MINUTE, NOW_MS)
    together = np.diff(trades.traded_at_ms) == 0
    twins = together & (np.diff(trades.price) == 0) & (np.diff(trades.amount) == 0) & ~np.diff(trades.is_buy)
    assert 0.2 < together.mean() < 0.6
    assert 0.002 < twins.mean() < 0.05
    assert 0.3 < trades.is_buy.mean() < 0.7


def test_absent_trades_are_missing_with_their_ids_and_no_others() -> None:
    source, gone = WithAbsences(MARKET), (NOW_MS - 10 * MINUTE - 7, NOW_MS - 5 * MINUTE + 11)
    source.absences = [
        Absence.model_validate({"symbol": "BTC/USDT", "start": gone[0] / 1000, "end": gone[1] / 1000}),
        Absence.model_validate({"symbol": "ETH/USDT", "start": 0, "end": NOW_MS / 1000 + 60}),
    ]
    span = (NOW_MS - 20 * MINUTE, NOW_MS)
    whole = MARKET.trades("binance", "BTC/USDT", *span)
    kept = whole.take((whole.traded_at_ms < gone[0]) | (whole.traded_at_ms >= gone[1]))
    _same(source.trades("binance", "BTC/USDT", *span), kept)
    assert 0 < len(kept) < len(whole)
    assert len(source.trades("binance", "ETH/USDT", *span)) == 0
    assert traded_since(source, "binance", "ETH/USDT", span[0]).last == 0
    assert not source.has_recorded_trades("binance", "BTC/USDT")


def test_a_day_is_its_closed_minutes_and_what_was_traded_since() -> None:
    day = day_traded(MARKET, "kraken", "BTC/USD")
    opened = NOW_MS - NOW_MS % MINUTE
    bars = MARKET.bars("kraken", "BTC/USD", MINUTE, opened - DAY, opened).values
    trades = MARKET.trades("kraken", "BTC/USD", opened, NOW_MS + 1)
    assert (day.open, day.last, day.now_ms) == (bars["open"][0], trades.price[-1], NOW_MS)
    assert day.high == max(bars["high"].max(), trades.price.max())
    assert day.low == min(bars["low"].min(), trades.price.min())
    assert day.trade_count == bars["trade_count"].sum() + len(trades)
    assert day.volume_base == pytest.approx(bars["volume_base"].sum() + trades.amount.sum())
    assert day.volume_quote == pytest.approx(bars["volume_quote"].sum() + (trades.amount * trades.price).sum())
    assert day.vwap == pytest.approx(day.volume_quote / day.volume_base)
    assert (day.change_ratio, day.last_id) == (day.change / day.open, trades.trade_id[-1])


def test_the_first_moment_of_a_minute_has_the_price_of_the_last_one_and_no_more_volume() -> None:
    opened = NOW_MS - NOW_MS % MINUTE
    before, after = (
        traded_since(SeededMarket(7, lambda at=at: at), "okx", "BTC/USDT", opened - 10 * MINUTE)  # type: ignore[misc]
        for at in (opened - 1, opened)
    )
    assert (after.last, after.trade_count) == (before.last, before.trade_count)


def test_no_stretches_are_no_trades() -> None:
    assert join_trades([]) is NO_TRADES
    assert len(MARKET.trades("binance", "NO/SUCH", 0, NOW_MS)) == 0
