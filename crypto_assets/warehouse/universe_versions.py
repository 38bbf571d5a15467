"""The universe in force: the file where it is valid, else the last version that was.

What belongs here: remembering valid versions in ops.universe_versions, and deciding which one holds. What does not: the
shape of the file (universe.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.universe import Universe, UniverseError, content_hash, parse_universe, read_universe
from crypto_assets.warehouse.connection import Warehouse


@dataclass(frozen=True)
class UniverseInForce:
    """The universe a run works with.

    Args:
        universe: What to collect.
        version: SHA-256 of the file it came from.
        problem: Why the file as it stands is not in force; None where it is.
    """

    universe: Universe
    version: str
    problem: str | None = None


def universe_in_force(path: Path, warehouse: Warehouse) -> UniverseInForce:
    """Read the file; remember it where it is valid, fall back to the last valid one where not.

    Raises:
        UniverseError: the file is invalid and no valid version is known.
    """
    try:
        universe, text = read_universe(path)
    except UniverseError as error:
        return _last_good(warehouse, error)
    with warehouse.connect() as connection:
        _remember(connection, text)
    return UniverseInForce(universe, content_hash(text))


def _last_good(warehouse: Warehouse, error: UniverseError) -> UniverseInForce:
    try:
        with warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT content, content_hash FROM ops.universe_versions ORDER BY last_used_at DESC LIMIT 1")
            row = cursor.fetchone()
    except CryptoAssetsError as no_warehouse:
        raise error from no_warehouse
    if row is None:
        raise error
    return UniverseInForce(parse_universe(row[0], "the last valid universe"), row[1], problem=str(error))


def _remember(connection: Connection, text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ops.universe_versions (content_hash, content) VALUES (%s, %s)"
            " ON CONFLICT (content_hash) DO UPDATE SET last_used_at = now()",
            (content_hash(text), text),
        )
