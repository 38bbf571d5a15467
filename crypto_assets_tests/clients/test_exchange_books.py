"""Order books and tickers of the six venues, through the real clients on the sandbox."""

import json
from collections.abc import Mapping
from datetime import timedelta
from functools import cache

import pytest

from crypto_assets.clients.book_rows import measure
from crypto_assets.clients.exchange import Exchange
from crypto_assets.clients.exchange_books import order_book, tickers
from crypto_assets.clients.failures import Malformed, NotListed, NotServed, ProviderError, Throttled, Unavailable
from crypto_assets.clients.transport import RetryPolicy
from crypto_assets.sandbox.config import SandboxConfig
from crypto_assets.sandbox.faults import Fault
from crypto_assets.sandbox.market import SeededMarket
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.sandbox.tickers import Traded, day_traded
from crypto_assets_tests.playing import HASTE, NOW, exchange_of, shipped_universe

VENUES = sorted(shipped_universe().venues)
ONE_TRY = RetryPolicy(attempts=1, breaker_failures=99)
# Where each venue says when its book or ticker stood so, and where its book has a number.
DATED_BOOKS = {"coinbase", "gate", "mexc", "okx"}
NUMBERED_BOOKS = {"binance", "gate", "mexc", "okx"}


@cache
def _exchange(url: str, venue: str, policy: RetryPolicy = HASTE) -> Exchange:
    """A client that has its list of markets; making one takes longer than most tests here."""
    exchange = exchange_of(url, venue, policy)
    exchange.symbols()
    return exchange


def _symbol(venue: str) -> str:
    return shipped_universe().venue(venue).markets[0].symbol


@cache
def _day(venue: str, symbol: str) -> Traded:
    return day_traded(SeededMarket(SandboxConfig().seed, lambda: int(NOW.timestamp() * 1000)), venue, symbol)


def _sides_of(body: str) -> tuple[list[list[str]], list[list[str]]]:
    """Levels out of any venue's answer, by the names that all of them use; prices and amounts as they were sent."""
    found: list[Mapping[str, list[object]]] = []

    def search(value: object) -> None:
        if isinstance(value, Mapping):
            if {"bids", "asks"} <= value.keys():
                found.append(value)
            for one in value.values():
                search(one)
        elif isinstance(value, list):
            for one in value:
                search(one)

    search(json.loads(body, parse_float=str))
    (book,) = found

    def side(name: str) -> list[list[str]]:
        return [
            [level["price"], level["size"]] if isinstance(level, dict) else [str(cell) for cell in level[:2]]
            for level in book[name]
            if isinstance(level, (dict, list))
        ]

    return side("bids"), side("asks")


@pytest.mark.parametrize("venue", VENUES)
def test_a_book_keeps_the_digits_that_the_venue_sent(sandbox: SandboxProcess, venue: str) -> None:
    exchange = _exchange(sandbox.url, venue)
    book = order_book(exchange, _symbol(venue), 20)
    bids, asks = _sides_of(exchange.body)
    assert [list(level) for level in book.levels.bids] == bids[:20]
    assert [list(level) for level in book.levels.asks] == asks[:20]
    assert len(book.levels.bids) == len(book.levels.asks) == 20
    assert all(isinstance(cell, str) for level in book.levels.bids for cell in level)


@pytest.mark.parametrize("venue", VENUES)
def test_the_last_price_lies_within_the_book(sandbox: SandboxProcess, venue: str) -> None:
    told = measure(order_book(_exchange(sandbox.url, venue), _symbol(venue), 50).levels)
    last = _day(venue, _symbol(venue)).last
    assert abs(told.mid / last - 1) < 0.001
    assert 0 < told.spread_bps < 10


@pytest.mark.parametrize("venue", VENUES)
def test_a_book_says_when_it_stood_so_and_its_number_where_the_venue_does(sandbox: SandboxProcess, venue: str) -> None:
    book = order_book(_exchange(sandbox.url, venue), _symbol(venue), 5)
    assert (book.venue_at is not None) == (venue in DATED_BOOKS)
    assert (book.sequence is not None) == (venue in NUMBERED_BOOKS)
    if book.venue_at is not None:
        assert abs(book.venue_at - NOW) < timedelta(seconds=1)
    assert book.received_at.tzinfo is not None


@pytest.mark.parametrize("depth", [1, 5, 100, 400])
@pytest.mark.parametrize("venue", VENUES)
def test_no_book_is_deeper_than_was_asked(sandbox: SandboxProcess, venue: str, depth: int) -> None:
    levels = order_book(_exchange(sandbox.url, venue), _symbol(venue), depth).levels
    assert len(levels.bids) == len(levels.asks) == depth


