"""`crypto-assets restore`: reading a backup back into databases that hold nothing, and saying what came of it.

What belongs here: options, flow and tables. What does not: the work (warehouse/backup_restore.py), and making one (backup.py).
Nothing is migrated: what is restored is compared with what was saved.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit, urlunsplit

import typer
from pydantic import SecretStr
from rich.markup import escape

from crypto_assets.cli.backup import SHOWN, Name, place_of, server_of, suffixed, telling
from crypto_assets.cli.console import NOTICES, OUT, complain, table
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.settings import Settings

if TYPE_CHECKING:
    from crypto_assets.warehouse.backup_restore import Restored, RestoredDatabase

_DATABASE = re.compile(r"[a-z_][a-z0-9_]{0,54}", re.ASCII)


def restore(
    context: typer.Context,
    name: Name,
    at: Annotated[str, typer.Option("--from", help="Folder or address; default: CRYPTO_ASSETS_BACKUP_STORE.")] = "",
    into: Annotated[
        str, typer.Option(help="URL of another database; PGPASSWORD or ~/.pgpass may hold its password.")
    ] = "",
    database: Annotated[str, typer.Option(help="Another database on the profile's server.")] = "",
    jobs: Annotated[int, typer.Option(min=1, max=16, help="Tables at the same time.")] = 2,
    with_dagster: Annotated[
        bool, typer.Option("--with-dagster/--without-dagster", help="Dagster's runs and events, too.")
    ] = True,
    with_models: Annotated[
        bool, typer.Option("--with-models/--without-models", help="Artefacts that the store of models lacks, too.")
    ] = True,
) -> None:
    """Restore a backup into databases that hold nothing, and compare every table; exit code 1 where one differs.

    Without --into or --database these are the profile's own. Dagster's runs go to the same name with _dagster behind it.

    Example: crypto-assets restore latest --database crypto_assets_look
    """
    raise typer.Exit(
        run_restore(context.obj, name, at, (into, database), jobs, with_dagster=with_dagster, with_models=with_models)
    )


def run_restore(
    settings: Settings,
    name: str,
    at: str,
    target: tuple[str, str],
    jobs: int,
    *,
    with_dagster: bool = True,
    with_models: bool = True,
) -> int:
    """Restore, compare and print; exit code 1 where anything differs from what was saved.

    Args:
        target: URL, or name of a database on the profile's server; both empty for the profile's own.

    Raises:
        BackupError, DatabaseUnreachable: as for `restore` of warehouse/backup_restore.py.
    """
    from crypto_assets.warehouse.backup_manifest import DAGSTER, DATA
    from crypto_assets.warehouse.backup_restore import Restoring
    from crypto_assets.warehouse.backup_restore import restore as read_back

    place = place_of(settings, at)
    meant = place.resolve(name, settings.profile)
    _refuse_other_profile(settings, meant, has_target=any(target))
    with _target(settings, target) as url, telling() as tell:
        own = settings.home.absolute() / settings.profile
        wanted = Restoring(
            targets={DATA: url, DAGSTER: suffixed(url, "_dagster")} if with_dagster else {DATA: url},
            migrations=frozenset(path.stem for path in settings.sql_folder.glob("*.sql")),
            models=settings.model_store_place if with_models else None,
            config=own / "restored_config" / meant,
            staging=own / "backup_staging",
            jobs=jobs,
            binaries=settings.postgres_bin,
        )
        restored = read_back(place, meant, wanted, tell)
    _print_restored(restored)
    OUT.print(f"Universe and watchlist as they were saved: {escape(str(wanted.config))}", soft_wrap=True)
    return 0 if restored.is_equal else 1


@contextmanager
def _target(settings: Settings, target: tuple[str, str]) -> Iterator[SecretStr]:
    """URL of the database to restore the data into."""
    into, database = target
    if into and database:
        raise CryptoAssetsError("--into and --database both name a database", way_out="Give one of them.")
    if into:
        yield SecretStr(into)
        return
    if database and not _DATABASE.fullmatch(database):
        raise CryptoAssetsError(
            f"--database is {database[:60]!r}", way_out="Take small letters, digits and _, at most 55 of them."
        )
    with server_of(settings) as own:
        parts = urlsplit(own.get_secret_value())
        yield SecretStr(urlunsplit(parts._replace(path=f"/{database}"))) if database else own


def _refuse_other_profile(settings: Settings, name: str, *, has_target: bool) -> None:
    from crypto_assets.warehouse.backup_manifest import profile_of

    if profile_of(name) != settings.profile and not has_target:
        raise CryptoAssetsError(
            f"{name} is of the profile {profile_of(name)}, and this is {settings.profile}",
            way_out=f"Say --profile {profile_of(name)} before the command, or name a database with --database or --into.",
        )


def _print_restored(restored: Restored) -> None:
    for one in restored.databases:
        _print_database(one)
    if restored.roles:
        OUT.print(f"Roles created on the server: {', '.join(restored.roles)}.")
    if restored.models:
        OUT.print(f"{restored.models:,} files put into the store of models.")
    if restored.is_equal:
        OUT.print(f"Every table is as {restored.name} saved it.", soft_wrap=True)
        return
    wrong = [
        f"{one.kind} {found.table}: {found.finding}"
        for one in restored.databases
        for found in one.tables
        if found.finding
    ]
    wrong += [f"{one.kind}: {finding}" for one in restored.databases for finding in one.findings]
    complain(
        f"What was restored is not what was saved: {wrong[0]}",
        "Do not work with it: restore once more, or take another backup.",
    )
    for line in wrong[:SHOWN]:
        NOTICES.print(f"  {escape(line)}", soft_wrap=True)


def _print_database(one: RestoredDatabase) -> None:
    """A row a schema, and one for each table that differs."""
    shown = table(f"{one.kind}: {one.place}", "schema or table", ">tables", ">rows", "compared with the backup")
    schemas = sorted({found.table.partition(".")[0] for found in one.tables})
    for schema in schemas:
        here = [found for found in one.tables if found.table.partition(".")[0] == schema]
        rows = sum(found.found.rows for found in here if found.found)
        wrong = [found for found in here if found.finding]
        shown.add_row(
            escape(schema),
            f"{len(here):,}",
            f"{rows:,}",
            f"[red]{len(wrong)} differ[/]" if wrong else "[green]equal[/]",
        )
        for found in wrong:
            shown.add_row(f"  {escape(found.table)}", "", "", f"[red]{found.finding}[/]")
    OUT.print(shown)
    OUT.print(f"Restored in {one.restore_seconds:,.1f} s, compared in {one.verify_seconds:,.1f} s.")
