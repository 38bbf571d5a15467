"""The asset market/book_ticker_hours: hours added up from the quotes of every second.

What belongs here: which hours of a run are added up, and what the UI shows of it. What does not: adding up (build.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import dagster as dg

from crypto_assets.datasets.market.book_ticker_hours.build import SummedHour, closed_hours, sum_up
from crypto_assets.datasets.market.book_ticker_hours.table import DATASET, book_ticker_hours
from crypto_assets.datasets.market.book_ticker_snapshots.table import DATASET as SNAPSHOTS
from crypto_assets.datasets.market.hour_asset import HourRun, hour_asset
from crypto_assets.datasets.outcomes import SHOWN, Described
from crypto_assets.partitions import Grids

# Added up right after each hour: two missed hours are worth a look, five mean that it stands still.
FRESHNESS = dg.FreshnessPolicy.time_window(warn_window=timedelta(hours=2.5), fail_window=timedelta(hours=5))


def build_asset(grids: Grids) -> dg.AssetsDefinition:
    """The asset over the grids of the universe in force; stream_automation.py says when it runs."""
    return hour_asset(
        DATASET,
        book_ticker_hours,
        grids,
        sum_up_hours,
        freshness=FRESHNESS,
        description="What an hour of quotes adds up to: spread, imbalance, changes, volatility, depth; hour by hour.",
        after=[SNAPSHOTS],
    )


def sum_up_hours(run: HourRun) -> Described:
    """Add up the hours of a run that have ended; the open one is left to the next run."""
    summed = []
    for window in run.windows:
        for hour in closed_hours((window.start, window.end), run.clock()):
            one = sum_up(run.warehouse, hour, run.universe.stream.snapshot_seconds)
            run.log.info(
                "%s: %d markets, %d snapshots, %d sums changed",
                f"{hour[0]:%Y-%m-%d %H:%M}", one.counts.received, one.snapshots, one.counts.changed,
            )  # fmt: skip
            summed.append(one)
    return describe(summed)


def describe(summed: Sequence[SummedHour]) -> Described:
    """Counts, and a row an hour. Pure."""
    counts = {
        "dagster/row_count": sum(one.counts.received for one in summed),
        "rows_written": sum(one.counts.inserted for one in summed),
        "rows_changed": sum(one.counts.changed for one in summed),
        "snapshots": sum(one.snapshots for one in summed),
    }
    metadata: Described = {name: dg.MetadataValue.int(count) for name, count in counts.items()}
    records = [dg.TableRecord(_record(one)) for one in summed[:SHOWN]]
    metadata["hours"] = dg.MetadataValue.table(records or [dg.TableRecord({"hour": "none has ended"})])
    return metadata


def _record(one: SummedHour) -> dict[str, str | int]:
    return {
        "hour": f"{one.hour[0]:%Y-%m-%d %H:%M}",
        "markets": one.counts.received,
        "snapshots": one.snapshots,
        "fresh_seconds": one.seconds,
        "stale_seconds": one.stale_seconds,
        "written": one.counts.inserted,
        "changed": one.counts.changed,
    }
