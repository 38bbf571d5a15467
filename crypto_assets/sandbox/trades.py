"""What every source of trades has in common: columns, and how they are asked for.

What belongs here: the trades' columns and the protocols. What does not: where trades come from (seeded_trades.py,
recorded_trades.py) and how a venue pages and writes them (venues/).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from crypto_assets.sandbox.bars import BarSource


@dataclass(frozen=True)
class TradeColumns:
    """Trades in ascending order of time and id, columns of equal length.

    Args:
        trade_id: The venue's number of the trade within its market.
        traded_at_ms: Epoch milliseconds.
        price: Quote currency.
        amount: Base currency.
        is_buy: Whether the taker bought.
    """

    trade_id: NDArray[np.int64]
    traded_at_ms: NDArray[np.int64]
    price: NDArray[np.float64]
    amount: NDArray[np.float64]
    is_buy: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.trade_id)

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.int64] | slice) -> TradeColumns:
        """The chosen trades."""
        return TradeColumns(
            self.trade_id[chosen],
            self.traded_at_ms[chosen],
            self.price[chosen],
            self.amount[chosen],
            self.is_buy[chosen],
        )

    def between(self, start_ms: int, end_ms: int) -> TradeColumns:
        """Those of [start, end)."""
        first, last = np.searchsorted(self.traded_at_ms, (start_ms, end_ms))
        return self.take(slice(int(first), int(last)))


NO_TRADES = TradeColumns(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty(0, np.bool_))


class TradeSource(Protocol):
    """Where the sandbox's trades come from."""

    def trades(self, venue: str, symbol: str, start_ms: int, end_ms: int) -> TradeColumns:
        """Trades of [start, end), none from after the venue's clock."""

    def moment_of(self, venue: str, symbol: str, trade_id: int) -> int:
        """When the first trade with this id or a higher one was made, ms; just after the clock where there is none."""

    def has_recorded_trades(self, venue: str, symbol: str) -> bool:
        """Whether their ids are a real venue's, to be served as they are."""


class MarketSource(BarSource, TradeSource, Protocol):
    """A whole market: bars and trades."""


def join_trades(parts: Sequence[TradeColumns]) -> TradeColumns:
    """Stretches of trades in the order of time as one. Pure."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return NO_TRADES
    return TradeColumns(
        np.concatenate([part.trade_id for part in parts]),
        np.concatenate([part.traded_at_ms for part in parts]),
        np.concatenate([part.price for part in parts]),
        np.concatenate([part.amount for part in parts]),
        np.concatenate([part.is_buy for part in parts]),
    )
