"""The checks of features/labels, one line each.

What belongs here: names, severities and the reasons of what blocks. What does not: how a rule is looked at (quality/checks.py).
"""

from __future__ import annotations

from sqlalchemy import func, or_

from crypto_assets.datasets.features.labels.table import DATASET, labels
from crypto_assets.quality.checks import Rule, bar_seconds, key_is_unique, make_check, rows_keep
from crypto_assets.quality.findings import Dimension

_C = labels.c
_BAR = bar_seconds(labels) * func.make_interval(0, 0, 0, 0, 0, 0, 1)

# Blocking: a label that ends elsewhere than it says lets a model train on what it is tested on.
RULES = (
    Rule(
        "key_is_unique",
        "One label for each venue, symbol, timeframe, opening time and horizon.",
        Dimension.ACCURACY,
        key_is_unique(labels, "horizon_bars"),
        blocking=True,
    ),
    Rule(
        "labels_end_after_their_horizon",
        "A label ends, and becomes known, at the close of the last bar of its horizon.",
        Dimension.ACCURACY,
        rows_keep(
            labels,
            or_(_C.label_end_at != _C.opened_at + (1 + _C.horizon_bars) * _BAR, _C.known_at != _C.label_end_at),
        ),
        blocking=True,
    ),
    Rule(
        "labels_are_possible",
        "No return lies at or below -1, and no volatility below 0.",
        Dimension.ACCURACY,
        rows_keep(labels, or_(_C.forward_return <= -1, _C.forward_volatility < 0)),
        blocking=True,
    ),
)

CHECKS = [make_check(DATASET, rule) for rule in RULES]
