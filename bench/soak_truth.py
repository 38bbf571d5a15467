"""What the soak left behind: which bars and seconds are there or named, which runs went well, what memory did, what logs say.

What belongs here: counting by queries and frames of its own, beside the package's code that wrote all this. What does not: what
had struck (soak_faults.py).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
from sqlalchemy import Table, select

from crypto_assets.datasets.market.book_ticker_snapshots.table import DATASET as QUOTES
from crypto_assets.datasets.market.book_ticker_snapshots.table import book_ticker_snapshots
from crypto_assets.datasets.market.ohlcv.table import DATASET as BARS
from crypto_assets.datasets.market.ohlcv.table import ohlcv
from crypto_assets.schema.bookkeeping import coverage
from crypto_assets.universe_rules import TIMEFRAME_LENGTH
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

type Span = tuple[datetime, datetime]

# What faults and blows of the soak make runs and processes say, each with why it has to be said.
EXPLAINED: Mapping[str, str] = {
    r"book_ticker_stream": "the stream was killed, or ended with the platform",
    r"([Rr]un worker|process).*(crash|exit|died)|marked as failed|no longer running": "a worker was killed",
    r"Throttled|Unavailable|Rejected|Malformed|markets failed|pools failed|asks? failed": "a provider's fault",
    r"DatabaseUnreachable|server closed the connection|terminating connection|Connection refused|OperationalError"
    r"|could not connect|connection to server|AdminShutdown": "PostgreSQL was restarted",
    r"SIGTERM|DagsterExecutionInterruptedError|DagsterRunCancel|interrupted": "the platform was restarted",
}
LONG_LIFE_SHARE = 0.2  # of the soak: the stream, which is killed six times in it, lives longer
_STAMP = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_RUN_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_LOUD = re.compile(r"\b(ERROR|CRITICAL|Traceback|error  )\b")


@dataclass(frozen=True)
class Presence:
    """What became of everything that was due.

    Args:
        unnamed: Neither there nor in the ledger: the first few.
    """

    due: int
    there: int
    named: int
    unnamed: Sequence[tuple[str, str, str]]

    @property
    def share(self) -> float:
        """There or named, of what was due."""
        return 1 - (self.due - self.there - self.named) / self.due if self.due else 1.0


@dataclass(frozen=True)
class Slope:
    """How memory of one kind of process went, by least squares: see `slopes`.

    Args:
        megabytes: At the end; per_hour with its 95 % interval, low to high.
    """

    megabytes: float
    per_hour: float
    low: float
    high: float
    samples: int


def bars(
    warehouse: Warehouse, venues: Sequence[str], symbols: Sequence[str], frames: Sequence[str], span: Span
) -> Presence:
    """Every bar that closed within [start, end) of every series; start is a midnight."""
    due = [
        (venue, symbol, frame, at)
        for venue in venues
        for symbol in symbols
        for frame in frames
        for at in pd.date_range(span[0], span[1], freq=TIMEFRAME_LENGTH[frame], inclusive="left")
        if at + TIMEFRAME_LENGTH[frame] <= span[1]
    ]
    found = _stored(warehouse, ohlcv, "opened_at", span, "timeframe")
    return _presence(due, found, _gaps(warehouse, BARS))


def seconds(warehouse: Warehouse, venues: Sequence[str], symbols: Sequence[str], span: Span) -> Presence:
    """Every second of [start, end) of every market's quotes."""
    at = pd.date_range(span[0], span[1], freq="1s", inclusive="left")
    due = [(venue, symbol, "", one) for venue in venues for symbol in symbols for one in at]
    found = _stored(warehouse, book_ticker_snapshots, "snapshot_at", span, None)
    return _presence(due, found, _gaps(warehouse, QUOTES))


def _stored(warehouse: Warehouse, table: Table, time: str, span: Span, frame: str | None) -> pd.DataFrame:
    c = table.c
    names = [c.venue, c.symbol, *([c[frame].label("timeframe")] if frame else []), c[time].label("at")]
    rows = read_frame(warehouse, select(*names).where(c[time] >= span[0], c[time] < span[1]))
    return rows if frame else rows.assign(timeframe="")


def _gaps(warehouse: Warehouse, dataset: str) -> pd.DataFrame:
    c = coverage.c
    names = (c.venue, c.symbol, c.timeframe, c.gap_start, c.gap_end, c.state)
    found = read_frame(warehouse, select(*names).where(c.dataset == dataset))
    return found[found["state"] != "repaired"]


def _presence(due: Sequence[tuple[str, str, str, pd.Timestamp]], found: pd.DataFrame, gaps: pd.DataFrame) -> Presence:
    there = set(zip(found["venue"], found["symbol"], found["timeframe"], found["at"], strict=True))
    spans: dict[tuple[str, str], list[Span]] = {}
    for gap in gaps.itertuples():
        spans.setdefault((str(gap.venue), str(gap.symbol)), []).append((gap.gap_start, gap.gap_end))
    named, unnamed = 0, []
    absent = [one for one in due if one not in there]
    for venue, symbol, frame, at in absent:
        if any(start <= at < end for start, end in spans.get((venue, symbol), ())):
            named += 1
        else:
            unnamed.append((venue, symbol, f"{frame} {at:%Y-%m-%d %H:%M:%S}"))
    return Presence(len(due), len(due) - len(absent), named, unnamed)


