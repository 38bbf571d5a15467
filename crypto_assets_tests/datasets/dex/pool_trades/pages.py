"""Pages of trades as the client gives them, made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crypto_assets.clients.exchange_bars import RefusedRow
from crypto_assets.clients.pool_trade_rows import PoolTrades


@dataclass(frozen=True, order=True)
class Made:
    """A trade: the second of its block, its number, and what it was worth."""

    second: int
    number: int
    amount: str = "1"
    tx: str = ""


def page_of(trades: Sequence[Made], refused: Sequence[RefusedRow] = ()) -> PoolTrades:
    """The trades as a page, the price 2 dollars, in the order in which the client has them."""
    ordered = sorted(trades)

    def texts(values: Sequence[str]) -> np.ndarray:
        column = np.empty(len(values), dtype=object)
        column[:] = list(values)
        return column

    return PoolTrades(
        traded_at_us=np.array([one.second * 1_000_000 for one in ordered], dtype=np.int64),
        tx_hash=texts([one.tx or f"tx{one.number:06d}" for one in ordered]),
        ordinal=np.array([one.number for one in ordered], dtype=np.int64),
        block_number=np.array([one.second for one in ordered], dtype=np.int64),
        is_buy=np.ones(len(ordered), dtype=bool),
        price_usd=texts(["2"] * len(ordered)),
        amount_base=texts([one.amount for one in ordered]),
        amount_quote=texts([one.amount for one in ordered]),
        volume_usd=texts(["2"] * len(ordered)),
        sender=texts(["somebody"] * len(ordered)),
        received=len(ordered) + len(refused),
        refused=tuple(refused),
    )
