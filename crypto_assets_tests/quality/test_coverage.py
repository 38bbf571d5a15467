"""The ledger in the database: written with the rows, never losing one, readable as of any time."""

import threading
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name

from crypto_assets.datasets.market.ohlcv.table import DATASET, ohlcv
from crypto_assets.quality.coverage import (
    LedgerChanges,
    SeriesKey,
    count_gaps,
    coverage,
    missing_gaps,
    name_open_gaps,
    observe,
    read_gaps,
    read_open,
)
from crypto_assets.quality.gaps import Answer, Span
from crypto_assets.quality.naming import Listing
from crypto_assets.quality.scan import NothingToScan, collected_series, scan
from crypto_assets.schema.bookkeeping import coverage as ledger
from crypto_assets.universe import Gaps
from crypto_assets.warehouse.collected import mark_collected
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.revisions import read_as_of
from crypto_assets.warehouse.write import upsert

HOUR = timedelta(hours=1)
BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
RULES = Gaps()
LISTED = [Listing(None, None)]


def key(symbol: str = "BTC/USDT") -> SeriesKey:
    return SeriesKey(DATASET, "binance", symbol, "1h")


def hour(number: int) -> datetime:
    return BEGIN + number * HOUR


def span(start: int, end: int) -> Span:
    return hour(start), hour(end)


def store(connection: Connection, hours: list[int], symbol: str = "BTC/USDT", whole: tuple[int, int] = (0, 24)) -> None:
    """Bars at these hours, with the progress that says all of `whole` was asked for."""
    opened = np.array([hour(n).replace(tzinfo=None) for n in hours], dtype="datetime64[us]")
    numbers = {name: np.ones(len(hours)) for name in ("open", "high", "low", "close", "volume_base")}
    names = {"venue": "binance", "symbol": symbol, "timeframe": "1h", "source": "test"}
    if hours:
        upsert(
            connection, ohlcv, {**names, "opened_at": opened, "known_at": opened + np.timedelta64(1, "h"), **numbers}
        )
    mark_collected(connection, *key(symbol).values(), *span(*whole))


