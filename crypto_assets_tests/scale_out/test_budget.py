"""Two workers on one venue: what arrives there stays within the budget of one, by the sandbox's own count."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from crypto_assets.clients.exchange import Exchange
from crypto_assets.clients.failures import ProviderError
from crypto_assets.resources import Exchanges
from crypto_assets.sandbox.budgets import Limit
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.universe import parse_universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.playing import HASTE

VENUE, SYMBOL, PAGES = "binance", "BTC/USDT", 14
UNIVERSE = parse_universe(
    f"history_from: 2026-01-01\nvenues: {{{VENUE}: {{markets: [{SYMBOL}], requests_per_second: 10, page_bars: 100}}}}",
    "universe.yaml",
)
A_SECOND = 10 * 2  # a page of bars weighs two there
START = datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture
def limited(sandbox: SandboxProcess) -> Iterator[SandboxProcess]:
    """Refuses what exceeds the budget by more than the two requests that may lie on a second's edges."""
    yield sandbox
    sandbox.clear_limits()


def _workers(sandbox: SandboxProcess, warehouses: list[Warehouse | None]) -> list[Exchange]:
    """A client for each, which has read the venue's list of markets."""
    made = [Exchanges(sandbox.url, HASTE, one, keeps_budget=True).client(VENUE, UNIVERSE) for one in warehouses]
    for exchange in made:
        exchange.require_symbol(SYMBOL)
    return made


def _refused(sandbox: SandboxProcess, workers: list[Exchange]) -> int:
    """How many requests of both at once were too many."""
    sandbox.set_limits({VENUE: Limit(weight=A_SECOND + 2 * 2, seconds=1)})
    before = sandbox.refused().get(VENUE, 0)

    def ask(exchange: Exchange) -> int:
        pages = 0
        with suppress(ProviderError):  # counted by the sandbox
            for _ in exchange.pages(SYMBOL, "1m", START, START + timedelta(minutes=100 * PAGES)):
                pages += 1
        return pages

    with ThreadPoolExecutor(len(workers)) as pool:
        list(pool.map(ask, workers))
    for exchange in workers:
        exchange.close()
    return sandbox.refused().get(VENUE, 0) - before


def test_two_workers_share_the_budget_of_a_venue(limited: SandboxProcess, warehouse: Warehouse) -> None:
    both = [Warehouse(warehouse.url), Warehouse(warehouse.url)]
    assert _refused(limited, _workers(limited, [*both])) == 0


def test_without_the_shared_row_they_would_exceed_it(limited: SandboxProcess) -> None:
    assert _refused(limited, _workers(limited, [None, None])) > 0
