"""Pools of a currency as features may know them: reserve, volume and transactions of the living ones, and the new ones.

What belongs here: reading dex.pools and dex.pool_lives. What does not: adding up (pool_totals.py), the features (dex_set.py),
trades of pools (dex_trades.py).

A pool belongs to a currency by the addresses of its tokens, never by their symbols: anybody may call a token SOL. One whose two
tokens are assets belongs to its base token's alone. Where the currency is the quote token, the pool's sales of the base
token are purchases of the currency.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
from sqlalchemy import ColumnElement, FromClause, Table, case, false, func, or_, select

from crypto_assets.datasets.dex.pools.table import pool_lives, pools
from crypto_assets.datasets.features.ml_features.as_of import KnownRows
from crypto_assets.datasets.features.ml_features.pool_totals import (
    Grid,
    Snapshots,
    Whole,
    born_before,
    newest_sums,
    watched_since,
)
from crypto_assets.datasets.features.source import Source, floats, times
from crypto_assets.indicators.declaration import Bools, Floats, Times
from crypto_assets.quality.coverage import SeriesKey
from crypto_assets.universe import TIMEFRAME_LENGTH, DexRules

# Lists are asked for every ten minutes: a pool that five rounds in a row did not bring is not in them any more.
POOL_MAX_AGE = timedelta(hours=1)
NEW_WITHIN = timedelta(hours=24)
POOL_COLUMNS = (
    "pool_reserve", "pool_volume", "pool_volume_reserve", "pool_buys", "pool_sells", "pool_count", "pool_births",
)  # fmt: skip
_TOLD = ("reserve_usd", "volume_usd_1h", "buys_1h", "sells_1h")
_DAYS_AT_ONCE = timedelta(days=31)  # some half a million snapshots of one network
_US = timedelta(microseconds=1)


@dataclass(frozen=True)
class _Told:
    """What one network's pools tell at each moment.

    Args:
        sums: Each of `POOL_COLUMNS` but the births; NaN where no pool tells it.
        births: Pools first seen within a day; NaN where the network was not watched all day.
        is_there: Whether the network was asked at all, within a day and the bound.
    """

    sums: dict[str, Floats]
    births: Floats
    is_there: Bools


def pools_known(source: Source, key: SeriesKey, start: datetime, end: datetime) -> list[KnownRows]:
    """What the pools of the market's base currency add up to at the close of each bar. Known at that close."""
    rules, currency = rules_of(source), base_of(key.symbol)
    grid = closes_of(key.timeframe, start, end)
    if not grid.count or not has_pools(source, rules, currency):
        return []
    told = [_network(source, rules, currency, network, grid) for network in sorted(rules.tokens_of(currency))]
    columns = {name: _added([one.sums[name] for one in told]) for name in told[0].sums}
    # A network that was not asked for a day is not there; one that was asked for a part of it leaves the number unknown.
    births = _added([np.where(one.is_there, np.nan_to_num(one.births), np.nan) for one in told])
    is_unknown = np.any([one.is_there & np.isnan(one.births) for one in told], axis=0)
    columns["pool_births"] = np.where(is_unknown, np.nan, births)
    at = grid.times
    return [KnownRows(at, at, columns)]


def rules_of(source: Source) -> DexRules:
    """The rules of pools that a source for features was given.

    Raises:
        ValueError: it was given none.
    """
    if source.dex is None:
        raise ValueError("expected a source with the universe's rules of pools")
    return source.dex


def base_of(symbol: str) -> str:
    """The currency that a market trades: BTC of BTC/USDT and of BTC/USDT:USDT."""
    return symbol.partition("/")[0]


def has_pools(source: Source, rules: DexRules, currency: str) -> bool:
    """Whether we ever saw a pool of a currency."""
    if not rules.tokens_of(currency):
        return False
    where = or_(*(pools_of(pool_lives, rules, currency, network) for network in rules.tokens_of(currency)))
    return source.holds_any(pool_lives, currency, where)


