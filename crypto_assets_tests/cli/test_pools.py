"""`show pools`, `show pool`, `collect-pools` and what `status` says of pools, over rows that are checked by hand."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
from typer.testing import CliRunner

from crypto_assets.cli import show_text
from crypto_assets.cli.collect_pools import choose_pools, plan_pools, print_collected
from crypto_assets.cli.console import OUT
from crypto_assets.cli.main import app
from crypto_assets.cli.runs import Plan
from crypto_assets.cli.worker import execute
from crypto_assets.clients.breaker import BreakerState, BreakerStatus
from crypto_assets.clients.pool_rows import PoolRow
from crypto_assets.collection.shared_pace import SharedPace
from crypto_assets.datasets.dex.pool_ohlcv.table import pool_ohlcv
from crypto_assets.datasets.dex.pool_ohlcv.table import series_of as bars_of
from crypto_assets.datasets.dex.pool_trades.continuity import name_lost
from crypto_assets.datasets.dex.pool_trades.continuity import series_of as trades_of
from crypto_assets.datasets.dex.pool_trades.table import DATASET as TRADES
from crypto_assets.datasets.dex.pool_trades.table import pool_trades
from crypto_assets.datasets.dex.pools.asset import build_gone, build_rows
from crypto_assets.datasets.dex.pools.lives import note_gone, note_seen
from crypto_assets.datasets.dex.pools.table import pools
from crypto_assets.datasets.dex.watchlist.asset import Entry
from crypto_assets.datasets.dex.watchlist.asset import build_rows as build_entries
from crypto_assets.datasets.dex.watchlist.table import watchlist
from crypto_assets.definitions import build_definitions
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.quality.coverage import observe, write_changes
from crypto_assets.quality.gaps import Evidence, Gap, State
from crypto_assets.sandbox.config import SandboxConfig
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.settings import Settings
from crypto_assets.universe import DexRules, Universe, parse_universe
from crypto_assets.warehouse.collected import mark_collected
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.limits import Poll, write_poll
from crypto_assets.warehouse.write import upsert
from crypto_assets.watchlist_file import COLUMNS

UNIVERSE = """
history_from: 2026-01-01
venues: {okx: {markets: [BTC/USDT]}}
dex:
  networks:
    solana: {dexes: [heaven, pumpswap]}
    ethereum: {id: eth, dexes: [uniswap_v3]}
    base: {dexes: [aerodrome]}
