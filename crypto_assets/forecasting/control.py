"""Series of which it is known what can be known of them: a random walk, and one with a planted signal.

What belongs here: making such frames, and the report of what validation says of them. What does not: real frames
(datasets/models).

A random walk cannot be forecast; who claims to is wrong. Of a planted signal it is known how much error a perfect forecaster
saves; who finds much less does not learn, and who finds more cheats.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from crypto_assets.forecasting.declaration import Forecast, Promotion
from crypto_assets.forecasting.frame import Floats, Frame, Rows, SeriesName
from crypto_assets.forecasting.learner import Fitted, Learner
from crypto_assets.forecasting.splits import FOLDS, Fold, shuffled
from crypto_assets.forecasting.validation import validate
from crypto_assets.forecasting.validation_report import Validation

HOURLY_VOLATILITY = 0.01  # standard deviation of the hourly logarithmic change
SHORTFALL = 0.03  # of skill that a learner may leave lying: it knows a signal only from finitely many rows
_WEEK = 168  # hours before the first decision, so that every input is known at it
_LAGS = (1, 4, 24)
_FIRST = np.datetime64("2024-01-01T00", "us")
_PROMOTION = Promotion(
    min_skill=0.0, reason="Controls ask whether there is any skill, not whether it is worth something."
)


def random_walk(horizon_hours: int = 24) -> Forecast:
    """What `random_walk_frame` is for; at 24 hours, the targets of neighbouring decisions share 23 of their 24 hours."""
    inputs = ("level", *(f"change_{lag}h" for lag in _LAGS), "over_day", "level_day_ago", "over_week")
    return Forecast("random_walk", horizon_hours, "A random walk", "none", inputs, _PROMOTION)


def random_walk_frame(seed: int, series: int, hours: int, horizon_hours: int = 24) -> Frame:
    """Independent Gaussian random walks with inputs that are functions of their past: nothing can be known of the targets.

    Inputs are such as real forecasts have: the logarithm of the quantity now and a day ago, its change over the last 1, 4 and
    24 hours, and its distance from the mean of the last day and week. Levels tell at which time of which series a decision
    was made: whoever has seen its neighbours' targets, in a shuffled split, can look them up.

    Args:
        series: How many.
        hours: Decisions of each; of the last `horizon_hours` the target is not known.
    """
    changes = np.random.default_rng(seed).normal(0, HOURLY_VOLATILITY, size=(series, _WEEK + hours))
    # Series begin apart, so that their levels do not meet soon.
    logs = np.cumsum(changes, axis=1) + 2.0 * np.arange(series, dtype=np.float64)[:, None]
    means = {span: _means(logs, span) for span in (24, _WEEK)}
    inputs = [
        logs,
        *(logs - _before(logs, lag) for lag in _LAGS),
        logs - means[24],
        _before(logs, 24),
        logs - means[_WEEK],
    ]
    chosen = [values[:, _WEEK:] for values in inputs]
    return _frame(random_walk(horizon_hours), logs[:, _WEEK:], chosen)


def planted(horizon_hours: int = 1) -> Forecast:
    """What `planted_frame` is for."""
    inputs = ("signal", "noise", "level", "change_1h")
    return Forecast("planted", horizon_hours, "A random walk with a signal", "none", inputs, _PROMOTION)


def planted_frame(seed: int, strength: float, series: int = 4, hours: int = 3000, horizon_hours: int = 1) -> Frame:
    """Random walks of which each next hour's change is partly announced by an input.

    The change of the hour behind decision t is σ·(ρ·s + √(1 - ρ²)·e) with ρ = `strength`, s the input "signal" at t, and s and
    e independent and standard normal. Later hours of a horizon are announced by later signals only. The target over h hours
    is normal with variance σ²·h, and given s with variance σ²·(h - ρ²). The mean absolute value of a normal variable with mean
    0 is its standard deviation times √(2/π), so a perfect forecaster, who says σ·ρ·s, saves of zero change's error the
    share 1 - √(1 - ρ²/h): see `planted_skill`. Other inputs say nothing.

    Args:
        strength: ρ, correlation of signal and next change, 0 to 1.
        series: How many.
        hours: Decisions of each.
    """
    random = np.random.default_rng(seed)
    signal, noise, error = random.normal(size=(3, series, hours))
    changes = HOURLY_VOLATILITY * (strength * signal + math.sqrt(1 - strength**2) * error)
    logs = np.concatenate([np.zeros((series, 1)), np.cumsum(changes, axis=1)[:, :-1]], axis=1)
    last_change = np.diff(logs, axis=1, prepend=0.0)
    return _frame(planted(horizon_hours), logs, [signal, noise, logs, last_change])


def planted_skill(strength: float, horizon_hours: int = 1) -> float:
    """Skill of a perfect forecaster on `planted_frame`: 1 - √(1 - ρ²/h); of ρ = 0.6 and one hour, 0.2."""
    return 1 - math.sqrt(1 - strength**2 / horizon_hours)


def _frame(forecast: Forecast, logs: Floats, inputs: list[Floats]) -> Frame:
    """Series below each other, from logarithms of the quantity and inputs, each (series, hours)."""
    count, hours = logs.shape
    ahead = forecast.horizon_hours
    target = np.full((count, hours), np.nan)
    target[:, :-ahead] = logs[:, ahead:] - logs[:, :-ahead]
    decided = np.tile(_FIRST + np.arange(hours) * np.timedelta64(1, "h"), count)
    known_at = np.where(np.isnan(target.ravel()), np.datetime64("NaT", "us"), decided + np.timedelta64(ahead, "h"))
    return Frame(
        names=forecast.inputs,
        series=tuple(SeriesName("control", f"{number:03d}") for number in range(count)),
        code=np.repeat(np.arange(count), hours),
        decided_at=decided,
        inputs=np.stack([values.ravel() for values in inputs], axis=1).astype(np.float32),
        now=np.exp(logs.ravel()),
        target=target.ravel(),
        target_known_at=known_at,
    )


def _before(logs: Floats, lag: int) -> Floats:
    """Values `lag` hours before; what the first ones would be is not known."""
    found = np.full(logs.shape, np.nan)
    found[:, lag:] = logs[:, :-lag]
    return found


def _means(logs: Floats, span: int) -> Floats:
    """Means of the last `span` values, this one included."""
    until = np.cumsum(logs, axis=1)
    found = np.full(logs.shape, np.nan)
    found[:, span:] = (until[:, span:] - until[:, :-span]) / span
    return found


@dataclass(frozen=True)
class HonestyReport:
    """What a learner is found to know where it is known what there is to know.

    Args:
        walked: On a random walk, walked forward: there must be no skill.
        shuffled: On the same, shuffled, and without a part that is later in time to stop on: the negative control; a
            learner with a memory shows a false skill.
        planted: On a planted signal, walked forward.
        planted_skill: What a perfect forecaster of it reaches.
    """

    walked: Validation
    shuffled: Validation
    planted: Validation
    planted_skill: float

    @property
    def is_honest(self) -> bool:
        """No skill where there is none, and a planted one found."""
        return not self.walked.has_skill and self.finds_planted

    @property
    def is_fooled_when_shuffled(self) -> bool:
        """The negative control works: the wrong split finds a skill that is not there."""
        return self.shuffled.has_skill

    @property
    def finds_planted(self) -> bool:
        """There is skill, not above the perfect but for chance, and at most `SHORTFALL` below but for chance."""
        found = self.planted
        return found.has_skill and found.skill_low <= self.planted_skill <= found.skill_high + SHORTFALL

    def lines(self) -> list[str]:
        """The report for people."""
        return [
            f"random walk, walked forward: {self.walked.verdict}",
            f"random walk, shuffled K-fold (the wrong way): {self.shuffled.verdict}",
            f"planted signal, of which a perfect forecaster has skill {100 * self.planted_skill:.1f} %:"
            f" {self.planted.verdict}",
        ]


@dataclass(frozen=True)
class _Timeless:
    """A learner that is not told when targets were known.

    Ours keep the last tenth of time apart, purged, and stop when the error there has ceased to fall. That would save them from
    the worst of a shuffled split. Whoever shuffles has no such tenth.
    """

    learner: Learner

    @property
    def name(self) -> str:
        """The learner's."""
        return self.learner.name

    def fit(self, forecast: Forecast, frame: Frame, rows: Rows) -> Fitted:
        """As `Learner.fit`."""
        unknown = np.full(len(frame), np.datetime64("NaT", "us"))
        return self.learner.fit(forecast, replace(frame, target_known_at=unknown), rows)


def honesty_report(
    learner: Learner, seed: int = 0, *, series: int = 4, hours: int = 1500, strength: float = 0.6
) -> HonestyReport:
    """Validate a learner on both controls, and on the random walk the wrong way, too.

    Args:
        seed: Of the frames, the deal and the bootstrap.
        series: Of each frame.
        hours: Of each series.
        strength: Of the planted signal; its targets are one hour ahead, those of the random walk 24.
    """
    walk, frame = random_walk(), random_walk_frame(seed, series, hours)

    def dealt(frame: Frame, rows: Rows, forecast: Forecast) -> list[Fold]:  # noqa: ARG001 - a Splitter
        return shuffled(frame, rows, FOLDS, seed)

    return HonestyReport(
        walked=validate(walk, frame, learner, seed=seed),
        shuffled=validate(walk, frame, _Timeless(learner), dealt, seed),
        planted=validate(planted(), planted_frame(seed, strength, series, hours), learner, seed=seed),
        planted_skill=planted_skill(strength),
    )


__all__ = [
    "HonestyReport",
    "honesty_report",
    "planted",
    "planted_frame",
    "planted_skill",
    "random_walk",
    "random_walk_frame",
]
