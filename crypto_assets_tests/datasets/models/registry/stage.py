"""What tests of the registry are given: a small history with a planted signal, and a learner that needs a moment.

What belongs here: histories, learners and rows that several tests use. What does not: assertions.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
from sqlalchemy import select

from crypto_assets.datasets.models.registry.history import Read
from crypto_assets.datasets.models.registry.registered import Trained
from crypto_assets.datasets.models.registry.store import register
from crypto_assets.datasets.models.registry.table import promotions
from crypto_assets.forecasting.control import planted, planted_frame
from crypto_assets.forecasting.declaration import Forecast
from crypto_assets.forecasting.frame import Frame
from crypto_assets.forecasting.lightgbm_learner import LightGbm
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

HOURS = 400
AT = datetime(2024, 2, 1, tzinfo=UTC)
FORECAST: Forecast = replace(planted(), model="gas")  # a name of the catalog, gas_1h
FAST = LightGbm(rounds=20, threads=1, leaves=4, learning_rate=0.3)


_WAITING = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()
"""


def history(hours: int = HOURS, strength: float = 0.9, seed: int = 1, version: str = "features 1") -> Read:
    """Two series of which a strong signal tells the next hour."""
    return Read(planted_frame(seed, strength, series=2, hours=hours), version, AT)


def until(read: Read, hours: int) -> Read:
    """The same history as it was so many hours after its beginning."""
    frame = read.frame
    end = frame.decided_at.min() + np.timedelta64(hours, "h")
    kept: Frame = frame.take(np.flatnonzero(frame.decided_at < end))
    later = ~(kept.target_known_at <= end)
    target = np.where(later, np.nan, kept.target)
    known_at = np.where(later, np.datetime64("NaT", "us"), kept.target_known_at)
    return replace(read, frame=replace(kept, target=target, target_known_at=known_at))


def trained(model: str = "gas_1h", *, has_skill: bool = True, sha: str = "a" * 64) -> Trained:
    """What training came to, without training."""
    verdict = "skill 20.0 % over drift (90 %: 10.0 … 30.0)" if has_skill else "no skill: 1.0 % over drift"
    skill = (0.2, 0.1, 0.3) if has_skill else (0.01, float("-inf"), float("inf"))
    return Trained(
        model, "lightgbm", sha, 1000, "c" * 64, "features 1", AT, AT, AT, 500, 2, {"rounds": 20},
        {"verdict": verdict, "error": 0.5}, "drift", *skill, has_skill, AT,
    )  # fmt: skip


def registered(warehouse: Warehouse, told: Trained) -> int:
    """A version in a transaction of its own."""
    with warehouse.connect() as connection:
        return register(connection, told)


def changes(warehouse: Warehouse) -> pd.DataFrame:
    """models.promotions in its order."""
    return read_frame(warehouse, select(promotions).order_by(promotions.c.model, promotions.c.promoted_at))


def until_waiting(warehouse: Warehouse, wanted: int) -> None:
    """Until so many sessions of the database wait for a lock."""
    deadline = time.monotonic() + 60
    while True:
        with warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.execute(_WAITING)
            [(count,)] = cursor.fetchall()
        if count == wanted:
            return
        assert time.monotonic() < deadline, f"{count} sessions wait for a lock, and not {wanted}"
        time.sleep(0.02)
