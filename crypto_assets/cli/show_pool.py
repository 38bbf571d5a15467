"""What `crypto-assets show pool` has to say of one pool: its life, newest snapshot, bars, trades and place in the watchlist.

What belongs here: finding the pool that somebody means, and reading what is stored of it; JSON. What does not: tables
(show_pool_tables.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pandas as pd
from sqlalchemy import func, or_, select

from crypto_assets.cli.show_pools import network_of
from crypto_assets.cli.show_stored import near_names
from crypto_assets.cli.show_text import json_text, records
from crypto_assets.datasets.dex.pool_ohlcv.table import DATASET as BARS
from crypto_assets.datasets.dex.pool_ohlcv.table import pool_ohlcv
from crypto_assets.datasets.dex.pool_trades.table import DATASET as TRADES
from crypto_assets.datasets.dex.pool_trades.table import pool_trades
from crypto_assets.datasets.dex.pools.read import (
    matching_pools,
    newest_snapshot,
    pools_of_token,
    read_life,
    similar_addresses,
)
from crypto_assets.datasets.dex.watchlist.table import watchlist
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.quality.coverage import TICK, coverage, read_gaps
from crypto_assets.quality.gaps import State
from crypto_assets.universe import TIMEFRAME_LENGTH, Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_arrow, read_frame
from crypto_assets.watchlist_file import printable

PLOTTED = ("15m", "5m", "1h", "1m")  # of a day, which length of bar; the first that is stored
NAMED_STATES = ("present", State.VENUE_QUIET.value, State.MISSING.value)
_DAY = timedelta(days=1)
_SHORTEST_CUT = 4  # characters of an address that are worth a search
_SHORT = 20  # characters; no whole address is as short
_SINCE = datetime(2015, 1, 1, tzinfo=UTC)  # no pool is older
_TRADE = ("traded_at", "side", "price_usd", "amount_base", "amount_quote", "volume_usd", "tx_hash")


class UnknownPool(CryptoAssetsError):
    """No pool that we ever saw has such an address, or several have."""


@dataclass(frozen=True)
class PoolView:
    """What there is to show of one pool. Times are UTC.

    Args:
        life: Its row of dex.pool_lives.
        newest: The newest snapshot in which it was listed, by column, prices as exact texts; None where there is none.
        bars: A row for each length of bar: timeframe, stored, first, newest, and opening times by the ledger's states:
            present, venue_quiet, missing and other.
        plotted: Length of the bars of `closes`; empty where none are stored.
        closes: USD, of the day that ends with the newest bar, in order; NaN where a bar is absent.
        trades: Rows of dex.pool_trades, with the times of the first and the newest one.
        lost: Spans for which trades are gone: gap_start, gap_end, state, why.
        watched: Its entries of the watchlist, the newest first; ended ones too.
        last: The newest trades, newest first; numbers as exact texts.
    """

    network: str
    address: str
    life: Mapping[str, object]
    newest: Mapping[str, object] | None
    bars: pd.DataFrame
    plotted: str
    closes: Sequence[float]
    trades: tuple[int, datetime | None, datetime | None]
    lost: pd.DataFrame
    watched: list[dict[str, object]]
    last: list[dict[str, object]]


def read_view(warehouse: Warehouse, universe: Universe, typed: str, network: str, last: int) -> PoolView:
    """Read what there is to show.

    Args:
        typed: An address, its beginning, or one cut in the middle as our tables show it.
        network: As typed; empty for any.
        last: How many single trades.

    Raises:
        UniverseError: an unknown network.
        UnknownPool: no pool has that address, or several have; with the way to the right one.
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    pool = find_one(warehouse, typed, network_of(universe, network) if network else None)
    bars = read_bars_stored(warehouse, pool)
    plotted = next((one for one in PLOTTED if one in set(bars["timeframe"])), "")
    lost = read_gaps(warehouse, dataset=TRADES, venue=pool[0], symbol=pool[1], timeframe=TICK)
    return PoolView(
        *pool,
        records(read_life(warehouse, *pool))[0],
        newest_snapshot(warehouse, *pool),
        bars,
        plotted,
        read_closes(warehouse, pool, plotted) if plotted else [],
        _trades_stored(warehouse, pool),
        lost[lost["state"] != State.REPAIRED.value][["gap_start", "gap_end", "state", "why"]],
        _entries(warehouse, pool),
        newest_trades(warehouse, pool, last),
    )


def find_one(warehouse: Warehouse, typed: str, network: str | None) -> tuple[str, str]:
    """Network and address of the one pool that is meant.

    Raises:
        UnknownPool: no pool has that address, or several have.
    """
    text = typed.strip().replace("...", "…")
    text = text.lower() if text.lower().startswith("0x") else text  # the case of hexadecimal ones is but a checksum
    found = matching_pools(warehouse, text, network) if len(text) >= _SHORTEST_CUT else []
    if len(found) == 1:
        return found[0]
    shown = printable(typed[:60])
    if found:
        names = ", ".join(" on ".join(reversed(one)) for one in found[:4])
        more = " and more" if len(found) > 4 else ""
        raise UnknownPool(
            f"'{shown}' is the address of more than one pool",
            way_out=f"There are {names}{more}; write it out, or name the chain with --network.",
        )
    where = f" on {network}" if network else ""
    raise UnknownPool(f"No pool '{shown}' was ever seen{where}", way_out=_way_out(warehouse, text, network))


