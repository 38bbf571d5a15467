"""The sandbox's HTTP server on 127.0.0.1: the upstream host is the first segment of the path.

What belongs here: dispatch, connection faults, the control addresses below /__sandbox__/. What does not: formats (venues/)
and what faults do to data (faults.py).
"""

from __future__ import annotations

import asyncio
import json
import math
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate

from aiohttp import web

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.sandbox.absences import Absence, WithAbsences
from crypto_assets.sandbox.budgets import Budgets, LimitError, parse_limits
from crypto_assets.sandbox.clock import ClockError, SandboxClock, read_moment
from crypto_assets.sandbox.config import HOST, SandboxConfig
from crypto_assets.sandbox.faults import ON_ROWS, Fault, FaultError, FaultPlan, parse_faults, parse_models, spoil_rows
from crypto_assets.sandbox.pools import NO_POOLS, PoolSource
from crypto_assets.sandbox.providers import FORMATS as PROVIDER_FORMATS
from crypto_assets.sandbox.streams.recorded import RecordedStreams
from crypto_assets.sandbox.streams.serving import Streams
from crypto_assets.sandbox.trades import MarketSource
from crypto_assets.sandbox.venues import FORMATS, VenueFormat
from crypto_assets.sandbox.venues.exchange import Asked, Reply, UnreadableNumberError

HTML = "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Checking your browser</body></html>"
STATUSES = {"throttled": 429, "banned": 418, "unavailable": 503}


class SandboxPortInUse(CryptoAssetsError):
    """Another program listens on the port asked for."""


@dataclass
class Counts:
    """What has been asked: requests by venue and path, and the most that were in flight at once."""

    requests: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0
    most_in_flight: int = 0


