"""Checks and gap ledger on tables that say network and pool_address in the place of venue and symbol.

The tables are the test's own, so that only what `Table.info` says of them can make the rules work.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
import numpy as np
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name
from psycopg2.extras import execute_values
from sqlalchemy import Column, DateTime, Double, MetaData, Table, Text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from crypto_assets.partitions import VenueWindow, day_key, day_window, grids_of, join_network_key
from crypto_assets.quality.checks import (
    Look,
    Rule,
    bars_on_grid,
    jump_within_bound,
    key_is_unique,
    make_check,
    newest_row_is_recent,
    result_of,
    rows_keep,
)
from crypto_assets.quality.completeness import few_anomalies, gaps_are_explained, rows_are_accepted
from crypto_assets.quality.coverage import TICK, SeriesKey, missing_gaps, name_open_gaps, observe, read_open
from crypto_assets.quality.findings import Dimension, Finding, Grid
from crypto_assets.quality.gaps import Answer, Span
from crypto_assets.quality.scan import collected_series, scan
from crypto_assets.quality.scores import latest_scores
from crypto_assets.quality.series import symbol_of, time_of, venue_of
from crypto_assets.resources import UniverseFile
from crypto_assets.universe import parse_universe
from crypto_assets.warehouse.collected import mark_collected
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.quarantine import Refused, quarantine

ORCA = "Czfq3xZZDmsdGdUyrNLtRhGc47cXcZtLG4crryfu44zE"
RAY = "58oQChx4yWmvKdwLLZzBi4ChoCc2fqCUWBkwMihLYQo2"
HALF_DAY, DAY = timedelta(hours=12), timedelta(days=1)
BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
WINDOW = VenueWindow("solana", BEGIN, BEGIN + timedelta(days=300))
DATASET = "trial/pool_bars"
KEY = SeriesKey(DATASET, "solana", ORCA, "12h")
TEXT = "history_from: 2024-01-01\nvenues: {kraken: {markets: [BTC/USD]}}"
UNIVERSE = parse_universe(TEXT, "u.yaml")

TRIAL = MetaData(schema="trial")
POOL_BARS = Table(
    "pool_bars",
    TRIAL,
    *(Column(name, Text(), nullable=False) for name in ("network", "pool_address", "timeframe")),
    Column("opened_at", DateTime(timezone=True), nullable=False),
    *(Column(name, Double(), nullable=False) for name in ("open", "close", "volume_usd")),
    Column("known_at", DateTime(timezone=True), nullable=False),
    info={"series": ("network", "pool_address")},
)
POOL_TRADES = Table(
    "pool_trades",
    TRIAL,
    *(Column(name, Text(), nullable=False) for name in ("network", "pool_address", "trade_id")),
    Column("traded_at", DateTime(timezone=True), nullable=False),
    Column("known_at", DateTime(timezone=True), nullable=False),
    info={"series": ("network", "pool_address"), "time": "traded_at"},
)
DEXES = Table(
    "dexes",
    TRIAL,
    *(Column(name, Text(), nullable=False) for name in ("network", "dex")),
    Column("first_seen_at", DateTime(timezone=True), nullable=False),
    info={"series": ("network", "dex"), "time": "first_seen_at"},
)


@pytest.fixture
def pools(warehouse: Warehouse) -> Warehouse:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA trial")
        for table in TRIAL.sorted_tables:
            cursor.execute(str(CreateTable(table).compile(dialect=postgresql.dialect())))  # type: ignore[no-untyped-call]
    return warehouse


def put(connection: Connection, table: Table, *rows: Sequence[object]) -> None:
    with connection.cursor() as cursor:
        execute_values(cursor, f"INSERT INTO {table.fullname} VALUES %s", rows)  # noqa: S608 - a constant


def at(number: int) -> datetime:
    return BEGIN + number * HALF_DAY


def span(first: int, last: int) -> Span:
    return at(first), at(last)


def store(
    connection: Connection, closes: dict[int, float], upto: int, pool: str = ORCA, network: str = "solana"
) -> None:
    """Bars of 12 hours that open at each number's moment, and that all was collected from the first moment on."""
    rows = [
        (network, pool, "12h", at(n), close, close, 1000.0 + n % 3, at(n + 1)) for n, close in sorted(closes.items())
    ]
    put(connection, POOL_BARS, *rows)
    mark_collected(connection, DATASET, network, pool, "12h", at(0), at(upto))


