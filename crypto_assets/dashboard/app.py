"""The web application: what is answered under which path.

What belongs here: paths, parameters and their bounds, and turning errors into answers. What does not: reading (answers.py), who
may ask (gate.py), and the process that serves it (serving.py).

All of /api answers JSON; times are milliseconds since 1970, UTC; null is not known.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from crypto_assets.dashboard.answers import Answers, Place
from crypto_assets.dashboard.candles import MOST_BARS, NotStored
from crypto_assets.dashboard.cells import WINDOW_DAYS
from crypto_assets.dashboard.columns import catalog
from crypto_assets.dashboard.gate import Gate
from crypto_assets.dashboard.live import EVERY_SECONDS, Ticker
from crypto_assets.dashboard.metrics import FigureCollector
from crypto_assets.dashboard.overview import read_overview
from crypto_assets.dashboard.trends import TREND_DAYS
from crypto_assets.errors import CryptoAssetsError

PAGE = Path(__file__).parent / "page"
_THREADS = 4  # questions to the database at the same time; more would wait for each other there
_SHORT_TEXT = 200  # characters of a name in a question
_LATEST_MS = 4_102_444_800_000  # the year 2100


class Refused(CryptoAssetsError):
    """A question with a parameter that cannot be."""


@dataclass(frozen=True)
class Access:
    """Who may ask.

    Args:
        host: The address that is listened on.
        names: By which we may be asked, beside those of the loopback.
        is_ending: Whether the server wants to end; events end then.
        every_seconds: Time between events of the ticker.
    """

    host: str = "127.0.0.1"
    names: Collection[str] = ()
    is_ending: Callable[[], bool] = field(default=lambda: False)
    every_seconds: float = EVERY_SECONDS


def build_app(place: Place, access: Access) -> Starlette:
    """The application; building it asks nothing."""
    answers = Answers(place)
    limiter, live_limiter = anyio.CapacityLimiter(_THREADS), anyio.CapacityLimiter(1)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(FigureCollector(answers.figures))

    async def in_thread[T](read: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(read, limiter=limiter)

    def api(path: str, read: Callable[[Request], object]) -> Route:
        async def answer(request: Request) -> Response:
            return _json(await in_thread(lambda: read(request)))

        return Route(path, answer, methods=["GET"])

    async def metrics(_request: Request) -> Response:
        return Response(await in_thread(lambda: generate_latest(registry)), media_type=CONTENT_TYPE_LATEST)

    async def stream_metrics(_request: Request) -> Response:
        body = await in_thread(answers.stream_metrics)
        return Response(body, media_type=CONTENT_TYPE_LATEST)

    async def healthz(request: Request) -> Response:
        health = await in_thread(answers.health.get)
        if "max_age_seconds" in request.query_params:
            health = health.with_bound(_number(request, "max_age_seconds", 1, (1, 10**9)))
        return _json(health, 200 if health.is_well else 503)

    async def page(_request: Request) -> Response:
        return FileResponse(PAGE / "index.html", headers={"Cache-Control": "no-cache"})

    ticker = Ticker(
        lambda: anyio.to_thread.run_sync(answers.figures.quotes.get, limiter=live_limiter),
        access.is_ending,
        every_seconds=access.every_seconds,
    )
    routes: list[BaseRoute] = [
        Route("/", page, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
        Route("/metrics/stream", stream_metrics, methods=["GET"]),
        Route("/healthz", healthz, methods=["GET"]),
        Route("/api/live", ticker.answer, methods=["GET"]),
        *_api_routes(answers, api),
        Mount("/page", StaticFiles(directory=PAGE, follow_symlink=False)),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Gate, host=access.host, names=access.names)],
        exception_handlers={Refused: _told(400), NotStored: _told(404), CryptoAssetsError: _told(503)},
    )


def _api_routes(answers: Answers, api: Callable[[str, Callable[[Request], object]], Route]) -> list[Route]:
    def candles(request: Request) -> object:
        key = (_text(request, "venue"), _text(request, "symbol"), _text(request, "timeframe"))
        until = _number(request, "until", 0, (0, _LATEST_MS))
        return answers.candles(key, _number(request, "bars", 240, (10, MOST_BARS)), until or None)

    def said(request: Request) -> object:
        return answers.said((_text(request, "forecast"), _text(request, "domain"), _text(request, "series")))

    return [
        api("/api/about", lambda _: answers.about()),
        api("/api/overview", lambda _: read_overview(answers.figures)),
        api("/api/datasets", lambda _: answers.datasets.get()),
        api("/api/coverage", lambda r: answers.coverage(_text(r, "dataset"), _one_of(r, "days", WINDOW_DAYS))),
        api("/api/series", lambda _: answers.series.get()),
        api("/api/candles", candles),
        api("/api/trends", lambda r: answers.trends.get(_one_of(r, "days", TREND_DAYS))),
        api("/api/subjects", lambda _: answers.subjects.get()),
        api("/api/forecast", said),
        api("/api/catalog", lambda _: catalog()),
        api("/api/headlines", lambda _: answers.headlines.get()),
    ]


def _told(status: int) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(_request: Request, error: Exception) -> Response:
        problem, way_out = (error.problem, error.way_out) if isinstance(error, CryptoAssetsError) else (str(error), "")
        return _json({"problem": problem, "way_out": way_out}, status)

    return answer


def _json(told: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(told), status, media_type="application/json")


def _text(request: Request, name: str) -> str:
    told = request.query_params.get(name, "")
    if not told or len(told) > _SHORT_TEXT or not told.isprintable():
        raise Refused(f"Expected '{name}' as a text of up to {_SHORT_TEXT} characters", way_out=f"Name it: ?{name}=…")
    return told


def _number(request: Request, name: str, default: int, bounds: tuple[int, int]) -> int:
    told = request.query_params.get(name, str(default))
    low, high = bounds
    is_number = told.isascii() and told.isdigit() and len(told) <= len(str(high))
    if not is_number or not low <= int(told) <= high:
        raise Refused(f"Expected '{name}' as a whole number from {low} to {high}", way_out=f"As ?{name}={low}.")
    return int(told)


def _one_of(request: Request, name: str, choices: tuple[int, ...]) -> int:
    told = request.query_params.get(name, str(choices[0]))
    if told not in map(str, choices):
        raise Refused(
            f"Expected '{name}' as one of {', '.join(map(str, choices))}", way_out=f"As ?{name}={choices[0]}."
        )
    return int(told)


__all__ = ["PAGE", "Access", "Refused", "build_app"]
