"""`crypto-assets stream`: options, signals, log lines, reports and exit codes of the stream.

What belongs here: what a terminal or a parent process sees of it. What does not: the stream (stream/sidecar.py). Nothing here
imports Dagster: the stream is there in a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import stat
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import structlog
import typer

from crypto_assets.cli.console import complain, log_command
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.logs import CONSOLE, JSON, bound_origin
from crypto_assets.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from crypto_assets.latest.telling import LatestValues
    from crypto_assets.stream.counters import Counters
    from crypto_assets.stream.ownership import Claim
    from crypto_assets.stream.report import Ended, HourReport, Ready
    from crypto_assets.stream.sidecar import Audience as Heard
    from crypto_assets.stream.sidecar import Plan
    from crypto_assets.stream.standing import MarketName, Snapshot
    from crypto_assets.universe import Universe
    from crypto_assets.warehouse.connection import Warehouse

TAKEN_EXIT = 3  # another stream writes
SWITCH_SECONDS = 0.0005  # that the clock may have to wait for the writing thread's Python; 5 ms unless told


class LogFormat(StrEnum):
    """How log lines look."""

    TEXT = "text"
    JSON = "json"


class BadOption(CryptoAssetsError):
    """An option holds what it cannot hold."""


@dataclass(frozen=True)
class StreamOptions:
    """The command's options, as given."""

    config: Path | None = None
    symbols: str = ""
    venues: str = ""
    dry_run: bool = False
    take_over: bool = False
    wait: bool = False
    watch_port: int = 0
    report: bool = False
    end_with_input: bool = False


def stream(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option(help="Another universe.yaml.")] = None,
    symbols: Annotated[str, typer.Option(help="As BTC/USDT,ETH/USDT; default: all of the universe.")] = "",
    venues: Annotated[str, typer.Option(help="As mexc,gate; default: stream.venues of the universe.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing; show a live line.")] = False,
    take_over: Annotated[bool, typer.Option("--take-over", help="Follow a running stream without a gap.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Begin when a running stream has ended.")] = False,
    watch_port: Annotated[int, typer.Option(min=0, max=65535, help="Of /metrics on 127.0.0.1; 0: any.")] = 0,
    report: Annotated[bool, typer.Option("--report", help="A line of JSON a minute and an hour on stdout.")] = False,
    end_with_input: Annotated[bool, typer.Option("--end-with-input", help="End when stdin is closed.")] = False,
    log_format: Annotated[
        LogFormat | None, typer.Option(help="Of log lines, on stderr; default: the environment's.")
    ] = None,
) -> None:
    """Follow best prices, snapshot them every second into PostgreSQL and tell what is seen in them, until Ctrl-C.

    Example: crypto-assets stream --venues mexc,gate --symbols BTC/USDT,ETH/USDT --dry-run

    Exit codes: 0 ended as asked, 1 cannot go on, 3 another stream is writing.
    """
    settings: Settings = context.obj
    log_lines(settings, log_format)
    options = StreamOptions(
        config, symbols, venues, dry_run, take_over, wait, watch_port, report, end_with_input
    )  # fmt: skip
    raise typer.Exit(run_stream(settings, options))


def run_stream(settings: Settings, options: StreamOptions) -> int:
    """Stream until asked to end; returns the exit code.

    Raises:
        CryptoAssetsError: wrong input, or the stream cannot go on.
    """
    from crypto_assets.stream.ownership import AnotherStream
    from crypto_assets.stream.report import Ended

    universe, _ = _universe(settings, options)
    markets = chosen_markets(universe, options)
    audience = Audience(is_reporting=options.report, is_live=options.dry_run)
    with _warehouse(settings, is_needed=not options.dry_run) as warehouse:
        plan = _plan(settings, options, universe, markets, warehouse)
        try:
            why = _run(plan, audience, _latest(settings, options), end_with_input=options.end_with_input)
        except AnotherStream as error:
            audience.report(Ended(error.problem, TAKEN_EXIT))
            complain(error.problem, error.way_out)
            return TAKEN_EXIT
        except CryptoAssetsError as error:
            audience.report(Ended(error.problem, 1))
            raise
        audience.report(Ended(why, 0))
        structlog.get_logger(__name__).info(f"Ended: {why}.", why=why)
    return 0


def chosen_markets(universe: Universe, options: StreamOptions) -> tuple[MarketName, ...]:
    """Venue and symbol of each market to follow.

    Raises:
        BadOption: a symbol that is none, or nothing to follow.
        UniverseError: a venue that nobody has.
    """
    from pydantic import TypeAdapter, ValidationError

    from crypto_assets.universe import Symbol, UniverseError, known_venues

    there = tuple(venue for venue in universe.stream.venues if venue in universe.venues)
    venues = _listed(options.venues) or there
    symbols = _listed(options.symbols)
    for symbol in symbols:
        try:
            TypeAdapter(Symbol).validate_python(symbol)
        except ValidationError:
            raise BadOption(
                f"--symbols has '{symbol[:60]}', no unified symbol", way_out="Write it as BTC/USDT,ETH/USDT."
            ) from None
    for venue in venues:
        if venue not in universe.venues and not (symbols and venue in known_venues()):
            raise UniverseError(
                f"Unknown venue '{venue[:60]}'", way_out=f"The universe has {', '.join(sorted(universe.venues))}."
            )
    markets = tuple(
        (venue, symbol)
        for venue in venues
        for symbol in (symbols or [market.symbol for market in universe.venue(venue).markets])
    )
    if not markets:
        raise BadOption(
            "The universe has no market of stream.venues: nothing to follow", way_out="Name some with --venues."
        )
    return markets


