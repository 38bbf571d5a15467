"""Connections of a bare client: acknowledgements, pings, limits, what is sent, and what is told of it from outside."""

import asyncio
import json
import socket
import urllib.error
import urllib.request

import aiohttp
import pytest
from ccxt.protobuf.mexc import PushDataV3ApiWrapper_pb2

from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.sandbox.streams.control import StreamSettings
from crypto_assets.sandbox.streams.quotes import k_of, made_quote
from crypto_assets_tests.sandbox.streams.conftest import RATE, SEED
from crypto_assets_tests.sandbox.streams.raw import (
    BINANCE,
    GATE,
    MEXC,
    PATIENCE,
    connected,
    on_binance,
    on_gate,
    on_mexc,
    play,
)


def test_what_binance_sends_is_the_quote_of_its_number(streams: SandboxProcess) -> None:
    async def scene(url: str) -> None:
        async with connected(url, BINANCE + "/7", subscribed=on_binance("btcusdt", "ethusdt", "nopeusdt")) as raw:
            assert raw.socket.compress == 0
            assert await raw.found() == {"result": None, "id": 1}
            seen: set[str] = set()
            while len(seen) < 2:
                found = await raw.found()
                symbol = {"BTCUSDT": "BTC/USDT", "ETHUSDT": "ETH/USDT"}[str(found["s"])]
                quote = made_quote(SEED, "binance", symbol, k_of(int(str(found["u"]))), RATE)
                assert tuple(found[name] for name in "bBaA") == quote
                seen.add(symbol)
            await raw.say({"method": "LIST_SUBSCRIPTIONS", "id": 3})
            listed = await raw.until(lambda found: found.get("id") == 3)
            assert listed["result"] == ["btcusdt@bookTicker", "ethusdt@bookTicker"]
            await raw.say({"method": "UNSUBSCRIBE", "params": ["btcusdt@bookTicker"], "id": 4})
            await raw.until(lambda found: found.get("id") == 4)
            assert {str((await raw.found())["s"]) for _ in range(10)} == {"ETHUSDT"}

    play(streams, scene)


def test_numbers_rise_one_by_one(streams: SandboxProcess) -> None:
    async def scene(url: str) -> None:
        async with connected(url, subscribed=on_binance("btcusdt")) as raw:
            ks = await raw.ks(50)
            assert ks == list(range(ks[0], ks[0] + 50))

    play(streams, scene)


def test_streams_named_in_the_address_come_at_once_and_wrapped(streams: SandboxProcess) -> None:
    async def scene(url: str) -> None:
        address = "/stream.binance.com/stream?streams=btcusdt@bookTicker/ethusdt@bookTicker"
        async with connected(url, address) as raw:
            found = await raw.found()
            assert found["stream"] == "btcusdt@bookTicker"
        async with connected(url, "/stream.binance.com/ws/ethusdt@bookTicker") as raw:
            assert (await raw.found())["s"] == "ETHUSDT"
        async with connected(url, "/fstream.binance.com/public/stream?streams=btcusdt@bookTicker") as raw:
            found = await raw.found()
            data = found["data"]
            assert isinstance(data, dict)
            assert data["e"] == "bookTicker"
            assert data["E"] == k_of(data["u"]) * 1000 // RATE

    play(streams, scene)


def test_gate_acknowledges_pongs_and_sends_until_told_not_to(streams: SandboxProcess) -> None:
    async def scene(url: str) -> None:
        async with connected(url, GATE, subscribed=on_gate("BTC_USDT", "ETH_USDT")) as raw:
            found = await raw.found()
            assert (found["event"], found["id"], found["result"]) == ("subscribe", 5, {"status": "success"})
            update = await raw.found()
            assert (update["channel"], update["event"]) == ("spot.book_ticker", "update")
            result = update["result"]
            assert isinstance(result, dict)
            quote = made_quote(SEED, "gate", "BTC/USDT", k_of(result["u"]), RATE)
            assert tuple(result[name] for name in "bBaA") == quote
            assert result["t"] == k_of(result["u"]) * 1000 // RATE
            await raw.say({"time": 1, "channel": "spot.ping"})
            await raw.until(lambda found: found["channel"] == "spot.pong")
            await raw.say(on_gate("BTC_USDT", "ETH_USDT", event="unsubscribe"))
            await raw.until(lambda found: found["event"] == "unsubscribe")
            await raw.say(on_gate("NO_PE"))
            assert (await raw.found())["error"] == {"code": 2, "message": "unknown currency pair: NO_PE"}

    play(streams, scene)


