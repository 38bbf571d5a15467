"""`crypto-assets backup`: saving everything, and looking at what is saved.

What belongs here: options, flow and tables. What does not: the work (warehouse/backup*.py), and reading one back (restore.py).
Nothing is migrated: a backup shows the database as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import SecretStr
from rich.markup import escape

from crypto_assets.cli.console import NOTICES, OUT, complain, table
from crypto_assets.cli.retention import told_size
from crypto_assets.cli.show import AsJson, print_json
from crypto_assets.settings import Settings

if TYPE_CHECKING:
    from crypto_assets.resources import Backups
    from crypto_assets.universe_operations import BackupRules
    from crypto_assets.warehouse.backup import Made, Tell
    from crypto_assets.warehouse.backup_place import BackupPlace, Listed

backup_app = typer.Typer(
    invoke_without_command=True, help="Save both databases, universe, watchlist and models; list and verify backups."
)
Name = Annotated[str, typer.Argument(help="A backup's name, or its beginning; latest is the newest whole one.")]
Place = Annotated[
    str, typer.Option(help="Folder, or an address as s3://bucket/folder; default: CRYPTO_ASSETS_BACKUP_STORE.")
]
SHOWN = 20


@backup_app.callback()
def backup(
    context: typer.Context,
    to: Place = "",
    jobs: Annotated[int, typer.Option(min=0, max=16, help="Tables at the same time; default: backups.jobs.")] = 0,
    keep: Annotated[int, typer.Option(min=0, help="So many whole ones stay; default: backups.keep.")] = 0,
    with_dagster: Annotated[
        bool, typer.Option("--with-dagster/--without-dagster", help="Dagster's runs and events, too.")
    ] = True,
    with_models: Annotated[
        bool, typer.Option("--with-models/--without-models", help="The artefacts of trained forecasts, too.")
    ] = True,
) -> None:
    """Save everything, verify it, and delete the oldest backups beyond those that are kept.

    Example: crypto-assets backup --to /mnt/backups --keep 14
    """
    if context.invoked_subcommand is None:
        run_backup(context.obj, to, (jobs, keep), with_dagster=with_dagster, with_models=with_models)


@backup_app.command("list")
def list_(
    context: typer.Context,
    at: Place = "",
    all_: Annotated[bool, typer.Option("--all", help="Those of other profiles, too.")] = False,
    json_: AsJson = False,
) -> None:
    """List backups, newest first, and whether their files are all there.

    Example: crypto-assets backup list
    """
    settings: Settings = context.obj
    place = place_of(settings, at)
    listed = place.listed("" if all_ else settings.profile)
    if json_:
        _print_json(listed)
    else:
        _print_listed(place, listed)


@backup_app.command()
def verify(context: typer.Context, name: Name, at: Place = "") -> None:
    """Read every byte of a backup and compare it with what was written; exit code 1 where anything differs.

    Example: crypto-assets backup verify latest
    """
    raise typer.Exit(run_verify(context.obj, name, at))


def run_backup(
    settings: Settings, to: str, counts: tuple[int, int], *, with_dagster: bool = True, with_models: bool = True
) -> None:
    """Make a backup and print what became of it.

    Args:
        counts: Jobs, and how many are kept; 0 for what the universe says.

    Raises:
        BackupError, DatabaseUnreachable: as for `back_up`.
    """
    from dataclasses import replace

    from crypto_assets.warehouse.backup import back_up

    rules = _rules(settings)
    with _databases(settings, to) as backups, telling() as tell:
        left_out = (
            *(() if with_dagster else ("Dagster's runs are not in it, as was asked",)),
            *(() if with_models else ("models are not in it, as was asked",)),
        )
        saved = replace(
            backups.saved,
            dagster=backups.saved.dagster if with_dagster else None,
            models=backups.saved.models if with_models else None,
            notes=(*backups.saved.notes, *left_out),
        )
        made = back_up(saved, backups.place, jobs=counts[0] or rules.jobs, keep=counts[1] or rules.keep, tell=tell)
    _print_made(made)


def run_verify(settings: Settings, name: str, at: str) -> int:
    """Verify a backup; exit code 1 where it is not as it was written, with a line a file.

    Raises:
        BackupMissing: there is none.
        PlaceUnusable: the place cannot be read.
    """
    from crypto_assets.warehouse.backup_manifest import BackupAltered

    place = place_of(settings, at)
    meant = place.resolve(name, settings.profile)
    try:
        manifest = place.verify(meant)
    except BackupAltered as error:
        complain(error.problem, error.way_out)
        for finding in error.findings[:SHOWN]:
            NOTICES.print(f"  {escape(finding)}", soft_wrap=True)
        return 1
    size = told_size(manifest.bytes)
    OUT.print(f"{meant} is as it was written: {len(manifest.files):,} files, {size}, {manifest.rows:,} rows.")
    return 0


def _rules(settings: Settings) -> BackupRules:
    """Those of the universe; a backup has to be possible while it is invalid, too."""
    from crypto_assets.universe import UniverseError, read_universe
    from crypto_assets.universe_operations import BackupRules

    try:
        return read_universe(settings.universe_file)[0].backups
    except UniverseError as error:
        NOTICES.print(f"[yellow]The universe cannot be read, so the default rules hold:[/] {escape(error.problem)}.")
        return BackupRules()


@contextmanager
def _databases(settings: Settings, to: str) -> Iterator[Backups]:
    """What is saved of the profile; nothing is created or migrated, a server of our own is started where none runs."""
    from crypto_assets.resources import backups_of

    with server_of(settings) as data:
        told = {
            "warehouse_url": data,
            "dagster_url": suffixed(data, "_dagster"),
            "backup_store": to or settings.backup_store,
        }
        yield backups_of(settings.model_copy(update=told))


@contextmanager
def server_of(settings: Settings) -> Iterator[SecretStr]:
    """URL of the profile's data, with the embedded server running for as long as it is needed, by us or by others."""
    from crypto_assets.cli.environment import DATABASE, embedded_server
    from crypto_assets.warehouse.connection import Warehouse
    from crypto_assets.warehouse.sessions import others_connected

    if settings.database_url is not None:
        yield suffixed(settings.database_url, settings.database_suffix)
        return
    server = embedded_server(settings)
    was_running, address = server.address() is not None, None
    try:
        address = server.start()
        yield suffixed(address.url(DATABASE), settings.database_suffix)
    finally:
        # Others may have found it running meanwhile: `up` works with it for as long as it runs.
        if not was_running and not (address and others_connected(Warehouse(address.url("postgres")))):
            server.stop()


