"""Pages of trades into the database: digits, progress, what was lost, and what came after all."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from crypto_assets.clients.exchange_bars import RefusedRow
from crypto_assets.datasets.dex.pool_trades.collect import pace_of, store_page
from crypto_assets.datasets.dex.pool_trades.continuity import known_until, series_of
from crypto_assets.datasets.dex.pool_trades.table import DATASET, pool_trades
from crypto_assets.quality.coverage import SeriesKey, read_gaps
from crypto_assets.universe import DexRules
from crypto_assets.warehouse.collected import read_collected
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame
from crypto_assets_tests.datasets.dex.pool_trades.pages import Made, page_of
from crypto_assets_tests.datasets.dex.world import KeptOpen

RULES = DexRules()
SMALL = DexRules(window_trades=10, wanted_trades=5, window_hours=1)
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
START = int(NOON.timestamp())
KEY = series_of("solana", "pool")
_numbers = count()


@pytest.fixture
def warehouse(warehouse: Warehouse) -> Iterator[Warehouse]:
    kept = KeptOpen(warehouse)
    yield kept
    kept.close()


def _seconds(warehouse: Warehouse, key: SeriesKey) -> set[tuple[int, int]]:
    c = pool_trades.c
    rows = read_frame(warehouse, select(c.traded_at, c.ordinal).where(c.pool_address == key.symbol))
    return {(int(at.timestamp()), int(ordinal)) for at, ordinal in rows.itertuples(index=False)}


def _lost(warehouse: Warehouse, key: SeriesKey) -> list[tuple[datetime, datetime, str]]:
    gaps = read_gaps(warehouse, dataset=DATASET, symbol=key.symbol)
    return [(row["gap_start"], row["gap_end"], row["state"]) for row in gaps.to_dict("records")]


def _collected(warehouse: Warehouse, key: SeriesKey) -> list[tuple[datetime, datetime]]:
    with warehouse.connect() as connection:
        return read_collected(connection, *key.values())


def test_sixty_digits_come_out_as_they_went_in(warehouse: Warehouse) -> None:
    amounts = [
        "123456789012345678901234567890.123456789012345678901234567891",
        "0." + "0" * 59 + "7",
        "98765432109876543210987654321098765432109876543210987654321",
    ]
    page = page_of([Made(START, number, amount) for number, amount in enumerate(amounts)])
    store_page(warehouse, KEY, page, NOON, RULES)
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT amount_base::text, amount_quote::text FROM dex.pool_trades ORDER BY ordinal")
        rows = cursor.fetchall()
    assert rows == [(amount, amount) for amount in amounts]


def test_a_page_a_second_time_writes_nothing(warehouse: Warehouse) -> None:
    page = page_of([Made(START + second, second) for second in range(30)])
    first = store_page(warehouse, KEY, page, NOON + timedelta(minutes=5), RULES).outcome
    again = store_page(warehouse, KEY, page, NOON + timedelta(minutes=5), RULES).outcome
    assert (first.received, first.inserted, first.changed) == (30, 30, 0)
    assert (again.received, again.inserted, again.changed) == (30, 0, 0)
    assert (first.first, first.last) == (NOON, NOON + timedelta(seconds=29))
    [row] = read_frame(warehouse, select(pool_trades).where(pool_trades.c.ordinal == 7)).to_dict("records")
    assert row["known_at"] - row["traded_at"] == timedelta(seconds=60)
    assert (row["side"], row["block_number"], row["sender"]) == ("buy", START + 7, "somebody")


def test_trades_that_left_the_window_unseen_stand_in_the_ledger(warehouse: Warehouse) -> None:
    every = [Made(START + 10 * number, number) for number in range(200)]  # one in ten seconds, ten a page
    first, second = NOON + timedelta(seconds=500), NOON + timedelta(seconds=1500)
    assert not store_page(warehouse, KEY, page_of(every[41:51]), first, SMALL).outcome.warning
    outcome = store_page(warehouse, KEY, page_of(every[141:151]), second, SMALL).outcome
    assert (outcome.absent, outcome.warning) == (
        1,
        "Trades have left the window unseen; the ledger names the time",
    )
    # From 60 s before the first page was asked for, to a second behind the oldest trade of the second one.
    lost = (NOON + timedelta(seconds=440), NOON + timedelta(seconds=1411))
    assert _lost(warehouse, KEY) == [(*lost, "unrecoverable")]
    assert _collected(warehouse, KEY) == [
        (NOON + timedelta(seconds=411), NOON + timedelta(seconds=440)),
        (NOON + timedelta(seconds=1411), NOON + timedelta(seconds=1440)),
    ]
    # The next page begins with a trade that is stored: nothing is lost any more.
    third = store_page(warehouse, KEY, page_of(every[150:160]), NOON + timedelta(seconds=1590), SMALL).outcome
    assert third.warning == ""
    assert _collected(warehouse, KEY)[-1] == (NOON + timedelta(seconds=1411), NOON + timedelta(seconds=1530))


def test_a_row_that_could_not_be_read_is_doubted_until_it_comes_well(warehouse: Warehouse) -> None:
    every = [Made(START + 10 * number, number) for number in range(20)]
    broken = RefusedRow("a price is not positive", {"attributes": {"block_timestamp": "2026-03-10T12:01:00Z"}})
    asked_at = NOON + timedelta(minutes=5)
    outcome = store_page(warehouse, KEY, page_of([*every[:6], *every[7:]], [broken]), asked_at, RULES).outcome
    assert outcome.quarantined == 1
    minute = (NOON + timedelta(minutes=1), NOON + timedelta(minutes=1, seconds=1))
    assert _lost(warehouse, KEY) == [(*minute, "unrecoverable")]
    store_page(warehouse, KEY, page_of([*every[:6], *every[7:]], [broken]), asked_at + timedelta(minutes=1), RULES)
    assert _lost(warehouse, KEY) == [(*minute, "unrecoverable")]
    store_page(warehouse, KEY, page_of(every), asked_at + timedelta(minutes=5), RULES)
    assert _lost(warehouse, KEY) == [(*minute, "repaired")]


def test_a_row_that_says_nothing_doubts_the_whole_page_until_a_sound_one_comes(warehouse: Warehouse) -> None:
    every = [Made(START + 10 * number, number) for number in range(20)]
    asked_at = NOON + timedelta(minutes=5)
    store_page(warehouse, KEY, page_of(every, [RefusedRow("the row is no object", None)]), asked_at, RULES)
    day = (asked_at - timedelta(hours=24), asked_at - timedelta(minutes=1))
    assert _lost(warehouse, KEY) == [(*day, "unrecoverable")]
    store_page(warehouse, KEY, page_of(every), asked_at + timedelta(minutes=5), RULES)
    # Five minutes of that day have left the window in the meantime: of them nobody tells any more.
    later = day[0] + timedelta(minutes=5)
    assert _lost(warehouse, KEY) == [(day[0], later, "unrecoverable"), (later, day[1], "repaired")]


def test_what_no_page_can_bring_any_more_stays_lost(warehouse: Warehouse) -> None:
    every = [Made(START + 10 * number, number) for number in range(200)]
    store_page(warehouse, KEY, page_of(every[0:10]), NOON + timedelta(seconds=90), SMALL)
    store_page(warehouse, KEY, page_of(every[90:100]), NOON + timedelta(seconds=990), SMALL)
    for number in range(95, 150, 5):
        store_page(
            warehouse, KEY, page_of(every[number : number + 10]), NOON + timedelta(seconds=number * 10 + 90), SMALL
        )
    assert [state for *_, state in _lost(warehouse, KEY)] == ["unrecoverable"]


def test_two_trades_of_one_transaction_are_two(warehouse: Warehouse) -> None:
    page = page_of([Made(START, 42, tx="same"), Made(START, 45, tx="same"), Made(START, 42, tx="other")])
    assert store_page(warehouse, KEY, page, NOON + timedelta(minutes=5), RULES).outcome.inserted == 3


def test_pace_is_the_largest_of_the_pages_mean_and_those_of_its_last_minutes() -> None:
    now = NOON
    quiet = page_of([Made(START - 7200 + second, second) for second in range(9)])
    assert pace_of(quiet, now, RULES) == 9 / 86_400
    waking = page_of([Made(START - 900 + second, second) for second in range(9)])
    assert pace_of(waking, now, RULES) == 9 / 900
    woken = page_of([Made(START - 240 + second, second) for second in range(9)])
    assert pace_of(woken, now, RULES) == 9 / 300
    full = page_of([Made(START - 3000 + 10 * number, number) for number in range(300)])
    assert pace_of(full, now, RULES) == 300 / 3000
    burst = page_of([Made(START - 3, number) for number in range(300)])
    assert pace_of(burst, now, RULES) == 100
    assert pace_of(page_of([]), now, RULES) == 0


@st.composite
def _histories(draw: st.DrawFn) -> tuple[list[tuple[Made, int]], list[int]]:
    """Trades with the second in which the API knows each, and the seconds of polls.

    Stretches with a pace of their own each; the API learns of trades in their order, up to 60 seconds late.
    """
    trades: list[tuple[Made, int]] = []
    at, known = 0, 0
    for pace, many in draw(st.lists(st.tuples(st.integers(0, 90), st.integers(1, 25)), min_size=1, max_size=5)):
        for _ in range(many):
            at += draw(st.integers(0, pace)) if pace else 0
            known = max(known, at + draw(st.integers(0, 60)))
            trades.append((Made(START + at, len(trades)), START + known))
    waits = draw(st.lists(st.integers(1, 900), min_size=2, max_size=9))
    return trades, [START + sum(waits[: number + 1]) for number in range(len(waits))]


def _served(trades: Sequence[tuple[Made, int]], now: int) -> list[Made]:
    """What the API serves: the newest ten of the last hour that it knows."""
    return [trade for trade, known in trades if known <= now and trade.second > now - 3600][-10:]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=_histories())
def test_every_trade_is_stored_or_named_lost_or_not_spoken_for_yet(
    warehouse: Warehouse, history: tuple[list[tuple[Made, int]], list[int]]
) -> None:
    trades, polls = history
    key = series_of("solana", f"pool {next(_numbers)}")
    for now in polls:
        store_page(warehouse, key, page_of(_served(trades, now)), datetime.fromtimestamp(now, UTC), SMALL)
    with warehouse.connect() as connection:
        until = known_until(connection, key)
    stored, lost, collected = _seconds(warehouse, key), _lost(warehouse, key), _collected(warehouse, key)
    spoken = [*collected, *((start, end) for start, end, _ in lost)]
    begin = min((start for start, _ in spoken), default=None)
    for trade, _ in trades:
        at = datetime.fromtimestamp(trade.second, UTC)
        if begin is None or until is None or not begin <= at < until:
            continue
        is_lost = any(start <= at < end for start, end, state in lost if state == "unrecoverable")
        assert (trade.second, trade.number) in stored or is_lost, (trade, lost, collected)
        assert any(start <= at < end for start, end in spoken)  # no time between is passed over in silence
