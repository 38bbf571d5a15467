"""The section `sentiment` of the universe: scorers that are told apart, and models that are pinned."""

from __future__ import annotations

from pathlib import Path

import pytest

from crypto_assets.universe import UniverseError, parse_universe, read_universe
from crypto_assets_tests.datasets.sentiment.stage import PLAIN

PINNED = f"model: ProsusAI/finbert, revision: {'0a' * 20}"


def test_the_default_is_the_lexicon_and_the_file_says_the_same() -> None:
    rules = parse_universe(PLAIN, "x").sentiment
    assert [(one.name, one.kind) for one in rules.scorers] == [("crypto-lexicon", "lexicon")]
    shipped, _ = read_universe(Path(__file__).resolve().parents[2] / "config" / "universe.yaml")
    assert shipped.sentiment == rules


def test_models_come_from_a_folder_or_pinned_from_the_hub() -> None:
    hub = f"{{name: a, kind: transformer, {PINNED}, may_fetch: true}}"
    lines = f"[{hub}, {{name: b, kind: transformer, folder: b}}, {{name: c, kind: vader}}]"
    rules = parse_universe(f"{PLAIN}sentiment:\n  scorers: {lines}\n  features_scorer: a\n", "x").sentiment
    assert [(one.model, one.folder, one.may_fetch) for one in rules.scorers] == [
        ("ProsusAI/finbert", "", True), ("", "b", False), ("", "", False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("scorer", "problem"),
    [
        ("{name: a, kind: transformer}", "needs either a model of the hub or a folder"),
        (f"{{name: a, kind: transformer, {PINNED}, folder: b}}", "needs either a model of the hub or a folder"),
        ("{name: a, kind: transformer, model: ProsusAI/finbert}", "needs its revision"),
        ("{name: a, kind: transformer, model: ProsusAI/finbert, revision: main}", "revision"),
        ("{name: a, kind: transformer, model: finbert, revision: main}", "model"),
        ("{name: a, kind: transformer, folder: ../secrets}", "folder"),
        ("{name: a, kind: transformer, folder: b, may_fetch: true}", "neither revision nor may_fetch"),
        ("{name: a, kind: lexicon, folder: b}", "only a transformer has"),
        ("{name: a, kind: gpt}", "kind"),
        ("{name: 'a b'}", "name"),
        ("{name: a}, {name: a}", "scorers listed twice: a"),
        ("{name: b}", "features_scorer 'a' is none of b"),
        ("", "scorers"),
    ],
)
def test_what_cannot_work_is_named(scorer: str, problem: str) -> None:
    with pytest.raises(UniverseError, match=problem):
        parse_universe(f"{PLAIN}sentiment:\n  scorers: [{scorer}]\n  features_scorer: a\n", "x")
