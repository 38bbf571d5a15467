"""What `crypto-assets doctor` asks of providers that are no exchange: one real request each.

What belongs here: the list and the requests. What does not: exchanges, the database and the table (doctor.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from crypto_assets.clients.alternative_me import AlternativeMe
from crypto_assets.clients.coinmetrics import CoinMetrics
from crypto_assets.clients.feeds import Feeds
from crypto_assets.clients.fred import NAME as FRED
from crypto_assets.clients.fred import Fred, secrets_of
from crypto_assets.clients.safe_fetch import Limits, SafeFetch
from crypto_assets.datasets.onchain.network_fees.sources import FeeSources
from crypto_assets.resources import Providers
from crypto_assets.universe import Universe


@dataclass(frozen=True)
class Asked:
    """One examination.

    Args:
        name: Of the provider.
        ask: Asks it, and says what came; raises CryptoAssetsError.
        lacks: What it cannot be asked without; empty where nothing is missing.
        way_out: How to come by that.
    """

    name: str
    ask: Callable[[], str]
    lacks: str = ""
    way_out: str = ""


def world_examinations(providers: Providers, universe: Universe) -> Iterator[Asked]:
    """Each provider of economies, chains, fees, news and moods."""
    yield Asked(
        FRED, lambda: _fred(providers, universe), "" if providers.keys.fred else "no key",
        "CRYPTO_ASSETS_FRED_API_KEY; free at https://fred.stlouisfed.org/docs/api/api_key.html",
    )  # fmt: skip
    yield Asked(CoinMetrics.name, lambda: _coinmetrics(providers, universe))
    yield Asked(AlternativeMe.name, lambda: _mood(providers, universe))
    for chain in universe.network_fees.chains:
        yield Asked(f"fees of {chain}", lambda chain=chain: _fees(providers, universe, chain))  # type: ignore[misc]
    fetch = SafeFetch(Limits(most_bytes=universe.news.most_bytes), sandbox_url=providers.sandbox_url)
    budget = universe.news.requests_per_minute
    feeds = Feeds(fetch, lambda name: providers.transport(f"feed {name}", budget), lambda: datetime.now(UTC))
    for name, url in universe.news.feeds.items():
        yield Asked(f"feed {name}", lambda name=name, url=url: _feed(feeds, name, url))  # type: ignore[misc]


def _fred(providers: Providers, universe: Universe) -> str:
    key = providers.keys.fred
    if key is None:
        raise RuntimeError("without a key nobody is asked")
    http = providers.http(FRED, universe.macro.requests_per_minute, secrets=secrets_of(key))
    with closing(Fred(http, key, lambda: datetime.now(UTC))) as fred:
        name = next(iter(universe.macro.series))
        milliseconds = _timed(lambda: fred.series(name))
    return f"{name} in {milliseconds:.0f} ms, with your key"


def _coinmetrics(providers: Providers, universe: Universe) -> str:
    budget = universe.onchain.requests_per_minute["coinmetrics"]
    transport = providers.transport(CoinMetrics.name, budget)
    yesterday = datetime.now(UTC).date() - timedelta(days=2)
    with closing(CoinMetrics(transport, sandbox_url=providers.sandbox_url)) as asked:
        milliseconds = _timed(lambda: asked.daily("btc", ["AdrActCnt"], yesterday, yesterday, datetime.now(UTC).date()))
    return f"a day of btc in {milliseconds:.0f} ms, no key needed"


def _mood(providers: Providers, universe: Universe) -> str:
    http = providers.http(AlternativeMe.name, universe.sentiment.fear_greed_requests_per_minute)
    with closing(http):
        milliseconds = _timed(lambda: AlternativeMe(http).fear_greed(1, datetime.now(UTC).date()))
    return f"Fear & Greed in {milliseconds:.0f} ms, no key needed"


def _fees(providers: Providers, universe: Universe, chain: str) -> str:
    with FeeSources(providers, universe.network_fees, lambda: datetime.now(UTC)) as sources:
        began = time.monotonic()
        told = sources.fees_now(chain)
    return f"{told.source} in {(time.monotonic() - began) * 1000:.0f} ms"


def _feed(feeds: Feeds, name: str, url: str) -> str:
    began = time.monotonic()
    items = feeds.read(name, url)
    return f"{len(items.items)} items in {(time.monotonic() - began) * 1000:.0f} ms"


def _timed(ask: Callable[[], object]) -> float:
    began = time.monotonic()
    ask()
    return (time.monotonic() - began) * 1000