class SandboxApp:
    """The request handlers over one market and its pools; constructing it serves nothing.

    Args:
        clock: The sources' clock, which can be set if it stands. Streams follow the real time in any case.
        recorded: Streams to play in place of made-up ones.
    """

    def __init__(
        self,
        source: MarketSource,
        plan: FaultPlan,
        pools: PoolSource = NO_POOLS,
        clock: SandboxClock | None = None,
        recorded: RecordedStreams | None = None,
    ) -> None:
        self._source = WithAbsences(source)
        self._streams = Streams(plan.seed, self._source.symbols, recorded)
        self._pools = pools
        self._clock = clock or SandboxClock()
        self._plan = plan
        self._counts = Counts()
        self._budgets = Budgets()
        self._counts_by_clock = False
        self._formats: dict[str, VenueFormat] = {
            host: one for one in (*FORMATS, *PROVIDER_FORMATS) for host in one.hosts
        }

    def application(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application()
        app.router.add_get("/__sandbox__/health", self._health)
        app.router.add_get("/__sandbox__/requests", self._requests)
        app.router.add_post("/__sandbox__/faults", self._set_faults)
        app.router.add_delete("/__sandbox__/faults", self._clear_faults)
        app.router.add_post("/__sandbox__/absences", self._set_absences)
        app.router.add_post("/__sandbox__/limits", self._set_limits)
        app.router.add_delete("/__sandbox__/limits", self._clear_limits)
        app.router.add_post("/__sandbox__/clock", self._set_clock)
        self._streams.add_routes(app)
        app.router.add_get("/{host}/{path:.*}", self._venue)
        app.router.add_post("/{host}/{path:.*}", self._venue)  # nodes of chains are asked so
        return app

    async def _health(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "venues": sorted(one.venue for one in (*FORMATS, *PROVIDER_FORMATS))})

    async def _requests(self, _request: web.Request) -> web.Response:
        counts, budgets = self._counts, self._budgets
        return web.json_response(
            {
                "requests": dict(counts.requests),
                "most_in_flight": counts.most_in_flight,
                "weights": dict(budgets.weights),
                "busiest": budgets.busiest(),
                "refused": {venue: count for venue, count in budgets.refused.items() if count},
            }
        )

    async def _set_faults(self, request: web.Request) -> web.Response:
        try:
            faults = parse_faults(await request.json())
        except (FaultError, json.JSONDecodeError) as error:
            return web.json_response({"error": str(error)}, status=400)
        self._plan.replace(faults)
        return web.json_response({"faults": len(faults)})

    async def _clear_faults(self, _request: web.Request) -> web.Response:
        self._plan.replace(())
        return web.json_response({"faults": 0})

    async def _set_absences(self, request: web.Request) -> web.Response:
        try:
            self._source.absences = parse_models(await request.json(), Absence)
        except (FaultError, json.JSONDecodeError) as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response({"absences": len(self._source.absences)})

    async def _set_limits(self, request: web.Request) -> web.Response:
        try:
            limits = parse_limits(await request.json())
        except (LimitError, json.JSONDecodeError) as error:
            return web.json_response({"error": str(error)}, status=400)
        self._budgets.set_limits(limits)
        return web.json_response({"limits": len(limits)})

    async def _clear_limits(self, _request: web.Request) -> web.Response:
        self._budgets.set_limits({})
        return web.json_response({"limits": 0})

    async def _set_clock(self, request: web.Request) -> web.Response:
        try:
            content = await request.json()
            now = read_moment(str(content["now"]) if isinstance(content, dict) and "now" in content else "")
        except (ClockError, json.JSONDecodeError) as error:
            return web.json_response({"error": str(error)}, status=400)
        before = self._clock()
        try:
            self._clock.set(now)
        except ClockError as error:
            return web.json_response({"error": str(error)}, status=409)
        if now < before or not self._counts_by_clock:
            self._budgets.count_by(self._clock.seconds)
            self._counts_by_clock = True
        return web.json_response({"now_ms": now})

    async def _venue(self, request: web.Request) -> web.StreamResponse:
        if self._streams.serves(request):
            return await self._streams.serve(request)
        form = self._formats.get(request.match_info["host"])
        if form is None:
            return web.json_response(
                {"error": f"the sandbox does not speak for {request.match_info['host']}"}, status=404
            )
        counts = self._counts
        path = "/" + request.match_info["path"]
        counts.requests[f"{form.venue} {path}"] += 1
        counts.in_flight += 1
        counts.most_in_flight = max(counts.most_in_flight, counts.in_flight)
        try:
            return await self._answer(request, form, path, self._plan.striking(form.venue, path))
        finally:
            counts.in_flight -= 1

    async def _answer(
        self, request: web.Request, form: VenueFormat, path: str, faults: Sequence[Fault]
    ) -> web.StreamResponse:
        asked = Asked(
            form.venue, path, _query(request), self._source, faults, self._plan.seed, self._pools,
            body=await _body(request), clock=self._clock, host=request.match_info["host"],
        )  # fmt: skip
        reply = _reply(form, asked)  # first, as it says what the request weighs
        wait = self._budgets.arrived(form.venue, reply.weight)
        used = {form.used_weight_header: str(self._budgets.used(form.venue))} if form.used_weight_header else {}
        if wait > 0:
            headers = used | {"Retry-After": str(math.ceil(wait)), "Date": _http_date(asked.now())}
            return web.json_response(form.error(429), status=429, headers=headers)
        for fault in faults:
            broken = await _break_connection(request, fault) or _error_instead(form, asked, fault)
            if broken is not None:
                return broken
        response = _written(reply, faults)
        response.headers.update(used)
        slow = sum(fault.seconds for fault in faults if fault.kind == "slow_body")
        return await _dripped(request, response, slow) if slow > 0 else response


def _query(request: web.Request) -> dict[str, str]:
    """The query's parameters; one that comes several times has commas between its values."""
    return {name: ",".join(request.query.getall(name)) for name in request.query}


async def _body(request: web.Request) -> object:
    """What was posted, read as JSON; None where nothing was or it is none."""
    if not request.can_read_body:
        return None
    try:
        found: object = await request.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        return None
    return found


def _reply(form: VenueFormat, asked: Asked) -> Reply:
    try:
        reply = form.answer(asked)
    except UnreadableNumberError as error:
        return form.bad_parameter(error.parameter, asked.now())
    return reply or Reply(form.error(404), asked.now(), 404)


