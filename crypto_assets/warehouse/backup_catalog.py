"""What a dump of one database leaves out, read from its catalog and put back: roles, grants on the database, default grants.

What belongs here: reading and restoring that, and asking whether a database is empty. What does not: rows (row_hashes.py) and
schema, which pg_dump writes.

Roles belong to the whole server. pg_dump names them in its grants and creates none; sql/0001 makes ours. Default grants (what a
partition that is made next year grants) are bound to whoever owned the tables, so a restore gives them to the new owner.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import sha256

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a class under a function's name

from crypto_assets.warehouse.backup_manifest import (
    BackupError,
    DatabaseGrant,
    DatabaseMark,
    DatabaseRight,
    DefaultGrant,
)
from crypto_assets.warehouse.connection import Warehouse

# Made where they are missing, as the first migration does; nobody else's roles are.
OUR_ROLES = ("crypto_assets_reader", "crypto_assets_writer")
_SHOWN = 5

_NOT_SYSTEM = "n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'"
_NO_EXTENSION = """NOT EXISTS (SELECT FROM pg_depend d
   WHERE d.classid = '{0}'::regclass AND d.objid = {1}.oid AND d.deptype = 'e')"""
# What owners may do follows from owning, and owners may differ between servers.
_GRANTS = f"""
SELECT kind, object, coalesce(r.rolname, 'public'), given.privilege_type
  FROM (SELECT 'schema', n.nspname::text, n.nspowner, coalesce(n.nspacl, acldefault('n', n.nspowner))
          FROM pg_namespace n WHERE {_NOT_SYSTEM}
         UNION ALL
        SELECT 'table', n.nspname || '.' || c.relname, c.relowner,
               coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND {_NOT_SYSTEM} AND {_NO_EXTENSION.format("pg_class", "c")}
         UNION ALL
        SELECT 'function', n.nspname || '.' || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')', p.proowner,
               coalesce(p.proacl, acldefault('f', p.proowner))
          FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
         WHERE {_NOT_SYSTEM} AND {_NO_EXTENSION.format("pg_proc", "p")}) AS owned (kind, object, owner, acl)
 CROSS JOIN LATERAL aclexplode(owned.acl) AS given
  LEFT JOIN pg_roles r ON r.oid = given.grantee
 WHERE given.grantee <> owned.owner AND owned.acl IS NOT NULL
 ORDER BY 1, 2, 3, 4
"""  # noqa: S608 - constants
_DEFAULT_GRANTS = """
SELECT DISTINCT coalesce(n.nspname, ''), a.defaclobjtype::text, r.rolname, given.privilege_type
  FROM pg_default_acl a LEFT JOIN pg_namespace n ON n.oid = a.defaclnamespace
 CROSS JOIN LATERAL aclexplode(a.defaclacl) AS given
  JOIN pg_roles r ON r.oid = given.grantee
 WHERE given.grantee <> a.defaclrole ORDER BY 1, 2, 3, 4
"""
_DATABASE_GRANTS = """
SELECT r.rolname, given.privilege_type
  FROM pg_database d CROSS JOIN LATERAL aclexplode(d.datacl) AS given JOIN pg_roles r ON r.oid = given.grantee
 WHERE d.datname = current_database() AND given.grantee <> d.datdba ORDER BY 1, 2
"""
# PostgreSQL lets everybody connect and make temporary tables unless told otherwise, as sql/0029 does; a dump does not say it.
_PUBLIC_RIGHTS = """
SELECT given.privilege_type
  FROM pg_database d CROSS JOIN LATERAL aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) AS given
 WHERE d.datname = current_database() AND given.grantee = 0 ORDER BY 1
"""
_EXTENSIONS = "SELECT extname FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1"
_HELD = f"""
SELECT * FROM (
    SELECT 'table', n.nspname || '.' || c.relname
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND {_NOT_SYSTEM} AND {_NO_EXTENSION.format("pg_class", "c")}
     UNION ALL
    SELECT 'function', n.nspname || '.' || p.proname
      FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE {_NOT_SYSTEM} AND {_NO_EXTENSION.format("pg_proc", "p")}
     UNION ALL
    SELECT 'schema', n.nspname::text FROM pg_namespace n
     WHERE {_NOT_SYSTEM} AND n.nspname <> 'public' AND {_NO_EXTENSION.format("pg_namespace", "n")}) AS held (kind, object)
 ORDER BY kind = 'table' DESC, kind = 'function' DESC, object
"""  # noqa: S608 - constants
_KINDS = {"r": "TABLES", "S": "SEQUENCES", "f": "FUNCTIONS", "T": "TYPES", "n": "SCHEMAS"}
_MIGRATIONS = "ops._yoyo_migration"


class RolesMissing(BackupError):
    """Something was granted to roles that the server does not have."""


@dataclass(frozen=True)
class CatalogFacts:
    """What the manifest tells of a database beside its tables."""

    migrations: tuple[str, ...]
    extensions: tuple[str, ...]
    roles: tuple[str, ...]
    grants: tuple[str, ...]
    default_grants: tuple[DefaultGrant, ...]
    database_grants: tuple[DatabaseGrant, ...]
    public_rights: tuple[DatabaseRight, ...]


def facts_of(cursor: Cursor) -> CatalogFacts:
    """Read them, within the cursor's transaction."""
    grants = [(str(kind), str(object_), str(role), str(right)) for kind, object_, role, right in _rows(cursor, _GRANTS)]
    defaults = tuple(
        DefaultGrant(schema_name=place, kind=kind, role=role, privilege=right)  # type: ignore[arg-type]
        for place, kind, role, right in _rows(cursor, _DEFAULT_GRANTS)
    )
    database = tuple(
        DatabaseGrant(role=role, privilege=right)  # type: ignore[arg-type]
        for role, right in _rows(cursor, _DATABASE_GRANTS)
    )
    named = {role for _, _, role, _ in grants} | {one.role for one in defaults} | {one.role for one in database}
    return CatalogFacts(
        migrations=tuple(_migrations(cursor)),
        extensions=tuple(str(row[0]) for row in _rows(cursor, _EXTENSIONS)),
        roles=tuple(sorted(named - {"public"})),
        grants=tuple(" ".join(one) for one in grants),
        default_grants=defaults,
        database_grants=database,
        public_rights=tuple(row[0] for row in _rows(cursor, _PUBLIC_RIGHTS)),  # type: ignore[misc]
    )


