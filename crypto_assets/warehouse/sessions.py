"""Who else is connected to a server, for whoever is about to stop it.

What belongs here: that question. What does not: the server's life (server.py).
"""

from __future__ import annotations

import time

from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a class under a function's name

from crypto_assets.warehouse.connection import DatabaseUnreachable, Warehouse

# A session ends a moment after its client has closed it, and our own were closed just now.
PATIENCE_SECONDS = 2.0
_POLL_SECONDS = 0.05
_OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"


def others_connected(warehouse: Warehouse, patience_seconds: float = PATIENCE_SECONDS) -> bool:
    """Whether anybody but this question is connected to any database of the server; True where nobody can tell.

    Args:
        warehouse: Any database of the server, whose user is a superuser: others are not shown whose sessions these are.
        patience_seconds: A session that ends within it counts as none.
    """
    deadline = time.monotonic() + patience_seconds
    try:
        with warehouse.connect() as connection, connection.cursor() as cursor:
            connection.autocommit = True  # within one transaction the view stays as it was
            while _others(cursor):
                if time.monotonic() > deadline:
                    return True
                time.sleep(_POLL_SECONDS)
    except DatabaseUnreachable:  # it has ended, or has as many sessions as it takes
        return True
    return False


def _others(cursor: Cursor) -> int:
    cursor.execute(_OTHERS)
    row = cursor.fetchone()
    return int(row[0]) if row else 0
