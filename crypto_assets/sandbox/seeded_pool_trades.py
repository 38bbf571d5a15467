"""The trades of a made-up pool's minutes: they add up to them exactly.

What belongs here: prices, worth, times, sides, blocks and transactions of trades, and their texts. What does not: the
minutes (seeded_pool_minutes.py).

In a minute the last trade is at the close; one is at the high if there are two, another at the low if there are three. A
few transactions hold two trades of the pool.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from crypto_assets.sandbox.noise import key_of, uniform
from crypto_assets.sandbox.pool_addresses import make_address, make_hash
from crypto_assets.sandbox.pools import PoolTrade, Token
from crypto_assets.sandbox.seeded_pool_list import CHAINS, FIRST_MINUTE, SeededPool
from crypto_assets.sandbox.seeded_pool_minutes import Integers, Minutes, Numbers

_PLACES = 1024  # more than a minute's trades
_TRADERS = 400  # of a pool


@dataclass(frozen=True)
class SeededTrades:
    """Trades in ascending order, columns of equal length.

    Args:
        number: Of the trade: its minute and its place in it.
        second: Since 1970.
        volume: Millionths of a dollar.
        price: Dollars for one base token.
        is_buy: Whether the base token was bought.
        is_second: Whether it is the second trade of the transaction of the one before.
    """

    number: Integers
    second: Integers
    volume: Integers
    price: Numbers
    is_buy: NDArray[np.bool_]
    is_second: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.number)

    def take(self, chosen: NDArray[np.bool_] | slice) -> SeededTrades:
        """The chosen trades."""
        return SeededTrades(
            self.number[chosen],
            self.second[chosen],
            self.volume[chosen],
            self.price[chosen],
            self.is_buy[chosen],
            self.is_second[chosen],
        )


def make_trades(pool: SeededPool, minutes: Minutes) -> SeededTrades:
    """All trades of these minutes. Pure."""
    count = minutes.count
    row = np.repeat(np.arange(len(minutes)), count)
    place = np.arange(len(row)) - (np.cumsum(count) - count)[row]
    number = minutes.minute[row] * _PLACES + place
    second = _seconds(pool, row, minutes.minute[row], number)
    pair = (place > 0) & (uniform(key_of(pool.key, "pair"), number) < 0.04)
    pair[1:] &= ~pair[:-1]
    twins = np.flatnonzero(pair)
    second[twins] = second[twins - 1]  # one transaction, one block
    return SeededTrades(
        number,
        np.maximum.accumulate(second) if len(second) else second,
        _lots(pool, minutes, row, number),
        _trade_prices(pool, minutes, row, place, number),
        sides(pool, number),
        pair,
    )


def sides(pool: SeededPool, number: Integers) -> NDArray[np.bool_]:
    """Whether each trade bought the base token. Pure."""
    bought: NDArray[np.bool_] = uniform(key_of(pool.key, "side"), number) < 0.52
    return bought


def _seconds(pool: SeededPool, row: Integers, minute: Integers, number: Integers) -> Integers:
    """When each trade's block was made; ascending, as trades share blocks."""
    dice = np.sort(row + uniform(key_of(pool.key, "second"), number)) - row  # each minute's own, in order
    step = CHAINS[pool.network].block_seconds
    within = (dice * 60).astype(np.int64) // step * step
    earliest = np.where(minute == pool.first_minute, pool.second, 0)
    seconds: Integers = minute * 60 + np.maximum(within, earliest)
    return seconds


def _lots(pool: SeededPool, minutes: Minutes, row: Integers, number: Integers) -> Integers:
    """Each minute's volume cut into as many lots as it has trades, none empty; a few are far larger than the others."""
    weights = 1 + (255 * uniform(key_of(pool.key, "lot"), number) ** 4).astype(np.int64)
    running = np.cumsum(weights)
    ends = np.cumsum(minutes.count)
    before = np.concatenate([[0], running[ends[:-1] - 1]])
    whole = running[ends - 1] - before
    share = (minutes.volume - minutes.count)[row] * (running - before[row]) // whole[row]
    earlier = np.concatenate([[0], share[:-1]])
    earlier[ends - minutes.count] = 0
    lots: Integers = 1 + share - earlier
    return lots


