"""The feed of venues without a format of ours, shown with venues that the sandbox speaks."""

from __future__ import annotations

import asyncio

import pytest

from crypto_assets.clients.book_tickers.ccxt_pro import CcxtProFeed, parse_ticker
from crypto_assets.clients.book_tickers.connection import Patience
from crypto_assets.clients.book_tickers.feed import SocketFeed
from crypto_assets.clients.book_tickers.feeds import feed_of
from crypto_assets.clients.book_tickers.quote import Quote
from crypto_assets.clients.failures import Malformed, NotServed
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.sandbox.streams.plan import StreamFault
from crypto_assets.universe_stream import StreamRules
from crypto_assets_tests.clients.book_tickers.hearing import Heard, running

NOW = 1_654_029_559_500_000
MARKETS = ("BTC/USDT", "ETH/USDT")
TICKER = {"bid": "100.50", "bidVolume": "2", "ask": "100.60", "askVolume": "0.3", "timestamp": NOW // 1000}


def test_lost_and_silent_connections_are_told_once_and_come_back(streams: SandboxProcess) -> None:
    async def follow() -> None:
        feed = CcxtProFeed("gate", (*MARKETS, "NOTHING/USDT"), Patience(silent=0.5), sandbox_url=streams.url)
        async with running(feed) as heard:
            for told, kind in ((2, "drop"), (3, "mute")):
                seen = len(heard.quotes)
                await heard.until(lambda seen=seen: heard.symbols(seen) == set(MARKETS))
                fault = StreamFault.model_validate({"kind": kind, "venue": "gate", "seconds": 60})
                await asyncio.to_thread(streams.set_stream_faults, [fault])
                await heard.until(lambda told=told: len(heard.losses) == told)
                await asyncio.to_thread(streams.clear_stream_faults)
                await heard.until(lambda told=told: len(heard.connections) == told)
        assert len(asyncio.all_tasks()) == 1
        assert heard.connections == [MARKETS] * 3
        [unlisted, dropped, silent] = heard.losses
        assert unlisted == (("NOTHING/USDT",), "gate lists no such market")
        assert dropped[0] == MARKETS
        assert dropped[1].startswith("the connection broke")
        assert silent == (MARKETS, "no quotes for 0.5 s")

    asyncio.run(follow())


@pytest.mark.parametrize("venue", ["gate", "mexc"])
def test_quotes_are_the_venues_to_the_digit(venue: str, streams: SandboxProcess) -> None:
    """What ccxt.pro tells of a state of the book is what our own format tells of it."""

    async def follow() -> None:
        theirs = CcxtProFeed(venue, MARKETS, Patience(silent=5), sandbox_url=streams.url)
        ours = feed_of(venue, MARKETS, StreamRules(), streams.url)

        def told(one: Heard) -> set[tuple[object, ...]]:
            return {
                (q.symbol, q.bid_price, q.bid_quantity, q.ask_price, q.ask_quantity, q.event_at) for q in one.quotes
            }

        async with running(ours) as here, running(theirs) as there:
            await there.until(lambda: there.symbols() == set(MARKETS) and len(there.quotes) > 10)
            newest = max(quote.event_at or 0 for quote in there.quotes)
            await here.until(lambda: any((quote.event_at or 0) > newest for quote in here.quotes))
            assert told(there) <= told(here)

    asyncio.run(follow())


def test_a_ticker_is_a_quote_where_it_has_all_of_one() -> None:
    told = ("100.50", "2", "100.60", "0.3", 100.5, 100.6)
    assert parse_ticker("X/Y", TICKER, NOW) == Quote("X/Y", *told, NOW // 1000 * 1000, NOW, None)
    assert parse_ticker("X/Y", TICKER | {"timestamp": None}, NOW) == Quote("X/Y", *told, None, NOW, None)
    for field in ("bid", "bidVolume", "ask", "askVolume"):
        for value in (None, 1.5, "nan", "-1"):
            with pytest.raises(Malformed):
                parse_ticker("X/Y", TICKER | {field: value}, NOW)


def test_venues_have_the_feed_that_is_registered() -> None:
    rules = StreamRules()
    assert isinstance(feed_of("gate", MARKETS, rules), SocketFeed)
    assert isinstance(feed_of("okx", MARKETS, rules), CcxtProFeed)
    assert isinstance(feed_of("gate", ["BTC/USDT:USDT"], rules), CcxtProFeed)
    for venue in ("nowhere", "Exchange", "bitstamp"):
        with pytest.raises(NotServed, match=venue):
            feed_of(venue, MARKETS, rules)
