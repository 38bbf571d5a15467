"""The stream as a whole: hand-over, outages, failures of its parts, and death."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Coroutine
from pathlib import Path

import pytest

from crypto_assets.stream.ownership import AnotherStream, Claim
from crypto_assets.stream.report import Ready
from crypto_assets.stream.sidecar import Plan, Sidecar, StreamFailed
from crypto_assets.universe_stream import StreamRules
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.stream.hand_fed import MARKETS, FastTime, LoopFeed, Notes

SPEED = 5
SQL_SECONDS = """
SELECT extract(epoch FROM snapshot_at)::bigint, count(*), bool_or(is_stale)
  FROM market.book_ticker_snapshots GROUP BY 1 ORDER BY 1
"""
SQL_LEDGER = """
SELECT extract(epoch FROM gap_start)::float8, extract(epoch FROM gap_end)::float8, state
  FROM quality.coverage WHERE symbol = 'BTC/USDT' ORDER BY 1
"""


class Stream:
    """One sidecar with what it is fed by and heard by."""

    def __init__(
        self, warehouse: Warehouse | None, folder: Path, time: FastTime, claim: Claim = Claim.REFUSE, port: int | None = None
    ) -> None:  # fmt: skip
        self.feed = LoopFeed(time)
        self.notes = Notes()
        rules = StreamRules(stale_seconds=5)
        plan = Plan(MARKETS, rules, folder, warehouse, claim=claim, watch_port=port)
        self.sidecar = Sidecar(plan, [self.feed], self.notes, time.now, time.sleep)

    def begin(self) -> asyncio.Task[str]:
        return asyncio.create_task(self.sidecar.run())


def in_loop[T](story: Coroutine[object, object, T]) -> T:
    async def bounded() -> T:
        async with asyncio.timeout(40):
            return await story

    return asyncio.run(bounded())


def seconds_of(warehouse: Warehouse) -> dict[int, tuple[int, bool]]:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(SQL_SECONDS)
        return {at: (rows, is_stale) for at, rows, is_stale in cursor.fetchall()}


def ledger_of(warehouse: Warehouse) -> list[tuple[float, float, str]]:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(SQL_LEDGER)
        return cursor.fetchall()


def untold(warehouse: Warehouse) -> list[int]:
    """Seconds between the first and the last row of which there is neither a row nor a word in the ledger."""
    stored, ledger = seconds_of(warehouse), ledger_of(warehouse)
    return [
        second
        for second in range(min(stored), max(stored) + 1)
        if second not in stored and not any(start <= second < end for start, end, _ in ledger)
    ]


def test_a_hand_over_loses_no_second(warehouse: Warehouse, tmp_path: Path) -> None:
    async def story() -> tuple[str, str, int]:
        time = FastTime(SPEED)
        holder = Stream(warehouse, tmp_path, time)
        holding = holder.begin()
        await holder.notes.until(4)
        successor = Stream(warehouse, tmp_path, time, Claim.TAKE_OVER)
        following = successor.begin()
        handed_over = await holding
        await successor.notes.until(len(successor.notes.snapshots) + 4)
        successor.sidecar.end("enough")
        skipped = sum(one.sidecar.counters.snapshots.skipped for one in (holder, successor))
        assert [type(line) for line in successor.notes.reports] == [Ready]
        return handed_over, await following, skipped

    handed_over, ended, skipped = in_loop(story())
    assert handed_over.startswith("handed over to a successor")
    assert ended == "enough"
    assert untold(warehouse) == []
    stored = seconds_of(warehouse)
    assert {rows for rows, _ in stored.values()} == {2}
    assert max(stored) - min(stored) + 1 - len(stored) <= skipped  # none was lost where none was held up
    later = [(end - start, state) for start, end, state in ledger_of(warehouse) if start >= min(stored)]
    assert sum(length for length, state in later if state == "unrecoverable") <= skipped


def test_an_outage_is_marked_in_rows_and_told_in_the_ledger(warehouse: Warehouse, tmp_path: Path) -> None:
    async def story() -> None:
        stream = Stream(warehouse, tmp_path, FastTime(SPEED))
        running = stream.begin()
        await stream.notes.until(3)
        stream.feed.is_gone = True
        await stream.notes.until(7)
        stream.feed.is_gone = False
        await stream.notes.until(10)
        stream.sidecar.end("enough")
        assert await running == "enough"

    in_loop(story())
    outages = [(start, end) for start, end, state in ledger_of(warehouse) if state == "venue_outage"]
    ((start, end),) = outages
    stale = [second for second, (_, is_stale) in seconds_of(warehouse).items() if is_stale]
    assert len(stale) >= 3
    assert all(start <= second <= end for second in stale)
    assert untold(warehouse) == []


def test_a_feed_that_ends_ends_the_stream_loudly_and_stores_what_there_is(warehouse: Warehouse, tmp_path: Path) -> None:
    async def story() -> None:
        stream = Stream(warehouse, tmp_path, FastTime(SPEED))
        running = stream.begin()
        await stream.notes.until(2)
        stream.feed.fails = RuntimeError("no such thing")
        with pytest.raises(StreamFailed, match="feed of mexc ended, RuntimeError: no such thing"):
            await running
        assert stream.sidecar.counters.writer.rows == stream.sidecar.counters.snapshots.rows

    in_loop(story())
    assert len(seconds_of(warehouse)) >= 2


def test_without_a_warehouse_nothing_is_written_and_it_can_be_watched(tmp_path: Path) -> None:
    async def story() -> tuple[str, str]:
        stream = Stream(None, tmp_path, FastTime(SPEED), port=0)
        running = stream.begin()
        await stream.notes.until(2)
        (ready,) = stream.notes.reports
        assert isinstance(ready, Ready)
        url = f"http://127.0.0.1:{ready.port}"
        asked = [asyncio.to_thread(_get, f"{url}/{page}") for page in ("readyz", "standings")]
        answers = await asyncio.gather(*asked)
        stream.sidecar.end("enough")
        await running
        return answers[0], answers[1]

    ready, standings = in_loop(story())
    assert ready == "ok\n"
    assert '"symbol":"ETH/USDT"' in standings
    assert list(tmp_path.iterdir()) == []


def test_a_killed_stream_doubles_nothing_and_its_lost_seconds_are_told(warehouse: Warehouse, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "crypto_assets_tests.stream.hand_fed"]
    address = warehouse.url.get_secret_value()
    with subprocess.Popen([*command, address, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while (line := process.stdout.readline()) and not line.strip().endswith(" 2"):
            pass  # until the first two rows are stored
        with pytest.raises(AnotherStream, match="Another stream is writing"):
            in_loop(Stream(warehouse, tmp_path, FastTime(SPEED)).sidecar.run())
        os.kill(process.pid, signal.SIGKILL)

    async def story() -> None:
        stream = Stream(warehouse, tmp_path, FastTime(SPEED, ahead=300))  # as if nobody had started it for so long
        running = stream.begin()
        await stream.notes.until(3)
        stream.sidecar.end("enough")
        await running

    before = seconds_of(warehouse)
    in_loop(story())
    stored = seconds_of(warehouse)
    assert {second: stored[second] for second in before} == before
    assert len(stored) >= len(before) + 2
    assert untold(warehouse) == []
    (lost,) = [span for span in ledger_of(warehouse) if span[0] > min(before)]
    assert lost[0] == max(before) + 1
    assert lost[1] >= max(before) + 100
    assert lost[2] == "unrecoverable"


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
        return text
