"""Predictions at the stream's reports: the stream waits no longer than it says, and hears of trouble once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

from pydantic import SecretStr

from crypto_assets.datasets.models.predictions.live import LivePredictor
from crypto_assets.datasets.models.predictions.prediction import NoChampion, Prediction, Refusal
from crypto_assets.datasets.models.predictions.report_forecasts import ReportForecasts, ReportSpeaker
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.models.predictions.stage import said, universe

NOWHERE = Warehouse(SecretStr("postgresql://nobody@127.0.0.1:1/nothing"))
TROUBLE = Refusal("gas_1h", "", "", NoChampion("None is one"))


class Puppet:
    """A predictor that does as it is told, round by round."""

    def __init__(self, *rounds: Callable[[], list[Prediction]]) -> None:
        self.rounds = list(rounds)
        self.refused: list[Refusal] = []
        self.stored = 0
        self.closed = 0
        self.made = 0

    def predict(self) -> list[Prediction]:
        return self.rounds.pop(0)()

    def close(self) -> None:
        self.closed += 1


@contextmanager
def speaking(puppet: Puppet, budget: float = 30) -> Iterator[tuple[ReportSpeaker, list[str]]]:
    heard: list[str] = []

    def make(*_given: object) -> LivePredictor:
        puppet.made += 1
        return cast(LivePredictor, puppet)

    of = ReportForecasts("", budget, make)
    with of.speaking(
        NOWHERE, universe, lambda told: heard.append(f"info: {told}"), lambda told: heard.append(f"warning: {told}")
    ) as speaker:
        yield speaker, heard


def test_new_predictions_are_told_and_rounds_without_any_are_silent() -> None:
    puppet = Puppet(lambda: news(2), lambda: news(0), list)

    def news(count: int) -> list[Prediction]:
        puppet.stored = count
        return [said(latency_ms=12.0), said(at=151, latency_ms=3.5)]

    with speaking(puppet) as (speaker, heard):
        for _ in range(3):
            speaker.report()
        puppet_made_once = puppet.made
    assert heard == ["info: 2 new predictions by 1 champions; the slowest took 12.0 ms from reading to forecast."]
    assert (puppet_made_once, puppet.closed) == (1, 1)


def test_trouble_is_told_once_and_its_end_too() -> None:
    puppet = Puppet()

    def refuse(*refused: Refusal) -> list[Prediction]:
        puppet.refused = list(refused)
        return []

    puppet.rounds = [lambda: refuse(TROUBLE), lambda: refuse(TROUBLE), refuse, crash, crash]
    with speaking(puppet) as (speaker, heard):
        for _ in range(5):
            speaker.report()
    assert heard == [
        "warning: Not predicted: gas_1h: None is one",
        "info: Predictions are whole again.",
        "warning: Nothing could be predicted (ZeroDivisionError): division by zero",
    ]


def test_a_round_that_hangs_costs_the_stream_its_budget_once_and_is_heard_when_it_ends() -> None:
    goes_on, began = threading.Event(), threading.Event()
    puppet = Puppet()

    def hang() -> list[Prediction]:
        began.set()
        assert goes_on.wait(30)
        puppet.stored = 1
        return [said()]

    puppet.rounds = [hang, list]
    with speaking(puppet, budget=0.01) as (speaker, heard):
        speaker.report()
        assert began.wait(30)
        speaker.report()
        assert heard == [
            "warning: Predictions take longer than 0.01 seconds; the stream goes on without them.",
            "warning: Predictions of an earlier report are still being made; this report makes none.",
        ]
        goes_on.set()
        [thread] = [one for one in threading.enumerate() if one.name == "report forecasts"]
        thread.join(30)
        puppet.stored = 0
        speaker.report()
    assert heard[2].startswith("info: 1 new predictions by 1 champions")
    assert puppet.rounds == []


def test_another_universe_makes_another_predictor() -> None:
    puppet = Puppet(list, list, list)
    in_force = [universe(), universe(), universe().model_copy(update={"automatic_history_days": 7})]
    made: list[object] = []

    def make(_warehouse: object, given: object, _store: object) -> LivePredictor:
        made.append(given)
        return cast(LivePredictor, puppet)

    with ReportForecasts("", 30, make).speaking(NOWHERE, lambda: in_force.pop(0), print, print) as speaker:
        for _ in range(3):
            speaker.report()
    assert [one.automatic_history_days for one in made] == [62, 7]  # type: ignore[attr-defined]
    assert puppet.closed == 2


def crash() -> list[Prediction]:
    return [said(latency_ms=1 / 0)]
