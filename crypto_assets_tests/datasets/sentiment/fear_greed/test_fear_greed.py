"""The Fear & Greed index: which days are asked for, when they count as known, and what the checks say."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from crypto_assets.clients.alternative_me import FearGreed, parse_fear_greed
from crypto_assets.datasets.sentiment.fear_greed.asset import (
    FearGreedConfig,
    build_rows,
    collect_fear_greed,
    days_of,
    judge_days,
    known_at,
)
from crypto_assets.datasets.sentiment.fear_greed.checks import RULES, absent_days
from crypto_assets.datasets.sentiment.fear_greed.table import CLASSES, NEVER_PUBLISHED, fear_greed
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.checks import result_of
from crypto_assets.sandbox.config import SandboxConfig
from crypto_assets.sandbox.faults import Fault
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.sandbox.providers.alternative_me import values
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.write import upsert
from crypto_assets_tests.datasets.dex.world import KeptOpen
from crypto_assets_tests.datasets.sentiment.stage import DAY, NOW, execute, rows, run_of, universe, window

ASKED = "alternative_me /fng/"
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)  # checks of recency read the real clock
WINDOW = VenueWindow("", TODAY - 4 * DAY, TODAY + DAY)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess(SandboxConfig(now=NOW.isoformat())) as process:
        yield process


def test_a_value_is_known_an_hour_after_midnight_or_when_it_was_seen() -> None:
    day = date(2026, 3, 10)
    hour = timedelta(hours=1)
    midnight = datetime(2026, 3, 10, tzinfo=UTC)
    assert known_at(day, midnight + timedelta(minutes=6)) == midnight + hour  # early: never before the rule
    assert known_at(day, midnight + 5 * hour) == midnight + 5 * hour  # live: it may have come late
    assert known_at(day, midnight + 2 * DAY) == midnight + 2 * DAY
    assert known_at(day, midnight + 2 * DAY + hour) == midnight + hour  # a backfill: the rule


def test_a_corrected_value_is_known_when_it_is_seen() -> None:
    days = [FearGreed(date(2026, 1, day), 40, "Fear") for day in (1, 2, 3)]
    kept, corrected = judge_days(days, {days[0].observed_on: (40, "Fear"), days[1].observed_on: (41, "Fear")}, NOW)
    assert [(one.row, one.known_at) for one in kept] == [(days[1], NOW), (days[2], datetime(2026, 1, 3, 1, tzinfo=UTC))]
    assert corrected == 1


def test_no_day_outside_the_index_is_asked_for() -> None:
    assert days_of(window(datetime(2017, 5, 1, tzinfo=UTC)), NOW) is None
    assert days_of(window(NOW + DAY), NOW) is None
    assert days_of(window(datetime(2018, 1, 31, tzinfo=UTC), 3), NOW) == (date(2018, 2, 1), date(2018, 2, 2))
    assert days_of(window(NOW - DAY, 30), NOW) == (date(2026, 3, 9), date(2026, 3, 10))


def test_a_run_stores_what_the_window_lacks_and_asks_no_more(warehouse: Warehouse, sandbox: SandboxProcess) -> None:
    def collect(of: VenueWindow, *, again: bool = False) -> tuple[int, int, int]:
        before = sandbox.requests().get(ASKED, 0)
        run = run_of(warehouse, FearGreedConfig(again=again), of=of, sandbox_url=sandbox.url)
        [outcome] = collect_fear_greed(run).outcomes
        assert outcome.warning == ""
        return outcome.inserted, outcome.absent, sandbox.requests().get(ASKED, 0) - before

    assert collect(window()) == (1, 0, 1)
    assert collect(window()) == (0, 0, 0)
    assert collect(window(NOW - 9 * DAY, 10)) == (9, 0, 1)
    assert collect(window(NOW - 9 * DAY, 10), again=True) == (0, 0, 1)
    assert collect(window(datetime(2018, 4, 10, tzinfo=UTC), 10)) == (7, 3, 1)
    stored = rows(warehouse, fear_greed)
    assert len(stored) == 17
    assert stored["value"].tolist() == values(7, [day.date() for day in stored["observed_on"]])
    known = dict(zip(stored["observed_on"].dt.date, stored["known_at"], strict=True))
    assert known[date(2026, 3, 10)] == NOW
    assert known[date(2026, 3, 1)] == datetime(2026, 3, 1, 1, tzinfo=UTC)


def test_what_is_corrected_keeps_its_past(warehouse: Warehouse, sandbox: SandboxProcess) -> None:
    old = FearGreed(date(2026, 3, 5), 99, "Extreme Greed")
    with warehouse.connect() as connection:
        upsert(connection, fear_greed, build_rows(judge_days([old], {}, NOW)[0]))
    config = FearGreedConfig(again=True)
    [outcome] = collect_fear_greed(
        run_of(warehouse, config, of=window(NOW - 5 * DAY), sandbox_url=sandbox.url)
    ).outcomes
    assert (outcome.inserted, outcome.changed) == (0, 1)
    [row] = rows(warehouse, fear_greed).to_dict("records")
    assert (row["value"], row["known_at"]) == (values(7, [old.observed_on])[0], NOW)
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT old_row ->> 'value' FROM audit.revisions WHERE table_name = 'sentiment.fear_greed'")
        assert cursor.fetchall() == [("99",)]


@pytest.mark.parametrize("kind", ["unavailable", "html_200", "truncated_json"])
def test_a_provider_that_fails_is_a_warning(warehouse: Warehouse, sandbox: SandboxProcess, kind: str) -> None:
    sandbox.set_faults([Fault(kind=kind)])  # type: ignore[arg-type]
    try:
        done = collect_fear_greed(run_of(warehouse, FearGreedConfig(), sandbox_url=sandbox.url))
    finally:
        sandbox.clear_faults()
    [outcome] = done.outcomes
    assert outcome.failed
    assert "alternative_me" in outcome.warning
    assert rows(warehouse, fear_greed).empty


def test_the_recorded_history_is_stored_to_the_point(warehouse: Warehouse, recordings: Path) -> None:
    with gzip.open(recordings / "news" / "fear_greed_2018-02_2025-04-22.csv.gz", "rt", encoding="utf-8") as file:
        recorded = [*csv.DictReader(file)]
    history = [
        FearGreed(date.fromisoformat(one["timestamp"][:10]), round(float(one["value"])), one["value_classification"])
        for one in recorded
    ]
    text = (recordings / "news" / "fear_greed_raw_alternative_me.json").read_text(encoding="utf-8")
    newest = list(parse_fear_greed(json.loads(text), date(2025, 4, 22)).rows)
    with warehouse.connect() as connection:
        counts = upsert(connection, fear_greed, build_rows(judge_days(history, {}, NOW)[0]))
        assert (counts.inserted, counts.received) == (2634, 2634)
        assert upsert(connection, fear_greed, build_rows(judge_days(newest, {}, NOW)[0])).unchanged == 365
    stored = rows(warehouse, fear_greed)
    assert (len(stored), int(stored["value"].sum())) == (2634, round(sum(float(one["value"]) for one in recorded)))
    assert int(stored["value"].sum()) == 123607
    unknown, known = absent_days(set(stored["observed_on"].dt.date), date(2018, 2, 1), date(2025, 4, 22))
    assert (unknown, known) == ([], sorted(NEVER_PUBLISHED))
    for word, (low, high) in CLASSES.items():  # the bounds are those of the recordings, where they were reached
        there = stored.loc[stored["classification"] == word, "value"]
        assert low <= there.min() <= there.max() <= high
        assert word.startswith("Extreme") or (there.min(), there.max()) == (low, high)
    found = _results(warehouse, VenueWindow("", datetime(2018, 2, 1, tzinfo=UTC), datetime(2025, 4, 23, tzinfo=UTC)))
    assert [name for name, (passed, _) in found.items() if not passed] == []
    assert "4 never published: 2018-04-14" in found["every_day_is_there"][1]


def _results(warehouse: Warehouse, of: VenueWindow) -> Mapping[str, tuple[bool, str]]:
    """Whether each check passes, and its notes."""
    found = {}
    for rule in RULES:
        result = result_of(rule, rule.look(warehouse, universe(), of), universe())
        notes = result.metadata.get("notes")
        found[rule.name] = (result.passed, str(notes.value) if notes else "")
    return found


BROKEN: Mapping[str, tuple[str, set[str]]] = {
    "key_is_unique": (
        "INSERT INTO sentiment.fear_greed SELECT * FROM sentiment.fear_greed WHERE observed_on = %s",
        set(),
    ),
    "value_in_range": (
        "UPDATE sentiment.fear_greed SET value = 101 WHERE observed_on = %s",
        {"classification_fits_value"},
    ),
    "classification_fits_value": ("UPDATE sentiment.fear_greed SET value = 47 WHERE observed_on = %s", set()),
    "no_value_from_the_future": (
        "UPDATE sentiment.fear_greed SET known_at = known_at - interval '1 s' WHERE observed_on = %s",
        set(),
    ),
    "every_day_is_there": ("DELETE FROM sentiment.fear_greed WHERE observed_on = %s", set()),
    "newest_value_is_recent": (
        "UPDATE sentiment.fear_greed SET known_at = now() - interval '31 h' WHERE observed_on > %s",
        {"no_value_from_the_future"},
    ),
    "rows_are_accepted": (
        "INSERT INTO quality.quarantine (dataset, venue, symbol, timeframe, payload_hash, payload, reason)"
        " VALUES ('sentiment/fear_greed', '', 'fear_greed', 'tick', 'hash', 'null', %s::text)",
        set(),
    ),
}


@pytest.fixture(scope="module")
def loose(shared_warehouse: Warehouse) -> Iterator[Warehouse]:
    """Without what keeps such rows out."""
    execute(
        shared_warehouse,
        "ALTER TABLE sentiment.fear_greed DROP CONSTRAINT fear_greed_pkey, DROP CONSTRAINT fear_greed_value_in_range,"
        " DISABLE TRIGGER USER",
    )
    kept = KeptOpen(shared_warehouse)
    yield kept
    kept.close()


@pytest.mark.parametrize("name", ["", *BROKEN])
def test_each_check_fails_when_its_rule_is_broken(loose: Warehouse, name: str) -> None:
    assert set(BROKEN) == {rule.name for rule in RULES}
    for table in ("sentiment.fear_greed", "ops.collected_ranges", "quality.quarantine"):
        execute(loose, f"DELETE FROM {table}")  # noqa: S608 - constants
    execute(
        loose,
        "INSERT INTO sentiment.fear_greed (observed_on, value, classification, source, known_at)"
        " SELECT day::date, 40, 'Fear', 't', day + interval '1 h' FROM generate_series(%s, %s, interval '1 day') AS day",
        WINDOW.start, TODAY,
    )  # fmt: skip
    execute(
        loose,
        "INSERT INTO ops.collected_ranges (dataset, venue, symbol, timeframe, collected) VALUES"
        " ('sentiment/fear_greed', '', 'fear_greed', 'tick', tstzmultirange(tstzrange(%s, now())))",
        WINDOW.start,
    )
    expected = set()
    if name:
        statement, besides = BROKEN[name]
        execute(loose, statement, (WINDOW.start + DAY).date())
        expected = {name, *besides}
    assert {rule for rule, (passed, _) in _results(loose, WINDOW).items() if not passed} == expected
