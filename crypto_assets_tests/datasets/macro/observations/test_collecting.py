"""Runs of macro/observations against a sandbox whose clock moves: what is kept, when it was known, what a check costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import dagster as dg
import numpy as np
import pandas as pd
import pytest
from pydantic import SecretStr
from sqlalchemy import Table, select

from crypto_assets.datasets.calendar_asset import CalendarRun
from crypto_assets.datasets.macro.observations.asset import MacroConfig, build_asset, collect_observations
from crypto_assets.datasets.macro.observations.checks import CHECKS, RULES
from crypto_assets.datasets.macro.observations.read import macro_as_of, read_vintages
from crypto_assets.datasets.macro.observations.table import observations, series
from crypto_assets.datasets.outcomes import Collected, EventOutcome, judge
from crypto_assets.latest.telling import LatestValues
from crypto_assets.partitions import VenueWindow, grids_of, month_window
from crypto_assets.resources import Keys, Providers, UniverseFile
from crypto_assets.sandbox.config import DEFAULT_SEED, SandboxConfig
from crypto_assets.sandbox.faults import Fault
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.sandbox.providers.fred_series import FOREVER, MISSING, SERIES
from crypto_assets.universe import UniverseError, parse_universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame
from crypto_assets_tests.clients.gecko_answers import Reply, stub_server
from crypto_assets_tests.datasets.dex.world import KeptOpen
from crypto_assets_tests.playing import HASTE, NOW, exchange_of

CANARY = "canary0123456789abcdef0123456789"
NEW_YORK = ZoneInfo("America/New_York")
# A market that the made-up exchange lists stands for the token of gold.
UNIVERSE = """
history_from: 2021-01-01
venues:
  kraken: {markets: [BTC/USD], requests_per_second: 1, page_bars: 720, history_bars: 720}
macro:
  gold: {symbol: SOL/USD, least: 1, most: 100000}
"""
FRED = ["UNRATE", "A191RL1Q225SBEA", "VIXCLS"]
GOLD = "SOLUSD"
GOLD_FROM = "2026-01-19"  # fifty days before the clock's


@pytest.fixture(scope="module")
def process() -> Iterator[SandboxProcess]:
    with SandboxProcess(SandboxConfig(now=NOW.isoformat())) as process:
        yield process


@pytest.fixture
def moving(process: SandboxProcess) -> SandboxProcess:
    process.clear_faults()
    process.set_now(NOW)
    return process


class World:
    """Runs without Dagster; the clock is the sandbox's."""

    def __init__(self, warehouse: Warehouse, sandbox: SandboxProcess, key: str | None = CANARY) -> None:
        self.warehouse = warehouse
        self.sandbox = sandbox
        self.now = NOW
        self.key = key
        self.universe = parse_universe(UNIVERSE, "universe.yaml")

    def at(self, now: datetime) -> World:
        self.now = now
        self.sandbox.set_now(now)
        return self

    def run(self, *names: str, month: str = "", url: str = "", **config: object) -> Collected:
        month = month or f"{self.now:%Y-%m}-01"
        keys = Keys(fred=SecretStr(self.key) if self.key else None)
        return collect_observations(
            CalendarRun(
                dg.get_dagster_logger(), self.warehouse,  # type: ignore[arg-type]
                Providers(keys, sandbox_url=url or self.sandbox.url, policy=HASTE), self.universe,
                VenueWindow("", *month_window(month)), MacroConfig(series=list(names), **config),  # type: ignore[arg-type]
                clock=lambda: self.now,
            )
        )  # fmt: skip

    def rows(self, table: Table = observations, **where: object) -> pd.DataFrame:
        chosen = select(table).where(*(table.c[name] == value for name, value in where.items()))
        return read_frame(self.warehouse, chosen.order_by(*table.primary_key.columns))

    def asked(self) -> dict[str, int]:
        return {path: count for path, count in self.sandbox.requests().items() if path.startswith(("fred", "kraken"))}


@pytest.fixture
def world(warehouse: Warehouse, moving: SandboxProcess) -> Iterator[World]:
    held = KeptOpen(warehouse)
    yield World(held, moving)
    held.close()


