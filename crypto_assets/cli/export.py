"""`crypto-assets export`: what is stored as Parquet, CSV, Arrow or Qlib files, and whether the files are still what they were.

What belongs here: options, progress and tables. What does not: exporting (crypto_assets/exports).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from crypto_assets.cli.console import NOTICES, OUT, table
from crypto_assets.settings import Settings

if TYPE_CHECKING:
    from crypto_assets.exports.catalog import Exported
    from crypto_assets.exports.selection import Selection
    from crypto_assets.exports.verify import Verified
    from crypto_assets.exports.work import Done, Report, Target, Tell

_SHOWN = 20  # rows of a table; the manifest has all
_UNITS = ("bytes", "KB", "MB", "GB", "TB")


class Format(StrEnum):
    """As typed; the same names as exports.writers.FileFormat, which is not imported for a page of help."""

    PARQUET = "parquet"
    CSV = "csv"
    QLIB = "qlib"
    ARROW = "arrow"


def export(
    context: typer.Context,
    dataset: Annotated[
        str,
        typer.Argument(help="bars, features, indicators, labels, trades, quotes, …; an unknown one lists them all."),
    ],
    format_: Annotated[Format, typer.Option("--format", help="How they are written.")] = Format.PARQUET,
    to: Annotated[str, typer.Option("--to", help="A folder, or an address as s3://bucket/folder.")] = "",
    from_: Annotated[str, typer.Option("--from", help="Whole files from the one of this UTC day on.")] = "",
    until: Annotated[str, typer.Option("--until", help="Whole files up to this UTC time; default: all.")] = "",
    venue: Annotated[
        list[str] | None, typer.Option(help="Or network, chain, model: what the folders are of; repeatable.")
    ] = None,
    market: Annotated[list[str] | None, typer.Option(help="As BTC/USDT, or a pool's address; repeatable.")] = None,
    timeframe: Annotated[list[str] | None, typer.Option(help="Length of bars, as 1h; repeatable.")] = None,
    column: Annotated[list[str] | None, typer.Option(help="Beside the key only these; repeatable.")] = None,
    prune: Annotated[bool, typer.Option("--prune", help="Remove files of what the database no longer holds.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Write unchanged files, too.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Write nothing: hash the files, compare them with the database.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print it for machines.")] = False,
) -> None:
    """Write a dataset as files beside a manifest; the next time only what has changed since.

    Example: crypto-assets export bars --format parquet --venue binance --from 2024-01-01
    """
    from crypto_assets.exports.catalog import exported
    from crypto_assets.exports.selection import Selection
    from crypto_assets.universe import parse_moment

    one = exported(dataset)
    selection = Selection(
        venue or (),
        parse_moment(from_, "--from"),
        parse_moment(until, "--until"),
        market or (),
        timeframe or (),
        column or (),
    )
    selection.check(one)  # before a database is looked for
    target = target_of(context.obj, format_, to, prune=prune, again=again)
    work = run_verify if verify else run_export
    raise typer.Exit(work(context.obj, one, selection, target, as_json=json_))


def target_of(settings: Settings, kind: Format, to: str, *, prune: bool, again: bool) -> Target:
    """Where it goes: the folder that was named, else this profile's."""
    from crypto_assets.exports.place import Place, default_place
    from crypto_assets.exports.work import Target
    from crypto_assets.exports.writers import FileFormat

    place = Place.named(to) if to else default_place(settings.export_place, settings.profile)
    return Target(place, settings.profile, FileFormat(kind.value), prune=prune, anew=again, named_by_hand=True)


def run_export(settings: Settings, one: Exported, selection: Selection, target: Target, *, as_json: bool) -> int:
    """Export, and print what was written; exit code 1 where a file could not be.

    Raises:
        SelectionRefused, NothingChosen, NotForQlib, ManifestUnusable, PlaceUnusable, LeaseTaken: as for `export`.
    """
    from crypto_assets.cli.environment import Environment
    from crypto_assets.exports.export import export as bring_up_to_date

    with Environment(settings) as environment, _progress() as tell:
        report = bring_up_to_date(environment.warehouse, one, selection, target, tell)
    if as_json:
        OUT.print_json(json.dumps([_as_json(part) for part in (report, *report.beside)]))
    else:
        for part in (report, *report.beside):
            print_report(part)
    return int(any(_those(part, "failed") for part in (report, *report.beside)))


