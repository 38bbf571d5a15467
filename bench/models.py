"""`make bench-models`: whether forecasts know anything, and how fast they say so.

What belongs here: the honesty report of every learner, all learners and baselines over recorded hours, artefacts loaded in
another process, and the live path under many markets. What does not: how it is set up (model_stage.py).

Learners that look at a pure random walk must find nothing; the same learner, validated by shuffling, seems to know it: both are
printed. Recorded hours are printed whatever they say.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table as Shown

from bench.event_stage import Figure
from bench.events import table_of
from bench.model_stage import (
    PREDICTED,
    Trainer,
    drop_predictions,
    learners,
    live_stage,
    recorded_frames,
    recordings,
    reloaded,
)
from crypto_assets.datasets.models.predictions.live import LivePredictor
from crypto_assets.forecasting.artefacts import Store
from crypto_assets.forecasting.control import honesty_report, planted, planted_frame
from crypto_assets.forecasting.frame import FrameRefused
from crypto_assets.forecasting.validation import validate
from crypto_assets.forecasting.validation_report import Validation

PARTS = ("honesty", "reload", "live", "recorded")
CALLS, ROUNDS = 500, 100
MAX_ONE_MS, MAX_ALL_MS = 25.0, 150.0
MAX_ONNX_DIFFERENCE = 1e-6


def main() -> int:
    """Measure, print, and return 1 where a bound is missed."""
    chosen = _parser().parse_args().parts or list(PARTS)
    began, load, console = time.monotonic(), os.getloadavg()[0], Console(width=190, highlight=False)
    works: dict[str, Callable[[Console], list[Figure]]] = {
        "honesty": honesty, "reload": reload, "live": live, "recorded": recorded,
    }  # fmt: skip
    figures = [figure for name in PARTS if name in chosen for figure in works[name](console)]
    console.print(table_of(figures))
    missed = [figure.name for figure in figures if not figure.holds]
    console.print(
        f"{time.monotonic() - began:.0f} s on {os.cpu_count()} cores, load {load:.1f} at the start."
        f" {'Missed: ' + '; '.join(missed) if missed else 'Every bound held.'}"
    )
    return int(bool(missed))


def honesty(console: Console) -> list[Figure]:
    """Each learner where it is known what there is to know."""
    figures = []
    for learner in learners():
        report = honesty_report(learner)
        shown = Shown(
            "what it looks at", "validated by", "verdict", title=f"Honesty of {learner.name}", title_justify="left"
        )
        shown.add_row("a random walk, 24 h ahead", "walking forward", report.walked.verdict)
        shown.add_row("the same", "shuffled K-fold, the wrong way", report.shuffled.verdict)
        perfect = f"a planted signal; perfect knowledge has skill {report.planted_skill:.1%}"
        shown.add_row(perfect, "walking forward", report.planted.verdict)
        console.print(shown)
        figures += [
            Figure(f"{learner.name}: skill on a random walk, walked forward", 100 * report.walked.skill, "%",
                   told="no skill" if not report.walked.has_skill else "SKILL"),
            Figure(f"{learner.name}: skills found where there is none", float(report.walked.has_skill), at_most=0),
            Figure(f"{learner.name}: false skill when shuffled", 100 * report.shuffled.skill, "%",
                   told="the negative control is fooled" if report.is_fooled_when_shuffled else "not fooled"),
            Figure(f"{learner.name}: planted signals not found within the stated error",
                   float(not report.finds_planted), at_most=0,
                   told=f"found {report.planted.skill:.1%}, planted {report.planted_skill:.1%}"),
        ]  # fmt: skip
    return figures


def recorded(console: Console) -> list[Figure]:
    """All learners and baselines over the recorded hours of Binance."""
    folder = recordings()
    if folder is None:
        console.print(
            "Recorded hours: left out, for there are no recordings; CRYPTO_ASSETS_RECORDINGS names their folder."
        )
        return []
    figures = []
    for forecast, frame in recorded_frames(folder):
        for learner in learners():
            began = time.monotonic()
            try:
                report = validate(forecast, frame, learner)
            except FrameRefused as error:
                console.print(f"{forecast.name}, {learner.name}: {error}")
                figures.append(Figure(f"{forecast.name}: {learner.name} refused the recorded hours", 1, at_most=0))
                continue
            console.print(_told(report, time.monotonic() - began))
            figures.append(
                Figure(f"{forecast.name}: skill of {learner.name}", 100 * report.skill, "%", told=report.verdict)
            )
    return figures


def _told(report: Validation, seconds: float) -> Shown:
    title = f"{report.forecast}, {report.learner}: {report.rows:,} recorded decisions, {seconds:.0f} s"
    shown = Shown("forecaster", "error", "skill of the model over it", "q10…q90", "direction", *_folds(report),
                  title=title, title_justify="left")  # fmt: skip
    folds = [f"{fold.mae:.5f}" for fold in report.folds]
    interval = f"({report.directional_low:.1%} … {report.directional_high:.1%})"
    direction = f"{report.directional_accuracy:.1%} {interval}"
    shown.add_row(report.learner, f"{report.error:.5f}", "", f"{report.coverage:.1%}", direction, *folds)
    for name, error in sorted(report.baselines.items(), key=lambda one: one[1]):
        each = [f"{fold.baselines[name]:.5f}" for fold in report.folds]
        shown.add_row(name, f"{error:.5f}", f"{1 - report.error / error:+.2%}", "", "", *each)
    return shown


def _folds(report: Validation) -> list[str]:
    return [f"from {fold.test_from:%Y-%m-%d}" for fold in report.folds]


def reload(console: Console) -> list[Figure]:
    """What a new process says with an artefact, against what its maker said."""
    frame, figures = planted_frame(0, 0.8, 2, 600), []
    rows = np.arange(len(frame), dtype=np.int64)
    with tempfile.TemporaryDirectory(prefix="crypto_assets_bench_") as folder:
        store = Store(Path(folder) / "models")
        for learner in learners():
            made = learner.fit(planted(), frame, frame.usable())
            stored = store.put(
                made.files(), {"learner": learner.name, "forecast": "planted", "inputs": list(frame.names)}
            )
            said = made.predict(frame, rows)
            ours = np.stack([said.yhat, said.q10, said.q90])
            theirs = reloaded(stored.sha256, Path(folder), frame)
            figures.append(_difference(learner, ours, theirs))
    console.print(f"Artefacts of {len(figures)} learners, loaded in another process each.")
    return figures


def _difference(learner: Trainer, ours: np.ndarray, theirs: np.ndarray) -> Figure:  # type: ignore[type-arg]
    known = np.isfinite(ours)
    assert known.any()
    assert (known == np.isfinite(theirs)).all(), "one of them is silent where the other speaks"
    if learner.name == "lightgbm":
        bits = int((ours[known].view(np.int64) != theirs[known].view(np.int64)).sum())
        return Figure("lightgbm: numbers that differ in a bit in a new process", bits, f"of {known.sum():,}", at_most=0)
    most = float(np.abs(ours[known] - theirs[known]).max())
    name = f"{learner.name}: greatest difference in a new process"
    return Figure(name, most, f"log change, {known.sum():,} numbers", at_most=MAX_ONNX_DIFFERENCE)


def live(console: Console) -> list[Figure]:
    """From the newest stored features to a stored prediction: one market at a time, and all at once."""
    with live_stage() as (warehouse, universe, store), LivePredictor(warehouse, universe, store) as predictor:
        symbols = [market.symbol for market in universe.venues["binance"].markets]

        def once(series: Sequence[str]) -> tuple[float, float]:
            drop_predictions(warehouse)  # so that each call stores its rows
            began = time.perf_counter()
            said = predictor.predict([PREDICTED], ["binance"], series)
            whole = (time.perf_counter() - began) * 1e3
            assert len(said) == len(series), predictor.refused
            assert predictor.stored == len(series)
            return whole, max(one.latency_ms or 0.0 for one in said)

        for _ in range(3):
            once(symbols)  # connections, plans and boosters
        single = np.array([once([symbols[number % len(symbols)]]) for number in range(CALLS)])
        every = np.array([once(symbols) for _ in range(ROUNDS)])
    console.print(
        f"Live path: {CALLS} calls of one market, {ROUNDS} rounds of {len(symbols)}, each stored as it is said."
    )
    return [
        *_quantiles("one market, features to stored prediction", single[:, 0], MAX_ONE_MS),
        *_quantiles("  of it until it is said", single[:, 1], None),
        *_quantiles(f"{len(symbols)} markets, features to stored predictions", every[:, 0], MAX_ALL_MS),
        *_quantiles("  of it until they are said", every[:, 1], None),
    ]


def _quantiles(name: str, values: np.ndarray, most: float | None) -> list[Figure]:  # type: ignore[type-arg]
    p50, p99 = np.quantile(values, [0.5, 0.99])
    return [Figure(f"{name}, p50", float(p50), "ms"), Figure(f"{name}, p99", float(p99), "ms", at_most=most)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.models", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--only", dest="parts", action="append", choices=PARTS, help="this part; may come several times"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
