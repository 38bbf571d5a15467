"""`make bench-sentiment`: ten thousand headlines scored by the lexicon, beside vaderSentiment in the same run.

What belongs here: speed, and equality with vaderSentiment where no word of ours is used. What does not: agreement with people,
which the tests show (crypto_assets_tests/scoring).

Times are of the processor, so that another process on the same core does not count; each is the best of three.
"""

from __future__ import annotations

import csv
import gzip
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from bench.event_stage import Figure
from bench.events import table_of
from crypto_assets.scoring.lexicon import crypto_scorer, vader_scorer
from crypto_assets.scoring.scorer import Scorer
from crypto_assets.scoring.words import crypto_lexicon

HEADLINES = 10_000
LEAST_A_SECOND = 10_000.0
RECORDED = Path("news") / "cryptonews_2021-10_2022-03.csv.gz"
_FILLERS = (
    "the",
    "of",
    "in",
    "to",
    "for",
    "on",
    "with",
    "after",
    "says",
    "crypto",
    "bitcoin",
    "firm",
    "million",
    "$25",
    "SEC",
)


def main() -> int:
    """Measure, print, and return 1 where a bound is missed."""
    began, load = time.monotonic(), os.getloadavg()[0]
    figures = measure()
    console = Console(width=170)
    console.print(table_of(figures))
    missed = [figure.name for figure in figures if not figure.holds]
    console.print(
        f"{time.monotonic() - began:.0f} s on {os.cpu_count()} cores, load {load:.1f} at the start."
        f" {'Missed: ' + '; '.join(missed) if missed else 'Every bound held.'}",
        highlight=False,
    )
    return int(bool(missed))


def measure() -> list[Figure]:
    """Score the same headlines three ways."""
    texts, told = headlines()
    analyzer = SentimentIntensityAnalyzer()
    said: list[dict[str, float]] = []

    def with_vader() -> None:
        said[:] = [analyzer.polarity_scores(text) for text in texts]

    baseline = _seconds(with_vader)
    first = _seconds(lambda: crypto_scorer("crypto-lexicon").score(texts), times=1)
    ours = crypto_scorer("crypto-lexicon")
    seconds = _seconds(lambda: ours.score(texts))
    same = vader_scorer("vader")
    same_seconds = _seconds(lambda: same.score(texts))
    return [
        Figure("baseline: vaderSentiment", HEADLINES / baseline, "headlines/s", told=told),
        Figure("crypto-lexicon", HEADLINES / seconds, "headlines/s", at_least=LEAST_A_SECOND, told="one core, words known"),
        Figure("crypto-lexicon, with reading its files", HEADLINES / first, "headlines/s", told="the first run of a process"),
        Figure("crypto-lexicon beside the baseline", baseline / seconds, "times as fast", at_least=1,
               told="more words weigh something, and phrases are looked for"),
        Figure("our rules with VADER's words beside the baseline", baseline / same_seconds, "times as fast", at_least=1.5),
        Figure("scores that differ from vaderSentiment's", _different(same, texts, said), "headlines",
               at_most=0, told="with VADER's words alone, rounded as it rounds"),
    ]  # fmt: skip


def headlines() -> tuple[list[str], str]:
    """Ten thousand headlines, and where they come from: recorded ones where there are some, else made-up ones."""
    named = os.environ.get("CRYPTO_ASSETS_RECORDINGS")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    if (folder / RECORDED).is_file():
        with gzip.open(folder / RECORDED, "rt", encoding="utf-8") as file:
            titles = [row["title"] for row in csv.DictReader(file, delimiter=";") if row["title"].strip()]
        return [
            titles[number % len(titles)] for number in range(HEADLINES)
        ], f"{len(titles):,} recorded headlines, repeated"
    rng = random.Random(7)  # noqa: S311 - no secret
    lexicon, _ = crypto_lexicon()
    words = [*rng.sample(sorted(lexicon.words), 300), *map(" ".join, lexicon.phrases)]
    made = [
        " ".join(rng.choice(words) if rng.random() < 0.2 else rng.choice(_FILLERS) for _ in range(rng.randint(7, 14)))
        for _ in range(HEADLINES)
    ]
    return made, "made-up headlines: no recordings here"


def _seconds(work: Callable[[], object], times: int = 3) -> float:
    found = []
    for _ in range(times):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)


def _different(scorer: Scorer, texts: Sequence[str], said: Sequence[dict[str, float]]) -> int:
    found = scorer.score(texts)
    columns = (
        (found.score, "compound", 4),
        (found.p_negative, "neg", 3),
        (found.p_neutral, "neu", 3),
        (found.p_positive, "pos", 3),
    )
    return sum(
        any(round(float(values[place]), digits) != one[name] for values, name, digits in columns)
        for place, one in enumerate(said)
    )


if __name__ == "__main__":
    sys.exit(main())
