"""The fault campaign: planted absences, and what the ledger makes of them.

Every absence that is planted is known, so what is found, repaired and named can be counted against the truth. Holes that
come back (a venue that withheld bars, rows lost from our table) must be found and repaired; what stays absent (outages, quiet
runs, halts, bars before a listing and after a delisting) must be named; nothing else may be called absent. Meanwhile answers
hold duplicate, disordered, late and revised bars, and collectors are killed.
"""

from __future__ import annotations

import multiprocessing
import random
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from pydantic import SecretStr
from sqlalchemy import select

from bench import ledger, stage
from bench.plants import (
    EXPECTED,
    FRAME,
    FULL,
    LENGTH,
    MARKETS,
    NOW,
    PAGES,
    REPAIRABLE,
    SEED,
    SMALL,
    Plant,
    Size,
    absence,
    disturbances,
    moments,
    plant,
)
from crypto_assets.clients.exchange import Exchange
from crypto_assets.datasets.market.instruments.asset import refresh
from crypto_assets.datasets.market.instruments.table import read_listings
from crypto_assets.datasets.market.ohlcv import collect
from crypto_assets.datasets.market.ohlcv.collect import Series, collect_series
from crypto_assets.datasets.market.ohlcv.repair import name_gaps_of, plan_repair, repair_series
from crypto_assets.datasets.market.ohlcv.table import DATASET, ohlcv
from crypto_assets.quality.coverage import LedgerChanges, read_gaps
from crypto_assets.quality.scan import collected_series, scan
from crypto_assets.sandbox.config import SandboxConfig
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.spans import Span, SpanIndex, difference, union
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame


@dataclass
class Tally:
    """What a campaign came to. Counts of planted absences, of bars, and of requests."""

    holes: int = 0
    found: int = 0
    repaired: int = 0
    permanent: int = 0
    named: int = 0
    false_alarms: int = 0
    wrong_values: int = 0
    lost_or_doubled: int = 0
    requests: int = 0
    ideal: int = 0
    second_scan: int = 0
    second_repair: int = 0
    kills: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    misnamed: list[str] = field(default_factory=list)

    @property
    def share_named(self) -> float:
        """Permanent absences that were named rightly."""
        return self.named / self.permanent

    @property
    def request_ratio(self) -> float:
        """Requests used against the fewest possible."""
        return self.requests / self.ideal


def campaign(warehouse: Warehouse, size: Size, seed: int = SEED) -> Tally:
    """Plant, collect, lose, scan, repair, name, and count."""
    plants = plant(size, seed)
    tally = Tally(kills=size.kills)
    whole = moments((0, size.bars), size)
    series = [
        Series(
            venue, symbol, FRAME, whole[0], whole[1] + timedelta(hours=1)
        )  # young bars are asked for again with new ones
        for venue in MARKETS
        for symbol in MARKETS[venue][: size.markets]
    ]
    universe = _universe(size, whole)
    with SandboxProcess(SandboxConfig(seed=seed, now=NOW.isoformat())) as sandbox:
        exchanges = {name: _exchange(name, universe, sandbox.url) for name in MARKETS}
        sandbox.set_absences([absence(one) for one in plants if one.kind != "lost"])
        sandbox.set_faults(disturbances())
        with _timed(tally, "collect"):
            _collect_and_kill(warehouse, universe, sandbox.url, series, size.kills, seed)
            sandbox.clear_faults()
            for one in series:
                collect_series(warehouse, exchanges[one.venue], one)
                # The sandbox's clock stands in the past, so its young bars must be asked for again by name.
                young = replace(one, start=NOW.replace(minute=0, second=0) - timedelta(hours=1))
                collect_series(warehouse, exchanges[one.venue], young, refresh=True)
        for exchange in exchanges.values():
            refresh(warehouse, exchange, universe)
        _lose(warehouse, [one for one in plants if one.kind == "lost"])
        with _timed(tally, "scan"):
            _scan(warehouse, universe)
        _count_found(warehouse, tally, plants)
        sandbox.set_absences([absence(one) for one in plants if one.kind not in REPAIRABLE])
        before = sum(sandbox.requests().values())
        lists = _list_requests(sandbox)
        with _timed(tally, "repair"):
            _repair(warehouse, exchanges, universe, series)
        tally.requests = sum(sandbox.requests().values()) - before - (_list_requests(sandbox) - lists)
        tally.ideal = _ideal_pages(plants, series)
        # The ended market leaves the list; its last bar says since when.
        ended = [absence(one, is_unlisted=one.kind == "delisted") for one in plants if one.kind not in REPAIRABLE]
        sandbox.set_absences(ended)
        for name in MARKETS:
            refresh(warehouse, _exchange(name, universe, sandbox.url), universe)
        _scan(warehouse, universe)
        _count_outcome(warehouse, tally, plants, series, seed)
        tally.second_scan = _scan(warehouse, universe).written
        again = sum(sandbox.requests().values())
        tally.second_repair = _repair(warehouse, exchanges, universe, series).written
        tally.second_repair += sum(sandbox.requests().values()) - again
    return tally


