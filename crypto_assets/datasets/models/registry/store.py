"""Changing the registry: a version is registered, promoted, rolled back.

What belongs here: the three transactions. What does not: reading (registered.py), whether a candidate deserves promotion by
rule (rule.py), artefacts (forecasting/artefacts.py).

Each is one transaction under one advisory lock a forecast, so two trainings at once get two numbers and two promotions leave
one champion; a unique index over champions stands behind it. Whoever is killed in between changed nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import cast

from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - as above

from crypto_assets.datasets.models.registry.registered import (
    ModelUnknown,
    Registered,
    Trained,
    VersionUnknown,
    champion,
    row_of,
    version_of,
    versions,
)
from crypto_assets.datasets.models.registry.table import promotions, registry
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.write import Batch, upsert

RULE = "rule"  # who promotes where nobody does by hand

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
_NEXT_VERSION = "SELECT coalesce(max(version), 0) + 1 FROM models.registry WHERE model = %s"
_CHAMPION = "SELECT version FROM models.registry WHERE model = %s AND state = 'champion'"
_HISTORY = "SELECT action, version FROM models.promotions WHERE model = %s ORDER BY promoted_at"
# A clock that was set back must neither repeat a key nor put a change before the one that it follows.
_MOMENT = """
SELECT greatest(clock_timestamp(), max(promoted_at) + interval '1 microsecond') FROM models.promotions WHERE model = %s
"""
_RETIRE = """
UPDATE models.registry
   SET state = 'retired', retired_at = %(at)s, ingested_at = greatest(%(at)s, ingested_at + interval '1 microsecond')
 WHERE model = %(model)s AND state = 'champion'
"""
_CROWN = """
UPDATE models.registry
   SET state = 'champion', promoted_at = %(at)s, promoted_by = %(by)s, promoted_why = %(why)s, retired_at = NULL,
       ingested_at = greatest(%(at)s, ingested_at + interval '1 microsecond')
 WHERE model = %(model)s AND version = %(version)s
