"""`crypto-assets features`: what models may know: the list, computing it, a market's newest row, the report.

What belongs here: options, flow and tables. What does not: features and their report (datasets/features), following runs
(runs.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from crypto_assets.cli.console import OUT, complain, table, write_file
from crypto_assets.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from crypto_assets.cli.runs import Plan, RunReport
    from crypto_assets.universe import Universe
    from crypto_assets.warehouse.connection import Warehouse

features_app = typer.Typer(
    no_args_is_help=True, help="Indicators, features and labels: what models may know, and when."
)
DERIVED_RUNS = (
    1  # each has two threads; and where runs overlap, the web UI takes the checks of the first for not evaluated
)
SHOWN_BARS = 24  # of a feature's line: a day of hours, which fits a terminal
_BLOCKS = "▁▂▃▄▅▆▇█"


@features_app.command("list")
def list_(
    context: typer.Context,
    indicators: Annotated[bool, typer.Option("--indicators", help="The technical indicators instead.")] = False,
) -> None:
    """List every feature with its set, unit, look back, scaling and meaning.

    Example: crypto-assets features list
    """
    _ = context
    raise typer.Exit(_list_indicators() if indicators else _list_features())


@features_app.command()
def compute(
    context: typer.Context,
    from_: Annotated[str, typer.Option("--from", help="First month, as 2024-01-01.")],
    to: Annotated[str, typer.Option("--to", help="Up to this day, as 2024-02-01; default: now.")] = "",
    venue: Annotated[list[str] | None, typer.Option(help="Only this exchange; repeatable.")] = None,
    market: Annotated[list[str] | None, typer.Option(help="Only this market; repeatable.")] = None,
    timeframe: Annotated[list[str] | None, typer.Option(help="Only this length of bar; repeatable.")] = None,
) -> None:
    """Compute indicators, features and labels of stored bars: whole months, one Dagster run a venue.

    Example: crypto-assets features compute --from 2024-01-01 --venue binance
    """
    from crypto_assets.universe import parse_moment

    start, end = parse_moment(from_, "--from"), parse_moment(to, "--to") or datetime.now(UTC)
    raise typer.Exit(run_compute(context.obj, (start or end, end), (venue or (), market or (), timeframe or ())))


@features_app.command()
def show(
    context: typer.Context,
    venue: Annotated[str, typer.Argument(help="Exchange, by its ccxt id.")],
    symbol: Annotated[str, typer.Argument(help="Market, as BTC/USDT.")],
    timeframe: Annotated[str, typer.Option(help="Length of bar.")] = "1h",
) -> None:
    """Show a market's newest features, each with a line of its last 24 bars.

    Example: crypto-assets features show binance BTC/USDT
    """
    raise typer.Exit(run_show(context.obj, venue, symbol, timeframe))


@features_app.command()
def report(
    context: typer.Context,
    html: Annotated[Path | None, typer.Option(help="Write the page to this file.")] = None,
    venue: Annotated[list[str] | None, typer.Option(help="Only this exchange; repeatable.")] = None,
) -> None:
    """Report coverage, distributions, drift, repeated columns and the look-ahead proof of the newest year.

    Example: crypto-assets features report --html features.html
    """
    raise typer.Exit(run_report(context.obj, html, venue or []))


def run_compute(
    settings: Settings,
    span: tuple[datetime, datetime],
    chosen: tuple[Sequence[str], Sequence[str], Sequence[str]],
) -> int:
    """One run a venue; exit code 0 where each succeeded.

    Raises:
        UniverseError: an unknown venue, symbol or timeframe; nothing has been started.
    """
    from crypto_assets.cli.environment import Environment
    from crypto_assets.cli.runs import plan_runs, run_plans
    from crypto_assets.resources import UniverseFile

    with Environment(settings) as environment:
        universe = UniverseFile(settings.universe_file, environment.warehouse).in_force().universe
        plans = derived_plans(environment.warehouse, universe, plan_runs(universe, *span, *chosen))
        reports = run_plans(environment, universe, plans, jobs=DERIVED_RUNS)
    return print_derived(reports)


def derived_plans(warehouse: Warehouse, universe: Universe, plans: Sequence[Plan]) -> list[Plan]:
    """The same venues and months to be derived from; of venues without bars of the universe's lengths, none.

    Raises:
        NoBars: none of them has such bars.
    """
    from dataclasses import replace

    from crypto_assets.datasets.features.derive import NoBars
    from crypto_assets.datasets.features.source import Source
    from crypto_assets.warehouse.read import reading

    wanted = universe.features.timeframes
    with reading(warehouse) as reader:
        stored = {plan.venue: {key.timeframe for key in Source(reader).series(plan.venue)} for plan in plans}
    chosen = [plan for plan in plans if plan.timeframes or stored[plan.venue] & set(wanted)]
    if not chosen:
        raise NoBars(
            f"No bars of {', '.join(wanted)} are stored for {', '.join(plan.venue for plan in plans)}",
            way_out="Collect them first: `crypto-assets backfill --from …`.",
        )
    return [replace(plan, is_derived=True, with_instruments=False, events_minutes=0) for plan in chosen]


def print_derived(reports: Sequence[RunReport]) -> int:
    """A row a run, then what went wrong; 0 where nothing did."""
    shown = table("Features", "venue", ">rows", ">values known", ">checks passed", "run", "result")
    for one in sorted(reports, key=lambda report: report.venue):
        passed = sum(1 for _, is_passed, _ in one.checks if is_passed)
        result = "[green]ok[/]" if one.success else "[red]failed[/]"
        known = f"{one.coverage:.1%}" if one.rows_written else ""
        checks = f"{passed} of {len(one.checks)}"
        shown.add_row(one.venue, f"{one.rows_written:,}", known, checks, one.run_id[:8], result)
    OUT.print(shown)
    for one in reports:
        for name, is_passed, severity in one.checks:
            if not is_passed:
                OUT.print(f"  {one.venue}: {name} did not hold ({severity.lower()})")
        if not one.success:
            complain(f"{one.venue}: {one.message}", "`crypto-assets status` shows which bars are stored.")
    return 0 if all(one.success for one in reports) else 1


def run_show(settings: Settings, venue: str, symbol: str, timeframe: str) -> int:
    """Print the newest row.

    Raises:
        FeaturesRefused: nothing is stored there, and what is.
    """
    from crypto_assets.cli.environment import Environment
    from crypto_assets.datasets.features.ml_features.catalog import FEATURE_SETS
    from crypto_assets.datasets.features.ml_features.load import latest_features, load_features
    from crypto_assets.universe import TIMEFRAME_LENGTH, require_exchange_timeframe
    from crypto_assets.warehouse.read import reading

    require_exchange_timeframe(timeframe)
    with Environment(settings) as environment:
        with reading(environment.warehouse) as reader:
            latest = latest_features(reader, venue, symbol, timeframe)
        length = TIMEFRAME_LENGTH[timeframe]
        end = latest["opened_at"].iloc[0].to_pydatetime() + length if len(latest) else datetime.now(UTC)
        start = end - SHOWN_BARS * length
        frame = load_features(environment.warehouse, venue, [symbol], timeframe, start, end)
    newest = frame.iloc[-1]
    shown = table(f"{venue} {symbol} {timeframe}", "set", "feature", ">value", "unit", f"last {len(frame)} bars")
    for chosen in FEATURE_SETS:
        for one in chosen.features:
            value = float(newest[one.name])
            told = "[dim]null[/]" if math.isnan(value) else f"{value:,.5g}"
            shown.add_row(chosen.name, one.name, told, f"[dim]{escape(one.unit)}[/]", line_of(frame[one.name]))
    OUT.print(shown)
    known = f"known {newest['known_at']:%Y-%m-%d %H:%M} UTC, version {newest['version']}"
    OUT.print(f"Bar of {newest['opened_at']:%Y-%m-%d %H:%M}, {known}.")
    return 0


def run_report(settings: Settings, html: Path | None, venues: list[str]) -> int:
    """Print the report, or write its page.

    Returns:
        Exit code: 1 where a feature looks ahead, else 0.

    Raises:
        UniverseError: an unknown venue.
    """
    from crypto_assets.cli.environment import Environment
    from crypto_assets.datasets.features.ml_features.catalog import FEATURES
    from crypto_assets.datasets.features.ml_features.proof import no_look_ahead, told
    from crypto_assets.datasets.features.ml_features.report import notices, read_report
    from crypto_assets.datasets.features.ml_features.report_page import to_html
    from crypto_assets.partitions import VenueWindow
    from crypto_assets.resources import UniverseFile

    with Environment(settings) as environment:
        universe = UniverseFile(settings.universe_file, environment.warehouse).in_force().universe
        chosen = [name for name in venues or sorted(universe.venues) if universe.venue(name)]
        first = datetime(universe.history_from.year, universe.history_from.month, universe.history_from.day, tzinfo=UTC)
        windows = [VenueWindow(name, first, datetime.now(UTC) + timedelta(hours=1)) for name in chosen]
        made = read_report(environment.warehouse, universe, windows)
        prove = no_look_ahead(tuple(FEATURES.values()))
        proof = [finding for window in windows for finding in prove(environment.warehouse, universe, window)]
    leaks, verdict = sum(one.failed for one in proof), told(proof)
    if html is not None:
        write_file(html, to_html(made, notices(made, universe), verdict))
        OUT.print(f"Look-ahead proof: {verdict}.")
        return int(leaks > 0)
    shown = table("Features", "set", "feature", ">known", ">mean", ">deviation", ">5 %", ">median", ">95 %", ">drift")
    for one in made.columns:
        low, middle, high = (f"{value:.3g}" for value in one.quantiles[1:4]) if one.quantiles else ("", "", "")
        drift = "" if one.psi is None else f"{one.psi:.2f}"
        mean, deviation = (f"{one.mean:.3g}", f"{one.deviation:.3g}") if one.quantiles else ("", "")
        shown.add_row(one.feature_set, one.name, f"{one.coverage:.1%}", mean, deviation, low, middle, high, drift)
    OUT.print(shown)
    for line in notices(made, universe):
        OUT.print(f"  {escape(line)}")
    OUT.print(f"{made.rows:,} rows sampled. Look-ahead proof: {verdict}.")
    return int(leaks > 0)


def line_of(values: pd.Series) -> str:
    """The values as a line of blocks; a space for null."""
    known = values.dropna()
    if known.empty:
        return ""
    low, span = float(known.min()), float(known.max() - known.min()) or 1.0
    return "".join(" " if math.isnan(one) else _BLOCKS[min(7, int((one - low) / span * 8))] for one in values.tolist())


def _list_features() -> int:
    from crypto_assets.datasets.features.ml_features.catalog import FEATURE_SETS, FEATURES, feature_version

    shown = table("Features", "set", "feature", "unit", ">bars back", "scaling", "meaning")
    for chosen in FEATURE_SETS:
        for one in chosen.features:
            shown.add_row(
                chosen.name, one.name, escape(one.unit), str(one.horizon), one.scaling.told, escape(one.meaning)
            )
    OUT.print(shown)
    OUT.print(f"{len(FEATURES)} features, version {feature_version()}.")
    return 0


def _list_indicators() -> int:
    from crypto_assets.indicators.catalog import INDICATORS

    shown = table("Indicators", "indicator", "unit", ">warm-up", "class", "source", "meaning")
    for one in INDICATORS.values():
        told = (one.name, escape(one.unit), str(one.warm_up), one.kind.value, escape(one.source), escape(one.meaning))
        shown.add_row(*told)
    OUT.print(shown)
    OUT.print(f"{len(INDICATORS)} indicators.")
    return 0
