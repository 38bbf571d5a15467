"""The default scorer: its lexicon, and how well it agrees with people on headlines that it was not written on."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_assets.scoring.choose import open_scorer
from crypto_assets.scoring.lexicon import THRESHOLD, LexiconScorer, crypto_scorer, vader_scorer
from crypto_assets.scoring.scorer import ScorerUnavailable
from crypto_assets.scoring.words import Lexicon, LexiconUnreadable, crypto_lexicon, parse_terms
from crypto_assets.universe_sources import ScorerRule
from crypto_assets_tests.scoring.agreement import accuracy, macro_f1, ordinal_alpha
from crypto_assets_tests.scoring.recorded import SIGNS, Labelled, is_unseen, labelled

HEADER = "term,weight,reason\n"
OURS = crypto_scorer("crypto-lexicon")


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("moon,1.5\n", "has no reason"),
        ("moon,1.5, \n", "has no reason"),
        ("Moon,1.5,up\n", "'Moon' is no term"),
        ("to  moon,1.5,up\n", "is no term"),
        (",1.5,up\n", "'' is no term"),
        ("a b c d e f,1,up\n", "is no term"),
        ("moon,high,up\n", "'moon' weighs 'high'"),
        ("moon,nan,up\n", "'moon' weighs 'nan'"),
        ("moon,4.1,up\n", "'moon' weighs '4.1'"),
        ("moon,1,up\nmoon,2,up\n", "Line 3: 'moon' stands twice"),
    ],
)
def test_a_lexicon_that_is_wrong_names_its_line(lines: str, problem: str) -> None:
    with pytest.raises(LexiconUnreadable, match=problem):
        parse_terms(HEADER + lines)


def test_columns_of_a_lexicon_are_fixed() -> None:
    with pytest.raises(LexiconUnreadable, match="has the columns"):
        parse_terms("term,weight\nmoon,1\n")
    assert parse_terms(HEADER + "rug pull,-2.8,theft\n") == {("rug", "pull"): -2.8}


def test_the_version_changes_with_weights_and_not_with_reasons() -> None:
    versions = [crypto_lexicon(HEADER + line)[1] for line in ("moon,1,up", "moon,1,far up", "moon,1.1,up", "mars,1,up")]
    assert versions[0] == versions[1]
    assert len(set(versions)) == 3
    assert OURS.model_version == crypto_scorer("other").model_version != vader_scorer("x").model_version


@pytest.mark.parametrize(
    ("headline", "label"),
    [
        ("Bitcoin hits new all-time high", "positive"),
        ("Exchange hacked, $40 million stolen", "negative"),
        ("SEC sues exchange over unregistered securities", "negative"),
        ("Project turns out to be a rug pull", "negative"),
        ("Startup raises $10 million in seed funding", "positive"),
        ("NFT drop by an artist on Tuesday", "positive"),
        ("What is a smart contract?", "neutral"),
    ],
)
def test_plain_cases(headline: str, label: str) -> None:
    assert OURS.score([headline]).label.tolist() == [label]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.one_of(st.text(max_size=40), st.sampled_from(["hack!", "rug pull", "ETF approval", "not bullish"])),
        max_size=5,
    )
)
def test_scores_are_in_range_and_each_text_by_itself(texts: list[str]) -> None:
    found = OURS.score(texts)
    assert (np.abs(found.score) <= 1).all()
    assert np.allclose(found.p_negative + found.p_neutral + found.p_positive, 1)
    expected = np.where(found.score >= THRESHOLD, 1, np.where(found.score <= -THRESHOLD, -1, 0))
    assert [SIGNS[label] for label in found.label] == expected.tolist()
    assert found.score.tolist() == [float(OURS.score([text]).score[0]) for text in texts]


def test_rules_of_the_universe_become_scorers() -> None:
    ours = open_scorer(ScorerRule(name="mine"))
    assert (ours.model_id, ours.model_version) == ("mine", OURS.model_version)
    assert open_scorer(ScorerRule(name="v", kind="vader")).model_version == "vader-3.3.2"
    with pytest.raises(ScorerUnavailable, match="no folder of models is named") as caught:
        open_scorer(ScorerRule(name="bert", kind="transformer", folder="cryptobert"))
    assert caught.value.scorer == "bert"


def test_what_is_remembered_of_words_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crypto_assets.scoring.words._MOST_KNOWN", 3)
    scorer = LexiconScorer("x", "1", Lexicon({"good": 1.9}))
    assert [scorer.score([f"good {number}"]).score[0] > 0 for number in range(10)] == [True] * 10


def test_agreement_is_computed_as_by_hand() -> None:
    # Values 1 1 1 2 2 2 3 3; distances 9 (1-2), 30.25 (1-3), 6.25 (2-3): 1 - (18/8) / (600/56) = 0.79.
    assert ordinal_alpha([(1, 1), (1, 2), (2, 2), (3, 3)]) == pytest.approx(0.79)
    # Krippendorff's own example of four observers and twelve units, where some did not answer: 0.815.
    units = [(1, 1, 1), (2, 2, 3, 2), (3, 3, 3, 3), (3, 3, 3, 3), (2, 2, 2, 2), (1, 2, 3, 4), (4, 4, 4, 4), (1, 1, 2, 1),
             (2, 2, 2, 2), (5, 5, 5), (1, 1), (3,)]  # fmt: skip
    assert ordinal_alpha(units) == pytest.approx(0.815, abs=5e-4)
    truth, told = [1, 1, 0, -1], [1, 0, 0, 0]
    assert accuracy(truth, told) == 0.5
    assert macro_f1(truth, told) == pytest.approx((2 / 3 + 2 / 4 + 0) / 3)


def _measured(name: str, rows: list[Labelled], told: list[int]) -> tuple[float, float, float]:
    truth = [row.label for row in rows]
    found = (macro_f1(truth, told), accuracy(truth, told), ordinal_alpha([*zip(truth, told, strict=True)]))
    print(f"{name:16} macro-F1 {found[0]:.3f}  accuracy {found[1]:.3f}  Krippendorff's alpha, ordinal {found[2]:.3f}")
    return found


def _labels(scorer: LexiconScorer, rows: list[Labelled]) -> list[int]:
    return [SIGNS[label] for label in scorer.score([row.title for row in rows]).label]


def test_people_are_agreed_with_better_than_by_vader_on_headlines_not_seen(recordings: Path) -> None:
    rows = [row for row in labelled(recordings) if is_unseen(row.title)]
    assert Counter(row.label for row in rows) == {1: 430, 0: 260, -1: 114}
    print(
        f"\n{len(rows)} headlines; the three raters among themselves: {ordinal_alpha([row.ratings for row in rows]):.3f}"
    )
    ours = _measured("crypto-lexicon", rows, _labels(OURS, rows))
    vader = _measured("vader", rows, _labels(vader_scorer("vader"), rows))
    majority = _measured("always positive", rows, [1] * len(rows))
    assert ours[0] >= vader[0] + 0.05
    assert ours[0] >= 0.58
    assert ours[1] > vader[1]
    assert ours[1] > majority[1]
    assert ours[2] > vader[2] > majority[2]
