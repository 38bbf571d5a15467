"""What a transaction costs, as features may know it: on Ethereum, and on the chain of the market's base currency.

What belongs here: which chain is a currency's own, how old an observation may be, and reading onchain.network_fees. What does
not: the join by time (as_of.py), the features (fees_set.py).
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
from sqlalchemy import select

from crypto_assets.datasets.features.ml_features.as_of import KnownRows, newest_known
from crypto_assets.datasets.features.ml_features.dex_pools import base_of, closes_of, moment_of
from crypto_assets.datasets.features.ml_features.pool_totals import Grid
from crypto_assets.datasets.features.source import Source, floats, times
from crypto_assets.datasets.onchain.network_fees.table import BITCOIN, ETHEREUM, SOLANA, network_fees
from crypto_assets.indicators.declaration import Floats
from crypto_assets.quality.coverage import SeriesKey

OWN_CHAIN = {"BTC": BITCOIN, "ETH": ETHEREUM, "SOL": SOLANA}
# Fees follow the hours of the day: what was paid six hours ago was paid on another continent.
FEE_MAX_AGE = timedelta(hours=6)
FEE_COLUMNS = ("ethereum_base_fee", "ethereum_tip", "ethereum_used_ratio")
OWN_FEE_COLUMNS = ("own_chain_fee",)
_TOLD = (
    "base_fee_gwei", "priority_fee_p50_gwei", "gas_used_ratio", "half_hour_sat_vb", "priority_fee_p50_microlamports",
    "next_base_fee_gwei",
)  # fmt: skip


def fees_known(source: Source, key: SeriesKey, start: datetime, end: datetime) -> list[KnownRows]:
    """Ethereum's fees at the close of each bar, the same for all markets: gwei, gwei, share. Known at that close."""
    grid = closes_of(key.timeframe, start, end)
    if not _holds(source, ETHEREUM) or not grid.count:
        return []
    told = _at_closes(source, ETHEREUM, grid)
    columns = dict(zip(FEE_COLUMNS, (told[name] for name in _TOLD), strict=False))
    return [KnownRows(grid.times, grid.times, columns)]


def own_fees_known(source: Source, key: SeriesKey, start: datetime, end: datetime) -> list[KnownRows]:
    """What the base currency's own chain asks at the close of each bar, in that chain's unit. Known at that close."""
    grid = closes_of(key.timeframe, start, end)
    chain = OWN_CHAIN.get(base_of(key.symbol))
    if chain is None or not _holds(source, chain) or not grid.count:
        return []
    told = _at_closes(source, chain, grid)
    fee = {
        ETHEREUM: told["base_fee_gwei"] + told["priority_fee_p50_gwei"],
        BITCOIN: told["half_hour_sat_vb"],
        SOLANA: told["priority_fee_p50_microlamports"],
    }[chain]
    return [KnownRows(grid.times, grid.times, {"own_chain_fee": fee})]


def _holds(source: Source, chain: str) -> bool:
    return source.may_hold(network_fees, chain, network_fees.c.chain == chain)


def _at_closes(source: Source, chain: str, grid: Grid) -> dict[str, Floats]:
    question = ("fees", chain, source.as_of, source.known_by, grid)
    return source.shared.once(question, lambda: _read(source, chain, grid))


def _read(source: Source, chain: str, grid: Grid) -> dict[str, Floats]:
    first, last = moment_of(grid.first), moment_of(grid.first + (grid.count - 1) * grid.step)
    c = network_fees.c
    where = (c.chain == chain) & (c.observed_at >= first - FEE_MAX_AGE) & (c.observed_at <= last) & (c.known_at <= last)
    t = source.stands(network_fees, where).c
    rows = source.reader.arrow(select(t.observed_at, t.known_at, *(t[name] for name in _TOLD)))
    observed = times(rows, "observed_at")
    at = newest_known(grid.times, times(rows, "known_at"), observed, None)
    if not len(observed):
        return {name: np.full(grid.count, np.nan) for name in _TOLD}
    age = grid.times - observed[np.maximum(at, 0)]
    is_known = (at >= 0) & (age <= np.timedelta64(FEE_MAX_AGE // timedelta(microseconds=1), "us"))
    told = {name: floats(rows, name) for name in _TOLD}
    # Etherscan knows the next block's base fee alone, which is at most an eighth off.
    is_there = np.isfinite(told["base_fee_gwei"])
    told["base_fee_gwei"] = np.where(is_there, told["base_fee_gwei"], told["next_base_fee_gwei"])
    return {name: np.where(is_known, values[np.maximum(at, 0)], np.nan) for name, values in told.items()}
