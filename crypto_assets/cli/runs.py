"""Runs started from the command line: one Dagster run a venue, in a process of its own, with progress.

What belongs here: planning runs, starting their workers, following them. What does not: what a run does (datasets) and
what a worker process executes (worker.py).
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from sqlalchemy import Numeric, case, cast, extract, func, select

from crypto_assets.cli.console import NOTICES
from crypto_assets.cli.environment import Environment
from crypto_assets.cli.instance import prepare_instance
from crypto_assets.datasets.dex.pool_ohlcv.table import DATASET as POOL_BARS
from crypto_assets.datasets.market.ohlcv.asset import OhlcvConfig, choose_series
from crypto_assets.datasets.market.ohlcv.table import DATASET as BARS
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.partitions import VenueWindow, day_key, month_key, month_window
from crypto_assets.schema.bookkeeping import collected_ranges
from crypto_assets.settings import inherited_environment
from crypto_assets.universe import TIMEFRAME_LENGTH, Universe, require_exchange_timeframe, timeframe_ms
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

POLL_SECONDS = 0.5


class RunFailed(CryptoAssetsError):
    """A worker ended without a successful run."""


@dataclass(frozen=True)
class Plan:
    """One Dagster run: a venue over a span of months, or of days; or the runs of a network's pools.

    Args:
        venue: Its name; of pools the network's.
        start: First opening time or moment, UTC.
        end: Opening times or moments before this, UTC.
        markets: Unified symbols, of pools their addresses; empty for all.
        timeframes: Empty for all.
        with_instruments: Ask for the venue's list of markets first.
        repair: Ask for missing bars again instead of collecting.
        is_derived: Compute indicators, features and labels instead of collecting.
        is_events: Collect trades of the span, books and tickers of now, instead of bars.
        events_minutes: After the bars, collect events of the last so many minutes in a run of their own.
        is_pools: Collect a network's DEXes, pools, and bars and trades of its watched pools.
        is_world: Collect what belongs to no venue; `venue` is the name of the area, as macro.
    """

    venue: str
    start: datetime
    end: datetime
    markets: tuple[str, ...] = ()
    timeframes: tuple[str, ...] = ()
    refresh: bool = False
    with_instruments: bool = False
    repair: bool = False
    is_derived: bool = False
    is_events: bool = False
    events_minutes: int = 0
    is_pools: bool = False
    is_world: bool = False

    @property
    def kind(self) -> str:
        """What it collects or computes, in a word."""
        marks = (
            (self.is_derived, "features"), (self.is_events, "events"), (self.is_pools, "pools"), (self.is_world, "world")
        )  # fmt: skip
        return next((kind for is_it, kind in marks if is_it), "bars")

    @property
    def bars_dataset(self) -> str | None:
        """The dataset of bars that it fills, by whose progress it is followed; None where it fills none."""
        return {"bars": BARS, "pools": POOL_BARS}.get(self.kind)

    @property
    def days(self) -> tuple[str, str]:
        """First and last day partition."""
        return day_key(self.start), day_key(self.end - timedelta(microseconds=1))

    @property
    def months(self) -> tuple[str, str]:
        """First and last month partition."""
        return month_key(self.start), month_key(self.end - timedelta(microseconds=1))

    def run_config(self) -> OhlcvConfig:
        """The asset's config for this run."""
        return OhlcvConfig(
            markets=list(self.markets),
            timeframes=list(self.timeframes),
            since=self.start.isoformat(),
            until=self.end.isoformat(),
            refresh=self.refresh,
            repair=self.repair,
        )

    def to_json(self) -> str:
        """What the worker is told."""
        return json.dumps(asdict(self) | {"start": self.start.isoformat(), "end": self.end.isoformat()})

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """The plan a worker was told."""
        told = json.loads(text)
        moments = {name: datetime.fromisoformat(told[name]) for name in ("start", "end")}
        return cls(**{**told, **moments, "markets": tuple(told["markets"]), "timeframes": tuple(told["timeframes"])})


@dataclass(frozen=True)
class RunReport:
    """How a worker's run ended."""

    venue: str
    success: bool
    run_id: str
    message: str
    rows_written: int = 0
    rows_received: int = 0
    bars_absent: int = 0
    coverage: float = 0.0
    checks: tuple[tuple[str, bool, str], ...] = ()
    trades_written: int = 0

    def errors(self) -> list[str]:
        """The checks of severity error that did not hold."""
        return [name for name, is_passed, severity in self.checks if not is_passed and severity == "ERROR"]


def plan_runs(
    universe: Universe,
    start: datetime,
    end: datetime,
    venues: Sequence[str],
    markets: Sequence[str],
    timeframes: Sequence[str],
) -> list[Plan]:
    """One plan a venue, checked against the universe. Pure.

    Raises:
        UniverseError: an unknown venue, symbol or timeframe.
        CryptoAssetsError: a span that is empty or starts before the grid.
    """
    first_day = datetime(universe.history_from.year, universe.history_from.month, 1, tzinfo=UTC)
    if start >= end:
        raise CryptoAssetsError(
            f"Nothing lies between {start:%Y-%m-%d} and {end:%Y-%m-%d}", way_out="--from must be before --to."
        )
    if start < first_day:
        raise CryptoAssetsError(
            f"{start:%Y-%m-%d} lies before the partition grid, which starts {first_day:%Y-%m-%d}",
            way_out="Set history_from in the universe to an earlier day, or start later.",
        )
    if start > datetime.now(UTC):
        raise CryptoAssetsError(f"{start:%Y-%m-%d} lies in the future", way_out="Choose an earlier --from.")
    last = min(end, month_window(month_key(datetime.now(UTC)))[1])
    for timeframe in timeframes:
        require_exchange_timeframe(timeframe)
    chosen = list(venues) or sorted(universe.venues)
    for venue in chosen:
        if not markets or len(chosen) == 1:
            universe.select_markets(venue, tuple(markets))
    known = [name for name in chosen if _markets_there(universe, name, markets)]
    if not known:
        raise CryptoAssetsError(
            f"None of the venues has {', '.join(markets)}", way_out="`crypto-assets universe show` lists the markets."
        )
    return [
        Plan(name, start, last, tuple(_markets_there(universe, name, markets)) if markets else (), tuple(timeframes))
        for name in known
    ]


