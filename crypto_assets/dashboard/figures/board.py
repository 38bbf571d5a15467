"""All figures, each kept for some seconds, so that a scrape and ten open pages cost what one of them does.

What belongs here: which figures there are, where each is asked, and for how long an answer is good. What does not: questions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a class under a function's name

from crypto_assets.dashboard.figures.collection import Collection, read_collection
from crypto_assets.dashboard.figures.forecasts import Forecasts, read_forecasts
from crypto_assets.dashboard.figures.freshness import Freshness, read_freshness
from crypto_assets.dashboard.figures.quality import Holes, Scores, read_holes, read_scores
from crypto_assets.dashboard.figures.quotes import NewestQuote, SilentVenue, read_quotes, read_silent
from crypto_assets.dashboard.figures.runs import CheckState, Dagster, read_checks, read_runs
from crypto_assets.dashboard.figures.safekeeping import Safekeeping, read_safekeeping
from crypto_assets.dashboard.figures.storage import Storage, read_storage
from crypto_assets.dashboard.kept import Kept
from crypto_assets.dashboard.read_only import ReadOnly, asking

# Seconds that an answer is good for: what moves every second is asked every second, what costs more is asked less often.
_LIVE, _SOON, _LATER = 0.9, 10.0, 60.0


class Figures:
    """Making one asks nothing. Safe for threads.

    Args:
        warehouse: The profile's data.
        dagster: Dagster's storage; None where it is not known: then there are no runs and no checks.
    """

    def __init__(self, warehouse: ReadOnly, dagster: ReadOnly | None) -> None:
        self.collection: Kept[Collection] = _kept(warehouse, read_collection, _SOON)
        self.freshness: Kept[list[Freshness]] = _kept(warehouse, read_freshness, _SOON)
        self.scores: Kept[list[Scores]] = _kept(warehouse, read_scores, _LATER)
        self.holes: Kept[list[Holes]] = _kept(warehouse, read_holes, _SOON)
        self.storage: Kept[Storage] = _kept(warehouse, read_storage, _LATER)
        self.quotes: Kept[Sequence[NewestQuote]] = _kept(warehouse, read_quotes, _LIVE)
        self.silent: Kept[list[SilentVenue]] = _kept(warehouse, read_silent, _SOON)
        self.forecasts: Kept[Forecasts] = _kept(warehouse, read_forecasts, _LATER)
        self.safekeeping: Kept[Safekeeping] = _kept(warehouse, read_safekeeping, _SOON)
        self.runs: Kept[Dagster] | None = _kept(dagster, read_runs, _SOON) if dagster else None
        self.checks: Kept[list[CheckState]] | None = _kept(dagster, read_checks, _LATER) if dagster else None


def _kept[T](place: ReadOnly, read: Callable[[Cursor], T], seconds: float) -> Kept[T]:
    def make() -> T:
        with asking(place.warehouse) as cursor:
            return read(cursor)

    return Kept(make, seconds)


__all__ = ["Figures"]
