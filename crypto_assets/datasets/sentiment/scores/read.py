"""Scores for consumers: all of one scorer in the order in which they became known.

What belongs here: reading sentiment.scores for features and for people. What does not: scoring and storing (asset.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Select, and_, exists, select, tuple_

from crypto_assets.datasets.sentiment.scores.table import scores
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import Reader, reading


@dataclass(frozen=True)
class ScoreColumns:
    """Scores in the order of `known_at`; columns of equal length.

    Args:
        asset: The currency; empty for the market as a whole; dtype object.
        known_at: When a careful consumer could first have known it, datetime64[us], UTC.
        score: -1..1.
    """

    asset: NDArray[np.object_]
    known_at: NDArray[np.datetime64]
    score: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.score)


def read_scores(
    source: Warehouse | Reader, model_id: str, start: datetime, end: datetime, assets: Sequence[str] | None = None
) -> ScoreColumns:
    """Scores of one scorer that became known in [start, end), of whichever of its versions scored a headline first.

    A later version that scores the same headline again is passed over, so that no headline counts twice and none changes.

    Args:
        source: A warehouse, or a reader that is open already.
        assets: Only these; the empty text is the market as a whole. None for all.

    Raises:
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    statement = first_scores(model_id, start, end, assets)
    if isinstance(source, Warehouse):
        with reading(source) as reader:
            frame = reader.frame(statement)
    else:
        frame = source.frame(statement)
    return ScoreColumns(
        frame["asset"].to_numpy(dtype=object),
        frame["known_at"].dt.tz_convert(None).to_numpy(dtype="datetime64[us]"),
        frame["score"].to_numpy(dtype=np.float64),
    )


def first_scores(
    model_id: str, start: datetime, end: datetime, assets: Sequence[str] | None = None
) -> Select[tuple[object, ...]]:
    """The statement of `read_scores`."""
    c, other = scores.c, scores.alias("other")
    is_again = exists().where(
        and_(
            other.c.news_id == c.news_id,
            other.c.asset == c.asset,
            other.c.model_id == c.model_id,
            tuple_(other.c.known_at, other.c.model_version) < tuple_(c.known_at, c.model_version),
        )
    )
    chosen = select().add_columns(c.asset, c.known_at, c.score)
    chosen = chosen.where(c.model_id == model_id, c.known_at >= start, c.known_at < end, ~is_again)
    if assets is not None:
        chosen = chosen.where(c.asset.in_([*assets]))
    return chosen.order_by(c.known_at, c.news_id, c.asset)


__all__ = ["ScoreColumns", "first_scores", "read_scores"]