def _known_at(series_id: str, vintage: date) -> datetime:
    """By hand: 08:30 for the series that state it, else when the day is over in New York."""
    if series_id in {"UNRATE", "CPIAUCSL", "A191RL1Q225SBEA"}:
        return datetime.combine(vintage, time(8, 30), NEW_YORK).astimezone(UTC)
    return datetime.combine(vintage + timedelta(days=1), time(), NEW_YORK).astimezone(UTC)


def _due(series_id: str, since: date, now: datetime, before: datetime | None = None) -> list[tuple[object, ...]]:
    """What must be stored of a series: period, vintage, its last day, value, known_at."""
    found: list[tuple[object, ...]] = []
    for row in SERIES[series_id].rows(DEFAULT_SEED, now, since, FOREVER):
        known = _known_at(series_id, row.start)
        if known <= now and (before is None or known < before):
            value = None if row.value == MISSING else float(row.value)
            found.append((row.period, row.start, None if row.end == FOREVER else row.end, value, known))
    return found


def _stored(world: World, series_id: str) -> list[tuple[object, ...]]:
    rows = world.rows(series_id=series_id)
    return [
        (
            row["period_on"].date(),
            row["realtime_start"].date(),
            None if pd.isna(row["realtime_end"]) else row["realtime_end"].date(),
            None if np.isnan(row["value"]) else row["value"],
            row["known_at"].to_pydatetime(),
        )
        for row in rows.to_dict("records")
    ]


def _outcome(done: Collected, series_id: str) -> EventOutcome:
    return next(one for one in done.outcomes if one.symbol == series_id)


def _asked_since(world: World, before: dict[str, int]) -> dict[str, int]:
    return {path: count - before.get(path, 0) for path, count in world.asked().items() if count > before.get(path, 0)}


def test_the_open_month_brings_every_vintage_with_its_true_day_and_moment(world: World) -> None:
    done = world.run(*FRED)
    since = NOW.date() - timedelta(days=730)
    for name in FRED:
        assert _stored(world, name) == _due(name, since, NOW)
        assert len(_stored(world, name)) > 10
    judge(done.outcomes, 0.0)
    assert not [one.warning for one in done.outcomes if one.warning]
    described = world.rows(series, series_id="UNRATE").iloc[0]
    assert (described["release_name"], described["frequency"]) == ("Employment Situation", "monthly")
    again = world.run(*FRED)
    assert sum(one.inserted + one.changed for one in again.outcomes) == 0


def test_the_checks_pass_where_nothing_is_wrong(world: World) -> None:
    world.run(*FRED)
    for rule in RULES:
        if rule.name != "newest_release_is_recent":  # which looks at the real time
            findings = rule.look(world.warehouse, world.universe, VenueWindow("", *month_window("2026-01-01")))
            assert {one.symbol for one in findings} == set(FRED), rule.name
            assert not [one for one in findings if one.failed], rule.name


def test_gold_is_the_days_close_known_when_the_day_is_over(world: World) -> None:
    assert _outcome(world.run(GOLD, from_=GOLD_FROM), GOLD).inserted == 50
    gold = world.rows(series_id=GOLD)
    days = gold["period_on"].dt.date.tolist()
    assert days == [date.fromisoformat(GOLD_FROM) + timedelta(days=number) for number in range(50)]
    assert days[-1] == NOW.date() - timedelta(days=1)
    assert (gold["known_at"] == gold["period_on"].dt.tz_localize("UTC") + timedelta(days=1)).all()
    assert set(gold["source"]) == {"kraken SOL/USD 1d"}
    exchange = exchange_of(world.sandbox.url, "kraken")
    (page,) = exchange.pages("SOL/USD", "1d", NOW - timedelta(days=5), NOW)
    assert page.bars.columns["close"].tolist() == gold["value"].tolist()[-4:]
    before = world.asked()
    assert _outcome(world.run(GOLD, due_only=True), GOLD).received == 0
    assert not _asked_since(world, before), "the newest day is stored: nobody is asked"
    world.at(NOW + timedelta(days=2)).run(GOLD, due_only=True)
    assert world.rows(series_id=GOLD)["period_on"].dt.date.tolist()[50:] == [NOW.date(), NOW.date() + timedelta(days=1)]


