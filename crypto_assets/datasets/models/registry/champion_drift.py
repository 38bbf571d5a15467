"""How far the world has moved from what a champion learned.

What belongs here: reading the last window of a champion's inputs and errors. What does not: the measures and the verdict
(forecasting/drift.py), and what follows from it (checks.py, model_automation.py).
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import numpy as np

from crypto_assets.datasets.models.catalog import forecast
from crypto_assets.datasets.models.frames import NothingStored, tail_frame
from crypto_assets.datasets.models.outcomes.score import recent_scores
from crypto_assets.datasets.models.registry.registered import Registered
from crypto_assets.forecasting.drift import Drift, judge, psi
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse


def drift_of(warehouse: Warehouse, universe: Universe, held: Registered, now: datetime) -> Drift:
    """How far the last window lies from what a champion was trained on: its inputs, and its error out of sample.

    Args:
        held: The champion, whose metrics hold the reference and validation's error.
        now: The end of the window, UTC.

    Raises:
        FrameRefused: the version was trained on other inputs than today's, or its metrics hold no reference.
        ReportUnreadable: its metrics hold no validation of today's form.
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    wanted = forecast(held.model)
    rules = wanted.retrain
    told = held.reference
    try:
        frame = tail_frame(warehouse, universe, wanted, hours=int(rules.window / timedelta(hours=1)))
        since = np.datetime64((now - rules.window).replace(tzinfo=None), "us")
        rows = np.flatnonzero(np.isfinite(frame.now) & (frame.decided_at > since)).astype(np.int64)
        found = psi(told, frame, rows)
    except NothingStored:  # nothing was collected of late: the verdict says that too little is there to compare
        found = {one.name: math.nan for one in told.inputs}
    # Its own alone: for errors of the champion before it, it would be trained anew day after day.
    error = recent_scores(warehouse, held.model, rules.window, version=held.version, now=now).mae
    return judge(told, found, (error, held.validation.error), rules)


__all__ = ["drift_of"]
