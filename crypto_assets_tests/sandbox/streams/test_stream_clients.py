"""The streaming clients that users have, unchanged but for their addresses: what they tell is what was made."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol, cast

import ccxt.pro

from crypto_assets.clients.redirect import redirect_urls
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.sandbox.streams.quotes import k_of, made_quote
from crypto_assets_tests.sandbox.streams.conftest import RATE, SEED
from crypto_assets_tests.sandbox.streams.raw import PATIENCE, play

SYMBOLS = ("BTC/USDT", "ETH/USDT")


class StreamingClient(Protocol):
    """What the tests use of ccxt.pro."""

    urls: dict[str, object]

    async def watch_bids_asks(self, symbols: Sequence[str]) -> Mapping[str, Mapping[str, object]]: ...
    async def watch_ticker(self, symbol: str) -> Mapping[str, object]: ...
    async def close(self) -> None: ...


def _client(url: str, venue: str) -> StreamingClient:
    options = {"enableRateLimit": False, "options": {"fetchMarkets": {"types": ["spot"]}}}
    client = cast("StreamingClient", getattr(ccxt.pro, venue)(options))
    client.urls["api"] = redirect_urls(client.urls["api"], getattr(client, "hostname", None), url)
    return client


def _made(venue: str, symbol: str, k: int) -> tuple[float, ...]:
    return tuple(map(float, made_quote(SEED, venue, symbol, k, RATE)))


def _told(ticker: Mapping[str, object]) -> tuple[object, ...]:
    return tuple(ticker[name] for name in ("bid", "bidVolume", "ask", "askVolume"))


def _k_at(ticker: Mapping[str, object]) -> int:
    return round(int(str(ticker["timestamp"])) * RATE / 1000)


def _watch_bids_asks(streams: SandboxProcess, venue: str) -> dict[str, Mapping[str, object]]:
    seen: dict[str, Mapping[str, object]] = {}

    async def scene(url: str) -> None:
        client = _client(url, venue)
        try:
            while len(seen) < len(SYMBOLS):
                seen.update(await asyncio.wait_for(client.watch_bids_asks(SYMBOLS), PATIENCE))
        finally:
            await client.close()

    play(streams, scene)
    return seen


def _watch_ticker(streams: SandboxProcess, venue: str) -> list[Mapping[str, object]]:
    seen: list[Mapping[str, object]] = []

    async def scene(url: str) -> None:
        client = _client(url, venue)
        try:
            for _ in range(3):
                seen.append(dict(await asyncio.wait_for(client.watch_ticker("BTC/USDT"), PATIENCE)))
        finally:
            await client.close()

    play(streams, scene)
    return seen


def test_binance_bids_and_asks(streams: SandboxProcess) -> None:
    for symbol, ticker in _watch_bids_asks(streams, "binance").items():
        info = ticker["info"]
        assert isinstance(info, dict)
        assert _told(ticker) == _made("binance", symbol, k_of(info["u"]))


def test_gate_bids_and_asks(streams: SandboxProcess) -> None:
    for symbol, ticker in _watch_bids_asks(streams, "gate").items():
        assert _told(ticker) == _made("gate", symbol, _k_at(ticker))


def test_gate_ticker(streams: SandboxProcess) -> None:
    for ticker in _watch_ticker(streams, "gate"):
        assert 0 < float(str(ticker["bid"])) < float(str(ticker["ask"]))


def test_mexc_ticker(streams: SandboxProcess) -> None:
    seen = _watch_ticker(streams, "mexc")
    assert len({_k_at(ticker) for ticker in seen}) > 1
    for ticker in seen:
        assert _told(ticker) == _made("mexc", "BTC/USDT", _k_at(ticker))