def read_bars_stored(warehouse: Warehouse, pool: tuple[str, str]) -> pd.DataFrame:
    """How much of each length of bar is stored, and what the ledger says of the rest; see `PoolView`."""
    c = pool_ohlcv.c
    opened = c.opened_at
    stored = read_frame(
        warehouse,
        select(
            c.timeframe,
            func.count().label("stored"),
            func.min(opened).label("first"),
            func.max(opened).label("newest"),
        )
        .where(c.network == pool[0], c.pool_address == pool[1])
        .group_by(c.timeframe),
    ).set_index("timeframe")
    told = coverage(warehouse, BARS, *pool, _SINCE, datetime.now(UTC) + _DAY)
    told = told[told["state"] != "not_collected"]
    states = told.assign(named=told["state"].where(told["state"].isin(NAMED_STATES), "other"))
    sums = states.pivot_table(index="timeframe", columns="named", values="bars", aggfunc="sum")
    sums = sums.reindex(columns=[*NAMED_STATES, "other"])
    whole = stored.join(sums, how="outer").fillna(dict.fromkeys(("stored", *sums.columns), 0))
    order = sorted(whole.index, key=lambda name: TIMEFRAME_LENGTH.get(name, _DAY))
    counts = dict.fromkeys(("stored", *sums.columns), "int64")
    return whole.loc[order].astype(counts).rename_axis("timeframe").reset_index()


def read_closes(warehouse: Warehouse, pool: tuple[str, str], timeframe: str) -> list[float]:
    """Closes in USD of the day that ends with the newest bar, one for each opening time; NaN where a bar is absent."""
    c = pool_ohlcv.c
    here = (c.network == pool[0]) & (c.pool_address == pool[1]) & (c.timeframe == timeframe)
    newest = select(func.max(c.opened_at)).where(here).scalar_subquery()
    rows = read_frame(
        warehouse, select(c.opened_at, c.close).where(here, c.opened_at > newest - _DAY).order_by(c.opened_at)
    )
    closes = rows.set_index("opened_at")["close"]
    length = TIMEFRAME_LENGTH[timeframe]
    opened = pd.date_range(end=closes.index[-1], periods=round(_DAY / length), freq=length, unit="us")
    return [float(one) for one in closes.reindex(opened)]


def newest_trades(warehouse: Warehouse, pool: tuple[str, str], most: int) -> list[dict[str, object]]:
    """The last trades, newest first: traded_at (UTC), side, tx_hash, and the numbers as exact texts."""
    if not most:
        return []
    c = pool_trades.c
    rows = read_arrow(
        warehouse,
        select(*(c[name] for name in _TRADE))
        .where(c.network == pool[0], c.pool_address == pool[1])
        .order_by(c.traded_at.desc(), c.tx_hash, c.ordinal.desc())
        .limit(most),
    )
    found: list[dict[str, object]] = rows.to_pylist()
    return found


def view_json(view: PoolView) -> str:
    """All of it for machines: times ISO 8601 UTC, exact numbers as texts, null for what is not known."""
    rows, first, newest = view.trades
    return json_text(
        {
            "network": view.network,
            "pool_address": view.address,
            "life": view.life,
            "newest": view.newest,
            "bars": records(view.bars),
            "closes": {"timeframe": view.plotted, "usd": list(view.closes)},
            "trades": {"rows": rows, "first": first, "newest": newest, "lost": records(view.lost)},
            "watchlist": view.watched,
            "last": view.last,
        }
    )


def _trades_stored(warehouse: Warehouse, pool: tuple[str, str]) -> tuple[int, datetime | None, datetime | None]:
    c = pool_trades.c
    chosen = select(
        func.count().label("rows"), func.min(c.traded_at).label("first"), func.max(c.traded_at).label("newest")
    ).where(c.network == pool[0], c.pool_address == pool[1])
    row = read_arrow(warehouse, chosen).to_pylist()[0]
    return int(row["rows"]), row["first"], row["newest"]


def _entries(warehouse: Warehouse, pool: tuple[str, str]) -> list[dict[str, object]]:
    c = watchlist.c
    meant = or_(c.pool_address == pool[1], c.address == pool[1])
    chosen = select(c.address, c.address_type, c.symbol, c.min_trade_usd, c.note, c.valid_from, c.valid_to)
    found: list[dict[str, object]] = read_arrow(
        warehouse, chosen.where(c.network == pool[0], meant).order_by(c.valid_from.desc())
    ).to_pylist()
    return found


def _way_out(warehouse: Warehouse, text: str, network: str | None) -> str:
    elsewhere = matching_pools(warehouse, text) if network and len(text) >= _SHORTEST_CUT else []
    if elsewhere:
        return f"It is one on {' and '.join(dict.fromkeys(name for name, _ in elsewhere))}."
    of_token = pools_of_token(warehouse, text)
    if of_token:
        return f"It is a token's; pools of it are {', '.join(of_token)}."
    similar = similar_addresses(warehouse, text) if len(text) >= _SHORTEST_CUT else []
    near = near_names(text, similar)
    if not near and similar and len(text) < _SHORT:  # too short to be near anything
        near = f"Did you mean {' or '.join(similar[:2])}? "
    return f"{near}`crypto-assets show pools` lists the largest; one in config/watchlist.csv is met at the next round."
