"""What a training set can hold: its columns with types, units and meanings, and which of them cannot be rebuilt.

What belongs here: the columns and choosing them. What does not: their values (rebuild.py).
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

import pyarrow as pa

from crypto_assets.datasets.features.labels.table import HORIZONS, labels
from crypto_assets.datasets.features.ml_features.catalog import FEATURES
from crypto_assets.datasets.features.ml_features.table import ml_features
from crypto_assets.datasets.models.levels import TIMEFRAME as MODELS_TIMEFRAME
from crypto_assets.datasets.models.opportunity import ARBITRAGE_INPUTS
from crypto_assets.training_sets.refusals import SetRefused

CLOSE = "close"
# Of each horizon: what features.labels holds of it.
LABELS = ("label_end_at", "forward_return", "forward_volatility")
KEYS = ("venue", "symbol", "timeframe", "opened_at", "known_at")

# What is frozen and cannot be had again later, with the reason: what it rests on keeps no former rows. It is checked by the
# hashes of the files alone.
_NO_FORMER_GAPS = "market.arbitrage_opportunities keeps no former rows, and its days are dropped"
NOT_REBUILT: Mapping[str, str] = {
    "dex_net_buying": "ops.collected_ranges keeps no former spans: which hours of pools' trades were whole by then is not kept",
    "dex_new_pools_24h": "dex.pool_lives keeps no former rows: a pool stored later may have been seen before",
    **dict.fromkeys(ARBITRAGE_INPUTS, _NO_FORMER_GAPS),
}
_ARBITRAGE_SAID: Mapping[str, tuple[str, str]] = dict(
    zip(
        ARBITRAGE_INPUTS,
        (
            ("Seconds of the hour in which a gap to another venue would have earned", "logarithm of 1 and the seconds"),
            ("The same over 24 hours", "logarithm of 1 and the seconds"),
            ("The best of these gaps in the hour, after fees", "percent"),
            ("The same over 24 hours", "percent"),
        ),
        strict=True,
    )
)  # fmt: skip


class Kind(StrEnum):
    """What a column's values are, and how they lie in Parquet."""

    TEXT = "text"
    TIME = "timestamp[us, UTC]"
    SINGLE = "float"
    DOUBLE = "double"


_ARROW: Mapping[Kind, pa.DataType] = {
    Kind.TEXT: pa.dictionary(pa.int32(), pa.string()),
    Kind.TIME: pa.timestamp("us", "UTC"),
    Kind.SINGLE: pa.float32(),
    Kind.DOUBLE: pa.float64(),
}
# As the row hash lays them out: little-endian.
HASHED: Mapping[Kind, str] = {Kind.TIME: "<i8", Kind.SINGLE: "<f4", Kind.DOUBLE: "<f8"}


@dataclass(frozen=True)
class SetColumn:
    """One column of a set.

    Args:
        name: As Parquet has it.
        kind: Of its values.
        unit: As in schema/columns.py; empty for names.
        meaning: In a clause.
    """

    name: str
    kind: Kind
    unit: str
    meaning: str

    @property
    def field(self) -> pa.Field:
        """As Arrow has it, with unit and meaning."""
        said = {"unit": self.unit, "meaning": self.meaning}
        return pa.field(self.name, _ARROW[self.kind], nullable=self.name not in KEYS, metadata=said)

    @property
    def is_rebuilt(self) -> bool:
        """Whether `verify` computes it again; the row hash is over these alone."""
        return self.name not in NOT_REBUILT


@cache
def _values() -> Mapping[str, SetColumn]:
    """Every column that can be asked for by name."""
    features = {one.name: SetColumn(one.name, Kind.SINGLE, one.unit, one.meaning) for one in FEATURES.values()}
    close = SetColumn(
        CLOSE, Kind.DOUBLE, "quote currency", "Price of the bar's last trade, at which decisions are made"
    )
    gaps = {
        name: SetColumn(name, Kind.SINGLE, unit, meaning) for name, (meaning, unit) in _ARBITRAGE_SAID.items()
    }  # fmt: skip
    return {**features, CLOSE: close, **gaps}


def choose_columns(names: Sequence[str], timeframe: str) -> tuple[str, ...]:
    """The columns asked for, each once, in the order asked; without names all that a set of that timeframe can hold.

    Raises:
        SetRefused: an unknown name, with what comes near; gaps of another timeframe than the hours that they are told of.
    """
    there = _values()
    for name in names:
        if name not in there:
            near = difflib.get_close_matches(name, there, n=3)
            hint = f"Did you mean {' or '.join(near)}? " if near else ""
            raise SetRefused(
                f"Unknown column '{str(name)[:60]}'",
                way_out=f"{hint}`crypto-assets features list` shows the features; besides there are {CLOSE} and"
                f" {', '.join(ARBITRAGE_INPUTS)}.",
            )
        if name in ARBITRAGE_INPUTS and timeframe != MODELS_TIMEFRAME:
            raise SetRefused(
                f"{name} is told of each hour, and the bars are of {timeframe}",
                way_out=f"Leave it out, or say --timeframe {MODELS_TIMEFRAME}.",
            )
    if names:
        return tuple(dict.fromkeys(names))
    return tuple(name for name in there if timeframe == MODELS_TIMEFRAME or name not in ARBITRAGE_INPUTS)


def choose_horizons(horizons: Collection[int] | None) -> tuple[int, ...]:
    """The horizons of the labels, the shortest first; None for all.

    Raises:
        SetRefused: no label looks so far ahead.
    """
    strange = sorted(set(horizons or ()) - set(HORIZONS))
    if strange:
        raise SetRefused(
            f"No label looks {', '.join(map(str, strange))} bars ahead",
            way_out=f"Labels look {', '.join(map(str, HORIZONS))} bars ahead; say `--labels none` for none.",
        )
    return HORIZONS if horizons is None else tuple(one for one in HORIZONS if one in horizons)


def label_column(name: str, horizon: int) -> str:
    """The name of a label's column: forward_return_24."""
    return f"{name}_{horizon}"


def columns_of(names: Sequence[str], horizons: Sequence[int]) -> tuple[SetColumn, ...]:
    """All columns of a set in their order: keys, values, labels. Pure.

    Args:
        names: Of `choose_columns`.
        horizons: Of `choose_horizons`.
    """
    kinds = {"opened_at": Kind.TIME, "known_at": Kind.TIME}
    keys = [
        SetColumn(name, kinds.get(name, Kind.TEXT), *_said(ml_features.c[name].comment, ml_features.c[name].info["unit"]))
        for name in KEYS
    ]  # fmt: skip
    values = [_values()[name] for name in names]
    later = []
    for horizon in horizons:
        for name in LABELS:
            kind = Kind.TIME if name == "label_end_at" else Kind.DOUBLE
            unit, meaning = _said(labels.c[name].comment, labels.c[name].info["unit"])
            later.append(SetColumn(label_column(name, horizon), kind, unit, f"{meaning}; {horizon} bars ahead"))
    return (*keys, *values, *later)


def _said(comment: str | None, unit: str) -> tuple[str, str]:
    """Unit and meaning of a database's column."""
    return unit, (comment or "").removesuffix(f" [{unit}]")


def schema_of(columns: Sequence[SetColumn]) -> pa.Schema:
    """As Parquet has them. Pure."""
    return pa.schema([one.field for one in columns])


__all__ = [
    "CLOSE", "HASHED", "KEYS", "LABELS", "NOT_REBUILT", "Kind", "SetColumn", "choose_columns",
    "choose_horizons", "columns_of", "label_column", "schema_of",
]  # fmt: skip
