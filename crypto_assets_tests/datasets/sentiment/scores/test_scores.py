"""Scores of headlines: each once by each version, known no earlier than they were made, and none under another's name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crypto_assets.datasets.sentiment.scores import asset as scores_asset
from crypto_assets.datasets.sentiment.scores.asset import ScoresConfig, build_rows, collect_scores, score_rows
from crypto_assets.datasets.sentiment.scores.checks import RULES
from crypto_assets.datasets.sentiment.scores.read import read_scores
from crypto_assets.datasets.sentiment.scores.table import scores
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.checks import result_of
from crypto_assets.scoring.lexicon import LexiconScorer, crypto_scorer
from crypto_assets.scoring.words import Lexicon
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import reading
from crypto_assets_tests.datasets.dex.world import KeptOpen
from crypto_assets_tests.datasets.sentiment.stage import (
    DAY,
    NOW,
    add_news,
    execute,
    id_of,
    rows,
    run_of,
    universe,
    window,
)

OURS = crypto_scorer("crypto-lexicon")
EARLIER = NOW - timedelta(hours=3)
GOOD, BAD, PLAIN = (
    "Bitcoin hits new all-time high",
    "Exchange hacked, Solana and Ethereum stolen",
    "A conversation with a lawyer",
)


EXPECTED = dict(zip(("ETH", "SOL", "BTC", ""), OURS.score([BAD, BAD, GOOD, PLAIN]).score.tolist(), strict=True))


def _by_asset(assets: Iterable[str], found: Iterable[float]) -> dict[str, float]:
    return dict(zip(assets, found, strict=True))


def _told(warehouse: Warehouse, **of: object) -> list[tuple[str, int, str, bool]]:
    done = collect_scores(run_of(warehouse, ScoresConfig(), **of))  # type: ignore[arg-type]
    return [(one.symbol, one.inserted, one.warning, one.failed) for one in done.outcomes]


def _three_items(warehouse: Warehouse) -> None:
    add_news(warehouse, "good", GOOD, EARLIER, "BTC")
    add_news(warehouse, "bad", BAD, EARLIER + timedelta(minutes=1), "SOL", "ETH")
    add_news(warehouse, "plain", PLAIN, EARLIER + timedelta(minutes=2))
    add_news(warehouse, "yesterday", GOOD, EARLIER - DAY, "BTC")


def test_each_headline_is_scored_once_for_each_asset(warehouse: Warehouse) -> None:
    _three_items(warehouse)
    assert _told(warehouse) == [("crypto-lexicon", 4, "", False)]
    assert _told(warehouse, at=NOW + timedelta(hours=1)) == [("crypto-lexicon", 0, "", False)]
    stored = rows(warehouse, scores)
    assert {*zip(stored["news_id"], stored["asset"], stored["label"], strict=True)} == {
        (id_of("bad"), "ETH", "negative"), (id_of("bad"), "SOL", "negative"), (id_of("good"), "BTC", "positive"),
        (id_of("plain"), "", "neutral"),
    }  # fmt: skip
    assert (stored["known_at"] == NOW).all()
    assert (stored["scored_at"] == NOW).all()
    assert stored["news_known_at"].min() == EARLIER
    assert set(stored["model_version"]) == {OURS.model_version}
    assert _by_asset(stored["asset"], stored["score"]) == EXPECTED
    assert np.allclose(stored[["p_negative", "p_neutral", "p_positive"]].sum(axis=1), 1)
    assert _told(warehouse, of=window(NOW - DAY, 2)) == [("crypto-lexicon", 1, "", False)]


def test_news_of_the_future_is_known_no_earlier_than_it_is(warehouse: Warehouse) -> None:
    add_news(warehouse, "ahead", GOOD, NOW + timedelta(seconds=5))  # a clock that is behind
    _told(warehouse)
    [row] = rows(warehouse, scores).to_dict("records")
    assert (row["known_at"], row["scored_at"]) == (NOW + timedelta(seconds=5), NOW)


def test_another_version_adds_rows_and_changes_none(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    _three_items(warehouse)
    _told(warehouse)
    before = rows(warehouse, scores)
    other = LexiconScorer("crypto-lexicon", "next", Lexicon({"hacked": 4.0}))
    monkeypatch.setattr(scores_asset, "open_scorer", lambda _rule, _models: other)
    assert _told(warehouse, at=NOW + timedelta(hours=1)) == [("crypto-lexicon", 4, "", False)]
    after = rows(warehouse, scores)
    assert len(after) == 8
    pd.testing.assert_frame_equal(after[after["model_version"] != "next"].reset_index(drop=True), before)
    # Readers count each headline once, by whoever scored it first.
    found = read_scores(warehouse, "crypto-lexicon", NOW - DAY, NOW + DAY)
    assert len(found) == 4
    assert _by_asset(found.asset, found.score) == EXPECTED


def test_scores_are_read_in_the_order_in_which_they_became_known(warehouse: Warehouse) -> None:
    for number in range(4):
        moment = NOW - timedelta(hours=4 - number)
        add_news(warehouse, f"n{3 - number}", GOOD if number % 2 else BAD, moment, "BTC")
        _told(warehouse, at=moment + timedelta(minutes=5))
    with reading(warehouse) as reader:
        found = read_scores(reader, "crypto-lexicon", NOW - timedelta(hours=3), NOW, ["BTC"])
        assert len(read_scores(reader, "crypto-lexicon", NOW - DAY, NOW, ["ETH"])) == 0
        assert len(read_scores(reader, "finbert", NOW - DAY, NOW)) == 0
    wall = np.datetime64(NOW.replace(tzinfo=None), "us")
    assert found.known_at.dtype == np.dtype("datetime64[us]")
    assert (wall - found.known_at).tolist() == [timedelta(minutes=minutes) for minutes in (175, 115, 55)]
    assert np.sign(found.score).tolist() == [1, -1, 1]


def test_hours_add_up_what_became_known_in_them(warehouse: Warehouse) -> None:
    _three_items(warehouse)
    add_news(warehouse, "worse", "Bitcoin exchange hacked", EARLIER, "BTC")
    _told(warehouse)
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT hour_at, headlines, mean_score, score_stddev, share_positive, share_negative FROM sentiment.hourly"
            " WHERE asset = 'BTC' AND model_id = 'crypto-lexicon'"
        )
        [(hour, count, mean, spread, positive, negative)] = cursor.fetchall()
    pair = OURS.score([GOOD, "Bitcoin exchange hacked"]).score
    assert (hour.astimezone(UTC), count) == (NOW.replace(minute=0, second=0), 2)
    assert (mean, spread) == (pytest.approx(pair.mean()), pytest.approx(pair.std(ddof=1)))
    assert (positive, negative) == (0.5, 0.5)


def test_a_scorer_that_cannot_work_is_named_and_not_replaced(warehouse: Warehouse, tmp_path: Path) -> None:
    _three_items(warehouse)
    bert = "{name: cryptobert, kind: transformer, folder: cryptobert}"
    rules = universe(f"sentiment:\n  scorers: [{{name: crypto-lexicon}}, {bert}]\n")
    lexicon, missing = _told(warehouse, rules=rules, models=tmp_path)
    assert lexicon == ("crypto-lexicon", 4, "", False)
    assert missing[:2] == ("cryptobert", 0)
    assert missing[2].startswith("unavailable: cryptobert is not on disk: no folder cryptobert")
    assert not missing[3]
    assert set(rows(warehouse, scores)["model_id"]) == {"crypto-lexicon"}
    needed = universe(f"sentiment:\n  scorers: [{bert}]\n  features_scorer: cryptobert\n")
    [(name, count, warning, failed)] = _told(warehouse, rules=needed)
    assert (name, count, failed) == ("cryptobert", 0, True)
    assert "no folder of models is named" in warning
    [named] = collect_scores(run_of(warehouse, ScoresConfig(scorers=["gpt"]))).outcomes
    assert (named.symbol, named.failed) == ("gpt", True)


def test_a_headline_is_scored_once_however_often_it_stands() -> None:
    seen: list[str] = []

    class Counting(LexiconScorer):
        def score(self, texts):  # type: ignore[no-untyped-def]
            seen.extend(texts)
            return super().score(texts)

    scorer = Counting("counting", "1", OURS.lexicon)
    waiting = pd.DataFrame(
        {
            "news_id": ["a", "a", "b"],
            "asset": ["BTC", "ETH", ""],
            "title": [BAD, BAD, GOOD],
            "title_key": ["x", "x", "y"],
            "known_at": pd.to_datetime([EARLIER, EARLIER, NOW + DAY], utc=True),
        }
    )
    found = score_rows(waiting, scorer)
    assert sorted(seen) == sorted([BAD, GOOD])
    assert found.label.tolist() == ["negative", "negative", "positive"]
    batch = build_rows(waiting, found, scorer, NOW)
    known = batch["known_at"]
    assert isinstance(known, np.ndarray)
    assert known.tolist() == [NOW.replace(tzinfo=None)] * 2 + [(NOW + DAY).replace(tzinfo=None)]


TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)  # completeness reads the real clock
NOON = TODAY - DAY / 2
WINDOW = VenueWindow("", TODAY - DAY, TODAY)
BROKEN: Mapping[str, tuple[str, set[str]]] = {
    "key_is_unique": ("INSERT INTO sentiment.scores SELECT * FROM sentiment.scores WHERE asset = 'BTC'", set()),
    "scores_in_range": ("UPDATE sentiment.scores SET p_neutral = p_neutral + 0.0011 WHERE asset = 'BTC'", set()),
    "labels_are_known": ("UPDATE sentiment.scores SET label = 'negative' WHERE asset = 'BTC'", set()),
    "no_score_before_its_news": (
        "UPDATE sentiment.scores SET known_at = news_known_at - interval '1 s', scored_at = news_known_at - interval '1 s'"
        " WHERE asset = 'BTC'",
        set(),
    ),
    "every_news_is_scored": ("DELETE FROM sentiment.scores WHERE asset = 'BTC'", set()),
}
ALSO_OUT_OF_RANGE = (
    "score = -1.01, label = 'negative'", "score = 'NaN'", "p_negative = -0.1, p_neutral = 0.6", "p_positive = 'NaN'",
)  # fmt: skip


@pytest.fixture(scope="module")
def loose(shared_warehouse: Warehouse) -> Iterator[Warehouse]:
    """Without what keeps such rows out."""
    execute(
        shared_warehouse,
        "ALTER TABLE sentiment.scores DROP CONSTRAINT scores_pkey, DROP CONSTRAINT scores_label_known,"
        " DROP CONSTRAINT scores_score_in_range, DROP CONSTRAINT scores_known_when_scored, DISABLE TRIGGER USER",
    )
    execute(shared_warehouse, "ALTER TABLE sentiment.news DISABLE TRIGGER USER")
    execute(shared_warehouse, "ALTER TABLE sentiment.news_assets DISABLE TRIGGER USER")
    kept = KeptOpen(shared_warehouse)
    yield kept
    kept.close()


@pytest.fixture
def sound(loose: Warehouse) -> Warehouse:
    """Two scored items."""
    for table in ("scores", "news_assets", "news"):
        execute(loose, f"DELETE FROM sentiment.{table}")  # noqa: S608 - constants
    add_news(loose, "good", GOOD, NOON, "BTC")
    add_news(loose, "plain", PLAIN, NOON)
    execute(
        loose,
        "INSERT INTO sentiment.scores (news_id, asset, model_id, model_version, label, score, p_negative, p_neutral,"
        " p_positive, title_key, news_known_at, scored_at, source, known_at) VALUES"
        " (%s, 'BTC', 'crypto-lexicon', '1', 'positive', 0.5, 0, 0.5, 0.5, 'k', %s, now(), 't', now()),"
        " (%s, '', 'crypto-lexicon', '1', 'neutral', 0, 0, 1, 0, 'k', %s, now(), 't', now())",
        id_of("good"), NOON, id_of("plain"), NOON,
    )  # fmt: skip
    return loose


def _failing(warehouse: Warehouse) -> set[str]:
    results = {rule.name: result_of(rule, rule.look(warehouse, universe(), WINDOW), universe()) for rule in RULES}
    return {name for name, result in results.items() if not result.passed}


@pytest.mark.parametrize("name", ["", *BROKEN])
def test_each_check_fails_when_its_rule_is_broken(sound: Warehouse, name: str) -> None:
    assert set(BROKEN) == {rule.name for rule in RULES}
    expected = set()
    if name:
        statement, besides = BROKEN[name]
        execute(sound, statement)
        expected = {name, *besides}
    assert _failing(sound) == expected


@pytest.mark.parametrize("changed", ALSO_OUT_OF_RANGE)
def test_numbers_out_of_range_are_seen(sound: Warehouse, changed: str) -> None:
    execute(sound, f"UPDATE sentiment.scores SET {changed} WHERE asset = 'BTC'")  # noqa: S608 - constants
    assert _failing(sound) == {"scores_in_range"}


def test_a_score_without_its_news_is_seen(sound: Warehouse) -> None:
    execute(sound, "DELETE FROM sentiment.news WHERE news_id = %s", id_of("good"))
    assert "no_score_before_its_news" in _failing(sound)
