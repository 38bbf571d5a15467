"""Made-up order books: ordered, not crossed, around the last price, and the same for the same moment."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_assets.sandbox.books import Book, make_book
from crypto_assets.sandbox.faults import Fault, spoil_book

NOW_MS = 1_773_144_030_000


def _book(last: float | None = 2.2, now: int = NOW_MS, symbol: str = "XRP/USDT", seed: int = 7) -> Book:
    return make_book((seed, "binance", symbol), now, last, 50.0)


@given(last=st.floats(1e-7, 1e6), now=st.integers(NOW_MS - 10**11, NOW_MS))
@settings(max_examples=50)
def test_levels_are_ordered_around_the_last_price(last: float, now: int) -> None:
    book = _book(last, now)
    assert len(book.bids) >= 400
    assert len(book.asks) >= 400
    assert (np.diff(book.bids.prices) < 0).all()
    assert (np.diff(book.asks.prices) > 0).all()
    assert 0 < book.bids.prices[-1] < book.bids.prices[0] <= last < book.asks.prices[0] < last * 1.001
    assert book.bids.prices[0] > last * 0.999
    for side in (book.bids, book.asks):
        assert (side.amounts > 0).all()
        assert (side.orders >= 1).all()


def test_a_book_is_the_same_for_the_same_moment_and_changes_with_time_and_market() -> None:
    one, again, later, other = _book(), _book(), _book(now=NOW_MS + 1000), _book(symbol="ADA/USDT")
    np.testing.assert_array_equal(one.bids.amounts, again.bids.amounts)
    assert later.sequence > one.sequence
    assert not np.array_equal(one.bids.amounts, later.bids.amounts)
    assert not np.array_equal(one.asks.prices, other.asks.prices)
    spreads = {
        round((book.asks.prices[0] - book.bids.prices[0]) / book.tick)
        for book in (_book(now=NOW_MS + n * 1000) for n in range(50))
    }
    assert len(spreads) > 3


def test_a_market_that_never_traded_has_an_empty_book() -> None:
    book = _book(None)
    assert (len(book.bids), len(book.asks)) == (0, 0)
    assert spoil_book(book, [Fault(kind="crossed_book")]) is book


def test_a_crossed_book_has_its_best_bid_above_its_best_ask() -> None:
    book = spoil_book(_book(), [Fault(kind="crossed_book")])
    assert book.bids.prices[0] > book.asks.prices[0]
    sound = _book()
    np.testing.assert_array_equal(book.bids.prices[1:], sound.bids.prices[1:])
    assert spoil_book(sound, [Fault(kind="null_rows")]) is sound


@pytest.mark.parametrize("last", [1.0, 9.99999, 0.1, 1000.0])
def test_a_price_on_a_power_of_ten_has_a_book(last: float) -> None:
    book = _book(last)
    assert book.bids.prices[0] <= last < book.asks.prices[0]
