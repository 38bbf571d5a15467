"""Recorded streams come back byte for byte and in order; what cannot be played is said."""

import gzip
import json
from pathlib import Path

import aiohttp
import pytest

from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.sandbox.recording_files import RecordingError
from crypto_assets.sandbox.streams.control import StreamSettings
from crypto_assets.sandbox.streams.recorded import FOLDER, RecordedFrame, RecordedStreams
from crypto_assets_tests.sandbox.streams.raw import GATE, MEXC, connected, on_binance, on_gate, play


def _lines(recordings: Path, name: str) -> list[str]:
    """The frames of a capture, taken apart here in another way."""
    lines = gzip.decompress((recordings / FOLDER / name).read_bytes()).decode().split("\n")
    return [line[line.index(": ") + 2 :] for line in lines if line[:1].isdigit()]


@pytest.mark.parametrize(
    ("address", "name", "count"),
    [
        ("/stream.binance.com/stream?streams=nknusdt@bookTicker", "BINANCE.ws.1.0.gz", 265),
        ("/fstream.binance.com/stream?streams=sushiusdt@bookTicker", "BINANCE_FUTURES.ws.1.0.gz", 1535),
    ],
)
def test_a_capture_is_played_to_whoever_connects_to_its_venue(
    playback: SandboxProcess, recordings: Path, address: str, name: str, count: int
) -> None:
    lines = _lines(recordings, name)
    assert len(lines) == count

    async def scene(url: str) -> None:
        async with connected(url, address) as raw:
            assert [await raw.text() for _ in lines] == lines

    play(playback, scene)


def test_a_subscription_starts_it_and_pauses_are_as_long_as_told(playback: SandboxProcess, recordings: Path) -> None:
    playback.set_streams(StreamSettings(playback_speed=1000))
    lines = _lines(recordings, "GATEIO.ws.1.0.gz")

    async def scene(url: str) -> None:
        async with connected(url, GATE, subscribed=on_gate("INK_USDT")) as raw:
            assert (await raw.found())["result"] == {"status": "success"}
            assert [await raw.text() for _ in lines] == lines
            real = json.loads(await raw.text())  # the single frame of best prices
            assert (real["result"]["u"], real["result"]["b"]) == (6765708346, "31738.93")
        async with connected(url, "/stream.binance.com/ws", subscribed=on_binance("nknusdt")) as raw:
            assert await raw.found() == {"result": None, "id": 1}
            assert await raw.text() == _lines(recordings, "BINANCE.ws.1.0.gz")[0]

    play(playback, scene)
    playback.set_streams(StreamSettings(playback_speed=0))


def test_a_venue_without_a_capture_has_no_streams(playback: SandboxProcess) -> None:
    async def scene(url: str) -> None:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with connected(url, MEXC):
                pass
        assert refused.value.status == 404

    play(playback, scene)


def _folder(tmp_path: Path, content: bytes) -> Path:
    (tmp_path / FOLDER).mkdir(parents=True)
    (tmp_path / FOLDER / "BINANCE.ws.1.0.gz").write_bytes(content)
    return tmp_path


def test_addresses_are_left_out_and_frames_may_hold_anything(tmp_path: Path) -> None:
    text = b'wss://stream.binance.com:9443/stream -> 1.5\n1633998512.25: {"a": ": "}\n\n1633998513: [1]\n'
    recorded = RecordedStreams(_folder(tmp_path, gzip.compress(text)))
    assert recorded.frames("binance") == [
        RecordedFrame(1633998512.25, b'{"a": ": "}'),
        RecordedFrame(1633998513.0, b"[1]"),
    ]
    assert recorded.frames("gate") is None


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"no gzip", "Cannot read"), (gzip.compress(b"1.5: {}\nnow: {}\n"), "line 2"), (gzip.compress(b"{}\n"), "line 1")],
    ids=[
        "not packed",
        "a time that is none",
        "no time",
    ],  # gzip's bytes hold the second: ids of two workers would differ
)
def test_what_cannot_be_played_is_said(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(RecordingError, match=words):
        RecordedStreams(_folder(tmp_path, content))
