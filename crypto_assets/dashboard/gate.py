"""Who may ask and how: methods, names, lengths, and the headers of every answer.

What belongs here: what holds for each request whatever it asks. What does not: what is answered (app.py).

A page in a browser can have a name of its own point to 127.0.0.1 and then ask as if it were us (DNS rebinding). Such a request
carries that name as its host, and is refused; so does one without any host. An address in place of a name cannot be made to
point elsewhere, and a name without a dot, as a container has one, is nobody's to buy: where we listen to others both are let
through.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
MOST_QUERY = 1000  # bytes; the longest question of the page is a fifth of it
_METHODS = ("GET", "HEAD")
HEADERS = {
    # Styles, scripts and pictures of our own alone; nothing inline, nothing from elsewhere, no frame around us.
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Gate:
    """Lets through what may be asked, and puts the headers on every answer.

    Args:
        app: What is behind it.
        host: The address we listen on.
        names: Names by which we may be asked, beside those of the loopback.
    """

    def __init__(self, app: ASGIApp, host: str, names: Collection[str] = ()) -> None:
        self._app = app
        self._names = LOOPBACK_NAMES | {name.lower() for name in names}
        self._is_open = not ipaddress.ip_address(host).is_loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        if scope["method"] not in _METHODS:
            return PlainTextResponse("Only GET and HEAD: this page reads.\n", 405, {"Allow": ", ".join(_METHODS)})
        if not self._knows(Headers(scope=scope).get("host", "")):
            return PlainTextResponse("Ask for 127.0.0.1 or localhost, or name the host with --allow-host.\n", 403)
        if len(scope["query_string"]) > MOST_QUERY:
            return PlainTextResponse("The question is too long.\n", 414)
        return None

    def _knows(self, told: str) -> bool:
        name = host_name(told)
        if name in self._names:
            return True
        return self._is_open and (_is_address(name) or _is_bare(name))


def host_name(told: str) -> str:
    """The name in a Host header, without port and brackets, in lower case; empty where it is no such header. Pure."""
    if told.startswith("["):
        name, bracket, port = told[1:].partition("]")
        if not bracket:
            return ""
    else:
        name, _, port = told.partition(":")
    digits = port.removeprefix(":")
    return name.lower() if not digits or digits.isdigit() else ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_bare(name: str) -> bool:
    return bool(name) and name.isascii() and name.replace("-", "").replace("_", "").isalnum()


__all__ = ["HEADERS", "LOOPBACK_NAMES", "MOST_QUERY", "Gate", "host_name"]
