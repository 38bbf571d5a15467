"""Made-up pools that can answer for any minute of any year without state.

What belongs here: finding and ranking pools at the clock, and their bars and trades up to it. What does not: which pools
there are (seeded_pool_list.py), their minutes and trades (seeded_pool_minutes.py, seeded_pool_trades.py), the attributes
of their states (seeded_pool_states.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from crypto_assets.sandbox.bars import COLUMNS, BarColumns
from crypto_assets.sandbox.pools import (
    TRADES_MOST,
    TRADES_SECONDS,
    Dex,
    Network,
    PoolState,
    PoolTrade,
    Token,
    TokenState,
)
from crypto_assets.sandbox.seeded_pool_list import (
    BIRTH_MINUTES,
    CHAINS,
    LONGEST_LIFE,
    SeededPool,
    born_lives,
    born_pool,
    find_pool,
    lasting_numbers,
    lasting_pool,
    pool_of_token,
)
from crypto_assets.sandbox.seeded_pool_minutes import (
    DAY_MINUTES,
    MICROS,
    MINUTE_MS,
    Minutes,
    PoolMinutes,
    block_minutes,
)
from crypto_assets.sandbox.seeded_pool_states import Day, pool_attributes, token_attributes
from crypto_assets.sandbox.seeded_pool_trades import SeededTrades, make_trades, write_trades

_NEW_MOST = 200


class SeededPools:
    """Pools from a seed.

    Args:
        seed: Another seed is another world.
        clock: Reads the present, epoch milliseconds.
    """

    def __init__(self, seed: int, clock: Callable[[], int]) -> None:
        self._seed = seed
        self._clock = clock
        self._minutes = PoolMinutes(seed)
        self._find = lru_cache(maxsize=16_384)(lambda network, address: find_pool(seed, network, address))
        self._ranks = lru_cache(maxsize=64)(self._rank)

    def now_ms(self, network: str | None = None, address: str | None = None) -> int:  # noqa: ARG002 - one clock for all
        """The present, epoch milliseconds."""
        return self._clock()

    def networks(self) -> Sequence[Network]:
        """Three chains."""
        return [chain.network for chain in CHAINS.values()]

    def dexes(self, network: str) -> Sequence[Dex] | None:
        """A chain's exchanges."""
        return CHAINS[network].dexes if network in CHAINS else None

    def top_pools(self, network: str, dex: str | None = None, *, by: str = "trades") -> Sequence[str] | None:
        """Pools with trades in the last 24 hours, by their number or worth, the first first."""
        if network not in CHAINS or dex not in {None, *(one.id for one in CHAINS[network].dexes)}:
            return None
        return self._ranks(network, dex, by, self._now_minute())

    def new_pools(self, network: str) -> Sequence[str] | None:
        """The last 200 pools born, the youngest first."""
        if network not in CHAINS:
            return None
        now = self._clock() // 1000
        newest = now // 60 // BIRTH_MINUTES
        found = (born_pool(self._seed, network, number) for number in range(newest, newest - _NEW_MOST - 2, -1))
        born = [pool for pool in found if pool is not None and pool.first_minute * 60 + pool.second <= now]
        if not born:  # a chain on which none is born
            lasting = (lasting_pool(self._seed, network, number) for number in lasting_numbers(network))
            born = [pool for pool in lasting if pool is not None and pool.first_minute * 60 + pool.second <= now]
        born.sort(key=lambda pool: -(pool.first_minute * 60 + pool.second))
        return [pool.address for pool in born[:_NEW_MOST]]

    def pool(self, network: str, address: str) -> PoolState | None:
        """A pool at the clock; None before it was created."""
        pool = self._pool(network, address)
        if pool is None:
            return None
        return PoolState(pool.address, pool.dex, pool.base, pool.quote, pool_attributes(pool, self._day(pool)))

    def pair(self, network: str, address: str) -> tuple[Token, Token] | None:
        """A pool's base and quote token."""
        pool = self._pool(network, address)
        return None if pool is None else (pool.base, pool.quote)

    def token(self, network: str, address: str) -> TokenState | None:
        """A token at the clock: a made-up one has one pool, the others have those of the list that hold them."""
        if network not in CHAINS:
            return None
        pools = self._pools_of(network, address)
        if not pools:
            return None
        first = pools[0]
        token = first.quote if first.quote.address in {address, address.lower()} else first.base
        return TokenState(token_attributes(token, first, self._day(first)), [pool.address for pool in pools])

    def last_bars(self, network: str, address: str, length_ms: int, before_ms: int, limit: int) -> BarColumns | None:
        """The last `limit` bars that open before a moment, ascending, the one still open up to the clock."""
        pool = self._pool(network, address)
        if pool is None:
            return None
        before = min(-(-before_ms // MINUTE_MS), self._now_minute() + 1)
        length = length_ms // MINUTE_MS
        running = self._running_block(pool, block_minutes(length))
        bars = self._minutes.last_bars(pool, length, (before, self._now_minute()), limit, running)
        micros = {"volume_base", "volume_quote"}
        scaled = {name: bars.values[name] / MICROS if name in micros else bars.values[name] for name in COLUMNS}
        return BarColumns(bars.opened_at_ms, scaled)

    def quote_prices(self, network: str, address: str, at_ms: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """Dollars for one quote token at ascending moments."""
        pool = self._pool(network, address)
        return None if pool is None else self._minutes.coin(pool.quote_coin, at_ms // MINUTE_MS)

    def trades(self, network: str, address: str, above_usd: float) -> Sequence[PoolTrade] | None:
        """The last 300 trades of the last 24 hours above so many dollars, ascending."""
        pool = self._pool(network, address)
        if pool is None:
            return None
        now = self._clock() // 1000
        minutes = self._minutes.between(pool, (now - TRADES_SECONDS) // 60, now // 60 + 1)
        if above_usd <= 0 and len(minutes) > 1:  # the last minutes are enough
            later = np.cumsum(minutes.count[::-1]) - minutes.count[-1]  # the last one may be running
            enough = int(np.searchsorted(later, TRADES_MOST)) + 1
            minutes = minutes.take(slice(max(0, len(minutes) - enough), None))
        found = self._trades(pool, minutes)
        found = found.take((found.second > now - TRADES_SECONDS) & (found.volume > above_usd * MICROS))
        found = found.take(slice(max(0, len(found) - TRADES_MOST), None))
        traded = found.second // 60
        quote, native = (self._minutes.coin(coin, traded) for coin in (pool.quote_coin, CHAINS[network].coin))
        return write_trades(pool, found, quote, native)

    def _pool(self, network: str, address: str) -> SeededPool | None:
        """The pool if it exists at the clock; hex addresses may be written in capitals."""
        if network not in CHAINS:
            return None
        pool = self._find(network, address.lower() if CHAINS[network].is_hex else address)
        return pool if pool is not None and self._is_born(pool) else None

    def _is_born(self, pool: SeededPool) -> bool:
        return (pool.first_minute * 60 + pool.second) * 1000 <= self._clock()

    def _now_minute(self) -> int:
        return self._clock() // MINUTE_MS

    def _trades(self, pool: SeededPool, minutes: Minutes) -> SeededTrades:
        """The trades of these minutes up to the clock."""
        found = make_trades(pool, minutes)
        return found.take(found.second <= self._clock() // 1000)

    def _running_block(self, pool: SeededPool, size: int) -> Minutes:
        """The block of so many minutes in which the clock stands, up to it; the minute that runs has what was traded so far."""
        now = self._now_minute()
        closed = self._minutes.between(pool, now // size * size, now)
        running = self._minutes.between(pool, now, now + 1)
        trades = self._trades(pool, running)
        if not len(trades):
            return closed
        opened = float(running.open[0])
        so_far = Minutes(
            running.minute,
            np.array([len(trades)]),
            np.array([trades.volume.sum()]),
            running.open,
            np.array([max(opened, trades.price.max())]),
            np.array([min(opened, trades.price.min())]),
            trades.price[-1:],
        )
        return closed.followed_by(so_far)

    def _day(self, pool: SeededPool) -> Day:
        """The pool's last 24 hours."""
        now = self._clock() // 1000
        minute = now // 60
        minutes = self._minutes.between(pool, (now - TRADES_SECONDS) // 60, minute + 1)
        trades = self._trades(pool, minutes)
        day = trades.take(trades.second > now - TRADES_SECONDS)
        at = np.array([minute])
        last_minute = min(minute, pool.last_minute - 1)
        price = float(trades.price[-1]) if len(trades) else self._minutes.price(pool, last_minute)
        opened = float(trades.price[-len(day) - 1]) if len(trades) > len(day) else float([*minutes.open[:1], price][0])
        coins = (pool.quote_coin, CHAINS[pool.network].coin)
        quote, native = (float(self._minutes.coin(coin, at)[0]) for coin in coins)
        return Day(now, day, opened, price, quote, native)

    def _pools_of(self, network: str, token: str) -> list[SeededPool]:
        """The pools that hold a token, the busiest first."""
        token = token.lower() if CHAINS[network].is_hex else token
        own = pool_of_token(self._seed, network, token)
        if own is not None:
            return [own] if self._is_born(own) else []
        if token not in {one.address for one in CHAINS[network].tokens.values()}:
            return []
        pools = [self._find(network, address) for address in self._ranks(network, None, "trades", self._now_minute())]
        return [pool for pool in pools if pool is not None and token in {pool.base.address, pool.quote.address}]

    def _rank(self, network: str, dex: str | None, by: str, minute: int) -> tuple[str, ...]:
        """Addresses of the pools with trades in the 24 hours before this minute, in order."""
        found = []
        for pool in self._alive(network, dex, minute):
            count, volume = self._minutes.totals(pool, minute - DAY_MINUTES, minute)
            if count:
                found.append(((-volume, -count) if by == "volume" else (-count, -volume), pool.address))
        return tuple(address for _, address in sorted(found))

    def _alive(self, network: str, dex: str | None, minute: int) -> list[SeededPool]:
        """The pools that may have traded in the 24 hours before this minute."""
        lasting = (lasting_pool(self._seed, network, number) for number in lasting_numbers(network, dex))
        pools = [pool for pool in lasting if pool is not None and pool.first_minute < minute]
        births = CHAINS[network].births
        if not births or (dex is not None and dex not in births):
            return pools
        earliest = minute - DAY_MINUTES
        numbers = np.arange((earliest - LONGEST_LIFE) // BIRTH_MINUTES, minute // BIRTH_MINUTES + 1, dtype=np.int64)
        first, last, where = born_lives(self._seed, network, numbers)
        alive = (first < minute) & (last > earliest)
        if dex is not None:
            alive &= where == births.index(dex)
        born = (born_pool(self._seed, network, int(number)) for number in numbers[alive])
        return pools + [pool for pool in born if pool is not None]