def test_a_release_is_known_from_its_minute_on(world: World) -> None:
    world.run("UNRATE")
    vintage = SERIES["UNRATE"].vintage_dates(DEFAULT_SEED, NOW)[-1]
    at = _known_at("UNRATE", vintage)
    assert (vintage, at) == (date(2026, 3, 6), datetime(2026, 3, 6, 13, 30, tzinfo=UTC))
    before, after = (
        macro_as_of(world.warehouse, ["UNRATE"], moment) for moment in (at - timedelta(microseconds=1), at)
    )
    assert (before["period_on"].max().date(), after["period_on"].max().date()) == (date(2026, 1, 1), date(2026, 2, 1))
    assert len(read_vintages(world.warehouse, ["UNRATE"], at, at)) == len(after[after["known_at"] == at]) > 0


def test_an_hourly_check_asks_once_a_series_and_waits_with_what_is_not_known_yet(world: World) -> None:
    world.run("UNRATE", "VIXCLS")
    before = world.asked()
    quiet = world.run("UNRATE", "VIXCLS", due_only=True)
    assert _asked_since(world, before) == {"fred /fred/series": 2}
    assert [one.received for one in quiet.outcomes] == [0, 0]

    world.at(datetime(2026, 3, 10, 14, 30, tzinfo=UTC))  # VIX came at 09:40 in New York
    before, stored = world.asked(), _stored(world, "VIXCLS")
    world.run("UNRATE", "VIXCLS", due_only=True)
    assert _asked_since(world, before)["fred /fred/series/observations"] == 1
    assert [row[:2] for row in _stored(world, "VIXCLS")] == [row[:2] for row in stored]
    due = world.rows(series, series_id="VIXCLS").iloc[0]["due_at"].to_pydatetime()
    assert due == datetime(2026, 3, 11, 4, tzinfo=UTC)

    before = world.at(due - timedelta(seconds=1)).asked()
    world.run("UNRATE", "VIXCLS", due_only=True)
    assert _asked_since(world, before) == {"fred /fred/series": 2}

    world.at(due).run("UNRATE", "VIXCLS", due_only=True)
    assert [row[:2] for row in _stored(world, "VIXCLS")] == [
        *(row[:2] for row in stored),
        (date(2026, 3, 9), date(2026, 3, 10)),
    ]


def test_live_rows_equal_those_of_a_backfill(world: World, shared_warehouse: Warehouse) -> None:
    """Run now and then over five weeks, with a revision in them; then all at once in another database."""
    for days in (0, 1, 9, 26, 35):
        world.at(NOW + timedelta(days=days, hours=3 * days)).run("UNRATE", "VIXCLS", due_only=True)
    other = World(shared_warehouse, world.sandbox).at(world.now)
    other.run("UNRATE", "VIXCLS", from_=str(NOW.date() - timedelta(days=730)))
    for name in ("UNRATE", "VIXCLS"):
        assert _stored(world, name) == _stored(other, name)


def test_a_month_that_is_over_ends_with_what_was_known_then(world: World) -> None:
    world.run("UNRATE", month="2024-01-01")
    start, end = month_window("2024-01-01")
    assert _stored(world, "UNRATE") == _due("UNRATE", start.date() - timedelta(days=400), NOW, end)
    assert world.rows(series).empty, "the present was not collected"
    world.run("UNRATE", due_only=True)
    assert _stored(world, "UNRATE") == _due("UNRATE", start.date() - timedelta(days=400), NOW), "and is followed since"


def test_any_range_by_config(world: World) -> None:
    world.run("UNRATE", from_="2012-01-01")
    assert _stored(world, "UNRATE") == _due("UNRATE", date(2012, 1, 1), NOW)
    with pytest.raises(UniverseError, match="Unknown series NOSUCH"):
        world.run("NOSUCH")
    with pytest.raises(ValueError, match="isoformat"):
        MacroConfig(from_="yesterday")


