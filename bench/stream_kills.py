"""kill -9 of the stream and of PostgreSQL at random moments: nothing doubled, and every second that lacks is in the ledger.

What belongs here: killing, starting again and counting. What does not: the run worker under Dagster (stream_workers.py).

Between a kill of the stream and its successor nobody can listen: those seconds lack, and no others. While PostgreSQL is gone
the stream keeps what it has: nothing may lack.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import psutil

from bench.event_stage import Figure
from bench.stream_stage import Stream, World, ledger, stored, world
from bench.stream_truth import judge

SEED = 20261121
RATE = 5.0
BACK_SECONDS = 15
PATIENCE_SECONDS = 120
DYING_SECONDS = 4
_NEWEST = "SELECT extract(epoch FROM max(snapshot_at))::bigint FROM market.book_ticker_snapshots"
_DOUBLED = """
SELECT count(*) - count(DISTINCT (venue, symbol, snapshot_at)) FROM market.book_ticker_snapshots
"""
type Gap = tuple[float, float]  # from a kill to the first second that is whole again, seconds since 1970


def measure(kills: int) -> list[Figure]:
    """So many kills of the stream, then of the database."""
    with world(("mexc", "gate"), 20, RATE) as here:
        return _stream(here, kills) + _database(here, kills)


def _stream(here: World, kills: int) -> list[Figure]:
    stream = Stream(here, "--wait")

    def strike() -> None:
        stream.kill()
        stream.start()

    return _campaign(here, stream, kills, strike, "the stream")


def _database(here: World, kills: int) -> list[Figure]:
    def strike() -> None:
        with here.warehouse.connect() as connection:
            postmaster = psutil.Process(connection.get_backend_pid()).parent()
        if postmaster is not None:
            postmaster.kill()  # its backends end when they notice
        here.server.start()

    return _campaign(here, Stream(here, "--wait"), kills, strike, "PostgreSQL", lost=0)


def _campaign(
    here: World, stream: Stream, kills: int, strike: Callable[[], None], whose: str, lost: int | None = None
) -> list[Figure]:
    dice = random.Random(SEED)  # noqa: S311 - the same moments in every run
    stream.start()
    time.sleep(10)
    start = datetime.now(UTC).replace(microsecond=0)
    struck = []
    for _ in range(kills):
        time.sleep(dice.uniform(2, 8))
        struck.append(time.time())
        strike()
        back(here, time.time())
    time.sleep(5)
    end = datetime.now(UTC).replace(microsecond=0)
    time.sleep(2)
    code = stream.stop()
    figures = outcome(here, f"{kills} kills of {whose}", (start, end), struck, lost)
    return [*figures, Figure("  exit code at the end", code, at_most=0)]


def outcome(
    here: World, name: str, span: tuple[datetime, datetime], kills: Sequence[float], lost: int | None
) -> list[Figure]:
    """What the table and the ledger say of a span with kills.

    Args:
        kills: When, seconds since 1970.
        lost: How many seconds times markets may lack; None for as many as nobody could write.
    """
    start, end = span
    markets = [(venue, symbol) for venue in here.venues for symbol in here.symbols]
    rows = stored(here.warehouse, start, end)
    truth = judge(rows, ledger(here.warehouse), markets, span, RATE, 10)
    absent = {(venue, symbol, at) for venue, symbol in markets for at in _seconds(start, end)}
    absent -= set(rows[["venue", "symbol", "at"]].itertuples(index=False, name=None))
    whole = set(_seconds(start, end)) - {at for _, _, at in absent}
    gaps = [_gap(killed, whole) for killed in kills]
    outside = [one for one in absent if not any(begun - 1 < one[2] < back for begun, back in gaps)]
    lasting = sorted(back - begun for begun, back in gaps)
    return [
        Figure(f"{name}: seconds times markets", truth.due),
        Figure("  rows doubled", one_number(here, _DOUBLED), at_most=0),
        Figure("  seconds times markets that lack", len(absent), at_most=lost),
        Figure("  of these, nowhere named", len(truth.unnamed), at_most=0, told=str(truth.unnamed[:3] or "")),
        Figure("  of these, while it could write", len(outside), at_most=0, told=str(sorted(outside)[:3] or "")),
        Figure("  rows that are fresh and not true", len(truth.wrong), at_most=0, told=str(truth.wrong[:3] or "")),
        Figure(
            "  longest until a second is stored again",
            lasting[-1],
            "s",
            at_most=BACK_SECONDS,
            told=f"median {lasting[len(lasting) // 2]:.1f} s",
        ),
    ]


def _gap(killed: float, whole: set[int]) -> Gap:
    """From a kill to the first second behind it that is whole again; what is killed may store for a moment yet."""
    at = next((at for at in range(int(killed), int(killed) + DYING_SECONDS) if at not in whole), None)
    if at is None:
        return killed, killed
    while at not in whole and at < killed + PATIENCE_SECONDS:
        at += 1
    return killed, max(killed, at)


def back(here: World, killed: float) -> float:
    """The first stored second behind a kill."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        newest = one_number(here, _NEWEST)
        if newest > killed:
            return newest
        time.sleep(0.2)
    raise RuntimeError("nothing is stored any more")


def _seconds(start: datetime, end: datetime) -> Sequence[int]:
    return range(int(start.timestamp()), int(end.timestamp()))


def one_number(here: World, query: str) -> int:
    with here.warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(query)
        row = cursor.fetchone()
    return int(row[0] or 0) if row else 0
