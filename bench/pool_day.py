"""Two hundred pools over a day at 30 requests a minute, on a simulated clock: what is lost, who starves, what the budget took.

What belongs here: the day and its figures. What does not: the speed of writing (pool_write.py).

The real rounds run as the schedules would start them: pools every ten minutes, the watched ones, trades and bars every
five, each run ten seconds after its tick. Client, parsing, PostgreSQL, ledger and sandbox are real; only time is simulated,
by a pace and a sleep on a clock that the sandbox is told. Every trade that the sandbox ever made is then looked for.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
import numpy as np
import psycopg2
import structlog
from numpy.typing import NDArray
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name
from pydantic import SecretStr
from sqlalchemy import make_url

from bench import stage
from bench.event_stage import Figure
from crypto_assets.clients.geckoterminal import GeckoTerminal
from crypto_assets.clients.pacing import LocalPace
from crypto_assets.datasets.dex.network_asset import NetworkRun
from crypto_assets.datasets.dex.pool_ohlcv.asset import PoolOhlcvConfig, collect_pool_ohlcv
from crypto_assets.datasets.dex.pool_trades.asset import PoolTradesConfig, collect_pool_trades
from crypto_assets.datasets.dex.pool_trades.rhythm import longest_interval
from crypto_assets.datasets.dex.pools.asset import PoolsConfig, collect_pools
from crypto_assets.datasets.dex.watchlist.asset import WatchlistConfig, follow_watchlist
from crypto_assets.partitions import VenueWindow, day_key, day_window
from crypto_assets.pool_automation import EVERY, round_config
from crypto_assets.sandbox.config import SandboxConfig
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.sandbox.seeded_pool_trades import make_trades
from crypto_assets.sandbox.seeded_pools import SeededPools
from crypto_assets.universe import Universe, parse_universe
from crypto_assets.warehouse.connection import Warehouse

POOLS, NETWORK = 200, "solana"
STARTUP = timedelta(seconds=10)  # from a schedule's tick until its run asks for the first time
BEGIN = datetime(2026, 11, 20, 0, 0, tzinfo=UTC)
LOST_GAPS = """
SELECT symbol, gap_start, gap_end FROM quality.coverage WHERE dataset = 'dex/pool_trades' AND state = 'unrecoverable'
"""
TIMES = "SELECT extract(epoch FROM traded_at)::bigint FROM dex.pool_trades WHERE pool_address = %s ORDER BY 1"
COLLECTED = """
SELECT symbol, lower(s), upper(s) FROM ops.collected_ranges, unnest(collected) AS s WHERE dataset = 'dex/pool_trades'
"""
UNIVERSE = """
history_from: 2026-01-01
venues:
  binance: {markets: [BTC/USDT]}
dex:
  networks:
    solana: {dexes: [pumpswap]}
"""


@dataclass
class SimulatedTime:
    """A clock that moves only when somebody sleeps; the sandbox is told before each request."""

    now: datetime
    sandbox: SandboxProcess
    told: datetime | None = None

    def clock(self) -> datetime:
        """The present."""
        return self.now

    def seconds(self) -> float:
        """The present in seconds since 1970."""
        return self.now.timestamp()

    def sleep(self, seconds: float) -> None:
        """Let so much time pass."""
        self.now += timedelta(seconds=max(0.0, seconds))

    def until(self, moment: datetime) -> None:
        """Let time pass until then; nothing where it is over."""
        self.now = max(self.now, moment)


class SimulatedPace(LocalPace):
    """The pace of one process on the simulated clock; tells the sandbox when the request will arrive."""

    def __init__(self, requests_per_second: float, at: SimulatedTime) -> None:
        super().__init__(requests_per_second, clock=at.seconds)
        self._at = at
        self.sent: list[float] = []

    def reserve(self, cost: float) -> float:
        """Take the next slot."""
        wait = super().reserve(cost)
        arrival = self._at.now + timedelta(seconds=wait)
        self._at.sandbox.set_now(arrival)
        self.sent.append(arrival.timestamp())
        return wait


class KeptWarehouse(Warehouse):
    """Keeps its connections and does not wait for the disk at a commit: a day of polls then takes half an hour."""

    def __init__(self, url: SecretStr) -> None:
        super().__init__(url)
        self._idle: list[Connection] = []

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """An idle connection, or a new one; committed at the end."""
        connection = self._idle.pop() if self._idle else self._opened()
        try:
            yield connection
            connection.commit()
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)

    def _opened(self) -> Connection:
        address = make_url(self.url.get_secret_value()).translate_connect_args(username="user", database="dbname")
        connection: Connection = psycopg2.connect(**address, options="-c timezone=UTC -c synchronous_commit=off")
        return connection

    def close(self) -> None:
        """Close what is idle."""
        for connection in self._idle:
            connection.close()


@dataclass
class Day:
    """What a simulated day left behind."""

    polls: dict[str, list[float]] = field(default_factory=dict)
    bars: set[str] = field(default_factory=set)
    failed: int = 0


def measure(hours: float) -> list[Figure]:
    """Run the day and look for every trade."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    dg.get_dagster_logger().setLevel(logging.CRITICAL)
    universe = parse_universe(UNIVERSE, "bench")
    begin = BEGIN
    with (
        TemporaryDirectory() as folder,
        stage.database("pools") as plain,
        SandboxProcess(SandboxConfig(now=begin.isoformat())) as sandbox,
    ):
        warehouse = KeptWarehouse(plain.url)
        at = SimulatedTime(begin, sandbox)
        pace = SimulatedPace(universe.dex.requests_per_minute / 60, at)
        addresses = _watch(Path(folder) / "watchlist.csv", sandbox)
        began = time.monotonic()
        day = _live(
            warehouse, universe, sandbox, at, pace, Path(folder) / "watchlist.csv", begin + timedelta(hours=hours)
        )
        seconds = time.monotonic() - began
        figures = _figures(warehouse, universe, addresses, (begin, at.now), day, pace, sandbox, seconds)
        warehouse.close()
        return figures


