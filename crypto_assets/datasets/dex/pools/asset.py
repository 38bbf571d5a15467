"""The asset dex/pools: a snapshot of the top pools, the new ones, the watchlist's, and in turn of those we once saw.

What belongs here: what is asked for, rows from answers, what a run says. What does not: the rule of death (lives.py), reading
as of a date (read.py), when it runs (automation.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import dagster as dg
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from crypto_assets.clients.exchange_bars import Floats, RefusedRow
from crypto_assets.clients.failures import Malformed, ProviderError
from crypto_assets.clients.pool_rows import Answer, PoolRow
from crypto_assets.clients.trade_rows import Texts
from crypto_assets.datasets.dex.network_asset import NetworkRun, Order, network_asset
from crypto_assets.datasets.dex.pools.lives import Gone, living, note_gone, note_seen
from crypto_assets.datasets.dex.pools.table import DATASET, WINDOWS, pools
from crypto_assets.datasets.dex.watchlist.table import watched_pools
from crypto_assets.datasets.outcomes import Collected, Described, EventOutcome
from crypto_assets.partitions import Grids
from crypto_assets.quality.coverage import TICK
from crypto_assets.warehouse.quarantine import Refused, quarantine
from crypto_assets.warehouse.write import Batch, upsert

POOLS_A_REQUEST = 30  # what a call for several pools takes
SHOWN = 50
_SOURCE = "geckoterminal pools"
_COUNTS = ("buys", "sells", "buyers", "sellers")


class PoolsConfig(dg.Config):
    """What a run asks for; left out means all that the universe says."""

    watched_only: bool = Field(default=False, description="Only the watchlist's pools, thirty a request.")


@dataclass
class _Found:
    """What a round has found: pools by address, each once, with the list in which it first stood."""

    rows: dict[str, tuple[PoolRow, str]] = field(default_factory=dict)
    refused: list[RefusedRow] = field(default_factory=list)
    outcomes: list[EventOutcome] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)

    def add(self, network: str, what: str, found_in: str, answer: Answer[PoolRow]) -> None:
        """Take an answer in."""
        for row in answer.rows:
            self.rows.setdefault(row.address, (row, found_in))
        self.refused += answer.refused
        self.outcomes.append(
            EventOutcome(network, what, received=len(answer.rows), quarantined=len(answer.refused), turns=1)
        )


def build_asset(grids: Grids) -> dg.AssetsDefinition:
    """The asset over the grids of the universe in force; automation.py adds when it runs."""
    return network_asset(
        DATASET,
        pools,
        grids,
        PoolsConfig,
        collect_pools,
        description="Snapshots of pools and the life of each, dead ones included; day × network. Only of now.",
        expected_every=timedelta(minutes=10),
        order=Order(after=("dex/watchlist",)),
    )


def collect_pools(run: NetworkRun[PoolsConfig]) -> Collected:
    """Take one round of snapshots, if the window is still open."""
    if not run.is_open():
        return Collected([], {})
    at = run.clock()
    found = _Found() if run.config.watched_only else _ask_lists(run)
    _ask_named(run, found, at)
    gone = store_snapshots(run, found, at)
    new = sum(1 for _, where in found.rows.values() if where == "new")
    told = {"pools": len(found.rows), "pools_new": new, "pools_unlisted": len(gone)}
    metadata: Described = {name: dg.MetadataValue.int(count) for name, count in told.items()}
    largest = sorted(found.rows.values(), key=lambda one: -(one[0].reserve_usd or 0.0))[:SHOWN]
    if largest:
        metadata["largest_pools"] = dg.MetadataValue.table([dg.TableRecord(_record(*one)) for one in largest])
    return Collected(found.outcomes, metadata)


def _ask_lists(run: NetworkRun[PoolsConfig]) -> _Found:
    """The top pools of each DEX and the network's new ones. One list that fails leaves the others."""
    found, rules = _Found(), run.universe.dex
    for dex in rules.networks[run.network].dexes:
        for page in range(1, rules.pool_pages + 1):
            _try(run, found, f"{dex} top {page}", "top", partial(run.client.top_pools, run.network, dex, page))
    for page in range(1, rules.pool_pages + 1):
        _try(run, found, f"new {page}", "new", partial(run.client.new_pools, run.network, page))
    return found


def _ask_named(run: NetworkRun[PoolsConfig], found: _Found, at: datetime) -> None:
    """The watchlist's pools, then those that we once saw and did not meet again, the longest not asked for first."""
    rules = run.universe.dex
    follows = 0 if run.config.watched_only else rules.follow_requests * POOLS_A_REQUEST
    watched = [pool.address for pool in watched_pools(run.warehouse, run.network) if pool.address not in found.rows]
    with run.warehouse.connect() as connection:
        met = at - timedelta(minutes=rules.pools_interval_minutes)
        others = living(connection, run.network, met, follows + len(found.rows)) if follows else []
    followed = [one for one in others if one not in found.rows and one not in watched][:follows]
    for found_in, addresses in (("watchlist", watched), ("followed", followed)):
        for first in range(0, len(addresses), POOLS_A_REQUEST):
            asked = addresses[first : first + POOLS_A_REQUEST]
            is_answered = _try(
                run, found, f"{found_in} {first // POOLS_A_REQUEST + 1}", found_in,
                partial(run.client.pools, run.network, asked),
            )  # fmt: skip
            found.asked.update(asked if is_answered else ())