async def _break_connection(request: web.Request, fault: Fault) -> web.StreamResponse | None:
    if fault.kind == "latency":
        await asyncio.sleep(max(0.0, fault.seconds))
    elif fault.kind == "dropped":
        if request.transport is not None:
            request.transport.abort()
        return web.Response()
    elif fault.kind == "half_open":  # headers and a beginning, then nothing
        response = web.StreamResponse(headers={"Content-Length": "1000000", "Content-Type": "application/json"})
        await response.prepare(request)
        await response.write(b"[")
        await asyncio.sleep(max(0.0, fault.seconds))
        if request.transport is not None:
            request.transport.abort()
        return response
    return None


async def _dripped(request: web.Request, answer: web.Response, seconds: float) -> web.StreamResponse:
    """The same answer, its second half later by that many seconds."""
    body = answer.body if isinstance(answer.body, bytes) else b""
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    await asyncio.sleep(seconds)
    await response.write(body[len(body) // 2 :])
    await response.write_eof()
    return response


def _error_instead(form: VenueFormat, asked: Asked, fault: Fault) -> web.Response | None:
    status = STATUSES.get(fault.kind)
    headers = {"Date": _http_date(asked.now())}
    if status is not None:
        if fault.retry_after is not None:
            headers["Retry-After"] = fault.retry_after
        if fault.as_json:
            said = form.error(status)
            if isinstance(said, str):  # a provider whose words are XML
                return web.Response(text=said, content_type="text/xml", status=status, headers=headers)
            return web.json_response(said, status=status, headers=headers)
        return web.Response(text="error", status=status, headers=headers)
    if fault.kind == "html_200":
        return web.Response(text=HTML, content_type="text/html", headers=headers)
    return None


def _written(reply: Reply, faults: Sequence[Fault]) -> web.Response:
    on_rows = [fault for fault in faults if fault.kind in ON_ROWS]
    if reply.rows is not None and on_rows:
        reply.rows[:] = spoil_rows(reply.rows, on_rows)
    body = json.dumps(reply.payload, separators=(",", ":")) if reply.text is None else reply.text
    if any(fault.kind == "truncated_json" for fault in faults):
        body = body[: len(body) * 2 // 3]
    skew = sum(fault.seconds for fault in faults if fault.kind == "clock_skew")
    headers = {"Date": _http_date(reply.now_ms + int(skew * 1000))}
    return web.Response(text=body, status=reply.status, content_type=reply.content_type, headers=headers)


def _http_date(milliseconds: int) -> str:
    return formatdate(milliseconds // 1000, usegmt=True)


def serve(
    config: SandboxConfig,
    *,
    ready: Callable[[str], None] | None = None,
    until: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, or until what `until` gives is done.

    Args:
        ready: Told the address once it answers.

    Raises:
        SandboxPortInUse: the port asked for is taken.
        RecordingError: the recordings cannot be played.
    """
    asyncio.run(_serve(config, ready, until))


async def _serve(
    config: SandboxConfig, ready: Callable[[str], None] | None, until: Callable[[], Awaitable[None]] | None
) -> None:
    clock = config.clock()
    plan = FaultPlan(config.seed, config.faults)
    app = SandboxApp(config.source(clock), plan, config.pools(clock), clock, config.recorded_streams()).application()
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, config.port)
        try:
            await site.start()
        except OSError as error:
            raise SandboxPortInUse(
                f"Port {config.port} on {HOST} cannot be used: {error.strerror}", way_out="Choose another --port."
            ) from None
        stopped = _stopped_by_signal()  # before anybody is told that it is ready, and may end it
        if ready is not None:
            ready(f"http://{HOST}:{runner.addresses[0][1]}")
        await _wait(stopped, until)
    finally:
        await runner.cleanup()


def _stopped_by_signal() -> asyncio.Event:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    return stopped


async def _wait(stopped: asyncio.Event, until: Callable[[], Awaitable[None]] | None) -> None:
    ends: list[asyncio.Future[object]] = [asyncio.ensure_future(stopped.wait())]
    if until is not None:
        ends.append(asyncio.ensure_future(until()))
    _, pending = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    for one in pending:
        one.cancel()