def _watch(path: Path, sandbox: SandboxProcess) -> list[str]:
    """The two hundred busiest pools of one DEX in the watchlist's file."""
    client = GeckoTerminal(
        parse_universe(UNIVERSE, "bench").dex.model_copy(update={"requests_per_minute": 60_000}),
        sandbox_url=sandbox.url,
    )
    rows = [row for page in range(1, 11) for row in client.top_pools(NETWORK, "pumpswap", page).rows]
    client.close()
    addresses = [row.address for row in rows][:POOLS]
    lines = [
        "network,address,address_type,symbol,min_trade_usd,note",
        *(f"{NETWORK},{one},pool,,," for one in addresses),
    ]
    path.write_text("\n".join(lines) + "\n")
    return addresses


def _live(
    warehouse: Warehouse, universe: Universe, sandbox: SandboxProcess, at: SimulatedTime, pace: SimulatedPace,
    watchlist: Path, end: datetime,
) -> Day:  # fmt: skip
    """Round after round until the end, or until somebody interrupts: then the figures are of a shorter day."""
    day, tick, begin, told = Day(), at.now, at.now, 0
    try:
        while tick < end:
            at.until(tick)
            at.sleep(STARTUP.total_seconds())
            _round(day, warehouse, universe, sandbox, at, pace, watchlist, tick)
            tick += EVERY
            while tick < at.now:  # a round that took longer leaves the next tick out
                tick += EVERY
            passed = int((tick - begin).total_seconds() // 3600)
            if passed > told:
                sys.stderr.write(f"{passed} simulated hours, {len(pace.sent):,} requests\n")
                told = passed
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: the figures are of the time until now\n")
    return day


def _round(
    day: Day, warehouse: Warehouse, universe: Universe, sandbox: SandboxProcess, at: SimulatedTime,
    pace: SimulatedPace, watchlist: Path, tick: datetime,
) -> None:  # fmt: skip
    """What the schedules start at a tick, one after the other."""
    window = VenueWindow(NETWORK, *day_window(day_key(at.now)))
    client = GeckoTerminal(universe.dex, sandbox_url=sandbox.url, pace=pace, sleep=at.sleep)

    def run[C: dg.Config](config: C) -> NetworkRun[C]:
        return NetworkRun(
            dg.get_dagster_logger(), warehouse, client, universe, window, config, watchlist, at.clock, at.sleep
        )  # type: ignore[arg-type]

    is_whole = tick.minute % 10 == 0  # in between, just the watched pools
    if is_whole:
        follow_watchlist(run(WatchlistConfig()))
    collect_pools(run(PoolsConfig(watched_only=not is_whole)))
    configs = round_config(universe.dex, tick)["ops"]
    assert isinstance(configs, dict)
    trades = collect_pool_trades(run(PoolTradesConfig(**configs["dex__pool_trades"]["config"])))
    for outcome in trades.outcomes:
        if outcome.turns:
            day.polls.setdefault(outcome.symbol, []).append(at.now.timestamp())
    bars = collect_pool_ohlcv(run(PoolOhlcvConfig(**configs["dex__pool_ohlcv"]["config"])))
    day.bars |= {one.symbol for one in bars.outcomes if one.turns}
    day.failed += sum(one.failed for one in (*trades.outcomes, *bars.outcomes))
    client.close()


def _figures(
    warehouse: Warehouse, universe: Universe, addresses: list[str], span: tuple[datetime, datetime], day: Day,
    pace: SimulatedPace, sandbox: SandboxProcess, seconds: float,
) -> list[Figure]:  # fmt: skip
    rules, source = universe.dex, SeededPools(SandboxConfig().seed, lambda: int(span[1].timestamp() * 1000))
    gaps, collected = _spans(warehouse, LOST_GAPS), _spans(warehouse, COLLECTED)
    made = missing = unnamed = doubled = losers = 0
    for address in addresses:
        truth = _truth(source, address, span)
        stored = _stored(warehouse, address)
        first = min((start for start, _ in collected.get(address, [])), default=span[1].timestamp())
        last = max((end for _, end in (*collected.get(address, []), *gaps.get(address, []))), default=0.0)
        due = truth[(truth >= first) & (truth < last)]
        made += len(due)
        lost = _absent(due, stored)
        missing += len(lost)
        named = np.zeros(len(lost), dtype=bool)
        for start, end in gaps.get(address, []):
            named |= (lost >= start) & (lost < end)
        unnamed += int(np.count_nonzero(~named))
        doubled += int(max(0, len(stored[(stored >= first) & (stored < last)]) - len(due)))
        losers += bool(len(lost))
    longest = longest_interval(rules, len(addresses))
    idle = [max(np.diff(sorted({span[0].timestamp(), *times, span[1].timestamp()}))) for times in day.polls.values()]
    counted = sandbox.busiest("geckoterminal").get("60", 0)
    hours = (span[1] - span[0]).total_seconds() / 3600
    gap_count = sum(len(one) for one in gaps.values())
    sent = len(pace.sent)
    told = f"{hours:.1f} simulated hours in {seconds:.0f} s; {sent:,} requests, {sent / hours / 60:.1f} a minute"
    where = f"{missing / max(1, made):.4%}; in {losers} pools, {gap_count} spans in the ledger"
    return [
        Figure("pools polled", len(day.polls), "pools", at_least=len(addresses), told=told),
        Figure("pools whose bars were asked for", len(day.bars), "pools", at_least=len(addresses)),
        Figure("longest time without a poll", max(idle, default=0) / 60, "min", at_most=3 * longest / 60,
               told=f"the longest interval is {longest / 60:.1f} min, the bound three of them"),
        Figure("busiest minute", _busiest(pace.sent, 60.0), "requests", at_most=rules.requests_per_minute,
               told=f"requests sent within any 60 s; the sandbox counted {counted}"),
        Figure("trades made while followed", made, "trades"),
        Figure("trades lost", missing, "trades", told=where),
        Figure("trades lost and not named", unnamed, "trades", at_most=0),
        Figure("trades stored twice", doubled, "trades", at_most=0),
        Figure("polls failed", day.failed, "polls", at_most=0),
        *_window_figures(source, addresses, span, gaps, rules.window_trades),
    ]  # fmt: skip


def _window_figures(
    source: SeededPools, addresses: list[str], span: tuple[datetime, datetime],
    gaps: dict[str, list[tuple[float, float]]], window_trades: int,
) -> list[Figure]:  # fmt: skip
    """What the pools that lost trades were like: how long the window held their busiest 300 trades."""
    spans = {}
    for address in addresses:
        truth = _truth(source, address, span)
        spans[address] = (
            float((truth[window_trades:] - truth[:-window_trades]).min()) if len(truth) > window_trades else np.inf
        )
    losing = [spans[one] for one in gaps]
    keeping = [held for one, held in spans.items() if one not in gaps]
    told = f"their window held the busiest {window_trades} trades for {min(keeping, default=0):.0f} s and more"
    return [
        Figure("longest window of a pool that lost", max(losing, default=0), "s", at_most=300.0,
               told="how long its busiest 300 trades took; a round lasts 300 s, so whoever fits it must lose none"),
        Figure("pools that lost none", len(keeping), "pools", told=told),
    ]  # fmt: skip


def _busiest(sent: list[float], seconds: float) -> int:
    """The most requests within any half-open window."""
    times = np.sort(np.array(sent))
    return int((np.searchsorted(times, times + seconds - 1e-6) - np.arange(len(times))).max(initial=0))


def _truth(source: SeededPools, address: str, span: tuple[datetime, datetime]) -> NDArray[np.int64]:
    """Seconds of all trades that the sandbox made of a pool, ascending."""
    pool = source._find(NETWORK, address)
    assert pool is not None
    first, last = (int(moment.timestamp()) // 60 for moment in span)
    minutes = source._minutes.between(pool, first - 1440, last + 1)
    return np.sort(make_trades(pool, minutes).second)


def _stored(warehouse: Warehouse, address: str) -> NDArray[np.int64]:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(TIMES, (address,))
        return np.array([second for (second,) in cursor.fetchall()], dtype=np.int64)


def _absent(due: NDArray[np.int64], stored: NDArray[np.int64]) -> NDArray[np.int64]:
    """Seconds of trades that are due and not stored: by how many of each second there are."""
    seconds, counts = np.unique(due, return_counts=True)
    there = np.searchsorted(stored, seconds, side="right") - np.searchsorted(stored, seconds, side="left")
    return np.repeat(seconds, np.maximum(0, counts - there))


def _spans(warehouse: Warehouse, statement: str) -> dict[str, list[tuple[float, float]]]:
    found: dict[str, list[tuple[float, float]]] = {}
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        for address, start, end in cursor.fetchall():
            found.setdefault(address, []).append((start.timestamp(), end.timestamp()))
    return found
