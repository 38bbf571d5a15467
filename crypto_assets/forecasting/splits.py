"""Which rows are learned from, and which are forecast: folds in time, and the wrong way as a control.

What belongs here: the choice of rows. What does not: what is done with them (validation.py).

Labels overlap: the target of a decision is made of the hours behind it, and so is that of the next. So a row to learn from must
have been over before the test began, not only lie before it (purge), and some hours more (embargo), because what is known at
the test's first decision still shows the last target learned. López de Prado, Advances in Financial Machine Learning (2018),
chapter 7.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from crypto_assets.forecasting.declaration import Forecast
from crypto_assets.forecasting.frame import Frame, FrameRefused, Rows, Times
from crypto_assets.forecasting.training_rows import LEAST_ROWS

FOLDS = 5


@dataclass(frozen=True)
class Fold:
    """One round of learning and forecasting; rows are positions in the frame, rising.

    Args:
        number: From 1, in the order of time.
        train: Rows to learn from.
        test: Rows to forecast.
        test_from: First decision that is forecast, datetime64[us], UTC.
        test_to: Last one.
    """

    number: int
    train: Rows
    test: Rows
    test_from: np.datetime64
    test_to: np.datetime64


type Splitter = Callable[[Frame, Rows, Forecast], Sequence[Fold]]


def walk_forward(frame: Frame, rows: Rows, forecast: Forecast, folds: int = FOLDS) -> list[Fold]:
    """Learn from all that was over, forecast what comes next, and walk on: each fold learns from more than the one before.

    Decision times are cut by scikit-learn's TimeSeriesSplit, with a gap of the horizon; all series of an hour fall into the
    same fold. Beyond that, no row is learned from whose target was not known a horizon before the test begins.

    Args:
        rows: Usable rows of the frame.

    Raises:
        FrameRefused: too little history; says how many hours there are, and how many it takes.
    """
    times = np.unique(frame.decided_at[rows])
    needed = needed_hours(forecast, folds)
    if len(times) < needed:
        raise FrameRefused(
            f"{forecast.name} needs {needed} hours with a known outcome for {folds} folds, and there are {len(times)}",
            way_out="Load more history, or wait for it.",
        )
    from sklearn.model_selection import TimeSeriesSplit  # noqa: PLC0415 - a second that only validation pays

    split = TimeSeriesSplit(n_splits=folds, gap=forecast.horizon_hours).split(times)
    return [
        _walked(frame, rows, forecast, number, times[tested], times[trained[-1]])
        for number, (trained, tested) in enumerate(split, start=1)
    ]


def _walked(frame: Frame, rows: Rows, forecast: Forecast, number: int, tested: Times, newest: np.datetime64) -> Fold:
    decided, over = frame.decided_at[rows], frame.target_known_at[rows]
    test_from, test_to = tested[0], tested[-1]
    is_learned = (decided <= newest) & (over <= test_from - np.timedelta64(forecast.horizon))
    is_tested = (decided >= test_from) & (decided <= test_to)
    return Fold(number, rows[is_learned], rows[is_tested], test_from, test_to)


def needed_hours(forecast: Forecast, folds: int = FOLDS) -> int:
    """Hours with a known target below which `walk_forward` refuses.

    The first fold learns from one hour in folds + 1, less the purge and the embargo of a horizon each; of a single series,
    enough must be left to learn from.
    """
    return max(forecast.min_hours, (folds + 1) * (2 * forecast.horizon_hours + LEAST_ROWS))


def shuffled(frame: Frame, rows: Rows, folds: int, seed: int) -> list[Fold]:
    """What must not be done, to show what it would say: rows dealt out at random, and neither purge nor embargo.

    A row that is forecast has neighbours among those learned from, an hour before and an hour behind, with nearly its inputs
    and nearly its target: who remembers them seems to know the future.

    Raises:
        FrameRefused: fewer rows than folds.
    """
    if len(rows) < folds:
        raise FrameRefused(f"{folds} folds need as many rows, and there are {len(rows)}")
    from sklearn.model_selection import KFold  # noqa: PLC0415 - a second that only validation pays

    dealt = KFold(n_splits=folds, shuffle=True, random_state=seed).split(rows)
    return [
        _dealt(frame, number, rows[np.sort(trained)], rows[np.sort(tested)])
        for number, (trained, tested) in enumerate(dealt, start=1)
    ]


def _dealt(frame: Frame, number: int, train: Rows, test: Rows) -> Fold:
    decided = frame.decided_at[test]
    return Fold(number, train, test, decided.min(), decided.max())


__all__ = ["FOLDS", "Fold", "Splitter", "needed_hours", "shuffled", "walk_forward"]
