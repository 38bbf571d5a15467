"""Whether the data can be read and is of this version: what /healthz answers.

What belongs here: the verdict. What does not: whether the data is good (quality/) and fresh enough for somebody, who says so.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from crypto_assets.dashboard.figures.board import Figures
from crypto_assets.dashboard.kept import Kept
from crypto_assets.dashboard.read_only import ReadOnly
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.warehouse.migrate import migration_status

_SECONDS = 5.0  # a verdict is good for so long, however many probes ask


class Health(msgspec.Struct, frozen=True):
    """The verdict.

    Args:
        is_well: Whether the database answers and holds this version's schema.
        database: Its version; empty where it does not answer.
        pending_migrations: How many were not applied yet.
        newest_age_seconds: Age of the newest row of any dataset; null where there is none.
        problems: What is wrong, each in a sentence.
    """

    is_well: bool
    database: str
    pending_migrations: int
    newest_age_seconds: float | None
    problems: list[str]

    def with_bound(self, max_age_seconds: float) -> Health:
        """The same, unwell where the newest row is older, or there is none."""
        age = self.newest_age_seconds
        if age is not None and age <= max_age_seconds:
            return self
        told = "there is no data yet" if age is None else f"the newest row is {age:.0f} s old"
        problems = [*self.problems, f"expected data of the last {max_age_seconds:g} s, and {told}"]
        return msgspec.structs.replace(self, is_well=False, problems=problems)


def health_of(place: ReadOnly, figures: Figures, sql_folder: Path) -> Kept[Health]:
    """The verdict, made when somebody asks."""

    def make() -> Health:
        try:
            version = place.own.check()
            status = migration_status(place.own, sql_folder)
            ages = [one.age_seconds for one in figures.freshness.get() if one.age_seconds is not None]
        except CryptoAssetsError as error:
            return Health(False, "", 0, None, [error.problem])
        problems = []
        if status.pending:
            problems.append(f"{len(status.pending)} migrations are not applied; `crypto-assets migrate` applies them")
        if status.unknown:
            problems.append(f"the database is of a newer version: it holds {', '.join(status.unknown)}")
        return Health(not problems, version, len(status.pending), min(ages, default=None), problems)

    return Kept(make, _SECONDS)


__all__ = ["Health", "health_of"]