def rows(connection: Connection, symbol: str = "BTC/USDT") -> list[tuple[int, int, str]]:
    gaps = read_open(connection, key(symbol), span(-1000, 1000))
    return [((one.start - BEGIN) // HOUR, (one.end - BEGIN) // HOUR, one.state.value) for one in gaps]


def test_a_batch_without_gaps_touches_no_row(connection: Connection) -> None:
    assert observe(connection, ohlcv, key(), span(0, 4), []) == LedgerChanges()


def test_holes_are_written_merged_and_closed_and_stay_in_the_ledger(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        observe(connection, ohlcv, key(), span(0, 4), [span(2, 4)])
        observe(connection, ohlcv, key(), span(4, 8), [span(4, 6)])
        assert rows(connection) == [(2, 6, "missing")]
    with warehouse.connect() as connection:
        observe(connection, ohlcv, key(), span(3, 5), [])
        assert rows(connection) == [(2, 3, "missing"), (5, 6, "missing")]
    table = read_gaps(warehouse, dataset=DATASET)
    assert [(row["gap_start"].hour, row["state"]) for row in table.to_dict("records")] == [
        (2, "missing"), (3, "repaired"), (5, "missing"),
    ]  # fmt: skip
    assert table["resolved_at"].notna().tolist() == [False, True, False]


def test_a_bar_that_is_stored_is_no_hole_even_where_the_batch_lacks_it(connection: Connection) -> None:
    store(connection, [2])
    observe(connection, ohlcv, key(), span(0, 4), [span(1, 4)])
    assert rows(connection) == [(1, 2, "missing"), (3, 4, "missing")]


def test_the_ledger_rolls_back_with_the_rows(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        observe(connection, ohlcv, key(), span(0, 4), [span(1, 2)])
        connection.rollback()
    with warehouse.connect() as connection:
        assert rows(connection) == []


def test_a_gap_that_comes_again_is_open_again(connection: Connection) -> None:
    for absent in ([span(1, 2)], [], [span(1, 2)]):
        observe(connection, ohlcv, key(), span(0, 4), absent)
    assert rows(connection) == [(1, 2, "missing")]


def test_the_ledger_can_be_read_as_it_stood(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        observe(connection, ohlcv, key(), span(0, 4), [span(1, 2)])
    then = datetime.now(UTC)
    with warehouse.connect() as connection:
        observe(connection, ohlcv, key(), span(0, 4), [])
    assert read_gaps(warehouse, dataset=DATASET)["state"].tolist() == ["repaired"]
    assert read_as_of(warehouse, ledger, then)["state"].tolist() == ["missing"]


def test_two_writers_of_one_venue_take_turns(warehouse: Warehouse) -> None:
    """The second reads what the first has written, so it cannot open again what was repaired meanwhile."""
    with warehouse.connect() as connection:
        observe(connection, ohlcv, key(), span(0, 4), [span(1, 2)])
    done = threading.Event()

    def second() -> None:
        with warehouse.connect() as connection:
            observe(connection, ohlcv, key("ETH/USDT"), span(0, 4), [span(1, 2)])
        done.set()

    with warehouse.connect() as connection, connection.cursor() as cursor:
        observe(connection, ohlcv, key(), span(0, 4), [])
        other = threading.Thread(target=second)
        other.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        for _ in range(200):
            cursor.execute(waiting)
            if (cursor.fetchone() or (0,))[0]:
                break
            done.wait(0.05)
        assert not done.is_set()
    assert done.wait(10)
    other.join()


def test_an_answer_becomes_evidence_with_its_batch(connection: Connection) -> None:
    observe(connection, ohlcv, key(), span(0, 4), [span(1, 2)])
    answer = Answer(span(1, 2), datetime.now(UTC), "0 bars", is_usable=True)
    observe(connection, ohlcv, key(), span(1, 2), [span(1, 2)], answer=answer, rules=RULES)
    [gap] = read_open(connection, key(), span(0, 4))
    assert (gap.evidence.answers, gap.evidence.asked[0].came) == (1, "0 bars")


def _ask(connection: Connection, symbol: str, hole: Span) -> None:
    observe(connection, ohlcv, key(symbol), hole, [hole])
    answer = Answer(hole, datetime.now(UTC), "0 bars", is_usable=True)
    observe(connection, ohlcv, key(symbol), hole, [hole], answer=answer, rules=RULES)


def test_naming_reads_the_venues_other_markets_and_writes_once(warehouse: Warehouse) -> None:
    hours = list(range(24))
    with warehouse.connect() as connection:
        for symbol in ("A/X", "B/X", "C/X"):
            store(connection, [n for n in hours if n not in {4, 5}], symbol)
            _ask(connection, symbol, span(4, 6))
        store(connection, [n for n in hours if n != 9], "A/X")
        with connection.cursor() as cursor:
            cursor.execute(
                "DELETE FROM market.ohlcv WHERE symbol = 'A/X' AND opened_at IN (%s, %s, %s)",
                (hour(9), hour(4), hour(5)),
            )
        _ask(connection, "A/X", span(9, 10))
        place = (DATASET, "binance", "1h", span(0, 24))
        listings = dict.fromkeys(("A/X", "B/X", "C/X"), LISTED)
        changes = name_open_gaps(connection, ohlcv, *place, listings=listings, rules=RULES)
        assert changes.written == 4
        assert rows(connection, "A/X") == [(4, 6, "venue_outage"), (9, 10, "venue_quiet")]
        assert name_open_gaps(connection, ohlcv, *place, listings=listings, rules=RULES) == LedgerChanges()


def test_a_scan_finds_what_no_writer_noted_and_a_second_one_writes_nothing(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        store(connection, [1, 2, 5, 6, 20], whole=(0, 24))
        observe(connection, ohlcv, key(), span(5, 7), [])
    series = collected_series(warehouse, DATASET)
    first, _ = scan(warehouse, ohlcv, series, listings=lambda _venue: {"BTC/USDT": LISTED}, rules=RULES)
    assert [(one.expected, one.present, one.changes.written) for one in first] == [(24, 5, 4)]
    with warehouse.connect() as connection:
        assert rows(connection) == [(0, 1, "missing"), (3, 5, "missing"), (7, 20, "missing"), (21, 24, "missing")]
    second, named = scan(warehouse, ohlcv, series, listings=lambda _venue: {"BTC/USDT": LISTED}, rules=RULES)
    assert (second[0].changes, named) == (LedgerChanges(), LedgerChanges())


def test_a_scan_expects_nothing_where_nobody_asked(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        store(connection, [0, 1, 2], whole=(0, 3))
        store(connection, [20], whole=(19, 21))
    [one], _ = scan(warehouse, ohlcv, collected_series(warehouse, DATASET), listings=lambda _venue: {}, rules=RULES)
    assert (one.expected, one.present) == (5, 4)
    with warehouse.connect() as connection:
        assert rows(connection) == [(19, 20, "missing")]


def test_a_series_without_any_bar_is_one_gap(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        store(connection, [])
    scan(warehouse, ohlcv, collected_series(warehouse, DATASET), listings=lambda _venue: {}, rules=RULES)
    assert [(at, gap.end - gap.start) for at, gap in missing_gaps(warehouse, DATASET)] == [(key(), 24 * HOUR)]


def test_a_range_outside_the_data_or_an_unknown_market_says_what_there_is(warehouse: Warehouse) -> None:
    with pytest.raises(NothingToScan, match="Nothing of market/ohlcv has been collected for kraken"):
        collected_series(warehouse, DATASET, venue="kraken")
    with warehouse.connect() as connection:
        store(connection, [1])
    with pytest.raises(NothingToScan, match="Nothing has been collected between") as refused:
        collected_series(warehouse, DATASET, start=hour(1000), end=hour(1100))
    assert "from 2024-01-01 00:00 to 2024-01-02 00:00" in refused.value.way_out
    assert collected_series(warehouse, DATASET, start=hour(20), end=hour(99)) == [(key(), span(20, 24))]


def test_coverage_tells_every_moment_once(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        store(connection, [n for n in range(24) if n not in {4, 5}])
        observe(connection, ohlcv, key(), span(0, 24), [span(4, 6)])
    told = coverage(warehouse, DATASET, "binance", "BTC/USDT", hour(-2), hour(26))
    assert list(zip(told["state"], told["bars"], strict=True)) == [
        ("not_collected", 2), ("present", 4), ("missing", 2), ("present", 18), ("not_collected", 2),
    ]  # fmt: skip
    assert (told["span_start"].iloc[1:].to_numpy() == told["span_end"].iloc[:-1].to_numpy()).all()
    assert coverage(warehouse, DATASET, "binance", "NO/SUCH", hour(0), hour(1)).empty
    assert coverage(warehouse, DATASET, "binance", "NO/SUCH", hour(0), hour(1), timeframe="1h")["state"].tolist() == [
        "not_collected"
    ]


def test_gaps_and_their_bars_are_counted_by_state(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        observe(connection, ohlcv, key(), span(0, 24), [span(1, 2), span(4, 8)])
    [counted] = count_gaps(warehouse).to_dict("records")
    assert (counted["venue"], counted["state"], counted["gaps"], counted["bars"]) == ("binance", "missing", 2, 5)
