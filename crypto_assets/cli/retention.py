"""`crypto-assets retention`: which days and years would leave their tables, letting them go, and bringing them back.

What belongs here: options, and the tables of partitions. What does not: what may go (warehouse/retention.py,
retention_guards.py), the order of the work (retention_automation.py) and restoring (warehouse/detach_restore.py).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from crypto_assets.cli.console import NOTICES, OUT, table
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.settings import Settings

if TYPE_CHECKING:
    from crypto_assets.warehouse.detached import Entry
    from crypto_assets.warehouse.retention import Verdict

_UNITS = ("bytes", "KB", "MB", "GB", "TB")
_DONE = {"drop": "dropped", "detach": "archived"}

retention_app = typer.Typer(
    invoke_without_command=True,
    help="Let old days and years go, to nowhere or to the archive; show what would go, and bring back what went.",
)


class TableUnknown(CryptoAssetsError):
    """No table with partitions has that name."""


@retention_app.callback()
def retention(
    context: typer.Context,
    days: Annotated[
        int | None, typer.Option(min=1, help="Days of quotes to keep; default: stream.keep_days of the universe.")
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Let them go; without it nothing is changed.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print it for machines.")] = False,
) -> None:
    """Show which partitions are older than is kept, and why some of them have to stay.

    Example: crypto-assets retention --days 3 --apply
    """
    if context.invoked_subcommand is None:
        run_retention(context.obj, days, apply=apply, as_json=json_)


@retention_app.command("list")
def list_(
    context: typer.Context,
    table_: Annotated[str, typer.Argument(metavar="[TABLE]", help="As market.trades; default: all.")] = "",
    json_: Annotated[bool, typer.Option("--json", help="Print it for machines.")] = False,
) -> None:
    """List what left its table: when, how much, and the file that holds it.

    Example: crypto-assets retention list market.trades
    """
    from crypto_assets.cli.environment import Environment
    from crypto_assets.warehouse.detached import entries

    with Environment(context.obj) as environment:
        print_entries(entries(environment.warehouse, table_ or None), as_json=json_)


@retention_app.command()
def restore(
    context: typer.Context,
    table_: Annotated[str, typer.Argument(metavar="TABLE", help="As market.trades.")],
    partition: Annotated[str, typer.Argument(help="Year or day, as 2024 or 2024-05-01, or the partition's name.")],
) -> None:
    """Bring an archived day or year back into its table; it stays retention.restored_days of the universe.

    Example: crypto-assets retention restore market.trades 2024
    """
    from crypto_assets.cli.environment import Environment
    from crypto_assets.retention_automation import retainable_tables
    from crypto_assets.warehouse.detach_file import Archive
    from crypto_assets.warehouse.detach_restore import restore as bring_back

    settings: Settings = context.obj
    known = {one.fullname: one for one in retainable_tables()}
    if table_ not in known:
        raise TableUnknown(f"No table whose partitions may go is called '{table_[:80]}'", way_out=", ".join(known))
    with Environment(settings) as environment, NOTICES.status("Checking and loading …"):
        archive = Archive(settings.archive_place, settings.profile)
        came = bring_back(environment.warehouse, known[table_], partition, archive)
    if came.entries:
        OUT.print(f"{came.rows:,} rows of {table_} {escape(partition)} are back; the file stays in the archive.")
    else:
        OUT.print(f"{table_} {escape(partition)} was restored before; nothing was changed.")


def run_retention(settings: Settings, days: int | None, *, apply: bool, as_json: bool) -> None:
    """Plan, or carry out, and print a row a partition.

    Raises:
        RetentionRefused: less than a day is to be kept.
    """
    from crypto_assets.cli.environment import Environment
    from crypto_assets.resources import UniverseFile
    from crypto_assets.retention_automation import plan_retention, retain
    from crypto_assets.warehouse.detach_file import Archive

    with Environment(settings) as environment:
        warehouse, now = environment.warehouse, datetime.now(UTC)
        universe = UniverseFile(settings.universe_file, warehouse).in_force().universe
        if apply:
            archive = Archive(settings.archive_place, settings.profile)
            with NOTICES.status("Adding up, archiving, dropping …") as status:
                done = retain(
                    warehouse,
                    universe,
                    archive,
                    now,
                    days,
                    lambda one: status.update(f"{one.partition.name} is done …"),
                )
            verdicts = done.verdicts
            if done.finished:
                NOTICES.print(f"Finished {_partitions(len(done.finished))} that an earlier run had left.")
            if done.summed:
                NOTICES.print(f"Added up {len(done.summed)} hours that were not.")
        else:
            verdicts = plan_retention(warehouse, universe, now, days)
    if as_json:
        sys.stdout.write(json.dumps([_record(one, is_done=apply) for one in verdicts], indent=2) + "\n")
    else:
        print_verdicts(verdicts, is_done=apply)


def print_verdicts(verdicts: Sequence[Verdict], *, is_done: bool) -> None:
    """A row a partition, and what all of it comes to."""
    if not verdicts:
        OUT.print("No table with a policy holds a partition.")
        return
    shown = table("Partitions", "table", "partition", ">size", "outcome")
    for one in verdicts:
        shown.add_row(
            one.partition.table.fullname,
            one.partition.label,
            told_size(one.partition.size),
            _told(one, is_done=is_done),
        )
    OUT.print(shown)
    going = [one for one in verdicts if one.goes]
    size = told_size(sum(one.freed if is_done else one.partition.size for one in going))
    counts = [
        f"{_partitions(count)} {'' if is_done else 'would be '}{done}"
        for then, done in _DONE.items()
        if (count := sum(1 for one in going if one.then == then)) or then == "drop"
    ]
    if is_done:
        OUT.print(f"{', '.join(counts)}, {size} freed.")
        return
    OUT.print(f"{', '.join(counts)}, {size}. Nothing was changed; --apply does it.")
    if any("not summed up" in one.kept for one in verdicts):
        OUT.print("--apply adds up first what is not summed up.")


def print_entries(found: Sequence[Entry], *, as_json: bool) -> None:
    """A row for each partition that left its table."""
    if as_json:
        records = [
            {
                "table": one.table, "partition": one.partition, "number": one.number, "starts_at": one.start.isoformat(),
                "ends_at": one.end.isoformat(), "outcome": one.outcome, "rows": one.rows, "table_bytes": one.table_bytes,
                "file": one.file, "file_bytes": one.file_bytes, "sha256": one.sha256, "removed_at": one.removed_at.isoformat(),
            }
            for one in found
        ]  # fmt: skip
        sys.stdout.write(json.dumps(records, indent=2) + "\n")
        return
    if not found:
        OUT.print("Nothing has left its table.")
        return
    shown = table("Left their tables", "table", "partition", ">rows", ">was", "outcome", "when", "file", ">size")
    for one in found:
        rows = "" if one.rows is None else f"{one.rows:,}"
        size = "" if one.file_bytes is None else told_size(one.file_bytes)
        shown.add_row(
            one.table, one.partition, rows, told_size(one.table_bytes), one.outcome, f"{one.removed_at:%Y-%m-%d %H:%M}",
            one.file or "", size,
        )  # fmt: skip
    OUT.print(shown)


def told_size(size: int) -> str:
    """Bytes in the largest unit of which there is at least one."""
    power = min(len(_UNITS) - 1, max(0, (size.bit_length() - 1) // 10))
    return f"{size / 1024**power:,.{1 if power else 0}f} {_UNITS[power]}"


def _told(one: Verdict, *, is_done: bool) -> str:
    if one.kept:
        return f"kept: {one.kept}"
    return _DONE[one.then] if is_done else f"would be {_DONE[one.then]}"


def _record(one: Verdict, *, is_done: bool) -> dict[str, object]:
    return {
        "table": one.partition.table.fullname, "partition": one.partition.label, "bytes": one.partition.size,
        "then": one.then, "kept": one.kept, "outcome": _told(one, is_done=is_done), "freed": one.freed,
    }  # fmt: skip


def _partitions(count: int) -> str:
    return f"{count} {'partition' if count == 1 else 'partitions'}"
