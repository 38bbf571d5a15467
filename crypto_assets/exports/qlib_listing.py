"""When each instrument was traded, as Qlib's list of instruments has it.

What belongs here: from listing periods and stored bars to the list's periods. What does not: its format (qlib_files.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from crypto_assets.datasets.market.instruments.table import read_listings
from crypto_assets.exports.qlib_names import instrument_of
from crypto_assets.exports.qlib_series import SeriesName
from crypto_assets.quality.naming import Listing
from crypto_assets.spans import Span, union
from crypto_assets.warehouse.connection import Warehouse

_ALWAYS = Listing(None, None).span


def listed_periods(warehouse: Warehouse, bars: Mapping[SeriesName, Span]) -> dict[str, list[Span]]:
    """The periods of each instrument: as its venue lists it, else from its first bar to its last, both included.

    Args:
        bars: Opening times of each series' first and last bar.

    Raises:
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    periods: dict[str, list[Span]] = {}
    for venue in sorted({name.venue for name in bars}):
        listings = read_listings(warehouse, venue)
        for symbol in sorted({name.symbol for name in bars if name.venue == venue}):
            spans = [span for name, span in bars.items() if (name.venue, name.symbol) == (venue, symbol)]
            stored = min(first for first, _ in spans), max(last for _, last in spans)
            listed = union(one.span for one in listings.get(symbol, ()))
            periods[instrument_of(venue, symbol)] = within(listed, stored) or [stored]
    return periods


def within(listed: Sequence[Span], stored: Span) -> list[Span]:
    """Listing periods as Qlib has them. Pure.

    An open end is the first or the last bar's. Bars of a day open before a market that was listed at noon, so a period begins
    with its day; a delisting is the end of the last bar, which Qlib would include.
    """
    told = []
    for start, end in listed:
        first = stored[0] if start == _ALWAYS[0] else start.replace(hour=0, minute=0, second=0, microsecond=0)
        last = stored[1] if end == _ALWAYS[1] else end - timedelta(seconds=1)
        if first <= last:
            told.append((first, last))
    return told


__all__ = ["listed_periods", "within"]
