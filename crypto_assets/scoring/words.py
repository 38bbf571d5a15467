"""What single words weigh: VADER's lexicon, and a lexicon of ours over it.

What belongs here: reading both files, and what is known of a word by itself. What does not: how the words of a text act on
each other (rules.py).
"""

from __future__ import annotations

import csv
import io
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources

from vaderSentiment.vaderSentiment import BOOSTER_DICT, NEGATE  # type: ignore[import-untyped]

from crypto_assets.errors import CryptoAssetsError

CRYPTO_LEXICON = "crypto_lexicon.csv"
STRONGEST = 4.0  # VADER's raters used -4..4
MOST_WORDS = 5  # of a phrase
_MOST_KNOWN = 200_000  # words remembered: some 40 MB; news of a year has fewer
WEIGHS, OPENS, SPECIAL = 1, 2, 4
_COLUMNS = ["term", "weight", "reason"]


class LexiconUnreadable(CryptoAssetsError):
    """A lexicon's file is not what it should be."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text, and what is known of it by itself.

    Args:
        lower: Without punctuation at its ends, in lower case.
        is_upper: Whether it was written in capitals.
        weight: -4..4; None where no lexicon has it.
        boost: What it adds to the strength of a word behind it, as very or hardly; 0 for others.
        negates: Whether it turns a word behind it, as not.
        opens: Phrases of our lexicon that begin with it, longest first.
        marks: WEIGHS, OPENS and SPECIAL added up, so that one look at a text tells which rules have anything to do.
    """

    lower: str
    is_upper: bool
    weight: float | None
    boost: float = 0.0
    is_booster: bool = False
    negates: bool = False
    opens: tuple[tuple[str, ...], ...] = ()
    marks: int = 0


class _Known(dict[str, Word]):
    """Words by how they were written; those that are not there yet are looked up."""

    def __init__(self, look_up: Callable[[str], Word]) -> None:
        super().__init__()
        self._look_up = look_up

    def __missing__(self, written: str) -> Word:
        if len(self) >= _MOST_KNOWN:
            self.clear()
        found = self[written] = self._look_up(written)
        return found


class Lexicon:
    """The weights of words and phrases.

    Args:
        words: Of single words in lower case.
        phrases: Of several words.
    """

    def __init__(self, words: Mapping[str, float], phrases: Mapping[tuple[str, ...], float] | None = None) -> None:
        self.words = words
        self.phrases: Mapping[tuple[str, ...], float] = phrases or {}
        self._opening: dict[str, tuple[tuple[str, ...], ...]] = {}
        for phrase in sorted(self.phrases, key=len, reverse=True):
            self._opening[phrase[0]] = (*self._opening.get(phrase[0], ()), phrase)
        self._known = _Known(self._look_up)

    def words_of(self, text: str) -> list[Word]:
        """What is known of each word of a text."""
        return list(map(self._known.__getitem__, text.split()))

    def _look_up(self, written: str) -> Word:
        bare = written.strip(string.punctuation)
        word = written if len(bare) <= 2 else bare  # so short a rest was an emoticon
        lower = word.lower()
        weight, opens = self.words.get(lower), self._opening.get(lower, ())
        return Word(
            lower,
            word.isupper(),
            weight,
            BOOSTER_DICT.get(lower, 0.0),
            lower in BOOSTER_DICT,
            lower in _NEGATIONS or "n't" in lower,
            opens,
            WEIGHS * bool(weight) + OPENS * bool(opens) + SPECIAL * (lower in _OF_EXPRESSIONS),
        )


_NEGATIONS = frozenset(NEGATE)
# One word of each expression that VADER weighs as a whole, the rarest: where none of them stands, none of those does.
_OF_EXPRESSIONS = frozenset({"shit", "bomb", "ass", "bus", "yeah", "kiss", "die", "beating", "enough", "kind", "sort"})