def main(size: Size = FULL) -> int:
    """Run the campaign and the ledger's costs, print, and return how many bounds were missed."""
    with stage.database("truth") as warehouse:
        tally = campaign(warehouse, size)
    bounds = verdicts(tally)
    write = sys.stdout.write
    write(f"campaign: {tally.holes} holes that come back, {tally.permanent} that stay, {tally.kills} kills\n")
    for told, held in bounds:
        write(f"  {'held  ' if held else 'MISSED'} {told}\n")
    for line in tally.misnamed[:20]:
        write(f"    {line}\n")
    write("  " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in tally.seconds.items()) + "\n")
    sys.stdout.flush()
    return sum(not held for _, held in bounds) + ledger.main()


def verdicts(tally: Tally) -> list[tuple[str, bool]]:
    """Each bound in words, and whether it held."""
    return [
        (f"found {tally.found} of {tally.holes} (all)", tally.found == tally.holes),
        (f"repaired {tally.repaired} of {tally.holes} (all)", tally.repaired == tally.holes),
        (f"rightly named {tally.share_named:.2%} of {tally.permanent} (99 %)", tally.share_named >= 0.99),
        (f"false alarms {tally.false_alarms} bars (0)", tally.false_alarms == 0),
        (f"requests {tally.requests} for {tally.ideal}: {tally.request_ratio:.3f} (1.1)", tally.request_ratio <= 1.1),
        (f"bars with wrong values {tally.wrong_values} (0)", tally.wrong_values == 0),
        (f"bars lost or doubled {tally.lost_or_doubled} (0)", tally.lost_or_doubled == 0),
        (f"second scan wrote {tally.second_scan} (0)", tally.second_scan == 0),
        (f"second repair wrote or asked {tally.second_repair} (0)", tally.second_repair == 0),
    ]


def _universe(size: Size, whole: Span) -> Universe:
    venues = {
        name: {"markets": list(symbols[: size.markets]), "timeframes": [FRAME], "page_bars": PAGES[name]}
        for name, symbols in MARKETS.items()
    }
    return Universe.model_validate({"history_from": whole[0].date(), "venues": venues})


def _exchange(name: str, universe: Universe, url: str) -> Exchange:
    venue = universe.venue(name).model_copy(update={"requests_per_second": 1000.0})
    return Exchange(name, venue, sandbox_url=url)


def _collect_and_kill(
    warehouse: Warehouse, universe: Universe, url: str, series: Sequence[Series], kills: int, seed: int
) -> None:
    """Collect everything; the first so many collectors are killed at random moments."""
    dice = random.Random(seed)  # noqa: S311 - repeatable, not secret
    # A server forks the collectors: this process may have threads, and an import for each would take seconds.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["bench.ledger", "crypto_assets.datasets.market.ohlcv.repair"])
    for number in range(kills + 1):
        process = context.Process(target=_collect_all, args=(warehouse.url, universe, url, series))
        process.start()
        if number < kills:
            process.join(dice.uniform(0.3, 2.5))
            process.kill()
        process.join()
        if number == kills and process.exitcode:
            raise RuntimeError("collecting failed")


