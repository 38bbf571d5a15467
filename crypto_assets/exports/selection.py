"""What of a dataset is exported, and refusing what it does not have.

What belongs here: the choice, and its check against a dataset. What does not: options of the command line (cli/export.py) and
reading (contents.py, pieces.py).

Domains and times choose files: those that overlap the times are written whole. Markets, timeframes and columns choose what
is in them, so they are kept in the manifest, and a folder holds one such choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches

from sqlalchemy import Column, ColumnElement

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.exports.catalog import Exported


class SelectionRefused(CryptoAssetsError):
    """The dataset has nothing that could be chosen so."""


@dataclass(frozen=True)
class Selection:
    """What is exported; what is left empty is not chosen by.

    Args:
        domains: Venues, networks, chains, models: whatever the dataset's folders are.
        start: Files that end after it, UTC; None for all.
        until: Files that begin before it, UTC; None for all.
        markets: Of all markets just these.
        timeframes: Of all lengths of bars just these.
        columns: Beside the key just these.
    """

    domains: Sequence[str] = ()
    start: datetime | None = None
    until: datetime | None = None
    markets: Sequence[str] = ()
    timeframes: Sequence[str] = ()
    columns: Sequence[str] = ()

    def check(self, one: Exported) -> None:
        """See that the dataset can be chosen from so.

        Raises:
            SelectionRefused: naming what it lacks.
        """
        has = {
            "venue, network or other folder": (self.domains, one.domain),
            "time": (self.start or self.until, one.time),
            "market": (self.markets, one.market),
            "timeframe": (self.timeframes, one.has_timeframe),
        }
        for what, (wanted, there) in has.items():
            if wanted and not there:
                raise SelectionRefused(f"{one.name} has no {what} to choose by", way_out="Leave that option out.")
        if self.start and self.until and self.start >= self.until:
            raise SelectionRefused(
                f"Nothing lies from {self.start:%Y-%m-%d %H:%M} until {self.until:%Y-%m-%d %H:%M}",
                way_out="Give the earlier time first.",
            )
        for name in self.columns:
            if name not in one.table.c:
                near = get_close_matches(name, one.table.c.keys(), n=3)
                hint = f"Did you mean {' or '.join(near)}?" if near else f"It has {', '.join(one.table.c.keys())}."
                raise SelectionRefused(f"{one.name} has no column '{name[:60]}'", way_out=hint)

    def rows_of(self, one: Exported) -> list[ColumnElement[bool]]:
        """The conditions that hold within files."""
        c = one.table.c
        conditions: list[ColumnElement[bool]] = []
        if self.markets:
            conditions.append(c[one.market].in_(sorted(set(self.markets))))
        if self.timeframes:
            conditions.append(c.timeframe.in_(sorted(set(self.timeframes))))
        return conditions

    def columns_of(self, one: Exported) -> list[Column[object]]:
        """The columns that are exported, in the table's order: the key always, of the others those that were chosen."""
        keys = {column.name for column in one.table.primary_key.columns}
        wanted = keys | set(self.columns) if self.columns else set(one.table.c.keys())
        return [column for column in one.table.c if column.name in wanted]


__all__ = ["Selection", "SelectionRefused"]
