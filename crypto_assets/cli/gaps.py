"""`crypto-assets gaps`: the ledger of absent bars: scan for them, list them, ask for them again.

What belongs here: options, flow and progress. What does not: tables (gap_tables.py); finding, naming and repairing (quality,
datasets).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crypto_assets.cli.console import NOTICES, OUT, complain
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.settings import Settings

if TYPE_CHECKING:
    from crypto_assets.datasets.market.ohlcv.collect import Outcome
    from crypto_assets.datasets.market.ohlcv.repair import Choice, RepairPlan
    from crypto_assets.resources import Exchanges
    from crypto_assets.spans import Span
    from crypto_assets.universe import Universe
    from crypto_assets.warehouse.connection import Warehouse

BARS = "market/ohlcv"

gaps_app = typer.Typer(no_args_is_help=True, help="Which bars are absent, why, and asking for them again.")
Dataset = Annotated[
    str, typer.Option(help="Whose gaps; of dex/pool_ohlcv a venue is a network, and a symbol a pool's address.")
]
Venue = Annotated[str, typer.Option(help="Exchange, by its ccxt id; default: all.")]
Symbol = Annotated[str, typer.Option(help="Market, as BTC/USDT; default: all.")]
Frame = Annotated[str, typer.Option(help="Length of bar, as 1h; default: all.")]
From = Annotated[str, typer.Option("--from", help="First opening time, as 2024-01-01.")]
To = Annotated[str, typer.Option("--to", help="Opening times before this, as 2024-02-01.")]


@dataclass(frozen=True)
class Filter:
    """Which part of the ledger a command is about; None leaves a column free."""

    venue: str | None
    symbol: str | None
    timeframe: str | None
    start: datetime | None
    end: datetime | None

    @classmethod
    def of(cls, venue: str, symbol: str, timeframe: str, first: str, last: str) -> Filter:
        """From what was typed.

        Raises:
            CryptoAssetsError: no time, or an empty span; an unknown timeframe.
        """
        from crypto_assets.universe import parse_moment, timeframe_ms

        if timeframe:
            timeframe_ms(timeframe)
        start, end = parse_moment(first, "--from"), parse_moment(last, "--to")
        if start and end and start >= end:
            raise CryptoAssetsError(f"Nothing lies between {first} and {last}", way_out="--from must be before --to.")
        return cls(venue or None, symbol or None, timeframe or None, start, end)


@gaps_app.command()
def scan(
    context: typer.Context, venue: Venue = "", symbol: Symbol = "", timeframe: Frame = "", from_: From = "", to: To = ""
) -> None:
    """Look at every stored bar, bring the ledger up to date, and name what is absent.

    Example: crypto-assets gaps scan --venue binance --from 2024-01-01
    """
    raise typer.Exit(run_scan(context.obj, Filter.of(venue, symbol, timeframe, from_, to)))


@gaps_app.command("list")
def list_(
    context: typer.Context,
    dataset: Dataset = BARS,
    venue: Venue = "",
    symbol: Symbol = "",
    timeframe: Frame = "",
    state: Annotated[str, typer.Option(help="As missing or venue_outage; default: all.")] = "",
    from_: From = "",
    to: To = "",
    json_: Annotated[bool, typer.Option("--json", help="Print them for machines.")] = False,
    export: Annotated[Path | None, typer.Option(help="Write them to FILE.parquet or FILE.csv.")] = None,
) -> None:
    """List the gaps there are and were.

    Example: crypto-assets gaps list --venue binance --state missing
    """
    chosen = Filter.of(venue, symbol, timeframe, from_, to)
    raise typer.Exit(run_list(context.obj, dataset, chosen, state, as_json=json_, export=export))


@gaps_app.command()
def repair(
    context: typer.Context,
    venue: Venue = "",
    symbol: Symbol = "",
    timeframe: Frame = "",
    from_: From = "",
    to: To = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the pages it would ask for, and ask nothing.")
    ] = False,
    now: Annotated[
        bool, typer.Option("--now", help="Also what is not due yet; that does not count as an attempt.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Also what has been named: outages, quiet, unrecoverable.")
    ] = False,
) -> None:
    """Ask the venues for just the missing bars, and name what stays absent.

    Example: crypto-assets gaps repair --venue binance --symbol BTC/USDT --dry-run
    """
    from crypto_assets.datasets.market.ohlcv.repair import Choice

    chosen = Filter.of(venue, symbol, timeframe, from_, to)
    raise typer.Exit(run_repair(context.obj, chosen, Choice(early=now, again=again), dry_run=dry_run))


def run_scan(settings: Settings, chosen: Filter) -> int:
    """Scan with progress and print a row a series that has gaps.

    Raises:
        NothingToScan: nothing was collected there.
    """
    from rich.progress import Progress

    from crypto_assets.cli.environment import Environment
    from crypto_assets.cli.gap_tables import print_scan
    from crypto_assets.datasets.market.instruments.table import read_listings
    from crypto_assets.datasets.market.ohlcv.table import DATASET, ohlcv
    from crypto_assets.quality.scan import collected_series, scan
    from crypto_assets.resources import UniverseFile

    with Environment(settings) as environment, Progress(console=NOTICES) as progress:
        warehouse = environment.warehouse
        rules = UniverseFile(settings.universe_file, warehouse).in_force().universe.gaps
        series = collected_series(warehouse, DATASET, **vars(chosen))
        task = progress.add_task("Scanning series", total=len(series))
        scanned, named = scan(
            warehouse,
            ohlcv,
            series,
            listings=lambda venue: read_listings(warehouse, venue),
            rules=rules,
            on_series=lambda _one: progress.advance(task),
        )
    print_scan(scanned, named.written)
    return 0


def run_list(
    settings: Settings, dataset: str, chosen: Filter, state: str, *, as_json: bool, export: Path | None
) -> int:
    """Print or write the ledger's rows.

    Raises:
        CryptoAssetsError: an unknown state or kind of file.
        NothingToScan: nothing was collected there.
    """
    from crypto_assets.cli.environment import Environment
    from crypto_assets.cli.gap_tables import export_gaps, gaps_json, print_gaps
    from crypto_assets.quality.coverage import read_gaps
    from crypto_assets.quality.gaps import State
    from crypto_assets.quality.scan import collected_series

    if state and state not in set(State):
        raise CryptoAssetsError(f"Unknown state '{state[:40]}'", way_out=f"Choose from {', '.join(State)}.")
    if export is not None and export.suffix not in {".parquet", ".csv"}:
        raise CryptoAssetsError(
            f"{export.name} is neither .parquet nor .csv", way_out="Name the file with one of them."
        )
    with Environment(settings) as environment:
        series = collected_series(environment.warehouse, dataset, **vars(chosen))
        start, end = min(span[0] for _, span in series), max(span[1] for _, span in series)
        frame = read_gaps(
            environment.warehouse,
            dataset=dataset,
            venue=chosen.venue,
            symbol=chosen.symbol,
            timeframe=chosen.timeframe,
            state=state or None,
            window=(start, end),
        )
    if export is not None:
        export_gaps(frame, export)
    elif as_json:
        OUT.print(gaps_json(frame), soft_wrap=True, markup=False)
    else:
        print_gaps(frame)
    return 0


def run_repair(settings: Settings, chosen: Filter, choice: Choice, *, dry_run: bool) -> int:
    """Repair with progress and print what came of it.

    Returns:
        Exit code: 0 where every venue answered.

    Raises:
        UniverseError: an unknown venue or symbol.
        NothingToScan: nothing was collected there.
        RepairBusy: another repair holds all the markets.
    """
    from crypto_assets.cli.environment import Environment
    from crypto_assets.cli.gap_tables import print_outcomes, print_pages
    from crypto_assets.resources import Exchanges, UniverseFile

    with Environment(settings) as environment:
        warehouse = environment.warehouse
        universe = UniverseFile(settings.universe_file, warehouse).in_force().universe
        exchanges = Exchanges(settings.sandbox_url)
        plans = plan_repairs(warehouse, exchanges, universe, chosen, choice)
        if dry_run:
            print_pages(plans)
            return 0
        outcomes = repair_markets(warehouse, exchanges, universe, plans)
    print_outcomes(outcomes)
    return 1 if any(outcome.failed for outcome in outcomes) else 0


def plan_repairs(
    warehouse: Warehouse, exchanges: Exchanges, universe: Universe, chosen: Filter, choice: Choice
) -> list[RepairPlan]:
    """What a repair would ask for, of the series that have anything to ask for.

    Raises:
        UniverseError: an unknown venue or symbol.
        NothingToScan: nothing was collected there.
    """
    from crypto_assets.datasets.market.ohlcv.collect import Series
    from crypto_assets.datasets.market.ohlcv.repair import plan_repair
    from crypto_assets.datasets.market.ohlcv.table import DATASET
    from crypto_assets.quality.scan import collected_series

    if chosen.venue:
        universe.select_markets(chosen.venue, (chosen.symbol,) if chosen.symbol else ())
    plans = []
    for key, span in collected_series(warehouse, DATASET, **vars(chosen)):
        if key.venue not in universe.venues or universe.venue(key.venue).market(key.symbol) is None:
            continue
        exchange = exchanges.client(key.venue, universe)
        reach = exchange.reach(key.timeframe, datetime.now(UTC))
        series = Series(key.venue, key.symbol, key.timeframe, *span)
        page_bars = exchange.venue.page_bars
        plan = plan_repair(warehouse, series, page_bars=page_bars, rules=universe.gaps, reach=reach, choice=choice)
        if plan.pages or plan.beyond_reach:
            plans.append(plan)
    return plans


def repair_markets(
    warehouse: Warehouse, exchanges: Exchanges, universe: Universe, plans: Sequence[RepairPlan]
) -> list[Outcome]:
    """Ask for the pages of all plans, venue by venue, with progress, and name what stays absent.

    Raises:
        RepairBusy: another repair holds all the markets of a venue.
    """
    from rich.progress import Progress

    from crypto_assets.datasets.market.ohlcv.repair import name_gaps_of, repair_series, repairing, require_free
    from crypto_assets.warehouse.lease import lease

    outcomes = []
    with Progress(console=NOTICES) as progress:
        for venue in sorted({plan.series.venue for plan in plans}):
            there = [plan for plan in plans if plan.series.venue == venue]
            task = progress.add_task(f"Asking {venue}", total=sum(len(plan.pages) for plan in there))
            symbols = [plan.series.symbol for plan in there]
            with repairing(warehouse, venue, symbols) as busy:
                require_free(venue, busy, symbols)
                if busy:
                    complain(f"Another repair of {venue} {', '.join(busy)} is at work; they are left out.")
                exchange = exchanges.client(venue, universe)
                with lease(warehouse, f"venue {venue}"):
                    for plan in there:
                        if plan.series.symbol not in busy:
                            advance = lambda task=task: progress.advance(task)  # noqa: E731
                            outcomes.append(repair_series(warehouse, exchange, plan, universe.gaps, on_page=advance))
            windows: list[tuple[str, Span]] = [
                (one.series.timeframe, (one.series.start, one.series.end)) for one in there
            ]
            name_gaps_of(warehouse, venue, windows, universe.gaps)
    return outcomes
