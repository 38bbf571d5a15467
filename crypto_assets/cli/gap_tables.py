"""How `crypto-assets gaps` shows the ledger: tables, JSON, files.

What belongs here: rendering. What does not: reading the ledger and flow (gaps.py).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich.markup import escape

from crypto_assets.cli.console import OUT, table
from crypto_assets.datasets.market.ohlcv.collect import Outcome
from crypto_assets.datasets.market.ohlcv.repair import RepairPlan
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.quality.scan import ScannedSeries
from crypto_assets.universe import TIMEFRAME_LENGTH

SHOWN_ROWS = 200
COLORS = {
    "missing": "red",
    "unrecoverable": "magenta",
    "venue_outage": "yellow",
    "venue_quiet": "cyan",
    "not_listed": "dim",
    "repaired": "green",
}


def print_outcomes(outcomes: Sequence[Outcome]) -> None:
    """A row a series that was asked for."""
    if not outcomes:
        OUT.print("Nothing is due. `gaps list --state missing` shows what waits; --now asks for it before its time.")
        return
    shown = table("Repair", "series", ">requests", ">bars came", ">new", ">changed", ">refused", "result")
    for one in outcomes:
        result = f"[red]{escape(one.warning[:80])}[/]" if one.failed else "[green]ok[/]"
        counts = (one.requests, one.received, one.inserted, one.changed, one.quarantined)
        shown.add_row(" ".join(one.series.key.values()[1:]), *(f"{count:,}" for count in counts), result)
    OUT.print(shown)


def print_scan(scanned: Sequence[ScannedSeries], named: int) -> None:
    """A row a series with absent bars, then the sums."""
    shown = table("Series with absent bars", "series", ">expected", ">stored", ">absent", ">rows changed")
    for one in scanned:
        if one.present < one.expected or one.changes.written:
            counts = (one.expected, one.present, one.expected - one.present, one.changes.written)
            shown.add_row(" ".join(one.key.values()[1:]), *(f"{count:,}" for count in counts))
    if shown.row_count:
        OUT.print(shown)
    expected, written = sum(one.expected for one in scanned), sum(one.changes.written for one in scanned)
    OUT.print(
        f"{len(scanned)} series, {expected:,} bars due, {expected - sum(one.present for one in scanned):,} absent;"
        f" {written} rows of the ledger written, {named} named anew."
    )


def print_gaps(frame: pd.DataFrame) -> None:
    """A row a gap, the first SHOWN_ROWS of them."""
    shown = table("Gaps", "series", "from", "to (UTC)", ">bars", "state", "why")
    for row in frame.head(SHOWN_ROWS).to_dict("records"):
        length = TIMEFRAME_LENGTH.get(row["timeframe"])  # events have none, so nobody knows how many are absent
        bars = f"{(row['gap_end'] - row['gap_start']) / length:,.0f}" if length else "–"
        span = (f"{row[name]:%Y-%m-%d %H:%M}" for name in ("gap_start", "gap_end"))
        state = f"[{COLORS[row['state']]}]{row['state']}[/]"
        shown.add_row(
            f"{row['venue']} {row['symbol']} {row['timeframe']}", *span, bars, state, escape(row["why"] or "")
        )
    OUT.print(shown if len(frame) else "No gaps: every bar that was collected is there.")
    if len(frame) > SHOWN_ROWS:
        OUT.print(f"The first {SHOWN_ROWS} of {len(frame):,}; --json and --export give all.")


def print_pages(plans: Sequence[RepairPlan]) -> None:
    """The requests a repair would make."""
    pages = [(plan, page) for plan in plans for page in plan.pages]
    if not pages and not any(plan.beyond_reach for plan in plans):
        print_outcomes([])
        return
    shown = table("Pages a repair would ask for", "series", "from", "to (UTC)", ">bars")
    for plan, (start, end) in pages[:SHOWN_ROWS]:
        bars = (end - start) / TIMEFRAME_LENGTH[plan.series.timeframe]
        name = " ".join(plan.series.key.values()[1:])
        shown.add_row(name, f"{start:%Y-%m-%d %H:%M}", f"{end:%Y-%m-%d %H:%M}", f"{bars:,.0f}")
    OUT.print(shown)
    gaps = sum(len(plan.gaps) for plan in plans)
    OUT.print(f"{len(pages):,} pages for {gaps:,} gaps of {len(plans)} series; nothing was asked.")
    for plan in plans:
        if plan.beyond_reach:
            OUT.print(f"{' '.join(plan.series.key.values()[1:])}: {len(plan.beyond_reach)} gaps are no longer served.")


def export_gaps(frame: pd.DataFrame, path: Path) -> None:
    """Write the rows to a Parquet or CSV file.

    Raises:
        CryptoAssetsError: the file cannot be written.
    """
    try:
        if path.suffix == ".parquet":
            frame.to_parquet(path, index=False)
        else:
            frame.to_csv(path, index=False)
    except OSError as error:
        raise CryptoAssetsError(
            f"Cannot write {path.name}: {error.strerror}", way_out="Choose another place."
        ) from None
    OUT.print(f"{len(frame):,} gaps written to {escape(str(path))}.")


def gaps_json(frame: pd.DataFrame) -> str:
    """The rows for machines: a list, times ISO 8601 UTC, evidence as an object."""
    records = json.loads(frame.to_json(orient="records", date_format="iso"))
    return json.dumps([{**one, "evidence": json.loads(one["evidence"])} for one in records], indent=2)
