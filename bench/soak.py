"""The whole platform over a sandbox for an hour, with faults, kills and restarts: what is there, what is named, what leaks.

What belongs here: the course of the soak and its table. What does not: the platform (soak_stage.py), what strikes when
(soak_faults.py), and what is true afterwards (soak_truth.py).

Half an hour of one venue, market and network is what an hour on two cores has room for: three venues with four markets, three
timeframes, two networks, all feeds, series, chains and forecasts of the project's own universe.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from bench.event_stage import Figure
from bench.events import table_of
from bench.soak_faults import Mixture, Strike, mixtures, strikes
from bench.soak_stage import HISTORY_DAYS, SYMBOLS, TIMEFRAMES, VENUES, Platform, platform
from bench.soak_truth import Slope, bars, loud_lines, runs, seconds, slopes, until_next_round, whole_minutes
from crypto_assets.cli.environment import Environment
from crypto_assets.cli.instance import dagster_instance
from crypto_assets.stream_automation import JOBS as STREAM_JOBS

SEED = 20261122
WARM_SECONDS = 180.0  # the first rounds of everything come at once
SAMPLE_SECONDS = 10.0
# A quarter of the largest process: caches of Dagster and of statements fill for an hour. What leaks goes on beyond it.
MAX_GROWTH_SHARE = 0.25
SHOWN = 12


@dataclass
class Course:
    """What happened so far."""

    began: datetime
    samples: list[tuple[float, str, int, float]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    ended_by_itself: int = 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak, print, and return 1 where a bound is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60, help="of faults; warming up and coming to rest are added")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument(
        "--no-rest", action="store_true", help="do not wait for the next round of bars, to try the bench"
    )
    parser.add_argument(
        "--ask",
        action="store_true",
        help="ask for the last bars by `crypto-assets backfill` in place of waiting for their round",
    )
    asked = parser.parse_args(arguments)
    console = Console(width=170)
    with platform(asked.seed) as here:
        figures = _soak(here, asked.minutes * 60, asked.seed, console, rests=not asked.no_rest, asks=asked.ask)
    missed = [figure.name.strip() for figure in figures if not figure.holds]
    console.print(table_of(figures))
    console.print(f"Missed: {'; '.join(missed)}" if missed else "Every bound of these held.", highlight=False)
    return int(bool(missed))


def _soak(here: Platform, lasting: float, seed: int, console: Console, *, rests: bool, asks: bool) -> list[Figure]:
    load = os.getloadavg()[0]
    here.start()
    course = Course(datetime.now(UTC))
    with Progress(console=console) as progress:
        task = progress.add_task("warming up", total=WARM_SECONDS + lasting)
        for at in _ticks(WARM_SECONDS):
            _look(here, course)
            progress.update(task, completed=at)
        faulty_from = datetime.now(UTC)
        progress.update(task, description="faults")
        _strike_all(here, course, seed, lasting, lambda at: progress.update(task, completed=WARM_SECONDS + at))
    here.sandbox.clear_faults()
    here.sandbox.clear_stream_faults()
    faulty_until = datetime.now(UTC)
    rest = until_next_round(faulty_until).total_seconds() if rests and not asks else 120.0
    console.print(f"Faults ended; {rest / 60:.0f} minutes of rest{'' if asks else ', until the next round of bars'}.")
    for _ in _ticks(rest):
        _look(here, course)
    if asks:
        here.collect(faulty_from - timedelta(days=HISTORY_DAYS))
    stopped_at = datetime.now(UTC)
    sandbox_asked = sum(here.sandbox.requests().values())
    code = here.stop()
    told = f"{len(VENUES)} venues x {len(SYMBOLS)} markets x {len(TIMEFRAMES)} timeframes, load {load:.1f} at the start"
    figures = [
        Figure("soak: minutes with faults", (faulty_until - faulty_from).total_seconds() / 60, told=told),
        Figure("  requests answered by the sandbox", sandbox_asked),
        Figure("  exit code at the end", code, at_most=0),
        Figure("  struck", len(course.told), told=", ".join(course.told)),
        Figure("  times it ended by itself", course.ended_by_itself, at_most=0),
    ]
    return figures + _judged(here, course, (faulty_from, faulty_until, stopped_at), console)


def _strike_all(here: Platform, course: Course, seed: int, lasting: float, tell: object) -> None:
    """Let everything of the plan strike at its time, and look in between."""
    dice = random.Random(seed + 2)  # noqa: S311 - which of several is struck
    plan: list[Mixture | Strike] = [*mixtures(seed, lasting), *strikes(seed, lasting)]
    plan.sort(key=lambda one: one.at)
    for at in _ticks(lasting, every=1.0):
        for one in [one for one in plan if one.at <= at]:
            if _strike(here, course, one, dice):
                plan.remove(one)
        if int(at) % int(SAMPLE_SECONDS) == 0:
            _look(here, course)
            if callable(tell):
                tell(at)


def _strike(here: Platform, course: Course, one: Mixture | Strike, dice: random.Random) -> bool:
    """Let it strike; whether it did: runs are short, and what is not there cannot be killed now."""
    if isinstance(one, Mixture):
        here.sandbox.set_faults(one.faults)
        here.sandbox.set_stream_faults(one.stream)
        return True
    struck = {
        "run": lambda: here.kill_a_run(dice),
        "stream": lambda: here.kill_the_stream(dice),
        "database": here.restart_the_database,
        "platform": here.restart,
    }[one.blow]()
    if struck:
        course.told.append(f"{one.at:.0f} s: {struck}")
    return bool(struck)


def _look(here: Platform, course: Course) -> None:
    """Note the memory of every process; start the platform anew where it ended by itself, which is counted."""
    if not here.is_up():
        course.ended_by_itself += 1
        here.start()
    at = (datetime.now(UTC) - course.began).total_seconds()
    for role, processes in here.processes().items():
        for process in processes:
            try:
                course.samples.append((at, role, process.pid, process.memory_info().rss / 2**20))
            except Exception:  # noqa: BLE001, S112 - it ended between two lines
                continue


def _judged(
    here: Platform, course: Course, faulty: tuple[datetime, datetime, datetime], console: Console
) -> list[Figure]:
    logs = [*(here.settings.home / here.settings.profile / "logs").glob("*.log"), here.log]
    with Environment(here.settings) as environment:
        warehouse = environment.warehouse
        until = whole_minutes(faulty[1])
        first_day = (until - timedelta(days=HISTORY_DAYS)).replace(hour=0, minute=0)
        there = bars(warehouse, VENUES, SYMBOLS, TIMEFRAMES, (first_day, until))
        quotes = seconds(warehouse, ("mexc", "gate"), SYMBOLS, (faulty[0].replace(microsecond=0), until))
        with dagster_instance(environment) as instance:
            ran = runs(instance, STREAM_JOBS[0].name, faulty[2])
    explained, loud = loud_lines(logs, ran.bad_tries)
    for title, lines in (("Failed in the end", [f"{n} x {why}" for why, n in ran.failed.most_common(SHOWN)]),
                         ("Explained log lines", [f"{n} x {why}" for why, n in explained.most_common()]),
                         ("Log lines that nobody explains", _summed(loud))):  # fmt: skip
        console.print(title, style="bold")
        for line in lines[: 4 * SHOWN] or ["none"]:
            console.print(f"  {line}", markup=False, highlight=False)
    return [
        Figure("runs asked for", ran.asked, told=f"{ran.tries} tries"),
        Figure("  succeeded after retries", ran.good / max(1, ran.asked), at_least=0.999),
        Figure("bars due", there.due, told=f"{there.there:,} stored, {there.named:,} in the ledger"),
        Figure("  stored or named", there.share, at_least=1.0, told=str(there.unnamed[:3] or "")),
        Figure("seconds of quotes due", quotes.due, told=f"{quotes.there:,} stored, {quotes.named:,} in the ledger"),
        Figure("  stored or named", quotes.share, at_least=1.0, told=str(quotes.unnamed[:3] or "")),
        Figure("log lines that nobody explains", len(loud), at_most=0, told=f"{sum(explained.values())} are explained"),
        *_memory(slopes(course.samples)),
        Figure("on disk", _megabytes(here.settings.home.absolute()), "MB"),
    ]


def _memory(found: dict[str, Slope]) -> Iterator[Figure]:
    for role, one in sorted(found.items()):
        told = f"{one.megabytes:.0f} MB at the end, {one.per_hour:+.1f} MB an hour ({one.low:+.1f} to {one.high:+.1f})"
        yield Figure(f"memory of {role}: sure growth an hour", max(0.0, one.low), "MB",
                     at_most=MAX_GROWTH_SHARE * one.megabytes, told=told)  # fmt: skip


def _summed(lines: Sequence[str]) -> list[str]:
    counted: dict[str, int] = {}
    for line in lines:
        counted[line[:120]] = counted.get(line[:120], 0) + 1
    return [f"{count} x {line}" for line, count in sorted(counted.items(), key=lambda one: -one[1])]


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink()) / 2**20


def _ticks(lasting: float, every: float = SAMPLE_SECONDS) -> Iterator[float]:
    """Seconds since now, one a tick, until so many are over."""
    began = time.monotonic()
    while (at := time.monotonic() - began) < lasting:
        yield at
        time.sleep(max(0.0, every - (time.monotonic() - began - at)))


if __name__ == "__main__":
    sys.exit(main())
