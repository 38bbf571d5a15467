"""What a scorer of texts is: texts in, labels and numbers out.

What belongs here: the interface, its result, its errors. What does not: any way of scoring (lexicon.py, transformer.py) and
where texts come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from crypto_assets.errors import CryptoAssetsError

NEGATIVE, NEUTRAL, POSITIVE = "negative", "neutral", "positive"
LABELS = (NEGATIVE, NEUTRAL, POSITIVE)


class ScorerUnavailable(CryptoAssetsError):
    """A scorer that was asked for cannot work here; no other one takes its place.

    Args:
        scorer: Its name.
    """

    def __init__(self, problem: str, *, way_out: str = "", scorer: str = "") -> None:
        super().__init__(problem, way_out=way_out)
        self.scorer = scorer


@dataclass(frozen=True)
class Scores:
    """One entry a text, in the order of the texts.

    Args:
        label: negative, neutral or positive; dtype object.
        score: -1 (worst) to 1 (best).
        p_negative: 0 to 1; the three add up to 1.
    """

    label: NDArray[np.object_]
    score: NDArray[np.float64]
    p_negative: NDArray[np.float64]
    p_neutral: NDArray[np.float64]
    p_positive: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.score)


class Scorer(Protocol):
    """Scores texts; the same text and version give the same numbers for ever."""

    @property
    def model_id(self) -> str:
        """Its name in the universe, under which scores are kept."""

    @property
    def model_version(self) -> str:
        """What changes whenever any text could be scored differently."""

    def score(self, texts: Sequence[str]) -> Scores:
        """Score texts; each by itself, so that a batch gives what its texts give alone.

        Raises:
            ScorerUnavailable: it cannot work after all.
        """


__all__ = ["LABELS", "NEGATIVE", "NEUTRAL", "POSITIVE", "Scorer", "ScorerUnavailable", "Scores"]
