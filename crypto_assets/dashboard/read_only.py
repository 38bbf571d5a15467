"""Sessions that can only read, for a process that anybody on this machine may ask.

What belongs here: opening them, asking through them, and errors that say what to do. What does not: what is asked.

Each session is told `default_transaction_read_only` and a time-out a statement, and takes the role of the reader where the
server lets it: then not even a statement that says READ WRITE could change a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import psycopg2
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a class under a function's name
from pydantic import SecretStr
from sqlalchemy import make_url

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.warehouse.connection import Warehouse

READER = "crypto_assets_reader"
STATEMENT_SECONDS = (
    5.0  # the slowest question takes a tenth of it with a thousand series; what takes longer would pile up
)
_APPLICATION = "crypto_assets dashboard"
# Since 16 a member may have the rights of a role without being allowed to become it.
_MAY_BE_READER = """
SELECT CASE WHEN current_setting('server_version_num')::integer >= 160000
            THEN pg_has_role(current_user, r.oid, 'SET') ELSE pg_has_role(current_user, r.oid, 'MEMBER') END
  FROM pg_roles AS r WHERE r.rolname = %s
"""


class Unanswered(CryptoAssetsError):
    """The database did not answer a question: it took too long, or was refused."""


class ReadOnly:
    """One database, for reading. Making one connects nowhere.

    Args:
        url: As for `Warehouse`.
        takes_role: Whether to become the reader where that is possible; Dagster's storage gives that role nothing.
        statement_seconds: After so long the server ends a statement.
    """

    def __init__(
        self, url: SecretStr, *, takes_role: bool = True, statement_seconds: float = STATEMENT_SECONDS
    ) -> None:
        self._lock = Lock()
        self._url = url
        self._statement_seconds = statement_seconds
        self._plain = Warehouse(_with_session(url, self._session("")))
        self._chosen: Warehouse | None = None if takes_role else self._plain

    @property
    def place(self) -> str:
        """host:port/database, for messages."""
        return self._plain.place

    @property
    def own(self) -> Warehouse:
        """Read-only sessions in the user's own role: the list of migrations is older than the reader's rights."""
        return self._plain

    @property
    def warehouse(self) -> Warehouse:
        """Read-only sessions in the reader's role, where the user may take it.

        Raises:
            DatabaseUnreachable: no connection; asked again the next time.
        """
        with self._lock:
            if self._chosen is None:
                with asking(self._plain) as cursor:
                    cursor.execute(_MAY_BE_READER, (READER,))
                    row = cursor.fetchone()
                may = bool(row and row[0])
                self._chosen = Warehouse(_with_session(self._url, self._session(READER))) if may else self._plain
            return self._chosen

    def _session(self, role: str) -> str:
        milliseconds = round(self._statement_seconds * 1000)
        told = {"default_transaction_read_only": "on", "statement_timeout": str(milliseconds)}
        # A migration may wait for what we hold, so nothing of ours stays open for long.
        told["idle_in_transaction_session_timeout"] = str(4 * milliseconds)
        if role:
            told["role"] = role
        return " ".join(f"-c {name}={value}" for name, value in told.items())


@contextmanager
def asking(warehouse: Warehouse) -> Iterator[Cursor]:
    """A cursor in one transaction that ends with the block.

    Raises:
        Unanswered: a statement took too long or was refused.
        DatabaseUnreachable, NotMigrated: as for `Warehouse.connect`.
    """
    try:
        with warehouse.connect() as connection, connection.cursor() as cursor:
            yield cursor
    except psycopg2.errors.QueryCanceled as error:
        raise Unanswered(
            f"{warehouse.place} did not answer in time",
            way_out="See what it is busy with in pg_stat_activity; the page asks again.",
        ) from error
    except psycopg2.Error as error:
        told = " ".join(str(error).split())
        raise Unanswered(
            f"{warehouse.place} refused a question: {told}", way_out="`crypto-assets doctor` says more."
        ) from error


def _with_session(url: SecretStr, options: str) -> SecretStr:
    parsed = make_url(url.get_secret_value())
    own = str(parsed.query.get("options", ""))
    told = parsed.update_query_dict({"options": f"{own} {options}".strip(), "application_name": _APPLICATION})
    return SecretStr(told.render_as_string(hide_password=False))


__all__ = ["READER", "STATEMENT_SECONDS", "ReadOnly", "Unanswered", "asking"]