def log_lines(settings: Settings, form: LogFormat | None) -> None:
    """Log to stderr at the level of the settings, or else from the lines on that a person wants to see."""
    level = settings.log_level if "log_level" in settings.model_fields_set else "INFO"
    chosen = settings.log_format if form is None else {LogFormat.TEXT: CONSOLE, LogFormat.JSON: JSON}[form]
    log_command(level, chosen, bound_origin().to_json(), "stream")


class Audience:
    """Reports on standard output, and a live line where nothing is written."""

    def __init__(self, *, is_reporting: bool, is_live: bool) -> None:
        self._is_reporting = is_reporting
        self._is_live = is_live
        self._quotes = 0
        self.closed: Callable[[], None] = lambda: None
        if is_reporting and stat.S_ISFIFO(os.fstat(1).st_mode):
            os.set_blocking(1, False)  # whoever does not read must not stop the clock

    def report(self, line: Ready | HourReport | Ended) -> None:
        """Write a line; where nobody reads any more, the stream is to end."""
        from crypto_assets.stream.sidecar import to_json

        if not self._is_reporting:
            return
        try:
            os.write(1, to_json(line))
        except BlockingIOError:
            structlog.get_logger(__name__).warning("nobody reads the reports; one was left out")
        except BrokenPipeError:
            self._is_reporting = False
            self.closed()

    def looked(self, snapshot: Snapshot, counters: Counters) -> None:
        """Show how it stands."""
        if not self._is_live:
            return
        from crypto_assets.stream.report import iso

        quotes = counters.feeds.quotes.total()
        stale = sum(standing.is_stale for standing in snapshot.standings)
        followed = len(snapshot.standings) + len(snapshot.absent)
        text = (
            f"{iso(snapshot.at)[11:19]}  {len(snapshot.standings)} of {followed} markets, {stale} stale,"
            f" {quotes - self._quotes} quotes, taken {counters.snapshots.late_ms[-1]:.1f} ms late, nothing written"
        )
        self._quotes = quotes
        is_terminal = sys.stdout.isatty()
        sys.stdout.write(f"\r{text}\x1b[K" if is_terminal else f"{text}\n")
        sys.stdout.flush()


def _run(plan: Plan, audience: Audience, latest: LatestValues, *, end_with_input: bool) -> str:
    import uvloop

    from crypto_assets.stream.sidecar import Sidecar, feeds_of
    from crypto_assets.stream.telling import told_too

    async def streaming(heard: Heard) -> str:
        loop = asyncio.get_running_loop()
        sidecar = Sidecar(plan, feeds_of(plan), heard)
        audience.closed = lambda: sidecar.end("nobody reads the reports any more")
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, sidecar.end, f"asked to by {number.name}")
        if end_with_input:
            _at_end_of_input(lambda: loop.call_soon_threadsafe(sidecar.end, "who started it is gone"))
        # What is loaded by now lives as long as the process: looking through it for garbage takes tenths of a second.
        gc.collect()
        gc.freeze()
        return await sidecar.run()

    sys.setswitchinterval(SWITCH_SECONDS)
    with (
        told_too(latest, audience, plan.rules.snapshot_seconds) as heard,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(streaming(heard))


def _at_end_of_input(ended: Callable[[], object]) -> None:
    """Call when standard input is closed; it may be a file or a terminal, which no event loop watches."""

    def read() -> None:
        with contextlib.suppress(OSError):  # a terminal that is gone says so with an error
            while os.read(0, 4096):
                pass
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            ended()

    threading.Thread(target=read, name="end of input", daemon=True).start()


def _universe(settings: Settings, options: StreamOptions) -> tuple[Universe, str]:
    from crypto_assets.universe import read_universe

    if options.take_over and options.wait:
        raise BadOption("--take-over and --wait exclude each other", way_out="Give one of them.")
    return read_universe(options.config or settings.universe_file)


def _plan(
    settings: Settings,
    options: StreamOptions,
    universe: Universe,
    markets: tuple[MarketName, ...],
    warehouse: Warehouse | None,
) -> Plan:
    from crypto_assets.stream.sidecar import Plan

    return Plan(
        markets=markets,
        rules=universe.stream,
        folder=settings.home.absolute() / settings.profile,
        warehouse=warehouse,
        sandbox_url=settings.sandbox_url,
        claim=_claim(options),
        watch_port=None if options.dry_run else options.watch_port,
    )


def _latest(settings: Settings, options: StreamOptions) -> LatestValues:
    """Where Redis is told what is newest; whoever writes nothing tells nobody."""
    from crypto_assets.latest.telling import LatestValues

    return LatestValues(None if options.dry_run else settings.redis_url, settings.profile)


def _claim(options: StreamOptions) -> Claim:
    from crypto_assets.stream.ownership import Claim

    if options.take_over:
        return Claim.TAKE_OVER
    return Claim.WAIT if options.wait else Claim.REFUSE


@contextlib.contextmanager
def _warehouse(settings: Settings, *, is_needed: bool) -> Iterator[Warehouse | None]:
    """The profile's warehouse: the one that a parent names, else found or started."""
    if not is_needed:
        yield None
        return
    from crypto_assets.warehouse.connection import Warehouse

    if settings.warehouse_url is not None:
        yield Warehouse(settings.warehouse_url, bound_origin())
        return
    from crypto_assets.cli.environment import Environment

    with Environment(settings) as environment:
        yield environment.warehouse


def _listed(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