def suffixed(url: SecretStr, suffix: str) -> SecretStr:
    """The same server, another database: the name with a suffix."""
    from crypto_assets.cli.environment import with_suffix

    return with_suffix(url, suffix)


def place_of(settings: Settings, named: str) -> BackupPlace:
    """The place that is named, or the profile's."""
    from crypto_assets.warehouse.backup_place import BackupPlace

    return BackupPlace(named or settings.backup_place)


@contextmanager
def telling() -> Iterator[Tell]:
    """A line that says what is being done, on a terminal."""
    with NOTICES.status("starting") as status:

        def tell(what: str) -> None:
            status.update(escape(what))

        yield tell


def _print_made(made: Made) -> None:
    shown = table("Saved", "database", ">tables", ">rows", ">migrations", ">seconds", "as of (UTC)")
    for kind, one in made.manifest.databases.items():
        at = f"{one.snapshot_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
        shown.add_row(
            kind, f"{len(one.tables):,}", f"{one.rows:,}", str(len(one.migrations)), f"{one.seconds:,.1f}", at
        )
    OUT.print(shown)
    for note in made.notes:
        OUT.print(f"[yellow]Note:[/] {escape(note)}.", soft_wrap=True)
    for name in made.remains:
        OUT.print(f"Removed what a killed run had left: {escape(name)}.", soft_wrap=True)
    for name in made.deleted:
        OUT.print(f"Deleted {name}: enough newer ones are kept.", soft_wrap=True)
    size, count = told_size(made.manifest.bytes), len(made.manifest.files)
    OUT.print(f"{made.name}: {count:,} files, {size}, verified, {made.seconds:,.1f} s.", soft_wrap=True)
    OUT.print(f"It lies in {escape(made.place)}.", soft_wrap=True)


def _print_listed(place: BackupPlace, listed: Sequence[Listed]) -> None:
    if not listed:
        OUT.print(f"No backup lies in {escape(str(place))}: `crypto-assets backup` makes one.", soft_wrap=True)
        return
    shown = table("Backups", "name", "begun (UTC)", ">size", ">rows", "state")
    for one in listed:
        size, rows, at = "", "", ""
        if one.manifest is not None:
            size, rows = told_size(one.manifest.bytes), f"{one.manifest.rows:,}"
            at = f"{one.manifest.started_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
        shown.add_row(one.name, at, size, rows, f"[red]{escape(one.problem)}[/]" if one.problem else "[green]whole[/]")
    OUT.print(shown)
    OUT.print(f"In {escape(str(place))}. Names and sizes were looked at; `verify` reads every byte.", soft_wrap=True)


def _print_json(listed: Sequence[Listed]) -> None:
    from crypto_assets.cli.show_text import json_text

    told = [
        {
            "name": one.name,
            "problem": one.problem,
            "started_at": one.manifest.started_at if one.manifest else None,
            "bytes": one.manifest.bytes if one.manifest else None,
            "rows": one.manifest.rows if one.manifest else None,
        }
        for one in listed
    ]
    print_json(json_text({"asked_at": datetime.now(UTC), "backups": told}))
