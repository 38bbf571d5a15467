"""Progress, refused rows, scores and gaps: what beside the rows themselves must be right."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name

from crypto_assets.warehouse.collected import mark_collected, read_collected
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.quarantine import MAX_PAYLOAD_BYTES, Refused, payload_json, quarantine

SERIES = ("market/ohlcv", "kraken", "BTC/USD", "1m")
NAMED = {"dataset": "market/ohlcv", "venue": "kraken", "symbol": "BTC/USD", "timeframe": "1m"}
patient = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def day(number: int) -> datetime:
    return datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=number)


def one_row(connection: Connection, statement: str) -> tuple[object, ...]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        rows = cursor.fetchall()
    assert len(rows) == 1
    row: tuple[object, ...] = rows[0]
    return row


def test_spans_grow_together_where_they_touch_and_stay_apart_where_not(connection: Connection) -> None:
    assert read_collected(connection, *SERIES) == []
    for start, end in ((0, 2), (5, 6), (2, 3), (1, 2)):
        mark_collected(connection, *SERIES, day(start), day(end))
    assert read_collected(connection, *SERIES) == [(day(0), day(3)), (day(5), day(6))]
    assert read_collected(connection, "market/ohlcv", "kraken", "ETH/USD", "1m") == []


def test_spans_come_in_utc_whatever_the_session_says(connection: Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET TIME ZONE 'Asia/Tokyo'")
    mark_collected(connection, *SERIES, day(0).astimezone(), day(1))
    ((start, end),) = read_collected(connection, *SERIES)
    assert (start, end, start.tzinfo, end.tzinfo) == (day(0), day(1), UTC, UTC)


@pytest.mark.parametrize(("start", "end"), [(day(1), day(1)), (day(2), day(1)), (day(0).replace(tzinfo=None), day(1))])
def test_spans_that_say_nothing_are_refused(connection: Connection, start: datetime, end: datetime) -> None:
    with pytest.raises(ValueError, match="span"):
        mark_collected(connection, *SERIES, start, end)


def test_progress_rolls_back_with_the_rows(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        mark_collected(connection, *SERIES, day(0), day(1))
        connection.rollback()
    with warehouse.connect() as connection:
        assert read_collected(connection, *SERIES) == []


def test_the_same_refused_row_is_kept_once_and_counted(connection: Connection) -> None:
    row = Refused("high below low", [1704067200000, 1.0, 0.5, 2.0, 1.5, 10.0])
    assert quarantine(connection, **NAMED, items=[row, row]) == 2
    assert quarantine(connection, **NAMED, items=[row, Refused("another rule", row.payload)]) == 2
    assert quarantine(connection, **NAMED, items=[]) == 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT reason, payload, occurrences FROM quality.quarantine ORDER BY reason")
        rows = cursor.fetchall()
    assert rows == [
        ("another rule", [1704067200000, 1.0, 0.5, 2.0, 1.5, 10.0], 1),
        ("high below low", [1704067200000, 1.0, 0.5, 2.0, 1.5, 10.0], 3),
    ]


def test_two_writers_of_the_same_refused_rows_do_not_block_each_other_for_ever(warehouse: Warehouse) -> None:
    items = [Refused("rule", number) for number in range(200)]

    def write(ordered: list[Refused]) -> None:
        with warehouse.connect() as connection:
            quarantine(connection, **NAMED, items=ordered)

    threads = [threading.Thread(target=write, args=(ordered,)) for ordered in (items, items[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with warehouse.connect() as connection:
        assert one_row(connection, "SELECT count(*), sum(occurrences) FROM quality.quarantine") == (200, 400)


@pytest.mark.parametrize(
    ("payload", "kept"),
    [
        (None, None),
        ({"a": float("nan"), "b": float("inf"), "c": -0.5}, {"a": "nan", "b": "inf", "c": -0.5}),
        (b"<html>\x00\xff</html>", "<html>\\u0000\\xff</html>"),
        ("a\0b\ud800", "a\\u0000b\\ud800"),
        ({"k\0": 1, 2: "two"}, {"k\\u0000": 1, "2": "two"}),
        ((1, [2, {3}]), [1, [2, [3]]]),
        (np.array([1.5, np.nan]), [1.5, "nan"]),
        (np.int64(7), 7),
        (Decimal("1.10"), "1.10"),
        (datetime(2024, 1, 1, tzinfo=UTC), "2024-01-01T00:00:00+00:00"),
        (10**40, hex(10**40)),
        (True, True),
    ],
)
def test_any_payload_is_made_storable(connection: Connection, payload: object, kept: object) -> None:
    quarantine(connection, **NAMED, items=[Refused("rule", payload)])
    assert one_row(connection, "SELECT payload FROM quality.quarantine") == (kept,)


@patient
@given(
    payload=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_postgresql_takes_whatever_the_encoder_makes(shared_warehouse: Warehouse, payload: object) -> None:
    with shared_warehouse.connect() as connection:
        quarantine(connection, **NAMED, items=[Refused(str(payload), payload)])
        connection.rollback()


def test_a_payload_that_is_too_large_is_cut_and_says_how_large_it_was() -> None:
    for payload in ('"\\' * 100_000, "ü" * 100_000, [{"k": 1}] * 50_000):
        text = payload_json(payload)
        assert len(text.encode()) <= MAX_PAYLOAD_BYTES
        assert json.loads(text)["original_bytes"] > MAX_PAYLOAD_BYTES


def test_a_payload_that_is_nested_without_end_is_cut() -> None:
    endless: list[object] = []
    endless.append(endless)
    assert "nested too deeply" in payload_json(endless)


SCORED = (
    "INSERT INTO quality.scores (dataset, venue, symbol, timeframe, run_id, window_start, window_end, checks, weights)"
)
WEIGHTS = {"accuracy": 0.4, "completeness": 0.4, "timeliness": 0.2}
CHECKS = {
    "order": {"dimension": "accuracy", "checked": 100, "failed": 10},
    "bounds": {"dimension": "accuracy", "checked": 100, "failed": 50},
    "gaps": {"dimension": "completeness", "checked": 10, "failed": 1},
    "recent": {"dimension": "timeliness", "checked": 1, "failed": 0},
    "nothing": {"dimension": "accuracy", "checked": 0, "failed": 0},
}


def score(connection: Connection, checks: object, end: datetime | None = None) -> tuple[object, ...]:
    with connection.cursor() as cursor:
        values = (*SERIES, "run", day(0), end or day(1), json.dumps(checks), json.dumps(WEIGHTS))
        cursor.execute(f"{SCORED} VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)", values)
    return one_row(connection, "SELECT accuracy, completeness, timeliness, overall FROM quality.scores")


def test_a_score_is_the_worst_share_of_its_dimension_and_overall_their_weighted_mean(connection: Connection) -> None:
    accuracy, completeness, timeliness, overall = score(connection, CHECKS)
    assert (accuracy, completeness, timeliness) == (0.5, 0.9, 1.0)
    assert overall == pytest.approx(0.4 * 0.5 + 0.4 * 0.9 + 0.2 * 1.0)


def test_overall_weighs_only_what_was_measured(connection: Connection) -> None:
    checks = {name: CHECKS[name] for name in ("bounds", "recent", "nothing")}
    assert score(connection, checks) == (0.5, None, 1.0, pytest.approx((0.4 * 0.5 + 0.2 * 1.0) / 0.6))


def test_no_checks_are_no_score(connection: Connection) -> None:
    assert score(connection, {}) == (None, None, None, None)


def test_impossible_scores_are_refused(connection: Connection) -> None:
    with pytest.raises(psycopg2.errors.CheckViolation):
        score(connection, {"x": {"dimension": "accuracy", "checked": 1, "failed": 2}})
    connection.rollback()
    with pytest.raises(psycopg2.errors.CheckViolation):
        score(connection, {}, end=day(-1))


@pytest.mark.parametrize(("state", "end"), [("lost", day(1)), ("missing", day(0))])
def test_gaps_have_a_known_state_and_a_length(connection: Connection, state: str, end: datetime) -> None:
    statement = (
        "INSERT INTO quality.coverage (dataset, venue, symbol, timeframe, gap_start, gap_end, state, evidence)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, '{}')"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, (*SERIES, day(0), day(1), "venue_quiet"))
        with pytest.raises(psycopg2.errors.CheckViolation):
            cursor.execute(statement, (*SERIES, day(0), end, state))