def found(look: Look, warehouse: Warehouse, window: VenueWindow = WINDOW) -> list[Finding]:
    return sorted(look(warehouse, UNIVERSE, window), key=lambda one: one.series)


def test_a_table_says_which_columns_name_a_series() -> None:
    assert (venue_of(POOL_BARS).name, symbol_of(POOL_BARS).name) == ("network", "pool_address")
    assert (venue_of(DEXES).name, symbol_of(DEXES).name, time_of(DEXES).name) == ("network", "dex", "first_seen_at")


def test_rules_over_rows_name_the_network_and_the_pool(pools: Warehouse) -> None:
    with pools.connect() as connection:
        store(connection, {0: 1.0, 1: -1.0, 2: -1.0}, 3)
        store(connection, {0: 1.0}, 1, RAY)
        store(connection, {0: -1.0}, 1, "0xabc", network="ethereum")
    assert found(rows_keep(POOL_BARS, POOL_BARS.c.close < 0), pools) == [
        Finding("solana", RAY, "12h", 1, 0),
        Finding("solana", ORCA, "12h", 3, 2, "2024-01-01 12:00"),
    ]


def test_a_key_that_stands_twice_is_found_among_bars_events_and_in_a_table_without_pools(pools: Warehouse) -> None:
    with pools.connect() as connection:
        for _ in range(2):
            store(connection, {4: 1.0}, 5)
        put(connection, POOL_TRADES, *(("solana", ORCA, name, at(1), at(1)) for name in ("a", "b", "b")))
        put(connection, DEXES, ("solana", "orca", at(2)), ("solana", "orca", at(2)), ("base", "aerodrome", at(0)))
    [bars] = found(key_is_unique(POOL_BARS), pools)
    assert (bars.symbol, bars.timeframe, bars.checked, bars.failed) == (ORCA, "12h", 2, 1)
    [trades] = found(key_is_unique(POOL_TRADES, "trade_id"), pools)
    assert (trades.symbol, trades.timeframe, trades.checked, trades.failed) == (ORCA, TICK, 3, 1)
    assert found(key_is_unique(DEXES), pools) == [Finding("solana", "orca", TICK, 2, 1, "2024-01-02 00:00")]


def test_bars_of_twelve_hours_open_at_midnight_and_noon(pools: Warehouse) -> None:
    with pools.connect() as connection:
        store(connection, {0: 1.0, 1: 1.0}, 2)
        off = at(1) + timedelta(hours=4)
        put(connection, POOL_BARS, ("solana", ORCA, "12h", off, 1.0, 1.0, 1.0, off + HALF_DAY))
    [finding] = found(bars_on_grid(POOL_BARS), pools)
    assert (finding.checked, finding.failed, finding.example) == (3, 1, "2024-01-01 16:00")


def test_a_jump_is_told_between_adjacent_bars_of_one_pool(pools: Warehouse) -> None:
    with pools.connect() as connection:
        # 1 to 3 is a jump of 200 %; the bar after it is absent, so that its neighbours are not adjacent.
        store(connection, {0: 1.0, 1: 3.0, 3: 10.0}, 4)
        store(connection, {0: 50.0, 1: 51.0}, 2, RAY)
    steady, jumpy = found(jump_within_bound(POOL_BARS), pools)
    assert (steady.symbol, steady.checked, steady.failed) == (RAY, 2, 0)
    assert (jumpy.symbol, jumpy.checked, jumpy.failed, jumpy.example) == (ORCA, 3, 1, "2024-01-01 12:00")


