"""GeckoTerminal's public API through geckoterminal-py: DEXes, pools, bars and trades of pools.

What belongs here: what is asked for, page by page and many pools at once. What does not: one request and its failure
(geckoterminal_library.py), how many are made and when (datasets), the meaning of a row (pool_rows.py, pool_trade_rows.py),
Dagster and SQL.

Of the library (0.3.1) its client, paths and timeframes are used, and its `api_request` for every request. What its methods
make of the answers is not: they ask for the first page only; trades, several pools and single tokens are there for
asyncio only; the synchronous `get_pool_by_network_address` never works; and rows get lost (see pool_rows.py and
pool_trade_rows.py). A test for each of these tells when a newer version does better.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Self
from urllib.parse import quote

import structlog

from crypto_assets.clients.exchange_bars import RefusedRow
from crypto_assets.clients.failures import NotListed, NotServed, Rejected
from crypto_assets.clients.geckoterminal_library import Library, Params, Reader, make_library
from crypto_assets.clients.http import Blocked
from crypto_assets.clients.pacing import Pace
from crypto_assets.clients.pool_rows import (
    Answer,
    Dex,
    PoolRow,
    has_next_page,
    parse_dexes,
    parse_pool,
    parse_pools,
    parse_top_pools,
)
from crypto_assets.clients.pool_trade_rows import PoolBars, PoolTrades, parse_pool_bars, parse_pool_trades
from crypto_assets.clients.pool_values import canonical
from crypto_assets.clients.transport import RetryPolicy, Transport
from crypto_assets.universe_rules import TIMEFRAME_LENGTH, DexRules

log = structlog.get_logger(__name__)

ADDRESSES_A_REQUEST = 30
BARS_A_PAGE = 1000
_MOST_PAGES = 100
_WITH_TOKENS = "base_token,quote_token,dex"
_TOKENS_PATH = "networks/{}/tokens/multi/{}"  # the library has no path for it


class GeckoTerminal:
    """GeckoTerminal's client; asks nothing until it is asked to. For one thread: `twin` makes one for another.

    Networks are named as we do. Each method raises NotListed for what GeckoTerminal does not have (404), and other classes
    of ProviderError as failures.py says.

    Args:
        rules: The networks' names there, and its budget.
        sandbox_url: Ask this server, which speaks GeckoTerminal's format, in its place.
        policy: How often a request is repeated.
        pace: Shared with others that ask it; None for one of its own.
        sleep: Waits so many seconds.
    """

    name = "geckoterminal"

    def __init__(
        self,
        rules: DexRules,
        *,
        sandbox_url: str | None = None,
        policy: RetryPolicy | None = None,
        pace: Pace | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.rules = rules
        self.transport = Transport(
            self.name, requests_per_second=rules.requests_per_minute / 60, policy=policy, pace=pace, sleep=sleep
        )
        self._sandbox_url = sandbox_url
        self._made: Library | None = None

    def twin(self) -> Self:
        """The same for another thread: a connection of its own, the same pace and breaker."""
        other = type(self)(self.rules, sandbox_url=self._sandbox_url)
        other.transport = self.transport
        return other

    def close(self) -> None:
        """Drop the connection; the next request opens another."""
        self.transport.tell_usage()
        if self._made is not None:
            self._made.close()
            self._made = None

    def dexes(self, network: str) -> Answer[Dex]:
        """All DEXes of a network, from all pages; one that stands on several counts once.

        Raises:
            ProviderError: what went wrong.
        """
        found: dict[str, Dex] = {}
        refused: list[RefusedRow] = []
        repeated = 0
        for page in self._dex_pages(network):
            refused += page.refused
            repeated += page.repeated + sum(dex.dex in found for dex in page.rows)
            found |= {dex.dex: dex for dex in page.rows if dex.dex not in found}
        return Answer(tuple(found.values()), tuple(refused), repeated)

    def top_pools(self, network: str, dex: str, page: int = 1) -> Answer[PoolRow]:
        """One page of a DEX's pools, up to 20, the most important first as GeckoTerminal sees it; it serves 10 pages.

        Raises:
            ProviderError: what went wrong.
        """
        path = self._path(self._library.paths.GET_TOP_POOLS_BY_NETWORK_DEX_PATH, network, dex)
        return self._ask(path, {"page": page, "include": _WITH_TOKENS}, self._pool_reader(network, parse_pools))

    def new_pools(self, network: str, page: int = 1) -> Answer[PoolRow]:
        """One page of a network's newest pools, up to 20; it serves 10 pages.

        Raises:
            ProviderError: what went wrong.
        """
        path = self._path(self._library.paths.GET_NEW_POOLS_BY_NETWORK_PATH, network)
        return self._ask(path, {"page": page, "include": _WITH_TOKENS}, self._pool_reader(network, parse_pools))

    def pools(self, network: str, addresses: Sequence[str]) -> Answer[PoolRow]:
        """These pools, any number of them. Unknown ones are absent; one that is rejected stands among the refused.

        Raises:
            ProviderError: what went wrong.
        """
        return _joined([self._some_pools(network, part) for part in _pieces(addresses)])

    def token_pools(self, network: str, tokens: Sequence[str]) -> Mapping[str, Sequence[PoolRow]]:
        """The top pools that have a token as their base or quote, for each of any number of tokens.

        Raises:
            ProviderError: what went wrong.
        """
        answer = _joined([self._pools_of_tokens(network, part) for part in _pieces(tokens)])
        if answer.refused:
            first = answer.refused[0].reason
            log.warning("pools of tokens were refused", network=network, count=len(answer.refused), first=first)
        return {
            token: tuple(row for row in answer.rows if canonical(token) in {row.base_token, row.quote_token})
            for token in tokens
        }

    def bars(
        self,
        network: str,
        pool: str,
        timeframe: str,
        *,
        before: datetime | None = None,
        limit: int = BARS_A_PAGE,
        now: datetime | None = None,
    ) -> PoolBars:
        """The newest finished bars of a pool in USD of its base token, one page of them.

        Args:
            timeframe: One of POOL_TIMEFRAMES.
            before: Only bars that open before; aware.
            limit: At most so many, and at most 1000; the bar still open counts.
            now: The bar open then is left out; None for the moment of the request.

        Raises:
            NotServed: GeckoTerminal has no such bars.
            ProviderError: what else went wrong.
        """
        if timeframe not in self._library.ohlcv_timeframes:
            raise NotServed(f"{self.name} has no bars of {timeframe}", way_out="Correct the universe's timeframes.")
        unit, count = self._library.get_timeframe_and_period(timeframe)
        params: Params = {
            "aggregate": count,
            "limit": max(1, min(limit, BARS_A_PAGE)),
            "currency": "usd",
            "token": "base",
        }
        if before is not None:
            params["before_timestamp"] = math.ceil(before.timestamp())
        length_ms = int(TIMEFRAME_LENGTH[timeframe].total_seconds() * 1000)

        def read(answer: object, asked_at: datetime) -> PoolBars:
            return parse_pool_bars(answer, length_ms, _ms(now or asked_at), None if before is None else _ms(before))

        return self._ask(self._path(self._library.paths.GET_OHLCV_DATA_PATH, network, pool, unit), params, read)

    def trades(self, network: str, pool: str, min_usd: float = 0) -> PoolTrades:
        """The newest trades of a pool: at most 300, of the last 24 hours.

        Args:
            min_usd: Only those of a larger volume; 0 for all.

        Raises:
            ProviderError: what went wrong.
        """
        params: Params = {"trade_volume_in_usd_greater_than": min_usd} if min_usd > 0 else {}
        network_id = self.rules.api_id(network)
        return self._ask(
            self._path(self._library.paths.GET_TRADES_BY_NETWORK_POOL_PATH, network, pool),
            params,
            lambda answer, asked_at: parse_pool_trades(answer, network_id, asked_at),
        )

    def _dex_pages(self, network: str) -> Iterator[Answer[Dex]]:
        """Pages until one says that none follows, is empty, or comes again."""
        path = self._path(self._library.paths.GET_DEXES_BY_NETWORK_PATH, network)
        before: Answer[Dex] | None = None
        for page in range(1, _MOST_PAGES + 1):
            # The link to the next page names GeckoTerminal's own host, so only its presence counts.
            answer, has_next = self._ask(
                path, {"page": page}, lambda answer, _: (parse_dexes(answer), has_next_page(answer))
            )
            if answer == before:
                return
            yield answer
            if has_next is False or not (answer.rows or answer.refused):
                return
            before = answer
        log.warning("there are more pages of DEXes than are read", network=network, pages=_MOST_PAGES)

    def _some_pools(self, network: str, addresses: Sequence[str]) -> Answer[PoolRow]:
        """Up to 30 pools with one request; where that is rejected, which one bad address does, one by one."""
        path = self._path(self._library.paths.GET_MULTIPLE_POOLS_BY_NETWORK_PATH, network, ",".join(addresses))
        try:
            answer = self._ask(path, {"include": _WITH_TOKENS}, self._pool_reader(network, parse_pools))
        except Blocked:
            raise
        except Rejected as error:
            log.warning("pools are asked for one by one", network=network, count=len(addresses), error=str(error))
            answer = _joined([self._one_pool(network, address) for address in addresses])
        asked = tuple(row for row in answer.rows if row.address in addresses)
        others = (row.address for row in answer.rows if row.address not in addresses)
        refused = (*answer.refused, *(RefusedRow("a pool that was not asked for", address) for address in others))
        return replace(answer, rows=asked, refused=refused)

    def _one_pool(self, network: str, address: str) -> Answer[PoolRow]:
        path = self._path(self._library.paths.GET_POOL_BY_NETWORK_AND_ADDRESS_PATH, network, address)
        return self._unless_rejected(
            address, lambda: self._ask(path, {"include": _WITH_TOKENS}, self._pool_reader(network, parse_pool))
        )

    def _pools_of_tokens(self, network: str, tokens: Sequence[str]) -> Answer[PoolRow]:
        """The top pools of up to 30 tokens; one by one as `_some_pools` does."""
        path = self._path(_TOKENS_PATH, network, ",".join(tokens))
        try:
            return self._ask(path, {"include": "top_pools"}, self._pool_reader(network, parse_top_pools))
        except Blocked:
            raise
        except Rejected as error:
            log.warning("tokens are asked for one by one", network=network, count=len(tokens), error=str(error))
            return _joined([self._pools_of_token(network, token) for token in tokens])

    def _pools_of_token(self, network: str, token: str) -> Answer[PoolRow]:
        path = self._path(self._library.paths.GET_TOP_POOLS_BY_NETWORK_TOKEN_PATH, network, token)
        return self._unless_rejected(
            token, lambda: self._ask(path, {"include": _WITH_TOKENS}, self._pool_reader(network, parse_pools))
        )

    def _unless_rejected(self, address: str, ask: Callable[[], Answer[PoolRow]]) -> Answer[PoolRow]:
        try:
            return ask()
        except Blocked:
            raise
        except NotListed:
            return Answer(())
        except Rejected as error:
            return Answer((), (RefusedRow(f"rejected: {error.problem}", address),))

    def _pool_reader(
        self, network: str, parse: Callable[[object, str, datetime], Answer[PoolRow]]
    ) -> Reader[Answer[PoolRow]]:
        network_id = self.rules.api_id(network)
        return lambda answer, asked_at: parse(answer, network_id, asked_at)

    def _path(self, template: str, network: str, *parts: str) -> str:
        return template.format(*(quote(part, safe=",") for part in (self.rules.api_id(network), *parts)))

    def _ask[T](self, path: str, params: Params, read: Reader[T]) -> T:
        return self._library.api_request("GET", path, params, read)

    @property
    def _library(self) -> Library:
        """The library's client, made when it is first needed."""
        if self._made is None:
            self._made = make_library(self.transport, self._sandbox_url)
        return self._made


def _pieces(addresses: Sequence[str]) -> list[list[str]]:
    """Each address once, as many at a time as one request takes."""
    once = list(dict.fromkeys(map(canonical, addresses)))
    return [once[i : i + ADDRESSES_A_REQUEST] for i in range(0, len(once), ADDRESSES_A_REQUEST)]


def _joined(parts: Sequence[Answer[PoolRow]]) -> Answer[PoolRow]:
    """Answers as one; of a pool that stands in several, the first, for its numbers change from request to request."""
    rows: dict[str, PoolRow] = {}
    for row in (row for part in parts for row in part.rows):
        rows.setdefault(row.address, row)
    refused = tuple(row for part in parts for row in part.refused)
    came = sum(len(part.rows) + part.repeated for part in parts)
    return Answer(tuple(rows.values()), refused, came - len(rows))


def _ms(moment: datetime) -> int:
    return math.floor(moment.timestamp() * 1000)
