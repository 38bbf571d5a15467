"""Whether a candidate takes the champion's place without anybody's word.

What belongs here: comparing the two on the same data, and the sentence that says why or why not. What does not: the transaction
(store.py) and how validation comes to its figures (forecasting/validation.py).

A candidate has to have skill. Where a champion is, it has to be better than it on the same decisions: those of the last fold of
its validation that lie behind everything the champion learned from, of which neither has seen the outcome. Where these are
too few, both validations are compared if they judged the very same data, as when two learners are trained one after the other.
Where that is not so either, the champion stays: nobody can tell.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import numpy as np

from crypto_assets.datasets.models.registry.registered import DATA_HASH, Registered, champion
from crypto_assets.datasets.models.registry.store import RULE, ChampionChanged, succeed
from crypto_assets.forecasting.artefacts import ArtefactUnusable, Store
from crypto_assets.forecasting.declaration import Forecast
from crypto_assets.forecasting.frame import Floats, Frame, FrameRefused, Rows
from crypto_assets.forecasting.learner import Artefact, Fitted, Learner
from crypto_assets.forecasting.loading import load
from crypto_assets.forecasting.splits import Fold, walk_forward
from crypto_assets.warehouse.connection import Warehouse

MIN_HOURS = 24  # of decisions on which two are compared: every hour of the day once
_ATTEMPTS = 3


@dataclass(frozen=True)
class Ruling:
    """What the rule says.

    Args:
        promoted: Whether the candidate is champion.
        why: In words, with the figures.
    """

    promoted: bool
    why: str


@dataclass(frozen=True)
class Contest:
    """Two forecasters on the same decisions.

    Args:
        rows: Decisions of which both said something.
        mae: Mean absolute error of the candidate, as a logarithmic change.
        champion_mae: The champion's.
    """

    rows: int
    mae: float
    champion_mae: float


@dataclass(frozen=True)
class Trial:
    """What a candidate was validated by, so that the champion can be judged by the same.

    Args:
        forecast: The declaration.
        frame: All decisions that it was trained on.
        learner: Who learned it.
    """

    forecast: Forecast
    frame: Frame
    learner: Learner

    @cached_property
    def last_fold(self) -> Fold:
        """The newest decisions of validation."""
        return walk_forward(self.frame, self.frame.usable(), self.forecast)[-1]

    @cached_property
    def before_it(self) -> Fitted:
        """What the learner makes of everything before the last fold."""
        return self.learner.fit(self.forecast, self.frame, self.last_fold.train)

    def contest(self, holder: Registered, artefact: Artefact) -> Contest | None:
        """Candidate and champion on the decisions that neither learned from; None where they are too few to tell."""
        fold = self.last_fold
        rows = fold.test[self.frame.decided_at[fold.test] >= _wall(holder.trained_to)]
        if self._hours(rows) < MIN_HOURS:
            return None
        theirs, ours = artefact.predict(self.frame, rows).yhat, self.before_it.predict(self.frame, rows).yhat
        said = np.isfinite(theirs) & np.isfinite(ours)
        if self._hours(rows[said]) < MIN_HOURS:
            return None
        truth = self.frame.target[rows]
        return Contest(int(said.sum()), _mae(truth[said], ours[said]), _mae(truth[said], theirs[said]))

    def _hours(self, rows: Rows) -> int:
        return len(np.unique(self.frame.decided_at[rows]))


def promote_by_rule(warehouse: Warehouse, store: Store, candidate: Registered, trial: Trial, by: str = RULE) -> Ruling:
    """Promote a candidate if it deserves it.

    Args:
        warehouse: Where the registry is.
        store: Where the champion's artefact lies.
        candidate: Registered just now.
        trial: What it was validated by.
        by: Who gets written down as having promoted it.

    Returns:
        What was done and why.

    Raises:
        StoreUnavailable: the champion's artefact cannot be read.
        DatabaseUnreachable: no connection, or it broke; the champion stays.
    """
    for _ in range(_ATTEMPTS):
        holder = champion(warehouse, candidate.model)
        ruling = rule(store, candidate, holder, trial)
        if not ruling.promoted:
            return ruling
        try:
            succeed(warehouse, candidate, holder.version if holder else None, by, ruling.why)
        except ChampionChanged:
            continue  # another training was faster: it is compared with that one
        return ruling
    return Ruling(False, f"the champion changed {_ATTEMPTS} times while they were compared")


def rule(store: Store, candidate: Registered, holder: Registered | None, trial: Trial) -> Ruling:
    """What the rule says of a candidate; changes nothing.

    Args:
        store: Where the champion's artefact lies.
        candidate: Whose place is in question.
        holder: The champion; None where there is none.
        trial: What the candidate was validated by.
    """
    if not candidate.has_skill:
        return Ruling(False, candidate.verdict)
    if holder is None:
        return Ruling(True, f"{candidate.verdict}; there was no champion")
    if holder.feature_version != candidate.feature_version:
        told = f"version {holder.version} learned from features {holder.feature_version}"
        return Ruling(True, f"{candidate.verdict}; {told}, and now they are {candidate.feature_version}")
    try:
        contest = trial.contest(holder, load(store, holder.artefact_sha256))
    except (ArtefactUnusable, FrameRefused) as error:
        # It cannot answer for anything as it is; one with skill that can is better than none.
        return Ruling(True, f"{candidate.verdict}; version {holder.version} cannot be used: {error.problem}")
    return _compared(candidate, holder, contest)


def _compared(candidate: Registered, holder: Registered, contest: Contest | None) -> Ruling:
    if contest is not None:
        where = f"{contest.rows:,} decisions since version {holder.version} learned"
        return _by_errors(holder, contest.mae, contest.champion_mae, where)
    if holder.metrics.get(DATA_HASH) == candidate.metrics.get(DATA_HASH):
        return _by_errors(holder, _error(candidate), _error(holder), "the same data, each walked forward")
    return Ruling(
        False,
        f"fewer than {MIN_HOURS} hours were decided since version {holder.version} learned, and both were validated on"
        " different data: nobody can tell which is better",
    )


def _by_errors(holder: Registered, mae: float, champion_mae: float, where: str) -> Ruling:
    is_better = mae < champion_mae
    told = f"mean absolute error {mae:.6g} against {champion_mae:.6g} of version {holder.version}, on {where}"
    return Ruling(is_better, told if is_better else f"not better: {told}")


def _error(version: Registered) -> float:
    error = version.metrics.get("error")
    return float(error) if isinstance(error, int | float) else math.nan


def _mae(truth: Floats, yhat: Floats) -> float:
    return float(np.abs(truth - yhat).mean())


def _wall(moment: datetime) -> np.datetime64:
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")


__all__ = ["MIN_HOURS", "Contest", "Ruling", "Trial", "promote_by_rule", "rule"]
