"""What was bought and sold of a currency in its watched pools, as features may know it.

What belongs here: reading dex.pool_trades, and for which hours they are whole. What does not: which pools belong to a currency
(dex_pools.py), the features (dex_set.py).

A trade reaches the API up to `settle_seconds` after its block, so at a bar's close the last of its trades are not known yet.
The time that counts for a bar is therefore the bar moved back by so much: everything in it is known at the close.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from sqlalchemy import ColumnElement, Double, FromClause, and_, cast, func, or_, select

from crypto_assets.datasets.dex.pool_trades.table import DATASET, pool_trades
from crypto_assets.datasets.dex.pools.table import pool_lives
from crypto_assets.datasets.dex.watchlist.table import watchlist
from crypto_assets.datasets.features.ml_features.as_of import KnownRows
from crypto_assets.datasets.features.ml_features.dex_pools import (
    base_of,
    closes_of,
    has_pools,
    microseconds,
    moment_of,
    pools_of,
    rules_of,
)
from crypto_assets.datasets.features.ml_features.pool_totals import Grid, Whole
from crypto_assets.datasets.features.source import Source, floats, times
from crypto_assets.indicators.declaration import Bools, Floats
from crypto_assets.quality.coverage import TICK, SeriesKey
from crypto_assets.quality.gaps import State
from crypto_assets.schema.bookkeeping import collected_ranges, coverage
from crypto_assets.spans import Span, difference
from crypto_assets.universe import DexRules

POOL_FLOW_COLUMNS = ("pool_bought", "pool_sold")

type _Pool = tuple[str, str]


@dataclass(frozen=True)
class _Watched:
    """A pool of the currency while the watchlist had it.

    Args:
        pool: Its network and address.
        is_base: Whether the currency is its base token.
        since: When the entry had come and its pool was chosen.
        until: When the entry was gone; None while it stands.
    """

    pool: _Pool
    is_base: bool
    since: datetime
    until: datetime | None


@dataclass(frozen=True)
class _Flow:
    """One pool's trades, added up for each close of a grid; 0 where there is none."""

    bought: Floats
    sold: Floats
    trades: Floats
    known_at: Whole


def pool_flow(source: Source, key: SeriesKey, start: datetime, end: datetime) -> list[KnownRows]:
    """Value bought and sold of the market's base currency, for each bar for which every watched pool is wholly collected.

    Known at the bar's close, or with the last of its trades where that was later.
    """
    rules, currency = rules_of(source), base_of(key.symbol)
    watched = _watched(source, rules, currency) if has_pools(source, rules, currency) else []
    grid = closes_of(key.timeframe, start, end)
    if not watched or not grid.count:
        return []
    settled = round(rules.settle_seconds * 1e6)
    flows = _flows(source, source.stands(pool_trades, _within(watched, grid, settled)), grid, settled)
    whole = _whole(source, watched, grid, settled, flows)
    bought, sold = np.zeros(grid.count), np.zeros(grid.count)
    known_at = grid.times.astype(np.int64)
    is_any, is_whole = np.zeros(grid.count, dtype=bool), np.ones(grid.count, dtype=bool)
    for pool in sorted({one.pool for one in watched}):
        entries = [one for one in watched if one.pool == pool]
        is_watched = _is_watched(entries, grid, settled)
        is_any |= is_watched
        is_whole &= ~is_watched | whole[pool]
        if pool in flows:
            flow, is_base = flows[pool], entries[0].is_base
            bought += np.where(is_watched, flow.bought if is_base else flow.sold, 0.0)
            sold += np.where(is_watched, flow.sold if is_base else flow.bought, 0.0)
            known_at = np.maximum(known_at, np.where(is_watched, flow.known_at, 0))
    told = np.flatnonzero(is_any & is_whole)
    values = dict(zip(POOL_FLOW_COLUMNS, (bought[told], sold[told]), strict=True))
    return [KnownRows(known_at[told].view("datetime64[us]"), grid.times[told], values)]


def _watched(source: Source, rules: DexRules, currency: str) -> list[_Watched]:
    """Entries of the watchlist whose pool belongs to the currency."""
    w, lives = source.stands(watchlist, watchlist.c.pool_address.is_not(None)).c, pool_lives.c
    found = []
    for network, tokens in rules.tokens_of(currency).items():
        rows = source.reader.frame(
            select(w.pool_address, lives.base_token, w.valid_from, w.resolved_at, w.valid_to)
            .join(pool_lives, and_(lives.network == w.network, lives.pool_address == w.pool_address))
            .where(pools_of(pool_lives, rules, currency, network), w.resolved_at.is_not(None))
        )
        for row in rows.to_dict("records"):
            since = max(row["valid_from"], row["resolved_at"]).to_pydatetime()
            until = None if pd.isna(row["valid_to"]) else row["valid_to"].to_pydatetime()
            found.append(_Watched((network, row["pool_address"]), row["base_token"] in tokens, since, until))
    return found


