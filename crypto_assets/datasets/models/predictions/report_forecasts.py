"""Predictions at each report of the stream: in time, or without the stream waiting for them.

What belongs here: a thread beside the run, its budget, and that nothing which goes wrong there is more than a warning. What
does not: predicting (live.py) and the stream's run (stream_automation.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from crypto_assets.datasets.models.predictions.live import LivePredictor
from crypto_assets.datasets.models.predictions.prediction import Prediction, Refusal
from crypto_assets.forecasting.artefacts import Store
from crypto_assets.latest.telling import LatestValues
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse

# Reports come every minute, and the run reads none while it waits: its child's pipe holds some hundred of them.
BUDGET_SECONDS = 5.0
_SHOWN = 5  # refusals that a warning names

type Say = Callable[[str], None]
type MakePredictor = Callable[[Warehouse, Universe, Store], LivePredictor]


@dataclass(frozen=True)
class ReportForecasts:
    """Makes what speaks at each report. Making one opens nothing.

    Args:
        place: Of the model store: a folder, or an address that fsspec knows.
        budget_seconds: A report waits no longer for its predictions.
        make: Makes the predictor of a universe; None for the real one.
        latest: Where new predictions are told.
    """

    place: str
    budget_seconds: float = BUDGET_SECONDS
    make: MakePredictor | None = None
    latest: LatestValues = field(default_factory=LatestValues)

    @contextmanager
    def speaking(
        self, warehouse: Warehouse, universe: Callable[[], Universe], info: Say, warn: Say
    ) -> Iterator[ReportSpeaker]:
        """What speaks at the reports of one run; its connections are given back at the end, unless a round hangs.

        Args:
            universe: The universe in force, asked anew for each report.
            info: Hears of new predictions.
            warn: Hears of what could not be said.
        """
        with self.latest.telling() as telling:
            telling_too = replace(self, make=self.make or partial(LivePredictor, tell=telling))
            speaker = ReportSpeaker(telling_too, warehouse, universe, info, warn)
            try:
                yield speaker
            finally:
                speaker.end()


class ReportSpeaker:
    """Predicts at each report, in a thread of its own; one round at a time, and a report that comes meanwhile makes none.

    The thread says nothing itself: what there is to say is heard by whoever calls, with this report or the next.
    """

    def __init__(
        self, of: ReportForecasts, warehouse: Warehouse, universe: Callable[[], Universe], info: Say, warn: Say
    ) -> None:
        self._of = of
        self._warehouse = warehouse
        self._universe = universe
        self._info = info
        self._warn = warn
        self._thread: threading.Thread | None = None
        self._predictor: LivePredictor | None = None
        self._in_force: Universe | None = None
        self._news: list[str] = []
        self._trouble = ""  # of the last round that ended
        self._warned = ""

    def report(self) -> None:
        """A round, unless the last one is still at work; returns within the budget, and never raises."""
        thread = self._thread
        if thread is not None and thread.is_alive():
            self._tell("Predictions of an earlier report are still being made; this report makes none.")
            return
        # A daemon: a round that hangs must not keep the run's process alive.
        self._thread = threading.Thread(target=self._round, name="report forecasts", daemon=True)
        self._thread.start()
        self._thread.join(self._of.budget_seconds)
        late = f"Predictions take longer than {self._of.budget_seconds:g} seconds; the stream goes on without them."
        self._tell(late if self._thread.is_alive() else self._trouble)

    def end(self) -> None:
        """Give the connections back."""
        if self._thread is not None:
            self._thread.join(self._of.budget_seconds)
            if self._thread.is_alive():
                return  # they are closed with the process
        if self._predictor is not None:
            self._predictor.close()

    def _tell(self, trouble: str) -> None:
        """What is new; the same trouble once, and not every minute again."""
        news, self._news = self._news, []
        for one in news:
            self._info(one)
        if trouble and trouble != self._warned:
            self._warn(trouble)
        elif self._warned and not trouble:
            self._info("Predictions are whole again.")
        self._warned = trouble

    def _round(self) -> None:
        try:
            predictor = self._for_the_universe()
            said = predictor.predict()
            if predictor.stored:
                self._news.append(_new(said, predictor.stored))
            self._trouble = _unsaid(predictor.refused)
        except Exception as error:  # noqa: BLE001 - whatever it is, the stream's seconds matter more
            kind = type(error).__name__
            self._trouble = f"Nothing could be predicted ({kind}): {' '.join(str(error).split())}"

    def _for_the_universe(self) -> LivePredictor:
        universe = self._universe()
        if self._predictor is None or universe != self._in_force:
            if self._predictor is not None:
                self._predictor.close()
            make = self._of.make or LivePredictor
            self._predictor = make(self._warehouse, universe, Store(self._of.place))
            self._in_force = universe
        return self._predictor


def _new(said: Sequence[Prediction], stored: int) -> str:
    slowest = max((one.latency_ms or 0.0 for one in said), default=0.0)
    models = len({one.model for one in said})
    return (
        f"{stored} new predictions by {models} champions; the slowest took {slowest:.1f} ms from reading to forecast."
    )


def _unsaid(refused: Sequence[Refusal]) -> str:
    if not refused:
        return ""
    shown = "; ".join(str(one) for one in refused[:_SHOWN])
    more = f"; and {len(refused) - _SHOWN} more" if len(refused) > _SHOWN else ""
    return f"Not predicted: {shown}{more}"


__all__ = ["BUDGET_SECONDS", "ReportForecasts", "ReportSpeaker"]
