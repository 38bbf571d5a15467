"""Everything at a glance: each dataset's age, size, scores and holes, and how collecting, runs and checks go.

What belongs here: putting figures side by side. What does not: reading them (figures/).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from crypto_assets.dashboard.figures.board import Figures
from crypto_assets.dashboard.figures.collection import Collection, Polls, Provider
from crypto_assets.dashboard.figures.forecasts import Champion, Forecasts, Live
from crypto_assets.dashboard.figures.freshness import Freshness, dataset_tables, is_own
from crypto_assets.dashboard.figures.quality import Holes, Scores
from crypto_assets.dashboard.figures.runs import CheckState, Daemon, Dagster, Runs
from crypto_assets.dashboard.figures.safekeeping import Safekeeping
from crypto_assets.dashboard.figures.storage import Storage
from crypto_assets.errors import CryptoAssetsError

_OPEN_STATES = ("missing", "unrecoverable", "venue_outage", "venue_quiet", "not_listed")
_NO_RUNS = Dagster([], [])


class Asset(msgspec.Struct, frozen=True):
    """A dataset; null is not known, or not there.

    Args:
        age_seconds: Time since its newest row could first be known.
        rows: About how many.
        score: Mean of the newest overall scores of its series, 0..1; `worst` the lowest.
        holes: Rows of the ledger by state, without those that were repaired.
    """

    asset: str
    meaning: str
    age_seconds: float | None
    rows: float | None
    size_bytes: float | None
    score: float | None
    worst: float | None
    series: int
    holes: dict[str, int]


class Overview(msgspec.Struct, frozen=True):
    """All of it.

    Args:
        problems: Why a part is not there, by its name.
    """

    assets: list[Asset]
    providers: list[Provider]
    polls: list[Polls]
    runs: list[Runs]
    daemons: list[Daemon]
    failed_checks: list[CheckState]
    checks: int
    champions: list[Champion]
    live: list[Live]
    database_bytes: float | None
    server_version: str
    safekeeping: Safekeeping
    problems: dict[str, str]


class _Parts:
    """Reads parts, and keeps why one could not be read."""

    def __init__(self) -> None:
        self.problems: dict[str, str] = {}

    def read[T](self, part: str, read: Callable[[], T], otherwise: T) -> T:
        """What was read, or otherwise."""
        try:
            return read()
        except CryptoAssetsError as error:
            self.problems[part] = error.problem
            return otherwise


def read_overview(figures: Figures) -> Overview:
    """The figures side by side; a part that could not be read is empty, and its problem is told."""
    parts = _Parts()
    collected = parts.read("collection", figures.collection.get, Collection([], [], [], []))
    stored = parts.read("storage", figures.storage.get, None)
    runs = parts.read("runs", figures.runs.get, _NO_RUNS) if figures.runs else _NO_RUNS
    checks: Sequence[CheckState] = parts.read("checks", figures.checks.get, []) if figures.checks else []
    forecasts = parts.read("forecasts", figures.forecasts.get, Forecasts([], []))
    return Overview(
        assets=_assets(figures, parts, stored),
        providers=collected.providers,
        polls=collected.polls,
        runs=runs.runs,
        daemons=runs.daemons,
        failed_checks=[one for one in checks if not one.passed],
        checks=len(checks),
        champions=forecasts.champions,
        live=forecasts.live,
        database_bytes=stored.size_bytes if stored else None,
        server_version=stored.server_version if stored else "",
        safekeeping=parts.read("safekeeping", figures.safekeeping.get, Safekeeping([], [], [], None, {})),
        problems=parts.problems,
    )


def _assets(figures: Figures, parts: _Parts, stored: Storage | None) -> list[Asset]:
    ages = {one.asset: one.age_seconds for one in parts.read("freshness", figures.freshness.get, list[Freshness]())}
    scores = {one.dataset: one for one in parts.read("scores", figures.scores.get, list[Scores]())}
    holes: dict[str, dict[str, int]] = {}
    for hole in parts.read("ledger", figures.holes.get, list[Holes]()):
        if hole.state in _OPEN_STATES:
            holes.setdefault(hole.dataset, {})[hole.state] = hole.holes
    sizes = {one.table: one for one in stored.tables} if stored else {}
    rows = []
    for asset, table in dataset_tables():
        if is_own(asset, table):
            size, score = sizes.get(table.fullname), scores.get(asset)
            rows.append(
                Asset(
                    asset, str(table.comment or ""), ages.get(asset), size.rows if size else None,
                    size.size_bytes if size else None, score.overall if score else None, score.worst if score else None,
                    score.series if score else 0, holes.get(asset, {}),
                )
            )  # fmt: skip
    return rows


__all__ = ["Asset", "Overview", "read_overview"]