"""
DEEP = "7bqJG2ZdMKbEkgSmfuqNVBvqEvWavgL8UEo33ZqdL3NP"
EVIL = "AHjAgc4MNa3ZSBuZsD22SjWgWzqfGiw4sKdJnKuHqu9r"
DRY = "3iUDG19TG1Svh9K8EvvwmwGuqRAdYSQRQYkQciLsSFVC"
BOTH = "0x88e6a0c2ddd26feeb64f039a2c41296fcb3f5640"
WSOL = "So11111111111111111111111111111111111111112"
HOSTILE = "[bold red]RUG[/] :boom: \x1b[2J\u202e"
HOUR = timedelta(hours=1)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

type Run = Callable[..., str]


def row(address: str, name: str, reserve: float, *, dex: str = "pumpswap", traded: int = 40) -> PoolRow:
    volume, count = {"1h": 1234.5, "24h": 99.0 * traded}, {"1h": traded // 4, "24h": traded}
    return PoolRow(
        address, name, dex, f"{address[:20]}base", WSOL, name.partition(" / ")[0], "SOL", 0.25, NOON - timedelta(days=3),
        "0.0000467857000000000000001", "0.0000003", "157.5", reserve, 46_785.7, None,
        volume, count, count, {}, {}, {"24h": -1.5},
    )  # fmt: skip


def see(warehouse: Warehouse, network: str, rows: list[PoolRow], at: datetime, gone: tuple[str, ...] = ()) -> None:
    """A round of snapshots, as the asset stores it."""
    with warehouse.connect() as connection:
        note_seen(connection, network, rows, at, "test", DexRules())
        upsert(connection, pools, build_rows(network, [(one, "top") for one in rows], at))
        lost = note_gone(connection, network, gone, at)
        if lost:
            upsert(connection, pools, build_gone(network, lost, at))


def seed_pools(warehouse: Warehouse) -> None:
    """At 11:00 the deep and the evil pool; at 12:00 the evil one is listed no more, and a drained one is found."""
    deep, evil = row(DEEP, "CBRL / SOL", 50_000), row(EVIL, HOSTILE, 900, dex="heaven")
    see(warehouse, "solana", [deep, evil], NOON - HOUR)
    see(warehouse, "solana", [deep, row(DRY, "DRY / SOL", 5, traded=0)], NOON, gone=(EVIL,))
    for network in ("ethereum", "base"):
        see(warehouse, network, [row(BOTH, "USDC / WETH 0.05%", 1_000_000, dex="uniswap_v3")], NOON)


def seed_bars(warehouse: Warehouse) -> None:
    """Of the deep pool 8:00 to 12:00: three hours, one of them missing, one quiet; two quarters of an hour."""
    key = bars_of("solana", DEEP, "1h")
    batches = {"1h": ["08:00", "10:00"], "15m": ["10:00", "10:30"]}
    with warehouse.connect() as connection:
        for timeframe, clocks in batches.items():
            opened = np.array([f"2026-03-01T{one}" for one in clocks], dtype="datetime64[us]")
            closes = np.array([0.00005, 0.00006])
            prices = dict.fromkeys(("open", "high", "low", "close", "volume_usd"), closes)
            names = {"network": "solana", "pool_address": DEEP, "timeframe": timeframe, "source": "test"}
            upsert(connection, pool_ohlcv, {**names, "opened_at": opened, "known_at": opened, **prices})
        mark_collected(connection, *key.values(), NOON - 4 * HOUR, NOON)
        observe(connection, pool_ohlcv, key, (NOON - 4 * HOUR, NOON), [(NOON - 3 * HOUR, NOON - 2 * HOUR)])
        quiet = Gap(NOON - HOUR, NOON, State.VENUE_QUIET, Evidence(why="nothing traded"), NOON)
        write_changes(connection, key, [], [quiet])


def seed_trades(warehouse: Warehouse) -> None:
    """Two trades of the deep pool, and half an hour of which they are gone."""
    key = trades_of("solana", DEEP)
    traded_at = np.array(["2026-03-01T11:00:01", "2026-03-01T11:59:59"], dtype="datetime64[us]")
    told = {
        "traded_at": traded_at, "known_at": traded_at, "tx_hash": np.array(["tx" * 30, "ty" * 30], dtype=object),
        "ordinal": np.array([1, 1]), "block_number": np.array([7, 8]), "side": np.array(["buy", "sell"], dtype=object),
        "price_usd": np.array(["0.0000467857", "0.0000467"], dtype=object),
        "amount_base": np.array(["1000", "2000.5"], dtype=object),
        "amount_quote": np.array(["0.1", "0.2"], dtype=object), "volume_usd": np.array(["1.5", "3"], dtype=object),
        "sender": np.array(["a", "b"], dtype=object),
    }  # fmt: skip
    with warehouse.connect() as connection:
        upsert(connection, pool_trades, {"network": "solana", "pool_address": DEEP, "source": "test", **told})
        name_lost(connection, key, (NOON - HOUR, NOON - HOUR / 2), "left the window", NOON)


def seed_operations(warehouse: Warehouse) -> None:
    """The deep pool stands in the watchlist, was polled, and its provider failed with its address."""
    entry = Entry(DEEP, "pool", "CBRL", Decimal("2500.50"), "[i]mine[/i]", NOON - HOUR, None, DEEP, NOON - HOUR)
    now = datetime.now(UTC)
    pace = SharedPace(warehouse, "geckoterminal", 0.5)
    pace.reserve(1)
    pace.tell(BreakerStatus(BreakerState.CLOSED, 1, 0.0, f"HTTP 500 for /networks/solana/pools/{DEEP}/trades"))
    with warehouse.connect() as connection:
        upsert(connection, watchlist, build_entries("solana", [entry]))
        write_poll(connection, TRADES, "solana", Poll(DEEP, now, now + HOUR, 300))


@pytest.fixture(scope="module")
def environment(shared_warehouse: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The variables of a profile whose warehouse holds what was seeded."""
    for seed in (seed_pools, seed_bars, seed_trades, seed_operations):
        seed(shared_warehouse)
    folder = tmp_path_factory.mktemp("pools")
    (folder / "universe.yaml").write_text(UNIVERSE)
    return {
        "CRYPTO_ASSETS_HOME": str(folder / "home"),
        "CRYPTO_ASSETS_DATABASE_URL": shared_warehouse.url.get_secret_value(),
        "CRYPTO_ASSETS_UNIVERSE": str(folder / "universe.yaml"),
    }


