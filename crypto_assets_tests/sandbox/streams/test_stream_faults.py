"""Faults of streams, one after another, as a bare client meets them: each begins at once and ends."""

import json
import time

import aiohttp
import pytest

from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.sandbox.streams.plan import NOTHING, Effects, StreamFault, StreamPlan
from crypto_assets.sandbox.streams.quotes import k_of, latest_k, sequence_of
from crypto_assets_tests.sandbox.streams.conftest import RATE
from crypto_assets_tests.sandbox.streams.raw import BINANCE, GATE, Raw, connected, on_binance, on_gate, play

LONG = 600.0
ENDED = {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR, aiohttp.WSMsgType.CLOSING}


async def _past(raw: Raw) -> None:
    """Read what was sent before this: the answer to a ping comes after it."""
    await raw.socket.ping(b"now")
    while (message := await raw.message()).type is not aiohttp.WSMsgType.PONG:
        assert message.type in {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.PING}


async def _spend(url: str, quotes: int = 25) -> None:
    """Let as many quotes come due as this takes on another venue."""
    async with connected(url, GATE, subscribed=on_gate("BTC_USDT")) as other:
        for _ in range(quotes):
            await other.until(lambda found: found["event"] == "update")


async def _leap(raw: Raw, before: int) -> int:
    """How far the first quote that does not follow the one before lies from it."""
    while (message := json.loads(await raw.text()))["u"] == sequence_of(before + 1):
        before += 1
    return k_of(message["u"]) - before


async def _ended(raw: Raw) -> aiohttp.WSMessage:
    while (message := await raw.message()).type is aiohttp.WSMsgType.TEXT:
        pass
    return message


def test_dropped_connections_of_one_venue_leave_the_others_alone(streams: SandboxProcess) -> None:
    async def scene(url: str) -> None:
        async with (
            connected(url, subscribed=on_binance("btcusdt")) as struck,
            connected(url, GATE, subscribed=on_gate("BTC_USDT")) as spared,
        ):
            await struck.ks(1)
            streams.set_stream_faults([StreamFault(kind="drop", venue="binance", seconds=LONG)])
            message = await _ended(struck)
            assert message.type in ENDED
            assert struck.socket.close_code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE
            await _past(spared)
            async with connected(url, subscribed=on_binance("btcusdt")) as again:
                await again.ks(2)

    play(streams, scene)


def test_refused_connections_come_back_when_it_is_over(streams: SandboxProcess) -> None:
    async def scene(url: str) -> None:
        async with connected(url, subscribed=on_binance("btcusdt")) as struck:
            await struck.ks(1)
            streams.set_stream_faults([StreamFault(kind="refuse", seconds=LONG)])
            assert (await _ended(struck)).type in ENDED
        for path in (BINANCE, GATE):
            with pytest.raises(aiohttp.ClientConnectionError):
                async with connected(url, path):
                    pass
        streams.clear_stream_faults()
        async with connected(url, subscribed=on_binance("btcusdt")) as again:
            await again.ks(2)

    play(streams, scene)


def test_a_clean_close_says_that_the_venue_goes_away(streams: SandboxProcess) -> None:
    async def scene(url: str) -> None:
        async with connected(url, GATE, subscribed=on_gate("BTC_USDT")) as raw:
            await _past(raw)
            streams.set_stream_faults([StreamFault(kind="close", venue="gate")])
            message = await _ended(raw)
            assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)

    play(streams, scene)


@pytest.mark.parametrize("status", [200, 403])
def test_a_handshake_is_answered_with_a_page(streams: SandboxProcess, status: int) -> None:
    async def scene(url: str) -> None:
        fault = StreamFault.model_validate({"kind": "html", "status": status, "seconds": LONG})
        streams.set_stream_faults([fault])
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with connected(url, GATE):
                pass
        assert refused.value.status == status

    play(streams, scene)


def test_a_half_open_connection_says_nothing_while_new_ones_work(streams: SandboxProcess) -> None:
    async def scene(url: str) -> None:
        async with connected(url, subscribed=on_binance("btcusdt")) as raw:
            (before,) = await raw.ks(1)
            streams.set_stream_faults([StreamFault(kind="half_open", seconds=LONG)])
            await raw.socket.ping(b"unheard")
            await raw.say({"method": "LIST_SUBSCRIPTIONS", "id": 99})
            await _spend(url)  # a new connection
            streams.clear_stream_faults()
            assert await _leap(raw, before) >= 20  # and nothing but quotes until then

    play(streams, scene)


@pytest.mark.parametrize("kind", ["mute", "gap"])
def test_quotes_stop_and_pongs_go_on_and_later_quotes_follow(streams: SandboxProcess, kind: str) -> None:
    async def scene(url: str) -> None:
        async with connected(url, subscribed=on_binance("btcusdt", "ethusdt")) as raw:
            await raw.ks(1)
            fault = {"kind": kind, "venue": "binance", "symbol": "BTC/USDT", "seconds": LONG}
            streams.set_stream_faults([StreamFault.model_validate(fault)])
            await _past(raw)
            others = [await raw.found() for _ in range(20)]
            assert {str(one["s"]) for one in others} == {"ETHUSDT"}
            last = k_of(int(str(others[-1]["u"])))
            streams.clear_stream_faults()
            (first,) = await raw.ks(1)
            assert first >= last

    play(streams, scene)


