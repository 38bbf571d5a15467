"""Hours added up from what was stored."""

from crypto_assets.stream.counters import Counters
from crypto_assets.stream.report import HourBook, HourReport, quantile
from crypto_assets.stream.snapshots import SECOND
from crypto_assets.stream.standing import Lines
from crypto_assets_tests.stream.quoting import NOON

TABLE = "market.book_ticker_snapshots"


def book(counters: Counters, started: int = 0, markets: int = 2) -> HourBook:
    return HourBook(TABLE, markets, SECOND, NOON + started * SECOND, counters)


def rows(second: int, count: int = 2, table: str = TABLE) -> Lines:
    return Lines(NOON + second * SECOND, table, count, b"")


def test_the_open_hour_counts_each_second_once_with_those_of_a_predecessor() -> None:
    counters = Counters()
    made = book(counters, started=1)
    made.known([(NOON, 2, 1), (NOON + SECOND, 2, 0)])
    made.taken(NOON + 3 * SECOND, 1)
    assert made.stored([rows(1), rows(3), rows(3, 9, "market.arbitrage_opportunities")]) == []
    told = made.minute()
    assert (told.event, told.hour) == ("minute", "2026-03-10-12:00")
    assert (told.rows, told.seconds, told.expected_seconds) == (6, 3, 4)
    assert told.completeness == 0.75
    assert told.stale_share == round(2 / 6, 6)
    assert told.started_at == "2026-03-10T12:00:01+00:00"


def test_an_hour_is_closed_when_its_last_second_is_stored() -> None:
    counters = Counters()
    made = book(counters, started=3590)
    counters.feeds.lost["mexc"] = 3
    closed = made.stored([rows(second) for second in range(3590, 3600)])
    (told,) = closed
    assert (told.event, told.hour, told.rows, told.seconds, told.expected_seconds) == (
        "hour", "2026-03-10-12:00", 20, 10, 3600,
    )  # fmt: skip
    assert told.lost == 3
    counters.feeds.lost["mexc"] = 4
    assert made.stored([rows(3600)]) == []
    following = made.minute()
    assert (following.hour, following.rows, following.lost) == ("2026-03-10-13:00", 2, 1)


def test_an_hour_whose_last_seconds_never_came_is_closed_by_the_next_one() -> None:
    made = book(Counters())
    closed = made.stored([rows(5), rows(7300)])
    assert [(one.hour, one.rows) for one in closed] == [("2026-03-10-12:00", 2)]
    assert made.minute().hour == "2026-03-10-14:00"


def test_a_stream_that_has_stored_nothing_says_so() -> None:
    told = book(Counters()).minute()
    assert told == HourReport(
        "minute", "2026-03-10-12:00", 0, 0, 0, 0.0, 0.0, None, None, None, 0, 0, 0, 0, 0, "2026-03-10T12:00:00+00:00"
    )  # fmt: skip


def test_quantiles_are_values_that_were_there() -> None:
    assert quantile([3.0, 1.0, 2.0, 4.0], 0.5) == 3.0
    assert quantile([1.0], 0.99) == 1.0
    assert quantile([], 0.5) is None
