"""A receiver of webhooks on 127.0.0.1: what apprise's json:// addresses are sent to in tests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

# They stand in addresses, and must stand nowhere else.
TOKEN = "canary-5f1e9a-token"  # noqa: S105 - not a real one
PASSWORD = "canary-77ab-password"  # noqa: S105 - as above


class Receiver:
    """Keeps what it is sent; refuses what comes to a path while it is told to."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str]]] = []
        self.refused: set[str] = set()
        self.refusals: list[str] = []
        self.port = 0

    def url(self, path: str = "hook") -> str:
        """An address of apprise with secrets in it."""
        return f"json://user:{PASSWORD}@127.0.0.1:{self.port}/{path}/{TOKEN}?+X-Key={TOKEN}"

    def titles(self, path: str = "hook") -> list[str]:
        """Of what came to a path, in its order."""
        return [body["title"] for there, body in self.got if there == path]

    async def take(self, request: web.Request) -> web.Response:
        path = request.path.split("/")[1]
        if path in self.refused:
            self.refusals.append(path)
            return web.Response(status=500)
        self.got.append((path, await request.json()))
        return web.Response()


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that listens, in a thread."""
    receiver, loop, ready = Receiver(), asyncio.new_event_loop(), threading.Event()

    async def listen() -> web.AppRunner:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", receiver.take)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        receiver.port = runner.addresses[0][1]
        ready.set()
        return runner

    def serve() -> None:
        asyncio.set_event_loop(loop)
        runner = loop.run_until_complete(listen())
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield receiver
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
