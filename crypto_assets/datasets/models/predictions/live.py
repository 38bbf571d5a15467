"""Predictions of now: the newest decision of each series, by the champions, stored as they are said.

What belongs here: connections and artefacts that are kept from one round to the next, the order of a round, the call for one
market. What does not: what a champion says of a frame (speaking.py), months of the past (batch.py), and who calls
(report_forecasts.py, the CLI).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import numpy as np
import psycopg2
from adbc_driver_manager import Error as AdbcError
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name

from crypto_assets.datasets.models.catalog import FORECASTS, forecast
from crypto_assets.datasets.models.frames import TailReader
from crypto_assets.datasets.models.predictions.champions import Champion, Champions, refuse_other_features
from crypto_assets.datasets.models.predictions.latest import latest_predictions
from crypto_assets.datasets.models.predictions.prediction import (
    FeatureVersionDiffers,
    InputsMissing,
    Prediction,
    Refusal,
)
from crypto_assets.datasets.models.predictions.speaking import predictions_of, speak
from crypto_assets.datasets.models.predictions.storing import FirstSaid
from crypto_assets.datasets.models.predictions.subjects import domains_of, subjects
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.forecasting.artefacts import Store
from crypto_assets.forecasting.declaration import Forecast
from crypto_assets.forecasting.frame import Frame, Rows, SeriesName
from crypto_assets.latest.telling import SILENCE, Tell
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import DatabaseUnreachable, Warehouse
from crypto_assets.warehouse.read import Reader, ReadFailed, reading

SOURCE = "champion of models.registry, live"
_BROKEN = (psycopg2.OperationalError, psycopg2.InterfaceError, AdbcError, ReadFailed, DatabaseUnreachable)


@dataclass(frozen=True)
class _Session:
    """Open connections, and what is bound to them."""

    stack: ExitStack
    reader: Reader
    tails: TailReader
    connection: Connection
    first_said: FirstSaid


class LivePredictor:
    """Says what comes, as often as it is asked; a context manager, for one thread at a time. Making one opens nothing.

    Champions and their artefacts are loaded once, and looked at anew every minute. Connections are kept; one that the server
    ended meanwhile is replaced.

    Args:
        warehouse: To read from and to store in.
        universe: Whose markets, networks and chains are spoken of.
        store: Where artefacts lie.
        clock: The present, UTC.
        tell: Told what is new, once it is committed.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        universe: Universe,
        store: Store,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        tell: Tell = SILENCE,
    ) -> None:
        self._warehouse = warehouse
        self._universe = universe
        self._clock = clock
        self._tell = tell
        self._champions = Champions(store)
        self._session: _Session | None = None
        self.refused: list[Refusal] = []
        self.stored = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back; the next question opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            with suppress(*_BROKEN):  # nothing uncommitted is worth keeping
                session.stack.close()

    def predict(
        self,
        model_names: Sequence[str] | None = None,
        domains: Sequence[str] | None = None,
        series: Sequence[str] | None = None,
    ) -> list[Prediction]:
        """Predict the newest decision of each series and store it, where nothing was said of it before.

        What could not be said stands in `refused` afterwards, and how many rows are new in `stored`. One series, or one
        forecast, of which nothing can be said keeps no other from being spoken of.

        Args:
            model_names: Forecasts, as gas_4h; None for all that have a champion.
            domains: Exchanges and chains; None for all of the universe.
            series: Symbols, pools' addresses, or names of chains' series; None for all.

        Returns:
            What was said now; where something was said of the decision before, that stands in the table.

        Raises:
            ForecastUnknown: naming what there is.
            DatabaseUnreachable: the database is away; nothing is stored.
        """
        wanted = None if model_names is None else [forecast(name) for name in model_names]
        is_fresh = self._session is None
        try:
            return self._round(wanted, domains, series)
        except _BROKEN as error:
            self.close()
            if is_fresh:
                raise self._away(error) from error
        except BaseException:
            self.close()  # nobody knows what state it is in
            raise
        try:  # the server may have ended a connection that waited
            return self._round(wanted, domains, series)
        except _BROKEN as error:
            self.close()
            raise self._away(error) from error

    def _round(
        self, wanted: Sequence[Forecast] | None, domains: Sequence[str] | None, series: Sequence[str] | None
    ) -> list[Prediction]:
        session = self._session = self._session or self._open()
        self.refused, self.stored = [], 0
        if wanted is None:
            names = self._champions.names(session.reader)
            wanted = [one for one in FORECASTS if one.name in names]
        said: list[Prediction] = []
        for one in wanted:
            try:
                champion = self._champions.of(session.reader, one)
                said += self._say(session, champion, subjects(session.reader, self._universe, one, domains, series))
            except (DatabaseUnreachable, ReadFailed):
                raise
            except CryptoAssetsError as error:
                self.refused.append(Refusal(one.name, "", "", error))
        if said:
            new = session.first_said.store_new(said, SOURCE)
            session.connection.commit()
            self.stored = len(new)
            self._tell.put(latest_predictions(new))
        return said

    def _say(self, session: _Session, champion: Champion, about: Sequence[SeriesName]) -> list[Prediction]:
        if not about:
            return []
        began = time.perf_counter()
        frame = session.tails.read(champion.forecast, about)
        rows = self._of_its_features(session, champion, frame)
        said = speak(champion, frame, rows)
        latency = (time.perf_counter() - began) * 1000
        for unsaid in said.unsaid:
            name = frame.series[int(frame.code[unsaid.row])]
            self.refused.append(Refusal(champion.registered.model, name.domain, name.series, unsaid.error))
        there = {frame.series[code] for code in np.unique(frame.code).tolist()}
        self.refused += [_nothing(champion, name) for name in about if name not in there]
        return predictions_of(champion, frame, said, self._clock(), latency)

    def _of_its_features(self, session: _Session, champion: Champion, frame: Frame) -> Rows:
        """The newest row of each series, less those whose features were made by other code than the champion learned from."""
        versions = session.tails.feature_versions(champion.forecast, frame.series)
        others: set[int] = set()
        for code, name in enumerate(frame.series):
            try:
                if name in versions:
                    refuse_other_features(champion.registered, versions[name])
            except FeatureVersionDiffers as error:
                self.refused.append(Refusal(champion.registered.model, name.domain, name.series, error))
                others.add(code)
        rows = newest_rows(frame)
        return rows[[code not in others for code in frame.code[rows].tolist()]] if others else rows

    def _open(self) -> _Session:
        with ExitStack() as stack:
            reader = stack.enter_context(reading(self._warehouse))
            connection = stack.enter_context(self._warehouse.connect())
            return _Session(
                stack.pop_all(), reader, TailReader(reader, self._universe), connection, FirstSaid(connection)
            )

    def _away(self, error: Exception) -> CryptoAssetsError:
        if isinstance(error, CryptoAssetsError):
            return error
        said = " ".join(str(error).split())
        return DatabaseUnreachable(f"The connection to {self._warehouse.place} broke: {said}")


