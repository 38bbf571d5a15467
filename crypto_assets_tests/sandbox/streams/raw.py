"""A bare client: a WebSocket of aiohttp, and messages in each venue's words."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.sandbox.streams.quotes import k_of

BINANCE = "/stream.binance.com/ws"
GATE = "/api.gateio.ws/ws/v4/"
MEXC = "/wbs-api.mexc.com/ws"
PATIENCE = 20.0


@dataclass(frozen=True)
class Raw:
    """One open connection."""

    socket: aiohttp.ClientWebSocketResponse

    async def say(self, message: object) -> None:
        await self.socket.send_str(message if isinstance(message, str) else json.dumps(message))

    async def message(self) -> aiohttp.WSMessage:
        return await asyncio.wait_for(self.socket.receive(), PATIENCE)

    async def text(self) -> str:
        """The next text; pings are answered on the way."""
        while True:
            message = await self.message()
            if message.type is aiohttp.WSMsgType.PING:
                await self.socket.pong(message.data)
                continue
            assert message.type is aiohttp.WSMsgType.TEXT, message
            return str(message.data)

    async def found(self) -> dict[str, object]:
        found = json.loads(await self.text())
        assert isinstance(found, dict)
        return found

    async def until(self, is_it: Callable[[dict[str, object]], bool]) -> dict[str, object]:
        while True:
            found = await self.found()
            if is_it(found):
                return found

    async def ks(self, count: int, market: str = "BTCUSDT") -> list[int]:
        """Numbers of the next quotes of a Binance market."""
        found = []
        while len(found) < count:
            message = await self.found()
            if message.get("s") == market:
                found.append(k_of(int(str(message["u"]))))
        return found


@asynccontextmanager
async def connected(url: str, path: str = BINANCE, *, subscribed: object = None) -> AsyncIterator[Raw]:
    """A connection; `subscribed` is said first."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url.replace("http", "ws") + path, autoping=False, compress=15) as socket,
    ):
        raw = Raw(socket)
        if subscribed is not None:
            await raw.say(subscribed)
        yield raw


def on_binance(*markets: str) -> dict[str, object]:
    return {"method": "SUBSCRIBE", "params": [f"{market}@bookTicker" for market in markets], "id": 1}


def on_gate(*pairs: str, event: str = "subscribe") -> dict[str, object]:
    return {"time": 1, "id": 5, "channel": "spot.book_ticker", "event": event, "payload": list(pairs)}


def on_mexc(*markets: str, method: str = "SUBSCRIPTION") -> dict[str, object]:
    return {"method": method, "params": [f"spot@public.aggre.bookTicker.v3.api.pb@100ms@{one}" for one in markets]}


def play(streams: SandboxProcess, scene: Callable[[str], Awaitable[None]]) -> None:
    """Run what a client does against the sandbox."""

    async def run() -> None:
        async with asyncio.timeout(PATIENCE):
            await scene(streams.url)

    asyncio.run(run())
