"""The grid of seconds under any clock, and rows that come back from PostgreSQL as they were."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import BytesIO

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2 import sql

from crypto_assets.clients.book_tickers.quote import Quote
from crypto_assets.datasets.market.book_ticker_snapshots.table import COPY_COLUMNS
from crypto_assets.stream.snapshots import SECOND, GridClock, floor, moment_text, snapshot_lines
from crypto_assets.stream.standing import Snapshot, Standing
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.stream.quoting import NOON

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Over(Exception):
    """The story is told."""


class FakeTime:
    """A clock that sleeps are late on, that work takes time on, and that somebody sets."""

    def __init__(self, start: int, story: list[tuple[int, int]]) -> None:
        self.at = start
        self._story = story
        self.taken: list[tuple[int, int]] = []
        self.skipped_spans: list[tuple[int, int]] = []
        self.expected: list[int] = []

    def now(self) -> int:
        return self.at

    async def sleep(self, seconds: float) -> None:
        if not self._story:
            raise Over
        late, step = self._story.pop()
        self.at += int(seconds * SECOND) + late + step

    def take(self, at: int) -> None:
        self.taken.append((at, self.at))

    def skipped(self, start: int, end: int) -> None:
        self.skipped_spans.append((start, end))

    def expect(self, at: int) -> None:
        self.expected.append(at)


def told(start: int, story: list[tuple[int, int]], step: int = SECOND) -> FakeTime:
    time = FakeTime(start, story)
    with pytest.raises(Over):
        asyncio.run(GridClock(step, time.now, time.sleep).run(time))
    return time


lateness = st.integers(-400, 3_000)  # microseconds: timers fire a little early, too
steps = st.one_of(st.just(0), st.integers(-5 * SECOND, 5 * SECOND))


@given(
    start=st.integers(NOON, NOON + 2 * SECOND),
    story=st.lists(st.tuples(lateness, steps), max_size=40),
    seconds=st.sampled_from([1, 5, 60]),
)
def test_every_second_is_taken_once_in_order_or_told_as_skipped(
    start: int, story: list[tuple[int, int]], seconds: int
) -> None:
    step = seconds * SECOND
    time = told(start, story, step)
    taken = [at for at, _ in time.taken]
    missed = [at for begin, end in time.skipped_spans for at in range(begin, end, step)]
    assert all(at % step == 0 for at in taken)
    assert taken == sorted(set(taken))
    assert all(at <= when for at, when in time.taken)  # never before its second
    if taken:
        assert sorted([*taken, *missed]) == list(range(floor(start, step) + step, taken[-1] + step, step))
    assert set(taken) - set(time.expected) <= {span[1] for span in time.skipped_spans}


def test_errors_do_not_add_up() -> None:
    time = told(NOON + 300_000, [(2_000, 0)] * 600)
    assert max(when - at for at, when in time.taken) <= 2_000
    assert len(time.taken) == 600
    assert time.skipped_spans == []


def test_a_clock_set_back_takes_no_second_twice_and_one_set_forward_tells_what_it_left_out() -> None:
    story = [(100, 0), (100, 0), (100, 4 * SECOND), (100, 0)]
    ahead = told(NOON, list(reversed(story)))
    assert [(at - NOON) // SECOND for at, _ in ahead.taken] == [1, 2, 7, 8]
    assert ahead.skipped_spans == [(NOON + 3 * SECOND, NOON + 7 * SECOND)]
    back = told(NOON, [(0, 0)] * 20 + [(100, -3 * SECOND), (100, 0)])
    taken = [at for at, _ in back.taken]
    assert taken == sorted(set(taken))
    assert back.skipped_spans == []


TEXT = st.text(
    st.characters(codec="utf-8", exclude_characters="\x00", exclude_categories=("Cs",)), min_size=1, max_size=12
)
NUMBER = st.decimals(min_value=Decimal("1e-18"), max_value=Decimal("1e12"), allow_nan=False, places=18).filter(
    lambda number: number > 0
)
MOMENT = st.integers(0, 4_000_000_000 * SECOND)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.tuples(TEXT, TEXT, NUMBER, NUMBER, st.none() | MOMENT, MOMENT, st.booleans()), min_size=1, max_size=5
    )
)
def test_rows_come_back_as_they_were(
    shared_warehouse: Warehouse, rows: list[tuple[str, str, Decimal, Decimal, int | None, int, bool]]
) -> None:
    standings = [
        Standing(
            venue,
            Quote(symbol, f"{bid:f}", "0", f"{ask:f}", "1.50", float(bid), float(ask), event, received, None),
            7,
            stale,
        )
        for venue, symbol, bid, ask, event, received, stale in rows
    ]
    sources = {venue: f"{venue}\\N source" for venue, *_ in rows}
    lines = snapshot_lines(Snapshot(NOON, NOON, standings, []), sources)
    with shared_warehouse.connect() as connection, connection.cursor() as cursor:
        names = {"columns": sql.SQL(", ").join(map(sql.Identifier, COPY_COLUMNS))}
        made = "CREATE TEMP TABLE t ON COMMIT DROP AS SELECT {columns} FROM market.book_ticker_snapshots WITH NO DATA"
        cursor.execute(sql.SQL(made).format(**names))
        cursor.copy_expert(sql.SQL("COPY t ({columns}) FROM STDIN").format(**names), BytesIO(lines.text))
        cursor.execute("SELECT * FROM t")
        stored = cursor.fetchall()
    at = EPOCH + timedelta(microseconds=NOON)
    assert stored == [
        (
            venue, symbol, at, bid, Decimal(0), ask, Decimal("1.50"),
            None if event is None else EPOCH + timedelta(microseconds=event),
            EPOCH + timedelta(microseconds=received), 7, stale, f"{venue}\\N source", at,
        )
        for venue, symbol, bid, ask, event, received, stale in rows
    ]  # fmt: skip


@given(MOMENT)
def test_moments_are_written_to_the_microsecond(moment: int) -> None:
    read = datetime.fromisoformat(moment_text(moment).replace("+00", "+00:00"))
    assert read == EPOCH + timedelta(microseconds=moment)


def test_the_table_refuses_what_cannot_be_a_price(shared_warehouse: Warehouse) -> None:
    def insert(bid: str) -> None:
        with shared_warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT ops.ensure_day_partition('market.book_ticker_snapshots', '2026-03-10')")
            cursor.execute(
                "INSERT INTO market.book_ticker_snapshots (venue, symbol, snapshot_at, bid_price, bid_quantity, ask_price,"
                " ask_quantity, received_at, age_ms, is_stale, source, known_at)"
                " VALUES ('mexc', 'BTC/USDT', '2026-03-10', %s, 1, 2, 1, now(), 0, false, 'x', now())"
                " RETURNING spread, round(spread_pct, 2)",
                (bid,),
            )
            assert cursor.fetchone() == (Decimal("0.75"), Decimal("60.00"))
            connection.rollback()

    insert("1.25")
    for bid in ("0", "NaN", "Infinity"):
        with pytest.raises((psycopg2.errors.CheckViolation, psycopg2.errors.DivisionByZero)):
            insert(bid)
