"""Feeds over real sockets: against the sandbox with its faults, and against peers that misbehave in ways it does not."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
from collections.abc import Callable, Coroutine
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import uvloop
from picows import WSMsgType, WSTransport, WSUpgradeResponse, WSUpgradeResponseWithListener, ws_create_server

from crypto_assets.clients.book_tickers.attempts import ConnectionLost, Outages
from crypto_assets.clients.book_tickers.connection import Connection, Patience
from crypto_assets.clients.book_tickers.feed import SocketFeed
from crypto_assets.clients.book_tickers.feeds import FORMATS, feed_of
from crypto_assets.clients.book_tickers.gate import GateFormat
from crypto_assets.clients.book_tickers.quote import BookTickerFeed, Quote
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.sandbox.streams.plan import StreamFault
from crypto_assets.universe_stream import StreamRules
from crypto_assets_tests.clients.book_tickers.hearing import Heard, peer, running
from crypto_assets_tests.clients.book_tickers.test_formats import gate

VENUES = sorted(FORMATS)
MARKETS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
SILENT = 0.3
type Work = Coroutine[object, object, None]
LOOPS: list[Callable[[Work], None]] = [asyncio.run, uvloop.run]


def feed(venue: str, streams: SandboxProcess, silent: float = 5.0) -> BookTickerFeed:
    return feed_of(venue, MARKETS, StreamRules(silent_seconds=silent), streams.url)


def gate_feed(url: str, patience: Patience, symbols: tuple[str, ...] = ("BTC/USDT",)) -> SocketFeed:
    return SocketFeed(GateFormat(symbols), patience, sandbox_url=url)


def sockets_to(url: str) -> int:
    """How many this process has that lead to a server."""
    port = urlsplit(url).port
    return sum(1 for one in psutil.Process().net_connections("tcp") if one.raddr and one.raddr.port == port)


@pytest.mark.parametrize("run", LOOPS, ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("venue", VENUES)
def test_all_markets_are_quoted_and_cancelling_leaves_nothing(
    venue: str, run: Callable[[Work], None], streams: SandboxProcess
) -> None:
    async def follow() -> None:
        async with running(feed(venue, streams)) as heard:
            await heard.until(lambda: heard.symbols() == set(MARKETS) and len(heard.quotes) > 30)
            assert sockets_to(streams.url) == 1
        assert sockets_to(streams.url) == 0
        assert len(asyncio.all_tasks()) == 1
        assert heard.connections == [MARKETS]
        assert heard.order[0] == "connected"
        assert not heard.losses
        assert not heard.refused
        for symbol in MARKETS:
            told = [quote for quote in heard.quotes if quote.symbol == symbol]
            stamps = [quote.received_at for quote in told]
            assert stamps == sorted(stamps)
            assert all(quote.event_at is None or quote.event_at <= quote.received_at for quote in told)
            if venue != "mexc":
                numbers = [quote.sequence or 0 for quote in told]
                assert numbers == sorted(set(numbers))

    run(follow())


@pytest.mark.parametrize("kind", ["drop", "close"])
@pytest.mark.parametrize("venue", VENUES)
def test_a_lost_connection_is_told_once_and_made_anew(venue: str, kind: str, streams: SandboxProcess) -> None:
    async def follow() -> None:
        async with running(feed(venue, streams)) as heard:
            await heard.until(lambda: bool(heard.quotes))
            await asyncio.to_thread(
                streams.set_stream_faults, [StreamFault.model_validate({"kind": kind, "venue": venue})]
            )
            await heard.until(lambda: len(heard.connections) == 2)
            seen = len(heard.quotes)
            await heard.until(lambda: heard.symbols(seen) == set(MARKETS))
        [(symbols, why)] = heard.losses
        assert symbols == MARKETS
        assert why == {"drop": "the connection broke", "close": "closed by the venue (1001)"}[kind]

    asyncio.run(follow())


def test_an_outage_of_many_attempts_is_told_once(streams: SandboxProcess) -> None:
    async def follow() -> None:
        async with running(feed("gate", streams)) as heard:
            await heard.until(lambda: bool(heard.quotes))
            opened = (await asyncio.to_thread(streams.stream_counts))["gate"].opened
            refusing = StreamFault(kind="refuse", venue="gate", seconds=0.7)
            await asyncio.to_thread(streams.set_stream_faults, [refusing])
            await heard.until(lambda: len(heard.connections) == 2)
            assert (await asyncio.to_thread(streams.stream_counts))["gate"].opened == opened + 1
        assert len(heard.losses) == 1

    asyncio.run(follow())


@pytest.mark.parametrize("kind", ["mute", "half_open"])
def test_a_silent_connection_is_given_up(kind: str, streams: SandboxProcess) -> None:
    async def follow() -> None:
        async with running(feed("gate", streams, SILENT)) as heard:
            await heard.until(lambda: bool(heard.quotes))
            fault = StreamFault.model_validate({"kind": kind, "venue": "gate", "seconds": 0.6})
            await asyncio.to_thread(streams.set_stream_faults, [fault])
            await heard.until(lambda: bool(heard.losses))
            seen = len(heard.quotes)
            await heard.until(lambda: heard.symbols(seen) == set(MARKETS))
        assert heard.losses[0] == (MARKETS, "no quotes for 0.3 s")

    asyncio.run(follow())


@pytest.mark.parametrize("venue", VENUES)
def test_malformed_messages_are_told_and_the_rest_is_read(venue: str, streams: SandboxProcess) -> None:
    async def follow() -> None:
        fault = StreamFault(kind="malformed", venue=venue, count=2, seconds=60)
        await asyncio.to_thread(streams.set_stream_faults, [fault])
        async with running(feed(venue, streams)) as heard:
            await heard.until(lambda: len(heard.refused) > 30 and heard.symbols() == set(MARKETS))
        assert not heard.losses
        assert len({why for why, _ in heard.refused}) > 3  # of several kinds
        assert all(why and why.isprintable() for why, _ in heard.refused)

    asyncio.run(follow())


@pytest.mark.parametrize(("status", "words"), [(200, "200 OK"), (403, "403 Forbidden")])
def test_a_page_in_place_of_a_stream_is_a_reason(status: int, words: str, streams: SandboxProcess) -> None:
    async def follow() -> None:
        page = StreamFault.model_validate({"kind": "html", "status": status, "seconds": 60})
        await asyncio.to_thread(streams.set_stream_faults, [page])
        async with running(feed("mexc", streams)) as heard:
            await heard.until(lambda: bool(heard.losses))
            await asyncio.to_thread(streams.clear_stream_faults)
            await heard.until(lambda: bool(heard.quotes))
        [(symbols, why)] = heard.losses
        assert symbols == MARKETS
        assert why.startswith(f"the handshake was answered {words} (text/html")

    asyncio.run(follow())


def test_unknown_markets_are_refused_and_the_others_go_on(streams: SandboxProcess) -> None:
    async def follow(venue: str) -> Heard:
        symbols = ("BTC/USDT", "NOTHING/USDT", "ETH/USDT")
        one = feed_of(venue, symbols, StreamRules(), streams.url)
        async with running(one) as heard:
            await heard.until(lambda: heard.symbols() == {"BTC/USDT", "ETH/USDT"} and bool(heard.losses))
        return heard

    for venue, words in (("gate", "unknown currency pair: NOTHING_USDT"), ("mexc", "Not Subscribed successfully")):
        heard = asyncio.run(follow(venue))
        assert heard.connections == [("BTC/USDT", "ETH/USDT")]
        [(symbols, why)] = heard.losses
        assert symbols == ("NOTHING/USDT",)
        assert why.startswith(f"the subscription was refused: {words}")


def test_thirty_markets_of_mexc_are_one_connection_and_one_more_are_two(streams: SandboxProcess) -> None:
    async def follow() -> None:
        unknown = [f"X{number}/USDT" for number in range(28)]
        symbols = (*MARKETS[:2], *unknown, MARKETS[2])
        async with running(feed_of("mexc", symbols, StreamRules(), streams.url)) as heard:
            await heard.until(lambda: heard.symbols() == set(MARKETS))
            counts = (await asyncio.to_thread(streams.stream_counts))["mexc"]
        assert counts.connections == 2
        assert sorted(heard.connections) == [MARKETS[:2], MARKETS[2:]]

    asyncio.run(follow())


def test_quotes_before_the_answer_come_after_the_connection() -> None:
    def speaks(transport: WSTransport, text: bytes) -> None:
        asked = json.loads(text)
        for number in (1, 2):
            transport.send(WSMsgType.TEXT, _quote(number))
        about = {"id": asked["id"], "channel": asked["channel"], "event": "subscribe"}
        transport.send(WSMsgType.TEXT, json.dumps(about | {"result": {"status": "success"}}))
        transport.send(WSMsgType.TEXT, _quote(3))

    async def follow() -> None:
        async with peer(speaks) as url, running(gate_feed(url, Patience(silent=9))) as heard:
            await heard.until(lambda: len(heard.quotes) == 3)
        assert heard.order == ["connected", "quoted", "quoted", "quoted"]
        assert [quote.sequence for quote in heard.quotes] == [1, 2, 3]

    asyncio.run(follow())


def test_a_message_in_parts_is_read_and_one_that_is_too_large_ends_the_connection() -> None:
    def parts(transport: WSTransport, text: bytes) -> None:
        _grant(transport, text)
        whole = _quote(1)
        transport.send(WSMsgType.TEXT, whole[:40], fin=False)
        transport.send_ping()
        transport.send(WSMsgType.CONTINUATION, whole[40:90], fin=False)
        transport.send(WSMsgType.CONTINUATION, whole[90:])

    def large(transport: WSTransport, text: bytes) -> None:
        _grant(transport, text)
        transport.send(WSMsgType.TEXT, b" " * 1_000_001)

    def large_parts(transport: WSTransport, text: bytes) -> None:
        _grant(transport, text)
        transport.send(WSMsgType.TEXT, b" " * 600_000, fin=False)
        transport.send(WSMsgType.CONTINUATION, b" " * 600_000, fin=False)

    async def follow() -> None:
        async with peer(parts) as url, running(gate_feed(url, Patience(silent=9))) as heard:
            await heard.until(lambda: len(heard.quotes) == 1)
            assert isinstance(heard.quotes[0], Quote)
        for speaks in (large, large_parts):
            async with peer(speaks) as url, running(gate_feed(url, Patience(silent=9))) as heard:
                await heard.until(lambda: bool(heard.losses))
            assert heard.losses == [(("BTC/USDT",), "a message larger than 1 MB")]

    asyncio.run(follow())


def test_peers_that_say_nothing_are_found_out_at_each_stage() -> None:
    class Pinging(GateFormat):
        ping_seconds = 0.05

    async def mute_server() -> asyncio.Server:
        held: list[asyncio.StreamWriter] = []
        return await asyncio.start_server(lambda _reader, writer: held.append(writer), "127.0.0.1", 0)

    async def follow() -> None:
        haste = Patience(silent=60, connect=5, handshake=0.1, answer=0.1, pong=0.1)
        server = await mute_server()
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with running(gate_feed(url, haste)) as heard:
            await heard.until(lambda: bool(heard.losses))
        assert heard.losses == [(("BTC/USDT",), "no answer to the handshake within 0.1 s")]
        server.close()
        async with peer(lambda _transport, _text: None) as url, running(gate_feed(url, haste)) as heard:
            await heard.until(lambda: bool(heard.losses))
        assert heard.losses == [(("BTC/USDT",), "subscriptions were not answered within 0.1 s")]
        pinging = Pinging(["BTC/USDT"])
        async with (
            peer(_grant, answers_pings=False) as url,
            running(SocketFeed(pinging, haste, sandbox_url=url)) as heard,
        ):
            await heard.until(lambda: bool(heard.losses))
        assert heard.losses == [(("BTC/USDT",), "no answer to a ping within 0.1 s")]

    asyncio.run(follow())


def test_a_peer_that_hangs_up_in_place_of_an_answer_is_a_reason() -> None:
    async def follow() -> None:
        server = await asyncio.start_server(lambda _reader, writer: writer.transport.abort(), "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with running(gate_feed(url, Patience(silent=9))) as heard:
            await heard.until(lambda: bool(heard.losses))
        assert heard.losses == [(("BTC/USDT",), "the venue hung up within the handshake")]
        server.close()

    asyncio.run(follow())


@pytest.mark.parametrize("run", LOOPS, ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_cancelling_within_the_handshake_leaves_no_socket(scheme: str, run: Callable[[Work], None]) -> None:
    async def follow() -> None:
        dialled = asyncio.Event()
        writers: list[asyncio.StreamWriter] = []

        def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.append(writer)
            dialled.set()

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with running(SocketFeed(_elsewhere(url), Patience(silent=9))):
            await dialled.wait()
            assert sockets_to(url) == 1
        assert sockets_to(url) == 0
        assert len(asyncio.all_tasks()) == 1
        writers[0].close()
        server.close()

    run(follow())


def test_certificates_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", key, "-out", certificate, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    serves = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serves.load_cert_chain(certificate, key)

    def speaks(transport: WSTransport, text: bytes) -> None:
        _grant(transport, text)
        transport.send(WSMsgType.TEXT, _quote(1))

    async def follow() -> None:
        async with peer(speaks, tls=serves) as url:
            port = urlsplit(url).port
            form = _elsewhere(f"wss://localhost:{port}/ws")
            async with running(SocketFeed(form, Patience(silent=9))) as heard:
                await heard.until(lambda: bool(heard.losses))
                assert "certificate verify failed" in heard.losses[0][1].lower().replace("_", " ")
                assert not heard.quotes
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))  # now this machine trusts it
            async with running(SocketFeed(form, Patience(silent=9))) as heard:
                await heard.until(lambda: bool(heard.quotes))
            async with running(SocketFeed(_elsewhere(f"wss://127.0.0.1:{port}/ws"), Patience(silent=9))) as heard:
                await heard.until(lambda: bool(heard.losses))
                assert "certificate verify failed" in heard.losses[0][1].lower().replace(
                    "_", " "
                )  # it is another name's

    asyncio.run(follow())


def test_who_asks_for_rest_gets_it_and_a_closed_port_is_a_reason() -> None:
    async def attempt(port: int) -> ConnectionLost:
        heard = Heard()
        connection = Connection(GateFormat(["BTC/USDT"]), heard, f"ws://127.0.0.1:{port}/x", Patience(silent=9))
        with pytest.raises(ConnectionLost) as lost:
            await connection.live(["BTC/USDT"], Outages("gate", heard))
        await connection.close()
        return lost.value

    async def busy() -> ConnectionLost:
        headers = {"Retry-After": "7", "Content-Type": "text/plain"}
        answer = WSUpgradeResponse.create_error_response(429, b"slow down", headers)
        server = await ws_create_server(lambda _: WSUpgradeResponseWithListener(answer, None), "127.0.0.1", 0)
        lost = await attempt(server.sockets[0].getsockname()[1])
        server.close()
        return lost

    refused = asyncio.run(busy())
    assert refused.retry_after_seconds == 7
    assert refused.problem == "the handshake was answered 429 Too Many Requests (text/plain), not as a WebSocket's"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = asyncio.run(attempt(free.getsockname()[1]))
    assert closed.problem == "could not connect: Connection refused"
    assert closed.retry_after_seconds is None


def test_a_listener_that_raises_ends_the_feed_with_its_own_error() -> None:
    class Faulty(Heard):
        def quoted(self, _venue: str, quote: Quote) -> None:
            raise RuntimeError(f"cannot bear {quote.symbol}")

    def speaks(transport: WSTransport, text: bytes) -> None:
        _grant(transport, text)
        transport.send(WSMsgType.TEXT, _quote(1))

    async def follow() -> None:
        async with peer(speaks) as url:
            await gate_feed(url, Patience(silent=9)).run(Faulty())

    with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="cannot bear BTC/USDT")):
        asyncio.run(follow())


def _elsewhere(url: str) -> GateFormat:
    form = GateFormat(["BTC/USDT"])
    form.url = url
    return form


def _quote(number: int) -> bytes:
    return gate(u=number, t=...)


def _grant(transport: WSTransport, text: bytes) -> None:
    asked = json.loads(text)
    if asked.get("event") == "subscribe":
        about = {"id": asked["id"], "channel": asked["channel"], "event": "subscribe", "result": {"status": "success"}}
        transport.send(WSMsgType.TEXT, json.dumps(about))
