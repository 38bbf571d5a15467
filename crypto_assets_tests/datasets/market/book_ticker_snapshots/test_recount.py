"""Counting hours of quotes, and what the ledger says of the seconds that are not there."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.datasets.market.book_ticker_snapshots.recount import (
    NOBODY_LISTENED,
    Counted,
    count_markets,
    in_line,
    note_absent,
    shares_by_minute,
    steps,
)
from crypto_assets.datasets.market.book_ticker_snapshots.table import DATASET
from crypto_assets.quality.coverage import TICK, SeriesKey, write_changes
from crypto_assets.quality.gaps import Evidence, Gap, State
from crypto_assets.spans import Span, difference, union
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.market.book_ticker_hours.quotes import (
    HOUR,
    SECOND,
    Second,
    at,
    every_second,
    held,
    put_quotes,
)
from crypto_assets_tests.datasets.market.book_ticker_snapshots.universe import universe

START = at("2026-03-02 10:00")
WINDOW = (START, START + HOUR)
AFTER = START + 2 * HOUR
LIKE = Second(START)
MINUTE = timedelta(minutes=1)


def _count(warehouse: Warehouse, now: datetime = AFTER, window: Span = WINDOW, **rules: object) -> list[Counted]:
    with warehouse.connect() as connection:
        return count_markets(connection, universe(**rules), window, now)


def _note(warehouse: Warehouse, now: datetime = AFTER) -> tuple[int, int]:
    with warehouse.connect() as connection:
        changes = note_absent(connection, count_markets(connection, universe(), WINDOW, now), now)
    return changes.written, changes.removed


def _ledger(warehouse: Warehouse) -> list[tuple[object, ...]]:
    return held(
        warehouse,
        "SELECT venue, symbol, gap_start, gap_end, state, evidence->>'why' FROM quality.coverage"
        " WHERE dataset = 'market/book_ticker_snapshots' ORDER BY 1, 2, 3",
    )


def test_without_any_row_nothing_is_due(warehouse: Warehouse) -> None:
    assert _count(warehouse) == []
    assert _note(warehouse) == (0, 0)


def test_an_hour_is_counted_by_market(warehouse: Warehouse) -> None:
    whole = every_second(START, 3600, LIKE)
    stale = every_second(START + 30 * MINUTE, 60, Second(START, symbol="ETH/USDT", is_stale=True))
    put_quotes(warehouse, [*whole, *stale])
    btc, eth = _count(warehouse)
    assert (btc.venue, btc.symbol, btc.rows, btc.stale_rows) == ("gate", "BTC/USDT", 3600, 0)
    assert (btc.due, btc.absent, btc.expected, btc.missing) == (WINDOW, (), 3600, 0)
    assert btc.spread_pct_mean == pytest.approx(100 * 2 / 99)
    # A market is due from its first row on; it had no quote before.
    assert (eth.rows, eth.stale_rows, eth.due) == (60, 60, (START + 30 * MINUTE, WINDOW[1]))
    assert eth.absent == ((START + 31 * MINUTE, WINDOW[1]),)
    assert (eth.expected, eth.missing) == (1800, 29 * 60)


def test_a_market_that_had_a_row_before_is_due_from_the_hours_beginning(warehouse: Warehouse) -> None:
    put_quotes(warehouse, [Second(START - timedelta(days=1)), Second(START + 10 * SECOND), Second(START + 12 * SECOND)])
    [btc] = _count(warehouse)
    assert btc.due == WINDOW
    assert btc.absent == (
        (START, START + 10 * SECOND),
        (START + 11 * SECOND, START + 12 * SECOND),
        (START + 13 * SECOND, WINDOW[1]),
    )
    assert btc.missing == 3598


def test_an_hour_without_a_row_is_absent_as_a_whole(warehouse: Warehouse) -> None:
    put_quotes(warehouse, [Second(START - HOUR)])
    [btc] = _count(warehouse)
    assert (btc.rows, btc.due, btc.absent, btc.spread_pct_mean) == (0, WINDOW, (WINDOW,), None)


def test_of_the_open_hour_what_may_still_wait_in_memory_is_not_due(warehouse: Warehouse) -> None:
    put_quotes(warehouse, [Second(START - HOUR), *every_second(START, 60, LIKE)])
    now = START + timedelta(minutes=5, seconds=0.4)
    [btc] = _count(warehouse, now, memory_seconds=120)
    assert btc.due == (START, START + 3 * MINUTE)
    assert btc.absent == ((START + MINUTE, START + 3 * MINUTE),)
    [btc] = _count(warehouse, START + 30 * SECOND)
    assert (btc.due, btc.expected, btc.missing) == ((START, START), 0, 0)


def test_a_market_that_is_followed_no_more_is_due_between_its_rows(warehouse: Warehouse) -> None:
    gone = Second(START, symbol="GONE/USDT")
    put_quotes(warehouse, [*every_second(START + MINUTE, 2, gone), *every_second(START + 2 * MINUTE, 1, gone)])
    [one] = _count(warehouse)
    assert one.due == (START + MINUTE, START + 2 * MINUTE + SECOND)
    assert one.absent == ((START + MINUTE + 2 * SECOND, START + 2 * MINUTE),)


def test_a_wider_grid_has_fewer_seconds(warehouse: Warehouse) -> None:
    put_quotes(warehouse, [Second(START + place * SECOND) for place in range(0, 3600, 5) if place != 35])
    [btc] = _count(warehouse, snapshot_seconds=5)
    assert (btc.rows, btc.expected, btc.missing) == (719, 720, 1)
    assert btc.absent == ((START + 35 * SECOND, START + 40 * SECOND),)


def test_seconds_that_nobody_named_become_unrecoverable(warehouse: Warehouse) -> None:
    put_quotes(warehouse, [*every_second(START, 600, LIKE), *every_second(START + 20 * MINUTE, 2400, LIKE)])
    outage = Gap(START + 10 * MINUTE, START + 15 * MINUTE, State.VENUE_OUTAGE, Evidence(why="it was away"), START)
    with warehouse.connect() as connection:
        write_changes(connection, SeriesKey(DATASET, "gate", "BTC/USDT", TICK), [], [outage])
    assert _note(warehouse) == (1, 0)
    ours = ("gate", "BTC/USDT", START + 15 * MINUTE, START + 20 * MINUTE, "unrecoverable", NOBODY_LISTENED)
    assert _ledger(warehouse)[1] == ours
    assert len(_ledger(warehouse)) == 2
    assert _note(warehouse) == (0, 0)  # a second look changes nothing


def test_an_outage_that_begins_and_ends_between_seconds_names_those_inside(warehouse: Warehouse) -> None:
    put_quotes(warehouse, [*every_second(START, 10, LIKE), *every_second(START + 20 * SECOND, 3580, LIKE)])
    [btc] = _count(warehouse)
    outage = Gap(START + 9.4 * SECOND, START + 18.3 * SECOND, State.UNRECOVERABLE, Evidence(why="it was down"), START)
    # The seconds 10 to 18 are its own, the second 19 is nobody's.
    [kept, ours] = in_line([outage], btc, AFTER)
    assert kept == outage
    assert ours.span == (START + 19 * SECOND, START + 20 * SECOND)


def test_rows_that_come_late_close_their_gap(warehouse: Warehouse) -> None:
    put_quotes(warehouse, [*every_second(START, 600, LIKE), *every_second(START + 20 * MINUTE, 2400, LIKE)])
    _note(warehouse)
    put_quotes(warehouse, every_second(START + 10 * MINUTE, 60, LIKE))
    _note(warehouse)
    spans = [(row[2], row[3], row[4]) for row in _ledger(warehouse)]
    assert spans == [
        (START + 10 * MINUTE, START + 11 * MINUTE, "repaired"),
        (START + 11 * MINUTE, START + 20 * MINUTE, "unrecoverable"),
    ]


def test_completeness_by_minute() -> None:
    window = (START, START + 3 * MINUTE)
    full = Counted("gate", "A", 120, 0, 0.1, 0.1, (START + MINUTE, window[1]), (), SECOND)
    holes = ((START + MINUTE, START + MINUTE + 30 * SECOND),)
    half = Counted("gate", "B", 90, 0, 0.1, 0.1, (START + MINUTE, window[1]), holes, SECOND)
    # Nothing is due in the first minute; in the second 30 of 120 seconds lack.
    np.testing.assert_array_equal(shares_by_minute([full, half], window), [np.nan, 0.75, 1.0])


_SPANS = st.lists(st.tuples(st.integers(0, 59), st.integers(1, 30)), max_size=6)


def _spans(pairs: Sequence[tuple[int, int]]) -> list[Span]:
    return union((START + first * MINUTE, START + min(60, first + length) * MINUTE) for first, length in pairs)


@given(absent=_SPANS, ours=_SPANS, theirs=_SPANS)
def test_the_ledger_names_each_absent_second_once_and_none_that_is_there(
    absent: list[tuple[int, int]], ours: list[tuple[int, int]], theirs: list[tuple[int, int]]
) -> None:
    others = _spans(theirs)
    gaps = [Gap(*span, State.VENUE_OUTAGE, Evidence(why="it was away"), START) for span in others]
    mine = difference(_spans(ours), others)
    gaps += [Gap(*span, State.UNRECOVERABLE, Evidence(why=NOBODY_LISTENED), START) for span in mine]
    counted = Counted("gate", "BTC/USDT", 1, 0, 0.1, 0.1, WINDOW, tuple(_spans(absent)), SECOND)
    after = in_line(gaps, counted, AFTER)
    assert [gap for gap in after if gap.state is State.VENUE_OUTAGE] == gaps[: len(others)]
    named = [gap.span for gap in after if gap.state is State.UNRECOVERABLE]
    assert union(named) == sorted(named)
    # Of absent seconds all that nobody else has named, and nothing else.
    assert named == difference(_spans(absent), others)
    repaired = [gap.span for gap in after if gap.state is State.REPAIRED]
    assert sorted(repaired) == difference(mine, _spans(absent))
    assert steps(named, SECOND) + steps(repaired, SECOND) >= steps(mine, SECOND)
