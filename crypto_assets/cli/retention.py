"""`crypto-assets retention`: which days of quotes would be dropped, and dropping them.

What belongs here: options, and the table of days. What does not: what may go (warehouse/retention.py) and the order of the work
(retention_automation.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from crypto_assets.cli.console import NOTICES, OUT, table
from crypto_assets.settings import Settings

if TYPE_CHECKING:
    from crypto_assets.warehouse.retention import Verdict

_UNITS = ("bytes", "KB", "MB", "GB", "TB")


def retention(
    context: typer.Context,
    days: Annotated[
        int | None, typer.Option(min=1, help="Days to keep; default: stream.keep_days of the universe.")
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Drop them; without it nothing is changed.")] = False,
) -> None:
    """Show which days of quotes are older than is kept, and why some of them have to stay.

    Example: crypto-assets retention --days 3 --apply
    """
    run_retention(context.obj, days, apply=apply)


def run_retention(settings: Settings, days: int | None, *, apply: bool) -> None:
    """Plan, or carry out, and print a row a day.

    Raises:
        RetentionRefused: less than a day is to be kept.
    """
    from crypto_assets.cli.environment import Environment
    from crypto_assets.resources import UniverseFile
    from crypto_assets.retention_automation import plan_retention, retain

    with Environment(settings) as environment:
        warehouse = environment.warehouse
        rules = UniverseFile(settings.universe_file, warehouse).in_force().universe.stream
        keep_days, now = rules.keep_days if days is None else days, datetime.now(UTC)
        if apply:
            summed, verdicts = retain(warehouse, rules, keep_days, now)
            if summed:
                NOTICES.print(f"Added up {len(summed)} hours that were not.")
        else:
            verdicts = plan_retention(warehouse, keep_days, now)
    print_verdicts(verdicts, is_done=apply)


def print_verdicts(verdicts: Sequence[Verdict], *, is_done: bool) -> None:
    """A row a day, and what all of it comes to."""
    if not verdicts:
        OUT.print("No day of quotes is stored.")
        return
    shown = table("Days", "table", "day", ">size", "outcome")
    for one in verdicts:
        outcome = f"kept: {one.kept}" if one.kept else "dropped" if is_done else "would be dropped"
        part = one.partition
        shown.add_row(part.table.fullname, f"{part.day:%Y-%m-%d}", told_size(part.size), outcome)
    OUT.print(shown)
    going = [one for one in verdicts if one.goes]
    size = told_size(sum(one.freed if is_done else one.partition.size for one in going))
    if is_done:
        OUT.print(f"{_days(len(going))} dropped, {size} freed.")
    else:
        OUT.print(f"{_days(len(going))} would be dropped, {size}. Nothing was changed; --apply drops them.")
        if any("not summed up" in one.kept for one in verdicts):
            OUT.print("--apply adds up first what is not summed up.")


def told_size(size: int) -> str:
    """Bytes in the largest unit of which there is at least one."""
    power = min(len(_UNITS) - 1, max(0, (size.bit_length() - 1) // 10))
    return f"{size / 1024**power:,.{1 if power else 0}f} {_UNITS[power]}"


def _days(count: int) -> str:
    return f"{count} {'day' if count == 1 else 'days'}"
