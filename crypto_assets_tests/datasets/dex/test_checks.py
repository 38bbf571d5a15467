"""Every check of datasets/dex holds on sound rows, and fails when its rule is broken."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from crypto_assets.datasets.dex.dexes.checks import RULES as DEXES
from crypto_assets.datasets.dex.pool_ohlcv.checks import RULES as POOL_OHLCV
from crypto_assets.datasets.dex.pool_trades.checks import RULES as POOL_TRADES
from crypto_assets.datasets.dex.pools.checks import RULES as POOLS
from crypto_assets.datasets.dex.watchlist.checks import RULES as WATCHLIST
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.checks import Rule, result_of
from crypto_assets.universe import parse_universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.dex.stage import UNIVERSE
from crypto_assets_tests.datasets.dex.world import KeptOpen

RULES: Mapping[str, Sequence[Rule]] = {
    "dexes": DEXES, "pools": POOLS, "watchlist": WATCHLIST, "pool_ohlcv": POOL_OHLCV, "pool_trades": POOL_TRADES,
}  # fmt: skip
UNIVERSE_OF_TESTS = parse_universe(UNIVERSE, "universe.yaml")
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)  # checks of recency read the real clock
WINDOW = VenueWindow("solana", TODAY, TODAY + timedelta(days=1))
_TABLES = (
    *(f"dex.{name}" for name in ("dexes", "pools", "watchlist", "pool_ohlcv", "pool_trades")),
    "ops.collected_ranges", "ops.market_polls", "quality.quarantine", "quality.coverage",
)  # fmt: skip

SOUND = """
INSERT INTO dex.dexes (network, dex, name, first_seen_at, source, known_at)
VALUES ('solana', 'heaven', 'Heaven', %(now)s, 't', %(now)s), ('solana', 'pumpswap', 'PumpSwap', %(now)s, 't', %(now)s);
INSERT INTO dex.pools (network, pool_address, snapshot_at, dex, name, base_token, base_symbol, quote_token, quote_symbol,
                       created_at, found_in, is_listed, price_usd, price_quote, quote_price_usd, reserve_usd, volume_usd_5m,
                       volume_usd_1h, volume_usd_6h, volume_usd_24h, buys_24h, sells_24h, source, known_at)
VALUES ('solana', 'p', %(now)s, 'heaven', 'A / B', 'a', 'A', 'b', 'B', %(start)s, 'top', true, 2, 1, 2, 100, 1, 2, 3, 4, 1, 1,
        't', %(now)s);
INSERT INTO dex.watchlist (network, address, valid_from, address_type, symbol, min_trade_usd, note, pool_address, source,
                           known_at)
VALUES ('solana', 'p', %(start)s, 'pool', '', 0, '', 'p', 't', %(start)s);
INSERT INTO dex.pool_ohlcv (network, pool_address, timeframe, opened_at, open, high, low, close, volume_usd, source, known_at)
VALUES ('solana', 'p', '1m', %(start)s, 2, 3, 1, 2, 10, 't', %(start)s),
       ('solana', 'p', '5m', %(start)s, 2, 3, 1, 2, 10, 't', %(start)s);
INSERT INTO dex.pool_trades (network, pool_address, traded_at, tx_hash, ordinal, block_number, side, price_usd, amount_base,
                             amount_quote, volume_usd, sender, source, known_at)
VALUES ('solana', 'p', %(start)s, 'x', 1, 1, 'buy', 2, 2, 1, 4, 's', 't', %(start)s);
INSERT INTO ops.collected_ranges (dataset, venue, symbol, timeframe, collected)
VALUES ('dex/pool_ohlcv', 'solana', 'p', '1m', tstzmultirange(tstzrange(%(start)s, %(start)s + interval '1 min'))),
       ('dex/pool_ohlcv', 'solana', 'p', '5m', tstzmultirange(tstzrange(%(start)s, %(start)s + interval '5 min')));
INSERT INTO ops.market_polls (dataset, venue, symbol, polled_at, due_at, interval_seconds, longest_wait_seconds)
VALUES ('dex/pool_ohlcv', 'solana', 'p', %(now)s, %(now)s, 300, 0),
       ('dex/pool_trades', 'solana', 'p', %(now)s, %(now)s, 300, 0);
"""
_REFUSED = """
INSERT INTO quality.quarantine (dataset, venue, symbol, timeframe, payload_hash, payload, reason)
VALUES ('dex/{0}', 'solana', 'p', 'tick', 'hash', 'null', 'no row')
"""
_LOST = """
INSERT INTO quality.coverage (dataset, venue, symbol, timeframe, gap_start, gap_end, state, evidence, first_seen)
VALUES ('dex/pool_trades', 'solana', 'p', 'tick', %(start)s, %(start)s + interval '90 s', 'unrecoverable',
        '{"why": "x"}', now())
