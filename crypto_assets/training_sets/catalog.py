"""The catalog of training sets: ops.training_sets, and which registered models name a set.

What belongs here: rows. What does not: files (place.py). A set is what has a row here and its manifest in its place: the row
is written with the publishing of the manifest, and taken away before the files are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import pandas as pd
import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name
from sqlalchemy import select

from crypto_assets.datasets.models.registry.table import registry
from crypto_assets.schema.training_sets import SetState, training_sets
from crypto_assets.training_sets.manifest import Manifest
from crypto_assets.training_sets.question import checked_name
from crypto_assets.training_sets.refusals import SetExists, SetInUse, SetUnknown
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.lease import LeaseTaken, lease
from crypto_assets.warehouse.read import Reader, Statement, read_frame

_DOCUMENTS = ("markets", "columns")
_INSERT = """
INSERT INTO ops.training_sets (name, created_at, as_of, starts_at, ends_at, timeframe, markets, columns, row_count, bytes,
                               row_hash, feature_version, place, manifest_sha256, state)
VALUES (%(name)s, %(created_at)s, %(as_of)s, %(starts_at)s, %(ends_at)s, %(timeframe)s, %(markets)s, %(columns)s,
        %(row_count)s, %(bytes)s, %(row_hash)s, %(feature_version)s, %(place)s, %(manifest_sha256)s, 'created')
