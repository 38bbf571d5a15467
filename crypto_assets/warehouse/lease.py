"""One worker a name, across processes and machines: PostgreSQL advisory locks.

What belongs here: taking and giving back a lease. What does not: what is done under it. A lease ends with its
connection, so a killed holder never blocks the next one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from crypto_assets.warehouse.connection import Warehouse

log = structlog.get_logger(__name__)


@contextmanager
def lease(warehouse: Warehouse, name: str) -> Iterator[None]:
    """Hold the lease of that name; waits while another worker holds it.

    Raises:
        DatabaseUnreachable: no connection.
    """
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (name,))
        row = cursor.fetchone()
        if row is None or not row[0]:
            log.info("waiting for another run to finish with it", lease=name)
            cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (name,))
        connection.commit()  # a session lock outlives the transaction; an open one would hold back vacuum
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (name,))
