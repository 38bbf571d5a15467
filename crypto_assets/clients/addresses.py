"""Which addresses of strangers may be asked: web addresses whose host lies on the public internet, and nowhere else.

What belongs here: taking an address apart and judging it and what its name resolves to. What does not: asking
(safe_fetch.py), what a link in a feed is worth (feed_text.py).

A host that is written as a number in any way but the usual one (2130706433, 0x7f.1, 127.1) is refused whatever it stands
for: programs differ in how they read it, and no honest feed writes it so.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from crypto_assets.clients.failures import Rejected, Unavailable

type IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
type Resolve = Callable[[str, int], Sequence[str]]

MOST_CHARACTERS = 2_000  # of an address: browsers and servers agree on about that much
_PORTS = {"http": 80, "https": 443}
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\<>\"^`{|}]")  # what parsers skip, or read one as another
_NAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")
# RFC 6052: behind a translator these stand for the IPv4 address in their last 32 bits.
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")


class UnsafeAddress(Rejected):
    """The address is none that a stranger may send us to; nothing was asked."""


@dataclass(frozen=True)
class WebAddress:
    """An http(s) address taken apart.

    Args:
        host: In lower case, international names in their ASCII form, IPv6 without brackets.
        target: Path and query, as they are sent.
    """

    scheme: str
    host: str
    port: int
    target: str

    @property
    def url(self) -> str:
        """The address as text."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.target}"


def take_apart(url: str) -> WebAddress:
    """Read an address. Pure.

    Raises:
        UnsafeAddress: it is no http(s) address, names a user, or writes its host in an unusual way.
    """
    if not url or len(url) > MOST_CHARACTERS or _UNSAFE.search(url):
        raise _no(url, "is empty, too long or holds characters that no address has")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        target = (parts.path or "/").encode("ascii").decode() + (f"?{parts.query}" if parts.query else "")
        target.encode("ascii")
    except ValueError:  # brackets, ports and letters that are none
        raise _no(url, "cannot be read") from None
    if parts.scheme not in _PORTS:
        raise _no(url, "is no http(s) address")
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise _no(url, "names a user")
    if port == 0 or not target.startswith("/"):
        raise _no(url, "cannot be read")
    return WebAddress(parts.scheme, _host(host, url), port or _PORTS[parts.scheme], target)


def host_name(host: str) -> str:
    """The name of a host in its ASCII form, in lower case, without the dot at its end. Pure.

    Raises:
        ValueError: it is none, or stands for a number or this machine.
    """
    name = host.removesuffix(".").lower()
    try:
        name = name if name.isascii() else name.encode("idna").decode("ascii")
    except UnicodeError:
        raise ValueError("has no readable host") from None
    if len(name) > 253 or not _NAME.fullmatch(name):
        raise ValueError("has no readable host")
    if _NUMERIC.fullmatch(name.rpartition(".")[2]):
        raise ValueError("writes its host as a number")
    if name == "localhost" or name.endswith(".localhost"):
        raise ValueError("leads to this machine")
    return name


def literal(host: str) -> IpAddress | None:
    """The IP address that a host is; None for a name. Pure."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_public(address: IpAddress) -> bool:
    """Whether an IP address belongs to the public internet, and so to a single machine of it. Pure.

    IPv6 forms of IPv4 addresses are judged by the latter, as that is where a packet ends up.
    """
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped
        if inner is None and address in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if address.scope_id is not None or address.sixtofour or address.teredo:
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def public_addresses(address: WebAddress, resolve: Resolve) -> tuple[str, ...]:
    """What the host resolves to, each judged; these and no others may be connected to.

    Raises:
        UnsafeAddress: one of them is not public: a name with two faces is refused as a whole.
        Unavailable: the name does not resolve.
    """
    itself = literal(address.host)
    found = [str(itself)] if itself is not None else list(resolve(address.host, address.port))
    if not found:
        raise Unavailable(
            f"{address.host} does not resolve", way_out="It is asked again; correct the universe if it moved."
        )
    for text in found:
        one = literal(text)
        if one is None or not is_public(one):
            raise _no(address.url, f"leads to {text[:60]}, which is no public address")
    return tuple(dict.fromkeys(found))


def system_resolve(host: str, port: int) -> Sequence[str]:
    """What this machine's resolver says, in its order.

    Raises:
        Unavailable: it says nothing.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError) as error:
        raise Unavailable(
            f"{host} does not resolve ({error})", way_out="It is asked again; correct the universe if it moved."
        ) from None
    return [str(one[4][0]) for one in found]


def _host(host: str, url: str) -> str:
    """A host as it is compared and asked for."""
    if literal(host) is not None:
        return host
    try:
        return host_name(host)
    except ValueError as error:
        raise _no(url, str(error)) from None


def _no(url: str, why: str) -> UnsafeAddress:
    shown = "".join(sign if sign.isprintable() else "?" for sign in url[:120])
    return UnsafeAddress(
        f"{shown!r} {why}", way_out="Nothing was asked there; correct the feed's address in the universe."
    )
