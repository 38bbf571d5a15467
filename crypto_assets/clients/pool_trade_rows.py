"""From GeckoTerminal's answers to bars and trades of a pool, row by row checked, every digit kept.

What belongs here: where version 2 of its API keeps what, and the rules a row must keep to be a bar or a trade. What does
not: asking (geckoterminal.py), how a single value is read (pool_values.py), storing.

geckoterminal-py drops rows that repeat a time without saying so, keeps the first of two different ones, and hands on
whatever else came; nothing would be left to quarantine. So the rows are read here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from crypto_assets.clients.exchange_bars import Floats, Integers, RefusedRow
from crypto_assets.clients.pool_rows import refuse_answer, rows_of
from crypto_assets.clients.pool_values import (
    CLOCK_TOLERANCE,
    EARLIEST,
    UNREADABLE,
    amount_text,
    fields_of,
    id_text,
    moment_of,
    number_text,
    price_text,
    unreadable,
    whole,
)
from crypto_assets.clients.trade_rows import Texts

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST_MS = int(EARLIEST.timestamp() * 1000)
_TOLERANCE_MS = int(CLOCK_TOLERANCE.total_seconds() * 1000)


@dataclass(frozen=True)
class PoolBars:
    """Finished bars of a pool, ascending and unique, columns of equal length, and what was refused.

    Times without a trade have no bar: GeckoTerminal leaves them out.

    Args:
        opened_at_ms: Milliseconds since 1970, UTC; multiples of the bars' length.
        open: Price of the base token in USD, as are high, low and close.
        volume_usd: Traded within the bar.
        received: Rows in the answer, all of them.
        oldest_ms: Oldest opening time among the sound rows, the bar still open included; None where there is none.
        refused: Rows that are no bars; of two different ones for one time, the second.
        repeated: Rows that came twice and count once.
    """

    opened_at_ms: Integers
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume_usd: Floats
    received: int
    oldest_ms: int | None
    refused: Sequence[RefusedRow] = ()
    repeated: int = 0

    def __len__(self) -> int:
        return len(self.opened_at_ms)


@dataclass(frozen=True)
class PoolTrades:
    """Trades of a pool, ascending by (traded_at_us, block_number, ordinal), columns of equal length, and what was refused.

    Args:
        traded_at_us: Microseconds since 1970, UTC; GeckoTerminal tells the block's second.
        tx_hash: The transaction, which may hold several trades of the pool.
        ordinal: The trade's number within its transaction.
        is_buy: Whether the base token was bought.
        price_usd: Decimal text; of one base token, as are the next three.
        amount_base: Decimal text; base tokens that changed hands.
        amount_quote: Decimal text; quote tokens that did.
        volume_usd: Decimal text.
        sender: Address that signed the transaction; empty where it is not told.
        received: Rows in the answer, all of them.
        repeated: Rows that came twice and count once.
    """

    traded_at_us: Integers
    tx_hash: Texts
    ordinal: Integers
    block_number: Integers
    is_buy: NDArray[np.bool_]
    price_usd: Texts
    amount_base: Texts
    amount_quote: Texts
    volume_usd: Texts
    sender: Texts
    received: int
    refused: Sequence[RefusedRow] = ()
    repeated: int = 0

    def __len__(self) -> int:
        return len(self.traded_at_us)


class _Bar(NamedTuple):
    opened_at_ms: int
    open: float
    high: float
    low: float
    close: float
    volume_usd: float


@dataclass(frozen=True)
class _Trade:
    """A trade that was read; `ordinal` is None as long as its id does not tell it, and only then `row_id` is kept."""

    traded_at_us: int
    block_number: int
    tx_hash: str
    ordinal: int | None
    is_buy: bool
    price_usd: str
    amount_base: str
    amount_quote: str
    volume_usd: str
    sender: str
    row_id: str

    @property
    def content(self) -> tuple[object, ...]:
        """What tells it from others of its transaction."""
        told = (self.traded_at_us, self.block_number, self.is_buy, self.price_usd, self.amount_base, self.amount_quote)
        return (*told, self.volume_usd, self.sender, self.row_id)


def parse_pool_bars(answer: object, length_ms: int, now_ms: int, before_ms: int | None = None) -> PoolBars:
    """Read and check one page of bars. Pure.

    Args:
        length_ms: Length of a bar.
        now_ms: The bar that is still open then is left out.
        before_ms: Bars that open then or later are left out.

    Raises:
        Malformed: the answer holds no list of bars.
    """
    payloads = _list_of_bars(answer)
    bars: dict[int, _Bar] = {}
    refused: list[RefusedRow] = []
    repeated = 0
    for payload in payloads:
        try:
            bar = _bar(payload, length_ms, now_ms)
        except UNREADABLE as error:
            refused.append(unreadable(error, payload))
            continue
        first = bars.setdefault(bar.opened_at_ms, bar)
        if first is bar:
            continue
        if first == bar:
            repeated += 1
        else:
            refused.append(RefusedRow("another bar for the same time", payload))
    end = min(now_ms - length_ms + 1, now_ms if before_ms is None else before_ms)
    kept = [bars[at] for at in sorted(bars) if at < end]
    matrix = np.array([bar[1:] for bar in kept], dtype=np.float64).reshape(len(kept), 5)
    opened, high, low, close, volume = np.ascontiguousarray(matrix.T)
    return PoolBars(
        opened_at_ms=np.array([bar.opened_at_ms for bar in kept], dtype=np.int64),
        open=opened,
        high=high,
        low=low,
        close=close,
        volume_usd=volume,
        received=len(payloads),
        oldest_ms=min(bars, default=None),
        refused=tuple(refused),
        repeated=repeated,
    )


def parse_pool_trades(answer: object, network_id: str, now: datetime) -> PoolTrades:
    """Read and check the page of a pool's newest trades. Pure.

    Two different rows for one trade are both refused: nobody can say which is right.

    Args:
        network_id: GeckoTerminal's name of the network: what ids begin with.
        now: No trade is younger.

    Raises:
        Malformed: the answer holds no list of trades.
    """
    payloads = rows_of(answer, "trades")
    read: list[tuple[_Trade, object]] = []
    refused: list[RefusedRow] = []
    for payload in payloads:
        try:
            read.append((_trade(payload, network_id, now), payload))
        except UNREADABLE as error:
            refused.append(unreadable(error, payload))
    fresh: dict[_Trade, object] = {}
    for trade, payload in read:
        fresh.setdefault(trade, payload)
    by_key: dict[tuple[str, int], list[tuple[_Trade, object]]] = {}
    for (key, trade), payload in zip(_numbered(list(fresh)), fresh.values(), strict=True):
        by_key.setdefault(key, []).append((trade, payload))
    kept = []
    for (_, ordinal), same in by_key.items():
        if len(same) == 1:
            kept.append(replace(same[0][0], ordinal=ordinal))
        else:
            refused += [RefusedRow("two different trades under one id", payload) for _, payload in same]
    return _columns(kept, len(payloads), refused, len(read) - len(fresh))


def _list_of_bars(answer: object) -> Sequence[object]:
    found = answer
    for key in ("data", "attributes", "ohlcv_list"):
        found = found.get(key) if isinstance(found, dict) else None
    if not isinstance(found, list):
        refuse_answer("a list of bars", answer)
    return found


def _bar(payload: object, length_ms: int, now_ms: int) -> _Bar:
    if not isinstance(payload, list) or len(payload) != 6:
        raise TypeError("the row is no list of six")
    seconds = payload[0]
    if type(seconds) is float and seconds.is_integer():
        seconds = int(seconds)
    opened_at_ms = whole(seconds, "the opening time") * 1000
    if not _EARLIEST_MS <= opened_at_ms <= now_ms + _TOLERANCE_MS:
        raise ValueError("the opening time is implausible")
    if opened_at_ms % length_ms:
        raise ValueError("the opening time is off the grid")
    opened, high, low, close, volume = (_finite(value) for value in payload[1:])
    if min(opened, high, low, close) <= 0:
        raise ValueError("a price is not positive")
    if high < max(opened, close, low):
        raise ValueError("high is below open, close or low")
    if low > min(opened, close):
        raise ValueError("low is above open or close")
    if volume < 0:
        raise ValueError("the volume is negative")
    return _Bar(opened_at_ms, opened, high, low, close, volume)


def _finite(value: object) -> float:
    text = number_text(value)
    if text is None:
        raise ValueError("a number is not known")
    return float(text)


def _trade(payload: object, network_id: str, now: datetime) -> _Trade:
    row = fields_of(payload, "the row")
    told = fields_of(row["attributes"], "attributes")
    kind = told["kind"]
    if kind not in ("buy", "sell"):
        raise ValueError(f"kind {kind!r:.20} is neither buy nor sell")
    is_buy = kind == "buy"
    base, quote = ("to", "from") if is_buy else ("from", "to")
    block, tx_hash = whole(told["block_number"], "block_number"), id_text(told["tx_hash"])
    sender = told.get("tx_from_address")
    row_id = row.get("id")
    ordinal = _ordinal(row_id, network_id, block, tx_hash)
    return _Trade(
        traded_at_us=(moment_of(told["block_timestamp"], now) - _EPOCH) // timedelta(microseconds=1),
        block_number=block,
        tx_hash=tx_hash,
        ordinal=ordinal,
        is_buy=is_buy,
        price_usd=price_text(told[f"price_{base}_in_usd"], "the base token's price"),
        # Dust trades have amounts of zero.
        amount_base=amount_text(told[f"{base}_token_amount"], "the base token's amount"),
        amount_quote=amount_text(told[f"{quote}_token_amount"], "the quote token's amount"),
        volume_usd=amount_text(told["volume_in_usd"], "the volume"),
        sender=id_text(sender) if sender else "",
        row_id=row_id if ordinal is None and isinstance(row_id, str) else "",
    )


def _ordinal(row_id: object, network_id: str, block: int, tx_hash: str) -> int | None:
    """The number in `<network>_<block>_<transaction>_<number>_<epoch>`; None where an id is not made so.

    Read from the right: the names of networks may hold underscores, hashes hold none.

    Raises:
        ValueError: the id is made so, and another network's.
    """
    parts = row_id.rsplit("_", 4) if isinstance(row_id, str) else []
    if len(parts) != 5 or parts[1:3] != [str(block), tx_hash] or not all(map(_is_number, parts[3:])):
        return None
    if parts[0] != network_id:
        raise ValueError(f"{parts[0]!r:.60} is not network {network_id}")
    return int(parts[3])


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


def _numbered(trades: Sequence[_Trade]) -> list[tuple[tuple[str, int], _Trade]]:
    """Each with its key: transaction and ordinal.

    Where an id does not tell the ordinal, it is the place among the page's rows of the transaction, in the order of their
    content. A page whose end cuts a transaction may then shift it: the next page's rows get other places.
    """
    places: dict[_Trade, int] = {}
    seen: Counter[str] = Counter()
    for trade in sorted((trade for trade in trades if trade.ordinal is None), key=lambda trade: trade.content):
        places[trade] = seen[trade.tx_hash]
        seen[trade.tx_hash] += 1
    return [((trade.tx_hash, places[trade] if trade.ordinal is None else trade.ordinal), trade) for trade in trades]


def _columns(trades: Sequence[_Trade], received: int, refused: Sequence[RefusedRow], repeated: int) -> PoolTrades:
    ordered = sorted(trades, key=lambda row: (row.traded_at_us, row.block_number, row.ordinal, row.tx_hash))

    def texts(name: str) -> Texts:
        column = np.empty(len(ordered), dtype=object)
        column[:] = [getattr(row, name) for row in ordered]
        return column

    def whole_numbers(name: str) -> Integers:
        return np.array([getattr(row, name) for row in ordered], dtype=np.int64)

    return PoolTrades(
        traded_at_us=whole_numbers("traded_at_us"),
        tx_hash=texts("tx_hash"),
        ordinal=whole_numbers("ordinal"),
        block_number=whole_numbers("block_number"),
        is_buy=np.array([row.is_buy for row in ordered], dtype=bool),
        price_usd=texts("price_usd"),
        amount_base=texts("amount_base"),
        amount_quote=texts("amount_quote"),
        volume_usd=texts("volume_usd"),
        sender=texts("sender"),
        received=received,
        refused=tuple(refused),
        repeated=repeated,
    )
