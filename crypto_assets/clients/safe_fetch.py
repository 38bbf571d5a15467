"""Reading the address of a stranger: only public hosts, only where was checked, only so much, only so long.

What belongs here: connecting, redirects, bounds of size and time, unpacking. What does not: judging addresses
(addresses.py), what the bytes mean (feeds.py).

A name is resolved once, what came is judged, and the connection goes to just that address, whatever the name may resolve to
a moment later. Host header, TLS server name and certificate stay the name's. httpcore, which httpx sends through, is used
by itself, since it lets its caller make the connection. Proxies of the environment are not used: behind one, nobody
knows where a request ends up.
"""

from __future__ import annotations

import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from urllib.parse import urljoin, urlsplit

import httpcore

from crypto_assets.clients.addresses import (
    Resolve,
    UnsafeAddress,
    WebAddress,
    is_public,
    literal,
    public_addresses,
    system_resolve,
    take_apart,
)
from crypto_assets.clients.failures import Malformed, Rejected, Unavailable
from crypto_assets.clients.http import by_status
from crypto_assets.clients.redirect import redirect_urls

MOST_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ACCEPT = "application/rss+xml, application/atom+xml, application/xml;q=0.9, text/xml;q=0.9, */*;q=0.1"
_PIECE = 65_536

type Connect = Callable[[str, int, float], socket.socket]


class TooLarge(Rejected):
    """The answer exceeds its bound, packed or unpacked; the rest of it was not read."""


@dataclass(frozen=True)
class Limits:
    """What one answer may take.

    Args:
        most_bytes: Of the body, as it travels and again unpacked.
        connect_seconds: To each address.
        read_seconds: Between two pieces.
        overall_seconds: From the first connection to the last byte, redirects included.
    """

    most_bytes: int = 5_000_000
    connect_seconds: float = 10.0
    read_seconds: float = 10.0
    overall_seconds: float = 30.0


@dataclass(frozen=True)
class Fetched:
    """What came.

    Args:
        url: Where it came from in the end.
        body: Unpacked.
        content_type: As the server wrote it; empty where it did not.
    """

    url: str
    body: bytes
    content_type: str


def dial(address: str, port: int, seconds: float) -> socket.socket:
    """A connection to one IP address: no name is resolved here."""
    return socket.create_connection((address, port), seconds)


class SafeFetch:
    """Reads addresses of strangers; opens nothing until it is asked to. Threads may share it.

    Args:
        limits: What one answer may take.
        sandbox_url: Ask this server in place of all hosts, the one exception to the rule; addresses are still judged.
        resolve: Says what a name resolves to; it is asked once for each request.
        connect: Makes the connection.
        tls: Whose certificates are trusted; None for what this machine trusts.
    """

    def __init__(
        self,
        limits: Limits = Limits(),
        *,
        sandbox_url: str | None = None,
        resolve: Resolve = system_resolve,
        connect: Connect = dial,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._limits = limits
        self._sandbox_url = sandbox_url
        self._resolve = resolve
        self._connect = connect
        self._tls = tls

    def fetch(self, url: str) -> Fetched:
        """What stands at an address.

        Raises:
            UnsafeAddress: it, or where it sends us, is not public.
            TooLarge: more than the limits allow.
            Malformed: it is packed in a way that cannot be read.
            Unavailable, Throttled, NotListed, Rejected: no answer, or what the status stands for.
        """
        deadline = time.monotonic() + self._limits.overall_seconds
        address = take_apart(url)
        for _ in range(MOST_REDIRECTS + 1):
            came = self._ask(address, deadline)
            if isinstance(came, Fetched):
                return came
            if address.scheme == "https" and came.scheme != "https":
                raise UnsafeAddress(f"{address.host} redirects from https to http", way_out="Write its new address.")
            address = came
        raise Rejected(
            f"{take_apart(url).host} redirects more than {MOST_REDIRECTS} times", way_out="Write its new address."
        )

    def _ask(self, address: WebAddress, deadline: float) -> Fetched | WebAddress:
        """The answer of one address, or where it sends us."""
        asked, backend = self._way(address, deadline)
        headers = [
            ("Host", urlsplit(asked.url).netloc),
            ("User-Agent", "crypto-assets"),
            ("Accept", _ACCEPT),
            ("Accept-Encoding", "gzip, deflate"),
            ("Connection", "close"),
        ]
        limits = self._limits
        timeouts = {"connect": limits.connect_seconds, "read": limits.read_seconds, "write": limits.read_seconds}
        try:
            with (
                httpcore.ConnectionPool(ssl_context=self._tls or _trusted(), network_backend=backend) as pool,
                pool.stream("GET", _plain(asked), headers=headers, extensions={"timeout": timeouts}) as answer,
            ):
                return self._read(address, answer)
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, ssl.SSLError) as error:
            raise Unavailable(
                f"{address.host} gave no answer ({type(error).__name__}): {str(error)[:200]}",
                way_out="It is asked again; correct the universe if it moved.",
            ) from None

    def _way(self, address: WebAddress, deadline: float) -> tuple[WebAddress, httpcore.NetworkBackend]:
        """What is asked, and how it is reached."""
        if self._sandbox_url is None:
            return address, _Pinned(public_addresses(address, self._resolve), self._connect, deadline)
        itself = literal(address.host)
        if itself is not None and not is_public(itself):
            public_addresses(address, self._resolve)  # refuses it; names are not looked up where nobody is connected to
        there = urlsplit(self._sandbox_url)
        query = urlsplit(address.url).query
        led = str(redirect_urls(address.url, None, self._sandbox_url)) + (f"?{query}" if query else "")
        parts = urlsplit(led)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        asked = WebAddress("http", there.hostname or "", there.port or 80, target)
        return asked, _Pinned((there.hostname or "",), self._connect, deadline)

    def _read(self, address: WebAddress, answer: httpcore.Response) -> Fetched | WebAddress:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
        if answer.status in _REDIRECTS and "location" in headers:
            return take_apart(urljoin(address.url, headers["location"]).partition("#")[0])
        body = b"".join(self._bounded(address, _unpacked(self._packed(address, answer), headers, address.host)))
        if not 200 <= answer.status < 300:
            raise by_status(address.host, answer.status, headers, body[:2000].decode("utf-8", "replace"))
        return Fetched(address.url, body, headers.get("content-type", ""))

    def _packed(self, address: WebAddress, answer: httpcore.Response) -> Iterator[bytes]:
        return self._bounded(address, answer.iter_stream())

    def _bounded(self, address: WebAddress, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """The pieces, until there are too many bytes."""
        size = 0
        for piece in pieces:
            size += len(piece)
            if size > self._limits.most_bytes:
                raise TooLarge(
                    f"{address.host} sent more than {self._limits.most_bytes:,} bytes",
                    way_out="The rest was not read; news.most_bytes in the universe is the bound.",
                )
            yield piece


class _Pinned(httpcore.NetworkBackend):
    """Connects to the addresses that were judged, whatever name it is told, and lets nothing outlast the deadline."""

    def __init__(self, addresses: tuple[str, ...], connect: Connect, deadline: float) -> None:
        self._addresses = addresses
        self._connect = connect
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002 - httpcore's signature
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002 - as above
    ) -> httpcore.NetworkStream:
        """A connection to the first of the addresses that answers."""
        failure: OSError | None = None
        for address in self._addresses:
            try:
                made = self._connect(address, port, _left(self._deadline, timeout))
            except OSError as error:
                failure = error
                continue
            return _Stream(made, self._deadline)
        raise httpcore.ConnectError(f"{host}: {failure}")


