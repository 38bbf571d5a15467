"""One worker a name, across processes and machines: PostgreSQL advisory locks.

What belongs here: taking and giving back a lease. What does not: what is done under it. A lease ends with its
connection, so a killed holder never blocks the next one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.warehouse.connection import Warehouse

log = structlog.get_logger(__name__)


class LeaseTaken(CryptoAssetsError):
    """Another worker holds the lease, and the caller did not want to wait."""


@contextmanager
def lease(warehouse: Warehouse, name: str, *, wait: bool = True) -> Iterator[None]:
    """Hold the lease of that name; waits while another worker holds it.

    Args:
        wait: False: give up at once where it is taken.

    Raises:
        DatabaseUnreachable: no connection.
        LeaseTaken: it is taken and `wait` is false.
    """
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (name,))
        row = cursor.fetchone()
        if row is None or not row[0]:
            if not wait:
                raise LeaseTaken(f"Another worker holds '{name}'", way_out="Wait until it has finished.")
            log.info("waiting for another run to finish with it", lease=name)
            cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (name,))
        connection.commit()  # a session lock outlives the transaction; an open one would hold back vacuum
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (name,))
