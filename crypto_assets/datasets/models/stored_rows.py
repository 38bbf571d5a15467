"""Stored rows as arrays, series by series.

What belongs here: from an Arrow table to the rows of each series, and which series a question is about. What does not: which
rows are read (levels.py says of which tables; reading.py and frames_tail.py ask).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sqlalchemy import FromClause, Select, Table, and_, select, true, tuple_
from sqlalchemy.sql.elements import ColumnElement

from crypto_assets.datasets.features.ml_features.table import ml_features
from crypto_assets.datasets.features.source import floats, times
from crypto_assets.datasets.models.hours import hours_of
from crypto_assets.datasets.models.levels import TIMEFRAME, LevelSource, Observations
from crypto_assets.forecasting.frame import Floats, Rows, SeriesName, Singles
from crypto_assets.warehouse.read import Reader


@dataclass(frozen=True)
class Choice:
    """Which series a question is about; empty is all.

    Args:
        domains: Exchanges or chains.
        series: Symbols, pools' addresses, or the names of chains' series.
    """

    domains: Sequence[str] = ()
    series: Sequence[str] = ()

    def has(self, name: SeriesName) -> bool:
        """Whether the series is one of them."""
        return (not self.domains or name.domain in self.domains) and (not self.series or name.series in self.series)

    def where(self, domain: ColumnElement[str], series: ColumnElement[str] | None) -> ColumnElement[bool]:
        """The condition for its rows."""
        asked = [domain.in_(self.domains)] if self.domains else []
        if self.series and series is not None:
            asked.append(series.in_(self.series))
        return and_(true(), *asked)


@dataclass(frozen=True)
class FeatureRows:
    """One series' rows of features by decision, ascending; m of them.

    Args:
        hours: Of the decisions: the bars' closes (m,).
        inputs: The chosen columns, float32 (m, p); NaN for null.
        version: Of the features, of the newest row.
    """

    hours: Rows
    inputs: Singles
    version: str


def split(rows: pa.Table, domain: str, series: str | None, only: str = "") -> Iterator[tuple[SeriesName, Rows]]:
    """Each series with the positions of its rows, in their order; series by name."""
    if not rows.num_rows:
        return
    domains, of_domain = _coded(rows, domain)
    names, of_series = _coded(rows, series) if series else ([only], np.zeros(rows.num_rows, dtype=np.int64))
    code = of_domain * len(names) + of_series
    order = np.argsort(code, kind="stable")
    begins = np.flatnonzero(np.diff(code[order], prepend=-1))
    found = {
        SeriesName(domains[int(code[part[0]]) // len(names)], names[int(code[part[0]]) % len(names)]): part
        for part in np.split(order, begins[1:])
    }
    for name in sorted(found):
        yield name, found[name].astype(np.int64)


def observations_of(source: LevelSource, rows: pa.Table) -> dict[SeriesName, Observations]:
    """The quantity's observations from the columns that the source reads, by series."""
    read = {name: _numbers(rows, name) for name in source.reads}
    observed = times(rows, source.observed) + np.timedelta64(source.lag // timedelta(microseconds=1), "us")
    known = times(rows, "known_at")
    told = source.tell(read, observed.view(np.int64) / 1e6)
    return {
        name: Observations(known[at], observed[at], {column: values[at] for column, values in told.items()})
        for name, at in split(rows, source.domain, source.series, source.only)
    }


def feature_rows_of(rows: pa.Table, names: Sequence[str]) -> dict[SeriesName, FeatureRows]:
    """Features by series, those alone that were known at the close of their bar."""
    hours = hours_of(times(rows, "opened_at")) + 1
    is_known = hours_of(times(rows, "known_at") - np.timedelta64(1, "us")) < hours
    matrix = np.empty((rows.num_rows, len(names)), dtype=np.float32)
    for place, column in enumerate(names):
        matrix[:, place] = rows.column(column).combine_chunks().to_numpy(zero_copy_only=False)
    versions = rows.column("version")
    found = {}
    for name, positions in split(rows, "venue", "symbol"):
        at = positions[is_known[positions]]
        at = at[np.argsort(hours[at], kind="stable")]
        if len(at):
            found[name] = FeatureRows(hours[at], matrix[at], str(versions[int(at[-1])].as_py()))
    return found


def stored_names(
    reader: Reader, table: Table, domain: str, series: str, where: ColumnElement[bool]
) -> list[SeriesName]:
    """Every domain and series of which a table has rows, by a probe of its key for each: rows are far too many to look at.

    Args:
        where: On the table's columns, with each key's further columns, as the timeframe.
    """
    c = table.c
    keys = (c[domain], c[series])
    head = select(*keys).where(where).order_by(*keys).limit(1).subquery("head")
    met = select(*head.c).cte("met", recursive=True)
    beyond = _beyond(table, where, met, domain, series).lateral("beyond")
    met = met.union_all(select(*beyond.c).select_from(met.join(beyond, true())))
    rows = reader.arrow(select(met.c[domain], met.c[series]))
    return sorted(SeriesName(*pair) for pair in zip(*(rows.column(at).to_pylist() for at in (0, 1)), strict=True))


def stored_feature_names(reader: Reader) -> list[SeriesName]:
    """Every market of which features of an hour are stored."""
    return stored_names(reader, ml_features, "venue", "symbol", ml_features.c.timeframe == TIMEFRAME)


def _beyond(
    table: Table, where: ColumnElement[bool], met: FromClause, domain: str, series: str
) -> Select[tuple[str, str]]:
    """The next key after one that was met."""
    keys = (table.c[domain], table.c[series])
    after = tuple_(*keys) > tuple_(met.c[domain], met.c[series])
    return select(*keys).where(where, after).order_by(*keys).limit(1)


def _coded(rows: pa.Table, name: str) -> tuple[list[str], NDArray[np.int64]]:
    coded = pc.dictionary_encode(rows.column(name).combine_chunks())
    return coded.dictionary.to_pylist(), np.asarray(coded.indices.to_numpy(zero_copy_only=False), dtype=np.int64)


def _numbers(rows: pa.Table, name: str) -> Floats:
    """A column of numbers or of moments (seconds since 1970), NaN for NULL."""
    if not pa.types.is_timestamp(rows.column(name).type):
        return floats(rows, name)
    instants = rows.column(name).cast(pa.timestamp("us", "UTC")).cast(pa.int64()).combine_chunks()
    return (
        np.asarray(pc.cast(instants, pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64) / 1e6
    )


__all__ = [
    "Choice", "FeatureRows", "feature_rows_of", "observations_of", "split", "stored_feature_names", "stored_names",
]  # fmt: skip
