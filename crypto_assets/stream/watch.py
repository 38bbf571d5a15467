"""What a running stream answers on 127.0.0.1: /metrics, /healthz, /readyz, /standings. It reads, and changes nothing.

What belongs here: serving, and who may ask. What does not: metrics (metrics.py), the shape of standings (board.py), and where
the port is told (address.py).

A page in a browser can have a name of its own point to 127.0.0.1 and then ask as if it were us (DNS rebinding). Such a
request carries that name as its host, and is refused; so does one without any host.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence

import msgspec
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.stream.arbitrage import Opportunity
from crypto_assets.stream.board import board_of
from crypto_assets.stream.counters import Counters
from crypto_assets.stream.metrics import StreamCollector
from crypto_assets.stream.standing import Snapshot

HOST = "127.0.0.1"
_NAMES = frozenset({HOST, "localhost"})
_MISSED = 3  # intervals without a snapshot, from which on the stream is not well
_SECOND = 1_000_000  # microseconds
_GOODBYE_SECONDS = 1.0  # that a request under way may still take when the server ends


class WatchPortTaken(CryptoAssetsError):
    """Nobody can be served on the port asked for."""


def _now() -> int:
    return time.time_ns() // 1000


def _nothing_open() -> Sequence[Opportunity]:
    return ()


class WatchServer:
    """Serves in the event loop of the stream; making one opens nothing.

    Args:
        standings: The latest snapshot; None before the first.
        is_ready: None where the stream does all it is there for, else why not.
        port: 0 picks a free one.
        opportunities: Those open in the latest snapshot.
        snapshot_seconds: Distance of the grid that snapshots lie on.
        clock: Microseconds since 1970, UTC.
    """

    def __init__(
        self,
        counters: Counters,
        standings: Callable[[], Snapshot | None],
        is_ready: Callable[[], str | None],
        port: int,
        *,
        opportunities: Callable[[], Sequence[Opportunity]] = _nothing_open,
        snapshot_seconds: int = 1,
        clock: Callable[[], int] = _now,
    ) -> None:
        self._counters = counters
        self._standings = standings
        self._is_ready = is_ready
        self._port = port
        self._opportunities = opportunities
        self._longest_silence = _MISSED * snapshot_seconds * _SECOND
        self._clock = clock
        self._runner: web.AppRunner | None = None

    async def start(self) -> int:
        """Serve, and return at once.

        Returns:
            The port bound.

        Raises:
            WatchPortTaken: another program listens there, or we may not.
        """
        runner = web.AppRunner(
            self._application(), access_log=None, handle_signals=False, shutdown_timeout=_GOODBYE_SECONDS
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, self._port).start()
        except OSError as error:
            await runner.cleanup()
            raise WatchPortTaken(
                f"Cannot listen on {HOST}:{self._port}: {error.strerror}",
                way_out="Name another port, or 0 for any that is free.",
            ) from error
        self._runner = runner
        port: int = runner.addresses[0][1]
        return port

    async def stop(self) -> None:
        """Close the port; nothing where it is not open."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    def _application(self) -> web.Application:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(StreamCollector(self._counters, self._standings, self._clock))

        async def metrics(_request: web.Request) -> web.Response:
            return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

        app = web.Application(middlewares=[_refuse_strangers])
        app.router.add_get("/metrics", metrics)
        app.router.add_get("/healthz", self._health)
        app.router.add_get("/readyz", self._readiness)
        app.router.add_get("/standings", self._board)
        return app

    async def _health(self, _request: web.Request) -> web.Response:
        last_at = self._counters.snapshots.last_at
        if not last_at:
            return _unwell("no snapshot has been taken yet")
        silence = self._clock() - last_at
        if silence > self._longest_silence:
            return _unwell(f"the last snapshot was taken {silence / _SECOND:.1f} s ago")
        return web.Response(text="ok\n")

    async def _readiness(self, _request: web.Request) -> web.Response:
        why_not = self._is_ready()
        return web.Response(text="ok\n") if why_not is None else _unwell(why_not)

    async def _board(self, _request: web.Request) -> web.Response:
        snapshot = self._standings()
        if snapshot is None:
            return _unwell("no snapshot has been taken yet")
        body = msgspec.json.encode(board_of(snapshot, self._opportunities()))
        return web.Response(body=body, content_type="application/json")


@web.middleware
async def _refuse_strangers(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    name = request.headers.get("Host", "").partition(":")[0].lower()
    if name not in _NAMES:
        return web.Response(status=403, text=f"Ask for {HOST} or localhost.\n")
    return await handler(request)


def _unwell(why: str) -> web.Response:
    return web.Response(status=503, text=f"{why}\n")