def test_the_newest_row_is_recent_by_a_bound_and_a_choice_of_pools_of_the_datasets_own(pools: Warehouse) -> None:
    now = datetime.now(UTC)
    window = VenueWindow("solana", now - timedelta(days=1), now + timedelta(days=1))
    with pools.connect() as connection:
        for pool, hours in ((ORCA, 13), (RAY, 15), ("left out", 99)):
            opened = now - timedelta(hours=hours) - HALF_DAY
            put(connection, POOL_BARS, ("solana", pool, "12h", opened, 1.0, 1.0, 1.0, opened + HALF_DAY))
            mark_collected(connection, DATASET, "solana", pool, "12h", opened, now)
    look = newest_row_is_recent(
        POOL_BARS, DATASET, wanted=lambda _warehouse, _universe, _window: [ORCA, RAY], max_age_minutes=lambda _u: 120
    )
    late, recent = found(look, pools, window)
    assert [(one.symbol, one.checked, one.failed) for one in (late, recent)] == [(RAY, 1, 1), (ORCA, 1, 0)]
    assert recent.lag_seconds == pytest.approx(13 * 3600, abs=60)
    gone = newest_row_is_recent(
        POOL_BARS, DATASET, lambda _warehouse, _network: frozenset({RAY}), wanted=lambda *_of: {ORCA, RAY}
    )
    assert [one.symbol for one in found(gone, pools, window)] == [ORCA]


def test_the_newest_event_is_recent_where_it_is_younger_than_the_bound(pools: Warehouse) -> None:
    now = datetime.now(UTC)
    window = VenueWindow("solana", now - timedelta(days=1), now + timedelta(days=1))
    ago = now - timedelta(minutes=10)
    with pools.connect() as connection:
        put(connection, POOL_TRADES, ("solana", ORCA, "a", ago, ago))
        for pool in (ORCA, RAY):
            mark_collected(connection, "trial/pool_trades", "solana", pool, TICK, ago, now)

    def judged(minutes: float) -> list[tuple[str, int, str]]:
        look = newest_row_is_recent(
            POOL_TRADES, "trial/pool_trades", wanted=lambda *_of: {ORCA, RAY}, max_age_minutes=lambda _u: minutes
        )
        return [(one.symbol, one.failed, one.example) for one in found(look, pools, window)]

    assert judged(11) == [(RAY, 1, "no row at all"), (ORCA, 0, f"{ago:%Y-%m-%d %H:%M}")]
    assert [failed for _, failed, _ in judged(9)] == [1, 1]


def test_absent_bars_of_a_pool_fail_until_the_ledger_says_why(pools: Warehouse) -> None:
    look = gaps_are_explained(POOL_BARS, DATASET)
    with pools.connect() as connection:
        store(connection, {0: 1.0, 1: 1.0, 4: 1.0}, 5)
    assert found(look, pools) == [Finding("solana", ORCA, "12h", 5, 2, "2 not in the ledger")]
    with pools.connect() as connection, connection.cursor() as cursor:
        observe(connection, POOL_BARS, KEY, span(0, 5), [span(2, 4)])
        cursor.execute("UPDATE quality.coverage SET state = 'venue_quiet'")
    assert found(look, pools) == [Finding("solana", ORCA, "12h", 5, 0, note="2 venue quiet")]


def test_refused_rows_of_a_pool_count_against_its_stored_ones(pools: Warehouse) -> None:
    with pools.connect() as connection:
        store(connection, dict.fromkeys(range(3), 1.0), 3)
        quarantine(connection, items=[Refused("price is not positive", [1])], **vars(KEY))
    assert found(rows_are_accepted(POOL_BARS, DATASET), pools) == [
        Finding("solana", ORCA, "12h", 4, 1, "price is not positive")
    ]


def test_bars_that_stand_out_are_told_by_the_column_of_volume_that_is_named(pools: Warehouse) -> None:
    closes = {n: 100.0 + (n % 2) * 0.1 + (n % 3) * 0.05 for n in range(200)}
    with pools.connect() as connection:
        store(connection, {**closes, 150: 300.0}, 200)
    [finding] = found(few_anomalies(POOL_BARS, "volume_usd"), pools)
    assert (finding.symbol, finding.checked, finding.failed) == (ORCA, 200, 2)  # there and back
    assert finding.example == f"{at(150):%Y-%m-%d %H:%M}"


def _states(connection: Connection, pool: str = ORCA) -> list[tuple[Span, str]]:
    key = SeriesKey(DATASET, "solana", pool, "12h")
    return [(gap.span, gap.state.value) for gap in read_open(connection, key, span(-9, 99))]


def test_a_batch_leaves_out_of_the_ledger_what_is_stored_all_the_same(pools: Warehouse) -> None:
    with pools.connect() as connection:
        store(connection, {2: 1.0}, 5)
        store(connection, {3: 1.0}, 5, RAY)  # another pool's bar fills nobody's gap
        store(connection, {4: 1.0}, 5, network="base")
        observe(connection, POOL_BARS, KEY, span(0, 5), [span(1, 5)])
        assert _states(connection) == [(span(1, 2), "missing"), (span(3, 5), "missing")]


