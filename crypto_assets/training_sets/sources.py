"""What a training set is made of: the inputs that its columns ask for, and the tables in which these lie.

What belongs here: that, from names of columns. What does not: reading them (rebuild.py). A set of prices alone does not care
what becomes of order books.
"""

from __future__ import annotations

from collections.abc import Sequence

from crypto_assets.datasets.features.ml_features.catalog import FEATURES
from crypto_assets.datasets.features.ml_features.input_tables import INPUT_TABLES
from crypto_assets.datasets.features.ml_features.inputs import INPUTS
from crypto_assets.datasets.market.book_ticker_hours.table import book_ticker_hours
from crypto_assets.datasets.market.ohlcv.table import ohlcv
from crypto_assets.datasets.models.opportunity import ARBITRAGE_INPUTS
from crypto_assets.schema.bookkeeping import coverage, revisions

# Which bars there were, why others were absent, and what rows said before they were corrected: for every set.
OF_EVERY_SET = (ohlcv.fullname, coverage.fullname, revisions.fullname)


def inputs_of(columns: Sequence[str]) -> tuple[str, ...]:
    """The as-of inputs that the features among some columns are made of, by name. Pure."""
    made_of = {name for column in columns if column in FEATURES for name in FEATURES[column].inputs}
    return tuple(name for name, one in INPUTS.items() if made_of & set(one.columns))


def asks_for_gaps(columns: Sequence[str]) -> bool:
    """Whether gaps to other venues are among some columns: they rest on when somebody listened to the markets. Pure."""
    return any(name in ARBITRAGE_INPUTS for name in columns)


def tables_of(columns: Sequence[str]) -> tuple[str, ...]:
    """The tables without whose rows a set of some columns cannot be made, as market.ohlcv. Pure."""
    found = [*OF_EVERY_SET, *(table for name in inputs_of(columns) for table in INPUT_TABLES[name])]
    if asks_for_gaps(columns):
        found.append(book_ticker_hours.fullname)
    return tuple(dict.fromkeys(found))


__all__ = ["OF_EVERY_SET", "asks_for_gaps", "inputs_of", "tables_of"]
