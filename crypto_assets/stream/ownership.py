"""One stream writes at a time: an advisory lock of PostgreSQL on the writer's connection, and how a successor gets it.

What belongs here: taking, losing and handing over the lock. What does not: what the holder does when it is asked to end
(sidecar.py). The lock ends with its connection, so a killed holder never blocks the next one. Advisory locks are a
database's own: each profile has one stream.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name

from crypto_assets.errors import CryptoAssetsError

LOCK = "crypto_assets stream"
CHANNEL = "crypto_assets_stream"
TERMINATE_MS = 5000

_HOLDERS = """
SELECT a.pid, a.backend_start::text
  FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
 WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND (l.classid::bigint << 32 | l.objid::bigint) = hashtextextended(%s, 0)
"""


class AnotherStream(CryptoAssetsError):
    """Another stream holds the lock, and the caller did not want to wait for it."""


class Claim(StrEnum):
    """What a stream does at its start where another one writes."""

    REFUSE = "refuse"
    WAIT = "wait"
    TAKE_OVER = "take over"


@dataclass(frozen=True)
class Session:
    """A session of the server, so that it is not mistaken for a later one with the same number."""

    pid: int
    began: str


def try_lock(connection: Connection) -> bool:
    """Take the lock if it is free. Commits: the lock outlives the transaction, which would hold back vacuum."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (LOCK,))
        row = cursor.fetchone()
    connection.commit()
    return bool(row and row[0])


def release(connection: Connection) -> None:
    """Give the lock back, in the order of what the connection did before."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (LOCK,))
    connection.commit()


def holder(connection: Connection) -> Session | None:
    """Whose session has the lock."""
    with connection.cursor() as cursor:
        cursor.execute(_HOLDERS, (LOCK,))
        row = cursor.fetchone()
    connection.commit()
    return Session(*row) if row else None


def session_of(connection: Connection) -> Session:
    """The session of this connection."""
    pid = connection.get_backend_pid()
    with connection.cursor() as cursor:
        cursor.execute("SELECT backend_start::text FROM pg_stat_activity WHERE pid = %s", (pid,))
        row = cursor.fetchone()
    connection.commit()
    return Session(pid, str(row[0]) if row else "")


def end_session(connection: Connection, session: Session) -> None:
    """End a session of ours that the server still believes in, though its connection is gone."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity WHERE pid = %s AND backend_start::text = %s",
            (TERMINATE_MS, session.pid, session.began),
        )
    connection.commit()


def listen(connection: Connection) -> None:
    """Hear of those who want to take over from now on."""
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
    connection.commit()


def ask_to_leave(connection: Connection) -> None:
    """Tell the holder that a successor is warm."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", (CHANNEL, f"process {os.getpid()}"))
    connection.commit()


def asked_to_leave(connection: Connection) -> str:
    """Who wants to take over; empty where nobody does. Reads what has come, and waits for nothing."""
    connection.poll()
    who = connection.notifies[-1].payload if connection.notifies else ""
    connection.notifies.clear()
    return str(who)
