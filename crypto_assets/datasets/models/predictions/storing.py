"""Storing predictions: what was said first stays.

What belongs here: the statement, and the way from predictions to rows. What does not: making them (speaking.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name
from psycopg2.extras import execute_values

from crypto_assets.datasets.models.predictions.prediction import Prediction
from crypto_assets.datasets.models.predictions.table import predictions
from crypto_assets.warehouse.binary_fields import Array
from crypto_assets.warehouse.copy_in import table_name
from crypto_assets.warehouse.write import upsert
from crypto_assets.warehouse.writes import note_write

_COLUMNS = (
    "model", "domain", "series", "decided_at", "version", "horizon_end_at", "level_now", "yhat", "q10", "q90",
    "baseline", "baseline_name", "is_out_of_sample", "known_at", "latency_ms",
)  # fmt: skip
_PARTITION = "SELECT ops.ensure_year_partition(%s::regclass, %s)"
_INSERT = (
    "INSERT INTO {table} ({columns}, source, ingested_at) VALUES %s ON CONFLICT ({key}) DO NOTHING RETURNING {key}"
)
_PAGE = 2_000  # rows a statement: one for all markets of a live round, and a batch's text stays small


class FirstSaid:
    """Inserts predictions of which none is stored yet, through one connection.

    Args:
        connection: The caller commits.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._years: set[int] = set()
        self._insert = sql.SQL(_INSERT).format(
            table=table_name(predictions),
            columns=sql.SQL(", ").join(sql.Identifier(name) for name in _COLUMNS),
            key=sql.SQL(", ").join(sql.Identifier(column.name) for column in predictions.primary_key.columns),
        )
        values = sql.SQL(", ").join([sql.Placeholder()] * (len(_COLUMNS) + 1))
        # As text: it would be composed anew for each row.
        self._template = sql.SQL("({}, clock_timestamp())").format(values).as_string(connection)

    def store(self, said: Sequence[Prediction], source: str) -> int:
        """Insert what nobody has said before; how many that were. What stands is left as it is, whoever said it.

        Args:
            said: Each forecast, series and decision once.
            source: Of the rows.
        """
        return len(self.store_new(said, source))

    def store_new(self, said: Sequence[Prediction], source: str) -> list[Prediction]:
        """As `store`; those that were inserted."""
        if not said:
            return []
        with self._connection.cursor() as cursor:
            for one in said:
                if one.decided_at.year not in self._years:
                    cursor.execute(_PARTITION, (predictions.fullname, one.decided_at))
                    self._years.add(one.decided_at.year)
            rows = [(*(getattr(one, name) for name in _COLUMNS), source) for one in said]
            stored = execute_values(cursor, self._insert, rows, self._template, page_size=_PAGE, fetch=True)
            note_write(cursor, predictions, inserted=len(stored))
        inserted = set(stored)
        return [one for one in said if (one.model, one.domain, one.series, one.decided_at) in inserted]


def say_again(connection: Connection, said: Sequence[Prediction], source: str) -> int:
    """Put predictions in the place of those that stand; the old rows go to audit.revisions. How many rows changed or are new.

    Args:
        connection: In a transaction, which the caller commits.
        said: Each forecast, series and decision once.
        source: Of the rows.
    """
    if not said:
        return 0
    batch = {name: _column([getattr(one, name) for one in said], name) for name in _COLUMNS}
    counts = upsert(connection, predictions, {**batch, "source": source})
    return counts.inserted + counts.changed


def _column(values: Sequence[object], name: str) -> Array:
    if name.endswith("_at"):
        return np.array([value.replace(tzinfo=None) for value in values], dtype="datetime64[us]")  # type: ignore[attr-defined]
    if name in {"version", "is_out_of_sample"}:
        return np.array(values)
    if isinstance(values[0], str):
        return np.array(values, dtype=object)
    return np.array(values, dtype=np.float64)


__all__ = ["FirstSaid", "say_again"]
