"""Providers that are asked over plain HTTP: one request within the pace, its failure in one of our classes.

What belongs here: sending, reading a bounded body, telling a failure's class, keeping secrets out of every message. What does
not: addresses, parameters and the meaning of answers (a provider's own file), feeds of strangers (feeds.py).

httpx is the library: it came with geckoterminal-py, keeps connections, and streams, so that a body can be cut off.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import SecretStr

from crypto_assets.clients.failures import Malformed, NotListed, ProviderError, Rejected, Throttled, Unavailable
from crypto_assets.clients.redirect import redirect_urls
from crypto_assets.clients.transport import Transport, retry_after_seconds

if TYPE_CHECKING:
    import httpx

TIMEOUT_SECONDS = 20.0
# The largest sound answer is FRED's 2,000 vintages of a daily series, some 20 MB; more is a mistake or an attack.
MOST_BYTES = 50_000_000
_SHOWN = 120

type Params = Mapping[str, str | int | float]


class Blocked(Rejected):
    """This client, its key or this place is not served, whatever it asks for (401, 403, 451)."""


class HttpProvider:
    """Asks one provider; opens nothing until it is asked to. For one thread.

    Args:
        transport: Pace, retries and breaker of the provider; its `provider` names it in messages.
        sandbox_url: Ask this server in its place: the provider's host becomes the first segment of the path.
        secrets: What must never stand in a message, as a key that travels in addresses.
        headers: Sent with each request.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        sandbox_url: str | None = None,
        secrets: Sequence[SecretStr] = (),
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self.transport = transport
        self._sandbox_url = sandbox_url
        self._secrets = tuple(one.get_secret_value() for one in secrets if one.get_secret_value())
        self._headers = dict(headers or {})
        self._timeout_seconds = timeout_seconds
        self._most_bytes = most_bytes
        self._client: httpx.Client | None = None

    @property
    def name(self) -> str:
        """The provider's."""
        return self.transport.provider

    def close(self) -> None:
        """Drop the connection; the next request opens another."""
        self.transport.tell_usage()
        if self._client is not None:
            self._client.close()
            self._client = None

    def get_json[T](self, url: str, params: Params, read: Callable[[object], T], *, cost: float = 1.0) -> T:
        """What `read` makes of the JSON at an address; asked again as the policy says, also where `read` raises Malformed.

        Raises:
            ProviderError: what went wrong.
        """
        return self.transport.call(lambda: read(self._json(self._send("GET", url, params, None))), cost)

    def post_json[T](self, url: str, content: object, read: Callable[[object], T], *, cost: float = 1.0) -> T:
        """The same for JSON that is sent, as to a chain's node.

        Raises:
            ProviderError: what went wrong.
        """
        return self.transport.call(lambda: read(self._json(self._send("POST", url, {}, content))), cost)

    def get_text[T](self, url: str, params: Params, read: Callable[[str], T], *, cost: float = 1.0) -> T:
        """The same for text, as XML or CSV; it must be UTF-8.

        Raises:
            ProviderError: what went wrong.
        """
        return self.transport.call(lambda: read(self._text(self._send("GET", url, params, None))), cost)

    def mask(self, text: str) -> str:
        """The text with every secret struck out."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def _send(self, method: str, url: str, params: Params, content: object) -> bytes:
        import httpx  # noqa: PLC0415 - half a second that only those who ask pay

        client = self._client = self._client or self._made()
        address = str(redirect_urls(url, None, self._sandbox_url)) if self._sandbox_url else url
        body = {} if content is None else {"json": content}
        try:
            # None where there are none: an empty mapping would take an address's own query away, and a node's key with it.
            with client.stream(method, address, params=dict(params) or None, **body) as answer:  # type: ignore[arg-type]
                came = self._bounded(answer)
                if answer.status_code >= 400 or answer.status_code < 200 or answer.status_code >= 300:
                    said = self.mask(came[:2000].decode("utf-8", "replace"))
                    raise by_status(self.name, answer.status_code, answer.headers, said)
                return came
        except httpx.DecodingError as error:  # half of a compressed answer
            raise self._no(f"a body that can be unpacked ({type(error).__name__})", b"") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # From None: the chained exception holds the request, and with it its address and key.
            raise Unavailable(
                f"{self.name} gave no answer ({type(error).__name__}): {self.mask(str(error))}",
                way_out="It is asked again; see its status page.",
            ) from None

    def _made(self) -> httpx.Client:
        import httpx  # noqa: PLC0415

        # They write each address into the log, keys and all: the one for whoever listens at INFO, the other at DEBUG.
        for chatty in ("httpx", "httpcore"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        return httpx.Client(
            timeout=httpx.Timeout(self._timeout_seconds),
            headers={"User-Agent": "crypto-assets", **self._headers},
            follow_redirects=False,  # an API that moves says so to a person; a key must not follow it
            # A sandbox is on this machine, beside its proxies, and speaks no TLS: reading all certificates takes a tenth
            # of a second.
            trust_env=self._sandbox_url is None,
            verify=self._sandbox_url is None,
        )

    def _bounded(self, answer: httpx.Response) -> bytes:
        parts, size = [], 0
        for part in answer.iter_bytes():
            size += len(part)
            if size > self._most_bytes:
                raise self._no(f"at most {self._most_bytes:,} bytes", b"")
            parts.append(part)
        return b"".join(parts)

    def _json(self, body: bytes) -> object:
        try:
            found: object = json.loads(body)
        except (ValueError, RecursionError):
            raise self._no("JSON", body) from None
        return found

    def _text(self, body: bytes) -> str:
        try:
            return body.decode("utf-8")
        except UnicodeDecodeError:
            raise self._no("UTF-8", body) from None

    def _no(self, expected: str, body: bytes) -> Malformed:
        came = self.mask(body[:10_000].decode("utf-8", "replace"))
        shown = f", came {' '.join(came.split())[:_SHOWN]!r}" if came else ""
        return Malformed(
            f"{self.name}: expected {expected}{shown}",
            way_out="The answer is kept in quality.quarantine.",
            payload=came or None,
        )


def by_status(provider: str, status: int, headers: Mapping[str, str], body: str) -> ProviderError:
    """The failure that an HTTP status stands for.

    Args:
        body: What came with it, without secrets.
    """
    said = f"{provider} answered {status}: {' '.join(body[:200].split())}"
    if status in {418, 429}:
        wait = retry_after_seconds(headers)
        return Throttled(said, way_out="Lower its requests a minute in the universe.", retry_after_seconds=wait)
    if status >= 500 or status == 408:
        return Unavailable(said, way_out="It is asked again; see its status page.")
    if status == 404:
        return NotListed(said, way_out="It is gone, or never was: correct the universe if it names it.")
    way_out = "`crypto-assets doctor` tries every provider; a region may be blocked, a key wrong."
    return Blocked(said, way_out=way_out) if status in {401, 403, 451} else Rejected(said, way_out=way_out)