"""


@dataclass(frozen=True)
class Listed:
    """A row of the catalog; times are UTC."""

    name: str
    created_at: datetime
    as_of: datetime
    starts_at: datetime
    ends_at: datetime
    timeframe: str
    markets: dict[str, int]
    columns: tuple[str, ...]
    row_count: int
    bytes: int
    row_hash: str
    feature_version: str
    place: str
    manifest_sha256: str
    state: SetState
    verified_at: datetime | None


@dataclass(frozen=True)
class NamedBy:
    """A version of a model that was trained on a set."""

    model: str
    version: int
    state: str

    def __str__(self) -> str:
        return f"{self.model} version {self.version} ({self.state})"


@contextmanager
def alone(warehouse: Warehouse, name: str) -> Iterator[None]:
    """Be the only one who writes or deletes a set of that name; a killed holder keeps nobody waiting.

    Raises:
        SetExists: somebody else is at it.
        DatabaseUnreachable: no connection.
    """
    try:
        with lease(warehouse, f"training set {name}", wait=False):
            yield
    except LeaseTaken:
        raise SetExists(
            f"The training set {name} is being written or deleted by another process",
            way_out="Wait until it has finished, or choose another name.",
        ) from None


def all_sets(source: Warehouse | Reader) -> list[Listed]:
    """Every set, the newest first.

    Raises:
        DatabaseUnreachable, NotMigrated: as for reading anything.
    """
    c = training_sets.c
    return _listed(_frame(source, select(training_sets).order_by(c.created_at.desc(), c.name)))


def listed(source: Warehouse | Reader, name: str) -> Listed:
    """One set.

    Raises:
        SetRefused: no set may have such a name.
        SetUnknown: naming what there is.
        DatabaseUnreachable, NotMigrated: as for reading anything.
    """
    found = find(source, name)
    if found is None:
        there = ", ".join(one.name for one in all_sets(source)[:20])
        raise SetUnknown(
            f"No training set is named {name}",
            way_out=f"There are {there}." if there else "`crypto-assets dataset create` makes one.",
        )
    return found


def find(source: Warehouse | Reader, name: str) -> Listed | None:
    """One set, or None.

    Raises:
        SetRefused: no set may have such a name.
        DatabaseUnreachable, NotMigrated: as for reading anything.
    """
    where = training_sets.c.name == checked_name(name)
    return next(iter(_listed(_frame(source, select(training_sets).where(where)))), None)


def named_by(source: Warehouse | Reader, name: str) -> list[NamedBy]:
    """The versions of models that were trained on a set, by model and version.

    Raises:
        DatabaseUnreachable, NotMigrated: as for reading anything.
    """
    c = registry.c
    chosen = select(c.model, c.version, c.state).where(c.training_set == name).order_by(c.model, c.version)
    rows = _frame(source, chosen).to_dict("records")
    return [NamedBy(str(row["model"]), int(row["version"]), str(row["state"])) for row in rows]


def enter(connection: Connection, manifest: Manifest, content: bytes, place: str) -> None:
    """Write the row of a new set, in the caller's transaction.

    Args:
        connection: Commits when the manifest is published.
        manifest: Of the set.
        content: Its bytes.
        place: Without credentials.

    Raises:
        SetExists: the name is taken.
    """
    asked = manifest.question
    markets = {f"{one.venue}:{one.symbol}": one.rows for one in manifest.markets}
    row = {
        "name": manifest.name, "created_at": manifest.created_at, "as_of": asked.as_of, "starts_at": asked.start,
        "ends_at": asked.end, "timeframe": asked.timeframe, "markets": json.dumps(markets),
        "columns": json.dumps([one.name for one in manifest.schema_]), "row_count": manifest.rows, "bytes": manifest.size,
        "row_hash": manifest.row_hash.sha256, "feature_version": manifest.code.feature_version, "place": place,
        "manifest_sha256": sha256(content).hexdigest(),
    }  # fmt: skip
    with connection.cursor() as cursor:
        try:
            cursor.execute(_INSERT, row)
        except psycopg2.errors.UniqueViolation:
            raise taken(manifest.name) from None


def taken(name: str) -> SetExists:
    """The error of a name that a set has."""
    return SetExists(
        f"A training set named {name} exists, and none is ever written over",
        way_out=f"Choose another name, or delete it: `crypto-assets dataset delete {name} --yes`.",
    )


def mark(warehouse: Warehouse, name: str, state: SetState) -> None:
    """Note what a look at a set found.

    Raises:
        DatabaseUnreachable: no connection.
    """
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "UPDATE ops.training_sets SET state = %s, verified_at = clock_timestamp() WHERE name = %s",
            (state.value, name),
        )


def mark_whole(warehouse: Warehouse, name: str) -> SetState:
    """Note that the files of a set are whole; of its rows that says nothing, so what was found of them stays.

    Returns:
        What the catalog holds of the set now: created, where nothing is known of its rows.

    Raises:
        DatabaseUnreachable: no connection.
    """
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "UPDATE ops.training_sets SET state = CASE state WHEN %s THEN %s ELSE state END,"
            " verified_at = clock_timestamp() WHERE name = %s RETURNING state",
            (SetState.DAMAGED.value, SetState.CREATED.value, name),
        )
        row = cursor.fetchone()
    return SetState.CREATED if row is None else SetState(row[0])  # None: it was deleted meanwhile


def strike(warehouse: Warehouse, name: str) -> None:
    """Take the row of a set away.

    Raises:
        SetInUse: naming the models that were trained on it.
        DatabaseUnreachable: no connection.
    """
    refuse_used(named_by(warehouse, name), name)
    try:
        with warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.execute("DELETE FROM ops.training_sets WHERE name = %s", (name,))
    except psycopg2.errors.ForeignKeyViolation:  # a training ended in between
        refuse_used(named_by(warehouse, name), name)
        raise


def refuse_used(users: list[NamedBy], name: str) -> None:
    """Let nobody take away what a model was made of.

    Raises:
        SetInUse: naming the models.
    """
    if users:
        more = f" and {len(users) - 5} more" if len(users) > 5 else ""
        raise SetInUse(
            f"The training set {name} stays: {', '.join(map(str, users[:5]))}{more} learned from it",
            way_out="As long as the registry names it, whoever asks what a model was made of must find it.",
        )


def _listed(frame: pd.DataFrame) -> list[Listed]:
    found = []
    for row in frame.to_dict("records"):
        values = {str(name): value for name, value in row.items()}
        values |= {name: json.loads(str(values[name])) for name in _DOCUMENTS}
        for name, value in values.items():
            if isinstance(value, pd.Timestamp):
                values[name] = value.to_pydatetime()
        verified = values["verified_at"]
        values |= {
            "columns": tuple(values["columns"]),
            "state": SetState(str(values["state"])),
            "verified_at": None if pd.isna(verified) else verified,
        }
        found.append(Listed(**values))
    return found


def _frame(source: Warehouse | Reader, statement: Statement) -> pd.DataFrame:
    if isinstance(source, Reader):
        return source.frame(statement)
    return read_frame(source, statement)


__all__ = [
    "Listed", "NamedBy", "all_sets", "alone", "enter", "find", "listed", "mark", "mark_whole", "named_by", "refuse_used",
    "strike", "taken",
]  # fmt: skip