def test_mexc_carries_thirty_subscriptions_a_connection(streams: SandboxProcess) -> None:
    async def scene(url: str) -> None:
        markets = [f"M{number:04d}USDT" for number in range(1, 32)]
        async with connected(url, MEXC, subscribed=on_mexc(*markets)) as raw:
            assert str((await raw.found())["msg"]).count("@100ms@") == 30
            refused = str((await raw.found())["msg"])
            assert refused.startswith("Not Subscribed successfully!")
            assert markets[30] in refused
            await raw.say(on_mexc(markets[0]))  # one that is held is not one more
            seen = set()
            while len(seen) < 30:
                message = await raw.message()
                if message.type is aiohttp.WSMsgType.BINARY:
                    wrapper = PushDataV3ApiWrapper_pb2.PushDataV3ApiWrapper()
                    wrapper.ParseFromString(message.data)
                    seen.add(wrapper.symbol)
            assert seen == set(markets[:30])
            await raw.say({"method": "ping"})
            while True:
                message = await raw.message()
                if message.type is aiohttp.WSMsgType.TEXT and json.loads(message.data)["msg"] == "PONG":
                    break

    play(streams, scene)


def test_pings_are_answered_with_their_payload_and_a_close_with_a_close(streams: SandboxProcess) -> None:
    async def scene(url: str) -> None:
        async with connected(url, GATE) as raw:
            await raw.socket.ping(b"hello")
            message = await raw.message()
            assert (message.type, bytes(message.data)) == (aiohttp.WSMsgType.PONG, b"hello")
            assert await asyncio.wait_for(raw.socket.close(), PATIENCE)
            assert raw.socket.close_code == 1000

    play(streams, scene)


def test_counts_tell_connections_subscriptions_frames_and_the_last_quote(streams: SandboxProcess) -> None:
    async def scene(url: str) -> None:
        before = streams.stream_counts()["gate"]
        async with connected(url, GATE, subscribed=on_gate("BTC_USDT", "ETH_USDT")) as raw:
            seen = 0
            while seen < 10:
                found = await raw.found()
                result = found["result"]
                if found["event"] == "update" and isinstance(result, dict) and result["s"] == "BTC_USDT":
                    seen, newest = seen + 1, k_of(result["u"])
            after = streams.stream_counts()["gate"]
            assert (after.connections, after.subscriptions, after.opened) == (1, 2, before.opened + 1)
            assert after.frames >= before.frames + 19
            assert after.last["BTC/USDT"].k >= newest
            assert after.last["BTC/USDT"].at_us >= newest / RATE * 1_000_000

    play(streams, scene)


def test_more_quotes_go_on_and_fewer_close_the_connection(streams: SandboxProcess) -> None:
    async def scene(url: str) -> None:
        async with connected(url, subscribed=on_binance("btcusdt")) as raw:
            (before,) = await raw.ks(1)
            streams.set_stream_rate(2 * RATE)
            while (await raw.ks(1))[0] < 1.5 * before:
                pass
            streams.set_stream_rate(RATE)
            while (message := await raw.message()).type is aiohttp.WSMsgType.TEXT:
                pass
            assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1012)

    play(streams, scene)


def test_a_slow_reader_is_not_waited_for(streams: SandboxProcess) -> None:
    """Frames beyond 8 MB in its buffer are counted and left out; others are served meanwhile."""

    async def scene(url: str) -> None:
        host, port = url.removeprefix("http://").split(":")
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect((host, int(port)))
        names = [f"m{number:04d}usdt@bookTicker" for number in range(1, 21)]
        sock.sendall(
            f"GET /stream.binance.com/stream?streams={'/'.join(names)} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        streams.set_stream_rate(4000)
        before = streams.stream_counts()["binance"].skipped
        while streams.stream_counts()["binance"].skipped == before:
            await asyncio.sleep(0)
        async with connected(url, GATE, subscribed=on_gate("BTC_USDT")) as raw:
            await raw.until(lambda found: found["event"] == "update")
        sock.close()

    play(streams, scene)


@pytest.mark.parametrize("path", ["/stream.binance.com/v3", "/api.gateio.ws/ws/v3", "/wbs-api.mexc.com/raw"])
def test_there_are_no_streams_elsewhere(streams: SandboxProcess, path: str) -> None:
    async def scene(url: str) -> None:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with connected(url, path):
                pass
        assert refused.value.status == 404

    play(streams, scene)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("streams", {"rate": 0}, "rate"),
        ("streams", {"speed": 1}, "speed"),
        ("stream_faults", [{"kind": "flood"}], "kind"),
        ("stream_faults", [{"kind": "mute", "seconds": -1}], "seconds"),
        ("stream_faults", {}, "list"),
    ],
)
def test_settings_that_are_none_are_refused(streams: SandboxProcess, name: str, content: object, words: str) -> None:
    request = urllib.request.Request(f"{streams.url}/__sandbox__/{name}", json.dumps(content).encode())
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    assert refused.value.code == 400
    assert words in json.loads(refused.value.read())["error"]


def test_settings_of_none_change_nothing(streams: SandboxProcess) -> None:
    streams.set_streams(StreamSettings())

    async def scene(url: str) -> None:
        async with connected(url, GATE, subscribed=on_gate("BTC_USDT")) as raw:
            update = await raw.until(lambda found: found["event"] == "update")
            result = update["result"]
            assert isinstance(result, dict)
            assert result["t"] == k_of(result["u"]) * 1000 // RATE

    play(streams, scene)
