"""One venue as ccxt's REST client speaks to it: its markets, its clock, and what went wrong in four classes.

What belongs here: one request and its failure, the list of markets. What does not: what is asked for (exchange.py: bars,
exchange_trades.py, exchange_books.py, exchange_tickers.py), the meaning of a row, WebSockets, Dagster and SQL.

ccxt's synchronous clients serve: measured against a loopback server they are as fast as the asynchronous ones for one
venue (0.19 s against 0.38 s for ten pages of binance), and ten times faster for mexc. A client is for one thread; `twin`
makes another one that keeps the same pace.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Self, cast

from crypto_assets.clients.exchange_bars import LAYOUTS
from crypto_assets.clients.exchange_client import Answer, CcxtClient, recording_client
from crypto_assets.clients.exchange_limits import Kind, cost_of
from crypto_assets.clients.exchange_markets import ListedMarket, parse_market
from crypto_assets.clients.failures import (
    Malformed,
    NotListed,
    NotServed,
    ProviderError,
    Rejected,
    Throttled,
    Unavailable,
)
from crypto_assets.clients.pacing import Pace
from crypto_assets.clients.redirect import redirect_urls
from crypto_assets.clients.trade_rows import TRADE_LAYOUTS
from crypto_assets.clients.transport import RetryPolicy, Transport, header, http_date, retry_after_seconds
from crypto_assets.universe import Venue


class ExchangeSession:
    """One venue's client; asks nothing until it is asked to.

    Args:
        name: ccxt id.
        venue: Its entry in the universe: budget, page length, reach.
        sandbox_url: Ask this server, which speaks the venues' formats, in place of the venue.
        policy: How often a request is repeated.
        pace: Shared with others that ask the venue; None for one of its own.
    """

    def __init__(
        self,
        name: str,
        venue: Venue,
        *,
        sandbox_url: str | None = None,
        policy: RetryPolicy | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.name = name
        self.venue = venue
        self.transport = Transport(name, requests_per_second=venue.requests_per_second, policy=policy, pace=pace)
        self._sandbox_url = sandbox_url
        self._answer = Answer()
        self._client: CcxtClient | None = None

    def twin(self) -> Self:
        """The same venue for another thread: a client of its own, the same pace, breaker and list of markets."""
        other = type(self)(self.name, self.venue, sandbox_url=self._sandbox_url)
        other.transport = self.transport
        if self._client is not None and self._client.markets:
            other.client.set_markets_from_exchange(self._client)
        return other

    def serves(self, method: str) -> bool:
        """Whether ccxt can ask the venue for that: fetchTrades, fetchOrderBook, fetchTickers."""
        return bool(self.client.has.get(method))

    def require_method(self, method: str, what: str) -> None:
        """Make sure that the venue can be asked for it.

        Args:
            what: Its name in words.

        Raises:
            NotServed: it cannot.
        """
        if not self.serves(method):
            raise NotServed(f"{self.name} does not serve {what}", way_out="It is left out.")

    def timeframes(self) -> frozenset[str]:
        """Lengths of bars that the venue serves."""
        return frozenset(self.client.timeframes or ())

    def symbols(self) -> frozenset[str]:
        """Unified symbols of the venue's markets.

        Raises:
            ProviderError: the venue did not answer with its markets.
        """
        client = self.client
        if not client.markets:
            self.attempt(Kind.MARKETS, lambda: self.ask(client.load_markets))
            if not client.markets:  # ccxt reads a page of HTML as a list without markets
                raise self.malformed("a list of markets", self._answer.body)
        return frozenset(client.markets or ())

    def markets(self) -> list[ListedMarket]:
        """The venue's markets as it describes them now, in the order of their symbols.

        Raises:
            ProviderError: the venue did not answer with its markets.
        """
        self.symbols()
        client = self.client
        steps = client.precisionMode
        return [parse_market(market, steps) for _, market in sorted((client.markets or {}).items())]

    def require_symbol(self, symbol: str) -> None:
        """Make sure that the venue lists the market.

        Raises:
            NotListed: it does not.
        """
        if symbol not in self.symbols():
            raise NotListed(f"{self.name} has no market {symbol}", way_out="Correct its symbol in the universe.")

    def close(self) -> None:
        """Drop the connection; the next request opens another."""
        self.transport.tell_usage()
        self._client = None

    @property
    def body(self) -> str:
        """The last answer as it came."""
        return self._answer.body

    def attempt[T](self, kind: Kind, work: Callable[[], T], *, depth: int = 0) -> T:
        """Do `work`, which asks once, within the pace; repeated as the policy says.

        Raises:
            ProviderError: what went wrong.
        """
        return self.transport.call(work, cost_of(self.name, kind, depth=depth))

    def clock(self) -> int:
        """The venue's clock in ms: the Date of its last answer, which costs no request, else its time endpoint."""
        date = http_date(header(self._answer.headers, "Date") or "")
        if date is not None:
            return _ms(date)
        now = self.ask(self.client.fetch_time)
        if now is None:
            raise Malformed(
                f"{self.name} says no time", way_out="Without the venue's clock no bar can be called closed."
            )
        return now

    def ask[T](self, request: Callable[[], T]) -> T:
        """One request of ccxt's, its failure in one of the four classes.

        Raises:
            ProviderError: what went wrong.
        """
        from ccxt import BaseError  # noqa: PLC0415 - it is there since the client was made

        self._answer.status, self._answer.headers, self._answer.body = 0, {}, ""
        try:
            return request()
        except BaseError as error:
            raise self._classify(error) from error
        except (TypeError, KeyError, ValueError, AttributeError, IndexError) as error:
            # ccxt reads answers without looking first: a page of HTML surfaces as any of these.
            raise self.malformed("an answer that ccxt can read", f"{type(error).__name__}: {error}") from error

    def _classify(self, error: Exception) -> ProviderError:
        """The class follows the HTTP status; ccxt's own class decides only where that is 200 or missing."""
        import ccxt  # noqa: PLC0415 - as above

        status = self._answer.status
        said = (
            f"{self.name} answered {status or 'nothing'} ({type(error).__name__}): {self._answer.body[:200] or error}"
        )
        if status in {418, 429} or isinstance(error, (ccxt.RateLimitExceeded, ccxt.DDoSProtection)):
            wait = retry_after_seconds(self._answer.headers)
            return Throttled(said, way_out="Lower requests_per_second in the universe.", retry_after_seconds=wait)
        if status >= 500 or (isinstance(error, ccxt.NetworkError) and status not in {403, 451}):
            return Unavailable(said, way_out="It is asked again; see the venue's status page.")
        # A page of HTML with status 200 surfaces as whatever ccxt misses in it first.
        if isinstance(error, ccxt.BadResponse) or (status == 200 and not is_json(self._answer.body)):
            return self.malformed("a readable answer", said)
        return Rejected(said, way_out="`crypto-assets doctor` tries every provider; a region may be blocked.")

    def malformed(self, expected: str, came: object) -> Malformed:
        """The failure for an answer that is not what was asked for; it keeps what came."""
        shown = " ".join(str(came).split())[:120]
        return Malformed(
            f"{self.name}: expected {expected}, came {shown!r}",
            way_out="The answer is kept in quality.quarantine.",
            payload=self._answer.body or str(came),
        )

    @property
    def client(self) -> CcxtClient:
        """ccxt's client, made when it is first needed."""
        if self._client is None:
            is_spot = not any(":" in market.symbol for market in self.venue.markets)
            raw = {"raw_bars": self.name in LAYOUTS, "raw_trades": self.name in TRADE_LAYOUTS, "spot_only": is_spot}
            self._client = recording_client(self.name, self._answer, **raw)
            if self._sandbox_url:
                hostname = cast("str | None", getattr(self._client, "hostname", None))
                urls = redirect_urls(self._client.urls["api"], hostname, self._sandbox_url)
                self._client.urls["api"] = urls
        return self._client


def is_json(body: str) -> bool:
    """Whether an answer is JSON at all, and not a page of HTML or half an answer."""
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
