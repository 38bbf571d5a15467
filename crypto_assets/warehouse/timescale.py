"""TimescaleDB: whether it is there, turning fresh tables into hypertables, and their chunks.

What belongs here: detection, the refusal where it is asked for and absent, applying sql/optional/timescaledb, and the
statements over chunks. What does not: the SQL that makes hypertables (sql/optional/timescaledb) and native partitions
(retention.py).

Whatever names partitions asks one question first, `ops.is_hypertable`. Without the extension the answer is no, at the price
of a look into pg_extension, and nothing here is reached.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

import psycopg2
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a class under a function's name

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.spans import Span
from crypto_assets.warehouse.connection import Warehouse

EXTENSION = "timescaledb"
# Until 2.25.1 a late row in a compressed chunk lost its computed columns, which quotes have (timescaledb's issue 9314).
OLDEST = (2, 26)
FOLDER = Path("optional") / "timescaledb"

_AVAILABLE = "SELECT default_version, installed_version FROM pg_available_extensions WHERE name = %s"
_PRELOADED = "SELECT current_setting('shared_preload_libraries', true)"
# Drops the chunks of a hypertable that lie wholly within a span, and keeps book of it; table, start, end.
DROP_CHUNKS = "SELECT ops.drop_chunks_within(%s::regclass, %s, %s)"
_CHUNKS = """
SELECT k.chunk_name, k.range_start, k.range_end,
       coalesce(pg_total_relation_size(format('%%I.%%I', k.chunk_schema, k.chunk_name)::regclass), 0)
  FROM timescaledb_information.chunks k
 WHERE to_regclass(format('%%I.%%I', k.hypertable_schema, k.hypertable_name)) = %s::regclass
 ORDER BY k.range_start
"""


class TimescaleUnavailable(CryptoAssetsError):
    """TimescaleDB is asked for, and the server does not have it, or has one too old."""


class TimescaleRefused(CryptoAssetsError):
    """TimescaleDB is there, and these tables cannot be turned into hypertables."""


@dataclass(frozen=True)
class TimescaleState:
    """What the server knows of TimescaleDB.

    Args:
        offered: The version that could be installed; None where the server does not have it.
        installed: The version in this database; None where it is not.
        is_preloaded: Whether the server loaded its library at start; None where the user may not see that.
    """

    offered: str | None
    installed: str | None
    is_preloaded: bool | None


def timescale_state(warehouse: Warehouse) -> TimescaleState:
    """Look whether the extension is there; changes nothing.

    Raises:
        DatabaseUnreachable: no connection.
    """
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_AVAILABLE, (EXTENSION,))
        offered, installed = cursor.fetchone() or (None, None)
        cursor.execute(_PRELOADED)
        row = cursor.fetchone()
    preloaded = None if row is None or row[0] is None else EXTENSION in row[0]
    return TimescaleState(offered, installed, preloaded)


def use_timescale(warehouse: Warehouse, sql_folder: Path) -> tuple[str, ...]:
    """Turn the tables that gain by it into hypertables with compression, in one transaction; again, nothing changes.

    Args:
        warehouse: Migrated; the tables that are turned hold no row yet.
        sql_folder: With optional/timescaledb below it.

    Returns:
        Names of the files that were run.

    Raises:
        TimescaleUnavailable: the server does not have the extension, or an old one; nothing changed.
        TimescaleRefused: a table holds rows already, or the server refused a statement; nothing changed.
        DatabaseUnreachable, NotMigrated: as for `Warehouse.connect`.
    """
    refuse_without(timescale_state(warehouse), warehouse.place)
    files = sorted((sql_folder / FOLDER).glob("[0-9]*.sql"))
    if not files:
        raise TimescaleRefused(f"Expected SQL files in {sql_folder / FOLDER}", way_out="Install the package whole.")
    try:
        with warehouse.connect() as connection, connection.cursor() as cursor:
            for file in files:
                cursor.execute(file.read_text(encoding="utf-8"))
    except psycopg2.Error as error:
        raise TimescaleRefused(
            f"Tables of {warehouse.place} cannot become hypertables: {' '.join(str(error).split())}",
            way_out="Nothing was changed, native partitions go on serving. Hypertables need a database without rows.",
        ) from error
    return tuple(file.name for file in files)


def is_hypertable(cursor: Cursor, table: str) -> bool:
    """Whether TimescaleDB cuts a table into chunks.

    Args:
        table: Quoted, with its schema.
    """
    cursor.execute("SELECT ops.is_hypertable(%s::regclass)", (table,))
    row = cursor.fetchone()
    return bool(row and row[0])


def chunks_of(cursor: Cursor, table: str) -> list[tuple[str, Span, int]]:
    """A hypertable's chunks: name, span and bytes, oldest first."""
    cursor.execute(_CHUNKS, (table,))
    return [
        (name, (start.astimezone(UTC), end.astimezone(UTC)), int(size)) for name, start, end, size in cursor.fetchall()
    ]


def refuse_without(state: TimescaleState, place: str) -> None:
    """See that the extension can serve. Pure.

    Raises:
        TimescaleUnavailable: it is not there, too old, or was not loaded.
    """
    if state.offered is None:
        raise TimescaleUnavailable(
            f"The server of {place} does not have the extension {EXTENSION}",
            way_out="Install TimescaleDB there, or migrate without it: native partitions serve every function.",
        )
    if _version(state.installed or state.offered) < OLDEST:
        wanted = ".".join(str(part) for part in OLDEST)
        raise TimescaleUnavailable(
            f"Expected TimescaleDB {wanted} or newer at {place}, and it is {state.installed or state.offered}",
            way_out="Upgrade it: ALTER EXTENSION timescaledb UPDATE, after its package.",
        )
    if state.is_preloaded is False:
        raise TimescaleUnavailable(
            f"The server of {place} has TimescaleDB and did not load it at its start",
            way_out="Put timescaledb into shared_preload_libraries and restart the server.",
        )


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("-", maxsplit=1)[0].split(".")[:2] if part.isdigit())


__all__ = [
    "DROP_CHUNKS",
    "TimescaleRefused",
    "TimescaleState",
    "TimescaleUnavailable",
    "chunks_of",
    "is_hypertable",
    "refuse_without",
    "timescale_state",
    "use_timescale",
]  # fmt: skip
