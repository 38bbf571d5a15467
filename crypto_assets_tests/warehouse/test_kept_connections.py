"""A reader's connection serves the next reader, unless the server has ended it or the reader failed."""

from __future__ import annotations

import gc
import time

import pytest
from sqlalchemy import func, select, text

from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.kept_connections import MOST
from crypto_assets.warehouse.read import Reader, ReadFailed, reading

_BACKEND = select(func.pg_backend_pid().label("pid"))


def backend(reader: Reader) -> int:
    return int(reader.frame(_BACKEND)["pid"].iloc[0])


def once(warehouse: Warehouse) -> int:
    with reading(warehouse) as reader:
        return backend(reader)


def sessions(warehouse: Warehouse) -> set[int]:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
        return {row[0] for row in cursor}


def test_one_reader_after_the_other_is_one_session_and_two_at_once_are_two(warehouse: Warehouse) -> None:
    first = once(warehouse)
    assert once(warehouse) == first
    with reading(warehouse) as one, reading(warehouse) as other:
        assert backend(one) == first
        assert backend(other) != first


def test_no_more_wait_than_read_at_once(warehouse: Warehouse) -> None:
    with reading(warehouse) as a, reading(warehouse) as b, reading(warehouse) as c:
        used = {backend(a), backend(b), backend(c)}
    assert len(used) == 3
    assert len(sessions(warehouse) & used) == MOST == 2


def test_a_session_that_the_server_ended_is_replaced_unseen(warehouse: Warehouse) -> None:
    first = once(warehouse)
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", (first,))
    assert once(warehouse) != first


def test_the_session_of_a_reader_that_failed_is_not_used_again(warehouse: Warehouse) -> None:
    with reading(warehouse) as reader:
        first = backend(reader)
    with pytest.raises(ReadFailed), reading(warehouse) as reader:
        reader.frame(select(text("1/0")))
    assert once(warehouse) != first


def test_waiting_sessions_end_with_their_warehouse(warehouse: Warehouse) -> None:
    mine = Warehouse(warehouse.url)
    first = once(mine)
    assert first in sessions(warehouse)
    del mine
    gc.collect()
    deadline = time.monotonic() + 30
    while first in sessions(warehouse):  # the server takes a moment to notice that a client has gone
        assert time.monotonic() < deadline


def test_a_fork_makes_its_own(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    first = once(warehouse)
    with monkeypatch.context() as forked:
        forked.setattr("crypto_assets.warehouse.kept_connections.os.getpid", lambda: -1)
        assert once(warehouse) != first
    assert once(warehouse) == first
