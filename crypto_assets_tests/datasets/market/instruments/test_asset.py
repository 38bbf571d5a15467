"""The venue's list through the real client on the sandbox, and the run that keeps it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import select

from crypto_assets.automation import refresh_instruments
from crypto_assets.clients.failures import ProviderError
from crypto_assets.datasets.market.instruments.asset import ListIncomplete, refresh
from crypto_assets.datasets.market.instruments.table import ended_symbols, instruments, read_listings
from crypto_assets.datasets.market.ohlcv.collect import Series, collect_series
from crypto_assets.definitions import build_definitions
from crypto_assets.quality.naming import Listing
from crypto_assets.sandbox.absences import Absence
from crypto_assets.sandbox.faults import Fault
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.settings import Settings
from crypto_assets.universe import parse_universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame
from crypto_assets_tests.playing import NOW, exchange_of

UNIVERSE = """
history_from: 2026-01-01
venues: {binance: {markets: [BTC/USDT, SOL/USDT, NOT/THERE], timeframes: [1h], page_bars: 1000}}
"""
LISTED = datetime(2026, 2, 3, 7, tzinfo=UTC)
BEGINNING = datetime(2010, 1, 1, tzinfo=UTC)


@pytest.fixture
def bare(sandbox: SandboxProcess) -> Iterator[SandboxProcess]:
    yield sandbox
    sandbox.set_absences([])


def _rows(warehouse: Warehouse, symbol: str) -> list[dict[str, object]]:
    chosen = select(instruments).where(instruments.c.symbol == symbol).order_by(instruments.c.valid_from)
    return [{str(k): v for k, v in row.items()} for row in read_frame(warehouse, chosen).to_dict("records")]


def _run(folder: Path, url: str, warehouse: Warehouse) -> dg.ExecuteInProcessResult:
    path = folder / "universe.yaml"
    path.write_text(UNIVERSE)
    settings = Settings(home=folder, profile="test", universe=path, sandbox_url=url, warehouse_url=warehouse.url)
    with dg.DagsterInstance.ephemeral() as instance:
        job = build_definitions(settings).resolve_job_def(refresh_instruments.name)
        return job.execute_in_process(instance=instance, partition_key="binance", raise_on_error=False)


def test_every_market_is_kept_and_those_of_the_universe_know_their_first_bar(
    warehouse: Warehouse, bare: SandboxProcess
) -> None:
    bare.set_absences([Absence(symbol="SOL/USDT", start=BEGINNING, end=LISTED)])
    universe = parse_universe(UNIVERSE, "u.yaml")
    first = refresh(warehouse, exchange_of(bare.url, "binance"), universe)
    assert (first.listed, first.counts.inserted) == (7, 7)
    [sol] = _rows(warehouse, "SOL/USDT")
    assert (sol["listed_at"], sol["valid_from"], sol["venue_symbol"]) == (LISTED, LISTED, "SOLUSDT")
    assert (sol["tick_size"], sol["lot_size"], sol["type"], sol["status"]) == (1e-6, 1e-5, "spot", "trading")
    listings = read_listings(warehouse, "binance")
    assert listings["SOL/USDT"] == [Listing(LISTED, None)]
    assert listings["BTC/USDT"] == [Listing(None, None)]  # it trades since before any exchange did
    assert refresh(warehouse, exchange_of(bare.url, "binance"), universe).counts.inserted == 0


def test_a_market_that_leaves_the_list_ends_with_its_last_bar(warehouse: Warehouse, bare: SandboxProcess) -> None:
    universe = parse_universe(UNIVERSE, "u.yaml")
    end = NOW.replace(minute=0, second=0) - timedelta(hours=5)
    gone = Absence(symbol="SOL/USDT", start=end, end=NOW + timedelta(days=1))
    bare.set_absences([gone])
    exchange = exchange_of(bare.url, "binance")
    refresh(warehouse, exchange, universe)
    collect_series(warehouse, exchange, Series("binance", "SOL/USDT", "1h", end - timedelta(hours=20), NOW))
    bare.set_absences([gone.model_copy(update={"is_unlisted": True})])
    told = refresh(warehouse, exchange_of(bare.url, "binance"), universe)
    assert told.changes == [("SOL/USDT", f"gone since {end:%Y-%m-%d %H:%M}")]
    assert ended_symbols(warehouse, "binance") == {"SOL/USDT"}
    after = collect_series(
        warehouse, exchange_of(bare.url, "binance"), Series("binance", "SOL/USDT", "1h", end, NOW), has_ended=True
    )
    assert (after.failed, after.warning) == (False, "binance lists SOL/USDT no more; nothing is due.")


def test_a_venue_that_does_not_give_its_list_changes_nothing(warehouse: Warehouse, bare: SandboxProcess) -> None:
    universe = parse_universe(UNIVERSE, "u.yaml")
    refresh(warehouse, exchange_of(bare.url, "binance"), universe)
    bare.set_faults([Fault(kind="html_200", route="exchangeInfo")])
    with pytest.raises(ProviderError):
        refresh(warehouse, exchange_of(bare.url, "binance"), universe)
    assert ended_symbols(warehouse, "binance") == frozenset()


def test_a_list_that_lost_most_of_its_markets_is_not_believed(warehouse: Warehouse, bare: SandboxProcess) -> None:
    universe = parse_universe(UNIVERSE, "u.yaml")
    refresh(warehouse, exchange_of(bare.url, "binance"), universe)
    span = {"start": NOW - timedelta(days=1), "end": NOW + timedelta(days=1), "is_unlisted": True}
    lost = ("BTC/USDT", "ETH/USDT", "XRP/USDT", "ADA/USDT")
    bare.set_absences([Absence(symbol=symbol, **span) for symbol in lost])  # type: ignore[arg-type]
    with pytest.raises(ListIncomplete, match="of 7 known ones lacks 4"):
        refresh(warehouse, exchange_of(bare.url, "binance"), universe)
    assert ended_symbols(warehouse, "binance") == frozenset()


def test_the_run_shows_what_is_new_and_checks_it(warehouse: Warehouse, bare: SandboxProcess, tmp_path: Path) -> None:
    result = _run(tmp_path, bare.url, warehouse)
    assert result.success
    metadata = result.get_asset_materialization_events()[0].materialization.metadata
    assert metadata["rows_written"].value == 7
    assert {one.check_name: one.passed for one in result.get_asset_check_evaluations()} == {
        "periods_do_not_overlap": True, "steps_and_dates_possible": True, "universe_markets_listed": False,
    }  # fmt: skip


def test_overlapping_periods_fail_their_check(warehouse: Warehouse, bare: SandboxProcess, tmp_path: Path) -> None:
    refresh(warehouse, exchange_of(bare.url, "binance"), parse_universe(UNIVERSE, "u.yaml"))
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO market.instruments"
            " (venue, symbol, valid_from, venue_symbol, base, quote, type, status, source, known_at)"
            " SELECT venue, symbol, valid_from - interval '1 hour', venue_symbol, base, quote, type, status, source, known_at"
            " FROM market.instruments WHERE symbol = 'BTC/USDT'"
        )
    result = _run(tmp_path, bare.url, warehouse)
    [check] = [one for one in result.get_asset_check_evaluations() if one.check_name == "periods_do_not_overlap"]
    assert (check.passed, check.metadata["rows_failed"].value) == (False, 1)
