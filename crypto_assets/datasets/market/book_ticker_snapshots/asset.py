"""The asset market/book_ticker_snapshots: hours of quotes, counted anew.

What belongs here: what a run over hours does, and what the UI shows of it. What does not: the stream that brings the rows and
reports each minute of them (stream/, stream_automation.py), and counting itself (recount.py).

A run cannot fetch: nobody can be asked for quotes of the past. It says what is there, and names in the ledger what is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
import numpy as np

from crypto_assets.datasets.market.book_ticker_snapshots.recount import (
    Counted,
    count_markets,
    note_absent,
    shares_by_minute,
)
from crypto_assets.datasets.market.book_ticker_snapshots.table import DATASET, book_ticker_snapshots
from crypto_assets.datasets.market.hour_asset import HourRun, hour_asset
from crypto_assets.datasets.outcomes import SHOWN, Described
from crypto_assets.partitions import Grids
from crypto_assets.quality.coverage import LedgerChanges
from crypto_assets.schema.plots import data_uri, sparkline_svg
from crypto_assets.spans import Span

# The stream reports each minute: one that is left out is worth a look, two mean that it stands still.
FRESHNESS = dg.FreshnessPolicy.time_window(warn_window=timedelta(seconds=90), fail_window=timedelta(minutes=2))
IS_FINAL = "hour_is_closed"  # metadata of a materialization after which no row of the hour is awaited


@dataclass(frozen=True)
class Recounted:
    """What a run found in one of its windows."""

    window: Span
    markets: Sequence[Counted]
    changes: LedgerChanges


def build_asset(grids: Grids) -> dg.AssetsDefinition:
    """The asset over the grids of the universe in force; stream_automation.py says when it runs."""
    return hour_asset(
        DATASET,
        book_ticker_snapshots,
        grids,
        recount,
        freshness=FRESHNESS,
        description="Best bid and ask of every second; hour by hour. The stream brings them; a run counts an hour anew and "
        "names absent seconds in the ledger. Only of now, never of the past.",
    )


def recount(run: HourRun) -> Described:
    """Count each window of a run and bring the ledger in line with it."""
    now = run.clock()
    found = []
    for window in run.windows:
        span = (window.start, window.end)
        with run.warehouse.connect() as connection:
            counted = count_markets(connection, run.universe, span, now)
            changes = note_absent(connection, counted, now)
        run.log.info(
            "%s: %d markets, %d rows, %d seconds absent",
            f"{window.start:%Y-%m-%d %H:%M}", len(counted), sum(one.rows for one in counted),
            sum(one.missing for one in counted),
        )  # fmt: skip
        found.append(Recounted(span, counted, changes))
    return describe(found, now)


def describe(found: Sequence[Recounted], now: datetime) -> Described:
    """Counts, a row a market, and completeness by minute. Pure."""
    markets = [one for recounted in found for one in recounted.markets]
    rows, stale = (sum(getattr(one, name) for one in markets) for name in ("rows", "stale_rows"))
    expected, missing = (sum(getattr(one, name) for one in markets) for name in ("expected", "missing"))
    counts = {
        "dagster/row_count": rows,
        "rows_due": expected,
        "rows_absent": missing,
        "ledger_rows_written": sum(one.changes.written for one in found),
        "ledger_rows_removed": sum(one.changes.removed for one in found),
    }
    metadata: Described = {name: dg.MetadataValue.int(count) for name, count in counts.items()}
    metadata["completeness"] = dg.MetadataValue.float(round(1 - missing / expected, 6) if expected else 1.0)
    metadata["stale_share"] = dg.MetadataValue.float(round(stale / rows, 6) if rows else 0.0)
    records = [dg.TableRecord(_record(one)) for one in markets[:SHOWN]]
    metadata["markets"] = dg.MetadataValue.table(records or [dg.TableRecord({"market": "nothing is stored"})])
    metadata[IS_FINAL] = dg.MetadataValue.bool(all(now >= one.window[1] for one in found))
    plots = [plot for one in found if (plot := _plot(one))]
    if plots:
        metadata["completeness_by_minute"] = dg.MetadataValue.md("\n\n".join(plots))
    return metadata


def _plot(found: Recounted) -> str:
    """Markdown with a line of completeness by minute; empty where there is nothing to draw."""
    shares = shares_by_minute(found.markets, found.window) * 100
    known = shares[np.isfinite(shares)]
    start = found.window[0].astimezone(UTC)
    svg = sparkline_svg(known.tolist(), title=f"completeness by minute from {start:%Y-%m-%d %H:%M}")
    if not svg:
        return ""
    told = f"**{start:%Y-%m-%d %H:%M}**: {known.min():.2f} to {known.max():.2f} % of due seconds, by minute"
    return f"{told}\n\n![completeness]({data_uri(svg)})"


def _record(one: Counted) -> dict[str, str | int | float]:
    return {
        "market": f"{one.venue} {one.symbol}",
        "rows": one.rows,
        "expected": one.expected,
        "absent": one.missing,
        "completeness": round(1 - one.missing / one.expected, 6) if one.expected else 1.0,
        "stale_share": round(one.stale_rows / one.rows, 6) if one.rows else 0.0,
        "spread_pct_mean": round(one.spread_pct_mean or 0.0, 6),
        "spread_pct_max": round(one.spread_pct_max or 0.0, 6),
    }
