"""VADER's rules: how the words of a text act on each other, and what the text comes to.

What belongs here: the rules of Hutto and Gilbert (2014) as version 3.3.2 of vaderSentiment has them, oddities included, so
that texts without a word of ours come out the same; and phrases of several words, which VADER does not have. What does not:
what a word weighs by itself (words.py), labels (lexicon.py).

vaderSentiment lowers every word of the text again for every rule and word. Here a word is looked up once in the life of the
process, and only words that weigh something are looked at twice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from vaderSentiment.vaderSentiment import BOOSTER_DICT, C_INCR, N_SCALAR, SPECIAL_CASES  # type: ignore[import-untyped]

from crypto_assets.scoring.words import OPENS, SPECIAL, WEIGHS, Lexicon, Word

_ALPHA = 15  # VADER's estimate of the largest sum a text has
_TURNED: float = N_SCALAR  # what is left of a word that is negated
_WINDOW = 3  # words ahead that act on a word
_OR = frozenset({"or", "nor"})
_SO = frozenset({"so", "this"})
_FADING = (1.0, 0.95, 0.9)  # how much of a booster is left, by distance


class Weighed(NamedTuple):
    """What a text comes to: its score, -1..1, and the shares of its words by sign, which add up to 1."""

    score: float
    negative: float
    neutral: float
    positive: float


_NOTHING = Weighed(0.0, 0.0, 1.0, 0.0)
_INSIDE = Word("", False, 0.0)  # what is left of a word inside a phrase: it acts on nothing


def weigh(text: str, lexicon: Lexicon, emojis: Mapping[str, str]) -> Weighed:
    """Weigh a text. Pure but for what the lexicon remembers.

    A text without any word counts as neutral; vaderSentiment gives three zeros for it.

    Args:
        emojis: What to read in the place of a character.
    """
    if not text.isascii() and not emojis.keys().isdisjoint(text):
        text = _spelled(text, emojis)
    words = lexicon.words_of(text)
    marks = _marks(words)
    if marks & OPENS:
        words = _with_phrases(words, lexicon)
        marks = _marks(words)
    if not marks & WEIGHS:
        return _NOTHING
    weights = _word_weights(words, has_special=bool(marks & SPECIAL))
    return _summed(weights, _emphasis(text))


def _marks(words: Sequence[Word]) -> int:
    marks = 0
    for word in words:
        marks |= word.marks
    return marks


def _word_weights(words: Sequence[Word], *, has_special: bool) -> list[float]:
    """What each word of a text weighs in its place."""
    capitals = sum([word.is_upper for word in words])
    is_mixed = 0 < capitals < len(words)
    weights = [0.0] * len(words)
    has_turn = False
    for place, word in enumerate(words):
        if word.weight and not word.is_booster and not (has_special and _is_kind_of(words, place)):
            weights[place] = _weight(words, place, is_mixed, has_special=has_special)
        elif word.lower == "but":
            has_turn = True
    if has_turn:
        _turn_at_but(words, weights)
    return weights


def _with_phrases(words: Sequence[Word], lexicon: Lexicon) -> list[Word]:
    """The first word of each phrase carries its weight; the others weigh nothing, and act on no other word."""
    found = list(words)
    place = 0
    while place < len(words):
        phrase = next((one for one in words[place].opens if _stands(one, words, place)), None)
        if phrase is None:
            place += 1
            continue
        weight, behind = lexicon.phrases[phrase], place + len(phrase)
        found[place:behind] = [
            Word(" ".join(phrase), False, weight, marks=WEIGHS * bool(weight)),
            *[_INSIDE] * (len(phrase) - 1),
        ]
        place = behind
    return found


def _stands(phrase: tuple[str, ...], words: Sequence[Word], place: int) -> bool:
    return len(words) >= place + len(phrase) and all(
        words[place + number].lower == lower for number, lower in enumerate(phrase)
    )


def _is_kind_of(words: Sequence[Word], place: int) -> bool:
    return words[place].lower == "kind" and place + 1 < len(words) and words[place + 1].lower == "of"


def _weight(words: Sequence[Word], place: int, is_mixed: bool, *, has_special: bool) -> float:
    word = words[place]
    own = word.weight or 0.0
    weight = _after_no(words, place, own)
    if word.is_upper and is_mixed:
        weight += C_INCR if weight > 0 else -C_INCR
    for distance in range(min(_WINDOW, place)):
        ahead = words[place - distance - 1]
        if ahead.weight is None:
            if ahead.is_booster:
                weight += _boost(ahead, weight, is_mixed) * _FADING[distance]
            weight = _negated(words, place, distance, weight)
            if distance == _WINDOW - 1 and has_special:
                weight = _special(words, place, weight)
    return _after_least(words, place, weight) if place and words[place - 1].lower == "least" else weight


def _after_no(words: Sequence[Word], place: int, own: float) -> float:
    """No turns what stands behind it, and weighs nothing itself then."""
    ahead = [word.lower for word in words[max(0, place - _WINDOW) : place]][::-1]
    if "no" in ahead:
        distance = ahead.index("no")
        if distance < _WINDOW - 1 or ahead[0] in _OR:
            return own * _TURNED
    is_plain_no = words[place].lower == "no" and place + 1 < len(words) and words[place + 1].weight is not None
    return 0.0 if is_plain_no else own


def _boost(ahead: Word, weight: float, is_mixed: bool) -> float:
    boost = -ahead.boost if weight < 0 else ahead.boost
    if ahead.is_upper and is_mixed:
        boost += C_INCR if weight > 0 else -C_INCR
    return boost


def _negated(words: Sequence[Word], place: int, distance: int, weight: float) -> float:
    ahead = words[place - distance - 1]
    # vaderSentiment lets "so" and "this" act without "never", where the third word ahead is looked at.
    if distance == _WINDOW - 1 and words[place - 1].lower in _SO:
        return weight * 1.25
    if not ahead.negates:
        return weight
    between = [words[place - back].lower for back in range(1, distance + 1)]
    if ahead.lower == "never" and not _SO.isdisjoint(between):
        return weight * 1.25
    return weight if ahead.lower == "without" and "doubt" in between else weight * _TURNED


def _special(words: Sequence[Word], place: int, weight: float) -> float:
    """Expressions that weigh other than their words do."""
    zero, one, two, three = (words[place - back].lower for back in range(4))
    spoken = (f"{one} {zero}", f"{two} {one} {zero}", f"{two} {one}", f"{three} {two} {one}", f"{three} {two}")
    weight = next((SPECIAL_CASES[said] for said in spoken if said in SPECIAL_CASES), weight)
    for length in (2, 3):
        said = " ".join(word.lower for word in words[place : place + length])
        if len(words) >= place + length and said in SPECIAL_CASES:
            weight = SPECIAL_CASES[said]
    for said in (spoken[3], spoken[4], spoken[2]):
        weight += BOOSTER_DICT.get(said, 0.0)
    return weight


def _after_least(words: Sequence[Word], place: int, weight: float) -> float:
    if words[place - 1].weight is not None:
        return weight
    is_at_least = place > 1 and words[place - 2].lower in {"at", "very"}
    return weight if is_at_least else weight * _TURNED


def _turn_at_but(words: Sequence[Word], weights: list[float]) -> None:
    """What stands ahead of the first "but" counts half, what stands behind it half as much again.

    vaderSentiment looks each weight up by its value while it changes them, so that equal ones change the first of them
    again; that is kept.
    """
    turn = next((place for place, word in enumerate(words) if word.lower == "but"), None)
    if turn is None:
        return
    for each in range(len(weights)):
        place = weights.index(weights[each])
        if place != turn:
            weights[place] *= 0.5 if place < turn else 1.5


def _emphasis(text: str) -> float:
    """What exclamation and question marks add."""
    questions = text.count("?")
    asked = 0.0 if questions <= 1 else questions * 0.18 if questions <= 3 else 0.96
    return min(text.count("!"), 4) * 0.292 + asked


def _summed(weights: Sequence[float], emphasis: float) -> Weighed:
    positive = negative = 0.0
    neutral = 0
    for weight in weights:
        if weight > 0:
            positive += weight + 1  # one more, as words that weigh nothing count as one
        elif weight < 0:
            negative += 1 - weight
        else:
            neutral += 1
    total = sum(weights)  # as vaderSentiment adds up: sum() loses less than a loop does
    total += emphasis if total > 0 else -emphasis if total < 0 else 0.0
    if positive > negative:
        positive += emphasis
    elif positive < negative:
        negative += emphasis
    whole = positive + negative + neutral
    return Weighed(total / math.sqrt(total * total + _ALPHA), negative / whole, neutral / whole, positive / whole)


def _spelled(text: str, emojis: Mapping[str, str]) -> str:
    """Emojis in words, with a blank ahead where none stands."""
    parts: list[str] = []
    is_apart = True
    for character in text:
        said = emojis.get(character)
        if said is None:
            parts.append(character)
            is_apart = character == " "
        else:
            parts.append(said if is_apart else f" {said}")
            is_apart = False
    return "".join(parts)


__all__ = ["Weighed", "weigh"]
