"""Which rows a learner learns from, on which it stops, and which inputs it refuses.

What belongs here: what all learners ask of a frame before they learn and before they serve. What does not: folds (splits.py)
and the learners.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from crypto_assets.forecasting.frame import Frame, FrameRefused, Rows

LEAST_ROWS = 30  # fewer say nothing of a tenth, a median and nine tenths
LEAST_STOPPING_ROWS = 20
STOPPING_SHARE = 0.1
MOST_NAMED = 8


@dataclass(frozen=True)
class Stopping:
    """Rows in two parts by time.

    Args:
        learn: Decisions whose targets were known when the other part began (k,).
        stop: The last tenth of the time of decisions (m,): when the error there has ceased to fall, learning stops. Empty
            where it would be too few to tell.
    """

    learn: Rows
    stop: Rows


def learnable(frame: Frame, rows: Rows, optional: Collection[str] = ()) -> Rows:
    """Those of some rows whose target is known, in rising order (k,).

    Args:
        optional: Inputs that may be null everywhere.

    Raises:
        FrameRefused: fewer than LEAST_ROWS of them, or an input that no row of the frame knows (named). An input that
            only these rows lack is no reason: a source that began later must not keep older rows from being judged.
    """
    known = np.sort(rows[np.isfinite(frame.now[rows]) & np.isfinite(frame.target[rows])])
    if len(known) < LEAST_ROWS:
        raise FrameRefused(
            f"Learning needs {LEAST_ROWS} decisions with a known outcome, and these are {len(known)}",
            way_out="Collect a longer history, or name more markets.",
        )
    known_ever = [bool(np.isfinite(column).any()) for column in frame.inputs.T]
    empty = [name for name, ever in zip(frame.names, known_ever, strict=True) if not ever and name not in optional]
    if empty:
        raise FrameRefused(
            f"Every value is null in the input {_listed(empty)}",
            way_out="Collect what it is computed from, or take it out of the forecast's inputs.",
        )
    return known.astype(np.int64, copy=False)


def by_time(frame: Frame, rows: Rows) -> Stopping:
    """The last tenth of time, and what was known before it: targets that reach into it are in neither part."""
    times = np.unique(frame.decided_at[rows])
    begins = times[int(len(times) * (1 - STOPPING_SHARE))]
    stop = rows[frame.decided_at[rows] >= begins]
    learn = rows[frame.target_known_at[rows] <= begins]
    if len(learn) < LEAST_ROWS or len(stop) < LEAST_STOPPING_ROWS:
        return Stopping(rows, rows[:0])
    return Stopping(learn, stop)


def same_inputs(frame: Frame, names: tuple[str, ...]) -> None:
    """Refuse a frame that holds other inputs than were learned.

    Raises:
        FrameRefused: naming the inputs that are missing or strange.
    """
    if frame.names == names:
        return
    lacks = [name for name in names if name not in frame.names]
    strange = [name for name in frame.names if name not in names]
    told = [f"lacks {_listed(lacks)}"] if lacks else []
    told += [f"has {_listed(strange)} besides"] if strange else []
    raise FrameRefused(
        f"The model learned {len(names)} inputs, and the frame {' and '.join(told) or 'has them in another order'}",
        way_out="Train the model again: its forecast's inputs have changed.",
    )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


__all__ = ["LEAST_ROWS", "Stopping", "by_time", "learnable", "same_inputs"]
