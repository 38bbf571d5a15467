"""`crypto-assets show pools`: the pools that are known, or were at a time, the largest first.

What belongs here: choosing, the table, JSON. What does not: what was known when (datasets/dex/pools/read.py) and one pool
(show_pool.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pandas as pd
from rich.text import Text

from crypto_assets.cli.console import OUT, table
from crypto_assets.cli.show_stored import NothingStored, near_names
from crypto_assets.cli.show_text import (
    age_text,
    json_text,
    plain_text,
    price_text,
    records,
    short_address,
    volume_text,
)
from crypto_assets.datasets.dex.pools.read import pools_as_of
from crypto_assets.universe import Universe, UniverseError
from crypto_assets.warehouse.connection import Warehouse

_SYMBOLS = 24  # of a name's characters in the table; `show pool` has more


@dataclass(frozen=True)
class PoolsView:
    """What there is to show of the pools of one or several networks.

    Args:
        at: As of when, UTC.
        is_past: Whether somebody asked for that time.
        pools: As `pools_as_of` gives them, those that were chosen, with `network`; largest reserve first.
        known: How many pools were known then, by network.
        dead: How many of them were dead, by network.
    """

    at: datetime
    is_past: bool
    pools: pd.DataFrame
    known: dict[str, int]
    dead: dict[str, int]


@dataclass(frozen=True)
class Wanted:
    """Which pools: of one network or DEX (empty for all), and only the dead ones."""

    network: str = ""
    dex: str = ""
    is_dead: bool = False


def read_pools(warehouse: Warehouse, universe: Universe, wanted: Wanted, at: datetime | None) -> PoolsView:
    """Read what there is to show.

    Raises:
        UniverseError: an unknown network.
        NothingStored: no pool was known then, or none of that DEX.
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    networks = [network_of(universe, wanted.network)] if wanted.network else sorted(universe.dex.networks)
    moment = at or datetime.now(UTC)
    found = pd.concat(
        [pools_as_of(warehouse, one, moment, universe.dex).assign(network=one) for one in networks], ignore_index=True
    )
    if found.empty:
        raise _nothing_known(networks, at)
    here = _of_dex(found, wanted.dex) if wanted.dex else found
    chosen = here[here["is_dead"].astype(bool)] if wanted.is_dead else here
    known = {str(name): int(count) for name, count in here["network"].value_counts(sort=False).items()}
    dead = {name: int(here.loc[here["network"] == name, "is_dead"].sum()) for name in known}
    chosen = chosen.sort_values("reserve_usd", ascending=False, na_position="last", kind="stable")
    return PoolsView(moment, at is not None, chosen.reset_index(drop=True), known, dead)


def network_of(universe: Universe, name: str) -> str:
    """Our name of a network that somebody typed.

    Raises:
        UniverseError: there is none; with the names that are near.
    """
    try:
        return universe.network(name)
    except UniverseError as error:
        near = near_names(name, universe.dex.networks)
        raise UniverseError(error.problem, way_out=f"{near}{error.way_out}") from None


def print_pools(view: PoolsView, limit: int, *, exact: bool) -> None:
    """A row a pool, then how many there are and the way to one of them."""
    many = view.pools["network"].nunique() > 1
    title = f"Pools as of {view.at:%Y-%m-%d %H:%M:%S} UTC" if view.is_past else "Pools"
    columns = ("pool", "dex", ">price USD", ">reserve USD", ">volume 24h", ">buys/sells", ">age", "first seen", "state")
    shown = table(title, *(("network",) if many else ()), *columns, "address")
    shown.columns[-1].no_wrap = True
    for row in records(view.pools.head(limit)):
        cells = _cells(row, view.at, exact=exact)
        shown.add_row(*([str(row["network"])] if many else []), *cells)
    OUT.print(shown)
    left = f"{len(view.pools) - limit:,} more with --limit. " if len(view.pools) > limit else ""
    told = ", ".join(f"{view.known[name]:,} of {name}, {view.dead[name]:,} of them dead" for name in sorted(view.known))
    OUT.print(f"{left}Known: {told}.")
    OUT.print("`crypto-assets show pool ADDRESS` shows one; the address may be cut as it is here.")


def pools_json(view: PoolsView, limit: int) -> str:
    """The same for machines; prices are exact texts."""
    frame = view.pools.head(limit).drop(columns="price_usd").rename(columns={"price_usd_exact": "price_usd"})
    return json_text({"at": view.at, "known": view.known, "dead": view.dead, "pools": records(frame)})


def _cells(row: dict[str, object], at: datetime, *, exact: bool) -> list[str | Text]:
    made, first = _moment(row["created_at"]), _moment(row["first_seen_at"])
    told = row["price_usd_exact"]
    price = (told if isinstance(told, str) else "") if exact else price_text(_number(row["price_usd"]))
    counts = [f"{row[name]:,}" if isinstance(row[name], int) else "?" for name in ("buys_24h", "sells_24h")]
    return [
        plain_text(str(row["name"] or "?"), _SYMBOLS),
        plain_text(str(row["dex"]), _SYMBOLS),
        price,
        volume_text(_number(row["reserve_usd"])),
        volume_text(_number(row["volume_usd_24h"])),
        "/".join(counts) if counts != ["?", "?"] else "",
        " ".join(age_text(at - made).split()[:2]) if made else "",
        f"{first:%Y-%m-%d}" if first else "",
        Text("dead", "red") if row["is_dead"] else Text("alive", "green"),
        short_address(str(row["pool_address"])),
    ]


def _of_dex(found: pd.DataFrame, dex: str) -> pd.DataFrame:
    here = found[found["dex"] == dex]
    if here.empty:
        names = sorted(found["dex"].unique())
        raise NothingStored(
            f"No pool of the DEX '{dex[:40]}' is known", way_out=f"{near_names(dex, names)}There are {_listed(names)}."
        )
    return here


def _nothing_known(networks: Sequence[str], at: datetime | None) -> NothingStored:
    if at is not None:
        return NothingStored(
            f"No pool of {_listed(networks)} was known at {at:%Y-%m-%d %H:%M:%S} UTC",
            way_out="Pools are known from when they were first collected on; leave out --at for all of them.",
        )
    return NothingStored(
        f"No pool of {_listed(networks)} is known",
        way_out="`crypto-assets collect-pools` collects them, `make up` does so every ten minutes.",
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) and pd.notna(value) else float("nan")


def _moment(value: object) -> datetime | None:
    return value.to_pydatetime() if isinstance(value, pd.Timestamp) and pd.notna(value) else None