def run_verify(settings: Settings, one: Exported, selection: Selection, target: Target, *, as_json: bool) -> int:
    """Compare files with manifest and database; exit code 1 where a file is altered, missing or behind.

    Raises:
        NothingExported: there is no export.
        NothingChosen: no file of it is chosen.
    """
    from crypto_assets.cli.environment import Environment
    from crypto_assets.exports.verify import verify

    with Environment(settings) as environment, NOTICES.status("Hashing files"):
        found = verify(environment.warehouse, one, selection, target)
    if as_json:
        problems = [{**vars(problem), "wrong": problem.wrong.value} for problem in found.problems]
        OUT.print_json(json.dumps({**vars(found), "problems": problems}))
    else:
        print_verified(one.name, found)
    return int(bool(found.problems))


def print_report(report: Report) -> None:
    """A row a file that was written or is gone, the rest in one line."""
    told = [one for one in report.files if one.outcome.value != "unchanged"]
    if told:
        shown = table(report.dataset, "file", ">rows", ">size", "outcome")
        for one in told[:_SHOWN]:
            outcome = f"[red]{one.outcome.value}[/]: {escape(one.why)}" if one.why else one.outcome.value
            shown.add_row(escape(one.name), f"{one.rows:,}", told_size(one.bytes), outcome)
        if len(told) > _SHOWN:
            shown.add_row(f"and {len(told) - _SHOWN} more", "", "", "")
        OUT.print(shown)
    if not report.files:
        OUT.print(f"{report.dataset}: nothing is stored of it; no file was written.")
        return
    written = _those(report, "written")
    rows, size = sum(one.rows for one in written), sum(one.bytes for one in written)
    OUT.print(
        f"{report.dataset}: {len(written)} of {len(report.files)} files written, {rows:,} rows, {told_size(size)},"
        f" {report.seconds:.1f} s, in {escape(report.place)}",
        soft_wrap=True,
    )
    for line in report.away:
        OUT.print(f"[yellow]Not in the table:[/] {escape(line)}", soft_wrap=True)
    holes = report.totals.get("holes")
    if isinstance(holes, Mapping) and holes:
        OUT.print(f"Absent bars: {', '.join(f'{state} {count:,}' for state, count in holes.items())}.")


def print_verified(name: str, found: Verified) -> None:
    """Counts, and a row a problem."""
    if found.problems:
        shown = table(name, "file", ">rows in it", ">rows stored", "problem")
        for problem in found.problems[:_SHOWN]:
            shown.add_row(escape(problem.name), f"{problem.rows:,}", f"{problem.stored:,}", problem.wrong.value)
        if len(found.problems) > _SHOWN:
            shown.add_row(f"and {len(found.problems) - _SHOWN} more", "", "", "")
        OUT.print(shown)
    verdict = f"[red]{len(found.problems)} problems[/]" if found.problems else "[green]all as they were written[/]"
    OUT.print(f"{name}: {found.files} files, {found.rows:,} rows, {told_size(found.bytes)}: {verdict}")


def told_size(size: int) -> str:
    """Bytes in the largest unit of which there is at least one."""
    power = min(len(_UNITS) - 1, max(0, (size.bit_length() - 1) // 10))
    return f"{size / 1024**power:,.{1 if power else 0}f} {_UNITS[power]}"


@contextmanager
def _progress() -> Iterator[Tell]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=NOTICES, transient=True) as progress:
        task = progress.add_task("Exporting", total=None)

        def tell(doing: str, done: int, of: int) -> None:
            progress.update(task, description=escape(doing), completed=done, total=of or None)

        yield tell


def _those(report: Report, outcome: str) -> Sequence[Done]:
    return [one for one in report.files if one.outcome.value == outcome]


def _as_json(report: Report) -> dict[str, object]:
    files = [{**vars(one), "outcome": one.outcome.value} for one in report.files]
    kept = {name: value for name, value in vars(report).items() if name not in {"files", "beside"}}
    return {**kept, "files": files}
