"""The checks of market/instruments, one line each.

What belongs here: names, severities and the reasons of what blocks. What does not: how a rule is looked at
(quality/checks.py) and bounds (the universe).
"""

from __future__ import annotations

from dagster import AssetCheckSeverity
from sqlalchemy import ColumnElement, and_, exists, func, or_, select

from crypto_assets.datasets.market.instruments.table import DATASET, instruments
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.checks import Look, Rule, make_check
from crypto_assets.quality.findings import Dimension, Finding
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

_C = instruments.c
_OTHER = instruments.alias("other")
_OVERLAPS = exists(
    select(_OTHER.c.symbol).where(
        _OTHER.c.venue == _C.venue,
        _OTHER.c.symbol == _C.symbol,
        _OTHER.c.valid_from > _C.valid_from,
        or_(_C.valid_to.is_(None), _C.valid_to > _OTHER.c.valid_from),
    )
)
_IMPOSSIBLE = or_(
    and_(_C.tick_size.is_not(None), _C.tick_size <= 0),
    and_(_C.lot_size.is_not(None), _C.lot_size <= 0),
    _C.listed_at > _C.known_at,
)


def _rows_keep(broken: ColumnElement[bool]) -> Look:
    """Every row of the venue by itself, counted together: a venue has thousands of markets."""

    def look(warehouse: Warehouse, _universe: Universe, window: VenueWindow) -> list[Finding]:
        counts = select(
            func.count().label("checked"),
            func.count().filter(broken).label("failed"),
            func.min(_C.symbol).filter(broken).label("first"),
        ).where(_C.venue == window.venue)
        row = read_frame(warehouse, counts).to_dict("records")[0]
        example = str(row["first"]) if row["failed"] else ""
        return [Finding(window.venue, "all", "", int(row["checked"]), int(row["failed"]), example)]

    return look


def _universe_is_listed(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
    """Every market of the universe is, or once was, in the venue's list."""
    known = set(read_frame(warehouse, select(_C.symbol).where(_C.venue == window.venue).distinct())["symbol"])
    wanted = [market.symbol for market in universe.venue(window.venue).markets]
    return [Finding(window.venue, symbol, "", 1, int(symbol not in known), "not in the list") for symbol in wanted]


RULES = (
    Rule(
        "periods_do_not_overlap",
        "At each moment at most one row describes a symbol: two would make a join give two answers.",
        Dimension.ACCURACY,
        _rows_keep(_OVERLAPS),
        blocking=True,
    ),
    Rule(
        "steps_and_dates_possible",
        "Tick and lot sizes are positive, and no market was listed after we knew of it.",
        Dimension.ACCURACY,
        _rows_keep(_IMPOSSIBLE),
    ),
    Rule(
        "universe_markets_listed",
        "Every market of the universe is in the venue's list, or was: else its symbol is misspelt.",
        Dimension.COMPLETENESS,
        _universe_is_listed,
        severity=AssetCheckSeverity.WARN,
    ),
)

CHECKS = [make_check(DATASET, rule) for rule in RULES]
