"""Figures that alerts hang on: results of checks that others hide, venues silent for days, sessions of the whole server."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from sqlalchemy import make_url

from crypto_assets.dashboard.figures.quotes import SilentVenue, read_quotes, read_silent
from crypto_assets.dashboard.figures.runs import CheckState, read_checks
from crypto_assets.dashboard.figures.storage import read_storage
from crypto_assets.dashboard.metrics import quotes
from crypto_assets.dashboard.read_only import ReadOnly, asking
from crypto_assets.quality.check_results import check_failures
from crypto_assets.warehouse.connection import Warehouse, ensure_database
from crypto_assets.warehouse.server import ServerAddress
from crypto_assets_tests.dashboard import world

BARS = dg.AssetKey(["market", "ohlcv"])
CHECK = dg.AssetCheckKey(BARS, "newest_bar_is_recent")
GATE, MEXC, OLD = "2026-03-01|gate", "2026-03-01|mexc", "2026-02-01|gate"
ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
_OLDER = (
    "UPDATE asset_check_executions SET evaluation_event_timestamp = evaluation_event_timestamp - interval '41 minutes'"
)


@dataclass(frozen=True)
class Storage:
    """A Dagster storage in PostgreSQL."""

    instance: dg.DagsterInstance
    place: Warehouse


@pytest.fixture(scope="module")
def stored(server: ServerAddress) -> Iterator[Storage]:
    url = server.url(f"dagster_{uuid.uuid4().hex[:12]}")
    ensure_database(url)
    place = make_url(url.get_secret_value()).set(drivername="postgresql+psycopg2")
    told = {"postgres": {"postgres_url": place.render_as_string(hide_password=False)}}
    with dg.instance_for_test(overrides={"storage": told, "telemetry": {"enabled": False}}) as instance:
        yield Storage(instance, Warehouse(url))


@pytest.fixture
def storage(stored: Storage) -> Storage:
    """Nothing was judged yet."""
    stored.instance.event_log_storage.wipe()
    return stored


def _judge(storage: Storage, what: str, *, passed: bool, severity: dg.AssetCheckSeverity = ERROR) -> None:
    """A run over a partition, a range (a...b) or all there is, that judged so."""
    venues = dg.MultiPartitionsDefinition(
        {"month": dg.StaticPartitionsDefinition(["2026-02-01", "2026-03-01"]),
         "venue": dg.StaticPartitionsDefinition(["gate", "mexc"])}
    )  # fmt: skip

    @dg.asset(
        key=BARS, partitions_def=venues if what else None, check_specs=[dg.AssetCheckSpec(CHECK.name, asset=BARS)],
        backfill_policy=dg.BackfillPolicy.single_run(),
    )  # fmt: skip
    def ohlcv() -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        yield dg.MaterializeResult()
        yield dg.AssetCheckResult(
            passed=passed, check_name=CHECK.name, severity=severity, description=f"{what} {severity.value}"
        )

    start, is_range, end = what.partition("...")
    ends = {"dagster/asset_partition_range_start": start, "dagster/asset_partition_range_end": end}
    dg.materialize(
        [ohlcv],
        instance=storage.instance,
        partition_key=None if is_range else what or None,
        tags=ends if is_range else {},
    )


def _older(storage: Storage) -> None:
    """All that was judged is 41 minutes older."""
    with storage.place.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_OLDER)


def _told(storage: Storage) -> list[str]:
    """What the dashboard says fails, which is what alerts say."""
    with asking(storage.place) as cursor:
        states = read_checks(cursor)
    assert [(one.asset, one.check) for one in states] == [("market/ohlcv", CHECK.name)]
    failures = [of[0][1] for _, of in check_failures(storage.instance, [CHECK], datetime.now(UTC))]
    assert _shown(states) == [one.description for one in failures]
    return _shown(states)


def _shown(states: Sequence[CheckState]) -> list[str]:
    for one in states:
        assert one.severity in one.told
    return [one.told for one in states if not one.passed]


def test_a_venue_that_holds_hides_no_failure_of_another(
    storage: Storage,
) -> None:
    _judge(storage, GATE, passed=False)
    _judge(storage, MEXC, passed=True)
    assert _told(storage) == [f"{GATE} ERROR"]
    _older(storage)
    _judge(storage, MEXC, passed=False, severity=WARN)
    assert _told(storage) == [f"{GATE} ERROR"]  # however long ago, and before one that warns
    _judge(storage, GATE, passed=True)
    assert _told(storage) == [f"{MEXC} WARN"]
    _judge(storage, "", passed=True)  # all there is
    assert _told(storage) == []


def test_what_follows_a_failed_month_ends_it_once_the_round_is_over(
    storage: Storage,
) -> None:
    both = f"{OLD}...{GATE}"
    _judge(storage, both, passed=False)
    _judge(storage, GATE, passed=True)
    assert _told(storage) == [f"{both} ERROR"]
    _older(storage)
    assert _told(storage) == []
    _judge(storage, OLD, passed=False)
    _judge(storage, both, passed=False)
    _judge(storage, both, passed=True)
    assert _told(storage) == [f"{OLD} ERROR"]


def test_a_venue_that_was_silent_for_days_still_has_an_age(shared_warehouse: Warehouse) -> None:
    now = datetime.now(UTC)
    for venue, symbol, ago in (
        ("quiet", "AAA/USDT", timedelta(days=6)), ("quiet", "BTC/USDT", timedelta(days=5)),
        ("quiet", "ETH/USDT", timedelta(days=7)), ("well", "BTC/USDT", timedelta(days=5)), ("well", "BTC/USDT", timedelta()),
    ):  # fmt: skip
        world.put_quote(shared_warehouse, venue, symbol, now - ago)
    with asking(shared_warehouse) as cursor:
        silent, newest = read_silent(cursor), read_quotes(cursor)
    [quiet] = [one for one in silent if one.venue in {"quiet", "well"}]
    assert quiet == SilentVenue("quiet", pytest.approx(5 * 86_400, abs=600))
    metrics = {one.name: one for one in quotes(newest, silent)}
    ages = {one.labels["venue"]: one.value for one in metrics["crypto_assets_quotes_newest_age_seconds"].samples}
    assert ages["quiet"] == quiet.seconds_ago
    assert ages["well"] < 600
    markets = {one.labels["venue"] for one in metrics["crypto_assets_quotes_markets"].samples}
    assert "quiet" not in markets


@pytest.mark.parametrize("is_reader", [False, True], ids=["the owner", "the reader"])
def test_sessions_of_other_databases_count_for_the_server(
    shared_warehouse: Warehouse, storage: Storage, *, is_reader: bool
) -> None:
    place = ReadOnly(shared_warehouse.url, takes_role=is_reader)

    def count() -> int:
        with asking(place.warehouse) as cursor:
            return sum(read_storage(cursor).connections.values())

    before = count()
    with ExitStack() as sessions:
        for _ in range(7):
            sessions.enter_context(storage.place.connect())
        assert count() >= before + 5  # others may have gone meanwhile
