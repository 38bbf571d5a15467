"""The grid: twenty markets on two venues for ten minutes, then two thousand markets: no second missing, nothing late.

What belongs here: the clock's, the snapshots' and the inserts' times, and every row against what was sent. What does not:
faults (stream_faults.py) and kills (stream_kills.py).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from bench.event_stage import Figure
from bench.stream_stage import Stream, World, ledger, stored, world
from bench.stream_truth import judge

RATE, MANY_RATE = 5.0, 1.0
WARM_SECONDS = 20
QUOTE_MAY_TAKE = 0.25  # from the sandbox's clock to ours, on a busy machine


def measure(minutes: float, many_minutes: float) -> list[Figure]:
    """Both parts."""
    with world(("mexc", "gate"), 20, RATE) as few:
        figures = _grid(few, "20 markets x 2 venues", minutes, RATE, (5, 10, 10))
    with world(("binance", "gate"), 1000, MANY_RATE) as many:
        return figures + _grid(many, "1,000 markets x 2 venues", many_minutes, MANY_RATE, (50, 100, 50))


def _grid(here: World, name: str, minutes: float, rate: float, bounds: Sequence[float]) -> list[Figure]:
    stream = Stream(here)
    stream.start()
    time.sleep(WARM_SECONDS)
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    end = start + timedelta(minutes=minutes)
    time.sleep((end - datetime.now(UTC)).total_seconds() + 2)
    late, work, insert = (
        1000 * stream.metric(f"{what}_seconds", quantile="0.99")
        for what in ("snapshot_late", "snapshot_work", "insert")
    )
    memory = stream.resident_megabytes()
    code = stream.stop()
    markets = [(venue, symbol) for venue in here.venues for symbol in here.symbols]
    rows = stored(here.warehouse, start, end)
    truth = judge(rows, ledger(here.warehouse), markets, (start, end), rate, 1 / rate + QUOTE_MAY_TAKE)
    seconds = rows["at"].nunique()
    asked = int((end - start).total_seconds())
    told = f"{len(rows):,} rows, {memory:.0f} MB, oldest quote {truth.oldest * 1000:.0f} ms"
    return [
        Figure(f"{name}: seconds present of {asked}", seconds, at_least=asked, told=told),
        Figure("  rows missing", truth.due - len(rows), at_most=0),
        Figure("  rows that hold no quote sent within the last interval", len(truth.wrong), at_most=0),
        Figure("  rows marked stale", truth.stale, at_most=0),
        Figure("  behind its second, p99", late, "ms", at_most=bounds[0]),
        Figure("  work on a snapshot, p99", work, "ms", at_most=bounds[1]),
        Figure("  insert of a snapshot, p99", insert, "ms", at_most=bounds[2]),
        Figure("  exit code", code, at_most=0),
    ]
