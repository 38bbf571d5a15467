"""The gap ledger as a picture: time × series, coloured by state.

What belongs here: turning ledger and progress into cells. What does not: drawing (schema/plots.py) and the ledger itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import func, select

from crypto_assets.quality.coverage import SeriesKey, read_gaps
from crypto_assets.quality.gaps import State
from crypto_assets.schema.bookkeeping import collected_ranges
from crypto_assets.schema.plots import heat_map_svg
from crypto_assets.spans import Span, intersection
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.detached import Away, away
from crypto_assets.warehouse.read import read_frame

CELLS = 240
MOST_ROWS = 60
# What wins where several states share a cell: the worst comes last.
COLORS = {
    "not_collected": "#f4f4f8",
    "present": "#2f9e68",
    "archived": "#a9cdb9",
    "dropped": "#d9d2c3",
    State.NOT_LISTED.value: "#c9c9d6",
    State.VENUE_QUIET.value: "#8fc1e8",
    State.VENUE_OUTAGE.value: "#f0a33c",
    State.UNRECOVERABLE.value: "#7a1420",
    State.MISSING.value: "#dc2f3e",
}


def coverage_map(
    warehouse: Warehouse, dataset: str, window: Span, *, venue: str | None = None, series: Sequence[SeriesKey] = ()
) -> str:
    """The heat map of a window as SVG; an empty text where nothing was collected.

    Args:
        window: First moment and end of the picture, UTC.
        venue: Only this one's series.
        series: Only these.
    """
    ranges = collected_ranges.c
    span = func.unnest(ranges.collected * func.tstzmultirange(func.tstzrange(*window)))
    asked = read_frame(
        warehouse,
        select(
            ranges.venue, ranges.symbol, ranges.timeframe, func.lower(span).label("at"), func.upper(span).label("until")
        ).where(ranges.dataset == dataset, *((ranges.venue == venue,) if venue else ())),
    )
    gaps = read_gaps(warehouse, dataset=dataset, venue=venue, window=window)
    gaps = gaps[gaps["state"] != State.REPAIRED.value]
    with warehouse.connect() as connection:
        gone = away(connection, [dataset.replace("/", ".")], window)
    wanted = {(key.venue, key.symbol, key.timeframe) for key in series}
    absent = {tuple(key): found for key, found in gaps.groupby(["venue", "symbol", "timeframe"], sort=False)}
    rows = []
    for key, spans in asked.groupby(["venue", "symbol", "timeframe"], sort=True):
        if wanted and key not in wanted:
            continue
        rows.append((" ".join(str(part) for part in key), _cells(window, spans, absent.get(key, gaps[:0]), gone)))
    # Where there are more than can be looked at, those with something to see go first.
    rows.sort(key=lambda row: -len(set(row[1]) - {"present", "not_collected"}))
    chosen = sorted(rows[:MOST_ROWS])
    ends = tuple(f"{moment:%Y-%m-%d %H:%M}" for moment in window)
    return heat_map_svg(chosen, COLORS, title=f"Coverage of {dataset}", ends=(ends[0], ends[1]))


def shown_window(warehouse: Warehouse, dataset: str) -> Span | None:
    """From the first to the last opening time collected of the dataset; None where there is none."""
    ranges = collected_ranges.c
    ends = select(
        func.min(func.lower(ranges.collected)).label("first"), func.max(func.upper(ranges.collected)).label("last")
    )
    row = read_frame(warehouse, ends.where(ranges.dataset == dataset)).to_dict("records")[0]
    if pd.isna(row["first"]):
        return None
    return row["first"].to_pydatetime().astimezone(UTC), row["last"].to_pydatetime().astimezone(UTC)


def _cells(window: Span, collected: pd.DataFrame, gaps: pd.DataFrame, gone: Sequence[Away]) -> list[str]:
    kinds = list(COLORS)
    cells = np.zeros(CELLS, dtype=np.int64)
    for row in collected.to_dict("records"):
        _paint(cells, window, row["at"], row["until"], kinds.index("present"))
        for one in gone:
            for span in intersection([(row["at"].to_pydatetime(), row["until"].to_pydatetime())], [one.span]):
                _paint(cells, window, *span, kinds.index(one.state))
    for row in gaps.to_dict("records"):
        _paint(cells, window, row["gap_start"], row["gap_end"], kinds.index(row["state"]))
    return [kinds[cell] for cell in cells]


def _paint(cells: NDArray[np.int64], window: Span, start: datetime, end: datetime, kind: int) -> None:
    step = (window[1] - window[0]) / CELLS
    first, last = int((start - window[0]) / step), int(np.ceil((end - window[0]) / step))
    part = slice(max(0, first), max(0, last))
    cells[part] = np.maximum(cells[part], kind)