def predict(
    warehouse: Warehouse,
    universe: Universe,
    store: Store,
    model: str,
    domain: str,
    series: str,
    *,
    tell: Tell = SILENCE,
) -> Prediction:
    """Predict the newest decision of one series and store it, where nothing was said of it before.

    Args:
        model: The forecast, as gas_4h.
        domain: Exchange or chain.
        series: Unified symbol, pool's address, or the name of a chain's one series.
        tell: Told what is new, once it is committed.

    Raises:
        ForecastUnknown: naming what there is.
        NoChampion: none was trained, or none had skill.
        FeatureVersionDiffers: the champion learned from features of another version.
        InputsMissing: the quantity, or most of what the champion looks at, is not known.
        DatabaseUnreachable: the database is away.
    """
    with LivePredictor(warehouse, universe, store, tell=tell) as predictor:
        said = predictor.predict([model], [domain], [series])
        if said:
            return said[0]
        if predictor.refused:
            raise predictor.refused[0].error
    about = ", ".join(domains_of(universe, forecast(model))) or "nothing in this universe"
    raise InputsMissing(f"{model} is about {about}, and {domain} is none of them", way_out="Name one of them.")


def newest_rows(frame: Frame) -> Rows:
    """The last row of each series of a frame."""
    if not len(frame):
        return np.zeros(0, dtype=np.int64)
    ends = np.append(np.flatnonzero(np.diff(frame.code)), len(frame) - 1)
    return ends.astype(np.int64)


def _nothing(champion: Champion, name: SeriesName) -> Refusal:
    problem = f"Nothing is stored of {name} that {champion.registered.model} could look at"
    error = InputsMissing(problem, way_out="Collect it first; `crypto-assets status` shows what is stored.")
    return Refusal(champion.registered.model, name.domain, name.series, error)


__all__ = ["SOURCE", "LivePredictor", "newest_rows", "predict"]