def expected_bars(universe: Universe, plan: Plan, served: frozenset[str] = frozenset(TIMEFRAME_LENGTH)) -> int:
    """How many opening times the plan covers, up to now. Pure but for the clock."""
    window = VenueWindow(plan.venue, plan.start, min(plan.end, datetime.now(UTC)))
    series = choose_series(universe, window, plan.run_config(), served)
    return sum(max(0, int((one.end - one.start) / TIMEFRAME_LENGTH[one.timeframe])) for one in series)


def run_plans(environment: Environment, universe: Universe, plans: Sequence[Plan], *, jobs: int = 2) -> list[RunReport]:
    """Execute the plans, at most `jobs` at a time, and show how far they are.

    Raises:
        KeyboardInterrupt: after the workers have been ended; what they committed is kept.
    """
    prepare_instance(environment)
    waiting, running, reports = list(plans), list[_Worker](), list[RunReport]()
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("rows"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=NOTICES) as progress:
        tasks = {
            plan.venue: progress.add_task(plan.venue, total=_work_of(universe, plan), start=False) for plan in plans
        }
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    plan = waiting.pop(0)
                    progress.start_task(tasks[plan.venue])
                    running.append(_Worker(plan, environment))
                time.sleep(POLL_SECONDS)
                for worker in list(running):
                    if worker.plan.bars_dataset is not None:
                        done = covered_bars(environment.warehouse, worker.plan)
                        progress.update(tasks[worker.plan.venue], completed=done)
                    report = worker.report_if_ended()
                    if report is not None:
                        running.remove(worker)
                        if report.success:  # the present moved on meanwhile, so the estimate was a few bars off
                            done = _done(universe, worker.plan, report)
                            progress.update(tasks[worker.plan.venue], total=done, completed=done)
                        reports.append(report)
                        progress.stop_task(tasks[worker.plan.venue])
        finally:
            for worker in running:
                worker.end()
    return reports


def _work_of(universe: Universe, plan: Plan) -> int | None:
    """What there is to do; None where only its end can tell."""
    return expected_bars(universe, plan) if plan.kind == "bars" else None


def _done(universe: Universe, plan: Plan, report: RunReport) -> int:
    counts = {
        "events": report.trades_written,
        "features": report.rows_written,
        "pools": report.rows_written + report.trades_written,
        "world": report.rows_written,
    }
    return counts[plan.kind] if plan.kind in counts else expected_bars(universe, plan)


def covered_bars(warehouse: Warehouse, plan: Plan) -> int:
    """How many of the plan's opening times have been asked for and answered."""
    ranges = collected_ranges
    span = func.unnest(ranges.c.collected * func.tstzmultirange(func.tstzrange(plan.start, plan.end))).label("span")
    chosen = select(ranges.c.timeframe, span).where(ranges.c.dataset == plan.bars_dataset, ranges.c.venue == plan.venue)
    if plan.markets:
        chosen = chosen.where(ranges.c.symbol.in_(plan.markets))
    if plan.timeframes:
        chosen = chosen.where(ranges.c.timeframe.in_(plan.timeframes))
    spans = chosen.subquery()
    seconds = case(*((spans.c.timeframe == name, timeframe_ms(name) // 1000) for name in TIMEFRAME_LENGTH), else_=60)
    covered = extract("epoch", func.upper(spans.c.span) - func.lower(spans.c.span)) / seconds
    frame = read_frame(warehouse, select(cast(func.coalesce(func.sum(covered), 0), Numeric).label("bars")))
    return int(float(frame["bars"].iloc[0]))


def _markets_there(universe: Universe, venue: str, markets: Sequence[str]) -> list[str]:
    there = universe.venue(venue)
    return [symbol for symbol in markets if there.market(symbol)] if markets else [one.symbol for one in there.markets]


class _Worker:
    """A child process that executes one plan; its log goes to a file, its report comes as the last line of output."""

    def __init__(self, plan: Plan, environment: Environment) -> None:
        self.plan = plan
        folder = environment.settings.home.absolute() / environment.settings.profile / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        kind = "" if plan.kind == "bars" else f"-{plan.kind}"
        self.log = folder / f"run-{plan.venue}{kind}.log"
        self._output = self.log.with_suffix(".out")
        with self.log.open("w") as log, self._output.open("w") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own module, arguments are JSON
                [sys.executable, "-m", "crypto_assets.cli.worker", plan.to_json()],
                stdout=output,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={**inherited_environment(), **environment.child_variables()},
                cwd=environment.settings.project,
            )

    def report_if_ended(self) -> RunReport | None:
        """The report once the process has ended, None before."""
        code = self._process.poll()
        if code is None:
            return None
        lines = self._output.read_text().strip().splitlines()
        if not lines or not lines[-1].startswith("{"):
            return RunReport(self.plan.venue, False, "", f"the worker ended with code {code}; see {_shown(self.log)}")
        told = json.loads(lines[-1])
        return RunReport(**{**told, "checks": tuple(tuple(check) for check in told["checks"])})

    def end(self) -> None:
        """Ask the process to end, and wait."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else path.name