def origin_of(cursor: Cursor) -> str:
    """Which database this is, as eight digits: the same for as long as the server's data folder and the database live."""
    cursor.execute(
        "SELECT (pg_control_system()).system_identifier::text, oid::text FROM pg_database WHERE datname = current_database()"
    )
    return sha256("/".join(cursor.fetchone() or ()).encode()).hexdigest()[:8]


def server_version(cursor: Cursor) -> str:
    """As 18.6."""
    cursor.execute("SHOW server_version")
    row = cursor.fetchone()
    return str(row[0]).split()[0] if row else ""


def held_by(warehouse: Warehouse) -> str:
    """What a database holds, in words; empty where it holds nothing.

    Raises:
        DatabaseUnreachable: no connection.
        DatabaseMissing: no such database.
    """
    with warehouse.connect() as connection, connection.cursor() as cursor:
        held = _rows(cursor, _HELD)
    if not held:
        return ""
    names = ", ".join(f"{kind} {name}" for kind, name in held[:_SHOWN])
    return f"{names} and {len(held) - _SHOWN} more" if len(held) > _SHOWN else names


def make_roles(warehouse: Warehouse, roles: Collection[str]) -> list[str]:
    """Create those of ours that the server lacks, as the first migration does.

    Returns:
        Those created.

    Raises:
        RolesMissing: others are missing, or ours may not be created; none was created.
    """
    with warehouse.connect() as connection, connection.cursor() as cursor:
        there = {row[0] for row in _rows(cursor, "SELECT rolname FROM pg_roles")}
        missing = sorted(set(roles) - there)
        others = [one for one in missing if one not in OUR_ROLES]
        if others:
            raise _roles_missing(others, "roles that this server does not have")
        for one in missing:
            try:
                cursor.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(one)))
            except psycopg2.errors.InsufficientPrivilege as error:
                raise _roles_missing(missing, "roles that the user may not create here") from error
    return missing


def _roles_missing(names: Sequence[str], what: str) -> RolesMissing:
    return RolesMissing(
        f"The backup grants rights to {what}: {', '.join(names)}",
        way_out=f"Have an administrator create them first: CREATE ROLE {names[0]} NOLOGIN.",
    )


def grant_the_rest(warehouse: Warehouse, mark: DatabaseMark) -> None:
    """What pg_restore was not let grant: rights on the database, and of tables that are made later, by the present user.

    Raises:
        DatabaseUnreachable: no connection.
    """
    with warehouse.connect() as connection, connection.cursor() as cursor:
        for one in mark.default_grants:
            place = sql.SQL("IN SCHEMA {}").format(sql.Identifier(one.schema_name)) if one.schema_name else sql.SQL("")
            cursor.execute(
                sql.SQL("ALTER DEFAULT PRIVILEGES {} GRANT {} ON {} TO {}").format(
                    place, sql.SQL(one.privilege), sql.SQL(_KINDS[one.kind]), sql.Identifier(one.role)
                )
            )
        name = sql.Identifier(connection.info.dbname)
        for given in mark.database_grants:
            statement = sql.SQL("GRANT {} ON DATABASE {} TO {}")
            cursor.execute(statement.format(sql.SQL(given.privilege), name, sql.Identifier(given.role)))
        if mark.public_rights is not None:
            cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
            for right in mark.public_rights:
                cursor.execute(sql.SQL("GRANT {} ON DATABASE {} TO PUBLIC").format(sql.SQL(right), name))


def missing_grants(expected: DatabaseMark, found: CatalogFacts, owner: str) -> list[str]:
    """Rights that were given when it was saved and are not now; those of the new owner follow from owning. Pure."""
    lines = set(expected.grants) - set(found.grants)
    lines |= {_told(one) for one in set(expected.default_grants) - set(found.default_grants) if one.role != owner}
    lines |= {
        f"database {one.role} {one.privilege}"
        for one in set(expected.database_grants) - set(found.database_grants)
        if one.role != owner
    }
    return sorted(line for line in lines if line.split(" ")[-2] != owner)


def _told(one: DefaultGrant) -> str:
    return f"default of {_KINDS[one.kind].lower()} in {one.schema_name or 'all schemas'} {one.role} {one.privilege}"


def _migrations(cursor: Cursor) -> list[str]:
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (_MIGRATIONS,))
    row = cursor.fetchone()
    if row is None or not row[0]:
        return []
    return [str(found[0]) for found in _rows(cursor, f"SELECT migration_id FROM {_MIGRATIONS} ORDER BY 1")]  # noqa: S608 - a constant


def _rows(cursor: Cursor, statement: str) -> list[tuple[object, ...]]:
    cursor.execute(statement)
    return cursor.fetchall()
