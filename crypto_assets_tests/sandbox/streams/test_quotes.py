"""Quotes as a function of their number: plausible prices, neighbours that differ, venues that lie close."""

import math
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_assets.sandbox.market import SeededMarket
from crypto_assets.sandbox.streams.quotes import MadeQuote, k_of, latest_k, made_quote, sequence_of

MINUTE = 60_000
START = 1_780_000_020  # a whole minute of 2026, seconds since 1970
symbols = st.sampled_from(["BTC/USDT", "ETH/BTC", "ADA/USDT", "M0001/USDT", "BTC/USDT:USDT"])
venues = st.sampled_from(["binance", "gate", "mexc"])


def _numbers(quote: MadeQuote) -> list[Decimal]:
    return [Decimal(text) for text in quote]


def _middle(quote: MadeQuote) -> float:
    return float((Decimal(quote.bid_price) + Decimal(quote.ask_price)) / 2)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 5), venue=venues, symbol=symbols, k=st.integers(5 * START, 5 * START + 40_000_000))
def test_a_quote_has_a_bid_below_its_ask_and_differs_from_the_next(seed: int, venue: str, symbol: str, k: int) -> None:
    quote = made_quote(seed, venue, symbol, k)
    bid, bid_quantity, ask, ask_quantity = _numbers(quote)
    assert 0 < bid < ask < bid * Decimal("1.001")
    assert bid_quantity > 0
    assert ask_quantity > 0
    assert made_quote(seed, venue, symbol, k + 1) != quote
    assert made_quote(seed, venue, symbol, k) == quote


def test_no_quote_is_the_one_before_however_many_come() -> None:
    quotes = [made_quote(7, "mexc", "BTC/USDT", k, 2500) for k in range(2500 * START, 2500 * START + 5000)]
    assert all(one != other for one, other in pairwise(quotes))
    assert [int(quote.bid_quantity[-1]) % 2 for quote in quotes] == [0, 1] * 2500  # which makes sure of it


@given(k=st.integers(0, 10**13))
def test_a_number_of_the_venue_tells_which_quote_it_is(k: int) -> None:
    assert k_of(sequence_of(k)) == k
    assert sequence_of(k + 1) - sequence_of(k) == 7


def test_numbers_by_hand() -> None:
    assert sequence_of(10) == 73
    assert latest_k(1000.0, 5) == 5000
    assert latest_k(1000.39, 5) == 5001
    assert latest_k(1000.4, 5) == 5002


@pytest.mark.parametrize("symbol", ["BTC/USDT", "ADA/USDT", "ETH/BTC"])
def test_a_minutes_last_quote_lies_beside_its_bar(symbol: str) -> None:
    market = SeededMarket(7, lambda: (START + 86_400) * 1000)
    bars = market.bars("gate", symbol, MINUTE, START * 1000, START * 1000 + 120 * MINUTE)
    for number in range(120):
        middle = _middle(made_quote(7, "gate", symbol, 5 * (START + 60 * number + 59) + 4))
        low, high = float(bars.values["low"][number]), float(bars.values["high"][number])
        assert low * 0.9995 <= middle <= high * 1.0005


def test_venues_lie_close_and_now_and_then_one_lies_apart() -> None:
    apart = []
    for second in range(START, START + 3 * 3600, 6):
        one, other = (_middle(made_quote(7, venue, "ETH/USDT", 5 * second)) for venue in ("gate", "mexc"))
        apart.append(abs(math.log(one / other)))
    wide = [one for one in apart if one > 0.003]
    assert 0 < len(wide) < len(apart) / 50
    assert max(apart) < 0.02


def test_quantities_are_thin_now_and_then() -> None:
    worth = [
        Decimal(quote.bid_quantity) * Decimal(quote.bid_price)
        for quote in (made_quote(7, "mexc", "SOL/USDT", 5 * second) for second in range(START, START + 3 * 3600, 6))
    ]
    thin = [one for one in worth if one < 300]
    assert 0 < len(thin) < len(worth) / 50
    assert max(worth) < 30_000


def test_another_rate_places_the_numbers_elsewhere_in_the_same_market() -> None:
    slow, fast = (_middle(made_quote(7, "gate", "BTC/USDT", START * rate, rate)) for rate in (5, 2500))
    assert slow == pytest.approx(fast, rel=1e-4)
