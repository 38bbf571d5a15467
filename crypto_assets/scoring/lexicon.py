"""Scoring by a lexicon: VADER's rules, with or without our words of crypto.

What belongs here: the two scorers, their labels and thresholds. What does not: rules (rules.py), words (words.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from crypto_assets.scoring.rules import weigh
from crypto_assets.scoring.scorer import NEGATIVE, NEUTRAL, POSITIVE, Scores
from crypto_assets.scoring.words import Lexicon, crypto_lexicon, emoji_words, vader_lexicon

# The authors of VADER label a text from 0.05 on. With our words most headlines carry some weight: on the half of the labelled
# headlines that the lexicon was written on (crypto_assets_tests/scoring), macro-F1 is 0.60 at 0.05, 0.64 at 0.2 and at 0.25,
# 0.63 at 0.3.
VADER_THRESHOLD = 0.05
THRESHOLD = 0.2
_RULES = "3.3.2"  # of vaderSentiment, whose rules and words these are


@dataclass(frozen=True)
class LexiconScorer:
    """Scores texts by the weights of their words. The probabilities are VADER's shares of words by sign, not calibrated.

    Args:
        model_id: Its name in the universe.
        model_version: What changes with rules, words and threshold.
        threshold: A text is positive from here on, negative from minus this on, and neutral between.
    """

    model_id: str
    model_version: str
    lexicon: Lexicon
    threshold: float = THRESHOLD

    def score(self, texts: Sequence[str]) -> Scores:
        """Score texts, tens of thousands a second."""
        lexicon, emojis = self.lexicon, self._emojis
        found = [weigh(text, lexicon, emojis) for text in texts]
        numbers = np.array(found, dtype=np.float64).reshape(-1, 4)
        score = numbers[:, 0]
        label = np.full(len(score), NEUTRAL, dtype=object)
        label[score >= self.threshold] = POSITIVE
        label[score <= -self.threshold] = NEGATIVE
        return Scores(label, score, numbers[:, 1], numbers[:, 2], numbers[:, 3])

    @cached_property
    def _emojis(self) -> dict[str, str]:
        return emoji_words()


def vader_scorer(model_id: str) -> LexiconScorer:
    """VADER as it is."""
    return LexiconScorer(model_id, f"vader-{_RULES}", vader_lexicon(), VADER_THRESHOLD)


def crypto_scorer(model_id: str) -> LexiconScorer:
    """VADER's rules with our words of crypto: the default."""
    lexicon, mark = crypto_lexicon()
    return LexiconScorer(model_id, f"vader-{_RULES}+{mark}-{THRESHOLD:g}", lexicon)


__all__ = ["THRESHOLD", "VADER_THRESHOLD", "LexiconScorer", "crypto_scorer", "vader_scorer"]
