"""What the application knows to answer, each kept for some seconds, and only about what is stored.

What belongs here: which question goes where, and refusing names that nothing is stored of. What does not: reading parameters
(app.py) and the questions themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from crypto_assets.dashboard.candles import BarSeries, Candles, Key, NotStored, read_candles, read_series
from crypto_assets.dashboard.cells import STATES, CoverageMap, read_datasets, read_map
from crypto_assets.dashboard.figures.board import Figures
from crypto_assets.dashboard.headlines import Headline, read_headlines
from crypto_assets.dashboard.health import Health, health_of
from crypto_assets.dashboard.kept import Kept, KeptByQuestion
from crypto_assets.dashboard.read_only import ReadOnly
from crypto_assets.dashboard.said import Said, Subject, read_said, read_subjects
from crypto_assets.dashboard.stream_metrics import read_stream_metrics
from crypto_assets.dashboard.trends import Trends, read_trends

# Seconds that an answer is good for: bars and forecasts come by the minute, lists of what there is change seldom.
_SOON, _LATER = 5.0, 30.0


@dataclass(frozen=True)
class Place:
    """What is looked at.

    Args:
        profile: Its name.
        warehouse: Its data.
        dagster: Dagster's storage; None where it is not known.
        sql_folder: The migrations of this version.
        stream_file: Where the stream says on which port it answers.
        ui_address: Where people reach Dagster's UI.
    """

    profile: str
    warehouse: ReadOnly
    dagster: ReadOnly | None
    sql_folder: Path
    stream_file: Path
    ui_address: str


class About(msgspec.Struct, frozen=True):
    """What is looked at, for the page's head; `states` of the ledger in the order of their gravity."""

    profile: str
    database: str
    ui_address: str
    states: tuple[str, ...]


class Answers:
    """Making one asks nothing. Safe for threads."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.figures = Figures(place.warehouse, place.dagster)
        self.health: Kept[Health] = health_of(place.warehouse, self.figures, place.sql_folder)
        self.datasets: Kept[list[str]] = Kept(lambda: read_datasets(place.warehouse.warehouse), _LATER)
        self.series: Kept[list[BarSeries]] = Kept(lambda: read_series(place.warehouse.warehouse), _SOON)
        self.subjects: Kept[list[Subject]] = Kept(lambda: read_subjects(place.warehouse.warehouse), _LATER)
        self.headlines: Kept[list[Headline]] = Kept(lambda: read_headlines(place.warehouse.warehouse), _SOON)
        self.trends: KeptByQuestion[int, Trends] = KeptByQuestion(
            lambda days: read_trends(place.warehouse.warehouse, days), _LATER
        )
        self._maps: KeptByQuestion[tuple[str, int], CoverageMap] = KeptByQuestion(
            lambda asked: read_map(place.warehouse.warehouse, *asked), _SOON
        )
        self._candles: KeptByQuestion[tuple[BarSeries, int, int | None], Candles] = KeptByQuestion(
            lambda asked: read_candles(place.warehouse.warehouse, *asked), _SOON
        )
        self._said: KeptByQuestion[Subject, Said] = KeptByQuestion(
            lambda subject: read_said(place.warehouse.warehouse, subject), _SOON
        )

    def about(self) -> About:
        """What is looked at."""
        return About(self._place.profile, self._place.warehouse.place, self._place.ui_address, STATES)

    def coverage(self, dataset: str, days: int) -> CoverageMap:
        """The heat map of a dataset.

        Raises:
            NotStored: nothing of it was ever collected.
        """
        _require(dataset in self.datasets.get(), f"Nothing was collected of dataset '{dataset}'")
        return self._maps.get((dataset, days))

    def candles(self, key: Key, bars: int, until: int | None) -> Candles:
        """The bars of a market.

        Raises:
            NotStored: there are none.
        """
        found = _first(self.series.get(), lambda one: one.key == key, f"No bars are stored of '{' '.join(key)}'")
        return self._candles.get((found, bars, until))

    def said(self, key: Key) -> Said:
        """What a forecast said of a series.

        Raises:
            NotStored: nothing of late.
        """
        told = f"Nothing was forecast of late of '{' '.join(key)}'"
        return self._said.get(
            _first(self.subjects.get(), lambda one: (one.forecast, one.domain, one.series) == key, told)
        )

    def stream_metrics(self) -> bytes:
        """What the profile's stream answers to /metrics.

        Raises:
            StreamSilent: none runs, or it does not answer.
        """
        return read_stream_metrics(self._place.stream_file)


def _first[T](rows: list[T], is_it: Callable[[T], bool], otherwise: str) -> T:
    found = next((one for one in rows if is_it(one)), None)
    if found is None:
        raise NotStored(otherwise, way_out="Choose from what the page offers.")
    return found


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise NotStored(otherwise, way_out="Choose from what the page offers.")


__all__ = ["About", "Answers", "Place"]