def _try(
    run: NetworkRun[PoolsConfig], found: _Found, what: str, found_in: str, ask: Callable[[], Answer[PoolRow]]
) -> bool:
    try:
        answer = ask()
    except ProviderError as error:
        found.outcomes.append(EventOutcome(run.network, what, turns=1, warning=str(error), failed=True))
        if isinstance(error, Malformed):
            found.refused.append(RefusedRow(error.problem, error.payload))
        return False
    found.add(run.network, what, found_in, answer)
    return True


def store_snapshots(run: NetworkRun[PoolsConfig], found: _Found, at: datetime) -> list[Gone]:
    """Write snapshots, lives and what was refused in one transaction; what was asked for and not told of is gone.

    Where a row of the round was refused nobody is called gone: it may have been that one.
    """
    absent = [] if found.refused else sorted(found.asked - found.rows.keys())
    rows = [row for row, _ in found.rows.values()]
    with run.warehouse.connect() as connection:
        gone = note_gone(connection, run.network, absent, at)
        note_seen(connection, run.network, rows, at, _SOURCE, run.universe.dex)
        upsert(connection, pools, build_rows(run.network, list(found.rows.values()), at))
        if gone:
            upsert(connection, pools, build_gone(run.network, gone, at))
        kept = [Refused(one.reason, one.payload) for one in found.refused]
        quarantine(connection, dataset=DATASET, venue=run.network, symbol="", timeframe=TICK, items=kept)
    return gone


def build_rows(network: str, found: Sequence[tuple[PoolRow, str]], at: datetime) -> Batch:
    """The table's columns from pools, each with the list it stood in. Pure."""
    rows = [row for row, _ in found]
    wall = np.datetime64(at.replace(tzinfo=None), "us")
    windows = {f"volume_usd_{window}": _floats([row.volume_usd.get(window) for row in rows]) for window in WINDOWS} | {
        f"price_change_pct_{window}": _floats([row.price_change_pct.get(window) for row in rows]) for window in WINDOWS
    }
    counts = {
        f"{name}_{window}": _objects([getattr(row, name).get(window) for row in rows])
        for name in _COUNTS
        for window in WINDOWS
    }
    texts = ("dex", "name", "base_token", "base_symbol", "quote_token", "quote_symbol")
    exact = ("price_usd", "price_quote", "quote_price_usd")
    numbers = ("fee_pct", "reserve_usd", "fdv_usd", "market_cap_usd")
    return {
        "network": network,
        "pool_address": _objects([row.address for row in rows]),
        "snapshot_at": np.full(len(rows), wall),
        **{name: _objects([getattr(row, name) for row in rows]) for name in (*texts, *exact)},
        **{name: _floats([getattr(row, name) for row in rows]) for name in numbers},
        "created_at": _moments([row.created_at for row in rows]),
        "found_in": _objects([where for _, where in found]),
        "is_listed": np.full(len(rows), fill_value=True),
        **windows,
        **counts,
        "source": _SOURCE,
        "known_at": np.full(len(rows), wall),
    }


def build_gone(network: str, gone: Sequence[Gone], at: datetime) -> Batch:
    """Snapshots that say that GeckoTerminal knows these pools no more. Pure."""
    wall = np.datetime64(at.replace(tzinfo=None), "us")
    return {
        "network": network,
        "pool_address": _objects([one.address for one in gone]),
        "snapshot_at": np.full(len(gone), wall),
        "dex": _objects([one.dex for one in gone]),
        **dict.fromkeys(("name", "base_symbol", "quote_symbol"), ""),
        "base_token": _objects([one.base_token for one in gone]),
        "quote_token": _objects([one.quote_token for one in gone]),
        "created_at": _moments([one.created_at for one in gone]),
        "found_in": "followed",
        "is_listed": np.full(len(gone), fill_value=False),
        "source": _SOURCE,
        "known_at": np.full(len(gone), wall),
    }


def _floats(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _objects(values: Sequence[object]) -> Texts:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _moments(values: Sequence[datetime | None]) -> NDArray[np.datetime64]:
    walls = [None if value is None else value.replace(tzinfo=None) for value in values]
    return np.array(walls, dtype="datetime64[us]")


def _record(row: PoolRow, found_in: str) -> dict[str, str | float]:
    return {
        "pool": row.name,
        "dex": row.dex,
        "address": row.address,
        "reserve_usd": round(row.reserve_usd or 0.0, 2),
        "volume_usd_24h": round(row.volume_usd.get("24h", 0.0), 2),
        "list": found_in,
    }