def test_gaps_are_named_by_the_pools_own_first_bar_and_by_the_networks_other_pools(pools: Warehouse) -> None:
    with pools.connect() as connection:
        store(connection, {n: 1.0 for n in range(3, 20) if n not in {9, 10}}, 20)
        store(connection, dict.fromkeys(range(20), 1.0), 20, RAY)
        store(connection, {0: 1.0}, 1, network="base")  # the same address elsewhere is another pool
        for hole in (span(0, 3), span(9, 11)):
            answer = Answer(hole, datetime.now(UTC), "0 bars", is_usable=True)
            observe(connection, POOL_BARS, KEY, hole, [hole])
            observe(connection, POOL_BARS, KEY, hole, [hole], answer=answer, rules=UNIVERSE.gaps)
        place = (DATASET, "solana", "12h", span(0, 20))
        name_open_gaps(connection, POOL_BARS, *place, listings={}, rules=UNIVERSE.gaps)
        # Before its first bar nobody knows whether the pool was there; after it, the other pool had its bars.
        assert _states(connection) == [(span(0, 3), "missing"), (span(9, 11), "venue_quiet")]


def test_a_scan_finds_the_absent_bars_of_a_pool(pools: Warehouse) -> None:
    with pools.connect() as connection:
        store(connection, {1: 1.0, 2: 1.0, 5: 1.0}, 8)
        store(connection, dict.fromkeys(range(8), 1.0), 8, RAY)
    series = collected_series(pools, DATASET, venue="solana")
    scanned, _ = scan(pools, POOL_BARS, series, listings=lambda _network: {}, rules=UNIVERSE.gaps)
    told = [(one.key.symbol, one.expected, one.present) for one in scanned]
    assert sorted(told) == [(RAY, 8, 8), (ORCA, 8, 3)]
    assert [gap.span for _, gap in missing_gaps(pools, DATASET)] == [span(0, 1), span(3, 5), span(6, 8)]


@pytest.fixture
def universe_file(pools: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> UniverseFile:
    path = tmp_path_factory.mktemp("universe") / "universe.yaml"
    path.write_text(f"{TEXT}\ndex: {{networks: {{solana: {{dexes: [orca]}}, base: {{dexes: [aerodrome]}}}}}}\n")
    return UniverseFile(path, pools)


@pytest.mark.parametrize("is_partitioned", [True, False])
def test_a_check_looks_at_the_runs_days_of_a_network_else_at_the_open_day_of_each(
    pools: Warehouse, universe_file: UniverseFile, *, is_partitioned: bool
) -> None:
    seen: list[VenueWindow] = []

    def look(_warehouse: Warehouse, _universe: object, window: VenueWindow) -> list[Finding]:
        seen.append(window)
        return [Finding(window.venue, ORCA, TICK, 10, 1)]

    days = grids_of(BEGIN.date(), ["kraken"], ["base", "solana"]).network_days if is_partitioned else None

    @dg.asset(key=["trial", "pool_bars"], partitions_def=days)
    def pool_bars() -> None:
        """Nothing: only the check matters."""

    rule = Rule("rows_are_sound", "Nothing is wrong.", Dimension.ACCURACY, look)
    check = make_check(DATASET, rule, Grid.NETWORK_DAYS)
    key = join_network_key("2024-01-31", "solana") if is_partitioned else None
    resources = {"warehouse": pools, "universe_file": universe_file}
    before = datetime.now(UTC)
    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize([pool_bars, check], partition_key=key, resources=resources, instance=instance)
    if is_partitioned:
        assert seen == [VenueWindow("solana", *day_window("2024-01-31"))]
    else:
        assert {day_key(window.start) for window in seen} <= {day_key(before), day_key(datetime.now(UTC))}
        assert [(window.venue, window.end - window.start) for window in seen] == [("base", DAY), ("solana", DAY)]
    scores = latest_scores(pools)
    assert scores["symbol"].unique().tolist() == [ORCA]
    np.testing.assert_allclose(scores["accuracy"], 0.9)
    assert f"solana {ORCA} tick: 1 of 10" in (result_of(rule, look(pools, None, WINDOW), UNIVERSE).description or "")