def test_a_fault_ends_by_itself(streams: SandboxProcess) -> None:
    async def scene(url: str) -> None:
        async with connected(url, subscribed=on_binance("btcusdt")) as raw:
            (before,) = await raw.ks(1)
            streams.set_stream_faults([StreamFault(kind="mute", seconds=0.2)])
            assert await _leap(raw, before) >= 15

    play(streams, scene)


def test_each_third_frame_is_broken(streams: SandboxProcess) -> None:
    async def scene(url: str) -> None:
        async with connected(url, GATE, subscribed=on_gate("BTC_USDT")) as raw:
            streams.set_stream_faults([StreamFault(kind="malformed", count=3, seconds=LONG)])
            await _past(raw)
            texts = [await raw.text() for _ in range(60)]
            whole = [json.loads(text)["result"] for text in texts if f'"t":{int(time.time()) // 10_000}' in text]
            assert len(whole) == 40
            assert all(k_of(one["u"]) % 3 for one in whole)

    play(streams, scene)


def test_each_frame_comes_twice_and_older_ones_now_and_then(streams: SandboxProcess) -> None:
    async def scene(url: str) -> None:
        async with connected(url, subscribed=on_binance("btcusdt")) as raw:
            await raw.ks(1)
            streams.set_stream_faults([StreamFault(kind="duplicate", count=4, seconds=LONG)])
            await _past(raw)
            ks = await raw.ks(40)
            expected = [one for k in range(ks[0], ks[0] + 40) for one in ([k, k] if k % 4 else [k, k, k - 3])]
            assert ks == expected[:40]

    play(streams, scene)


def test_event_times_are_off_by_as_much_as_told(streams: SandboxProcess) -> None:
    async def scene(url: str) -> None:
        async with connected(url, GATE, subscribed=on_gate("BTC_USDT")) as raw:
            streams.set_stream_faults([StreamFault(kind="clock_skew", venue="gate", amount=-7, seconds=LONG)])
            await _past(raw)
            result = (await raw.until(lambda found: found["event"] == "update"))["result"]
            assert isinstance(result, dict)
            assert result["t"] == k_of(result["u"]) * 1000 // RATE - 7000

    play(streams, scene)


def test_late_frames_have_their_true_times_and_none_is_lost(streams: SandboxProcess) -> None:
    async def scene(url: str) -> None:
        async with connected(url, subscribed=on_binance("btcusdt")) as raw:
            first = await raw.ks(1)
            streams.set_stream_faults([StreamFault(kind="delay", amount=0.4, seconds=LONG)])
            begun = latest_k(time.time(), RATE)
            late = await raw.ks(1)
            while late[-1] <= begun:
                late += await raw.ks(1)
            assert latest_k(time.time(), RATE) - late[-1] >= 0.4 * RATE
            streams.clear_stream_faults()
            all_of_them = first + late + await raw.ks(80)
            assert all_of_them == list(range(first[0], first[0] + len(all_of_them)))

    play(streams, scene)


def test_a_frozen_venue_sends_one_quote_again_and_again(streams: SandboxProcess) -> None:
    async def scene(url: str) -> None:
        async with connected(url, GATE, subscribed=on_gate("BTC_USDT")) as raw:
            await raw.until(lambda found: found["event"] == "update")
            streams.set_stream_faults([StreamFault(kind="freeze", seconds=LONG)])
            await _past(raw)
            assert len({await raw.text() for _ in range(20)}) == 1
            frozen = streams.stream_counts()["gate"].last["BTC/USDT"].k
            streams.clear_stream_faults()
            await _past(raw)
            result = (await raw.until(lambda found: found["event"] == "update"))["result"]
            assert isinstance(result, dict)
            assert k_of(result["u"]) >= frozen + 18

    play(streams, scene)


def test_effects_begin_add_up_and_end() -> None:
    plan = StreamPlan()
    assert plan.effects("gate", "BTC/USDT", 100.0) is NOTHING
    plan.begin(
        [
            StreamFault(kind="clock_skew", amount=2, seconds=10),
            StreamFault(kind="clock_skew", venue="gate", amount=-0.5, seconds=20),
            StreamFault(kind="freeze", symbol="ETH/USDT", seconds=20),
            StreamFault(kind="refuse", venue="mexc", seconds=5),
        ],
        100.0,
    )
    assert plan.effects("gate", "BTC/USDT", 100.0) == Effects(skew_ms=1500)
    assert plan.effects("gate", "ETH/USDT", 110.0) == Effects(skew_ms=-500, frozen_at=100.0)
    assert plan.effects("mexc", "BTC/USDT", 110.0) is NOTHING
    assert plan.is_on("refuse", "mexc", 104.9) is not None
    assert plan.is_on("refuse", "mexc", 105.0) is None
    assert plan.is_on("refuse", "gate", 101.0) is None
