"""Predictions of months: every decision of a domain's window, by the champions of now.

What belongs here: that, month by month. What does not: what a champion says of a frame (speaking.py), the newest decision as
soon as it can be known (live.py), when it runs (asset.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from crypto_assets.datasets.models.frames import NothingStored, read_frame, stored_feature_versions
from crypto_assets.datasets.models.predictions.champions import Champion, Champions, refuse_other_features
from crypto_assets.datasets.models.predictions.latest import latest_predictions
from crypto_assets.datasets.models.predictions.prediction import NoChampion
from crypto_assets.datasets.models.predictions.speaking import Said, predictions_of, speak
from crypto_assets.datasets.models.predictions.storing import FirstSaid, say_again
from crypto_assets.datasets.models.predictions.subjects import domains_of
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.forecasting.artefacts import Store
from crypto_assets.forecasting.declaration import Forecast
from crypto_assets.forecasting.frame import Frame, Rows
from crypto_assets.latest.telling import SILENCE, Tell
from crypto_assets.partitions import VenueWindow, month_key, month_window
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import DatabaseUnreachable, NotMigrated, Warehouse
from crypto_assets.warehouse.read import ReadFailed, reading

SOURCE = "champion of models.registry, in a batch"
# What comes before the first decision is read, too: baselines look back a week, and sequences of hours some days.
HISTORY = timedelta(hours=200)
_OF_THE_DATABASE = (DatabaseUnreachable, NotMigrated, ReadFailed)


@dataclass(frozen=True)
class Predicted:
    """What came of one forecast in a domain's window.

    Args:
        model: The forecast.
        domain: Exchange or chain.
        version: Of the champion; None where there is none.
        series: Of which something was said.
        said: Decisions of which something was said.
        stored: Rows that are new, or were changed where it was said again.
        refused: Decisions of which nothing could be said.
        problem: Why nothing was said of the first of them, or at all; empty where all was said.
        is_fault: Whether the problem is one. That nobody is champion, or that nothing is stored of a month, is none.
    """

    model: str
    domain: str
    version: int | None = None
    series: int = 0
    said: int = 0
    stored: int = 0
    refused: int = 0
    problem: str = ""
    is_fault: bool = False

    def __add__(self, later: Predicted) -> Predicted:
        return Predicted(
            self.model,
            self.domain,
            later.version or self.version,
            max(self.series, later.series),
            self.said + later.said,
            self.stored + later.stored,
            self.refused + later.refused,
            later.problem if later.is_fault > self.is_fault else self.problem or later.problem,
            self.is_fault or later.is_fault,
        )


def predict_window(
    warehouse: Warehouse,
    universe: Universe,
    store: Store,
    window: VenueWindow,
    forecasts: Sequence[Forecast],
    again: bool = False,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    tell: Tell = SILENCE,
) -> list[Predicted]:
    """Predict every decision of a domain's window and store what nobody has said before. A transaction a month and forecast.

    What a row says is known when it was computed: a month of the past tells what a champion of today would have said, and
    `is_out_of_sample` whether it had learned from that month.

    Args:
        window: [start, end) of decisions, UTC; its venue is the domain.
        forecasts: Those that are not about the domain are left out.
        again: Put what is said now in the place of what was said before.
        clock: The present.
        tell: Told what is new, once it is committed.

    Returns:
        One for each forecast that is about the domain, in their order.

    Raises:
        DatabaseUnreachable: the database is away; months before are stored.
    """
    champions, told = Champions(store), []
    with reading(warehouse) as reader:
        for forecast in forecasts:
            if window.venue not in domains_of(universe, forecast):
                continue
            nothing = Predicted(forecast.name, window.venue)
            try:
                champion = champions.of(reader, forecast)
            except _OF_THE_DATABASE:
                raise
            except CryptoAssetsError as error:
                told.append(replace(nothing, problem=str(error), is_fault=not isinstance(error, NoChampion)))
                continue
            done = nothing
            for month in _months(window, clock()):
                done = done + _predict(warehouse, universe, champion, month, again=again, clock=clock, tell=tell)
            told.append(done)
    return told


def _predict(
    warehouse: Warehouse,
    universe: Universe,
    champion: Champion,
    window: VenueWindow,
    *,
    again: bool,
    clock: Callable[[], datetime],
    tell: Tell,
) -> Predicted:
    nothing = Predicted(champion.registered.model, window.venue, champion.registered.version)
    try:
        _refuse_other_features(warehouse, champion, window)
        frame = read_frame(
            warehouse, universe, champion.forecast, window.start - HISTORY, window.end, domains=[window.venue]
        )
        said = speak(champion, frame, _rows_in(frame, window))
    except _OF_THE_DATABASE:
        raise
    except CryptoAssetsError as error:
        return replace(nothing, problem=str(error), is_fault=not isinstance(error, NothingStored))
    rows = predictions_of(champion, frame, said, clock(), None)
    with warehouse.connect() as connection:
        new = [] if again else FirstSaid(connection).store_new(rows, SOURCE)
        stored = say_again(connection, rows, SOURCE) if again else len(new)
    tell.put(latest_predictions(rows if again else new))
    return _told(nothing, frame, said, stored)


def _refuse_other_features(warehouse: Warehouse, champion: Champion, window: VenueWindow) -> None:
    found = stored_feature_versions(warehouse, champion.forecast, window.start, window.end, domains=[window.venue])
    for version in sorted(found):
        refuse_other_features(champion.registered, version)


def _told(nothing: Predicted, frame: Frame, said: Said, stored: int) -> Predicted:
    series = len(np.unique(frame.code[said.rows]))
    problem = str(said.unsaid[0].error) if said.unsaid else ""
    return replace(
        nothing,
        series=series,
        said=len(said.rows),
        stored=stored,
        refused=len(said.unsaid),
        problem=problem,
        is_fault=bool(said.unsaid),
    )


def _rows_in(frame: Frame, window: VenueWindow) -> Rows:
    start, end = (np.datetime64(at.astimezone(UTC).replace(tzinfo=None), "us") for at in (window.start, window.end))
    return np.flatnonzero((frame.decided_at >= start) & (frame.decided_at < end)).astype(np.int64)


def _months(window: VenueWindow, now: datetime) -> Iterator[VenueWindow]:
    """The window month by month, as far as it has come: a year of many markets would not fit into memory at once."""
    start, end = window.start, min(window.end, now)
    while start < end:
        stop = min(month_window(month_key(start))[1], end)
        yield VenueWindow(window.venue, start, stop)
        start = stop


__all__ = ["HISTORY", "SOURCE", "Predicted", "predict_window"]
