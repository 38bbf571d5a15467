"""Which feed a venue has: the one place where formats are registered.

What belongs here: the registry. What does not: feeds and formats themselves. A new format is a file beside, and a line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from crypto_assets.clients.book_tickers.binance import BinanceFormat
from crypto_assets.clients.book_tickers.ccxt_pro import CcxtProFeed
from crypto_assets.clients.book_tickers.connection import Patience
from crypto_assets.clients.book_tickers.feed import SocketFeed
from crypto_assets.clients.book_tickers.format import Format
from crypto_assets.clients.book_tickers.gate import GateFormat
from crypto_assets.clients.book_tickers.mexc import MexcFormat
from crypto_assets.clients.book_tickers.quote import BookTickerFeed
from crypto_assets.universe_stream import StreamRules

FORMATS: Mapping[str, Callable[[Sequence[str]], Format]] = {
    "binance": BinanceFormat,
    "gate": GateFormat,
    "mexc": MexcFormat,
}


def feed_of(venue: str, symbols: Sequence[str], rules: StreamRules, sandbox_url: str | None = None) -> BookTickerFeed:
    """The feed of a venue's markets; making it opens nothing, and may import ccxt, which takes seconds.

    Args:
        venue: ccxt id.
        symbols: Unified. Formats of ours are of spot markets; one symbol of another kind, and all go through ccxt.pro.
        sandbox_url: Connect to this server, which speaks the venues' formats, in place of the venue.

    Raises:
        NotServed: nobody here knows how to follow this venue.
    """
    patience = Patience(silent=rules.silent_seconds)
    form = FORMATS.get(venue)
    if form is None or any(":" in symbol for symbol in symbols):
        return CcxtProFeed(venue, symbols, patience, sandbox_url=sandbox_url)
    return SocketFeed(form(symbols), patience, sandbox_url=sandbox_url)
