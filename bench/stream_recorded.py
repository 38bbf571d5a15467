"""Recorded captures of Binance and Gate, played through sockets: quotes equal an independent parse.

What belongs here: that. What does not: the formats' own tests. Where no recordings are, it says so and measures nothing.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from bench.event_stage import Figure
from bench.stream_frames import Counting
from crypto_assets.clients.book_tickers.feeds import feed_of
from crypto_assets.clients.book_tickers.gate import GateFormat
from crypto_assets.clients.book_tickers.quote import Quote
from crypto_assets.sandbox.config import SandboxConfig
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.universe_stream import StreamRules

PATIENCE_SECONDS = 30
type Told = tuple[str, Decimal, Decimal, Decimal, Decimal, int]


class Keeping(Counting):
    """A listener that keeps every quote."""

    def __init__(self) -> None:
        super().__init__()
        self.quotes: list[Quote] = []

    def quoted(self, venue: str, quote: Quote) -> None:
        super().quoted(venue, quote)
        self.quotes.append(quote)


def measure() -> list[Figure]:
    """Every recorded quote, in order."""
    named = os.environ.get("CRYPTO_ASSETS_RECORDINGS")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not (folder / "ws" / "cryptofeed").is_dir():
        return [Figure("recorded captures: none here; CRYPTO_ASSETS_RECORDINGS names their folder", 0)]
    told = _binance(folder)
    with SandboxProcess(SandboxConfig(recordings=folder)) as sandbox:
        heard = asyncio.run(_heard("binance", sorted({one[0] for one in told}), len(told), sandbox.url))
    frames = _gate_frames(folder)
    return [
        _compared("binance, through a socket", heard, told),
        _compared(
            "gate, at their own time", [_parsed(one) for one in frames], [_told(one["result"]) for one in frames]
        ),
    ]


def _compared(whose: str, heard: Sequence[Told], told: Sequence[Told]) -> Figure:
    equal = sum(a == b for a, b in zip(heard, told, strict=False))
    name = f"recorded quotes of {whose}: equal to an independent parse, of {len(told)}"
    return Figure(name, equal, at_least=len(told), told=f"{len(heard)} heard")


async def _heard(venue: str, symbols: Sequence[str], count: int, url: str) -> list[Told]:
    keeping = Keeping()
    feed = asyncio.create_task(feed_of(venue, symbols, StreamRules(), url).run(keeping))
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while len(keeping.quotes) < count and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.05)
    feed.cancel()
    await asyncio.wait([feed])
    return [_kept(quote) for quote in keeping.quotes]


def _kept(quote: Quote) -> Told:
    numbers = (quote.bid_price, quote.bid_quantity, quote.ask_price, quote.ask_quantity)
    return (quote.symbol, *map(Decimal, numbers), quote.sequence or 0)  # type: ignore[return-value]


def _binance(folder: Path) -> list[Told]:
    lines = gzip.decompress((folder / "ws" / "cryptofeed" / "BINANCE.ws.1.0.gz").read_bytes()).decode().splitlines()
    frames = [json.loads(line.partition(": ")[2]) for line in lines if line and not line.startswith("ws")]
    return [_told(frame["data"]) for frame in frames if frame.get("stream", "").endswith("@bookTicker")]


def _gate_frames(folder: Path) -> list[dict[str, Any]]:
    """Gate's capture has none; single frames were kept elsewhere. They are years old, which a live feed would refuse."""
    lines = (folder / "ws" / "msg_frames" / "gate.jsonl").read_text(encoding="utf-8").splitlines()
    frames = [json.loads(json.loads(line)["raw"]) for line in lines if line]
    return [one for one in frames if isinstance(one, dict) and one.get("channel") == "spot.book_ticker"]


def _parsed(frame: dict[str, Any]) -> Told:
    symbol = str(frame["result"]["s"]).replace("_", "/")
    quote = GateFormat([symbol]).parse(json.dumps(frame).encode(), int(frame["result"]["t"]) * 1000)
    assert isinstance(quote, Quote)
    return _kept(quote)


def _told(quote: dict[str, object]) -> Told:
    name = str(quote["s"]).replace("_", "")
    [currency] = [one for one in ("USDT", "BTC", "ETH") if name.endswith(one)]
    numbers = (Decimal(str(quote[name])) for name in ("b", "B", "a", "A"))
    return (f"{name.removesuffix(currency)}/{currency}", *numbers, int(str(quote["u"])))  # type: ignore[return-value]
