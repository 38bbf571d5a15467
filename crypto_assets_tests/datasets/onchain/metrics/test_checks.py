"""Each check fails on what it is there for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name

from crypto_assets.datasets.onchain.metrics.asset import build_rows
from crypto_assets.datasets.onchain.metrics.checks import RULES
from crypto_assets.datasets.onchain.metrics.search import Row, days_of, end_of
from crypto_assets.datasets.onchain.metrics.table import DATASET, metrics
from crypto_assets.partitions import VenueWindow, month_key, month_window
from crypto_assets.quality.coverage import TICK
from crypto_assets.quality.findings import Finding
from crypto_assets.universe import Universe, parse_universe
from crypto_assets.warehouse.collected import mark_collected
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.quarantine import Refused, quarantine
from crypto_assets.warehouse.write import upsert
from crypto_assets_tests.datasets.onchain.metrics.stage import UNIVERSE

DAY = timedelta(days=1)
START, END = datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
FEBRUARY = VenueWindow("", START, END)
SERIES = ("BTC", "transactions")


@pytest.fixture(scope="module")
def month(shared_warehouse: Warehouse) -> Warehouse:
    """A whole February of one series, sound."""
    with shared_warehouse.connect() as connection:
        rows = [
            Row(SERIES, day, 5.0, "coinmetrics x", end_of(day) + DAY, is_new=True)
            for day in days_of(START.date(), END.date())
        ]
        upsert(connection, metrics, build_rows(rows))
        mark_collected(connection, DATASET, *SERIES, TICK, START, END)
    return shared_warehouse


@pytest.fixture
def change(month: Warehouse) -> Iterator[Connection]:
    """Changes that are undone, whatever was committed."""
    with month.connect() as connection:
        yield connection
    with month.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM quality.quarantine")
        cursor.execute("DELETE FROM ops.collected_ranges WHERE symbol <> 'transactions'")
        cursor.execute(
            "DELETE FROM onchain.metrics WHERE (asset, metric) <> ('BTC', 'transactions') OR observed_on > '2026-02-28'"
        )
        cursor.execute(
            "UPDATE onchain.metrics SET value = 5, known_at = (observed_on + 2)::timestamp AT TIME ZONE 'UTC'"
        )
        rows = [
            Row(SERIES, day, 5.0, "coinmetrics x", end_of(day) + DAY, is_new=True)
            for day in days_of(START.date(), END.date())
        ]
        upsert(connection, metrics, build_rows(rows))


def universe() -> Universe:
    return parse_universe(UNIVERSE, "universe.yaml")


def verdict(warehouse: Warehouse, name: str, window: VenueWindow = FEBRUARY) -> tuple[bool, list[Finding]]:
    rule = next(one for one in RULES if one.name == name)
    findings = list(rule.look(warehouse, universe(), window))
    return rule.passes(findings, universe()), findings


def execute(connection: Connection, statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
    connection.commit()


@pytest.mark.parametrize("rule", [rule.name for rule in RULES])
def test_a_sound_month_passes(month: Warehouse, rule: str) -> None:
    assert verdict(month, rule)[0]


@pytest.mark.parametrize(
    ("rule", "statement"),
    [
        ("values_not_negative", "UPDATE onchain.metrics SET value = -1 WHERE observed_on = '2026-02-07'"),
        ("values_within_bounds", "UPDATE onchain.metrics SET value = 6e9 WHERE observed_on = '2026-02-07'"),
        ("values_within_bounds", "UPDATE onchain.metrics SET value = 0 WHERE observed_on = '2026-02-07'"),
        (
            "no_value_from_the_future",
            "UPDATE onchain.metrics SET known_at = '2100-01-01' WHERE observed_on = '2026-02-07'",
        ),
    ],
)
def test_a_broken_row_is_found_by_its_day(month: Warehouse, change: Connection, rule: str, statement: str) -> None:
    execute(change, statement)
    passed, findings = verdict(month, rule)
    assert not passed
    assert [(one.venue, one.symbol, one.checked, one.failed, one.example) for one in findings] == [
        (*SERIES, 28, 1, "2026-02-07 00:00")
    ]


def test_net_flows_may_be_negative(month: Warehouse, change: Connection) -> None:
    day = START.date()
    upsert(
        change,
        metrics,
        build_rows([Row(("BTC", "exchange_net_flow"), day, -9.0, "coinmetrics x", end_of(day) + DAY, is_new=True)]),
    )
    change.commit()
    assert verdict(month, "values_not_negative")[0]
    assert verdict(month, "values_within_bounds")[0]


def test_the_database_itself_refuses_what_was_known_too_soon_and_what_is_no_number(change: Connection) -> None:
    for wrong in ("known_at = '2026-02-07 12:00+00'", "value = 'NaN'", "value = 'infinity'"):
        with pytest.raises(psycopg2.errors.CheckViolation), change.cursor() as cursor:
            cursor.execute(f"UPDATE onchain.metrics SET {wrong} WHERE observed_on = '2026-02-07'")  # noqa: S608 - fixed texts
        change.rollback()


def test_lost_days_are_named_and_two_are_too_many(month: Warehouse, change: Connection) -> None:
    execute(change, "DELETE FROM onchain.metrics WHERE observed_on = '2026-02-09'")
    passed, (finding,) = verdict(month, "days_are_known")
    assert passed  # one of 28 is 3.6 percent
    assert (finding.checked, finding.failed, finding.note) == (28, 1, "no source has 2026-02-09")
    execute(change, "DELETE FROM onchain.metrics WHERE observed_on = '2026-02-20'")
    passed, (finding,) = verdict(month, "days_are_known")
    assert not passed
    assert finding.note == "no source has 2026-02-09, 2026-02-20"


def test_days_before_a_chain_began_are_no_loss(month: Warehouse, change: Connection) -> None:
    execute(change, "DELETE FROM onchain.metrics WHERE observed_on < '2026-02-11'")
    passed, (finding,) = verdict(month, "days_are_known")
    assert passed
    assert (finding.checked, finding.failed, finding.note) == (18, 0, "10 days lie before its first value")


def test_a_refused_row_is_a_warning(month: Warehouse, change: Connection) -> None:
    quarantine(
        change,
        dataset=DATASET,
        venue="",
        symbol="coinmetrics BTC",
        timeframe=TICK,
        items=[Refused("bad", {"TxCnt": "x"})],
    )
    change.commit()
    passed, findings = verdict(month, "rows_are_accepted")
    assert not passed
    assert [(one.symbol, one.failed, one.example) for one in findings if one.failed] == [("coinmetrics BTC", 1, "bad")]


def test_in_the_open_month_an_old_newest_day_and_none_at_all_are_late(month: Warehouse, change: Connection) -> None:
    now = datetime.now(UTC)
    window = VenueWindow("", *month_window(month_key(now)))
    for metric, days_ago in (("supply", 2), ("hash_rate", 6)):
        day: date = now.date() - days_ago * DAY
        upsert(
            change,
            metrics,
            build_rows([Row(("BTC", metric), day, 5.0, "coinmetrics x", end_of(day) + DAY, is_new=True)]),
        )
    for metric in ("supply", "hash_rate", "fees_usd"):
        mark_collected(change, DATASET, "BTC", metric, TICK, window.start, window.end)
    mark_collected(change, DATASET, "XYZ", "supply", TICK, window.start, window.end)  # collected no more
    change.commit()
    passed, findings = verdict(month, "newest_day_is_recent", window)
    assert not passed
    assert {one.symbol: one.failed for one in findings} == {"fees_usd": 1, "hash_rate": 1, "supply": 0}
    assert verdict(month, "newest_day_is_recent")[1] == []  # February is over
