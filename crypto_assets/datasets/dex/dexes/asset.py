"""The asset dex/dexes: a network's list of DEXes, and what changed in it since the last look.

What belongs here: comparing the list with what is stored, what a run says. What does not: asking (clients), when it runs
(automation.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import dagster as dg
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import select

from crypto_assets.clients.pool_rows import Dex
from crypto_assets.datasets.dex.dexes.table import DATASET, dexes
from crypto_assets.datasets.dex.network_asset import NetworkRun, network_asset
from crypto_assets.datasets.outcomes import Collected, Described, EventOutcome
from crypto_assets.partitions import Grids
from crypto_assets.quality.coverage import TICK
from crypto_assets.warehouse.collected import mark_collected
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.quarantine import Refused, quarantine
from crypto_assets.warehouse.read import read_frame
from crypto_assets.warehouse.write import Batch, upsert

_SOURCE = "geckoterminal dexes"
_INSTANT = timedelta(microseconds=1)  # a list holds for the moment in which it was asked for


class DexesConfig(dg.Config):
    """Nothing to choose: a run asks for the whole list."""


@dataclass(frozen=True)
class KnownDex:
    """A DEX as it is stored; times are UTC."""

    dex: str
    name: str
    first_seen_at: datetime
    vanished_at: datetime | None = None


@dataclass(frozen=True)
class Change:
    """What happened to a DEX: appeared, vanished, returned or renamed, and how it stands now."""

    what: str
    now: KnownDex
    former_name: str = ""


def build_asset(grids: Grids) -> dg.AssetsDefinition:
    """The asset over the grids of the universe in force; automation.py adds when it runs."""
    return network_asset(
        DATASET,
        dexes,
        grids,
        DexesConfig,
        collect_dexes,
        description="DEXes of each network as GeckoTerminal lists them, with what appeared, vanished or was renamed.",
        expected_every=timedelta(days=1),
    )


def collect_dexes(run: NetworkRun[DexesConfig]) -> Collected:
    """Compare a network's list with what is stored, if the window is still open."""
    if not run.is_open():
        return Collected([], {})
    at = run.clock()
    answer = run.client.dexes(run.network)
    known = read_known(run.warehouse, run.network)
    # What a refused row was, nobody knows, and a network has DEXes: then no absence is believed.
    changes = compare(known, answer.rows, at, is_whole=bool(answer.rows) and not answer.refused)
    with run.warehouse.connect() as connection:
        upsert(connection, dexes, build_rows(run.network, [change.now for change in changes]))
        kept = [Refused(one.reason, one.payload) for one in answer.refused]
        quarantine(connection, dataset=DATASET, venue=run.network, symbol="", timeframe=TICK, items=kept)
        mark_collected(connection, DATASET, run.network, "", TICK, at, at + _INSTANT)
    followed = run.universe.dex.networks[run.network].dexes
    unknown = sorted(set(followed) - {one.dex for one in answer.rows})
    warning = f"not in GeckoTerminal's list: {', '.join(unknown)}" if unknown and not answer.refused else ""
    outcome = EventOutcome(
        run.network, "dexes", received=len(answer.rows), inserted=sum(one.what == "appeared" for one in changes),
        changed=sum(one.what != "appeared" for one in changes), quarantined=len(answer.refused), turns=1,
        first=at, last=at, warning=warning,
    )  # fmt: skip
    return Collected([outcome], _described(changes))


def compare(known: Mapping[str, KnownDex], listed: Sequence[Dex], at: datetime, *, is_whole: bool) -> list[Change]:
    """What changed between what is stored and a list, by name. Pure.

    Args:
        is_whole: Whether the list was read without loss, so that what is not in it has vanished.
    """
    changes = []
    for one in listed:
        before = known.get(one.dex)
        if before is None:
            changes.append(Change("appeared", KnownDex(one.dex, one.name, at)))
            continue
        now = KnownDex(one.dex, one.name, before.first_seen_at)
        if before.vanished_at is not None:
            changes.append(Change("returned", now, before.name if before.name != one.name else ""))
        elif before.name != one.name:
            changes.append(Change("renamed", now, before.name))
    names = {one.dex for one in listed}
    if is_whole:
        changes += [
            Change("vanished", KnownDex(one.dex, one.name, one.first_seen_at, at))
            for one in known.values()
            if one.dex not in names and one.vanished_at is None
        ]
    return sorted(changes, key=lambda one: one.now.dex)


def read_known(warehouse: Warehouse, network: str) -> dict[str, KnownDex]:
    """The stored DEXes of a network, by GeckoTerminal's name."""
    c = dexes.c
    rows = read_frame(warehouse, select(c.dex, c.name, c.first_seen_at, c.vanished_at).where(c.network == network))
    return {
        row["dex"]: KnownDex(row["dex"], row["name"], row["first_seen_at"].to_pydatetime(), _moment(row["vanished_at"]))
        for row in rows.to_dict("records")
    }


def build_rows(network: str, stand: Sequence[KnownDex]) -> Batch:
    """The table's columns from DEXes as they stand now. Pure."""
    names = [np.array([getattr(one, name) for one in stand], dtype=object) for name in ("dex", "name")]
    seen = _walls([one.first_seen_at for one in stand])
    return {
        "network": network,
        "dex": names[0],
        "name": names[1],
        "first_seen_at": seen,
        "vanished_at": _walls([one.vanished_at for one in stand]),
        "source": _SOURCE,
        "known_at": seen,
    }


def _described(changes: Sequence[Change]) -> Described:
    metadata: Described = {"changes": dg.MetadataValue.int(len(changes))}
    if changes:
        metadata["changed_dexes"] = dg.MetadataValue.table([dg.TableRecord(_record(one)) for one in changes])
    return metadata


def _record(change: Change) -> dict[str, str]:
    return {"dex": change.now.dex, "what": change.what, "name": change.now.name, "former_name": change.former_name}


def _walls(moments: Sequence[datetime | None]) -> NDArray[np.datetime64]:
    return np.array([None if at is None else at.replace(tzinfo=None) for at in moments], dtype="datetime64[us]")


def _moment(value: pd.Timestamp) -> datetime | None:
    return None if pd.isna(value) else value.to_pydatetime()
