"""The newest quote of each market: what is kept, dropped, counted, and what a snapshot may know."""

import pytest

from crypto_assets.clients.book_tickers.quote import Quote
from crypto_assets.stream.counters import Counters
from crypto_assets.stream.outages import Outages
from crypto_assets.stream.quotes import KEPT_MALFORMED, LatestQuotes, age_ms
from crypto_assets.stream.snapshots import SECOND
from crypto_assets_tests.stream.quoting import BTC, ETH, NOON, quote


class Clock:
    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> int:
        return self.at


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def quotes(counters: Counters, clock: Clock) -> LatestQuotes:
    made = LatestQuotes((BTC, ETH), 10, counters, Outages((BTC, ETH), NOON), clock)
    made.connected("mexc", ["BTC/USDT", "ETH/USDT"], NOON)
    return made


def bids(quotes: LatestQuotes, at: int) -> dict[str, str]:
    return {one.quote.symbol: one.quote.bid_price for one in quotes.snapshot(at).standings}


def test_an_older_or_equal_number_is_dropped_and_counted(quotes: LatestQuotes, counters: Counters) -> None:
    for number, bid in ((5, "1"), (4, "2"), (5, "3"), (9, "4")):
        quotes.quoted("mexc", quote(bid=bid, sequence=number))
    assert bids(quotes, NOON) == {"BTC/USDT": "4"}
    assert counters.feeds.quotes["mexc"] == 4
    assert counters.feeds.ignored["mexc"] == 2


def test_numbers_begin_anew_on_a_new_connection(quotes: LatestQuotes) -> None:
    quotes.quoted("mexc", quote(bid="1", sequence=500))
    quotes.connected("mexc", ["BTC/USDT"], NOON)
    quotes.quoted("mexc", quote(bid="2", sequence=1))
    assert bids(quotes, NOON) == {"BTC/USDT": "2"}


def test_without_numbers_a_repeat_or_an_older_quote_makes_nothing_young(
    quotes: LatestQuotes, counters: Counters
) -> None:
    ahead = NOON + 30 * SECOND  # of a venue whose clock runs half a minute ahead
    quotes.quoted("mexc", quote(bid="1", event_at=ahead, received_at=NOON))
    for seconds in range(1, 13):
        quotes.quoted("mexc", quote(bid="1", event_at=ahead, received_at=NOON + seconds * SECOND))
    quotes.quoted("mexc", quote(bid="2", event_at=ahead - SECOND, received_at=NOON + 12 * SECOND))
    [standing] = quotes.snapshot(NOON + 12 * SECOND).standings
    assert (standing.quote.bid_price, standing.age_ms, standing.is_stale) == ("1", 12_000, True)
    assert counters.feeds.ignored["mexc"] == 13


def test_without_numbers_other_prices_of_one_moment_count_and_so_does_a_clock_that_was_set_back(
    quotes: LatestQuotes,
) -> None:
    quotes.quoted("mexc", quote(bid="1", event_at=NOON))
    quotes.quoted("mexc", quote(bid="2", event_at=NOON))
    assert bids(quotes, NOON) == {"BTC/USDT": "2"}
    quotes.quoted("mexc", quote(bid="3", event_at=NOON - 11 * SECOND))
    assert bids(quotes, NOON) == {"BTC/USDT": "3"}


def test_quotes_without_numbers_are_all_kept_and_strangers_are_ignored(
    quotes: LatestQuotes, counters: Counters
) -> None:
    quotes.quoted("mexc", quote(bid="1"))
    quotes.quoted("mexc", quote(bid="2"))
    quotes.quoted("mexc", quote("DOGE/USDT"))
    quotes.quoted("nowhere", quote())
    assert bids(quotes, NOON) == {"BTC/USDT": "2"}
    assert (counters.feeds.ignored["mexc"], counters.feeds.ignored["nowhere"]) == (1, 1)


def test_a_snapshot_knows_nothing_that_came_after_its_second(quotes: LatestQuotes) -> None:
    quotes.expect(NOON)
    quotes.quoted("mexc", quote(bid="1", received_at=NOON - 5))
    quotes.quoted("mexc", quote(bid="2", received_at=NOON - 1))
    # The clock is late by two milliseconds: these have come by now, and had not at noon.
    quotes.quoted("mexc", quote(bid="3", received_at=NOON + 1000))
    quotes.quoted("mexc", quote(bid="4", received_at=NOON + 2000))
    quotes.quoted("mexc", quote("ETH/USDT", bid="9", received_at=NOON + 1))
    snapshot = quotes.snapshot(NOON)
    assert [one.quote.bid_price for one in snapshot.standings] == ["2"]
    assert snapshot.absent == [ETH]
    quotes.expect(NOON + SECOND)
    assert bids(quotes, NOON + SECOND) == {"BTC/USDT": "4", "ETH/USDT": "9"}


def test_a_quote_is_stale_by_age_or_without_a_connection(quotes: LatestQuotes) -> None:
    quotes.quoted("mexc", quote(received_at=NOON))
    quotes.quoted("mexc", quote("ETH/USDT", received_at=NOON, event_at=NOON - SECOND))
    told = {one.quote.symbol: (one.age_ms, one.is_stale) for one in quotes.snapshot(NOON + 10 * SECOND).standings}
    assert told == {"BTC/USDT": (10_000, False), "ETH/USDT": (11_000, True)}
    quotes.lost("mexc", ["BTC/USDT"], NOON, "closed")
    assert [one.is_stale for one in quotes.snapshot(NOON + SECOND).standings] == [True, False]


@pytest.mark.parametrize(
    ("event_at", "received_at", "expected"),
    [
        (NOON - 3_000_000, NOON - 1_000_000, 3000),  # by the venue's clock
        (NOON + 500_000, NOON - 1_000_000, 1000),  # which runs ahead: since it came
        (None, NOON - 1_500_000, 1500),
        (None, NOON + 10, 0),  # our clock was set back
        (0, NOON, 2**31 - 1),  # what the column can hold
    ],
)
def test_age_is_the_venues_unless_its_clock_runs_ahead(event_at: int | None, received_at: int, expected: int) -> None:
    told = Quote("BTC/USDT", "1", "1", "2", "1", 1.0, 2.0, event_at, received_at, None)
    assert age_ms(told, NOON) == expected


def test_the_first_hundred_unreadable_messages_of_an_hour_are_kept_and_all_are_counted(
    quotes: LatestQuotes, counters: Counters, clock: Clock
) -> None:
    for number in range(KEPT_MALFORMED + 50):
        quotes.malformed("mexc", "no JSON", b"%d" % number)
    kept = quotes.take_unreadable()
    assert [one.payload for one in kept[::99]] == [b"0", b"99"]
    assert len(kept) == KEPT_MALFORMED
    assert counters.feeds.malformed["mexc"] == 150
    quotes.malformed("mexc", "no JSON", b"x")
    assert quotes.take_unreadable() == []
    clock.at += 3600 * SECOND
    quotes.malformed("mexc", "no JSON", b"y")
    assert [one.payload for one in quotes.take_unreadable()] == [b"y"]