class _Stream(httpcore.NetworkStream):
    """A socket whose every operation ends before the deadline."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """The next bytes; none at the end."""
        try:
            self._sock.settimeout(_left(self._deadline, timeout))
            return self._sock.recv(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout(str(error)) from None
        except OSError as error:
            raise httpcore.ReadError(str(error)) from None

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it."""
        try:
            self._sock.settimeout(_left(self._deadline, timeout))
            self._sock.sendall(buffer)
        except TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from None
        except OSError as error:
            raise httpcore.WriteError(str(error)) from None

    def close(self) -> None:
        """End the connection."""
        self._sock.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The same connection encrypted, once the certificate is the name's."""
        try:
            self._sock.settimeout(_left(self._deadline, timeout))
            return _Stream(ssl_context.wrap_socket(self._sock, server_hostname=server_hostname), self._deadline)
        except OSError as error:  # of which ssl.SSLError is one
            self.close()
            raise httpcore.ConnectError(str(error)) from None

    def get_extra_info(self, info: str) -> object:
        """What httpcore wants to know of a connection: whether it is encrypted, and for which protocol."""
        if info == "ssl_object" and isinstance(self._sock, ssl.SSLSocket):
            return self._sock
        return None


def _left(deadline: float, timeout: float | None) -> float:
    """Seconds that an operation may take."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the time for the whole answer is up")
    return left if timeout is None else min(left, timeout)


def _unpacked(pieces: Iterable[bytes], headers: dict[str, str], host: str) -> Iterator[bytes]:
    """The body without its packing, in bounded pieces: what one packed byte swells to is not made at once."""
    packing = headers.get("content-encoding", "identity").strip().lower()
    if packing in {"", "identity"}:
        yield from pieces
        return
    if packing not in {"gzip", "x-gzip", "deflate"}:  # also packed twice: nobody does so without a purpose
        raise Malformed(f"{host} packs its answer as {packing[:40]!r}", way_out="Only gzip and deflate are read.")
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)  # tells gzip from zlib by the first bytes
    try:
        for piece in pieces:
            rest = piece
            while rest and not unpacker.eof:
                yield unpacker.decompress(rest, _PIECE)
                rest = unpacker.unconsumed_tail
        while out := unpacker.decompress(unpacker.unconsumed_tail, _PIECE):
            yield out
    except zlib.error as error:
        raise Malformed(
            f"{host}: expected {packing}, came what is none ({error})", way_out="It is asked again."
        ) from None
    if not unpacker.eof:
        raise Malformed(f"{host}: a packed answer ended early", way_out="It is asked again.")


def _plain(address: WebAddress) -> httpcore.URL:
    scheme, host, target = (text.encode("ascii") for text in (address.scheme, address.host, address.target))
    return httpcore.URL(scheme=scheme, host=host, port=address.port, target=target)


@cache
def _trusted() -> ssl.SSLContext:
    """The certificates that this machine trusts; reading them takes 20 ms."""
    return ssl.create_default_context()