@pytest.mark.parametrize("venue", VENUES)
def test_a_crossed_book_is_asked_for_again_and_then_refused_with_what_came(sandbox: SandboxProcess, venue: str) -> None:
    exchange = _exchange(sandbox.url, venue)
    before = exchange.transport.requests
    sandbox.set_faults([Fault(kind="crossed_book")])
    with pytest.raises(Malformed, match="best bid is not below best ask") as caught:
        order_book(exchange, _symbol(venue), 5)
    assert exchange.transport.requests - before == exchange.transport.policy.attempts
    payload = caught.value.payload
    assert isinstance(payload, dict)
    assert len(payload["bids"]) > 1
    assert len(payload["asks"]) > 1
    assert venue in str(caught.value)


@pytest.mark.parametrize("kind", ["crossed_book", "html_200", "truncated_json", "unavailable", "throttled", "dropped"])
def test_a_fault_that_passes_costs_another_request_and_no_book(sandbox: SandboxProcess, kind: str) -> None:
    exchange = _exchange(sandbox.url, "okx")
    before = exchange.transport.retried
    sandbox.set_faults([Fault.model_validate({"kind": kind, "times": 2})])
    assert len(order_book(exchange, _symbol("okx"), 5).levels.bids) == 5
    assert exchange.transport.retried - before == 2


@pytest.mark.parametrize("what", ["book", "tickers"])
@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize(
    ("kind", "expected"),
    [("html_200", Malformed), ("truncated_json", Malformed), ("throttled", Throttled), ("unavailable", Unavailable)],
)
def test_each_fault_surfaces_as_its_class(
    sandbox: SandboxProcess, venue: str, kind: str, expected: type[ProviderError], what: str
) -> None:
    exchange, symbol = _exchange(sandbox.url, venue, ONE_TRY), _symbol(venue)
    sandbox.set_faults([Fault.model_validate({"kind": kind})])
    ask = {"book": lambda: order_book(exchange, symbol, 5), "tickers": lambda: tickers(exchange, [symbol])}[what]
    with pytest.raises(expected) as caught:
        ask()
    if isinstance(caught.value, Malformed):
        assert caught.value.payload


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("venue", VENUES)
def test_tickers_of_one_and_of_several_markets_come_in_one_request(
    sandbox: SandboxProcess, venue: str, count: int
) -> None:
    exchange = _exchange(sandbox.url, venue)
    symbols = sorted(exchange.symbols())[:count]
    before = exchange.transport.requests
    told = tickers(exchange, symbols)
    assert exchange.transport.requests - before == 1
    assert [one.symbol for one in told] == symbols
    for one in told:
        day = _day(venue, one.symbol)
        assert one.last == pytest.approx(day.last)
        if one.volume_base_24h is not None and venue != "coinbase":
            assert one.volume_base_24h == pytest.approx(day.volume_base, rel=1e-6)
        if one.high_24h is not None and one.low_24h is not None:
            assert one.low_24h <= day.last <= one.high_24h
        if one.bid is not None and one.ask is not None:
            assert one.bid < one.ask


@pytest.mark.parametrize("venue", VENUES)
def test_markets_that_the_venue_does_not_list_are_left_out_and_none_are_asked_for_alone(
    sandbox: SandboxProcess, venue: str
) -> None:
    exchange = _exchange(sandbox.url, venue)
    assert [one.symbol for one in tickers(exchange, ["NOPE/USDT", _symbol(venue)])] == [_symbol(venue)]
    before = exchange.transport.requests
    assert tickers(exchange, ["NOPE/USDT"]) == []
    assert tickers(exchange, []) == []
    assert exchange.transport.requests == before


def test_a_market_that_is_not_listed_is_named_without_asking_for_its_book(sandbox: SandboxProcess) -> None:
    exchange = _exchange(sandbox.url, "okx")
    before = exchange.transport.requests
    with pytest.raises(NotListed, match="NOPE/USDT"):
        order_book(exchange, "NOPE/USDT", 5)
    assert exchange.transport.requests == before


def test_a_venue_that_does_not_serve_them_is_named_without_asking(sandbox: SandboxProcess) -> None:
    exchange = exchange_of(sandbox.url, "binance")
    exchange.client.has.update(fetchOrderBook=False, fetchTickers=None)
    with pytest.raises(NotServed, match="binance does not serve order books"):
        order_book(exchange, "BTC/USDT", 5)
    with pytest.raises(NotServed, match="binance does not serve tickers"):
        tickers(exchange, ["BTC/USDT"])
    assert exchange.transport.requests == 0
