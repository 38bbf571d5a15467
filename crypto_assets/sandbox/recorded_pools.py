"""Playback of recorded pools: what GeckoTerminal answered, and a collector's tables of bars and trades.

What belongs here: answering from the recordings on their own clock. What does not: reading them (recorded_pool_files.py).

A pool's clock stands in the middle of its last bar of the shortest length recorded, or just after its last trade. The 24
hours of its trades end with the last one recorded, as those of the page did that was recorded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crypto_assets.sandbox.bars import NO_BARS, BarColumns, aggregate
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
from crypto_assets.sandbox.recorded_pool_files import (
    FOLDER,
    FULL_POOL,
    NETWORK,
    SOL,
    TABLE_DEX,
    PoolFiles,
    unknown_token,
)
from crypto_assets.sandbox.recording_files import RecordingError
from crypto_assets.sandbox.seeded_pool_states import WINDOWS_SECONDS


@dataclass(frozen=True)
class _Played:
    """A pool with what was recorded of it."""

    state: PoolState
    bars: Mapping[int, BarColumns] = field(default_factory=dict)
    trades: Sequence[PoolTrade] = ()

    @property
    def now_ms(self) -> int | None:
        """Its clock; None where neither bars nor trades were recorded."""
        ends = [self.trades[-1].traded_at * 1000 + 1000] if self.trades else []
        if self.bars:
            finest = min(self.bars)
            ends.append(int(self.bars[finest].opened_at_ms[-1]) + finest // 2)
        return max(ends, default=None)


class RecordedPools:
    """Pools of a folder of recordings, all files read at once.

    Raises:
        RecordingError: a file cannot be played, or there is no pool with bars or trades.
    """

    def __init__(self, folder: Path) -> None:
        files = PoolFiles(folder / FOLDER)
        self._networks = files.networks()
        top, new = files.top_pools(), files.new_pools()
        tables = _table_pools(files)
        self._pools = {(network, state.address): _Played(state) for network, state in (*new, *top)}
        self._pools |= {(NETWORK, address): played for address, played in tables.items()}
        self._top = [(network, state.address) for network, state in top] + [(NETWORK, address) for address in tables]
        self._new = [(network, state.address) for network, state in new]
        self._dexes = _all_dexes(files.dexes(), self._pools)
        clocks = [played.now_ms for played in self._pools.values() if played.now_ms is not None]
        if not clocks:
            raise RecordingError(f"{FOLDER} holds no bars or trades of a pool", way_out="Add tables, or remove it.")
        self._now_ms = max(clocks)

    def now_ms(self, network: str | None = None, address: str | None = None) -> int:
        """A pool's clock; the latest of all where none is named or it has none."""
        played = self._pools.get((network or "", address or ""))
        return (played.now_ms if played else None) or self._now_ms

    def networks(self) -> Sequence[Network]:
        """As recorded."""
        return self._networks

    def dexes(self, network: str) -> Sequence[Dex] | None:
        """As recorded, and those that recorded pools name."""
        return self._dexes.get(network)

    def top_pools(self, network: str, dex: str | None = None, *, by: str = "trades") -> Sequence[str] | None:  # noqa: ARG002
        """In the order recorded; then the tables' pools, those with trades first."""
        known = {one.id for one in self._dexes.get(network, ())}
        if network not in self._dexes or (dex is not None and dex not in known):
            return None
        return [key[1] for key in self._top if key[0] == network and dex in {None, self._pools[key].state.dex.id}]

    def new_pools(self, network: str) -> Sequence[str] | None:
        """In the order recorded."""
        return [key[1] for key in self._new if key[0] == network] if network in self._dexes else None

    def pool(self, network: str, address: str) -> PoolState | None:
        """As recorded; of a table's pool what its bars and trades tell."""
        played = self._pools.get((network, address))
        return played.state if played else None

    def pair(self, network: str, address: str) -> tuple[Token, Token] | None:
        """A pool's base and quote token."""
        state = self.pool(network, address)
        return (state.base, state.quote) if state else None

    def token(self, network: str, address: str) -> TokenState | None:
        """What the recorded pools tell of a token."""
        keys = dict.fromkeys((*self._top, *self._new))
        states = [self._pools[key].state for key in keys if key[0] == network]
        holding = [state for state in states if address in {state.base.address, state.quote.address}]
        if not holding:
            return None
        first = holding[0]
        is_base = first.base.address == address
        token = first.base if is_base else first.quote
        attributes = {
            "address": token.address,
            "name": token.name,
            "symbol": token.symbol,
            "decimals": token.decimals,
            "image_url": token.image_url,
            "coingecko_coin_id": token.coingecko_coin_id,
            "total_supply": None,
            "normalized_total_supply": None,
            "price_usd": first.attributes["base_token_price_usd" if is_base else "quote_token_price_usd"],
            "fdv_usd": None,
            "total_reserve_in_usd": None,
            "volume_usd": {"h24": None},
            "market_cap_usd": None,
        }
        return TokenState(attributes, [state.address for state in holding])

    def last_bars(self, network: str, address: str, length_ms: int, before_ms: int, limit: int) -> BarColumns | None:
        """The recorded bars; a length that was not recorded is made from the shortest one that fits into it."""
        played = self._pools.get((network, address))
        if played is None:
            return None
        lengths = [length for length in sorted(played.bars) if length_ms % length == 0]
        if not lengths:
            return NO_BARS
        exact = length_ms in played.bars
        bars = played.bars[length_ms] if exact else aggregate(played.bars[lengths[0]], length_ms)
        end = int(np.searchsorted(bars.opened_at_ms, before_ms))
        return bars.take(slice(max(0, end - limit), end))

    def quote_prices(self, network: str, address: str, at_ms: NDArray[np.int64]) -> NDArray[np.float64] | None:  # noqa: ARG002
        """None were recorded."""
        return None

    def trades(self, network: str, address: str, above_usd: float) -> Sequence[PoolTrade] | None:
        """The last 300 recorded trades of the 24 hours before the last one."""
        played = self._pools.get((network, address))
        if played is None or not played.trades:
            return None if played is None else ()
        start = played.trades[-1].traded_at - TRADES_SECONDS
        found = [one for one in played.trades if one.traded_at > start and float(one.volume_in_usd) > above_usd]
        return found[-TRADES_MOST:]


