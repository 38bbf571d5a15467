"""Order books and 24-hour tickers of every exchange, as they stand now.

What belongs here: asking for them and the shape of an answer. What does not: one request and its failure
(exchange_session.py), the rules of a book (book_rows.py), Dagster and SQL.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from crypto_assets.clients.book_rows import BookRefused, Levels, read_levels
from crypto_assets.clients.exchange_bars import EARLIEST_MS, LATEST_MS
from crypto_assets.clients.exchange_limits import Kind
from crypto_assets.clients.exchange_session import ExchangeSession
from crypto_assets.clients.failures import Malformed

# Depths that a venue takes, where it does not take any; the smallest that is enough is asked for.
_DEPTHS: Mapping[str, tuple[int, ...]] = {"binanceusdm": (5, 10, 20, 50, 100, 500, 1000), "okx": tuple(range(1, 401))}


@dataclass(frozen=True)
class OrderBook:
    """An order book.

    Args:
        received_at: When its answer had come, our clock, UTC.
        venue_at: When the venue says it stood so; None where it does not say.
        sequence: The venue's number of the book's state; None where it has none.
    """

    levels: Levels
    received_at: datetime
    venue_at: datetime | None
    sequence: int | None


@dataclass(frozen=True)
class Ticker:
    """24-hour statistics of a market; None where the venue does not say.

    Prices and `volume_quote_24h` in the quote currency, `volume_base_24h` in the base currency, `change_pct_24h` in percent.
    """

    symbol: str
    received_at: datetime
    venue_at: datetime | None
    last: float | None
    bid: float | None
    ask: float | None
    open_24h: float | None
    high_24h: float | None
    low_24h: float | None
    volume_base_24h: float | None
    volume_quote_24h: float | None
    change_pct_24h: float | None


def order_book(session: ExchangeSession, symbol: str, depth: int) -> OrderBook:
    """A market's book, `depth` levels a side or as many as the venue gives.

    Raises:
        NotServed, NotListed: the venue has no books, or not this market.
        Malformed: levels that are no book; an answer is asked for again as the policy says before that.
        ProviderError: the venue failed.
    """
    session.require_method("fetchOrderBook", "order books")
    session.require_symbol(symbol)
    asked = next((taken for taken in _DEPTHS.get(session.name, ()) if taken >= depth), depth)
    return session.attempt(Kind.BOOK, lambda: _ask_book(session, symbol, depth, asked), depth=asked)


def tickers(session: ExchangeSession, symbols: Sequence[str]) -> list[Ticker]:
    """Statistics of these markets, in one request, or two where one is lacking; markets still lacking then are left out.

    Raises:
        NotServed: the venue has none.
        ProviderError: the venue failed.
    """
    session.require_method("fetchTickers", "tickers")
    listed = session.symbols()
    wanted = [symbol for symbol in symbols if symbol in listed]
    if not wanted:
        return []
    found = session.attempt(Kind.TICKERS, lambda: _ask_tickers(session, wanted))
    if len(found) < len(wanted):  # asked once more: a row that could not be read mostly can be the next time
        again = session.attempt(Kind.TICKERS, lambda: _ask_tickers(session, wanted))
        return max(found, again, key=len)
    return found


def _ask_book(session: ExchangeSession, symbol: str, depth: int, asked: int) -> OrderBook:
    answer = session.ask(lambda: session.client.fetch_order_book(symbol, asked))
    received_at = datetime.now(UTC)
    book = answer.get("book") if isinstance(answer, dict) else None
    if not isinstance(answer, dict) or not isinstance(book, dict):
        raise session.malformed("an order book", session.body)
    named = answer["layout"]
    bids, asks = book.get(named["bids"]), book.get(named["asks"])
    if not isinstance(bids, list) or not isinstance(asks, list):
        raise session.malformed("bids and asks", session.body)
    try:
        levels = read_levels(bids, asks, named["price"], named["amount"], depth)
    except BookRefused as error:
        raise Malformed(
            f"{session.name} {symbol}: {error}",
            way_out="The answer is kept in quality.quarantine.",
            payload={"bids": bids, "asks": asks},
        ) from None
    sequence = next((book[name] for name in ("lastUpdateId", "seqId", "id") if name in book), answer.get("nonce"))
    number = sequence if isinstance(sequence, int) and not isinstance(sequence, bool) else None
    return OrderBook(levels, received_at, _moment(answer.get("timestamp")), number)


def _ask_tickers(session: ExchangeSession, symbols: Sequence[str]) -> list[Ticker]:
    # mexc's client wraps the answer for a single symbol in a second list; for all it is read well.
    whole = None if session.name == "mexc" else list(symbols)
    answer = session.ask(lambda: session.client.fetch_tickers(whole))
    received_at = datetime.now(UTC)
    if not isinstance(answer, Mapping):
        raise session.malformed("tickers", answer)
    found = [_ticker(symbol, answer[symbol], received_at) for symbol in symbols if symbol in answer]
    if not found:
        raise session.malformed(f"tickers of {', '.join(symbols[:5])}", session.body)
    return found


def _ticker(symbol: str, told: object, received_at: datetime) -> Ticker:
    cells: Mapping[str, object] = told if isinstance(told, Mapping) else {}
    return Ticker(
        symbol,
        received_at,
        _moment(cells.get("timestamp")),
        *(
            _number(cells.get(name))
            for name in ("last", "bid", "ask", "open", "high", "low", "baseVolume", "quoteVolume", "percentage")
        ),
    )


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def _moment(milliseconds: object) -> datetime | None:
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, (int, float)):
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if EARLIEST_MS <= milliseconds < LATEST_MS else None
