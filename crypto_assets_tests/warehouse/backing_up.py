"""Databases that are worth saving, and backups made by hand, for tests of backups.

What belongs here: that. What does not: assertions.
"""

from __future__ import annotations

import re
import subprocess
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
from psycopg2 import sql
from pydantic import SecretStr
from sqlalchemy import make_url

from crypto_assets.datasets.market.ohlcv.table import ohlcv
from crypto_assets.warehouse.backup import Saved
from crypto_assets.warehouse.backup_files import marks_of
from crypto_assets.warehouse.backup_manifest import (
    MANIFEST,
    DatabaseKind,
    DatabaseMark,
    Manifest,
    manifest_bytes,
    name_of,
)
from crypto_assets.warehouse.backup_restore import Restoring
from crypto_assets.warehouse.backup_tools import find_tools
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.write import upsert
from crypto_assets_tests.warehouse.bars import FIRST, batch

SQL_FOLDER = Path(__file__).parents[2] / "sql"
ORIGIN = "0a1b2c3d"
# Everything that a dump could lose: an odd name, an unlogged table, a dropped column, a view, exact numbers, a sequence.
_ODD = """
CREATE TABLE public."odd "" name" (gone text, id bigint GENERATED ALWAYS AS IDENTITY, value numeric, at timestamptz, note text);
INSERT INTO public."odd "" name" (gone, value, at, note) VALUES
    ('x', 1.00, '2024-02-29T23:59:59.999999Z', E'tab\\tand \\\\ and ü'), ('y', NULL, 'infinity', NULL), ('z', 'NaN', NULL, '');
ALTER TABLE public."odd "" name" DROP COLUMN gone;
CREATE UNLOGGED TABLE public.fleeting AS SELECT i, i / 3.0::float8 AS third FROM generate_series(1, 50) AS i;
CREATE VIEW public.newest AS SELECT symbol, max(opened_at) AS opened_at FROM market.ohlcv GROUP BY 1;
GRANT SELECT (value) ON public."odd "" name" TO crypto_assets_reader;
GRANT SELECT ON public.newest TO crypto_assets_reader
"""


def fill(warehouse: Warehouse, *, minutes: int = 600) -> None:
    """Bars of three years, some of them revised, and `_ODD`."""
    with warehouse.connect() as connection:
        for years in (0, 366, 731):
            first = years * 1440
            upsert(connection, ohlcv, batch(minutes, first=first))
        upsert(connection, ohlcv, batch(20, close=90.0))
        with connection.cursor() as cursor:
            cursor.execute(_ODD)


def add_bar(warehouse: Warehouse, minute: int) -> None:
    """One bar of another market, of the third year."""
    with warehouse.connect() as connection:
        upsert(connection, ohlcv, batch(1, first=731 * 1440 + minute, symbol="ETH/USD"))


def fetched(warehouse: Warehouse, statement: str, *values: object) -> list[tuple[object, ...]]:
    """The rows of a statement; what it changes is committed."""
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


def saved_of(data: Warehouse, folder: Path, *, dagster: Warehouse | None = None, models: Path | None = None) -> Saved:
    """What is saved of a test's databases; universe and watchlist are small files."""
    for name in ("universe.yaml", "watchlist.csv"):
        (folder / name).write_text(f"the {name}\n")
    config = {name: folder / name for name in ("universe.yaml", "watchlist.csv")}
    return Saved("live", data, dagster, config, str(models) if models else None, folder / "staging")


def restoring(
    url: SecretStr, folder: Path, *, dagster: SecretStr | None = None, models: Path | None = None
) -> Restoring:
    """Into a database, with whatever else is wanted."""
    return Restoring(
        targets={"data": url} if dagster is None else {"data": url, "dagster": dagster},
        migrations=frozenset(path.stem for path in SQL_FOLDER.glob("*.sql")),
        models=str(models) if models else None,
        config=folder / "restored_config",
        staging=folder / "staging",
        jobs=2,
    )


def schema_of(warehouse: Warehouse) -> list[str]:
    """The whole schema as pg_dump writes it: tables, keys, checks, triggers, functions, comments, grants, default grants."""
    url = make_url(warehouse.url.get_secret_value())
    told = subprocess.run(
        [find_tools(18, None).folder / "pg_dump", "--schema-only", "--no-owner", "--restrict-key=same",
         f"--dbname=host={url.host} port={url.port} user={url.username} dbname={url.database}"],
        env={"PGPASSWORD": str(url.password)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [re.sub("[()]", "", line) for line in told.stdout.splitlines()]  # brackets may come back in other groups


@contextmanager
def name_of_none(like: Warehouse) -> Iterator[SecretStr]:
    """The URL of a database that is not there, on the same server; dropped at the end where somebody made it."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    url = make_url(like.url.get_secret_value())
    try:
        yield SecretStr(url.set(database=name).render_as_string(hide_password=False))
    finally:
        with closing(
            psycopg2.connect(**url.set(database="postgres").translate_connect_args(username="user", database="dbname"))
        ) as made:
            made.autocommit = True
            with made.cursor() as cursor:
                cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def by_hand(
    place: Path,
    files: Mapping[str, bytes],
    *,
    minute: int = 0,
    origin: str = ORIGIN,
    profile: str = "live",
    kinds: Sequence[DatabaseKind] = (),
) -> str:
    """A backup of no database, or of empty ones, written straight into its place; its name."""
    folder = place / "by_hand"
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    made = manifest_by_hand(folder, minute=minute, origin=origin, profile=profile)
    empty = DatabaseMark(
        database="empty", server="18.0", program="18.0", snapshot_at=made.started_at, seconds=0, tables=(), migrations=(),
        extensions=(), roles=(), grants=(), default_grants=(), database_grants=(),
    )  # fmt: skip
    manifest = made.model_copy(update={"databases": dict.fromkeys(kinds, empty)})
    content = manifest_bytes(manifest)
    (folder / MANIFEST).write_bytes(content)
    name = name_of(manifest, content)
    folder.rename(place / name)
    return name


def manifest_by_hand(folder: Path, *, minute: int = 0, origin: str = ORIGIN, profile: str = "live") -> Manifest:
    """The manifest of a folder with files of no database."""
    at = datetime(2026, 3, 1, 12, minute, tzinfo=UTC)
    return Manifest(
        format=1, profile=profile, origin=origin, code="0", started_at=at, finished_at=at, databases={}, files=marks_of(folder)
    )  # fmt: skip


__all__ = ["FIRST", "ORIGIN", "SQL_FOLDER", "add_bar", "by_hand", "fetched", "fill", "manifest_by_hand", "name_of_none",
           "restoring", "saved_of", "schema_of"]  # fmt: skip