def _is_watched(entries: Sequence[_Watched], grid: Grid, settled: int) -> Bools:
    """For each close whether an entry had stood since the bar's time began, and stood then."""
    closes = grid.times.astype(np.int64)
    is_watched = np.zeros(grid.count, dtype=bool)
    for one in entries:
        until = closes[-1:] + 1 if one.until is None else microseconds(one.until)
        is_watched |= (closes - grid.step - settled >= microseconds(one.since)) & (closes < until)
    return is_watched


def _flows(source: Source, trades: FromClause, grid: Grid, settled: int) -> dict[_Pool, _Flow]:
    """Trades added up, exactly, for each pool and close."""
    c = trades.c
    length, late = timedelta(microseconds=grid.step), timedelta(microseconds=settled)
    opened = func.date_bin(length, c.traded_at + late, moment_of(0)).label("opened_at")

    def total(side: str) -> ColumnElement[float]:
        return cast(func.coalesce(func.sum(c.volume_usd).filter(c.side == side), 0), Double()).label(side)

    keys = (c.network, c.pool_address, opened)
    known, number = func.max(c.known_at).label("known_at"), func.count().label("count")
    rows = source.reader.arrow(select(*keys, total("buy"), total("sell"), known, number).group_by(*keys))
    pools = list(zip(rows.column("network").to_pylist(), rows.column("pool_address").to_pylist(), strict=True))
    place = (times(rows, "opened_at").astype(np.int64) + grid.step - grid.first) // grid.step
    flows = {}
    for pool in set(pools):
        mine = np.array([one == pool for one in pools])
        bought, sold, count = np.zeros((3, grid.count))
        flow = _Flow(bought, sold, count, np.zeros(grid.count, dtype=np.int64))
        for into, name in ((flow.bought, "buy"), (flow.sold, "sell"), (flow.trades, "count")):
            into[place[mine]] = floats(rows, name)[mine]
        flow.known_at[place[mine]] = times(rows, "known_at").astype(np.int64)[mine]
        flows[pool] = flow
    return flows


def _whole(
    source: Source, watched: Sequence[_Watched], grid: Grid, settled: int, flows: Mapping[_Pool, _Flow]
) -> dict[_Pool, Bools]:
    """For each pool and close whether all its trades of the bar's time are here."""
    pools = {one.pool for one in watched}
    spans = _spans(source, pools)
    ends = grid.times.astype(np.int64) - settled
    whole = {pool: _lies_in(spans[pool], ends - grid.step, ends) for pool in pools}
    if source.as_of is None:
        return whole
    # What had been collected by then is not kept; an hour of which more trades are here now was not whole then.
    now = _flows(source, select(pool_trades).where(_within(watched, grid, settled)).subquery(), grid, settled)
    nothing = np.zeros(grid.count)
    for pool in pools:
        then = flows[pool].trades if pool in flows else nothing
        whole[pool] &= then == (now[pool].trades if pool in now else nothing)
    return whole


def _spans(source: Source, pools: Collection[_Pool]) -> dict[_Pool, list[Span]]:
    """For each pool what was collected less what was lost."""
    r, c = collected_ranges.c, coverage.c
    span = func.unnest(r.collected)
    mine = or_(*((r.venue == network) & (r.symbol == address) for network, address in sorted(pools)))
    asked = select(r.venue, r.symbol, func.lower(span).label("since"), func.upper(span).label("until")).where(
        r.dataset == DATASET, r.timeframe == TICK, mine
    )
    lost = or_(*((c.venue == network) & (c.symbol == address) for network, address in sorted(pools)))
    gaps = source.stands(
        coverage, lost & (c.dataset == DATASET) & (c.timeframe == TICK) & (c.state != State.REPAIRED.value)
    ).c
    collected, absent = (
        source.reader.frame(one)
        for one in (
            asked,
            select(gaps.venue, gaps.symbol, gaps.gap_start.label("since"), gaps.gap_end.label("until")),
        )
    )
    return {pool: difference(_of(collected, pool), _of(absent, pool)) for pool in pools}


def _of(rows: pd.DataFrame, pool: _Pool) -> list[Span]:
    mine = rows[(rows["venue"] == pool[0]) & (rows["symbol"] == pool[1])]
    return [(row["since"].to_pydatetime(), row["until"].to_pydatetime()) for row in mine.to_dict("records")]


def _lies_in(spans: Sequence[Span], starts: Whole, ends: Whole) -> Bools:
    """For each time whether one span holds it all. The spans are in order and apart."""
    if not spans:
        return np.zeros(len(starts), dtype=bool)
    begins, stops = (np.array([microseconds(one[side]) for one in spans]) for side in (0, 1))
    at = np.searchsorted(begins, starts, side="right") - 1
    is_inside: Bools = (at >= 0) & (stops[np.maximum(at, 0)] >= ends)
    return is_inside


def _within(watched: Sequence[_Watched], grid: Grid, settled: int) -> ColumnElement[bool]:
    """The condition for the trades of these pools in the grid's bars, each moved back."""
    c = pool_trades.c
    start = moment_of(grid.first - grid.step - settled)
    end = moment_of(grid.first + (grid.count - 1) * grid.step - settled)
    pools = sorted({one.pool for one in watched})
    mine = or_(*((c.network == network) & (c.pool_address == address) for network, address in pools))
    return mine & (c.traded_at >= start) & (c.traded_at < end)