def vader_lexicon() -> Lexicon:
    """VADER's own words.

    Raises:
        LexiconUnreadable: the installed package does not hold what version 3.3.2 does.
    """
    return Lexicon(_vader_words())


def crypto_lexicon(text: str | None = None) -> tuple[Lexicon, str]:
    """VADER's words with ours over them, and a mark that changes with our file.

    Args:
        text: Of a lexicon file; None for the one of this package.

    Raises:
        LexiconUnreadable: naming the line and what was expected.
    """
    if text is None:
        text = resources.files(__package__).joinpath(CRYPTO_LEXICON).read_text(encoding="utf-8")
    terms = parse_terms(text)
    words = {words[0]: weight for words, weight in terms.items() if len(words) == 1}
    phrases = {words: weight for words, weight in terms.items() if len(words) > 1}
    # Reasons may be reworded without making another scorer of it.
    mark = sha256(repr(sorted(terms.items())).encode()).hexdigest()[:12]
    return Lexicon({**_vader_words(), **words}, phrases), mark


def parse_terms(text: str) -> dict[tuple[str, ...], float]:
    """The terms of a lexicon file, as words, and their weights. Pure.

    Raises:
        LexiconUnreadable: naming the line and what was expected.
    """
    rows = csv.DictReader(io.StringIO(text))
    if rows.fieldnames != _COLUMNS:
        raise LexiconUnreadable(f"The lexicon has the columns {rows.fieldnames}", way_out=f"It needs {_COLUMNS}.")
    terms: dict[tuple[str, ...], float] = {}
    for row in rows:
        words, weight = _term(row, rows.line_num)
        if words in terms:
            raise LexiconUnreadable(f"Line {rows.line_num}: '{row['term']}' stands twice", way_out="Keep one.")
        terms[words] = weight
    return terms


def _term(row: Mapping[str, str | None], line: int) -> tuple[tuple[str, ...], float]:
    term, reason = row["term"] or "", row["reason"] or ""
    words = tuple(term.split())
    if not words or len(words) > MOST_WORDS or term != " ".join(words).lower():
        raise LexiconUnreadable(
            f"Line {line}: '{term[:60]}' is no term",
            way_out=f"One to {MOST_WORDS} words in lower case, one space between.",
        )
    if not reason.strip():
        raise LexiconUnreadable(f"Line {line}: '{term}' has no reason", way_out="Say why it weighs what it weighs.")
    try:
        weight = float(row["weight"] or "")
    except ValueError:
        weight = float("nan")
    if not -STRONGEST <= weight <= STRONGEST:
        raise LexiconUnreadable(
            f"Line {line}: '{term}' weighs {row['weight']!r}", way_out=f"A number from -{STRONGEST:g} to {STRONGEST:g}."
        )
    return words, weight


def _vader_words() -> dict[str, float]:
    text = resources.files("vaderSentiment").joinpath("vader_lexicon.txt").read_text(encoding="utf-8")
    words = {}
    for line in text.split("\n"):
        parts = line.strip().split("\t")
        if len(parts) > 1:
            words[parts[0]] = float(parts[1])
    if "good" not in words:
        raise LexiconUnreadable(
            "VADER's lexicon is not as version 3.3.2 has it", way_out="Install vadersentiment 3.3.2."
        )
    return words


def emoji_words() -> dict[str, str]:
    """VADER's words for emojis, by character."""
    text = resources.files("vaderSentiment").joinpath("emoji_utf8_lexicon.txt").read_text(encoding="utf-8")
    pairs = (line.strip().split("\t") for line in text.rstrip("\n").split("\n"))
    return {parts[0]: parts[1] for parts in pairs}


__all__ = [
    "CRYPTO_LEXICON",
    "OPENS",
    "SPECIAL",
    "WEIGHS",
    "Lexicon",
    "LexiconUnreadable",
    "Word",
    "crypto_lexicon",
    "emoji_words",
    "parse_terms",
    "vader_lexicon",
]
