"""The process that serves page and metrics, until it is told to end.

What belongs here: the server and its limits. What does not: what it answers (app.py) and the command (cli/dashboard.py).
"""

from __future__ import annotations

import ipaddress
import signal
import socket
from collections.abc import Callable, Collection

import structlog
import uvicorn

from crypto_assets.dashboard.address import url_of
from crypto_assets.dashboard.answers import Place
from crypto_assets.dashboard.app import Access, build_app
from crypto_assets.errors import CryptoAssetsError

log = structlog.get_logger(__name__)

MOST_CONNECTIONS = 100  # a browser opens six; what comes beyond is answered 503
_IDLE_SECONDS = 15
_GOODBYE_SECONDS = 3


class DashboardPortTaken(CryptoAssetsError):
    """Nobody can be served on the port asked for."""


def serve(place: Place, host: str, port: int, *, names: Collection[str] = (), ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        host: The address to listen on.
        port: 0 picks a free one.
        names: By which we may be asked, beside those of the loopback.
        ready: Told the URL once it is listened on.

    Raises:
        DashboardPortTaken: another program listens there, or we may not.
    """
    with listening(host, port) as taken:
        server = server_of(place, host, names)
        ready(url_of(host, taken.getsockname()[1]))
        # The server ends in order and then raises the signal again: both kinds come back here as an interrupt, so that
        # whoever called can end what it has started.
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            server.run(sockets=[taken])
        except KeyboardInterrupt:
            log.info("the dashboard has ended")
        finally:
            signal.signal(signal.SIGTERM, before)


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens; the caller closes it.

    Raises:
        DashboardPortTaken: see `serve`.
    """
    family = socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET
    taken = socket.socket(family)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((host, port))
        taken.listen(128)
    except OSError as error:
        taken.close()
        raise DashboardPortTaken(
            f"Cannot listen on {host}:{port}: {error.strerror}",
            way_out="Set CRYPTO_ASSETS_DASHBOARD_PORT to another, or end what uses it.",
        ) from error
    return taken


def server_of(place: Place, host: str, names: Collection[str] = ()) -> uvicorn.Server:
    """The server, not started; its `should_exit` ends it, and the events with it."""
    ending: list[uvicorn.Server] = []
    app = build_app(place, Access(host, names, lambda: any(one.should_exit for one in ending)))
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            lifespan="off",
            ws="none",
            limit_concurrency=MOST_CONNECTIONS,
            timeout_keep_alive=_IDLE_SECONDS,
            timeout_graceful_shutdown=_GOODBYE_SECONDS,
        )
    )
    ending.append(server)
    return server


__all__ = ["DashboardPortTaken", "listening", "serve", "server_of"]
