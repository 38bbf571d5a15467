"""Connections for reading that wait for the next reader, for making one takes a hundred times as long as a small read.

What belongs here: keeping, trying and closing them. What does not: making them (connection.py) and reading (read.py).

A new ADBC connection reads the server's catalog of types first: 50 ms and more. A kept one is tried with a statement before it
is handed out, so that one which the server has ended meanwhile is never seen.
"""

from __future__ import annotations

import os
import weakref
from contextlib import suppress
from threading import Lock

from adbc_driver_manager import Error as AdbcError
from adbc_driver_postgresql import dbapi

MOST = 2  # as many as read at the same time in one process; more would be connections that the server holds for nothing


class KeptConnections:
    """ADBC connections of one database that nobody uses at the moment; closed when the object goes. Safe for threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._idle: list[dbapi.Connection] = []
        self._process = os.getpid()
        weakref.finalize(self, _close_all, self._idle, self._process)

    def take(self) -> dbapi.Connection | None:
        """One that works; None where there is none, or where this process is a fork of the one that made them."""
        while (connection := self._pop()) is not None:
            if _answers(connection):
                return connection
            _close(connection)
        return None

    def give(self, connection: dbapi.Connection) -> None:
        """Keep one that has no open transaction, or close it where enough wait."""
        with self._lock:
            if self._process == os.getpid() and len(self._idle) < MOST:
                self._idle.append(connection)
                return
        _close(connection)

    def _pop(self) -> dbapi.Connection | None:
        with self._lock:
            return self._idle.pop() if self._idle and self._process == os.getpid() else None


def _answers(connection: dbapi.Connection) -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
        connection.rollback()
    except AdbcError:
        return False
    return True


def _close(connection: dbapi.Connection) -> None:
    with suppress(AdbcError):  # the server ended it already
        connection.close()


def _close_all(idle: list[dbapi.Connection], process: int) -> None:
    if process == os.getpid():  # a fork shares the sockets, and closing them would speak for its parent
        while idle:
            _close(idle.pop())
