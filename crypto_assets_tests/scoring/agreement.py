"""How well labels agree: accuracy, macro-F1, Krippendorff's alpha.

What belongs here: the arithmetic, pure. What does not: which labels are compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def accuracy(truth: Sequence[int], told: Sequence[int]) -> float:
    """Share of labels told right."""
    return sum(a == b for a, b in zip(truth, told, strict=True)) / len(truth)


def macro_f1(truth: Sequence[int], told: Sequence[int]) -> float:
    """The mean over the truth's classes of 2 tp / (2 tp + fp + fn)."""
    pairs = Counter(zip(truth, told, strict=True))
    scores = []
    for label in sorted(set(truth)):
        hit = pairs[label, label]
        wrong = sum(count for (a, b), count in pairs.items() if (a == label) != (b == label))
        scores.append(2 * hit / (2 * hit + wrong))
    return sum(scores) / len(scores)


def ordinal_alpha(units: Sequence[Sequence[int]]) -> float:
    """Krippendorff's alpha with the ordinal metric: 1 for perfect agreement, 0 for chance.

    After Krippendorff, Content Analysis (2004), chapter 11: alpha = 1 - observed / expected disagreement over pairs of
    values of one unit; two ranks are as far apart as the square of the number of values from one to the other, both ends
    counted half.

    Args:
        units: What each rater said of a unit; units with fewer than two ratings do not count.
    """
    together: Counter[tuple[int, int]] = Counter()
    weights: dict[tuple[int, int], float] = {}
    for ratings in (unit for unit in units if len(unit) > 1):
        for first, one in enumerate(ratings):
            for second, other in enumerate(ratings):
                if first != second:
                    together[one, other] += 1
                    weights[one, other] = weights.get((one, other), 0.0) + 1 / (len(ratings) - 1)
    values = sorted({value for pair in together for value in pair})
    totals = {value: sum(weights.get((value, other), 0.0) for other in values) for value in values}
    count = sum(totals.values())

    def apart(one: int, other: int) -> float:
        low, high = min(one, other), max(one, other)
        between = sum(total for value, total in totals.items() if low <= value <= high)
        return float((between - (totals[one] + totals[other]) / 2) ** 2)

    observed = sum(weight * apart(*pair) for pair, weight in weights.items()) / count
    expected = sum(totals[a] * totals[b] * apart(a, b) for a in values for b in values) / (count * (count - 1))
    return 1 - observed / expected
