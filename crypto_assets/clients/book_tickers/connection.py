"""One WebSocket of a venue: dialled, subscribed, listened to, watched, closed.

What belongs here: picows, pings, silence, and in which words a connection ends. What does not: dialling, trying again
(attempts.py), which markets go on which connection (feed.py), what messages mean (the formats).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from picows import (
    WSCloseCode,
    WSError,
    WSFrame,
    WSHandshakeError,
    WSListener,
    WSMsgType,
    WSParsedURL,
    WSProtocolError,
    WSTransport,
    ws_connect,
)

from crypto_assets.clients.book_tickers.attempts import ConnectionLost, Outages
from crypto_assets.clients.book_tickers.dialling import dial, refusal, words_of
from crypto_assets.clients.book_tickers.format import Answer, Format, Message, plain
from crypto_assets.clients.book_tickers.quote import Listener, Quote
from crypto_assets.clients.failures import Malformed

LARGEST_MESSAGE = 1_000_000  # bytes; a quote has 200, an answer of 200 markets 5,000
_KEPT_PAYLOAD = 2_000  # bytes of a malformed message that are told
_KEPT_EARLY = 10_000  # quotes that come before the answer to the subscription


@dataclass(frozen=True)
class Patience:
    """How long a connection is waited for, in seconds.

    Args:
        silent: Without any quote, it is given up.
        connect: For TCP, an address each.
        handshake: For TLS, and again for the WebSocket's.
        answer: For answers to all subscriptions.
        pong: For any sign of life after a ping.
    """

    silent: float
    connect: float = 5.0
    handshake: float = 5.0
    answer: float = 10.0
    pong: float = 10.0


class Connection:
    """One connection that carries some of a venue's markets. Making one opens nothing.

    Args:
        url: To connect to: ws:// or wss://.
    """

    def __init__(self, form: Format, listener: Listener, url: str, patience: Patience) -> None:
        self._form = form
        self._url = url
        self._patience = patience
        self._ears = _Ears(form, listener)
        self._transport: WSTransport | None = None
        self._dialled: list[socket.socket] = []
        self._requests = 0

    @property
    def quotes(self) -> int:
        """How many have come."""
        return self._ears.quotes

    async def live(self, symbols: Sequence[str], outages: Outages) -> None:
        """Connect, subscribe, tell, until it is lost.

        Raises:
            ConnectionLost: always, with the reason.
        """
        await self._open()
        granted, refused = await self._subscribe(symbols)
        if not granted:
            raise ConnectionLost(f"every subscription was refused: {next(iter(refused.values()))}")
        outages.connected(granted)
        self._ears.begin()
        for symbol, why in refused.items():
            outages.lost([symbol], f"the subscription was refused: {why}")
        await self._watch()

    async def close(self) -> None:
        """Let the socket go, at whatever stage the connection is; may be called more than once."""
        if self._transport is not None:
            self._transport.send_close(WSCloseCode.OK)
            self._transport.disconnect(graceful=False)
            with contextlib.suppress(WSError):  # it was said when it was lost
                await self._transport.wait_disconnected()
        for one in self._dialled:
            # Cancelled within the handshake, picows keeps the transport to itself: what it reads then is the end.
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            for _ in range(100):
                if one.fileno() < 0:
                    break
                await asyncio.sleep(0.001)
        self._dialled.clear()

    async def _open(self) -> None:
        """Connect.

        Raises:
            ConnectionLost: there is no connection.
        """
        is_secure = self._url.startswith("wss:")
        try:
            self._transport, ears = await ws_connect(
                lambda: self._ears,
                self._url,
                ssl_context=ssl.create_default_context() if is_secure else None,
                websocket_handshake_timeout=self._patience.handshake,
                max_frame_size=LARGEST_MESSAGE,
                max_redirects=0,  # prices from anywhere else are not the venue's
                socket_factory=self._dial,
                ssl_handshake_timeout=self._patience.handshake if is_secure else None,
            )
        except WSHandshakeError as error:
            raise refusal(error) from error
        except TimeoutError as error:
            raise ConnectionLost(f"no answer to the handshake within {self._patience.handshake:g} s") from error
        except (OSError, WSError) as error:
            raise ConnectionLost(f"could not connect: {words_of(error)}") from error
        if ears is None:  # so picows tells of a peer that hangs up instead of answering
            raise ConnectionLost("the venue hung up within the handshake")

    async def _subscribe(self, symbols: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        """Ask for markets' quotes until each is granted or refused.

        Returns:
            What is granted, and why of each that is refused.

        Raises:
            ConnectionLost: not everything was answered in time.
        """
        refused: dict[str, str] = {}
        doubtful = await self._ask([tuple(symbols)], refused)
        if doubtful:  # a venue refuses a request as a whole where one market is unknown to it
            await self._ask([(symbol,) for symbol in doubtful], refused)
        return [symbol for symbol in symbols if symbol not in refused], refused

    async def _watch(self) -> None:
        """Ping, and stay until the connection is of no more use.

        Raises:
            ConnectionLost: always, with the reason.
        """
        clock, patience = asyncio.get_running_loop().time, self._patience
        ears = self._ears
        step = min(patience.silent / 8, patience.pong / 4, 1.0)
        quotes, quoted_at = -1, clock()
        pinged_at, heard_then, awaits_pong = 0.0, 0, False
        while not await ears.gone_within(step):
            now = clock()
            if ears.quotes != quotes:
                quotes, quoted_at = ears.quotes, now
            elif now - quoted_at > patience.silent:
                raise ConnectionLost(f"no quotes for {patience.silent:g} s")
            awaits_pong = awaits_pong and ears.messages == heard_then
            if awaits_pong and now - pinged_at > patience.pong:
                raise ConnectionLost(f"no answer to a ping within {patience.pong:g} s")
            if not awaits_pong and now - pinged_at >= self._form.ping_seconds:
                self._ping()
                pinged_at, heard_then, awaits_pong = now, ears.messages, True
        await self._require_connected()

    async def _ask(self, groups: Sequence[tuple[str, ...]], refused: dict[str, str]) -> list[str]:
        """Send a request a group and wait for all answers; put what is refused by name into `refused`.

        Returns:
            Markets whose request was refused together with others'.
        """
        ears = self._ears
        doubtful: list[str] = []
        for number, group in enumerate(groups):
            if number:
                await self._require_connected(await ears.gone_within(1 / self._form.messages_per_second))
            self._requests += 1
            ears.waiting[self._requests] = set(group)
            self._send(self._form.subscribe(group, self._requests, _now()))
        limit = self._patience.answer
        try:
            async with asyncio.timeout(limit):
                while ears.waiting and not ears.gone.is_set():
                    await ears.wait_answer()
        except TimeoutError as error:
            raise ConnectionLost(f"subscriptions were not answered within {limit:g} s") from error
        await self._require_connected(ears.gone.is_set())
        for symbols, why in ears.refusals:
            if len(symbols) == 1 or len(groups) > 1:
                refused.update(dict.fromkeys(symbols, why))
            else:
                doubtful += symbols
        refused.update(ears.refused_by_name)
        ears.refusals.clear()
        ears.refused_by_name.clear()
        return sorted(doubtful)

    async def _require_connected(self, is_gone: bool = True) -> None:
        """Raise why the connection is gone, where it is; a listener's own failure as it was."""
        if not is_gone or self._transport is None:
            return
        try:
            await self._transport.wait_disconnected()
        except WSProtocolError as error:
            if error.code == WSCloseCode.MESSAGE_TOO_BIG:
                raise _too_large() from error
            raise ConnectionLost(f"the venue broke the protocol: {plain(str(error.args[-1]))}") from error
        said = self._transport.close_handshake
        if said is not None and said.recv is not None:
            words = plain(f"{said.recv.code.value} {said.recv.reason or ''}")
            raise ConnectionLost(f"closed by the venue ({words})")
        raise ConnectionLost("the connection broke")

    def _ping(self) -> None:
        message = self._form.ping(_now())
        if message is not None:
            self._send(message)
        if self._transport is not None:
            self._transport.send_ping()

    def _send(self, message: bytes) -> None:
        if self._transport is not None:
            self._transport.send(WSMsgType.TEXT, message)

    async def _dial(self, url: WSParsedURL) -> socket.socket:
        one = await dial(url.host, url.port, self._patience.connect)
        self._dialled.append(one)
        return one


