"""Where the embedded server is reached, and whether it is the one meant.

What belongs here: its address, its errors, asking whether it answers, free ports. What does not: starting and stopping
(server.py).
"""

from __future__ import annotations

import socket
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg2
from pydantic import SecretStr

from crypto_assets.errors import CryptoAssetsError

HOST = "127.0.0.1"


class ServerError(CryptoAssetsError):
    """The embedded server cannot be started, found or stopped."""


class PortInUse(ServerError):
    """The port that was asked for belongs to another program."""


@dataclass(frozen=True)
class ServerAddress:
    """How to reach a running server."""

    host: str
    port: int
    user: str
    password: SecretStr

    def url(self, database: str) -> SecretStr:
        """URL of one database; names the driver, for SQLAlchemy 2.1 reads a bare postgresql:// as psycopg 3."""
        user, password = quote(self.user, safe=""), quote(self.password.get_secret_value(), safe="")
        return SecretStr(f"postgresql+psycopg2://{user}:{password}@{self.host}:{self.port}/{quote(database, safe='')}")


def answers(address: ServerAddress, data: Path) -> bool:
    """Whether a server answers a query there, and from that data folder."""
    try:
        connection = psycopg2.connect(
            host=address.host,
            port=address.port,
            user=address.user,
            password=address.password.get_secret_value(),
            dbname="postgres",
            connect_timeout=3,
            application_name="crypto_assets server check",
        )
    except psycopg2.OperationalError:  # refused, still starting, or a foreign server that rejects our password
        return False
    with closing(connection), connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('data_directory')")
        row = cursor.fetchone()
    return row is not None and Path(row[0]).resolve() == data.resolve()


def is_free(port: int) -> bool:
    """Whether nobody listens on that port of 127.0.0.1."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as PostgreSQL does: TIME_WAIT is no owner
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A port of 127.0.0.1 that is free at this moment."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