def test_without_a_key_gold_is_collected_and_the_way_to_one_is_told(
    warehouse: Warehouse, moving: SandboxProcess
) -> None:
    world = World(warehouse, moving, key=None)
    before, done = world.asked(), world.run(from_=GOLD_FROM)
    judge(done.outcomes, 0.0)
    assert not [path for path in _asked_since(world, before) if path.startswith("fred")]
    assert "fred.stlouisfed.org/docs/api/api_key.html" in str(done.metadata["without_key"].value)
    assert set(world.rows()["series_id"]) == {GOLD}


def test_the_key_stands_nowhere(
    world: World, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    told: list[object] = [world.run("UNRATE")]
    for fault in (
        Fault(kind="unavailable"),
        Fault(kind="dropped"),
        Fault(kind="html_200"),
        Fault(kind="throttled", retry_after="0"),
    ):
        world.sandbox.set_faults([fault.model_copy(update={"venue": "fred"})])
        done = world.run("UNRATE", "CPIAUCSL")
        assert [one.failed for one in done.outcomes] == [True, True]
        with pytest.raises(Exception, match="2 of 2 markets failed") as caught:
            judge(done.outcomes, 0.5)
        told += [done, caught.value]
    out, err = capfd.readouterr()
    assert "asking again" in out + err, "the log was looked at"
    assert CANARY not in "".join((out, err, caplog.text, *map(repr, told)))
    with world.warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables"
                       " WHERE table_schema IN ('macro', 'ops', 'quality', 'audit') AND table_type = 'BASE TABLE'")  # fmt: skip
        for (name,) in cursor.fetchall():
            holding = f"SELECT count(*) FROM {name} AS t WHERE t::text LIKE %s"  # noqa: S608 - a name of the catalog
            cursor.execute(holding, (f"%{CANARY}%",))
            assert cursor.fetchone() == (0,), name


def test_one_series_that_fred_does_not_know_is_no_failure_of_the_others(world: World) -> None:
    rules = world.universe.macro
    one = rules.series["UNRATE"]
    macro = rules.model_copy(update={"series": {"NOSUCH": one, "UNRATE": one}})
    world.universe = world.universe.model_copy(update={"macro": macro})
    done = world.run("NOSUCH", "UNRATE")
    assert "series does not exist" in _outcome(done, "NOSUCH").warning
    assert _outcome(done, "UNRATE").inserted > 0


def _answers(observed: str, calendar: Sequence[str] = ("2026-02-06",)) -> list[Reply]:
    """FRED's answers in the order in which a series is collected."""
    updated = "2026-03-06 07:31:00-06"
    info = f'<series id="UNRATE" title="t" units="Percent" frequency_short="M" last_updated="{updated}"/>'
    vintages = "".join(f"<vintage_date>{day}</vintage_date>" for day in ("2026-02-06", "2026-03-06"))
    days = "".join(f"<release_date>{day}</release_date>" for day in calendar)
    texts = [
        f"<seriess>{info}</seriess>", '<releases><release id="50" name="Employment Situation"/></releases>',
        f'<release_dates count="{len(calendar)}">{days}</release_dates>',
        f'<vintage_dates count="2">{vintages}</vintage_dates>',
        f'<observations count="{observed.count("<observation ")}">{observed}</observations>',
    ]  # fmt: skip
    return [Reply(text.encode()) for text in texts]


_SOUND = '<observation realtime_start="2026-02-06" realtime_end="2026-03-05" date="2026-01-01" value="4.4"/>'
_LATER = '<observation realtime_start="2026-03-06" realtime_end="9999-12-31" date="2026-01-01" value="4.3"/>'


def test_a_bad_row_goes_to_the_quarantine_and_the_others_are_stored(world: World) -> None:
    bad = _LATER.replace("4.3", "1e400")
    with stub_server("/api.stlouisfed.org/") as stub:
        stub.say(*_answers(_SOUND + bad, ("2026-02-06", "2026-03-06")))
        done = world.run("UNRATE", url=stub.url)
    assert (_outcome(done, "UNRATE").quarantined, _outcome(done, "UNRATE").inserted) == (1, 1)
    rule = next(rule for rule in RULES if rule.name == "rows_are_accepted")
    findings = rule.look(world.warehouse, world.universe, VenueWindow("", *month_window("2026-02-01")))
    assert [(one.series, one.failed) for one in findings] == [("macro UNRATE tick", 1)]


