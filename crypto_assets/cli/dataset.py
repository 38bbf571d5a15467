"""`crypto-assets dataset`: training sets: make, verify, list, show and delete them.

What belongs here: options, flow, and what is shown. What does not: the work itself (training_sets).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from crypto_assets.cli.console import NOTICES, OUT, complain, table
from crypto_assets.cli.show import AsJson, opened, print_json
from crypto_assets.errors import CryptoAssetsError

if TYPE_CHECKING:
    from crypto_assets.training_sets.catalog import Listed, NamedBy
    from crypto_assets.training_sets.manifest import Manifest
    from crypto_assets.training_sets.verify import Verification
    from crypto_assets.training_sets.writing import Step, Tell

dataset_app = typer.Typer(
    no_args_is_help=True, help="Training sets: features and labels frozen as they stood at a moment."
)
Name = Annotated[str, typer.Argument(help="Of the set; `crypto-assets dataset list` shows all.")]
SHOWN_DIFFERENCES = 40
_NONE = "none"
_BAD = ("differs", "damaged")
# What is told of rows that were not rebuilt, by what the catalog holds of the set.
_BEFORE = {
    "created": "its rows are not verified",
    "verified": "its rows were equal when they last were",
    "differs": "its rows differed when they last were",
}


@dataset_app.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Small letters, digits, - and _.")],
    from_: Annotated[str, typer.Option("--from", help="First UTC day or moment, as 2024-01-01.")],
    to: Annotated[str, typer.Option("--to", help="Behind the last one; default: --as-of.")] = "",
    as_of: Annotated[
        str,
        typer.Option(
            "--as-of", help="Rows as they stood in the database then; default: the last moment that is settled."
        ),
    ] = "",
    venues: Annotated[list[str] | None, typer.Option(help="By commas, or several times; default: all.")] = None,
    markets: Annotated[
        list[str] | None, typer.Option(help="As BTC/USDT,ETH/USDT, or several times; default: the universe's.")
    ] = None,
    timeframe: Annotated[str, typer.Option(help="Length of the bars.")] = "1h",
    columns: Annotated[
        list[str] | None, typer.Option(help="Features and close, by commas, or several times; default: all.")
    ] = None,
    labels: Annotated[str, typer.Option(help="Bars ahead, as 1,24; or none. Default: all.")] = "",
) -> None:
    """Freeze features and labels into a set that can be verified later.

    Example: crypto-assets dataset create momentum-2024 --from 2024-01-01 --to 2024-07-01 --markets BTC/USDT,ETH/USDT
    """
    from crypto_assets.training_sets.create import create as make
    from crypto_assets.training_sets.loading import shelf_of
    from crypto_assets.training_sets.question import Asked
    from crypto_assets.universe import parse_moment

    start = parse_moment(from_, "--from")
    if start is None:
        raise CryptoAssetsError("--from is empty", way_out="Write it as 2024-01-31.")
    asked = Asked(
        name, start, parse_moment(to, "--to"), parse_moment(as_of, "--as-of"), _split(venues), _split(markets), timeframe,
        _split(columns), _horizons(labels),
    )  # fmt: skip
    shelf = shelf_of(context.obj)
    with opened(context.obj) as (warehouse, universe), _progress(name) as tell:
        made = make(warehouse, universe, shelf, asked, tell=tell)
    print_manifest(made, shelf.address(name))


@dataset_app.command()
def verify(
    context: typer.Context,
    name: Name,
    files_only: Annotated[bool, typer.Option("--files-only", help="Check the hashes of the files alone.")] = False,
    json_: AsJson = False,
) -> None:
    """Check the files, rebuild the rows from what they were made of, and compare; exit code 1 where anything differs.

    With --files-only nothing is rebuilt: what is told of the rows is what the last rebuilding found.

    Example: crypto-assets dataset verify momentum-2024
    """
    from crypto_assets.training_sets.loading import shelf_of
    from crypto_assets.training_sets.verify import open_to_verify
    from crypto_assets.training_sets.verify import verify as compare

    with opened(context.obj) as (warehouse, _), _progress(name) as tell:
        chosen = open_to_verify(warehouse, shelf_of(context.obj), name)
        found = compare(warehouse, chosen, files_only=files_only, tell=tell)
    if json_:
        print_json(verification_json(found))
    else:
        print_verification(found)
    raise typer.Exit(int(found.state in _BAD))


@dataset_app.command("list")
def list_(context: typer.Context, json_: AsJson = False) -> None:
    """List all sets, the newest first.

    Example: crypto-assets dataset list
    """
    from crypto_assets.training_sets.catalog import all_sets

    with opened(context.obj) as (warehouse, _):
        found = all_sets(warehouse)
    if json_:
        print_json(sets_json(found))
        return
    shown = table(
        "Training sets", "name", "as of", "from", "to", "bars", ">markets", ">columns", ">rows", ">MB", "state"
    )
    for one in found:
        color = "green" if one.state == "verified" else "red" if one.state in _BAD else "dim"
        shown.add_row(
            one.name, f"{one.as_of:%Y-%m-%d %H:%M}", f"{one.starts_at:%Y-%m-%d}", f"{one.ends_at:%Y-%m-%d}", one.timeframe,
            str(len(one.markets)), str(len(one.columns)), f"{one.row_count:,}", f"{one.bytes / 1e6:,.1f}",
            f"[{color}]{one.state}[/]",
        )  # fmt: skip
    OUT.print(shown)
    OUT.print(f"{_counted(len(found), 'training set')}.")


@dataset_app.command()
def show(context: typer.Context, name: Name, json_: AsJson = False) -> None:
    """Show a set's question, markets, columns and hashes, and who learned from it; --json prints its manifest.

    Example: crypto-assets dataset show momentum-2024
    """
    from crypto_assets.training_sets.catalog import listed, named_by
    from crypto_assets.training_sets.loading import open_set, shelf_of

    with opened(context.obj) as (warehouse, _):
        chosen = open_set(shelf_of(context.obj), name, warehouse)
        row, users = listed(warehouse, name), named_by(warehouse, name)
    if json_:
        print_json(chosen.manifest.content().decode())
        return
    print_manifest(chosen.manifest, row.place)
    print_standing(row, users)


@dataset_app.command()
def delete(
    context: typer.Context,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Really: nothing of it is kept.")] = False,
) -> None:
    """Delete a set; refused while a registered model names it.

    Example: crypto-assets dataset delete momentum-2024 --yes
    """
    from crypto_assets.training_sets.loading import shelf_of
    from crypto_assets.training_sets.remove import delete as remove

    if not yes:
        raise CryptoAssetsError(
            f"{name} is not deleted without --yes: what it holds may never be had again",
            way_out=f"`crypto-assets dataset show {name}` says what it is; then say --yes.",
        )
    with opened(context.obj) as (warehouse, _):
        was_set = remove(warehouse, shelf_of(context.obj), name)
    OUT.print(f"{escape(name)} is deleted." if was_set else f"What was left of {escape(name)} is removed.")


def print_manifest(made: Manifest, place: str) -> None:
    """What a set is: a row a market, and what is known of its columns."""
    asked = made.question
    shown = table(
        f"{made.name}: {asked.timeframe} bars from {asked.start:%Y-%m-%d %H:%M} to {asked.end:%Y-%m-%d %H:%M} UTC",
        "market", ">rows", ">due", "absent by the ledger", ">unlabelled", "first", "last",
    )  # fmt: skip
    for one in made.markets:
        holes = ", ".join(f"{state} {count:,}" for state, count in one.holes.items())
        span = [f"{at:%Y-%m-%d %H:%M}" if at else "" for at in (one.first, one.last)]
        shown.add_row(f"{one.venue} {one.symbol}", f"{one.rows:,}", f"{one.due:,}", holes, f"{one.unlabelled:,}", *span)
    OUT.print(shown)
    empty = [one.name for one in made.schema_ if one.coverage == 0]
    share = sum(one.coverage for one in made.schema_) / len(made.schema_)
    labels = ", ".join(map(str, asked.horizons)) or _NONE
    for line in (
        f"As it stood at {asked.as_of.isoformat()}; labels {labels} bars ahead.",
        f"{made.rows:,} rows of {len(made.schema_)} columns, {share:.1%} of the values known"
        + (f"; nothing is known of {len(empty)}: {_some(empty)}." if empty else "."),
        f"{_counted(len(made.files), 'file')}, {made.size / 1e6:,.1f} MB in {place}.",
        f"Rows {made.row_hash.sha256}, {made.row_hash.order}; features {made.code.feature_version}.",
        *(f"Cannot be rebuilt: {', '.join(columns)}: {why}." for why, columns in made.lost.items()),
        *(f"{source} {when}: past that, the set cannot be rebuilt." for source, when in made.perishable.items()),
    ):
        OUT.print(escape(line), soft_wrap=True)


def print_standing(row: Listed, users: Sequence[NamedBy]) -> None:
    """What the last look found, and who learned from it."""
    when = f", looked at {row.verified_at:%Y-%m-%d %H:%M} UTC" if row.verified_at else ", not verified yet"
    OUT.print(f"Made {row.created_at:%Y-%m-%d %H:%M} UTC; {row.state}{when}.")
    OUT.print(f"Learned from by {', '.join(map(str, users))}." if users else "No registered model learned from it.")


def print_verification(found: Verification) -> None:
    """The verdict, and what differs by market and column."""
    for error in found.damaged:
        complain(error.problem, error.way_out)
    if found.differences:
        shown = table("Differences", "market", "column", ">values", "first at", ">frozen", ">rebuilt")
        for one in found.differences[:SHOWN_DIFFERENCES]:
            shown.add_row(
                f"{one.venue} {one.symbol}", one.column, f"{one.values:,}", f"{one.first_at:%Y-%m-%d %H:%M}", one.frozen,
                one.rebuilt,
            )  # fmt: skip
        OUT.print(shown)
        if len(found.differences) > SHOWN_DIFFERENCES:
            OUT.print(f"… and {len(found.differences) - SHOWN_DIFFERENCES} more; --json has them all.")
    for notice in found.notices:
        NOTICES.print(f"[yellow]Note:[/] {escape(notice)}.", soft_wrap=True)
    OUT.print(escape(verdict(found)), soft_wrap=True)


def verdict(found: Verification) -> str:
    """In a sentence."""
    if found.damaged:
        damaged = _counted(len(found.damaged), "file")
        return f"{found.name} is damaged: {damaged} not as written; nothing was rebuilt."
    if not found.rebuilt_hash:
        return f"{found.name}: every file is what was written; nothing was rebuilt, and {_BEFORE[found.state.value]}."
    if found.state == "verified":
        return f"{found.name} is verified: {found.rows:,} rows were rebuilt and are equal, {found.rebuilt_hash}."
    values = sum(one.values for one in found.differences)
    return (
        f"{found.name} differs: {values:,} values in {len(found.differences)} columns of markets; rebuilt"
        f" {found.rebuilt_hash}, frozen {found.row_hash}."
    )


def verification_json(found: Verification) -> str:
    """For machines."""
    from dataclasses import asdict

    from crypto_assets.cli.show_text import json_text

    return json_text(
        {
            "name": found.name,
            "state": found.state.value,
            "row_hash": found.row_hash,
            "rebuilt_hash": found.rebuilt_hash,
            "rows": found.rows,
            "damaged": [{"file": one.file, "problem": one.problem} for one in found.damaged],
            "differences": [asdict(one) for one in found.differences],
            "notices": found.notices,
        }
    )


def sets_json(found: Sequence[Listed]) -> str:
    """For machines."""
    from dataclasses import asdict

    from crypto_assets.cli.show_text import json_text

    sets = [asdict(one) | {"state": one.state.value, "columns": list(one.columns)} for one in found]
    return json_text({"asked_at": datetime.now(UTC), "training_sets": sets})


def _split(several: Sequence[str] | None) -> list[str]:
    """Values that were given by commas or one after the other."""
    return [part.strip() for one in several or () for part in one.split(",") if part.strip()]


def _horizons(text: str) -> list[int] | None:
    if not text.strip():
        return None
    if text.strip() == _NONE:
        return []
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise CryptoAssetsError(
            f"--labels is '{text[:40]}', no numbers of bars", way_out="Say --labels 1,24 or --labels none."
        ) from None


def _counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return ", ".join(names[:6]) + more


@contextmanager
def _progress(name: str) -> Iterator[Tell]:
    """A bar over markets and years."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("markets' years"),
        TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=NOTICES) as progress:
        task = progress.add_task(name, total=None)

        def tell(step: Step) -> None:
            progress.update(task, description=f"{step.doing}, {step.rows:,} rows", completed=step.done, total=step.of)

        yield tell
        progress.update(task, description=name, completed=progress.tasks[task].total or 0)
