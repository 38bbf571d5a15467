"""Who executes runs: the workers that answer over the broker, and what they have to do.

What belongs here: asking them. What does not: their table and lines (cli/), and being one (worker.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import yaml

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.latest.connecting import RedisAway, dial, failures, named, place_of
from crypto_assets.scale_out.broker import QUEUE, SETTING, Broker
from crypto_assets.settings import SettingsError

if TYPE_CHECKING:  # of the extra
    from celery.app.control import Control

ANSWER_SECONDS = 2.0  # workers on this network answer within milliseconds, those at work within a second
_QUESTIONS = 3
_SLACK_SECONDS = 4.0  # for connecting


class ExtraMissing(CryptoAssetsError):
    """dagster-celery is not installed."""


class NobodyWorks(CryptoAssetsError):
    """No worker that takes the profile's runs answers over a broker that does."""


class TooFewPlaces(CryptoAssetsError):
    """Dagster sends more runs than workers take; the rest waits where nothing orders it, and fails after half an hour."""


@dataclass(frozen=True)
class CeleryWorker:
    """A worker that answered.

    Args:
        runs: At work.
        most: That it takes at the same time.
        queues: From which it takes them.
    """

    name: str
    runs: int
    most: int
    queues: tuple[str, ...]


def require_extra() -> None:
    """Make sure that the extra is installed.

    Raises:
        ExtraMissing: it is not.
    """
    if find_spec("dagster_celery") is None:
        raise ExtraMissing(
            "Workers need dagster-celery, which is not installed",
            way_out="Install the extra: `pip install 'crypto-assets[celery]'`.",
        )


def find_workers(broker: Broker, answer_seconds: float = ANSWER_SECONDS) -> list[CeleryWorker]:
    """All that answer within so many seconds, by name.

    Raises:
        ExtraMissing: the extra is not installed.
        RedisAway: the broker does not answer, or refuses, or answers and then no more.
    """
    require_extra()
    from crypto_assets.scale_out.worker import queue_app  # noqa: PLC0415 - needs the extra, and seconds on a busy machine

    control, found = queue_app(broker).control, Future[list[CeleryWorker]]()
    # Of a Redis that hangs Celery's own sockets say so after half a minute: longer than who asks for the status waits.
    Thread(target=_answer, args=(broker, control, answer_seconds, found), name="workers", daemon=True).start()
    bound = _QUESTIONS * answer_seconds + _SLACK_SECONDS
    try:
        return found.result(timeout=bound)
    except TimeoutError:
        raise RedisAway(
            f"Redis at {place_of(broker.url)} has not answered for {bound:g} s",
            way_out="See whether it runs and is reached.",
        ) from None


def told_workers(broker: Broker, most_runs: int) -> str:
    """How many answer, in one line.

    Args:
        most_runs: That Dagster sends at the same time.

    Raises:
        NobodyWorks, TooFewPlaces, ExtraMissing, RedisAway.
    """
    found = find_workers(broker)
    if not any(QUEUE in one.queues for one in found):
        others = f"No worker takes runs of the queue '{QUEUE}'" if found else "No worker answers"
        raise NobodyWorks(
            f"{others} over {broker.place}: runs stay queued", way_out="`crypto-assets celery-worker` starts one."
        )
    busy, places = sum(one.runs for one in found), sum(one.most for one in found)
    told = f"{len(found)} {'answers' if len(found) == 1 else 'answer'}, {busy} of {places} runs at work"
    if not 0 <= most_runs <= places:
        raise TooFewPlaces(
            f"{told}, and max_concurrent_runs is {most_runs}: what is sent beyond {places} waits in Redis and fails there",
            way_out="Start workers with more --runs, or set max_concurrent_runs of deploy/celery/dagster.yaml"
            f" to {places} and restart the daemon.",
        )
    return told


def most_runs_of(dagster_file: Path) -> int:
    """How many runs Dagster sends at the same time; -1 where there is no bound.

    Raises:
        SettingsError: the file cannot be read, or is no configuration of Dagster.
    """
    try:
        told = yaml.safe_load(dagster_file.read_text())
        return int(told["concurrency"]["runs"]["max_concurrent_runs"])
    except (OSError, ValueError, LookupError, TypeError, yaml.YAMLError) as error:
        raise SettingsError(
            f"{dagster_file} does not say how many runs Dagster sends ({type(error).__name__})",
            way_out="Give it concurrency.runs.max_concurrent_runs, the sum of --runs over all workers.",
        ) from None


def _answer(broker: Broker, control: Control, answer_seconds: float, found: Future[list[CeleryWorker]]) -> None:
    try:
        found.set_result(_asked(broker, control, answer_seconds))
    except Exception as error:  # noqa: BLE001 - raised where the answer is waited for
        found.set_exception(error)


def _asked(broker: Broker, control: Control, answer_seconds: float) -> list[CeleryWorker]:
    from kombu.exceptions import OperationalError  # noqa: PLC0415 - of the extra

    away: tuple[type[Exception], ...] = (*failures(), OperationalError)
    client = dial(broker.url, setting=SETTING)
    try:
        client.ping()  # Celery itself would try for half a minute
        stats = control.inspect(timeout=answer_seconds).stats() or {}
        if not stats:
            return []
        # How many there are is known now: both come back with the last answer instead of after their time.
        known = control.inspect(destination=list(stats), limit=len(stats), timeout=answer_seconds)
        active, queues = known.active() or {}, known.active_queues() or {}
    except away as error:
        raise named(error, broker.url, setting=SETTING) from None
    finally:
        client.close()
    return [
        CeleryWorker(
            name,
            len(active.get(name, [])),
            _most(told),
            tuple(sorted(one["name"] for one in queues.get(name, []))),
        )
        for name, told in sorted(stats.items())
    ]


def _most(told: Mapping[str, object]) -> int:
    pool = told.get("pool")
    return int(str(pool.get("max-concurrency", 0))) if isinstance(pool, dict) else 0