class _Ears(WSListener):
    """What picows calls for each frame: the hot path.

    Args:
        waiting: Markets of each request that is not answered, by its number.
        refusals: Of requests, with why.
        refused_by_name: Why, of markets that a refusal named.
    """

    def __init__(self, form: Format, listener: Listener) -> None:
        self.quotes = 0
        self.messages = 0  # frames of any kind
        self.waiting: dict[int, set[str]] = {}
        self.refusals: list[tuple[set[str], str]] = []
        self.refused_by_name: dict[str, str] = {}
        self.gone = asyncio.Event()
        self._answered = asyncio.Event()
        self._venue = form.venue
        self._parse = form.parse
        self._listener = listener
        self._quoted = listener.quoted
        self._early: deque[Quote] = deque(maxlen=_KEPT_EARLY)
        self._is_listening = False
        self._pieces = bytearray()

    def begin(self) -> None:
        """Hand on what came early, and from now on at once."""
        self._is_listening = True
        while self._early:
            self._quoted(self._venue, self._early.popleft())

    async def gone_within(self, seconds: float) -> bool:
        """Whether the connection is lost, or is so within some seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.gone.wait()
        return self.gone.is_set()

    async def wait_answer(self) -> None:
        """Until something is answered, or the connection is lost."""
        self._answered.clear()
        await self._answered.wait()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """A frame has come."""
        self.messages += 1
        kind = frame.msg_type
        if (kind is _TEXT or kind is _BINARY) and frame.fin:
            self._hear(frame.get_payload_as_bytes())
        else:
            self._hear_rarer(transport, frame)

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002 - picows calls it so
        """The socket is closed."""
        self.gone.set()
        self._answered.set()

    def _hear(self, payload: bytes) -> None:
        try:
            # Its own stamp for each: one for all that were read together would be earlier, and wrong for a frame whose
            # end came with the next read.
            message = self._parse(payload, time.time_ns() // 1000)
        except Malformed as error:
            self._listener.malformed(self._venue, error.problem, payload[:_KEPT_PAYLOAD])
            return
        if message.__class__ is Quote:
            self.quotes += 1
            if self._is_listening:
                self._quoted(self._venue, message)
            else:
                self._early.append(message)
        elif message is not None:
            self._note(message)

    def _note(self, message: Message) -> None:
        if not isinstance(message, Answer):
            return
        if message.symbols:
            named = set(message.symbols)
            if message.why:
                self.refused_by_name.update(dict.fromkeys(message.symbols, message.why))
        elif message.number is not None:
            named = self.waiting.get(message.number, set())
        else:
            named = set().union(*self.waiting.values())
        if message.why and not message.symbols and named:
            self.refusals.append((set(named), message.why))
        self.waiting = {number: left for number, held in self.waiting.items() if (left := held - named)}
        self._answered.set()

    def _hear_rarer(self, transport: WSTransport, frame: WSFrame) -> None:
        """Parts of a message, pongs, the end."""
        kind = frame.msg_type
        if kind == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect(graceful=False)
        elif kind in {WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION}:
            self._pieces += frame.get_payload_as_bytes()
            if len(self._pieces) > LARGEST_MESSAGE:
                raise WSProtocolError(WSCloseCode.MESSAGE_TOO_BIG, "message too large")
            if frame.fin:
                whole = bytes(self._pieces)
                self._pieces.clear()
                self._hear(whole)


_TEXT, _BINARY = WSMsgType.TEXT, WSMsgType.BINARY


def _now() -> int:
    return time.time_ns() // 1000


def _too_large() -> ConnectionLost:
    return ConnectionLost(f"a message larger than {LARGEST_MESSAGE / 1e6:g} MB")
