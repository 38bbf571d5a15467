"""Repairing through the real clients on the sandbox: just the holes are asked for, and what stays is named."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from bench import truth
from crypto_assets.clients.exchange import Exchange
from crypto_assets.datasets.market.instruments.asset import refresh
from crypto_assets.datasets.market.instruments.table import read_listings
from crypto_assets.datasets.market.ohlcv.collect import Series, collect_series
from crypto_assets.datasets.market.ohlcv.repair import (
    Choice,
    RepairBusy,
    name_gaps_of,
    plan_repair,
    repair_series,
    repairing,
    require_free,
)
from crypto_assets.datasets.market.ohlcv.table import DATASET, ohlcv
from crypto_assets.quality.coverage import read_gaps, read_open
from crypto_assets.quality.gaps import Gap
from crypto_assets.quality.scan import collected_series, scan
from crypto_assets.sandbox.absences import Absence
from crypto_assets.sandbox.faults import Fault
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.sandbox.recordings import Recordings
from crypto_assets.universe import Gaps, Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.playing import NOW, exchange_of, needs_recordings

HOUR = timedelta(hours=1)
START = NOW.replace(minute=0, second=0) - 100 * HOUR
RULES = Gaps()
DUE = Choice()


@pytest.fixture
def bare(sandbox: SandboxProcess) -> Iterator[SandboxProcess]:
    sandbox.set_absences([])
    yield sandbox
    sandbox.set_absences([])


def series(symbol: str = "BTC/USDT", venue: str = "binance") -> Series:
    return Series(venue, symbol, "1h", START, START + 90 * HOUR)


def hole(first: int, last: int, symbol: str = "*") -> Absence:
    return Absence(symbol=symbol, start=START + first * HOUR, end=START + last * HOUR)


def gaps(warehouse: Warehouse, one: Series) -> list[Gap]:
    with warehouse.connect() as connection:
        return read_open(connection, one.key, (one.start, one.end))


def shape(warehouse: Warehouse, one: Series) -> list[tuple[int, int, str]]:
    return [((gap.start - START) // HOUR, (gap.end - START) // HOUR, gap.state.value) for gap in gaps(warehouse, one)]


def repair(warehouse: Warehouse, exchange: Exchange, one: Series, choice: Choice = DUE) -> tuple[int, int]:
    plan = plan_repair(warehouse, one, page_bars=exchange.venue.page_bars, rules=RULES, choice=choice)
    outcome = repair_series(warehouse, exchange, plan, RULES)
    return outcome.requests, outcome.inserted


def test_collecting_notes_each_hole_in_the_writes_transaction(warehouse: Warehouse, bare: SandboxProcess) -> None:
    bare.set_absences([hole(10, 13), hole(40, 41)])
    collect_series(warehouse, exchange_of(bare.url, "binance"), series())
    assert shape(warehouse, series()) == [(10, 13, "missing"), (40, 41, "missing")]


def test_a_repair_asks_for_the_holes_alone_and_a_second_one_for_nothing(
    warehouse: Warehouse, bare: SandboxProcess
) -> None:
    exchange = exchange_of(bare.url, "binance")
    bare.set_absences([hole(10, 13), hole(40, 41)])
    collect_series(warehouse, exchange, series())
    bare.set_absences([])
    before = bare.requests()["binance /api/v3/klines"]
    assert repair(warehouse, exchange, series()) == (1, 4)
    assert bare.requests()["binance /api/v3/klines"] - before == 1
    assert shape(warehouse, series()) == []
    assert repair(warehouse, exchange, series()) == (0, 0)
    assert read_gaps(warehouse, dataset=DATASET)["state"].tolist() == ["repaired", "repaired"]


@pytest.mark.parametrize(
    ("venue", "symbol"),
    [("mexc", "BTC/USDT"), ("gate", "BTC/USDT"), ("kraken", "BTC/USD"), ("coinbase", "BTC/USD"), ("okx", "BTC/USDT")],
)
def test_every_venue_is_repaired_with_one_page(
    warehouse: Warehouse, bare: SandboxProcess, venue: str, symbol: str
) -> None:
    exchange = _all_reaching(bare.url, venue)
    bare.set_absences([hole(10, 13), hole(30, 31)])
    collect_series(warehouse, exchange, series(symbol, venue))
    assert [one[:2] for one in shape(warehouse, series(symbol, venue))] == [(10, 13), (30, 31)]
    bare.set_absences([])
    assert repair(warehouse, exchange, series(symbol, venue)) == (1, 4)
    assert shape(warehouse, series(symbol, venue)) == []


def test_what_stays_absent_is_an_outage_or_a_quiet_market(warehouse: Warehouse, bare: SandboxProcess) -> None:
    exchange = exchange_of(bare.url, "binance")
    all_series = [series(symbol) for symbol in ("BTC/USDT", "ETH/USDT", "SOL/USDT")]
    bare.set_absences([hole(10, 13), hole(40, 44, "SOL/USDT")])
    for one in all_series:
        collect_series(warehouse, exchange, one)
    refresh(warehouse, exchange, _universe())
    for one in all_series:
        repair(warehouse, exchange, one)
    windows = [(one.timeframe, (one.start, one.end)) for one in all_series]
    name_gaps_of(warehouse, "binance", windows, RULES)
    assert shape(warehouse, all_series[0]) == [(10, 13, "venue_outage")]
    assert shape(warehouse, all_series[2]) == [(10, 13, "venue_outage"), (40, 44, "venue_quiet")]
    assert name_gaps_of(warehouse, "binance", windows, RULES).written == 0


def test_a_named_gap_is_asked_for_again_only_on_demand(warehouse: Warehouse, bare: SandboxProcess) -> None:
    exchange = exchange_of(bare.url, "binance")
    bare.set_absences([hole(40, 44, "SOL/USDT")])
    for symbol in ("SOL/USDT", "BTC/USDT"):
        collect_series(warehouse, exchange, series(symbol))
    repair(warehouse, exchange, series("SOL/USDT"))
    name_gaps_of(warehouse, "binance", [("1h", (START, NOW))], RULES)
    assert shape(warehouse, series("SOL/USDT")) == [(40, 44, "venue_quiet")]
    bare.set_absences([])
    assert repair(warehouse, exchange, series("SOL/USDT")) == (0, 0)
    assert repair(warehouse, exchange, series("SOL/USDT"), Choice(again=True)) == (1, 4)


@pytest.mark.parametrize("kind", ["html_200", "unavailable", "null_rows", "truncated_json"])
def test_a_venue_that_answers_nonsense_leaves_the_gap_missing_and_says_so(
    warehouse: Warehouse, bare: SandboxProcess, kind: str
) -> None:
    exchange = exchange_of(bare.url, "binance")
    bare.set_absences([hole(10, 13)])
    for symbol in ("BTC/USDT", "ETH/USDT"):
        collect_series(warehouse, exchange, series(symbol))
    bare.set_absences([])
    bare.set_faults([Fault(kind=kind, route="klines", bars=1000)])  # type: ignore[arg-type]
    repair(warehouse, exchange, series())
    name_gaps_of(warehouse, "binance", [("1h", (START, NOW))], RULES)
    [gap] = gaps(warehouse, series())
    assert (gap.state.value, gap.evidence.answers, gap.evidence.failures) == ("missing", 0, 1)
    assert gap.evidence.why.startswith("No usable answer: ")


def test_what_a_venue_no_longer_serves_is_unrecoverable_and_costs_no_request(
    warehouse: Warehouse, bare: SandboxProcess
) -> None:
    exchange = _all_reaching(bare.url, "kraken")
    one = series("BTC/USD", "kraken")
    bare.set_absences([hole(10, 13), hole(50, 52)])
    collect_series(warehouse, exchange, one)
    plan = plan_repair(warehouse, one, page_bars=720, rules=RULES, reach=START + 20 * HOUR)
    outcome = repair_series(warehouse, exchange, plan, RULES)
    assert outcome.requests == 1
    assert shape(warehouse, one) == [(10, 13, "unrecoverable"), (50, 52, "missing")]
    assert "older" in gaps(warehouse, one)[0].evidence.why


def test_a_market_the_venue_lists_no_more_is_unrecoverable(warehouse: Warehouse, bare: SandboxProcess) -> None:
    bare.set_absences([hole(10, 13)])
    collect_series(warehouse, exchange_of(bare.url, "binance"), series())
    gone = Absence(symbol="BTC/USDT", start=NOW, end=NOW + timedelta(days=1), is_unlisted=True)
    bare.set_absences([gone])
    repair(warehouse, exchange_of(bare.url, "binance"), series())
    assert shape(warehouse, series()) == [(10, 13, "unrecoverable")]


def test_two_repairs_of_one_market_do_not_meet(warehouse: Warehouse) -> None:
    with repairing(warehouse, "binance", ["BTC/USDT", "ETH/USDT"]) as mine:
        assert mine == []
        with repairing(warehouse, "binance", ["BTC/USDT", "SOL/USDT"]) as busy:
            assert busy == ["BTC/USDT"]
            require_free("binance", busy, ["BTC/USDT", "SOL/USDT"])
            with pytest.raises(RepairBusy, match="Another repair of binance BTC/USDT is at work"):
                require_free("binance", busy, ["BTC/USDT"])
    with repairing(warehouse, "binance", ["BTC/USDT"]) as free:
        assert free == []


def test_a_fault_campaign_is_found_repaired_and_named(warehouse: Warehouse) -> None:
    tally = truth.campaign(warehouse, truth.SMALL)
    assert [told for told, held in truth.verdicts(tally) if not held] == []
    assert tally.holes == 60
    assert tally.permanent > 40


def _all_reaching(url: str, venue: str) -> Exchange:
    """The venue's client, unaware of how far back it serves: the sandbox's clock stands months before ours."""
    exchange = exchange_of(url, venue)
    exchange.venue = exchange.venue.model_copy(update={"history_bars": None})
    return exchange


def _universe() -> Universe:
    markets = ["BTC/USDT", "ETH/USDT", "SOL/USDT"]
    return Universe.model_validate(
        {"history_from": "2026-01-01", "venues": {"binance": {"markets": markets, "timeframes": ["1h"]}}}
    )


BINANCE = ("ADA", "BNB", "BTC", "ETH", "LINK", "LUNA", "MATIC", "SOL", "TRX")


@needs_recordings
def test_every_gap_of_the_recorded_binance_series_is_found_and_named(
    warehouse: Warehouse, playback: SandboxProcess, recordings: Path
) -> None:
    """The gaps are recounted from the files by themselves, bar after bar."""
    played = Recordings(recordings)
    all_series, recounted = [], {}
    for coin in BINANCE:
        bars = played.bars("binance", f"{coin}/USDT", 3_600_000, 0, 10**14)
        times = [datetime.fromtimestamp(int(at) / 1000, UTC) for at in bars.opened_at_ms]
        all_series.append(Series("binance", f"{coin}/USDT", "1h", times[0], times[-1]))
        recounted[f"{coin}/USDT"] = [
            (before + HOUR, after) for before, after in pairwise(times) if after - before != HOUR
        ]
    exchange = exchange_of(playback.url, "binance")
    universe = Universe.model_validate(
        {
            "history_from": "2021-04-01",
            "venues": {"binance": {"markets": [one.symbol for one in all_series], "timeframes": ["1h"]}},
        }
    )
    for one in all_series:
        collect_series(warehouse, exchange, one)
    refresh(warehouse, exchange, universe)
    for one in all_series:
        repair(warehouse, exchange, one)
    windows = [(one.timeframe, (one.start, one.end)) for one in all_series]
    name_gaps_of(warehouse, "binance", windows, RULES)
    refresh(warehouse, exchange, universe)  # LUNA's return is known only now
    scanned, _ = scan(
        warehouse,
        ohlcv,
        collected_series(warehouse, DATASET),
        listings=lambda venue: read_listings(warehouse, venue),
        rules=RULES,
    )
    assert sum(one.expected - one.present for one in scanned) == 9 * 12 + 437
    halt = (datetime(2022, 5, 13, 1, tzinfo=UTC), datetime(2022, 5, 31, 6, tzinfo=UTC))
    for one in all_series:
        found = gaps(warehouse, one)
        assert [gap.span for gap in found] == recounted[one.symbol]
        assert [gap.state.value for gap in found] == [
            "not_listed" if gap.span == halt else "venue_outage" for gap in found
        ]
    assert halt in recounted["LUNA/USDT"]
    periods = read_listings(warehouse, "binance")["LUNA/USDT"]
    assert sorted((one.listed_at, one.delisted_at) for one in periods if one.listed_at) == [
        (all_series[5].start, halt[0]), (halt[1], None),
    ]  # fmt: skip


@needs_recordings
def test_the_recorded_quiet_minutes_are_named_quiet(warehouse: Warehouse, playback: SandboxProcess) -> None:
    """XRP/ETH of 2019 skips 676 times, 1,091 minutes in all, and no other market was recorded then."""
    one = Series(
        "binance", "XRP/ETH", "1m", datetime(2019, 10, 11, tzinfo=UTC), datetime(2019, 10, 13, 11, 19, tzinfo=UTC)
    )
    exchange = exchange_of(playback.url, "binance")
    collect_series(warehouse, exchange, one)
    repair(warehouse, exchange, one)
    name_gaps_of(warehouse, "binance", [("1m", (one.start, one.end))], RULES)
    found = gaps(warehouse, one)
    assert {gap.state.value for gap in found} == {"venue_quiet"}
    assert len(found) == 676
    assert np.sum([(gap.end - gap.start) / timedelta(minutes=1) for gap in found]) == 1091
