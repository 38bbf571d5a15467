"""Which runs of the stream are alive, which is to be followed by another, and which is lost.

What belongs here: reading that from Dagster's instance, the rules of it, and ending them all. What does not: the job, and what
triggers it (stream_automation.py).

Dagster asks no run worker whether it lives: a run whose worker went with its machine stays STARTED for ever. A stream reports
every minute, so its silence tells.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

import crypto_assets
from crypto_assets.universe import Universe

STREAM_JOB = "book_ticker_stream_job"
QUOTES = dg.AssetKey(["market", "book_ticker_snapshots"])
CODE_TAG, FOLLOWED_TAG = "crypto_assets/code", "crypto_assets/followed"
_ACTIVE = [
    dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING,
]  # fmt: skip
_LOOKED_AT = 20  # newest reports; two runs send no more in five minutes
_HANDOVER = timedelta(minutes=5)  # a successor has started, warmed up and taken over by then
_SILENCE = timedelta(minutes=5)  # five reports
SHORT_LIFE = timedelta(seconds=20)  # what fails within it, imports and connecting included, would fail again at once
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=30), timedelta(minutes=5)


def code_digest(package: Path) -> str:
    """What tells one version of the code from another: 16 signs over every module of a package."""
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def followed_digest(universe: Universe) -> str:
    """What tells one list of followed markets, and its rules, from another: a stream reads them when it starts. Pure."""
    digest = hashlib.sha256(universe.stream.model_dump_json().encode())
    for venue in universe.stream.venues:
        if venue in universe.venues:
            digest.update("\0".join([venue, *sorted(one.symbol for one in universe.venues[venue].markets)]).encode())
    return digest.hexdigest()[:16]


CODE = code_digest(Path(crypto_assets.__file__).parent)


@dataclass(frozen=True)
class StreamRun:
    """A run of the stream, as the sensor sees it. Times are UTC.

    Args:
        started: None while it waits in the queue.
        reported: Its newest report; None where it has none.
        is_canceling: Whether it was asked to end.
    """

    run_id: str
    created: datetime
    started: datetime | None
    tags: Mapping[str, str]
    reported: datetime | None = None
    is_canceling: bool = False

    def is_silent(self, now: datetime) -> bool:
        """Whether it should have reported, and has not: its worker went with its machine, and nobody told Dagster."""
        if self.started is None or self.is_canceling:
            return False
        return now - max(self.started, self.reported or self.started) > _SILENCE


def due(runs: Sequence[StreamRun], followed: str, max_age: timedelta, now: datetime) -> tuple[bool, str]:
    """Whether a run is to be requested, and why or why not. Pure.

    Args:
        runs: Those that are queued or at work.
        followed: Digest of what a new stream would follow.
    """
    if not runs:
        return True, "No stream runs."
    if len(runs) > 1:
        newest = max(runs, key=lambda run: run.created)
        if now - newest.created > _HANDOVER:
            return (
                False,
                f"{len(runs)} runs for more than 5 minutes: the older one does not hand over; terminate one of them.",
            )
        return False, f"Run {newest.run_id[:8]} takes over."
    [run] = runs
    old = {
        "is older than stream.max_age_hours": run.started is not None and now - run.started > max_age,
        "runs other code": run.tags.get(CODE_TAG) != CODE,
        "follows other markets, or by other rules": run.tags.get(FOLLOWED_TAG, followed) != followed,
    }
    reasons = [reason for reason, holds in old.items() if holds]
    return bool(reasons), f"Run {run.run_id[:8]} {' and '.join(reasons) or 'is at work'}."


def pause_after(lives: Sequence[timedelta | None]) -> timedelta:
    """How long to wait before the next start. Pure.

    Args:
        lives: How long the newest runs lived that failed one after the other; None for one that never started.
    """
    short = 0
    for life in lives:
        if life is not None and life > SHORT_LIFE:
            break
        short += 1
    return timedelta() if short < 2 else min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (short - 2))


def active_runs(instance: dg.DagsterInstance) -> list[StreamRun]:
    """The runs of the stream that wait, work or are about to end."""
    records = instance.get_run_records(dg.RunsFilter(job_name=STREAM_JOB, statuses=_ACTIVE))
    reported: dict[str, datetime] = {}
    if records:
        newest = instance.fetch_materializations(QUOTES, limit=_LOOKED_AT).records
        reported = {one.run_id: datetime.fromtimestamp(one.timestamp, UTC) for one in reversed(newest)}
    return [
        StreamRun(
            one.dagster_run.run_id,
            one.create_timestamp.replace(tzinfo=UTC),
            datetime.fromtimestamp(one.start_time, UTC) if one.start_time else None,
            one.dagster_run.tags,
            reported.get(one.dagster_run.run_id),
            one.dagster_run.status == dg.DagsterRunStatus.CANCELING,
        )
        for one in records
    ]


def give_up(instance: dg.DagsterInstance, lost: StreamRun) -> None:
    """Mark a run that has not reported: Dagster's monitoring ends it a minute later. Its child, if any, hands over."""
    run = instance.get_run_by_id(lost.run_id)
    if run is not None and not run.is_finished:
        instance.report_run_canceling(run, "The stream has not reported for 5 minutes: its worker is taken for lost.")


def end_streams(instance: dg.DagsterInstance, patience_seconds: float = 30) -> int:
    """End every run of the stream in order, and wait for it: the whole pipeline is taken down, and its database with it.

    Returns:
        How many there were.
    """
    runs = active_runs(instance)
    for run in runs:
        try:
            instance.run_coordinator.cancel_run(run.run_id)
        except dg.DagsterError as error:  # nobody is there who could tell its worker
            sys.stderr.write(f"Run {run.run_id[:8]} of the stream cannot be told to end: {error}\n")
            if (lost := instance.get_run_by_id(run.run_id)) is not None:
                instance.report_run_canceled(lost)
    until = time.monotonic() + patience_seconds
    while time.monotonic() < until and active_runs(instance):
        time.sleep(0.2)
    return len(runs)


def resting_until(instance: dg.DagsterInstance, now: datetime) -> datetime | None:
    """Until when no run is started, because the last ones failed at once."""
    failed = []
    for one in instance.get_run_records(dg.RunsFilter(job_name=STREAM_JOB), limit=8):
        if one.dagster_run.status != dg.DagsterRunStatus.FAILURE:
            break
        failed.append(one)
    if not failed:
        return None
    lives = [
        timedelta(seconds=one.end_time - one.start_time) if one.start_time and one.end_time else None for one in failed
    ]
    ended = datetime.fromtimestamp(failed[0].end_time or failed[0].update_timestamp.timestamp(), UTC)
    until = ended + pause_after(lives)
    return until if until > now else None
