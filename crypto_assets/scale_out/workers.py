"""Who executes runs: the workers that answer over the broker, and what they have to do.

What belongs here: asking them. What does not: their table and lines (cli/), and being one (worker.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.latest.connecting import dial, failures, named
from crypto_assets.scale_out.broker import Broker

ANSWER_SECONDS = 2.0  # workers on this network answer within milliseconds, those at work within a second


class ExtraMissing(CryptoAssetsError):
    """dagster-celery is not installed."""


class NobodyWorks(CryptoAssetsError):
    """No worker answers over a broker that does."""


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
        RedisAway: the broker does not answer, or refuses.
    """
    require_extra()
    from kombu.exceptions import OperationalError  # noqa: PLC0415 - of the extra

    from crypto_assets.scale_out.worker import queue_app  # noqa: PLC0415 - needs the extra

    away: tuple[type[Exception], ...] = (*failures(), OperationalError)
    client = dial(broker.url)
    try:
        client.ping()  # Celery itself would try for half a minute
        asked = queue_app(broker).control.inspect(timeout=answer_seconds)
        stats = asked.stats() or {}
        active, queues = (asked.active() or {}, asked.active_queues() or {}) if stats else ({}, {})
    except away as error:
        raise named(error, broker.url) from None
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


def told_workers(broker: Broker) -> str:
    """How many answer, in one line.

    Raises:
        NobodyWorks, ExtraMissing, RedisAway.
    """
    found = find_workers(broker)
    if not found:
        raise NobodyWorks(
            f"No worker answers over {broker.place}: runs stay queued",
            way_out="`crypto-assets celery-worker` starts one.",
        )
    busy, most = sum(one.runs for one in found), sum(one.most for one in found)
    return f"{len(found)} {'answers' if len(found) == 1 else 'answer'}, {busy} of {most} runs at work"


def _most(told: Mapping[str, object]) -> int:
    pool = told.get("pool")
    return int(str(pool.get("max-concurrency", 0))) if isinstance(pool, dict) else 0