@pytest.fixture
def run(environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command on a wide terminal and gives what it printed; raises what it raises."""
    monkeypatch.setattr(OUT, "width", 180)

    def invoke(*arguments: str) -> str:
        told = CliRunner(env=environment).invoke(app, list(arguments), catch_exceptions=False)
        assert told.exit_code == 0, told.output
        return told.stdout

    return invoke


def test_pools_stand_the_largest_first_dead_or_alive(run: Run) -> None:
    told = run("show", "pools", "--network", "solana")
    names = re.findall(r"│ (\S+ / SOL|\[bold red\]RUG\[/\] :boom:…) +│", told)
    assert [name[:6] for name in names] == ["CBRL /", "DRY / ", "[bold "]
    assert re.search(r"CBRL / SOL +│ pumpswap │ 0\.0₄467857 │ +50\.0k │ +3,960 │ +40/40 │", told)
    assert re.search(r"│ 2026-03-01 │ alive │ 7bqJG2…qdL3NP │", told)
    assert re.search(r"DRY / SOL .* dead +│", told)
    assert "Known: 3 of solana, 2 of them dead." in told


def test_the_universe_of_a_past_time_knows_nothing_later(run: Run) -> None:
    told = json.loads(run("show", "pools", "--network", "solana", "--at", "2026-03-01T11:30", "--json"))
    assert [(one["pool_address"], one["is_dead"]) for one in told["pools"]] == [(DEEP, False), (EVIL, False)]
    assert told["dead"] == {"solana": 0}
    assert "Pools as of 2026-03-01 11:30:00 UTC" in run("show", "pools", "--at", "2026-03-01T11:30")


def test_pools_are_chosen_by_dex_death_and_number_over_all_networks(run: Run) -> None:
    every = json.loads(run("show", "pools", "--json", "--limit", "3"))
    assert [(one["network"], one["pool_address"]) for one in every["pools"]] == [
        ("base", BOTH),
        ("ethereum", BOTH),
        ("solana", DEEP),
    ]
    assert every["known"] == {"base": 1, "ethereum": 1, "solana": 3}
    dead = json.loads(run("show", "pools", "--dex", "heaven", "--dead", "--json"))
    [evil] = dead["pools"]
    assert (evil["pool_address"], evil["name"], evil["price_usd"]) == (EVIL, HOSTILE, None)
    assert "0.0000467857000000000000001" in run("show", "pools", "--network", "solana", "--exact")
    assert "2 more with --limit." in run("show", "pools", "--network", "solana", "--limit", "1")


def test_names_of_strangers_neither_steer_nor_colour_the_terminal(run: Run) -> None:
    for told in (run("show", "pools", "--network", "solana"), run("show", "pool", EVIL)):
        assert "[bold red]RUG[/] :boom:" in told
        assert told.replace("\n", "").isprintable()
    assert r"[bold red]RUG[/] :boom: \x1b[2J\u202e" in run("show", "pool", EVIL)


def test_a_pool_is_told_whole(run: Run) -> None:
    told = run("show", "pool", DEEP, "--trades", "2")
    assert told.startswith(f"CBRL / SOL on solana, pumpswap\n{DEEP}\n")
    assert re.search(r"made +│ 2026-02-26 12:00:00 │", told)
    assert re.search(r"first seen +│ 2026-03-01 11:00:00 │", told)
    assert re.search(r"last seen +│ 2026-03-01 12:00:00 │", told)
    assert "It lives." in told
    assert re.search(r"price +│ +0\.0000467857000000000000001 │ USD", told)
    assert re.search(r"market capitalisation +│ +not told │", told)
    assert re.search(r"buys +│ +│ +10 │ +│ +40 │", told)
    assert re.search(r"1h +│ +2 │ +2 │ +1 │ +1 │ +0 │ 2026-03-01 08:00 +│ 2026-03-01 10:00 │", told)
    assert re.search(r"close +▁█ 0\.0₄500000 to 0\.0₄600000 USD, the last day by bars of 15m", told)
    assert "Trades: 2 from 2026-03-01 11:00:01 to 2026-03-01 11:59:59 UTC" in told
    assert "Trades lost for good: 1 span: 03-01 11:00:00 to 03-01 11:30:00." in told
    assert (
        "Watched since 2026-03-01 11:00 UTC as pool 7bqJG2…qdL3NP, CBRL, [i]mine[/i]; trades from 2500.5 USD on."
        in told
    )
    trades = re.findall(r"│ 03-01 (\S+) │ (buy|sell) +│ +(\S+) │ +(\S+) │ +(\S+) │ +(\S+) │ (\S+) +│", told)
    assert trades == [
        ("11:59:59", "sell", "0.0₄467000", "2,000.50", "0.200000", "3.00000", "tytyty…tytyty"),
        ("11:00:01", "buy", "0.0₄467857", "1,000.00", "0.100000", "1.50000", "txtxtx…txtxtx"),
    ]
    machine = json.loads(run("show", "pool", DEEP, "--trades", "1", "--json"))
    assert machine["last"][0]["amount_base"] == "2000.5"
    assert machine["newest"]["price_usd"] == "0.0000467857000000000000001"
    assert [one["state"] for one in machine["trades"]["lost"]] == ["unrecoverable"]


def test_a_dead_pool_names_the_rule_and_shows_what_was_seen_last(run: Run) -> None:
    evil, dry = run("show", "pool", EVIL), run("show", "pool", DRY)
    assert re.search(r"dead since +│ 2026-03-01 12:00:00 │", evil)
    assert "Dead, unlisted: GeckoTerminal lists it no more." in evil
    assert re.search(r"reserve +│ +900\.00 │ USD", evil)
    assert "Dead, drained: nothing was traded for a day and less than 100 USD were left." in dry
    assert f"A row for config/watchlist.csv: solana,{DRY},pool,,," in dry


@pytest.mark.parametrize("typed", [DEEP, DEEP[:8], "7bqJG2…qdL3NP", "7bqJG2...qdL3NP"])
def test_a_pool_is_found_by_its_beginning_or_both_ends(run: Run, typed: str) -> None:
    assert json.loads(run("show", "pool", typed, "--json"))["pool_address"] == DEEP


def test_the_case_of_a_hexadecimal_address_is_but_a_checksum(run: Run) -> None:
    told = json.loads(run("show", "pool", BOTH.upper(), "--network", "eth", "--json"))
    assert (told["network"], told["pool_address"]) == ("ethereum", BOTH)


@pytest.mark.parametrize(
    ("arguments", "problem", "way_out"),
    [
        (("pools", "--network", "solanna"), "Unknown network 'solanna'", "Did you mean solana?"),
        (("pools", "--dex", "pumpsap"), "No pool of the DEX 'pumpsap' is known", "Did you mean pumpswap?"),
        (("pools", "--at", "2026-02-01"), "was known at 2026-02-01", "from when they were first collected on"),
        (("pools", "--at", "noon"), "--at is 'noon', no ISO 8601 time", "Write it as"),
        (("pool", f"{DEEP[:-1]}Q"), f"No pool '{DEEP[:-1]}Q' was ever seen", f"Did you mean {DEEP}?"),
        (("pool", "7BQJ"), "No pool '7BQJ' was ever seen", f"Did you mean {DEEP}?"),
        (("pool", "\x1b[2J%"), r"No pool '\x1b[2J%' was ever seen", "`crypto-assets show pools` lists"),
        (("pool", ""), "No pool '' was ever seen", "`crypto-assets show pools` lists"),
        (("pool", WSOL), f"No pool '{WSOL}' was ever seen", "It is a token's; pools of it are "),
        (("pool", BOTH), "is the address of more than one pool", f"There are {BOTH} on base, {BOTH} on ethereum;"),
        (("pool", DEEP, "--network", "base"), "was ever seen on base", "It is one on solana."),
    ],
)
def test_what_cannot_be_shown_is_said_with_a_way_out(
    run: Run, arguments: tuple[str, ...], problem: str, way_out: str
) -> None:
    with pytest.raises(CryptoAssetsError) as caught:
        run("show", *arguments)
    assert problem in caught.value.problem
    assert way_out in caught.value.way_out


def test_status_counts_pools_and_cuts_addresses_in_the_middle(run: Run) -> None:
    told = run("status")
    assert re.search(
        r"geckoterminal │ closed +│ +0\.5 │.*│ HTTP 500 for /networks/solana/pools/7bqJG2…qdL3NP/trades", told
    )
    assert re.search(r"pool_trades +│ solana +│ +1 │", told)
    assert re.search(r"│ solana +│ +3 │ +2 │ +1 │ +4 │ +2 │", told)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.0000467857, "0.0₄467857"),
        (0.00099999996, "0.001000000"),
        (0.0000999999999, "0.0001000000"),
        (-1.5e-13, "-0.0₁₂150000"),
        (97123.456, "97,123.46"),
        (0.0, "0"),
        (float("nan"), ""),
    ],
)
def test_tiny_prices_stay_readable(value: float, told: str) -> None:
    assert show_text.price_text(value) == told


@pytest.fixture(scope="module")
def universe() -> Universe:
    return parse_universe(UNIVERSE, "u.yaml")


def test_a_plan_a_network_and_a_pool_narrows_them(universe: Universe) -> None:
    plans = plan_pools(universe, ["solana", "base"], {}, 2, NOON)
    assert [(one.venue, one.markets, one.days) for one in plans] == [
        ("solana", (), ("2026-02-27", "2026-03-01")),
        ("base", (), ("2026-02-27", "2026-03-01")),
    ]
    chosen = choose_pools({"solana": {DEEP}, "ethereum": {BOTH}, "base": {BOTH}}, [BOTH.upper()])
    assert chosen == {"ethereum": (BOTH,), "base": (BOTH,)}
    [plan] = plan_pools(universe, ["solana", "base"], chosen, 0, NOON)
    assert (plan.venue, plan.markets, plan.kind) == ("base", (BOTH,), "pools")
    assert Plan.from_json(plan.to_json()) == plan


def test_what_nobody_watches_or_lies_before_the_grid_is_said_at_once(universe: Universe) -> None:
    with pytest.raises(CryptoAssetsError, match=r"No watched pool is 7bqJ.*Did you mean 7bqJ.*watchlist"):
        choose_pools({"solana": {DEEP}}, [f"{DEEP[:-1]}Q"])
    with pytest.raises(CryptoAssetsError, match="2025-12-31 lies before the partition grid, which starts 2026-01-01"):
        plan_pools(universe, ["solana"], {}, 60, NOON)


def test_a_pool_that_nobody_watches_starts_nothing(run: Run) -> None:
    with pytest.raises(CryptoAssetsError, match=f"No watched pool is {EVIL}"):
        run("collect-pools", "--network", "solana", "--pool", EVIL)


def test_pools_are_collected_by_the_jobs_of_the_schedules(
    warehouse: Warehouse, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "universe.yaml").write_text(f"{UNIVERSE}  timeframes: [1h, 1d]\n")
    (tmp_path / "watchlist.csv").write_text(f"{','.join(COLUMNS)}\nsolana,{WSOL},token,SOL,,\n")
    now = datetime.now(UTC)
    with SandboxProcess(SandboxConfig()) as sandbox, dg.DagsterInstance.ephemeral() as instance:
        settings = Settings(
            home=tmp_path, profile="test", universe=tmp_path / "universe.yaml", watchlist=tmp_path / "watchlist.csv",
            warehouse_url=warehouse.url, sandbox_url=sandbox.url,
        )  # fmt: skip
        plan = Plan("solana", now - timedelta(days=1), now, is_pools=True)
        report = execute(plan, build_definitions(settings), instance)
        asked = sandbox.requests()
    assert report.success, report.message
    assert report.errors() == []
    assert len(report.checks) > 20
    # Yesterday's and today's hours, and yesterday's day.
    assert 24 < report.rows_written <= 49
    assert report.trades_written == 300
    assert any("/dexes" in path for path in asked), asked
    monkeypatch.setattr(OUT, "width", 160)
    print_collected(warehouse, [report])
    told = capsys.readouterr().out
    found = re.search(r"│ solana +│ +(\d+) │ +1 │ +(\d+) │ +(\d+) │ .*│ +(\d+)/(\d+) │", told)
    assert found, told
    known, bars, trades, passed, checks = map(int, found.groups())
    assert known > 20
    assert bars >= report.rows_written
    assert trades >= 300
    assert f"New: {report.rows_written} bars, 300 trades." in told
    assert passed == checks == len(report.checks)
