"""All indicators: the list, by name, and the choice of those that are wanted.

What belongs here: putting the groups together. What does not: declarations and formulas.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.indicators import momentum, trend, volatility, volume
from crypto_assets.indicators.declaration import Group, Indicator

GROUPS: tuple[Group, ...] = (*trend.GROUPS, *momentum.GROUPS, *volatility.GROUPS, *volume.GROUPS)
INDICATORS: Mapping[str, Indicator] = {one.name: one for group in GROUPS for one in group.indicators}


class IndicatorUnknown(CryptoAssetsError):
    """A name that no indicator has."""


def groups_of(names: Collection[str]) -> tuple[Group, ...]:
    """The groups that hold the named indicators; all of them for no name.

    Raises:
        IndicatorUnknown: naming what comes near.
    """
    for name in names:
        if name not in INDICATORS:
            near = difflib.get_close_matches(name, INDICATORS, n=3)
            raise IndicatorUnknown(
                f"Unknown indicator '{name[:60]}'",
                way_out=f"Did you mean {' or '.join(near)}?" if near else f"Choose from {', '.join(INDICATORS)}.",
            )
    return tuple(group for group in GROUPS if not names or any(one.name in names for one in group.indicators))
