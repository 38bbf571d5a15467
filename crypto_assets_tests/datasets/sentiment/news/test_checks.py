"""Every check of sentiment/news holds on sound rows, and fails when its rule is broken."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from crypto_assets.datasets.sentiment.news.checks import CHECKS, RULES
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.checks import result_of
from crypto_assets.universe import parse_universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.dex.world import KeptOpen
from crypto_assets_tests.datasets.sentiment.news.world import UNIVERSE

UNIVERSE_OF_TESTS = parse_universe(
    UNIVERSE + "news: {feeds: {alpha: 'https://a.example/f', beta: 'https://b.example/f'}}", "u"
)
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)  # checks of recency read the real clock
WINDOW = VenueWindow("", TODAY, TODAY + timedelta(days=1))
SOUND = """
INSERT INTO sentiment.news (news_id, title, summary, url, publisher, published_at, first_seen_at, title_key, source, known_at)
VALUES (repeat('a', 64), 'Bitcoin < gold & 5 > 4', '', 'https://a.example/1', 'alpha', %(now)s, %(now)s, repeat('b', 64), 's',
        %(now)s);
INSERT INTO sentiment.news_assets (news_id, asset, matched_text, found_in, source, known_at)
VALUES (repeat('a', 64), 'BTC', 'Bitcoin', 'title', 's', %(now)s);
INSERT INTO ops.market_polls (dataset, venue, symbol, polled_at, due_at, interval_seconds, longest_wait_seconds)
VALUES ('sentiment/news', 'alpha', 'news', %(now)s, %(now)s, 600, 0),
       ('sentiment/news', 'beta', 'news', %(now)s, %(now)s, 600, 0),
       ('sentiment/news', 'former', 'news', %(now)s, %(now)s, 600, 0);
INSERT INTO ops.collected_ranges (dataset, venue, symbol, timeframe, collected)
VALUES ('sentiment/news', 'alpha', 'news', 'tick', tstzmultirange(tstzrange(%(now)s - interval '1 h', %(now)s))),
       ('sentiment/news', 'beta', 'news', 'tick', tstzmultirange(tstzrange(%(now)s - interval '1 h', %(now)s)));
"""
_DEAD = """
DELETE FROM ops.collected_ranges WHERE venue = '{0}';
UPDATE ops.market_polls SET last_error = 'gone' WHERE venue = '{0}';
"""
_NOTHING = """
DELETE FROM sentiment.news; DELETE FROM sentiment.news_assets; DELETE FROM ops.market_polls; DELETE FROM ops.collected_ranges;
DELETE FROM quality.quarantine;
"""
BROKEN = {
    "key_is_unique": "ALTER TABLE sentiment.news DROP CONSTRAINT news_pkey;"
    "INSERT INTO sentiment.news SELECT * FROM sentiment.news",
    "no_news_from_the_future": "UPDATE sentiment.news SET published_at = known_at + interval '6 min'",
    "texts_are_plain": "UPDATE sentiment.news SET summary = 'x <ScRiPt>y'",
    "assets_are_known": "UPDATE sentiment.news_assets SET asset = 'XYZ'",
    "rows_are_accepted": "INSERT INTO quality.quarantine (dataset, venue, symbol, timeframe, payload_hash, payload, reason)"
    " VALUES ('sentiment/news', 'beta', 'news', 'tick', 'hash', 'null', 'no item')",
    "feeds_are_alive": _DEAD.format("alpha") + _DEAD.format("beta"),
    "newest_news_is_recent": "UPDATE sentiment.news SET first_seen_at = first_seen_at - interval '181 min'",
}


@pytest.fixture
def sound(warehouse: Warehouse) -> Iterator[Warehouse]:
    kept = KeptOpen(warehouse)
    _execute(kept, SOUND)
    yield kept
    kept.close()


def _execute(warehouse: Warehouse, statement: str) -> None:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement, {"now": max(datetime.now(UTC) - timedelta(seconds=1), TODAY)})


def _broken(warehouse: Warehouse) -> set[str]:
    return {
        rule.name
        for rule in RULES
        if not result_of(rule, rule.look(warehouse, UNIVERSE_OF_TESTS, WINDOW), UNIVERSE_OF_TESTS).passed
    }


def test_each_rule_holds_on_sound_rows_and_fails_alone_when_broken(sound: Warehouse) -> None:
    assert set(BROKEN) == {rule.name for rule in RULES}
    assert len(CHECKS) == len(RULES)
    assert _broken(sound) == set()
    _execute(sound, "ALTER TABLE sentiment.news DROP CONSTRAINT news_known_after_seen")
    for name, statement in BROKEN.items():
        if name != "key_is_unique":  # which leaves the table without its key
            _execute(sound, statement)
            assert _broken(sound) == {name}
            _execute(sound, _NOTHING + SOUND)
    for change in ("first_seen_at = now() + interval '6 min'", "known_at = now() + interval '6 min'"):
        _execute(sound, f"UPDATE sentiment.news SET {change}")  # noqa: S608 - a constant
        assert _broken(sound) == {"no_news_from_the_future"}
        _execute(sound, _NOTHING + SOUND)
    _execute(sound, "DELETE FROM sentiment.news")
    assert _broken(sound) == {"newest_news_is_recent"}  # no news at all
    _execute(sound, _NOTHING + SOUND + BROKEN["key_is_unique"])
    assert _broken(sound) == {"key_is_unique"}


def test_half_of_the_feeds_may_be_silent_and_a_day_that_is_over_is_not_judged_by_them(sound: Warehouse) -> None:
    _execute(sound, _DEAD.format("alpha"))
    [alive] = [rule for rule in RULES if rule.name == "feeds_are_alive"]
    findings = list(alive.look(sound, UNIVERSE_OF_TESTS, WINDOW))
    assert [(one.venue, one.failed, one.example) for one in findings if one.failed] == [("alpha", 1, "gone")]
    assert len(findings) == 2  # a feed that the universe has no more is nobody's concern
    assert _broken(sound) == set()
    over = VenueWindow("", TODAY - timedelta(days=1), TODAY)
    assert list(alive.look(sound, UNIVERSE_OF_TESTS, over)) == []
