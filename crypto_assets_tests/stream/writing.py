"""A writer in hand, who hears it, and a database that can be taken away.

What belongs here: what tests of storing and of the lock share. What does not: assertions.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2
import pytest
from psycopg2 import sql
from sqlalchemy import make_url

from crypto_assets.stream.counters import WriterCounters
from crypto_assets.stream.ownership import Claim
from crypto_assets.stream.snapshots import SECOND
from crypto_assets.stream.standing import Lines
from crypto_assets.stream.writer import Writer, WriterRules
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.stream.quoting import BTC, ETH, NOON, second_of

PATIENCE = 20.0
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Ear:
    """Hears of a writer, and waits for what it says."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.is_owner = False
        self.seconds: list[int] = []
        self.tables: list[str] = []
        self.known: Sequence[tuple[int, int, int]] = ()
        self.asked = ""
        self.end: tuple[str, BaseException | None] | None = None

    def owned(self, seconds: Sequence[tuple[int, int, int]]) -> None:
        self._note(lambda: (setattr(self, "is_owner", True), setattr(self, "known", seconds)))

    def stored(self, batch: Sequence[Lines], milliseconds: float) -> None:
        assert milliseconds > 0
        self._note(lambda: self.seconds.extend(lines.at for lines in batch if lines.rows))
        self._note(lambda: self.tables.extend(lines.table for lines in batch))

    def asked_to_leave(self, who: str) -> None:
        self._note(lambda: setattr(self, "asked", who))

    def ended(self, why: str, error: BaseException | None) -> None:
        self._note(lambda: setattr(self, "end", (why, error)))

    def until(self, condition: Callable[[], object]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, PATIENCE), (self.seconds, self.end)

    def _note(self, change: Callable[[], object]) -> None:
        with self.changed:
            change()
            self.changed.notify_all()


class Hand:
    """A writer with its ear and its counters."""

    def __init__(self, warehouse: Warehouse, folder: Path, claim: Claim = Claim.REFUSE, **rules: int) -> None:
        self.ear = Ear()
        self.counters = WriterCounters()
        memory, spill = rules.get("memory_seconds", 3), rules.get("max_spill_bytes", 10_000_000)
        told = WriterRules(SECOND, memory, spill, folder, claim)
        self.writer = Writer(warehouse, told, NOON + rules.get("began", 0), self.counters, self.ear)
        self.writer.start()

    def put(self, *seconds: int, bid: str = "100.10") -> None:
        for second in seconds:
            self.writer.put([second_of(NOON + second * SECOND, (BTC, ETH), bid=bid)])

    def end(self) -> tuple[str, BaseException | None]:
        self.writer.leave()
        assert self.writer.join(PATIENCE)
        assert self.ear.end is not None
        return self.ear.end


def eventually(condition: Callable[[], object]) -> None:
    for _ in range(1000):
        if condition():
            return
        threading.Event().wait(0.02)
    pytest.fail("it did not come to that")


def stored(warehouse: Warehouse) -> list[tuple[str, int]]:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT symbol, snapshot_at FROM market.book_ticker_snapshots ORDER BY snapshot_at, symbol")
        noon = EPOCH + timedelta(microseconds=NOON)
        return [(symbol, round((at - noon).total_seconds())) for symbol, at in cursor.fetchall()]


def both(*seconds: int) -> list[tuple[str, int]]:
    return [(symbol, second) for second in seconds for _, symbol in (BTC, ETH)]


def ledger(warehouse: Warehouse) -> list[tuple[object, ...]]:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT symbol, extract(epoch FROM gap_start)::float8, extract(epoch FROM gap_end)::float8, state,"
            " evidence->>'why', timeframe, dataset FROM quality.coverage ORDER BY symbol, gap_start"
        )
        noon = NOON / SECOND
        rows = cursor.fetchall()
    assert {row[5:] for row in rows} <= {("tick", "market/book_ticker_snapshots")}
    return [(symbol, start - noon, end - noon, state, why) for symbol, start, end, state, why, *_ in rows]


@contextmanager
def administering(warehouse: Warehouse) -> Iterator[Callable[[str], None]]:
    """Statements on another database of the server, each with {} for the warehouse's name."""
    url = make_url(warehouse.url.get_secret_value())
    address = url.set(database="postgres").translate_connect_args(username="user", database="dbname")
    with closing(psycopg2.connect(**address)) as connection, connection.cursor() as cursor:
        connection.autocommit = True

        def run(statement: str) -> None:
            cursor.execute(
                sql.SQL(statement).format(name=sql.Identifier(str(url.database)), text=sql.Literal(str(url.database)))
            )

        yield run


TERMINATE = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = {text}"


@contextmanager
def away(warehouse: Warehouse) -> Iterator[None]:
    """The database lets nobody in, and throws out who is."""
    with administering(warehouse) as run:
        run("ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        run(TERMINATE)
        try:
            yield
        finally:
            run("ALTER DATABASE {name} ALLOW_CONNECTIONS true")
