"""`crypto-assets demo`: the whole pipeline once, against a sandbox, with a summary.

What belongs here: what the demo collects and how it sums up. What does not: how runs are executed (runs.py).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select

from crypto_assets.calendar_automation import AREAS
from crypto_assets.cli.collect_pools import plan_pools, print_collected
from crypto_assets.cli.collect_world import plan_world, print_world
from crypto_assets.cli.console import NOTICES, OUT, complain, table
from crypto_assets.cli.environment import Environment
from crypto_assets.cli.features import DERIVED_RUNS, derived_plans, print_derived
from crypto_assets.cli.playground import playground, span_of
from crypto_assets.cli.runs import Plan, RunReport, plan_runs, run_plans
from crypto_assets.datasets.market.ohlcv.table import DATASET, ohlcv
from crypto_assets.quality.coverage import count_gaps, missing_gaps
from crypto_assets.resources import UniverseFile
from crypto_assets.sandbox.recordings import RecordedSeries, list_series
from crypto_assets.settings import Settings
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

DEMO_VENUES = ("binance", "mexc", "okx")
DEMO_DAYS = 10  # features that look back a week know something for three days of it
DEMO_FEE_DAYS = 60  # a point every four hours: as much as a forecast of fees needs to be told from luck
DEMO_MINUTES = 10  # of trades; recordings have none, and their clock stands in the past
DEMO_NETWORK = "solana"
DEMO_POOL_DAYS = 0  # whole days of bars before today
PARALLEL_RUNS = 2


type Check = tuple[str, bool, str]


@dataclass(frozen=True)
class Stored:
    """What the warehouse holds of one series."""

    venue: str
    symbol: str
    timeframe: str
    bars: int


def run_demo(settings: Settings, recordings: Path | None) -> int:
    """Collect, check, sum up.

    Returns:
        Exit code: 0 where every run succeeded, no error-severity check failed and recordings are stored whole.
    """
    began = time.monotonic()
    recorded = list_series(recordings) if recordings else []
    with playground(settings, recordings) as inside, Environment(inside) as environment:
        NOTICES.print(f"PostgreSQL and the sandbox run; profile [bold]{inside.profile}[/].")
        universe = UniverseFile(inside.universe_file, environment.warehouse).in_force().universe
        plans = [replace(plan, with_instruments=True) for plan in demo_plans(universe, recorded)]
        # These come last in the queue: they take the place that the third venue leaves free.
        others = [*pool_plans(universe, recorded), *world_plans(universe, recorded)]
        collected = run_plans(environment, universe, [*plans, *others], jobs=PARALLEL_RUNS)
        reports = [one for one in collected if one.venue in universe.venues]
        pools = [one for one in collected if one.venue in universe.dex.networks]
        world = [one for one in collected if one.venue in AREAS]
        repairs = _with_missing(environment.warehouse, plans)
        if repairs:
            NOTICES.print("Asking again for what is absent, and naming it.")
            reports = _joined(reports, run_plans(environment, universe, repairs, jobs=PARALLEL_RUNS))
        NOTICES.print("Computing indicators, features and labels.")
        deriving = derived_plans(environment.warehouse, universe, plans)
        derived = run_plans(environment, universe, deriving, jobs=DERIVED_RUNS)
        stored = stored_bars(environment.warehouse)
        _print_summary(reports, stored, time.monotonic() - began)
        _print_gaps(environment.warehouse)
        print_derived(derived)
        if pools:
            print_collected(environment.warehouse, pools)
        if world:
            print_world(world)
        is_whole = _print_recorded(recorded, stored) if recorded else True
    _print_way_on(recordings, inside.profile)
    is_sound = all(report.success and not report.errors() for report in (*reports, *derived, *pools, *world))
    return 0 if is_sound and is_whole else 1


def demo_plans(universe: Universe, recorded: Sequence[RecordedSeries]) -> list[Plan]:
    """The last ten days of three venues with the newest trades and books, or every recorded series over its dates."""
    if recorded:
        return plan_runs(universe, *span_of(recorded), (), (), ())
    now = datetime.now(UTC)
    plans = plan_runs(universe, now - timedelta(days=DEMO_DAYS), now, DEMO_VENUES, (), ())
    return [replace(plan, events_minutes=DEMO_MINUTES) for plan in plans]


def pool_plans(universe: Universe, recorded: Sequence[RecordedSeries]) -> list[Plan]:
    """Pools of one network, with today's bars and the newest trades of those that the watchlist names.

    Recordings have none: their clock stands in the past, and pools can be asked for in the present only.
    """
    if recorded or DEMO_NETWORK not in universe.dex.networks:
        return []
    return plan_pools(universe, (DEMO_NETWORK,), {}, DEMO_POOL_DAYS, datetime.now(UTC))


def world_plans(universe: Universe, recorded: Sequence[RecordedSeries]) -> list[Plan]:
    """Economies, chains, news and moods of the demo's days, and fees of more; recordings have none."""
    if recorded:
        return []
    now = datetime.now(UTC)
    plans = plan_world(universe, (), DEMO_DAYS, now)
    return [
        replace(plan, start=now - timedelta(days=DEMO_FEE_DAYS)) if plan.venue == "fees" else plan for plan in plans
    ]


