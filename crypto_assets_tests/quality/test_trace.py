"""From a key to the runs that stored each of its versions, and to the ledgers where there is no row."""

from datetime import UTC, datetime, timedelta

import pytest

from crypto_assets.datasets.market.ohlcv.table import DATASET, ohlcv
from crypto_assets.origin import Origin
from crypto_assets.quality.coverage import write_changes
from crypto_assets.quality.gaps import Evidence, Gap, State
from crypto_assets.quality.series import SeriesKey
from crypto_assets.quality.trace import KeyRefused, RunUnknown, trace_row, trace_run
from crypto_assets.warehouse.collected import mark_collected
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.quarantine import Refused, quarantine
from crypto_assets.warehouse.write import upsert
from crypto_assets_tests.warehouse.bars import batch

FIRST, SECOND = (Origin(f"{name}-0000-run", f"schedule {name}", "tick") for name in ("aaaa", "bbbb"))
KEY = ("kraken", "BTC/USD", "1m", "2024-01-01T00:02")


@pytest.fixture
def warehouse(warehouse: Warehouse) -> Warehouse:
    """Five bars by one run, of which another run changed two, one of them twice."""
    for origin, close, first, count in ((FIRST, 100.0, 0, 5), (SECOND, 101.0, 2, 2), (SECOND, 102.0, 2, 1)):
        with warehouse.on_behalf_of(origin).connect() as connection:
            upsert(connection, ohlcv, batch(count, first=first, close=close))
    return warehouse


def test_a_row_and_each_version_before_it_lead_to_their_runs(warehouse: Warehouse) -> None:
    found = trace_row(warehouse, ohlcv, KEY)
    assert found.now is not None
    assert found.now.write is not None
    assert (found.now.row["close"], found.now.write.run_id, found.now.write.changed) == (104.0, SECOND.run_id, 1)
    assert found.now.write.is_proven
    closes = [(one.row["close"], one.write.run_id if one.write else None) for one in found.before]
    assert closes == [(102.0, FIRST.run_id), (103.0, SECOND.run_id)]
    assert [one.until for one in found.before] == [found.before[1].since, found.now.since]
    other = trace_row(warehouse, ohlcv, (*KEY[:3], "2024-01-01 01:04+01:00"))
    assert other.now is not None
    assert other.now.write is not None
    assert (other.now.row["close"], other.now.write.run_id, other.before) == (104.0, FIRST.run_id, [])


def test_of_two_notes_of_the_same_moment_the_one_of_the_rows_transaction_counts(warehouse: Warehouse) -> None:
    for number in (0, 1_000_000):
        with warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO ops.writes (write_id, table_name, rows_ingested_at, rows_inserted, rows_changed, rows_deleted,"
                " run_id) OVERRIDING SYSTEM VALUE SELECT %s, table_name, rows_ingested_at, 1, 0, 0, 'another' FROM ops.writes"
                " WHERE run_id = %s",
                (number, FIRST.run_id),
            )
    found = trace_row(warehouse, ohlcv, (*KEY[:3], "2024-01-01T00:00"))
    assert found.now is not None
    assert found.now.write is not None
    assert (found.now.write.run_id, found.now.write.is_proven) == (FIRST.run_id, True)


