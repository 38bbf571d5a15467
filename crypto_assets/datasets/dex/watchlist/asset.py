"""The asset dex/watchlist: the file's entries as they come, change and go, and the pool that stands for each.

What belongs here: comparing the file with what is stored, what a run says. What does not: the file's rules
(watchlist_file.py), which pool stands for an entry (resolve.py), when it runs (automation.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

import dagster as dg
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import Text, select

from crypto_assets.datasets.dex.network_asset import NetworkRun, network_asset
from crypto_assets.datasets.dex.pools.table import dead_pools
from crypto_assets.datasets.dex.watchlist.resolve import Resolved, resolve
from crypto_assets.datasets.dex.watchlist.table import DATASET, watchlist
from crypto_assets.datasets.outcomes import Collected, Described, EventOutcome
from crypto_assets.partitions import Grids
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame
from crypto_assets.warehouse.write import Batch, upsert
from crypto_assets.watchlist_file import BadRow, WatchedAddress, read_watchlist

SHOWN = 100
_SOURCE = "config/watchlist.csv"


class WatchlistConfig(dg.Config):
    """Nothing to choose: a run reads the file."""


@dataclass(frozen=True)
class Entry:
    """An entry as it is stored; times are UTC."""

    address: str
    address_type: str
    symbol: str
    min_trade_usd: Decimal
    note: str
    valid_from: datetime
    valid_to: datetime | None = None
    pool_address: str | None = None
    resolved_at: datetime | None = None
    problem: str = ""


def build_asset(grids: Grids) -> dg.AssetsDefinition:
    """The asset over the grids of the universe in force; automation.py adds when it runs."""
    return network_asset(
        DATASET,
        watchlist,
        grids,
        WatchlistConfig,
        follow_watchlist,
        description="Entries of config/watchlist.csv, each from when it came to when it went, with the pool it stands for.",
        expected_every=timedelta(hours=2),
    )


def follow_watchlist(run: NetworkRun[WatchlistConfig]) -> Collected:
    """Bring a network's entries in line with the file, if the window is still open.

    Raises:
        WatchlistError: the file cannot be read; the entries stay as they are.
    """
    if not run.is_open():
        return Collected([], {})
    at = run.clock()
    file = read_watchlist(run.watchlist_path, run.universe)
    for bad in file.bad:
        run.log.warning("%s line %d is skipped: %s", run.watchlist_path.name, bad.line, bad.problem)
    before = read_open(run.warehouse, run.network)
    wanted = [one for one in file.entries if one.network == run.network]
    after = merge(before, wanted, at)
    unresolved = _unresolved(after, dead_pools(run.warehouse, run.network))
    pools = [one.address for one in unresolved if one.address_type == "pool"]
    tokens = [one.address for one in unresolved if one.address_type == "token"]
    found, failures = resolve(run.client, run.network, pools, tokens)
    after = [one for entry in after for one in _with(entry, found.get(entry.address), at)]
    changed = [one for one in after if before.get(one.address) != one]
    with run.warehouse.connect() as connection:
        counts = upsert(connection, watchlist, build_rows(run.network, changed))
    outcomes = [_outcome(run.network, one) for one in after if one.valid_to is None and one.problem]
    outcomes += [EventOutcome(run.network, "", warning=str(error), failed=True) for error in failures]
    here = EventOutcome(
        run.network, "watchlist", received=len(wanted), inserted=counts.inserted, changed=counts.changed, turns=1
    )
    return Collected([here, *outcomes], _described(after, changed, file.bad))


def merge(before: Mapping[str, Entry], wanted: Sequence[WatchedAddress], at: datetime) -> list[Entry]:
    """The stored entries as the file wants them: new ones begin, absent ones end, others take what changed. Pure.

    One whose trades are wanted from another value on ends, and begins anew: what was collected when is read from entries.
    """
    after: list[Entry] = []
    for one in wanted:
        told = {
            "address_type": one.address_type, "symbol": one.symbol, "min_trade_usd": one.min_trade_usd, "note": one.note
        }  # fmt: skip
        known = before.get(one.address)
        if known is None:
            after.append(Entry(one.address, valid_from=at, **told))  # type: ignore[arg-type]
        elif known.address_type != one.address_type:  # another pool may stand for it now
            after += _succeeded(known, at, pool_address=None, resolved_at=None, problem="", **told)
        elif known.min_trade_usd != one.min_trade_usd:
            after += _succeeded(known, at, **told)
        else:
            after.append(replace(known, **told))  # type: ignore[arg-type]
    there = {one.address for one in wanted}
    after += [replace(one, valid_to=at) for one in before.values() if one.address not in there]
    return sorted(after, key=lambda one: one.address)


def _succeeded(entry: Entry, at: datetime, **changed: object) -> list[Entry]:
    """The entry ended, and what takes its place; where no pool stood for it yet, the entry as changed."""
    if entry.pool_address is None or entry.valid_from >= at:
        return [replace(entry, **changed)]  # type: ignore[arg-type]
    return [replace(entry, valid_to=at), replace(entry, valid_from=at, **changed)]  # type: ignore[arg-type]


def read_open(warehouse: Warehouse, network: str) -> dict[str, Entry]:
    """The entries of a network that stand in the file, by address."""
    c = watchlist.c
    chosen = select(
        c.address, c.address_type, c.symbol, c.min_trade_usd.cast(Text()).label("least"), c.note, c.valid_from,
        c.pool_address, c.resolved_at, c.problem,
    ).where(c.network == network, c.valid_to.is_(None))  # fmt: skip
    return {
        row["address"]: Entry(
            row["address"], row["address_type"], row["symbol"], Decimal(row["least"]), row["note"],
            row["valid_from"].to_pydatetime(), None, None if pd.isna(row["pool_address"]) else row["pool_address"],
            None if pd.isna(row["resolved_at"]) else row["resolved_at"].to_pydatetime(), row["problem"],
        )
        for row in read_frame(warehouse, chosen).to_dict("records")
    }  # fmt: skip


def build_rows(network: str, entries: Sequence[Entry]) -> Batch:
    """The table's columns from entries. Pure."""
    names = ("address", "address_type", "symbol", "note", "pool_address", "problem")
    texts = {name: np.array([getattr(one, name) for one in entries], dtype=object) for name in names}
    return {
        "network": network,
        **texts,
        "valid_from": _walls(one.valid_from for one in entries),
        "valid_to": _walls(one.valid_to for one in entries),
        "min_trade_usd": np.array([one.min_trade_usd for one in entries], dtype=object),
        "resolved_at": _walls(one.resolved_at for one in entries),
        "source": _SOURCE,
        "known_at": _walls(one.valid_from for one in entries),
    }