def _trade_prices(pool: SeededPool, minutes: Minutes, row: Integers, place: Integers, number: Integers) -> Numbers:
    low, high, count = minutes.low[row], minutes.high[row], minutes.count[row]
    dice = uniform(key_of(pool.key, "path"), number)
    prices = np.clip(low + (high - low) * dice, low, high)
    extremes = uniform(key_of(pool.key, "extreme"), minutes.minute)[row]
    others = np.maximum(1, count - 1)
    at_high = (extremes * others).astype(np.int64)
    at_low = (at_high + 1 + (extremes * 8191 % 1 * np.maximum(1, count - 2)).astype(np.int64)) % others
    prices = np.where((count >= 3) & (place == at_low), low, prices)
    prices = np.where((count >= 2) & (place == at_high), high, prices)
    return np.where(place == count - 1, minutes.close[row], prices)


class _Row(NamedTuple):
    """One trade, with dollars for a quote token and for the network's own currency."""

    number: int
    second: int
    volume: int
    price: float
    is_buy: bool
    is_second: bool
    quote_usd: float
    native_usd: float


def write_trades(pool: SeededPool, trades: SeededTrades, quote_usd: Numbers, native_usd: Numbers) -> list[PoolTrade]:
    """The trades as the API has them. Pure.

    Args:
        quote_usd: Dollars for a quote token at each trade.
        native_usd: Dollars for the network's own currency at each trade.
    """
    columns = (trades.number, trades.second, trades.volume, trades.price, trades.is_buy, trades.is_second)
    rows = zip(*(column.tolist() for column in (*columns, quote_usd, native_usd)), strict=True)
    return [_written(pool, _Row(*row)) for row in rows]


def _written(pool: SeededPool, row: _Row) -> PoolTrade:
    chain = CHAINS[pool.network]
    first = row.number - row.is_second  # what the two trades of a transaction share
    tx_hash = make_hash(chain.is_hex, f"{pool.key}|{first}")
    block = int((row.second - FIRST_MINUTE * 60) * chain.blocks_a_second)
    ordinal = 10 + first * 7 % 50 + 3 * row.is_second
    delay = 2 + first * 11 % 7 + 24 * (first % 97 == 0)  # between a block and the API's knowing of it
    dollars, quote_usd, native_usd = row.volume / 1e6, row.quote_usd, row.native_usd
    base = (amount_text(dollars / row.price, pool.base), exact_text(row.price), native_text(row.price / native_usd))
    quote = (amount_text(dollars / quote_usd, pool.quote), exact_text(quote_usd), native_text(quote_usd / native_usd))
    given, taken = (quote, base) if row.is_buy else (base, quote)
    tokens = (pool.quote, pool.base) if row.is_buy else (pool.base, pool.quote)
    return PoolTrade(
        id=f"{pool.network}_{block}_{tx_hash}_{ordinal}_{row.second + delay}",
        block_number=block,
        tx_hash=tx_hash,
        tx_from_address=_trader(chain.is_hex, pool.key, (first * 2_654_435_761 % 2**32) * _TRADERS >> 32),
        from_token_amount=given[0],
        to_token_amount=taken[0],
        price_from_in_currency_token=given[2],
        price_to_in_currency_token=taken[2],
        price_from_in_usd=given[1],
        price_to_in_usd=taken[1],
        traded_at=row.second,
        kind="buy" if row.is_buy else "sell",
        volume_in_usd=micros_text(row.volume),
        from_token_address=tokens[0].address,
        to_token_address=tokens[1].address,
    )


@lru_cache(maxsize=100_000)
def _trader(is_hex: bool, key: int, number: int) -> str:
    return make_address(is_hex, f"trader|{key}", number)


def exact_text(number: float) -> str:
    """All the digits that a float has: it reads back the same."""
    return format(Decimal(number), "f")


def native_text(number: float) -> str:
    """Digits as prices in a network's own currency have."""
    return _trimmed(f"{number:.21f}")


def micros_text(micros: int) -> str:
    """Dollars out of millionths."""
    return f"{micros // 10**6}.{micros % 10**6:06d}"


def amount_text(number: float, token: Token) -> str:
    """As many digits as the token has; more where they would not tell the amount to a ten-millionth."""
    decimals = token.decimals or 0
    return _trimmed(f"{number:.{decimals if number >= 10.0 ** (7 - decimals) else 24}f}")


def _trimmed(text: str) -> str:
    text = text.rstrip("0")
    return text + "0" if text.endswith(".") else text