def closes_of(timeframe: str, start: datetime, end: datetime) -> Grid:
    """The closes of bars that open in [start, end)."""
    step = TIMEFRAME_LENGTH[timeframe] // _US
    first = microseconds(start) // step + 1
    return Grid(first * step, step, max(0, -(-microseconds(end) // step) - first + 1))


def pools_of(table: Table | FromClause, rules: DexRules, currency: str, network: str) -> ColumnElement[bool]:
    """The condition for a network's pools that belong to a currency, on dex.pools or dex.pool_lives."""
    c = table.c
    tokens = rules.tokens_of(currency)[network]
    is_quote = c.quote_token.in_(tokens) & c.base_token.not_in(sorted(rules.asset_tokens(network)))
    return (c.network == network) & (c.base_token.in_(tokens) | is_quote)


def microseconds(at: datetime) -> int:
    """Since 1970, UTC."""
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // _US


def moment_of(at: int) -> datetime:
    """The moment so many microseconds after 1970, UTC."""
    return datetime(1970, 1, 1, tzinfo=UTC) + at * _US


def _network(source: Source, rules: DexRules, currency: str, network: str, grid: Grid) -> _Told:
    size = max(1, _DAYS_AT_ONCE // _US // grid.step)
    sums: list[dict[str, Floats]] = []
    rounds: list[Times] = []
    for start in range(0, grid.count, size):
        part = grid.part(start, start + size)
        # The first one tells of the rounds of the day before, too; the others go on where the one before ends.
        back = max(POOL_MAX_AGE, grid.step * _US) if start else POOL_MAX_AGE + NEW_WITHIN
        rows = _snapshots(source, rules, currency, network, (moment_of(part.first) - back, moment_of(_last(part))))
        sums.append(newest_sums(part, rows, POOL_MAX_AGE))
        rounds.append(np.unique(rows.known_at))
    joined = {name: np.concatenate([one[name] for one in sums]) for name in POOL_COLUMNS[:-1]}
    last, since = watched_since(grid, np.concatenate(rounds), POOL_MAX_AGE)
    bound, day = (np.timedelta64(span // _US, "us") for span in (POOL_MAX_AGE, NEW_WITHIN))
    is_there = grid.times - last <= day + bound  # false where there was no round
    is_watched = (grid.times - last <= bound) & (since <= grid.times - day)
    births = np.where(is_watched, _births(source, rules, currency, network, grid), np.nan)
    return _Told(joined, births, is_there)


def _snapshots(
    source: Source, rules: DexRules, currency: str, network: str, span: tuple[datetime, datetime]
) -> Snapshots:
    """Snapshots of both ends of a span; of dead pools without any value."""
    c = pools.c
    here = pools_of(pools, rules, currency, network)
    there = source.stands(pools, here & (c.snapshot_at >= span[0]) & (c.snapshot_at <= span[1]))
    t = there.c
    # The rule of dex.pool_lives by one snapshot: where the transactions or the reserve are not told, nothing is concluded.
    is_drained = (t.buys_24h + t.sells_24h == 0) & (t.reserve_usd < rules.dead_reserve_usd)
    is_living = case((t.is_listed & ~func.coalesce(is_drained, false()), 1.0), else_=0.0)
    is_base = case((t.base_token.in_(rules.tokens_of(currency)[network]), 1.0), else_=0.0)
    rows = source.reader.arrow(
        select(
            t.pool_address, t.snapshot_at, t.known_at, *(t[name] for name in _TOLD), is_living.label("is_living"),
            is_base.label("is_base"),
        )
    )  # fmt: skip
    return Snapshots(_numbers(rows), times(rows, "snapshot_at"), times(rows, "known_at"), _values(rows))


def _values(rows: pa.Table) -> dict[str, Floats]:
    living = np.where(floats(rows, "is_living") > 0, 1.0, np.nan)
    reserve, volume, buys, sells = (floats(rows, name) * living for name in _TOLD)
    is_base = floats(rows, "is_base") > 0
    has_both = np.where(np.isfinite(reserve) & np.isfinite(volume), 1.0, np.nan)
    has_counts = np.where(np.isfinite(buys) & np.isfinite(sells), 1.0, np.nan)
    told = (
        reserve, volume * has_both, reserve * has_both,
        np.where(is_base, buys, sells) * has_counts, np.where(is_base, sells, buys) * has_counts, living,
    )  # fmt: skip
    return dict(zip(POOL_COLUMNS, told, strict=False))


def _numbers(rows: pa.Table) -> Whole:
    """A number for each row's pool, in the order of the addresses, which does not depend on the window."""
    encoded = rows.column("pool_address").combine_chunks().dictionary_encode()
    names = encoded.dictionary.to_pylist()
    rank = np.empty(len(names), dtype=np.int64)
    rank[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))
    return rank[np.asarray(encoded.indices.to_numpy(zero_copy_only=False), dtype=np.int64)]


def _births(source: Source, rules: DexRules, currency: str, network: str, grid: Grid) -> Floats:
    """Pools of the currency first seen within a day. Lives are never taken away, so that what was known then is here now."""
    c = pool_lives.c
    where = pools_of(pool_lives, rules, currency, network)
    where &= (c.first_seen_at > moment_of(grid.first) - NEW_WITHIN) & (c.first_seen_at <= moment_of(_last(grid)))
    if source.last_known is not None:
        where &= c.known_at <= source.last_known
    rows = source.reader.arrow(select(c.first_seen_at, c.known_at).where(where))
    return born_before(grid, times(rows, "first_seen_at"), times(rows, "known_at"), NEW_WITHIN)


def _last(grid: Grid) -> int:
    return grid.first + (grid.count - 1) * grid.step


def _added(parts: list[Floats]) -> Floats:
    """The sum of those that are known; NaN where none is."""
    total, known = np.zeros(len(parts[0])), np.zeros(len(parts[0]), dtype=bool)
    for part in parts:
        total += np.nan_to_num(part)
        known |= np.isfinite(part)
    return np.where(known, total, np.nan)