def _unresolved(entries: Sequence[Entry], dead: frozenset[str]) -> list[Entry]:
    """Entries that no pool stands for, and tokens whose pool has died."""
    return [
        one
        for one in entries
        if one.valid_to is None
        and (one.pool_address is None or (one.address_type == "token" and one.pool_address in dead))
    ]


def _with(entry: Entry, found: Resolved | None, at: datetime) -> list[Entry]:
    """The entry with the pool that was found for it; that of another pool ends."""
    if found is None or entry.valid_to is not None or found.pool_address == entry.pool_address is not None:
        return [entry]
    if found.pool_address is None:  # the pool that stood for it may be dead, but no other one does
        return [entry if entry.pool_address else replace(entry, problem=found.problem)]
    return _succeeded(entry, at, pool_address=found.pool_address, resolved_at=at, problem="")


def _outcome(network: str, entry: Entry) -> EventOutcome:
    return EventOutcome(network, entry.address, turns=1, warning=f"{entry.problem} ({entry.address_type})")


def _described(after: Sequence[Entry], changed: Sequence[Entry], bad: Sequence[BadRow]) -> Described:
    metadata: Described = {
        "entries": dg.MetadataValue.int(sum(one.valid_to is None for one in after)),
        "entries_changed": dg.MetadataValue.int(len(changed)),
        "rows_skipped": dg.MetadataValue.int(len(bad)),
    }
    if bad:
        lines = [dg.TableRecord({"line": one.line, "problem": one.problem, "row": one.row}) for one in bad[:SHOWN]]
        metadata["skipped_rows"] = dg.MetadataValue.table(lines)
    if after:
        metadata["watchlist"] = dg.MetadataValue.table([dg.TableRecord(_record(one)) for one in after[:SHOWN]])
    return metadata


def _record(entry: Entry) -> dict[str, str | float]:
    return {
        "address": entry.address,
        "type": entry.address_type,
        "symbol": entry.symbol,
        "min_trade_usd": float(entry.min_trade_usd),
        "pool": entry.pool_address or "",
        "problem": entry.problem,
        "ended": f"{entry.valid_to:%Y-%m-%d %H:%M}" if entry.valid_to else "",
    }


def _walls(moments: Iterable[datetime | None]) -> NDArray[np.datetime64]:
    return np.array([None if at is None else at.replace(tzinfo=None) for at in moments], dtype="datetime64[us]")
