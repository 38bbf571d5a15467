"""Databases of tests: each a copy of another one on the session's server, gone at the end.

What belongs here: that. What does not: fixtures (conftest.py).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg2
from psycopg2 import sql
from sqlalchemy import make_url

from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.server import ServerAddress

TEMPLATE = "migrated_template"


@contextmanager
def database(server: ServerAddress, template: str = TEMPLATE) -> Iterator[Warehouse]:
    """A copy of the template, to which nobody may be connected meanwhile."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    _administer(
        server, sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    )
    try:
        yield Warehouse(server.url(name))
    finally:
        _administer(server, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def template_of(server: ServerAddress, warehouse: Warehouse) -> str:
    """The database's name, for others to be copies of it; whoever is connected to it is sent away."""
    name = str(make_url(warehouse.url.get_secret_value()).database)
    away = sql.SQL("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = {}")
    _administer(server, away.format(sql.Literal(name)))
    return name


def hasten_connections(server: ServerAddress) -> None:
    """Hash the server's password once in place of 4,096 times: that is half the cost of each of thousands of connections."""
    url = make_url(server.url("postgres").get_secret_value())
    change = sql.SQL("ALTER ROLE {} PASSWORD {}").format(
        sql.Identifier(str(url.username)), sql.Literal(str(url.password))
    )
    # Older ones than 16 do not know it, and go on as they are.
    fewer = sql.SQL("SELECT set_config(name, '1', false) FROM pg_settings WHERE name = 'scram_iterations'")
    _administer(server, fewer, change)


def _administer(server: ServerAddress, *statements: sql.Composable) -> None:
    url = make_url(server.url("postgres").get_secret_value())
    with closing(psycopg2.connect(**url.translate_connect_args(username="user", database="dbname"))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