@dataclass(frozen=True)
class Runs:
    """How Dagster's runs went.

    Args:
        asked: Runs that were asked for, each with all its tries as one; those that were at work at the end are left out.
        good: Whose last try succeeded.
        tries: All tries.
        failed: What failed in the end: job and the first line of why, and how often.
        bad_tries: Why each try failed that did, those of the job without end too, by the run's id.
    """

    asked: int
    good: int
    tries: int
    failed: Counter[str]
    bad_tries: Mapping[str, str]


def runs(instance: dg.DagsterInstance, no_end: str, stopped_at: datetime) -> Runs:
    """All runs but those of the job that has no end.

    Args:
        no_end: The stream's job: it is killed and replaced, and its seconds are counted instead.
        stopped_at: When the platform was asked to end; what was at work then did not go wrong.
    """
    groups: dict[str, list[dg.DagsterRun]] = {}
    bad_tries = {}
    for record in instance.get_run_records():
        run = record.dagster_run
        if record.end_time is not None and record.end_time >= stopped_at.timestamp():
            continue
        if run.is_finished and run.status is not dg.DagsterRunStatus.SUCCESS:
            bad_tries[run.run_id] = _why(instance, run)
        if run.job_name != no_end:
            groups.setdefault(run.root_run_id or run.run_id, []).append(run)
    newest_first = {root: group[0] for root, group in groups.items()}
    ended = {root: run for root, run in newest_first.items() if run.is_finished}
    failed = Counter(_why(instance, run) for run in ended.values() if run.status is not dg.DagsterRunStatus.SUCCESS)
    good = sum(run.status is dg.DagsterRunStatus.SUCCESS for run in ended.values())
    return Runs(len(ended), good, sum(map(len, groups.values())), failed, bad_tries)


def _why(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    wanted = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_CANCELED}
    events = instance.get_records_for_run(run.run_id, of_type=wanted).records
    said = " / ".join(_words(one.event_log_entry) for one in events[:2])
    keys = ",".join(sorted(key.to_user_string() for key in run.asset_selection or ()))[:80]
    return f"{run.status.value} {run.job_name} {keys}: {said[:300]}"


def _words(entry: dg.EventLogEntry) -> str:
    event = entry.dagster_event
    data = getattr(event, "event_specific_data", None)
    error = getattr(data, "error", None)
    message = error.cause.message if error is not None and error.cause is not None else getattr(error, "message", "")
    return " ".join(str(message or (event.message if event else "")).split())


def slopes(samples: Sequence[tuple[float, str, int, float]]) -> dict[str, Slope]:
    """How memory went: of the process of each kind that lived longest, or where one lives for a run only, from run to run.

    A process of some minutes grows while it works and then ends: what it gained says nothing of an hour. What leaks from
    run to run shows in the most that each of them took.

    Args:
        samples: Seconds since the beginning, kind, process id, megabytes.
    """
    frame = pd.DataFrame(samples, columns=["at", "role", "pid", "megabytes"])
    lasting = float(frame["at"].max() - frame["at"].min())
    found = {}
    for role, of in frame.groupby("role"):
        mine = of[of["pid"] == of["pid"].mode().iloc[0]]
        if float(mine["at"].max() - mine["at"].min()) >= LONG_LIFE_SHARE * lasting:
            late = mine[mine["at"] >= mine["at"].median()]
            independent = (late["at"].max() - late["at"].min()) / 60  # residuals are alike for a minute
        else:
            late = of.groupby("pid").agg(at=("at", "min"), megabytes=("megabytes", "max")).sort_values("at")
            independent = len(late)
        if len(late) >= 10:
            hours, megabytes = late["at"].to_numpy() / 3600, late["megabytes"].to_numpy()
            found[str(role)] = _slope(hours, megabytes, float(independent))
    return found


def _slope(hours: np.ndarray, megabytes: np.ndarray, independent: float) -> Slope:
    """By least squares.

    Args:
        independent: As how many independent draws the residuals count.
    """
    x = hours - hours.mean()
    slope = float((x * megabytes).sum() / (x * x).sum())
    rest = megabytes - megabytes.mean() - slope * x
    error = math.sqrt(float((rest * rest).mean()) / float((x * x).mean()) / max(3.0, independent))
    return Slope(float(megabytes[-1]), slope, slope - 1.96 * error, slope + 1.96 * error, len(hours))


def loud_lines(paths: Iterable[Path], bad_tries: Mapping[str, str]) -> tuple[Counter[str], list[str]]:
    """Lines of logs that tell of an error: how many are explained, by why, and those that are not.

    Args:
        bad_tries: Why each run that did not succeed failed, by its id: a line of it is explained where that is.
    """
    explained: Counter[str] = Counter()
    rest = []
    for path in paths:
        text = _COLOUR.sub("", path.read_text(errors="replace"))
        lines = text.splitlines()
        for number, line in enumerate(lines):
            if _LOUD.search(line):
                of_run = _RUN_ID.search(line)
                told = bad_tries.get(of_run[0], "") if of_run else " ".join(lines[number : number + 60])
                why = next((why for words, why in EXPLAINED.items() if re.search(words, f"{line} {told}")), None)
                if why is None:
                    rest.append(f"{path.name}: {_STAMP.sub('', line).strip()[:200]} | {told[:300]}")
                else:
                    explained[why] += 1
    return explained, rest


def whole_minutes(moment: datetime) -> datetime:
    """The minute that a moment lies in."""
    return moment.replace(second=0, microsecond=0)


def until_next_round(now: datetime) -> timedelta:
    """How long until the next round of bars, which begins each half hour, has ended: it takes some minutes."""
    next_round = now.replace(minute=0, second=0, microsecond=0) + timedelta(minutes=30 * (1 + now.minute // 30))
    return next_round + timedelta(minutes=4) - now
