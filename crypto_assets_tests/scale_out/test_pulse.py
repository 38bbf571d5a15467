"""A run's pulse on a real PostgreSQL: held while the block lasts, by one process, through a broken connection."""

import itertools
import time
from collections.abc import Callable

import pytest
import structlog

from crypto_assets.scale_out import pulse as module
from crypto_assets.scale_out.pulse import RunTaken, await_database, has_pulse, pulse
from crypto_assets.warehouse.connection import DatabaseUnreachable, Warehouse

RUN, OTHER = "0f6d", "77aa"


def _until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < ends, "it never held"
        time.sleep(0.02)


def _holders(warehouse: Warehouse) -> list[int]:
    """The server's processes that hold a lock of ours."""
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT l.pid FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
            " WHERE l.locktype = 'advisory' AND d.datname = current_database()"
        )
        return [row[0] for row in cursor.fetchall()]


def test_a_run_is_seen_at_work_for_as_long_as_somebody_is(warehouse: Warehouse) -> None:
    assert not has_pulse(warehouse, RUN)
    with pulse(warehouse, RUN, lambda: None):
        assert has_pulse(warehouse, RUN)
        assert not has_pulse(warehouse, OTHER)
    assert not has_pulse(warehouse, RUN)


def test_a_message_that_came_twice_is_not_executed_twice(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TAKE_SECONDS", 0.3)
    with pulse(warehouse, RUN, lambda: None):
        with pytest.raises(RunTaken, match=RUN), pulse(warehouse, RUN, lambda: None):
            pytest.fail("two are at work on one run")
        assert has_pulse(warehouse, RUN)


def test_a_database_that_was_away_does_not_end_it(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.05)
    with pulse(warehouse, RUN, lambda: None):
        [before] = _holders(warehouse)
        with warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", (before,))
        _until(lambda: _holders(warehouse) not in ([], [before]))
        assert has_pulse(warehouse, RUN)


def test_whoever_asks_does_not_take_it_away(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.02)
    with pulse(warehouse, RUN, lambda: looks.append(time.monotonic())):
        assert all(has_pulse(warehouse, RUN) for _ in range(20))
        _until(lambda: len(looks) > 3)


def _unreachable(times: int, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """The next so many calls of the warehouse's method find no database."""
    usual, calls = getattr(Warehouse, method), itertools.count(1)

    def asked(self: Warehouse) -> object:
        if next(calls) <= times:
            raise DatabaseUnreachable("the database is away")
        return usual(self)

    monkeypatch.setattr(Warehouse, method, asked)


def test_a_run_waits_for_a_database_that_restarts(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ASK_SECONDS", 0.01)
    _unreachable(3, monkeypatch, "check")
    await_database(warehouse)
    assert warehouse.check()


def test_a_run_does_not_wait_for_ever(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ASK_SECONDS", 0.01)
    _unreachable(1_000_000, monkeypatch, "check")
    with pytest.raises(DatabaseUnreachable, match="the database is away"):
        await_database(warehouse, 0.05)


def test_a_database_that_is_away_is_not_another_process(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TAKE_SECONDS", 0.3)
    monkeypatch.setattr(module, "_AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(Warehouse, "check", lambda _: "18")  # it goes right after the first look
    _unreachable(1_000_000, monkeypatch, "connect")
    with (
        pytest.raises(DatabaseUnreachable, match=r"did not answer for 0\.3 s when run 0f6d was to begin"),
        pulse(warehouse, RUN, lambda: None),
    ):
        pytest.fail("nobody holds it")


def test_a_look_that_fails_does_not_let_go_of_the_run(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    def look() -> None:
        raise ValueError("nobody expected it")

    monkeypatch.setattr(module, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(module, "log", structlog.wrap_logger(None, wrapper_class=structlog.stdlib.BoundLogger))
    with structlog.testing.capture_logs() as lines, pulse(warehouse, RUN, look):
        [holder] = _holders(warehouse)
        _until(lambda: len(lines) > 3)
        assert _holders(warehouse) == [holder]
        assert has_pulse(warehouse, RUN)
    assert {(line["run"], line["error"]) for line in lines} == {(RUN, "ValueError")}