def _collect_all(database: SecretStr, universe: Universe, url: str, series: Sequence[Series]) -> None:
    collect.BATCH_ROWS = 1500  # many commits, so that a kill meets every part of one
    exchanges = {name: _exchange(name, universe, url) for name in MARKETS}
    failed = [collect_series(Warehouse(database), exchanges[one.venue], one).failed for one in series]
    sys.exit(int(any(failed)))


def _lose(warehouse: Warehouse, plants: Sequence[Plant]) -> None:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        for one in plants:
            cursor.execute(
                "DELETE FROM market.ohlcv WHERE venue = %s AND symbol = %s AND opened_at >= %s AND opened_at < %s",
                (one.venue, one.symbol, *one.span),
            )


def _scan(warehouse: Warehouse, universe: Universe) -> LedgerChanges:
    series = collected_series(warehouse, DATASET)
    scanned, named = scan(
        warehouse, ohlcv, series, listings=lambda venue: read_listings(warehouse, venue), rules=universe.gaps
    )
    for one in scanned:
        named += one.changes
    return named


def _repair(
    warehouse: Warehouse, exchanges: dict[str, Exchange], universe: Universe, series: Sequence[Series]
) -> LedgerChanges:
    changes = LedgerChanges()
    for venue, exchange in exchanges.items():
        there = [one for one in series if one.venue == venue]
        for one in there:
            plan = plan_repair(warehouse, one, page_bars=exchange.venue.page_bars, rules=universe.gaps)
            outcome = repair_series(warehouse, exchange, plan, universe.gaps)
            changes += LedgerChanges(outcome.inserted + outcome.changed)
        changes += name_gaps_of(warehouse, venue, [(FRAME, (one.start, one.end)) for one in there], universe.gaps)
    return changes


def _open_spans(warehouse: Warehouse, states: Sequence[str] = ()) -> dict[tuple[str, str], list[Span]]:
    frame = read_gaps(warehouse, dataset=DATASET)
    frame = frame[frame["state"].isin(states)] if states else frame[frame["state"] != "repaired"]
    spans: dict[tuple[str, str], list[Span]] = {}
    for row in frame.to_dict("records"):
        span = (row["gap_start"].to_pydatetime(), row["gap_end"].to_pydatetime())
        spans.setdefault((row["venue"], row["symbol"]), []).append(span)
    return spans


def _bars(spans: Iterable[Span]) -> int:
    return sum(round((end - start) / LENGTH) for start, end in spans)


def _count_found(warehouse: Warehouse, tally: Tally, plants: Sequence[Plant]) -> None:
    known = {key: SpanIndex(spans) for key, spans in _open_spans(warehouse).items()}
    for one in plants:
        if one.kind in REPAIRABLE:
            tally.holes += 1
            index = known.get((one.venue, one.symbol))
            tally.found += int(index is not None and index.within(one.span) == [one.span])
    # A row that had to be refused is absent, too, though nobody planted it; called absent and stored is a false alarm.
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM quality.coverage c JOIN market.ohlcv o USING (venue, symbol, timeframe)"
            " WHERE c.state <> 'repaired' AND o.opened_at >= c.gap_start AND o.opened_at < c.gap_end"
        )
        row = cursor.fetchone()
    tally.false_alarms += int(row[0]) if row else 0


def _count_false_alarms(warehouse: Warehouse, tally: Tally, planted: dict[tuple[str, str], list[Span]]) -> None:
    for key, spans in _open_spans(warehouse).items():
        wrong = difference(spans, planted.get(key, ()))
        tally.false_alarms += _bars(wrong)
        tally.misnamed += [f"false alarm {' '.join(key)} {start} to {end}" for start, end in wrong]


