"""`crypto-assets trace`: which run stored a row and what asked for it, or what a run stored.

What belongs here: options and tables. What does not: following the trail (quality/trace.py).
"""

from __future__ import annotations

import difflib
import importlib
import json
import pkgutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from crypto_assets.cli.console import OUT, table
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Table

    from crypto_assets.quality.trace import Absence, RowTrace, RunWrites, Version, Write

_LONGEST_VALUE = 60
_OWN = "command-"  # how ids of commands begin; Dagster knows nothing of them


class TableUnknown(CryptoAssetsError):
    """No table of ours has that name."""


class BadOption(CryptoAssetsError):
    """Neither a row nor a run, or both."""


def trace(
    context: typer.Context,
    table_: Annotated[str, typer.Argument(metavar="[TABLE]", help="As market.ohlcv.")] = "",
    key: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY]...", help="A value for each column of its key, in their order.")
    ] = None,
    run: Annotated[str, typer.Option(help="Id of a run, or its first 8 signs: what it wrote.")] = "",
    json_: Annotated[bool, typer.Option("--json", help="Print it for machines.")] = False,
) -> None:
    """Follow a row back to the run that stored it, or a run forward to what it wrote.

    Example: crypto-assets trace market.ohlcv binance BTC/USDT 1h 2026-03-01T00:00
    """
    settings: Settings = context.obj
    if bool(run) == bool(table_):
        raise BadOption("Expected a table and a key, or --run", way_out="`crypto-assets trace --help` has an example.")
    from crypto_assets.cli.environment import Environment
    from crypto_assets.quality.trace import trace_row, trace_run

    if run:
        with Environment(settings) as environment:
            written = trace_run(environment.warehouse, run)
        _show_run(written, settings, as_json=json_)
        return
    chosen = table_of(table_)
    with Environment(settings) as environment:
        found = trace_row(environment.warehouse, chosen, key or [])
    if json_:
        sys.stdout.write(json.dumps(asdict(found), default=_plain, indent=2) + "\n")
        return
    _show_row(found, chosen, settings)


def table_of(name: str) -> Table:
    """The declared table of that name.

    Raises:
        TableUnknown: naming those that look like it.
    """
    import crypto_assets.datasets
    import crypto_assets.schema
    from crypto_assets.schema.columns import METADATA

    for found in pkgutil.iter_modules(crypto_assets.schema.__path__, "crypto_assets.schema."):
        importlib.import_module(found.name)
    for found in pkgutil.walk_packages(crypto_assets.datasets.__path__, "crypto_assets.datasets."):
        if found.name.endswith(".table"):
            importlib.import_module(found.name)
    if name not in METADATA.tables:
        near = difflib.get_close_matches(name, METADATA.tables, 3) or ["market.ohlcv"]
        raise TableUnknown(f"There is no table '{name[:60]}'", way_out=f"As {', '.join(near)}.")
    return METADATA.tables[name]


def _show_row(found: RowTrace, chosen: Table, settings: Settings) -> None:
    if found.now is None:
        OUT.print(f"There is no such row in {chosen.fullname}.")
        if found.absence is not None:
            _show_absence(found.absence)
    else:
        shown = table(f"{chosen.fullname}, as it stands", "column", "value")
        for column in chosen.columns:
            shown.add_row(column.name, escape(_cut(found.now.row.get(column.name))))
        OUT.print(shown)
        _show_write(found.now.write, settings)
    if found.before:
        OUT.print(_versions(found))


def _show_write(write: Write | None, settings: Settings) -> None:
    if write is None:
        OUT.print(
            "Nobody noted who stored it: it is older than the notes (retention.writes_keep_days), or came by hand."
        )
        return
    OUT.print(
        f"Stored {write.written_at:%Y-%m-%d %H:%M:%S} UTC by {_who(write)}, with {write.inserted:,} new and"
        f" {write.changed:,} changed rows of {escape(write.table)} (transaction {write.transaction_id:,}"
        f"{'' if write.is_proven else ', found by its time: the row was restored or rewritten since'}).",
        soft_wrap=True,
    )
    if _is_dagsters(write.run_id):
        OUT.print(f"{settings.ui_address}/runs/{write.run_id}", soft_wrap=True)


def _versions(found: RowTrace) -> object:
    shown = table("Former versions", "since (UTC)", "until (UTC)", "what changed then", "stored by")
    after = [*(version.row for version in found.before[1:]), found.now.row if found.now else None]
    for version, later in zip(found.before, after, strict=True):
        shown.add_row(
            _at(version.since), _at(version.until), escape(_changes(version, later)), escape(_who(version.write))
        )
    return shown


def _changes(version: Version, later: Mapping[str, object] | None) -> str:
    if later is None:
        return "deleted"
    changed = [
        f"{name} {_cut(value)} → {_cut(later.get(name))}"
        for name, value in version.row.items()
        if later.get(name) != value and name != "ingested_at"
    ]
    return ", ".join(changed) or "nothing but its time"


def _show_absence(absence: Absence) -> None:
    if absence.asked is not None:
        asked = "Its time was asked for and answered" if absence.asked else "Nobody has asked for its time yet"
        OUT.print(f"{asked} (ops.collected_ranges).")
    for state, start, end, why, seen, _ in absence.gaps:
        told = f": {escape(why)}" if why else ""
        OUT.print(f"The gap ledger says [bold]{state}[/] from {_at(start)} to {_at(end)}, since {_at(seen)} UTC{told}.")
    if absence.refused:
        shown = table(
            "Refused rows of the series", "last seen (UTC)", ">times", "names this time", "reason", "what came"
        )
        for reason, payload, times, seen, names_it in absence.refused:
            shown.add_row(_at(seen), str(times), "yes" if names_it else "no", escape(reason), escape(_cut(payload)))
        OUT.print(shown)
    if not absence.gaps and not absence.refused:
        OUT.print("Neither the gap ledger nor the quarantine knows of it.")


def _show_run(written: Sequence[RunWrites], settings: Settings, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps([asdict(one) for one in written], default=_plain, indent=2) + "\n")
        return
    first = written[0]
    asked = f", for {escape(first.request)}" if first.request else ""
    OUT.print(
        f"Run {first.run_id}, asked for by {escape(first.triggered_by or 'nobody who said so')}{asked}.", soft_wrap=True
    )
    shown = table(
        "What it wrote", "table", ">transactions", ">new", ">changed", ">deleted", "first (UTC)", "last (UTC)"
    )
    for one in written:
        counts = (one.transactions, one.inserted, one.changed, one.deleted)
        shown.add_row(one.table, *(f"{count:,}" for count in counts), _at(one.first), _at(one.last))
    OUT.print(shown)
    if _is_dagsters(first.run_id):
        OUT.print(f"{settings.ui_address}/runs/{first.run_id}", soft_wrap=True)


def _who(write: Write | None) -> str:
    if write is None or not (write.run_id or write.triggered_by):
        return "nobody who said so"
    asked = write.triggered_by + (f" ({write.request})" if write.request else "")
    return f"run {write.run_id}, {asked}" if _is_dagsters(write.run_id) else f"{asked}, {write.run_id}"


def _is_dagsters(run_id: str) -> bool:
    return bool(run_id) and not run_id.startswith(_OWN)


def _at(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}" if moment else ""


def _cut(value: object) -> str:
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