def _table_pools(files: PoolFiles) -> dict[str, _Played]:
    """The tables' pools by address, those with trades first, then by what was traded in their bars."""
    bars, trades = files.bars(), files.trades()
    known = {FULL_POOL: files.full_pool()}
    found = {}
    for address in dict.fromkeys((*trades, *bars)):
        base, quote = known.get(address) or (unknown_token(address), SOL)
        played = _Played(PoolState(address, TABLE_DEX, base, quote, {}), bars.get(address, {}), trades.get(address, ()))
        state = PoolState(address, TABLE_DEX, base, quote, _attributes(played))
        found[address] = _Played(state, played.bars, played.trades)
    return dict(sorted(found.items(), key=lambda item: (-len(item[1].trades), -_worth(item[1]))))


def _worth(played: _Played) -> float:
    return float(played.bars[min(played.bars)].values["volume_base"].sum()) if played.bars else 0.0


def _attributes(played: _Played) -> Mapping[str, object]:
    """The attributes of a pool object as far as bars and trades tell them; the others are null."""
    state, now = played.state, (played.now_ms or 0) // 1000
    finest = played.bars[min(played.bars)] if played.bars else NO_BARS
    close = f"{finest.values['close'][-1]:.18f}".rstrip("0") if len(finest) else None
    starts = {label: (now - seconds) * 1000 for label, seconds in WINDOWS_SECONDS.items()}
    return {
        "base_token_price_usd": close,
        "base_token_price_native_currency": None,
        "quote_token_price_usd": None,
        "quote_token_price_native_currency": "1.0",
        "base_token_price_quote_token": None,
        "quote_token_price_base_token": None,
        "address": state.address,
        "name": f"{state.base.symbol} / {state.quote.symbol}",
        "pool_created_at": None,
        "fdv_usd": None,
        "market_cap_usd": None,
        "price_change_percentage": dict.fromkeys(starts),
        "transactions": {label: _transactions(played.trades, start) for label, start in starts.items()},
        "volume_usd": {
            label: str(float(finest.values["volume_base"][finest.opened_at_ms >= start].sum()))
            for label, start in starts.items()
        },
        "reserve_in_usd": None,
    }


def _transactions(trades: Sequence[PoolTrade], start_ms: int) -> dict[str, int]:
    later = [one for one in trades if one.traded_at * 1000 > start_ms]
    buyers, sellers = ({one.tx_from_address for one in later if one.kind == kind} for kind in ("buy", "sell"))
    buys = sum(one.kind == "buy" for one in later)
    return {"buys": buys, "sells": len(later) - buys, "buyers": len(buyers), "sellers": len(sellers)}


def _all_dexes(
    listed: Mapping[str, Sequence[Dex]], pools: Mapping[tuple[str, str], _Played]
) -> dict[str, tuple[Dex, ...]]:
    """The exchanges of each network that has any: those listed, then those that only pools name."""
    found = {network: {dex.id: dex for dex in dexes} for network, dexes in listed.items()}
    for (network, _), played in pools.items():
        found.setdefault(network, {}).setdefault(played.state.dex.id, played.state.dex)
    return {network: tuple(dexes.values()) for network, dexes in found.items()}
