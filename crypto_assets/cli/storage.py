"""`crypto-assets storage`: what each table takes, how fast it grows, and when the disk is full.

What belongs here: options, and the table. What does not: measuring (warehouse/storage.py).
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from crypto_assets.cli.console import OUT, table
from crypto_assets.cli.retention import told_size

if TYPE_CHECKING:
    from crypto_assets.warehouse.storage import Storage

_SMALL = 1 << 20  # tables below that say nothing of a disk, and there are dozens
_FULL_SOON_DAYS = 30


def storage(
    context: typer.Context,
    all_: Annotated[bool, typer.Option("--all", help="Also tables below a megabyte.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print it for machines.")] = False,
) -> None:
    """Show what tables take, what they grow a day, and how long the disk lasts.

    Example: crypto-assets storage --json
    """
    from crypto_assets.cli.environment import Environment
    from crypto_assets.warehouse.storage import storage_of

    with Environment(context.obj) as environment:
        found = storage_of(environment.warehouse, datetime.now(UTC))
    if json_:
        sys.stdout.write(json.dumps(as_record(found), indent=2) + "\n")
    else:
        print_storage(found, all_tables=all_)


def as_record(found: Storage) -> dict[str, object]:
    """All of it, for machines: bytes, rows (about) and days. Pure."""
    return {
        "total_bytes": found.total_bytes,
        "growth_bytes_a_day": found.growth_bytes,
        "disk": None
        if found.disk is None
        else {"free_bytes": found.disk.free_bytes, "total_bytes": found.disk.total_bytes},
        "days_until_full": found.days_until_full,
        "tables": [
            {
                "table": one.table, "rows": one.rows, "table_bytes": one.table_bytes, "index_bytes": one.index_bytes,
                "toast_bytes": one.toast_bytes, "total_bytes": one.total_bytes, "dead_rows": one.dead_rows,
                "partitions": one.partitions, "growth_bytes_a_day": one.growth_bytes, "growth_from": one.growth_from,
            }
            for one in found.tables
        ],
    }  # fmt: skip


def print_storage(found: Storage, *, all_tables: bool) -> None:
    """A row a table, largest first, and what all of it comes to."""
    chosen = [one for one in found.tables if all_tables or one.total_bytes >= _SMALL]
    shown = table(
        "Storage", "table", ">rows (about)", ">rows", ">indices", ">long values", ">total", ">a day", ">dead rows"
    )
    for one in chosen:
        shown.add_row(
            one.table, f"{one.rows:,}", told_size(one.table_bytes), told_size(one.index_bytes), told_size(one.toast_bytes),
            told_size(one.total_bytes), _signed(one.growth_bytes), f"{one.dead_rows:,}",
        )  # fmt: skip
    OUT.print(shown)
    hidden = len(found.tables) - len(chosen)
    left_out = f" {hidden} tables below {told_size(_SMALL)} are left out; --all shows them." if hidden else ""
    OUT.print(f"{told_size(found.total_bytes)} in all, {_signed(found.growth_bytes)} a day.{left_out}")
    OUT.print(_disk(found))


def _disk(found: Storage) -> str:
    if found.disk is None:
        return "Where the server's disk is cannot be seen from here: ask its machine how much is free."
    told = f"{told_size(found.disk.free_bytes)} of {told_size(found.disk.total_bytes)} are free"
    days = found.days_until_full
    if days is None:
        return f"{told}; nothing grows."
    colour = "red" if days < _FULL_SOON_DAYS else "green"
    return f"{told}: at this growth the disk is full in [{colour}]{days:,.0f} days[/]."


def _signed(size: float | None) -> str:
    if size is None:
        return "not known"
    return f"{'-' if size < 0 else ''}{told_size(round(abs(size)))}"
