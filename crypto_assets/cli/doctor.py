"""`crypto-assets doctor`: is everything in place, and does each provider answer from here?

What belongs here: the list of examinations and their table. What does not: the probes themselves, which are methods of
clients and warehouse. What is no exchange joins in doctor_world.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from rich.markup import escape

from crypto_assets.cli.console import NOTICES, OUT, table
from crypto_assets.cli.doctor_operations import operation_examinations
from crypto_assets.cli.doctor_world import world_examinations
from crypto_assets.cli.environment import Environment
from crypto_assets.cli.serve import running_processes
from crypto_assets.clients.geckoterminal import GeckoTerminal
from crypto_assets.clients.transport import RetryPolicy
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.resources import Exchanges, PoolClients, Providers, keys_of
from crypto_assets.settings import Settings
from crypto_assets.universe import Universe, read_universe

# A doctor that waits is no help: one try, no patience.
ONE_TRY = RetryPolicy(attempts=1, breaker_failures=1)


@dataclass(frozen=True)
class Verdict:
    """One row of the table. `is_fatal` tells whether the doctor's exit code says so."""

    name: str
    is_well: bool
    told: str
    way_out: str = ""
    is_fatal: bool = True


def run_doctor(settings: Settings) -> int:
    """Examine everything and print the table.

    Returns:
        Exit code: 0 where all is well, 1 otherwise.
    """
    verdicts = []
    with NOTICES.status("Examining") as status:
        for verdict in examine(settings):
            verdicts.append(verdict)
            status.update(f"Examined {verdict.name}")
    shown = table("doctor", "what", "", "found", "way out")
    for verdict in verdicts:
        mark = "[green]ok[/]" if verdict.is_well else "[red]no[/]" if verdict.is_fatal else "[yellow]off[/]"
        shown.add_row(verdict.name, mark, escape(verdict.told), escape(verdict.way_out))
    OUT.print(shown)
    return 0 if all(verdict.is_well or not verdict.is_fatal for verdict in verdicts) else 1


def examine(settings: Settings) -> Iterator[Verdict]:
    """All verdicts, one after the other; a failed one never hides the next."""
    yield Verdict("settings", True, f"profile {settings.profile}")
    universe, verdict = _universe(settings)
    yield verdict
    yield from _database(settings, universe)
    served = [process.name for process in running_processes(settings)]
    is_up = "daemon" in served
    yield Verdict(
        "daemon", is_up, "runs" if is_up else "does not run", "" if is_up else "`make up` starts it.", is_fatal=False
    )
    if universe:
        yield from _provider_examinations(settings, universe)


def _universe(settings: Settings) -> tuple[Universe | None, Verdict]:
    try:
        universe, _ = read_universe(settings.universe_file)
    except CryptoAssetsError as error:
        return None, Verdict("universe", False, error.problem, error.way_out)
    markets = sum(len(venue.markets) for venue in universe.venues.values())
    return universe, Verdict("universe", True, f"{len(universe.venues)} venues, {markets} markets")


def _database(settings: Settings, universe: Universe | None) -> Iterator[Verdict]:
    try:
        with Environment(settings) as environment:
            kind = "external" if settings.database_url else "embedded"
            yield Verdict("database", True, f"{kind}, PostgreSQL {environment.warehouse.check()}")
            report = environment.migrated
            told = f"{len(report.applied)} applied now, {report.already} before" if report else ""
            yield Verdict("migrations", True, told)
            # What is made goes on without any of these, so the exit code does not tell of them.
            for one in operation_examinations(settings, environment.warehouse, universe):
                found = Verdict(one.name, False, one.off) if one.off else _examined(one.name, one.look)
                yield replace(found, is_fatal=False)
    except CryptoAssetsError as error:
        yield Verdict("database", False, error.problem, error.way_out)


def _provider_examinations(settings: Settings, universe: Universe) -> Iterator[Verdict]:
    exchanges = Exchanges(settings.sandbox_url, ONE_TRY)
    for name, venue in sorted(universe.venues.items()):

        def ask(name: str = name, symbol: str = venue.markets[0].symbol) -> str:
            exchange = exchanges.client(name, universe)
            exchange.require_symbol(symbol)
            began = time.monotonic()
            page = exchange.probe(symbol)
            milliseconds = (time.monotonic() - began) * 1000
            skew = page.now / 1000 - datetime.now(UTC).timestamp()
            return f"{len(page.bars)} bars of {symbol} in {milliseconds:.0f} ms, clock {skew:+.0f} s, no key needed"

        yield _examined(name, ask)
    yield _examined(GeckoTerminal.name, lambda: _ask_geckoterminal(settings, universe))
    providers = Providers(keys_of(settings), settings.models, settings.sandbox_url, ONE_TRY)
    for one in world_examinations(providers, universe):
        # The rest of the graph runs on without any of these, so the doctor's exit code does not tell of them.
        if one.lacks:
            yield Verdict(one.name, False, one.lacks, one.way_out, is_fatal=False)
        else:
            yield replace(_examined(one.name, one.ask), is_fatal=False)


def _ask_geckoterminal(settings: Settings, universe: Universe) -> str:
    """One request of one network, though the answer speaks for all.

    Raises:
        ProviderError: what went wrong.
    """
    client = PoolClients(settings.sandbox_url, ONE_TRY).client(universe)
    network = sorted(universe.dex.networks)[-1]
    try:
        began = time.monotonic()
        pools = client.new_pools(network).rows
        milliseconds = (time.monotonic() - began) * 1000
    finally:
        client.close()
    a_minute = universe.dex.requests_per_minute
    return (
        f"{len(pools)} new pools of {network} in {milliseconds:.0f} ms, {a_minute:g} requests a minute, no key needed"
    )


def _examined(name: str, ask: Callable[[], str]) -> Verdict:
    try:
        return Verdict(name, True, ask())
    except CryptoAssetsError as error:
        return Verdict(name, False, error.problem[:200], error.way_out)
