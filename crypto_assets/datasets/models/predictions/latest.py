"""Predictions as Redis is told of them: the newest of each series.

What belongs here: that. What does not: making and storing them (live.py, batch.py), Redis itself (crypto_assets.latest).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from crypto_assets.datasets.models.predictions.prediction import Prediction
from crypto_assets.latest.lives import prediction_until
from crypto_assets.latest.values import LatestPrediction, microseconds


def latest_predictions(said: Sequence[Prediction]) -> Iterator[LatestPrediction]:
    """Of each forecast and series the last decision, as Redis is told.

    Args:
        said: As they are stored, and committed.
    """
    last: dict[tuple[str, str, str], Prediction] = {}
    for one in said:
        name = (one.model, one.domain, one.series)
        if name not in last or last[name].decided_at <= one.decided_at:
            last[name] = one
    stored = microseconds(datetime.now(UTC))
    for one in last.values():
        decided, end = microseconds(one.decided_at), microseconds(one.horizon_end_at)
        yield LatestPrediction(
            at_us=decided, known_us=microseconds(one.known_at), stored_us=stored, until_us=prediction_until(decided, end),
            model=one.model, domain=one.domain, series=one.series, version=one.version, horizon_end_us=end,
            level_now=one.level_now, yhat=one.yhat, q10=one.q10, q90=one.q90, baseline=one.baseline,
            baseline_name=one.baseline_name, is_out_of_sample=one.is_out_of_sample,
        )  # fmt: skip


__all__ = ["latest_predictions"]
