"""The stream beside a real Redis that dies in mid-stream: nobody waits, every row is stored, and quotes come again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pydantic import SecretStr

from crypto_assets import connect
from crypto_assets.latest import telling
from crypto_assets.latest.asking import LatestReader
from crypto_assets.latest.telling import LatestValues, Teller
from crypto_assets.latest.values import LatestQuote
from crypto_assets.resources import resources_of
from crypto_assets.settings import Settings
from crypto_assets.stream.counters import Counters
from crypto_assets.stream.report import Ready
from crypto_assets.stream.sidecar import Plan, Sidecar
from crypto_assets.stream.snapshots import SECOND
from crypto_assets.stream.standing import Snapshot, Standing
from crypto_assets.stream.telling import TellingAudience, latest_quotes, told_too
from crypto_assets.stream_child import variables_of
from crypto_assets.universe_stream import StreamRules
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.server_address import free_port
from crypto_assets_tests.latest.making import now
from crypto_assets_tests.latest.redis_server import RedisServer
from crypto_assets_tests.stream.hand_fed import MARKETS, FastTime, LoopFeed, Notes
from crypto_assets_tests.stream.quoting import NOON, quote
from crypto_assets_tests.stream.test_sidecar import in_loop, ledger_of, seconds_of, untold

SPEED = 4


class Stream:
    """One sidecar that tells a Redis beside what it writes."""

    def __init__(self, warehouse: Warehouse | None, folder: Path, latest: LatestValues) -> None:
        self.time = FastTime(SPEED)
        self.notes = Notes()
        self._latest = latest
        self._plan = Plan(MARKETS, StreamRules(stale_seconds=5), folder, warehouse)

    async def run(self) -> str:
        with told_too(self._latest, self.notes, 1) as audience:
            self.sidecar = Sidecar(self._plan, [LoopFeed(self.time)], audience, self.time.now, self.time.sleep)
            return await self.sidecar.run()

    def held(self, redis: RedisServer) -> LatestQuote | None:
        with LatestReader(redis.url, "live") as reader:
            return reader.get(LatestQuote, "mexc", "BTC/USDT")


def test_a_redis_that_dies_in_mid_stream_costs_no_row_and_is_told_again(
    warehouse: Warehouse, tmp_path: Path, mortal_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "LONGEST_PAUSE", 0.2)

    def newest_of(origin: str) -> LatestQuote:
        with connect(warehouse.url, redis=mortal_redis.url) as client:
            found = client.latest_quote("mexc", "BTC/USDT")
        assert found is not None
        assert found.origin == origin
        return found.value

    async def story() -> tuple[int, int]:
        stream = Stream(warehouse, tmp_path, LatestValues(mortal_redis.url, "live"))
        running = asyncio.create_task(stream.run())
        await stream.notes.until(4)
        told = stream.notes.snapshots[0]
        while (held := await asyncio.to_thread(stream.held, mortal_redis)) is None or held.at_us < told.at:
            await asyncio.sleep(0.02)
        assert (await asyncio.to_thread(newest_of, "redis")).at_us >= told.at
        await asyncio.to_thread(mortal_redis.kill)
        last = stream.notes.snapshots[-1].at
        await stream.notes.until(len(stream.notes.snapshots) + 8)
        fallen_back = await asyncio.to_thread(newest_of, "postgres")
        assert fallen_back.at_us > last
        await asyncio.to_thread(mortal_redis.start)
        again = stream.notes.snapshots[-1].at
        while (held := await asyncio.to_thread(stream.held, mortal_redis)) is None or held.at_us <= again:
            await asyncio.sleep(0.02)
        await asyncio.to_thread(newest_of, "redis")
        counters = stream.sidecar.counters
        assert counters.latest.values > 0
        assert counters.latest.failures > 0
        stream.sidecar.end("enough")
        assert await running == "enough"
        return counters.snapshots.skipped, counters.snapshots.rows

    skipped, taken = in_loop(story())
    stored = seconds_of(warehouse)
    assert sum(rows for rows, _ in stored.values()) == taken
    assert max(stored) - min(stored) + 1 - len(stored) <= skipped
    assert untold(warehouse) == []
    assert sum(
        end - start for start, end, state in ledger_of(warehouse) if state == "unrecoverable" and start >= min(stored)
    ) <= (skipped)


def test_a_stream_tells_nothing_before_the_table_is_its_own(redis: RedisServer) -> None:
    teller, counters, notes = Teller(redis.url, "live"), Counters(), Notes()
    audience = TellingAudience(notes, teller, SECOND)
    at = now() // SECOND * SECOND
    taken = [Snapshot(at, at, [Standing("mexc", quote(symbol), 0, False)], []) for symbol in ("BTC/USDT", "ETH/USDT")]
    counters.snapshots.last_at = at
    audience.looked(taken[0], counters)  # as a successor does while it warms up
    audience.report(Ready(1, None, 1, ""))
    audience.looked(taken[1], counters)
    assert teller.close()
    assert redis.keys() == ["crypto_assets:live:quote:mexc:ETH/USDT"]
    assert (notes.snapshots, len(notes.reports)) == (taken, 1)
    assert counters.latest is teller.counters


def test_a_quote_of_a_snapshot_keeps_what_the_venue_wrote() -> None:
    snapshot = Snapshot(NOON, NOON + 1200, [Standing("mexc", quote(event_at=NOON - 5), 0, True)], [])
    [told] = latest_quotes(snapshot, 20 * SECOND)
    assert (told.bid_price, told.bid_quantity, told.ask_price, told.ask_quantity) == ("100.10", "1.50", "100.30", "2.0")
    assert (told.at_us, told.stored_us, told.until_us) == (NOON, NOON + 1200, NOON + 60 * SECOND)
    assert (told.event_us, told.received_us, told.is_stale) == (NOON - 5, NOON, True)


def test_without_a_redis_the_audience_is_the_stream_s_own(tmp_path: Path) -> None:
    notes = Notes()
    with told_too(LatestValues(), notes, 1) as audience:
        assert audience is notes
    away = LatestValues(SecretStr(f"redis://127.0.0.1:{free_port()}/0"))

    async def story() -> None:
        stream = Stream(None, tmp_path, away)
        running = asyncio.create_task(stream.run())
        await stream.notes.until(4)
        stream.sidecar.end("enough")
        await running
        assert stream.sidecar.counters.latest.failures >= 1
        assert stream.sidecar.counters.snapshots.skipped == 0

    in_loop(story())


def test_runs_and_the_stream_they_start_are_told_the_same_redis(tmp_path: Path) -> None:
    given = {"home": tmp_path, "profile": "mine", "warehouse_url": SecretStr("postgresql://me@h/x")}
    named = Settings(**given, redis_url=SecretStr("redis://:canary@h:1/0"))  # type: ignore[arg-type]
    latest = resources_of(named)["latest"]
    assert latest == LatestValues(SecretStr("redis://:canary@h:1/0"), "mine")
    assert "canary" not in repr(latest)
    assert variables_of(named)["CRYPTO_ASSETS_REDIS_URL"] == "redis://:canary@h:1/0"
    none = Settings(**given, redis_url=None)  # type: ignore[arg-type]
    assert resources_of(none)["latest"] == LatestValues(None, "mine")
    assert "CRYPTO_ASSETS_REDIS_URL" not in variables_of(none)
