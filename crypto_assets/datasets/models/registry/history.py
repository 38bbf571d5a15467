"""What a training learns from: all decisions of a forecast, as they were known.

What belongs here: reading them, cutting off what was not known by a moment, and telling equal data. What does not: how a
frame is put together (datasets/models/frames.py) and learning from it (train.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from hashlib import sha256

import numpy as np
from sqlalchemy import func, select

from crypto_assets.datasets.models.frames import feature_version_of, read_frame, stored_feature_versions
from crypto_assets.forecasting.declaration import Forecast
from crypto_assets.forecasting.frame import Frame, FrameRefused
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame as read_rows


class FeaturesOutdated(FrameRefused):
    """Features that would be learned from were computed by other code than is there now."""


@dataclass(frozen=True)
class Read:
    """What a training learns from.

    Args:
        frame: Decisions in order.
        feature_version: Of their inputs.
        data_as_of: Nothing ingested later is in them, UTC.
        training_set: Name of the frozen set that they were read from; None for what is stored.
    """

    frame: Frame
    feature_version: str
    data_as_of: datetime
    training_set: str | None = None


def read_history(warehouse: Warehouse, universe: Universe, forecast: Forecast, end: datetime | None = None) -> Read:
    """All decisions of a forecast since the universe's history_from, with the outcomes that were known by `end`.

    Raises:
        NothingStored, FrameRefused: as `train`.
        FeaturesOutdated: features of that time are stored by another version of their code.
    """
    start, until = datetime.combine(universe.history_from, time(), tzinfo=UTC), end or datetime.now(UTC)
    refuse_outdated(forecast, stored_feature_versions(warehouse, forecast, start, until))
    frame = read_frame(warehouse, universe, forecast, start, until)
    # Asked afterwards: whatever was stored while it was read may be in it.
    moments = read_rows(warehouse, select(func.clock_timestamp().label("at")))
    as_of = moments["at"].iloc[0].to_pydatetime()
    return Read(known_by(frame, end) if end else frame, feature_version_of(forecast), as_of)


def refuse_outdated(forecast: Forecast, stored: Mapping[str, int]) -> None:
    """Let a training see features of one version alone, that which will be seen when it serves.

    Args:
        forecast: Who looks at them.
        stored: Rows by the version that computed them.

    Raises:
        FeaturesOutdated: naming the versions and how many rows.
    """
    wanted = feature_version_of(forecast)
    others = {version: rows for version, rows in stored.items() if version != wanted}
    if others:
        told = ", ".join(f"{rows:,} by version {version}" for version, rows in sorted(others.items()))
        raise FeaturesOutdated(
            f"{forecast.name} learns from features of version {wanted}, and of those stored were computed {told}",
            way_out="Materialize features/ml_features of all months again, then train.",
        )


def known_by(frame: Frame, end: datetime) -> Frame:
    """The frame as it was then: targets that became known later are not known. Pure."""
    later = ~(frame.target_known_at <= np.datetime64(end.astimezone(UTC).replace(tzinfo=None), "us"))
    return replace(
        frame,
        target=np.where(later, np.nan, frame.target),
        target_known_at=np.where(later, np.datetime64("NaT", "us"), frame.target_known_at),
    )


def data_hash(frame: Frame) -> str:
    """SHA-256 over what can be judged: series, decisions, quantities and targets. Equal for equal data, whatever the inputs."""
    rows = frame.usable()
    told = sha256("\n".join(str(one) for one in frame.series).encode())
    for values in (frame.code, frame.decided_at, frame.now, frame.target):
        told.update(np.ascontiguousarray(values[rows]).tobytes())
    return told.hexdigest()
