"""Recorded headlines, and which half of the labelled ones the lexicon was written on.

What belongs here: reading them. What does not: assertions.
"""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

SIGNS = {"negative": -1, "neutral": 0, "positive": 1}


@dataclass(frozen=True)
class Labelled:
    """A headline with what three people and their majority said of it, -1..1, and VADER's score as its makers had it."""

    title: str
    label: int
    ratings: tuple[int, int, int]
    vader: float


def is_unseen(title: str) -> bool:
    """Whether a headline is of the half that nobody looked at while the lexicon was written: an odd SHA-256."""
    return int(sha256(title.encode()).hexdigest(), 16) % 2 == 1


def labelled(recordings: Path) -> list[Labelled]:
    """The headlines of CryptoLin (Gadi and Sicilia, 2022), 2018-07 to 2021-09."""
    with gzip.open(recordings / "news" / "cryptolin_human_labels_early.csv.gz", "rt", encoding="utf-8") as file:
        return [
            Labelled(
                row["news"],
                int(row["final_manual_labelling"]),
                (int(row["manual_labelling_1"]), int(row["manual_labelling_2"]), int(row["manual_labelling_3"])),
                float(row["vader"]),
            )
            for row in csv.DictReader(file)
        ]


def headlines(recordings: Path) -> list[str]:
    """Every recorded headline that holds anything, the labelled ones first."""
    found = [one.title for one in labelled(recordings)]
    with gzip.open(recordings / "news" / "cryptonews_2021-10_2022-03.csv.gz", "rt", encoding="utf-8") as file:
        found += [row["title"] for row in csv.DictReader(file, delimiter=";")]
    with gzip.open(recordings / "news" / "2024-04-05_30d_news_with_sentiment.csv.gz", "rt", encoding="utf-8") as file:
        found += [row["headline"] for row in csv.DictReader(file)]
    with (recordings / "news" / "cryptocompare_50_2024-09-21.csv").open(encoding="utf-8") as plain:
        found += [row["title"] for row in csv.DictReader(plain)]
    return [title for title in found if title.strip()]
