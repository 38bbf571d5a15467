"""geckoterminal-py's synchronous client, each request within our pace and its failure in one of our classes.

What belongs here: the part of the library that is used, as types, and one request. What does not: what is asked for
(geckoterminal.py), the meaning of an answer.

The library (0.3.1) sends everything through its `api_request`, which has neither pace nor retries and gives up after 5 s; so
that is what is changed. Headers, paths, parameters and the request itself stay the library's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol, cast

from crypto_assets.clients.failures import Malformed, Unavailable
from crypto_assets.clients.http import by_status
from crypto_assets.clients.redirect import redirect_urls
from crypto_assets.clients.transport import Transport

_TIMEOUT_SECONDS = 10.0

type Params = dict[str, str | int | float]
# Makes rows of an answer; told when it was asked for, which is before whatever it says came about.
type Reader[T] = Callable[[object, datetime], T]


class Paths(Protocol):
    """Those of geckoterminal-py's constants that are used here: paths with places for their parts."""

    GET_DEXES_BY_NETWORK_PATH: str
    GET_TOP_POOLS_BY_NETWORK_DEX_PATH: str
    GET_NEW_POOLS_BY_NETWORK_PATH: str
    GET_POOL_BY_NETWORK_AND_ADDRESS_PATH: str
    GET_MULTIPLE_POOLS_BY_NETWORK_PATH: str
    GET_TOP_POOLS_BY_NETWORK_TOKEN_PATH: str
    GET_OHLCV_DATA_PATH: str
    GET_TRADES_BY_NETWORK_POOL_PATH: str


class Library(Protocol):
    """The part of geckoterminal-py's synchronous client that is used here, with our `api_request`."""

    paths: Paths
    base_url: str
    ohlcv_timeframes: Sequence[str]

    def api_request[T](self, method: str, path: str, params: Params, read: Reader[T]) -> T:
        """One request within the pace, repeated as the policy says, also where `read` finds no such answer."""

    def get_timeframe_and_period(self, timeframe: str) -> tuple[str, str]:
        """What the API calls a length of bars: minute, hour or day, and how many."""

    def close(self) -> None:
        """Let the connection go."""


def make_library(transport: Transport, sandbox_url: str | None = None) -> Library:
    """geckoterminal-py's synchronous client, each of whose requests runs through `transport`.

    Its own methods do so as well; they hand `api_request` no reader and get the JSON.
    """
    # It imports pandas and glom, which takes seconds: only who asks GeckoTerminal pays them.
    import httpx  # noqa: PLC0415
    from geckoterminal_py import (  # type: ignore[import-untyped]  # noqa: PLC0415
        GeckoTerminalSyncClient,
        constants,
    )

    class PacedClient(GeckoTerminalSyncClient):  # type: ignore[misc]  # the library has no types
        paths = constants

        def __init__(self) -> None:
            # A sandbox is on this machine, beside its proxies, and speaks no TLS: certificates need not be read.
            plain = httpx.HTTPTransport(trust_env=False, verify=False) if sandbox_url else None
            super().__init__(transport=plain)
            self.client.timeout = httpx.Timeout(_TIMEOUT_SECONDS)
            if sandbox_url:
                self.base_url = redirect_urls(GeckoTerminalSyncClient.base_url, None, sandbox_url)

        def api_request[T](
            self, method: str, path: str, params: Params | None = None, read: Reader[T] | None = None
        ) -> T | object:
            ask = super().api_request

            def attempt() -> T | object:
                asked_at = datetime.now(UTC)
                answer = _classified(lambda: ask(method, path, params=params))
                return answer if read is None else read(answer, asked_at)

            return transport.call(attempt)

    return cast("Library", PacedClient())


def _classified(request: Callable[[], object]) -> object:
    """What a request brings; its failure in one of our classes.

    Raises:
        ProviderError: what went wrong.
    """
    import httpx  # noqa: PLC0415 - it is there since the client was made

    try:
        return request()
    except httpx.HTTPStatusError as error:
        answer = error.response
        raise by_status("geckoterminal", answer.status_code, answer.headers, answer.text) from error
    except httpx.DecodingError as error:  # half of a compressed answer
        raise _no_json(str(error), None) from error
    except httpx.HTTPError as error:
        raise Unavailable(
            f"geckoterminal gave no answer ({type(error).__name__}): {error}",
            way_out="It is asked again; see its status page.",
        ) from error
    except json.JSONDecodeError as error:
        raise _no_json(error.doc, error.doc) from error
    except (ValueError, RecursionError) as error:  # other bytes than UTF-8, numbers of 5000 digits, a thousand brackets
        raise _no_json(f"{type(error).__name__}: {error}", getattr(error, "object", None)) from error


def _no_json(came: str, payload: object) -> Malformed:
    return Malformed(
        f"geckoterminal: expected JSON, came {' '.join(came[:1000].split())[:120]!r}",
        way_out="The answer is kept in quality.quarantine.",
        payload=came if payload is None else payload,
    )
