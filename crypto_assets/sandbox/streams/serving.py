"""The streams' addresses: handshakes at venues' paths, and the control below /__sandbox__/.

What belongs here: which venue is meant, refusing, the connections there are, settings and counts. What does not: what goes on
in a connection (session.py).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence

from aiohttp import web

from crypto_assets.sandbox.faults import FaultError, parse_models
from crypto_assets.sandbox.streams import binance, gate, mexc
from crypto_assets.sandbox.streams.control import StreamSettings
from crypto_assets.sandbox.streams.dialect import Dialect
from crypto_assets.sandbox.streams.frames import GOING_AWAY, SERVICE_RESTART
from crypto_assets.sandbox.streams.plan import StreamFault, StreamPlan
from crypto_assets.sandbox.streams.recorded import RecordedStreams
from crypto_assets.sandbox.streams.session import Common, Session, Tally, counts_of

FORMATS: tuple[Dialect, ...] = (*binance.FORMATS, *gate.FORMATS, *mexc.FORMATS)
PAGE = "<!DOCTYPE html><html><head><title>Attention Required!</title></head><body>Sorry, you have been blocked</body></html>"


class Streams:
    """All venues' streams; constructing it serves nothing.

    Args:
        symbols: Unified symbols of a venue's markets.
        recorded: Played in place of made-up quotes; venues without a capture have no streams then.
    """

    def __init__(
        self, seed: int, symbols: Callable[[str], Sequence[str]], recorded: RecordedStreams | None = None
    ) -> None:
        self._symbols = symbols
        self._recorded = recorded
        self._common = Common(seed, StreamPlan())
        self._formats = {host: one for one in FORMATS for host in one.hosts}
        self._sessions: dict[str, set[Session]] = {one.venue: set() for one in FORMATS}
        self._tallies = {one.venue: Tally() for one in FORMATS}

    def add_routes(self, app: web.Application) -> None:
        """The control addresses, and an end for connections when the server ends."""
        app.router.add_get("/__sandbox__/streams", self._count)
        app.router.add_post("/__sandbox__/streams", self._set)
        app.router.add_post("/__sandbox__/stream_faults", self._set_faults)
        app.router.add_delete("/__sandbox__/stream_faults", self._clear_faults)
        app.on_shutdown.append(self._end)

    def serves(self, request: web.Request) -> bool:
        """Whether somebody wants to open a stream at a host that has any."""
        wants = request.headers.get("Upgrade", "").lower() == "websocket"
        return wants and request.match_info["host"] in self._formats

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """A connection from its handshake to its end."""
        form = self._formats[request.match_info["host"]]
        refused = self._refused(request, form)
        if refused is not None:
            return refused
        socket = web.WebSocketResponse(autoping=False, autoclose=False, compress=False)
        await socket.prepare(request)
        tally, sessions = self._tallies[form.venue], self._sessions[form.venue]
        recorded = self._recorded.frames(form.venue) if self._recorded is not None else None
        session = Session(socket, request, form, self._common, tally, self._finder(form), recorded)
        tally.opened += 1
        sessions.add(session)
        try:
            await session.run()
        finally:
            sessions.discard(session)
        return socket

    def _refused(self, request: web.Request, form: Dialect) -> web.Response | None:
        now = time.time()
        if self._common.plan.is_on("refuse", form.venue, now) and request.transport is not None:
            request.transport.abort()
            return web.Response()
        page = self._common.plan.is_on("html", form.venue, now)
        if page is not None:
            return web.Response(text=PAGE, content_type="text/html", status=page.status)
        if not form.opens("/" + request.match_info["path"]):
            return web.json_response({"error": f"{form.venue} has no streams at this path"}, status=404)
        if self._recorded is not None and self._recorded.frames(form.venue) is None:
            return web.json_response({"error": f"no stream of {form.venue} was recorded"}, status=404)
        return None

    def _finder(self, form: Dialect) -> Callable[[str], str | None]:
        if self._recorded is not None:
            return lambda market_id: market_id  # what was recorded is played whatever is asked for
        found = {form.market_id(symbol): symbol for symbol in self._symbols(form.venue)}
        return found.get

    async def _count(self, _request: web.Request) -> web.Response:
        found = {venue: counts_of(self._tallies[venue], list(sessions)) for venue, sessions in self._sessions.items()}
        return web.json_response(found)

    async def _set(self, request: web.Request) -> web.Response:
        try:
            (settings,) = parse_models([await request.json()], StreamSettings)
        except (FaultError, json.JSONDecodeError) as error:
            return web.json_response({"error": str(error)}, status=400)
        common = self._common
        if settings.playback_speed is not None:
            common.playback_speed = settings.playback_speed or None
        if settings.rate is not None and settings.rate != common.rate:
            is_slower, common.rate = settings.rate < common.rate, settings.rate
            for session in self._all():
                session.restart()
                if is_slower:  # numbers would fall
                    session.close(SERVICE_RESTART)
        return web.json_response({"rate": common.rate, "playback_speed": common.playback_speed})

    async def _set_faults(self, request: web.Request) -> web.Response:
        try:
            faults = parse_models(await request.json(), StreamFault)
        except (FaultError, json.JSONDecodeError) as error:
            return web.json_response({"error": str(error)}, status=400)
        now = time.time()
        self._common.plan.begin(faults, now)
        for fault in faults:
            for session in self._all(fault):
                _strike(session, fault, now)
        return web.json_response({"stream_faults": len(faults)})

    async def _clear_faults(self, _request: web.Request) -> web.Response:
        self._common.plan.begin((), time.time())
        for session in self._all():
            session.go_silent(0.0)
        return web.json_response({"stream_faults": 0})

    async def _end(self, _app: web.Application) -> None:
        for session in self._all():
            session.abort()

    def _all(self, fault: StreamFault | None = None) -> list[Session]:
        return [
            session
            for venue, sessions in self._sessions.items()
            if fault is None or fault.concerns(venue)
            for session in sessions
        ]


def _strike(session: Session, fault: StreamFault, now: float) -> None:
    if fault.kind in {"drop", "refuse"}:
        session.abort()
    elif fault.kind == "close":
        session.close(GOING_AWAY)
    elif fault.kind == "half_open":
        session.go_silent(now + fault.seconds)