"""
_FREE = "ALTER TABLE dex.{0} DROP CONSTRAINT {1};"
_TWICE = "ALTER TABLE dex.{0} DROP CONSTRAINT {0}_pkey; INSERT INTO dex.{0} SELECT * FROM dex.{0} WHERE {1};"

# What breaks each rule, and which others it must break with it.
BROKEN: Mapping[str, tuple[str, set[str]]] = {
    "dexes.key_is_unique": (_TWICE.format("dexes", "dex = 'heaven'"), set()),
    "dexes.names_are_told": ("UPDATE dex.dexes SET name = '' WHERE dex = 'heaven'", set()),
    "dexes.vanished_after_seen": (
        "UPDATE dex.dexes SET vanished_at = %(start)s - interval '1 day' WHERE dex = 'heaven'",
        {"dexes.followed_are_listed"},
    ),
    "dexes.rows_are_accepted": (_REFUSED.format("dexes"), set()),
    "dexes.followed_are_listed": ("DELETE FROM dex.dexes WHERE dex = 'pumpswap'", set()),
    "pools.key_is_unique": (_TWICE.format("pools", "true"), set()),
    "pools.prices_positive": ("UPDATE dex.pools SET quote_price_usd = 0", set()),
    "pools.reserve_not_negative": ("UPDATE dex.pools SET reserve_usd = -1", set()),
    "pools.volumes_not_negative": ("UPDATE dex.pools SET sells_24h = -1", set()),
    "pools.windows_are_nested": ("UPDATE dex.pools SET volume_usd_6h = 4.1", set()),
    "pools.made_before_seen": ("UPDATE dex.pools SET created_at = snapshot_at + interval '62 s'", set()),
    "pools.rows_are_accepted": (_REFUSED.format("pools"), set()),
    "pools.newest_snapshot_is_recent": ("UPDATE dex.pools SET snapshot_at = snapshot_at - interval '61 min'", set()),
    "watchlist.key_is_unique": (
        "UPDATE dex.watchlist SET valid_to = now();" + _TWICE.format("watchlist", "true"),  # noqa: S608 - constants
        set(),
    ),
    "watchlist.minimum_not_negative": ("UPDATE dex.watchlist SET min_trade_usd = -1", set()),
    "watchlist.entries_have_a_pool": (
        "INSERT INTO dex.watchlist (network, address, valid_from, address_type, symbol, min_trade_usd, note, source, known_at)"
        " VALUES ('solana', 'q', %(start)s - interval '90 days', 'pool', '', 0, '', 't', now())",
        set(),
    ),
    "pool_ohlcv.key_is_unique": (_TWICE.format("pool_ohlcv", "timeframe = '5m'"), set()),
    "pool_ohlcv.prices_in_order": ("UPDATE dex.pool_ohlcv SET high = 1.5 WHERE timeframe = '5m'", set()),
    "pool_ohlcv.volume_not_negative": (
        "UPDATE dex.pool_ohlcv SET volume_usd = -1 WHERE timeframe = '1m'",
        {"pool_trades.trades_fit_bars"},
    ),
    "pool_ohlcv.no_bar_from_the_future": (
        "UPDATE dex.pool_ohlcv SET known_at = ingested_at + interval '62 s' WHERE timeframe = '5m'",
        set(),
    ),
    "pool_ohlcv.bars_on_grid": (
        "UPDATE dex.pool_ohlcv SET opened_at = opened_at + interval '1 min' WHERE timeframe = '5m'",
        set(),
    ),
    "pool_ohlcv.shorter_bars_add_up": ("UPDATE dex.pool_ohlcv SET volume_usd = 9.99 WHERE timeframe = '5m'", set()),
    "pool_ohlcv.rows_are_accepted": (_REFUSED.format("pool_ohlcv"), set()),
    "pool_ohlcv.gaps_are_explained": ("DELETE FROM dex.pool_ohlcv WHERE timeframe = '5m'", set()),
    "pool_ohlcv.pools_were_asked": (
        "UPDATE ops.market_polls SET polled_at = polled_at - interval '61 min' WHERE dataset = 'dex/pool_ohlcv'",
        set(),
    ),
    "pool_trades.key_is_unique": (_TWICE.format("pool_trades", "true"), set()),
    "pool_trades.price_positive": (
        _FREE.format("pool_trades", "pool_trades_not_negative") + "UPDATE dex.pool_trades SET amount_quote = -1",  # noqa: S608
        set(),
    ),
    "pool_trades.value_is_price_times_amount": ("UPDATE dex.pool_trades SET amount_base = 2.03", set()),
    "pool_trades.no_trade_from_the_future": (
        "UPDATE dex.pool_trades SET received_at = traded_at - interval '61 s'",
        set(),
    ),
    "pool_trades.trades_fit_bars": ("UPDATE dex.pool_trades SET price_usd = 3.01, amount_base = 1.3289", set()),
    "pool_trades.rows_are_accepted": (_REFUSED.format("pool_trades"), set()),
    "pool_trades.no_trade_is_lost": (_LOST, set()),
    "pool_trades.pools_were_asked": (
        "UPDATE ops.market_polls SET failures = 1, last_error = '503' WHERE dataset = 'dex/pool_trades'",
        set(),
    ),
}


@dataclass(frozen=True)
class _Judged:
    """A database of sound rows, and what was there of constraints."""

    warehouse: KeptOpen
    constraints: Mapping[tuple[str, str], str]

    def after(self, statement: str, datasets: Collection[str] = tuple(RULES)) -> set[str]:
        """The rules of some datasets that fail once a statement has been run over sound rows."""
        self._run(f"TRUNCATE {', '.join(_TABLES)}")
        missing = self.constraints.keys() - _constraints(self.warehouse).keys()
        for table, name in sorted(missing):
            self._run(f"ALTER TABLE {table} ADD CONSTRAINT {name} {self.constraints[table, name]}")
        self._run(SOUND)
        self._run(statement)
        return {
            f"{dataset}.{rule.name}"
            for dataset in datasets
            for rule in RULES[dataset]
            if not result_of(rule, rule.look(self.warehouse, UNIVERSE_OF_TESTS, WINDOW), UNIVERSE_OF_TESTS).passed
        }

    def _run(self, statement: str) -> None:
        with self.warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement, {"now": datetime.now(UTC), "start": TODAY})


def _constraints(warehouse: Warehouse) -> dict[tuple[str, str], str]:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT r.oid::regclass::text, conname, pg_get_constraintdef(c.oid) FROM pg_constraint c"
            " JOIN pg_class r ON r.oid = conrelid WHERE connamespace = 'dex'::regnamespace AND NOT relispartition"
            " AND contype IN ('p', 'c')"
        )
        return {(table, name): definition for table, name, definition in cursor.fetchall()}


@pytest.fixture(scope="module")
def judged(shared_warehouse: Warehouse) -> Iterator[_Judged]:
    warehouse = KeptOpen(shared_warehouse)
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # no trigger keeps what is put here and taken away
        for table in ("pools", "pool_ohlcv", "pool_trades"):
            for moment in (TODAY, TODAY - timedelta(days=1)):
                cursor.execute("SELECT ops.ensure_year_partition(%s, %s)", (f"dex.{table}", moment))
    yield _Judged(warehouse, _constraints(warehouse))
    warehouse.close()


def test_sound_rows_keep_every_rule(judged: _Judged) -> None:
    assert judged.after("SELECT 1") == set()
    assert BROKEN.keys() == {f"{dataset}.{rule.name}" for dataset, rules in RULES.items() for rule in rules}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_seen_and_no_other(judged: _Judged, name: str) -> None:
    statement, others = BROKEN[name]
    datasets = {one.split(".")[0] for one in (name, *others)}
    assert judged.after(statement, datasets) == {name, *others}


def test_longer_bars_are_no_more_than_their_shorter_ones_where_all_are_there(judged: _Judged) -> None:
    minute = (
        "INSERT INTO dex.pool_ohlcv SELECT network, pool_address, timeframe, opened_at + {0} * interval '1 min', open, high,"
        " low, close, 0, source, known_at FROM dex.pool_ohlcv WHERE timeframe = '1m' AND opened_at = %(start)s;"
    )
    shrink = "UPDATE dex.pool_ohlcv SET volume_usd = 9.99 WHERE timeframe = '1m' AND opened_at = %(start)s;"
    four, five = (";".join(minute.format(number) for number in range(1, count)) for count in (4, 5))
    assert judged.after(four + shrink, ["pool_ohlcv"]) == set()  # the fifth may still come
    assert judged.after(five, ["pool_ohlcv"]) == set()
    assert judged.after(five + shrink, ["pool_ohlcv"]) == {"pool_ohlcv.shorter_bars_add_up"}
