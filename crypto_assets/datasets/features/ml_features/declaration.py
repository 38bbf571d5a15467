"""What a feature is: its declaration, and the set it belongs to.

What belongs here: the types. What does not: features (…_set.py), the list of sets (catalog.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from crypto_assets.datasets.features.ml_features.columns import Columns
from crypto_assets.datasets.features.ml_features.scaling import NONE, Scaling
from crypto_assets.indicators.declaration import Floats


@dataclass(frozen=True)
class Feature:
    """One column of features.ml_features.

    Args:
        name: Column name.
        meaning: What it says, in a clause.
        unit: As in schema/columns.py, after scaling.
        inputs: The columns it is made of, by name: of the bar, indicators, cross-market columns, joined inputs.
        horizon: Bars it looks back, before scaling.
        compute: From the columns to one value a bar; NaN where there is none. Looks back through `Columns` alone.
        scaling: How it is scaled.
        least: No value lies below; None where there is no bound.
        most: No value lies above.
        optional: Whether it rests on something that a market may well not have, so that its absence is no fault.
    """

    name: str
    meaning: str
    unit: str
    inputs: tuple[str, ...]
    horizon: int
    compute: Callable[[Columns], Floats]
    scaling: Scaling = NONE
    least: float | None = None
    most: float | None = None
    optional: bool = False

    @property
    def comment(self) -> str:
        """What the database says of the column, less its unit."""
        made_of = f" from {', '.join(self.inputs)}" if self.inputs else ""
        return f"{self.meaning}{made_of}; looks back {self.horizon} bars; {self.scaling.told}"


@dataclass(frozen=True)
class FeatureSet:
    """Features of one kind, and what they need to know beside the market's own bars.

    Args:
        name: market, cross_market, calendar, macro, …
        meaning: What the set says, in a clause.
        features: In the table's order.
        inputs: Names of the as-of inputs (inputs.py) that its features use.
    """

    name: str
    meaning: str
    features: tuple[Feature, ...]
    inputs: tuple[str, ...] = ()
