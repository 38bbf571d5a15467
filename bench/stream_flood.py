"""A server that says nothing but best prices, as fast as a core can or at a rate, in three venues' formats, on 127.0.0.1.

What belongs here: the child process of stream_frames.py. What does not: measuring. The sandbox makes each quote of its own,
which takes longer than reading one; here frames are made beforehand where nobody asks for a rate.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

HOSTS = {"stream.binance.com": "binance", "api.gateio.ws": "gate", "wbs-api.mexc.com": "mexc"}
TICK_SECONDS = 0.005
BLOCK = 20  # frames of each market in one piece of a flood
SUMMARY = "sent "


class Speaker(WSListener):
    """One connection: answers its first request, then speaks.

    Args:
        rate: Frames a second of each market; 0 for a flood.
        seconds: For so long, where there is a rate.
        sent: By market's name, the number of its last frame; numbers begin at 1.
    """

    def __init__(self, venue: str, rate: float, seconds: float, sent: dict[str, int]) -> None:
        self._venue = venue
        self._rate = rate
        self._seconds = seconds
        self._sent = sent
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._names: list[str] = []
        self._task: asyncio.Task[None] | None = None

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type != WSMsgType.TEXT:
            return
        asked = json.loads(frame.get_payload_as_bytes())
        names = asked.get("params") or asked.get("payload")
        if not names:
            return
        transport.send(WSMsgType.TEXT, _answer(self._venue, asked))
        self._names += [_name(self._venue, one) for one in names]
        if self._task is None:  # ccxt asks for each market by itself: begin when it has said all
            self._task = asyncio.get_running_loop().create_task(self._speak(transport))

    def on_ws_disconnected(self, _transport: WSTransport) -> None:
        self._may_write.set()
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    async def _speak(self, transport: WSTransport) -> None:
        await asyncio.sleep(0.3)
        await (self._at_rate(transport) if self._rate else self._flood(transport))

    async def _flood(self, transport: WSTransport) -> None:
        block = b"".join(frame_of(self._venue, name, number) for number in range(BLOCK) for name in self._names)
        while not transport.is_disconnected:
            await self._may_write.wait()
            transport.underlying_transport.write(block)
            await asyncio.sleep(0)

    async def _at_rate(self, transport: WSTransport) -> None:
        names, done = self._names, 0
        total = round(self._rate * self._seconds) * len(names)
        began = time.perf_counter()
        while done < total and not transport.is_disconnected:
            due = min(total, int((time.perf_counter() - began) * self._rate * len(names)))
            pieces = []
            for k in range(done, due):
                name, number = names[k % len(names)], k // len(names) + 1
                pieces.append(frame_of(self._venue, name, number))
                self._sent[name] = number
            done = due
            transport.underlying_transport.write(b"".join(pieces))
            await asyncio.sleep(TICK_SECONDS)


def frame_of(venue: str, name: str, number: int) -> bytes:
    """A frame as the venue writes it; its number is the bid's quantity, and the sequence where there is one."""
    now_ms = time.time_ns() // 1_000_000
    price = f"{30_000 + number % 97}.{number % 100:02d}"
    if venue == "binance":
        text = f'{{"u":{number},"s":"{name}","b":"{price}000000","B":"{number}","a":"31000.01000000","A":"0.33500000"}}'
        return _framed(1, text.encode())
    if venue == "gate":
        text = (
            f'{{"time":{now_ms // 1000},"time_ms":{now_ms},"channel":"spot.book_ticker","event":"update","result":'
            f'{{"t":{now_ms},"u":{number},"s":"{name}","b":"{price}","B":"{number}","a":"31000.01","A":"0.335"}}}}'
        )
        return _framed(1, text.encode())
    wrapper = _wrapper_class()(channel=f"spot@public.aggre.bookTicker.v3.api.pb@100ms@{name}", symbol=name)
    wrapper.sendTime = now_ms
    ticker = wrapper.publicAggreBookTicker
    ticker.bidPrice, ticker.bidQuantity, ticker.askPrice, ticker.askQuantity = price, str(number), "31000.01", "0.335"
    return _framed(2, wrapper.SerializeToString())


@cache
def _wrapper_class() -> Callable[..., Any]:
    from ccxt.protobuf.mexc.PushDataV3ApiWrapper_pb2 import PushDataV3ApiWrapper  # noqa: PLC0415 - takes seconds

    return PushDataV3ApiWrapper


def _framed(kind: int, payload: bytes) -> bytes:
    size = len(payload)
    head = bytes((0x80 | kind, size)) if size < 126 else bytes((0x80 | kind, 126, size >> 8, size & 255))
    return head + payload


def _name(venue: str, asked: str) -> str:
    if venue == "binance":
        return asked.split("@", maxsplit=1)[0].upper()
    return asked.rsplit("@", 1)[-1]


def _answer(venue: str, asked: dict[str, object]) -> bytes:
    if venue == "binance":
        return json.dumps({"result": None, "id": asked["id"]}).encode()
    if venue == "gate":
        about = {name: asked[name] for name in ("time", "id", "channel", "event", "payload")}
        return json.dumps(about | {"result": {"status": "success"}}).encode()
    params = asked["params"]
    assert isinstance(params, list)
    return json.dumps({"id": 0, "code": 0, "msg": ",".join(params)}).encode()


async def _serve(rate: float, seconds: float) -> None:
    sent: dict[str, int] = {}

    def listener(request: WSUpgradeRequest) -> WSListener | None:
        venue = HOSTS.get(request.path.decode().split("/")[1])
        return Speaker(venue, rate, seconds, sent) if venue else None

    server = await ws_create_server(listener, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, sys.stdin.read)  # ends with its parent
    with contextlib.suppress(BrokenPipeError):  # who started us is gone
        sys.stdout.write(f"{SUMMARY}{json.dumps(sent)}\n")
        sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--core", type=int, required=True)
    asked = parser.parse_args(arguments)
    os.sched_setaffinity(0, {asked.core})
    uvloop.run(_serve(asked.rate, asked.seconds))


if __name__ == "__main__":
    main()