def stored_bars(warehouse: Warehouse) -> list[Stored]:
    """How many bars each series has."""
    key = (ohlcv.c.venue, ohlcv.c.symbol, ohlcv.c.timeframe)
    frame = read_frame(warehouse, select(*key, func.count().label("bars")).group_by(*key).order_by(*key))
    return [Stored(row["venue"], row["symbol"], row["timeframe"], int(row["bars"])) for row in frame.to_dict("records")]


def _print_summary(reports: Sequence[RunReport], stored: Sequence[Stored], seconds: float) -> None:
    shown = table("market/ohlcv", "venue", ">new rows", ">rows stored", ">gaps", ">checks passed", "run", "result")
    for report in sorted(reports, key=lambda one: one.venue):
        rows = sum(one.bars for one in stored if one.venue == report.venue)
        passed = sum(1 for _, is_passed, _ in report.checks if is_passed)
        shown.add_row(
            report.venue,
            f"{report.rows_written:,}",
            f"{rows:,}",
            f"{report.bars_absent:,}",
            f"{passed} of {len(report.checks)}",
            report.run_id[:8],
            "[green]ok[/]" if report.success and not report.errors() else "[red]failed[/]",
        )
    OUT.print(shown)
    for report in reports:
        if not report.success:
            complain(f"{report.venue}: {report.message}")
        for name, is_passed, severity in report.checks:
            if not is_passed:
                OUT.print(f"  {report.venue}: {name} did not hold ({severity.lower()})")
    trades = sum(report.trades_written for report in reports)
    also = f", {trades:,} trades of the last {DEMO_MINUTES} minutes" if trades else ""
    OUT.print(f"{sum(one.bars for one in stored):,} bars in {len(stored)} series{also}, {seconds:.0f} s.")


def _with_missing(warehouse: Warehouse, plans: Sequence[Plan]) -> list[Plan]:
    """The same runs as repairs, for the venues that lack bars: asked once more, the ledger can say why."""
    lacking = {key.venue for key, _ in missing_gaps(warehouse, DATASET)}
    return [replace(plan, repair=True, events_minutes=0) for plan in plans if plan.venue in lacking]


def _joined(first: Sequence[RunReport], repaired: Sequence[RunReport]) -> list[RunReport]:
    """The reports of collecting, with what the repairs' checks found in place of theirs."""
    later = {report.venue: report for report in repaired}
    return [
        replace(
            one, checks=_newest(one.checks, later[one.venue].checks), success=one.success and later[one.venue].success
        )
        if one.venue in later
        else one
        for one in first
    ]


def _newest(first: Sequence[Check], later: Sequence[Check]) -> tuple[Check, ...]:
    """The later verdicts in the place of the first ones of the same name."""
    named = {check[0] for check in later}
    return (*(check for check in first if check[0] not in named), *later)


def _print_gaps(warehouse: Warehouse) -> None:
    gaps = count_gaps(warehouse)
    gaps = gaps[gaps["dataset"] == DATASET]
    if gaps.empty:
        OUT.print("No gaps: every bar that was collected is there.")
        return
    shown = table("Gaps, asked for again and named", "venue", "state", ">gaps", ">bars")
    for row in gaps.to_dict("records"):
        shown.add_row(row["venue"], row["state"], f"{row['gaps']:,}", f"{row['bars']:,.0f}")
    OUT.print(shown)


def _print_recorded(recorded: Sequence[RecordedSeries], stored: Sequence[Stored]) -> bool:
    """Each recorded series against what is stored; true where each is stored whole, less its unfinished last bar."""
    held = {(one.venue, one.symbol, one.timeframe): one.bars for one in stored}
    shown = table("Recorded against stored", "series", ">recorded", ">unfinished", ">stored", "")
    is_whole = True
    for one in recorded:
        bars = held.get((one.venue, one.symbol, one.timeframe), 0)
        is_equal = bars == one.rows - 1
        is_whole &= is_equal
        verdict = "[green]equal[/]" if is_equal else "[red]differs[/]"
        shown.add_row(f"{one.venue} {one.symbol} {one.timeframe}", f"{one.rows:,}", "1", f"{bars:,}", verdict)
    OUT.print(shown)
    return is_whole


def _print_way_on(recordings: Path | None, profile: str) -> None:
    flag = f"RECORDINGS={recordings}" if recordings else "SANDBOX=1"
    OUT.print(f"\nLook at it: [bold]make up {flag}[/], then open the address it prints (Assets, market, ohlcv).")
    if recordings is None:
        OUT.print(
            f"The newest order book: [bold].venv/bin/crypto-assets --profile {profile} show book binance BTC/USDT[/]"
        )
        OUT.print(
            f"Economies, chains, news: [bold].venv/bin/crypto-assets --profile {profile} show macro[/], onchain, news"
        )
        OUT.print(f"The pools that are known: [bold].venv/bin/crypto-assets --profile {profile} show pools[/]")
    if recordings is None:
        OUT.print(f"A forecast of fees: [bold].venv/bin/crypto-assets --profile {profile} models train gas_4h[/]")
    OUT.print(f"The quality report: [bold].venv/bin/crypto-assets --profile {profile} quality[/]")
    OUT.print(
        f"The newest features: [bold].venv/bin/crypto-assets --profile {profile} features show binance BTC/USDT[/]"
    )