def test_a_vintage_that_the_calendar_does_not_know_is_told_and_known_at_the_end_of_its_day(world: World) -> None:
    with stub_server("/api.stlouisfed.org/") as stub:
        stub.say(*_answers(_SOUND + _LATER))
        done = world.run("UNRATE", url=stub.url)
    assert "1 vintages on days without a release in FRED's calendar" in _outcome(done, "UNRATE").warning
    assert [row[4] for row in _stored(world, "UNRATE")] == [
        datetime(2026, 2, 6, 13, 30, tzinfo=UTC),
        datetime(2026, 3, 7, 5, tzinfo=UTC),
    ]


BREAKS = (
    ("no_release_from_the_future", "UPDATE macro.observations SET known_at = now() + interval '2 seconds'"),
    ("vintages_follow_each_other", "UPDATE macro.observations SET realtime_end = NULL"),
    ("vintages_follow_each_other", "UPDATE macro.observations SET realtime_end = realtime_end + 1"),
    ("values_within_bounds", "UPDATE macro.observations SET value = 51"),
)


def test_each_check_sees_what_breaks_its_rule(world: World) -> None:
    window = VenueWindow("", datetime(2026, 1, 1, tzinfo=UTC), datetime.now(UTC) + timedelta(days=1))
    with stub_server("/api.stlouisfed.org/") as stub:
        for name, broken in BREAKS:
            stub.say(*_answers(_SOUND + _LATER, ("2026-02-06", "2026-03-06")))
            world.run("UNRATE", url=stub.url)  # mends what was broken before
            look = next(one for one in RULES if one.name == name).look
            assert sum(one.failed for one in look(world.warehouse, world.universe, window)) == 0, broken
            with world.warehouse.connect() as connection, connection.cursor() as cursor:
                cursor.execute(broken)
            assert sum(one.failed for one in look(world.warehouse, world.universe, window)) > 0, broken


def test_what_stopped_coming_is_late(world: World) -> None:
    world.run("UNRATE")
    look = next(one for one in RULES if one.name == "newest_release_is_recent").look
    now = datetime.now(UTC)
    window = VenueWindow("", now - timedelta(days=1), now + timedelta(days=1))
    findings = look(world.warehouse, world.universe, window)
    assert [(one.symbol, one.failed) for one in findings] == [("UNRATE", int(now - NOW > timedelta(days=41)))]
    assert look(world.warehouse, world.universe, VenueWindow("", *month_window("2026-03-01"))) == []


def test_the_asset_and_its_checks_run_under_dagster(world: World, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("macro")
    (folder / "universe.yaml").write_text(UNIVERSE)
    grids = grids_of(date(2021, 1, 1), ["kraken"], ["solana"])
    result = dg.materialize(
        [build_asset(grids), *CHECKS],
        partition_key="2026-02-01",
        run_config={"ops": {"macro__observations": {"config": {"series": ["UNRATE", "DGS10"]}}}},
        resources={
            "warehouse": world.warehouse,
            "universe_file": UniverseFile(folder / "universe.yaml", world.warehouse),
            "providers": Providers(Keys(fred=SecretStr(CANARY)), sandbox_url=world.sandbox.url, policy=HASTE),
            "latest": LatestValues(),
        },
    )
    assert result.success
    passed = {one.check_name: one.passed for one in result.get_asset_check_evaluations()}
    assert passed == dict.fromkeys((rule.name for rule in RULES), True)
    assert set(world.rows()["series_id"]) == {"UNRATE", "DGS10"}
    assert world.rows()["known_at"].max() < pd.Timestamp("2026-03-01", tz="UTC")


def test_a_wrong_key_is_told_in_freds_words(world: World) -> None:
    world.key = "a key & none"
    done = world.run("UNRATE")
    assert [("32 character alpha-numeric" in one.warning, one.failed) for one in done.outcomes] == [(True, True)]