"""


class NotPromotable(CryptoAssetsError):
    """The version has no skill, so it may not answer for its forecast."""


class NothingToRollBackTo(CryptoAssetsError):
    """No version was champion before the present one."""


class ChampionChanged(CryptoAssetsError):
    """Another version became champion since the candidate was compared."""


class Action(StrEnum):
    """How a champion came to be one."""

    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"


def register(connection: Connection, trained: Trained) -> int:
    """Give a trained version its number and store it as a candidate. Its artefact has to be stored before.

    Args:
        connection: In a transaction, which the caller commits; until then nobody else gets a number of this forecast.
        trained: What training came to.

    Returns:
        The version.
    """
    with connection.cursor() as cursor:
        _one_at_a_time(cursor, trained.model)
        version = int(str(_one(cursor, _NEXT_VERSION, trained.model)))
    upsert(connection, registry, row_of(trained, version))
    return version


def promote(warehouse: Warehouse, model: str, version: int, by: str, why: str) -> Registered:
    """Make a version champion; the champion before is retired. Where it is champion already, nothing changes.

    Args:
        warehouse: Where the registry is.
        model: Forecast, as gas_4h.
        version: Any of its versions that has skill.
        by: Who wants it.
        why: For whoever reads it later.

    Returns:
        The champion.

    Raises:
        ModelUnknown, VersionUnknown: there is no such version.
        NotPromotable: it has no skill, with the figures.
        DatabaseUnreachable: no connection, or it broke; nothing changed.
    """
    wanted = version_of(warehouse, model, version)
    _refuse_without_skill(wanted)
    with warehouse.connect() as connection, connection.cursor() as cursor:
        _one_at_a_time(cursor, model)
        if _one(cursor, _CHAMPION, model) != version:
            _crown(connection, wanted, Action.PROMOTED, by, why)
    return version_of(warehouse, model, version)


def succeed(warehouse: Warehouse, candidate: Registered, former: int | None, by: str, why: str) -> Registered:
    """Promote a candidate that was found better than the champion, if that one is champion still.

    Args:
        former: The version that it was compared with; None where there was no champion.

    Returns:
        The champion.

    Raises:
        NotPromotable: it has no skill.
        ChampionChanged: another is champion now; compare with that one.
        DatabaseUnreachable: no connection, or it broke; nothing changed.
    """
    _refuse_without_skill(candidate)
    with warehouse.connect() as connection, connection.cursor() as cursor:
        _one_at_a_time(cursor, candidate.model)
        present = _one(cursor, _CHAMPION, candidate.model)
        if present != former:
            raise ChampionChanged(
                f"Version {candidate.version} of {candidate.model} was compared with {_told(former)},"
                f" and the champion is {_told(present)}",
                way_out="Compare it with that one.",
            )
        _crown(connection, candidate, Action.PROMOTED, by, why)
    return version_of(warehouse, candidate.model, candidate.version)


def rollback(warehouse: Warehouse, model: str, by: str, why: str) -> Registered:
    """Make the champion before the present one champion again; once more, the one before that.

    Returns:
        The champion.

    Raises:
        ModelUnknown: nothing is registered under that name.
        NothingToRollBackTo: there was none before.
        DatabaseUnreachable: no connection, or it broke; nothing changed.
    """
    versions(warehouse, model)
    with warehouse.connect() as connection, connection.cursor() as cursor:
        _one_at_a_time(cursor, model)
        cursor.execute(_HISTORY, (model,))
        reigns = reigns_of(cursor.fetchall())
        if len(reigns) < 2:
            raise NothingToRollBackTo(
                f"Before {_told(reigns[-1] if reigns else None)} no version of {model} was champion",
                way_out=f"`crypto-assets models show {model}` lists what could be promoted.",
            )
        _crown(connection, version_of(warehouse, model, reigns[-2]), Action.ROLLED_BACK, by, why)
    return version_of(warehouse, model, reigns[-2])


def reigns_of(history: Sequence[tuple[str, int]]) -> list[int]:
    """The champions that one could return to and last the present one, from all changes in their order. Pure.

    A roll-back takes the last one away: what was rolled back from is not returned to by rolling back again.
    """
    reigns: list[int] = []
    for action, version in history:
        if action == Action.PROMOTED:
            reigns.append(version)
        else:
            reigns.pop()
    return reigns


def _one_at_a_time(cursor: Cursor, model: str) -> None:
    cursor.execute(_LOCK, (f"model {model}",))


def _one(cursor: Cursor, statement: str, model: str) -> object:
    cursor.execute(statement, (model,))
    row = cursor.fetchone()
    return row[0] if row else None


def _crown(connection: Connection, wanted: Registered, action: Action, by: str, why: str) -> None:
    """Retire the champion, make another one champion and note it; the caller holds the forecast's lock."""
    with connection.cursor() as cursor:
        former = _one(cursor, _CHAMPION, wanted.model)
        at = cast(datetime, _one(cursor, _MOMENT, wanted.model))
        told = {"model": wanted.model, "version": wanted.version, "at": at, "by": by, "why": why}
        cursor.execute(_RETIRE, told)
        cursor.execute(_CROWN, told)
    note: Batch = {
        "model": wanted.model, "promoted_at": at, "action": action.value, "version": wanted.version,
        "former_version": former if isinstance(former, int) else None, "promoted_by": by, "why": why,
        "source": f"{action.value} by {by}", "known_at": at,
    }  # fmt: skip
    upsert(connection, promotions, note)


def _refuse_without_skill(wanted: Registered) -> None:
    if not wanted.has_skill:
        raise NotPromotable(
            f"Version {wanted.version} of {wanted.model} cannot become champion: {wanted.verdict}",
            way_out="A version without skill stays a candidate: train again when there is more history.",
        )


def _told(version: object) -> str:
    return "no champion" if version is None else f"version {version}"


__all__ = [
    "RULE", "Action", "ChampionChanged", "ModelUnknown", "NotPromotable", "NothingToRollBackTo", "Registered", "Trained",
    "VersionUnknown",
    "champion", "promote", "register", "reigns_of", "rollback", "succeed", "version_of", "versions",
]  # fmt: skip