def _count_outcome(
    warehouse: Warehouse, tally: Tally, plants: Sequence[Plant], series: Sequence[Series], seed: int
) -> None:
    states = {name: {k: SpanIndex(v) for k, v in _open_spans(warehouse, [name]).items()} for name in EXPECTED.values()}
    still = {key: SpanIndex(spans) for key, spans in _open_spans(warehouse).items()}
    for one in plants:
        key = (one.venue, one.symbol)
        if one.kind in REPAIRABLE:
            index = still.get(key)
            tally.repaired += int(index is None or not index.within(one.span))
            continue
        tally.permanent += 1
        named = states[EXPECTED[one.kind]].get(key)
        if named is not None and named.within(one.span) == [one.span]:
            tally.named += 1
        else:
            tally.misnamed.append(f"{one.kind} {' '.join(key)} {one.span[0]} to {one.span[1]}")
    permanent: dict[tuple[str, str], list[Span]] = {}
    for one in plants:
        if one.kind not in REPAIRABLE:
            permanent.setdefault((one.venue, one.symbol), []).append(one.span)
    _count_false_alarms(warehouse, tally, permanent)
    for one in series:
        absent = list(permanent.get((one.venue, one.symbol), []))
        ended = [(other.span[0], NOW) for other in plants if other.kind == "delisted" and other.span in absent]
        _compare(warehouse, tally, one, [*absent, *ended], seed)


def _compare(warehouse: Warehouse, tally: Tally, one: Series, absent: Sequence[Span], seed: int) -> None:
    """The stored bars against the market they come from, bar by bar."""
    source = SandboxConfig(seed=seed, now=NOW.isoformat()).source()
    step = int(LENGTH.total_seconds() * 1000)
    truth = source.bars(one.venue, one.symbol, step, *(round(at.timestamp() * 1000) for at in (one.start, one.end)))
    there = truth.opened_at_ms + step <= round(NOW.timestamp() * 1000)  # the bar still open is never stored
    for start, end in union(absent):
        first, last = (round(at.timestamp() * 1000) for at in (start, end))
        there &= (truth.opened_at_ms < first) | (truth.opened_at_ms >= last)
    truth = truth.take(there)
    c = ohlcv.c
    stored = read_frame(
        warehouse,
        select(c.opened_at, c.close, c.volume_base)
        .where(c.venue == one.venue, c.symbol == one.symbol, c.timeframe == FRAME)
        .where(c.opened_at >= one.start, c.opened_at < one.end)
        .order_by(c.opened_at),
    )
    times = stored["opened_at"].dt.tz_localize(None).to_numpy().astype("datetime64[ms]").astype(np.int64)
    tally.lost_or_doubled += len(np.setxor1d(times, truth.opened_at_ms)) + len(times) - len(np.unique(times))
    if np.array_equal(times, truth.opened_at_ms):
        for name, column in (("close", "close"), ("volume_base", "volume_base")):
            tally.wrong_values += int((stored[column].to_numpy() != truth.values[name]).sum())


def _ideal_pages(plants: Sequence[Plant], series: Sequence[Series]) -> int:
    """The fewest pages that cover what may be asked for, counted bar by bar, apart from the code that is measured."""
    pages = 0
    for one in series:
        spans = [
            other.span
            for other in plants
            if (other.venue, other.symbol) == (one.venue, one.symbol) and other.kind != "unlisted_yet"
        ]
        bars = sorted({round(at / LENGTH) for start, end in spans for at in _grid(start, end)})
        covered = -1.0
        for bar in bars:
            if bar > covered:
                pages += 1
                covered = bar + PAGES[one.venue] - 1
    return pages


def _grid(start: datetime, end: datetime) -> list[timedelta]:
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    return [start - begin + number * LENGTH for number in range(round((end - start) / LENGTH))]


def _list_requests(sandbox: SandboxProcess) -> int:
    """Requests that were not for bars: a client asks for the list of markets once."""
    bars = ("klines", "candles", "candlesticks", "OHLC")
    return sum(count for path, count in sandbox.requests().items() if not path.endswith(bars))


class _timed:  # noqa: N801 - reads as a statement
    def __init__(self, tally: Tally, name: str) -> None:
        self._tally, self._name = tally, name

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(self, *_error: object) -> None:
        self._tally.seconds[self._name] = time.monotonic() - self._began


__all__ = ["FULL", "SMALL", "Size", "Tally", "campaign", "plant", "verdicts"]

if __name__ == "__main__":
    sys.exit(main())