def test_a_restored_row_is_found_by_its_time_and_a_deleted_one_by_its_revisions(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE dump AS SELECT * FROM market.ohlcv")
        cursor.execute("ALTER TABLE market.ohlcv DISABLE TRIGGER USER; DELETE FROM market.ohlcv")
        cursor.execute("INSERT INTO market.ohlcv SELECT * FROM dump; ALTER TABLE market.ohlcv ENABLE TRIGGER USER")
    found = trace_row(warehouse, ohlcv, KEY)
    assert found.now is not None
    assert found.now.write is not None
    assert (found.now.write.run_id, found.now.write.is_proven) == (SECOND.run_id, False)
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM market.ohlcv")
    gone = trace_row(warehouse, ohlcv, KEY)
    assert gone.now is None
    assert [one.row["close"] for one in gone.before] == [102.0, 103.0, 104.0]


def test_rows_whose_table_has_a_clock_of_its_own_are_found_by_their_transaction(warehouse: Warehouse) -> None:
    from crypto_assets.schema.bookkeeping import coverage  # noqa: PLC0415 - of this test alone

    start = datetime(2024, 1, 1, 1, tzinfo=UTC)
    gap = Gap(start, start + timedelta(minutes=9), State.VENUE_OUTAGE, Evidence(why="nobody traded"), start)
    with warehouse.on_behalf_of(FIRST).connect() as connection:
        write_changes(connection, SeriesKey(DATASET, *KEY[:3]), [], [gap])
    times = [f"{moment:%Y-%m-%dT%H:%M}" for moment in gap.span]
    found = trace_row(warehouse, coverage, (DATASET, *KEY[:3], *times))
    assert found.now is not None
    assert found.now.write is not None
    assert (found.now.write.run_id, found.now.write.is_proven) == (FIRST.run_id, True)


def test_an_absent_row_leads_to_the_ledgers(warehouse: Warehouse) -> None:
    start = datetime(2024, 1, 1, 1, tzinfo=UTC)
    absent = (*KEY[:3], "2024-01-01T01:05")
    assert trace_row(warehouse, ohlcv, absent).absence is not None
    nothing = trace_row(warehouse, ohlcv, absent).absence
    assert nothing is not None
    assert (nothing.asked, nothing.gaps, nothing.refused) == (None, [], [])
    milliseconds = int(start.timestamp()) * 1000
    with warehouse.connect() as connection:
        mark_collected(connection, DATASET, *KEY[:3], start, start + timedelta(hours=1))
        gap = Gap(start, start + timedelta(minutes=9), State.VENUE_OUTAGE, Evidence(why="nobody traded"), start)
        write_changes(connection, SeriesKey(DATASET, *KEY[:3]), [], [gap])
        items = [Refused("high below low", [milliseconds + place * 60_000, 1, 0]) for place in (5, 6, 50)]
        quarantine(connection, dataset=DATASET, venue=KEY[0], symbol=KEY[1], timeframe=KEY[2], items=items)
    found = trace_row(warehouse, ohlcv, absent).absence
    assert found is not None
    assert found.asked
    assert [(gap[0], gap[1], gap[3]) for gap in found.gaps] == [("venue_outage", start, "nobody traded")]
    assert [names_it for *_, names_it in found.refused] == [True, False, False]
    assert str(milliseconds + 300_000) in found.refused[0][1]
    later = trace_row(warehouse, ohlcv, (*KEY[:3], "2024-01-01T02:05")).absence
    assert later is not None
    assert (later.asked, later.gaps) == (False, [])


def test_a_run_says_what_it_wrote_table_by_table(warehouse: Warehouse) -> None:
    [told] = trace_run(warehouse, SECOND.run_id)
    assert (told.table, told.transactions, told.inserted, told.changed) == ("market.ohlcv", 2, 0, 3)
    assert told.triggered_by == "schedule bbbb"
    assert trace_run(warehouse, "aaaa-0000")[0].inserted == 5
    for unknown in ("aaaa-00%_", "cccc-0000", "aaaa"):
        with pytest.raises(RunUnknown):
            trace_run(warehouse, unknown)
    with warehouse.on_behalf_of(Origin("aaaa-0000-other")).connect() as connection:
        upsert(connection, ohlcv, batch(1, first=50))
    with pytest.raises(RunUnknown, match="2 runs begin with aaaa-0000"):
        trace_run(warehouse, "aaaa-0000")


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (("kraken",), "has 4 parts, and 1 were given"),
        ((*KEY, "x"), "has 4 parts, and 5 were given"),
        ((*KEY[:3], "yesterday'; DROP TABLE market.ohlcv; --"), "does not fit"),
    ],
    ids=["too few", "too many", "no time"],
)
def test_a_key_that_does_not_fit_is_refused(shared_warehouse: Warehouse, key: tuple[str, ...], said: str) -> None:
    with pytest.raises(KeyRefused, match=said):
        trace_row(shared_warehouse, ohlcv, key)
