"""The reader role, as a login that has no other: it reads everything of ours and changes nothing, anywhere."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name
from sqlalchemy import make_url

from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.server import ServerAddress

LOGIN = "reader_of_tests"
OURS = ("market", "dex", "macro", "onchain", "sentiment", "features", "models", "quality", "audit", "ops")
REFUSED = (psycopg2.errors.InsufficientPrivilege, psycopg2.errors.ReadOnlySqlTransaction)


@pytest.fixture(scope="module")
def reader(shared_warehouse: Warehouse, server: ServerAddress) -> Iterator[Connection]:
    """A session of a login that is a member of the reader role and of nothing else."""
    word, name = secrets.token_hex(16), f"{LOGIN}_{secrets.token_hex(4)}"
    with shared_warehouse.connect() as owner, owner.cursor() as cursor:
        create = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} IN ROLE crypto_assets_reader")
        cursor.execute(create.format(sql.Identifier(name), sql.Literal(word)))
    url = make_url(shared_warehouse.url.get_secret_value())
    connection = psycopg2.connect(host=url.host, port=url.port, dbname=url.database, user=name, password=word)
    connection.autocommit = True
    yield connection
    connection.close()
    with shared_warehouse.connect() as owner, owner.cursor() as cursor:
        cursor.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def _asked(connection: Connection, query: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, {"ours": list(OURS)})
        return list(cursor.fetchall())


@pytest.fixture(scope="module")
def tables(reader: Connection) -> list[sql.Identifier]:
    found = _asked(reader, "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = ANY(%(ours)s)")
    assert len(found) >= 50
    return [sql.Identifier(str(schema), str(table)) for schema, table in found]


def _refuses(connection: Connection, statement: sql.Composable) -> bool:
    with connection.cursor() as cursor:
        try:
            cursor.execute(statement)
        except REFUSED:
            return True
    return False


def test_every_table_can_be_read(reader: Connection, tables: list[sql.Identifier]) -> None:
    refused = [one for one in tables if _refuses(reader, sql.SQL("SELECT 1 FROM {} LIMIT 1").format(one))]
    # What a parent's reader sees of a partition it sees through the parent.
    partitions = _asked(
        reader,
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relispartition AND n.nspname = ANY(%(ours)s)",
    )
    parts = [sql.Identifier(str(schema), str(name)) for schema, name in partitions]
    rest = [one.as_string(reader) for one in refused if one not in parts]
    assert [name for name in rest if "yoyo" not in name] == [], "bookkeeping of migrations is nobody's but the owner's"


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO {} DEFAULT VALUES",
        "DELETE FROM {}",
        "TRUNCATE {}",
        "DROP TABLE {}",
        "ALTER TABLE {} ADD COLUMN more text",
        "COPY {} FROM STDIN",
        "DO $$ BEGIN LOCK TABLE {} IN ACCESS EXCLUSIVE MODE; END $$",
    ],
)
def test_no_table_can_be_changed(reader: Connection, tables: list[sql.Identifier], statement: str) -> None:
    done = [one.as_string(reader) for one in tables if not _refuses(reader, sql.SQL(statement).format(one))]
    assert done == []


def test_no_column_can_be_updated(reader: Connection) -> None:
    columns = _asked(
        reader,
        "SELECT DISTINCT ON (c.table_schema, c.table_name) c.table_schema, c.table_name, c.column_name"
        " FROM information_schema.columns c JOIN pg_tables t ON (t.schemaname, t.tablename) = (c.table_schema, c.table_name)"
        " WHERE c.table_schema = ANY(%(ours)s) AND c.is_generated = 'NEVER' AND c.is_identity = 'NO'"
        " ORDER BY 1, 2, c.ordinal_position",
    )
    statement = sql.SQL("UPDATE {} SET {} = NULL")
    done = [
        f"{schema}.{table}"
        for schema, table, column in columns
        if not _refuses(reader, statement.format(sql.Identifier(str(schema), str(table)), sql.Identifier(str(column))))
    ]
    assert len(columns) >= 40
    assert done == []


def test_nothing_can_be_created_and_no_other_role_taken(reader: Connection) -> None:
    for schema in (*OURS, "public"):
        assert _refuses(reader, sql.SQL("CREATE TABLE {}.mine (at int)").format(sql.Identifier(schema))), schema
    for statement in (
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        "SET ROLE crypto_assets_writer",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT pg_read_file('postgresql.conf')",
    ):
        assert _refuses(reader, sql.SQL(statement)), statement


def test_functions_that_change_things_are_not_the_readers_to_call(reader: Connection) -> None:
    """Those with their owner's rights: what runs with the caller's own cannot do more than the caller."""
    found = _asked(
        reader,
        "SELECT p.oid::regprocedure::text, has_function_privilege(p.oid, 'EXECUTE') FROM pg_proc p"
        " JOIN pg_namespace n ON n.oid = p.pronamespace"
        " WHERE n.nspname = ANY(%(ours)s) AND p.prosecdef AND p.prorettype <> 'trigger'::regtype",
    )
    assert found, "ops.drop_day_partition is one"
    assert [name for name, may in found if may] == []
