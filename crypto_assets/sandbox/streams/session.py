"""One client's connection: what it asks for, and the frames that are due.

What belongs here: reading, answering, sending, and the faults that strike a connection. What does not: formats (binance.py,
gate.py, mexc.py), quotes (quotes.py), addresses (serving.py).

Frames are written to the transport as ready bytes, a few milliseconds' worth at a time. A client that reads too slowly is not
waited for: while 8 MB wait in its buffer, frames that come due are not sent and are counted as skipped; later ones follow when
it has read. So memory is bounded, and the loss can be seen from outside.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

from crypto_assets.sandbox.streams.dialect import Asking, Dialect, Encoder, Heard, Subscription
from crypto_assets.sandbox.streams.frames import PING, PONG, TEXT, close_frame, frame
from crypto_assets.sandbox.streams.plan import NOTHING, Effects, StreamPlan
from crypto_assets.sandbox.streams.quotes import DEFAULT_RATE, latest_k, made_quote
from crypto_assets.sandbox.streams.recorded import RecordedFrame

BUFFER_BYTES = 8 * 2**20
_BATCH_SECONDS = 0.004
_IDLE_SECONDS = 0.05
_CATCH_UP_SECONDS = 1.0  # what a busy process owes longer than that is left out
_PONG_WITHIN_SECONDS = 60
_OLDER = 3  # how many quotes back a frame out of order is
_PLAY_BYTES = 2**16


@dataclass
class Tally:
    """What a venue's connections have carried.

    Args:
        last: The newest quote sent of each symbol: its k, and when it was written, microseconds since 1970.
        skipped: Frames that were due and not sent, for a client was too slow.
        overdue: Frames that were due and not sent, for this process was too slow.
    """

    opened: int = 0
    frames: int = 0
    skipped: int = 0
    overdue: int = 0
    last: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass
class Common:
    """What all connections share, and may change under them.

    Args:
        rate: Quotes a second of each market.
        playback_speed: Pauses of a recording are divided by it; None leaves them out.
    """

    seed: int
    plan: StreamPlan
    rate: float = DEFAULT_RATE
    playback_speed: float | None = None


@dataclass
class _Stream:
    subscription: Subscription
    encode: Encoder
    last: int | None = None
    delay: float = 0.0


class Session:
    """A connection after its handshake; constructing it sends nothing.

    Args:
        find: The unified symbol of a market id.
        recorded: Played in place of made-up quotes once the client asks for anything; None for made-up ones.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        request: web.Request,
        dialect: Dialect,
        common: Common,
        tally: Tally,
        find: Callable[[str], str | None],
        recorded: Sequence[RecordedFrame] | None,
    ) -> None:
        if request.transport is None:
            raise ConnectionResetError("the client left during the handshake")
        self._transport: asyncio.Transport = request.transport
        self._socket = socket
        self._path, self._query = "/" + request.match_info["path"], dict(request.query)
        self._dialect, self._common, self._tally, self._find = dialect, common, tally, find
        self._recorded = recorded
        self._asked = asyncio.Event()
        self._streams: dict[str, _Stream] = {}
        self._silent_until = 0.0
        self._is_closing = False
        self._pinged = self._ponged = time.time()

    @property
    def subscriptions(self) -> int:
        """How many there are."""
        return len(self._streams)

    async def run(self) -> None:
        """Serve until the connection ends."""
        self._take(self._dialect.at_first(self._asking()))
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(self._send_made() if self._recorded is None else self._play(self._recorded))
            try:
                await self._listen()
            finally:
                sending.cancel()
                self._transport.close()

    def abort(self) -> None:
        """Cut the connection."""
        self._transport.abort()

    def close(self, code: int) -> None:
        """End the connection in order; nothing is sent after that."""
        self._write(close_frame(code))
        self._is_closing = True

    def go_silent(self, until: float) -> None:
        """Neither send nor answer anything until then, seconds since 1970."""
        self._silent_until = until

    def restart(self) -> None:
        """Go on with the newest quotes, whatever was due before."""
        for stream in self._streams.values():
            stream.last = None

    async def _listen(self) -> None:
        while True:
            message = await self._socket.receive()
            is_silent = time.time() < self._silent_until
            if message.type in {WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR}:
                if message.type is WSMsgType.CLOSE and not is_silent and not self._is_closing:
                    self._write(close_frame(1000))
                return
            if is_silent or self._is_closing:
                continue
            if message.type is WSMsgType.PING:
                self._write(frame(PONG, bytes(message.data)))
            elif message.type is WSMsgType.PONG:
                self._ponged = time.time()
            else:
                text = message.data if message.type is WSMsgType.TEXT else bytes(message.data).decode("latin-1")
                self._take(self._dialect.heard(text, self._asking()))

    def _asking(self) -> Asking:
        held = list(self._streams)
        return Asking(self._find, held, self._path, self._query, time.time_ns() // 1_000_000)

    def _take(self, heard: Heard) -> None:
        if heard.replies:
            self._write(b"".join(frame(TEXT, reply.encode()) for reply in heard.replies))
        for name in heard.removed:
            self._streams.pop(name, None)
        for one in heard.added:
            if one.name not in self._streams:
                self._streams[one.name] = _Stream(one, self._dialect.encoder(one))
        if heard.wants:
            self._asked.set()

    def _write(self, content: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(content)

    async def _send_made(self) -> None:
        while not self._transport.is_closing():
            now = time.time()
            if now < self._silent_until or self._is_closing:
                self.restart()  # what falls due meanwhile is lost
            else:
                self._ping(now)
                frames: list[bytes] = []
                for stream in self._streams.values():
                    self._add_due(stream, now, frames)
                if frames:
                    self._tally.frames += len(frames)
                    self._write(b"".join(frames))
            due = (latest_k(now, self._common.rate) + 1) / self._common.rate - now
            await asyncio.sleep(min(_IDLE_SECONDS, max(_BATCH_SECONDS, due)))

    def _ping(self, now: float) -> None:
        every = self._dialect.ping_seconds
        if every is None:
            return
        if now - self._ponged > _PONG_WITHIN_SECONDS:
            self._transport.abort()
        elif now - self._pinged >= every:
            self._pinged = now
            self._write(frame(PING, str(round(now * 1000)).encode()))

    def _add_due(self, stream: _Stream, now: float, frames: list[bytes]) -> None:
        common, symbol, tally = self._common, stream.subscription.symbol, self._tally
        effects = common.plan.effects(self._dialect.venue, symbol, now)
        latest = latest_k(now - effects.delay, common.rate)
        first = latest if stream.last is None else stream.last + 1
        if latest < first:
            stream.delay = max(stream.delay, effects.delay)
            return
        # What was held back by a delay that is over comes all at once.
        reach = math.ceil(common.rate * (_CATCH_UP_SECONDS + stream.delay))
        stream.last, stream.delay = latest, effects.delay
        if effects.is_muted:
            return
        if self._transport.get_write_buffer_size() > BUFFER_BYTES:
            tally.skipped += latest - first + 1
            return
        if latest - first > reach:
            tally.overdue += latest - reach - first
            first = latest - reach
        if effects is NOTHING:
            opcode, encode, rate = self._dialect.opcode, stream.encode, common.rate
            seed, venue = common.seed, self._dialect.venue
            for k in range(first, latest + 1):
                quote = made_quote(seed, venue, symbol, k, rate)
                frames.append(frame(opcode, encode(k, quote, int(k * 1000 / rate))))
        else:
            for k in range(first, latest + 1):
                frames.extend(self._spoilt(stream, k, effects))
        sent = latest if effects.frozen_at is None else latest_k(effects.frozen_at, common.rate)
        tally.last[symbol] = (sent, round(now * 1_000_000))

    def _spoilt(self, stream: _Stream, k: int, effects: Effects) -> list[bytes]:
        """What is sent for the k-th quote while something is wrong."""
        if effects.malformed_each and k % effects.malformed_each == 0:
            quote = made_quote(self._common.seed, self._dialect.venue, stream.subscription.symbol, k, self._common.rate)
            broken = self._dialect.broken(k // effects.malformed_each, quote, stream.subscription)
            return [frame(self._dialect.opcode, broken)]
        told = k if effects.frozen_at is None else latest_k(effects.frozen_at, self._common.rate)
        found = [self._frame(stream, told, effects.skew_ms)]
        if effects.duplicate_each:
            found *= 2
            if k % effects.duplicate_each == 0:
                found.append(self._frame(stream, told - _OLDER, effects.skew_ms))
        return found

    def _frame(self, stream: _Stream, k: int, skew_ms: int) -> bytes:
        common = self._common
        quote = made_quote(common.seed, self._dialect.venue, stream.subscription.symbol, k, common.rate)
        return frame(self._dialect.opcode, stream.encode(k, quote, int(k * 1000 / common.rate) + skew_ms))

    async def _play(self, recorded: Sequence[RecordedFrame]) -> None:
        """All frames once, with their pauses where a speed is set."""
        await self._asked.wait()
        before = recorded[0].at if recorded else 0.0
        waiting: list[bytes] = []
        for one in recorded:
            speed = self._common.playback_speed
            pause = (one.at - before) / speed if speed is not None else 0.0
            before = max(before, one.at)
            if pause > 0 or sum(map(len, waiting)) > _PLAY_BYTES:
                await self._flush(waiting)
                await asyncio.sleep(max(0.0, pause))
            waiting.append(frame(TEXT, one.payload))
        await self._flush(waiting)

    async def _flush(self, waiting: list[bytes]) -> None:
        while time.time() < self._silent_until or self._transport.get_write_buffer_size() > BUFFER_BYTES:
            await asyncio.sleep(_IDLE_SECONDS)
        if not self._is_closing:
            self._tally.frames += len(waiting)
            self._write(b"".join(waiting))
        waiting.clear()


def counts_of(tally: Tally, sessions: Sequence[Session]) -> Mapping[str, object]:
    """What is told of a venue from outside."""
    return {
        "connections": len(sessions),
        "subscriptions": sum(session.subscriptions for session in sessions),
        "opened": tally.opened,
        "frames": tally.frames,
        "skipped": tally.skipped,
        "overdue": tally.overdue,
        "last": {symbol: {"k": k, "at_us": at} for symbol, (k, at) in tally.last.items()},
    }
