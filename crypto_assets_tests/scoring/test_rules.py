"""Our rules are VADER's: the same numbers for any text, and phrases besides."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vaderSentiment.vaderSentiment import BOOSTER_DICT, NEGATE, SPECIAL_CASES, SentimentIntensityAnalyzer

from crypto_assets.scoring.lexicon import LexiconScorer, vader_scorer
from crypto_assets.scoring.words import Lexicon, vader_lexicon
from crypto_assets_tests.scoring.recorded import headlines, labelled

VADER = SentimentIntensityAnalyzer()
OURS = vader_scorer("vader")
_TURNS = (
    "but",
    "so",
    "this",
    "least",
    "at",
    "very",
    "no",
    "or",
    "nor",
    "doubt",
    "kind",
    "of",
    "never",
    "without",
    "But",
)
_WORDS = (
    "good",
    "GOOD",
    "bad",
    "great",
    "hacked",
    "happy!",
    "sad?",
    "win",
    "lost",
    "Bitcoin",
    "SEC",
    "the",
    "100",
    ":)",
    "ok",
)
_PARTS = (*_TURNS, *_WORDS, *NEGATE[:20:3], "don't", *[*BOOSTER_DICT][::9], *SPECIAL_CASES, "kind of", "just enough",
          "\N{ROCKET}x", "\N{GRINNING FACE}", "VERY", "HARDLY")  # fmt: skip


def _told(texts: Sequence[str], scorer: LexiconScorer = OURS) -> list[tuple[float, float, float, float]]:
    found = scorer.score(texts)
    columns = (found.score, found.p_negative, found.p_neutral, found.p_positive)
    return [
        (round(float(a), 4), round(float(b), 3), round(float(c), 3), round(float(d), 3))
        for a, b, c, d in zip(*columns, strict=True)
    ]


def _reference(text: str) -> tuple[float, float, float, float]:
    said = VADER.polarity_scores(text)
    return said["compound"], said["neg"], said["neu"], said["pos"]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(_PARTS), min_size=1, max_size=12), st.sampled_from(["", "!", "!!!!!", "??", "?????"]))
def test_any_words_score_as_with_vader(parts: list[str], mark: str) -> None:
    text = " ".join(parts) + mark
    assert _told([text]) == [_reference(text)]


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60))
def test_any_text_scores_as_with_vader(text: str) -> None:
    # vaderSentiment says of a text without words that nothing of it is neutral either.
    assert _told([text]) == [_reference(text) if text.split() else (0.0, 0.0, 1.0, 0.0)]


def test_recorded_headlines_score_as_with_vader(recordings: Path) -> None:
    texts = headlines(recordings)
    assert len(texts) == 5397
    assert [text for text, told in zip(texts, _told(texts), strict=True) if told != _reference(text)] == []


def test_the_scores_that_its_makers_recorded_come_out(recordings: Path) -> None:
    rows = labelled(recordings)
    found = OURS.score([row.title for row in rows]).score
    assert [row.title for row, score in zip(rows, found, strict=True) if round(float(score), 4) != row.vader] == []


def _with_phrases(**weights: float) -> LexiconScorer:
    phrases = {tuple(term.split("_")): weight for term, weight in weights.items()}
    return LexiconScorer("test", "1", Lexicon(vader_lexicon().words, phrases))


def test_a_phrase_weighs_as_one_word() -> None:
    scorer = _with_phrases(rug_pull=-2.0, bull_run=2.0, bull_run_ends=-1.0)
    alone = -2 / (4 + 15) ** 0.5  # sum / sqrt(sum² + 15)
    assert scorer.score(["Rug pull."]).score[0] == pytest.approx(alone)
    assert scorer.score(["a rug is no pull"]).score[0] == OURS.score(["a rug is no pull"]).score[0]
    assert scorer.score(["Bull run ends"]).score[0] == pytest.approx(-1 / 16**0.5)  # the longest counts
    assert scorer.score(["not a bull run"]).score[0] < 0  # negated as a word is
    assert scorer.score(["very bull run"]).score[0] == pytest.approx(2.293 / (2.293**2 + 15) ** 0.5)
    shares = scorer.score(["rug pull today"])
    assert (shares.p_negative[0], shares.p_neutral[0]) == (pytest.approx(3 / 5), pytest.approx(2 / 5))


def test_words_inside_a_phrase_act_on_nothing() -> None:
    scorer = _with_phrases(no_longer=-1.0)
    good = vader_lexicon().words["good"]
    assert scorer.score(["very no longer"]).score[0] == pytest.approx(-1.293 / (1.293**2 + 15) ** 0.5)
    assert scorer.score(["no longer good"]).score[0] == pytest.approx((good - 1) / ((good - 1) ** 2 + 15) ** 0.5)


def test_a_text_without_words_is_neutral() -> None:
    assert _told(["", "   ", "the"]) == [(0.0, 0.0, 1.0, 0.0)] * 3
    assert len(OURS.score([])) == 0
