"""Planted absences: what the venue does not have it serves to nobody, until it has it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from crypto_assets.sandbox.absences import Absence, WithAbsences
from crypto_assets.sandbox.faults import FaultError, parse_models
from crypto_assets.sandbox.market import SeededMarket
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets_tests.playing import NOW, exchange_of

HOUR_MS = 3_600_000
START = datetime(2026, 3, 9, tzinfo=UTC)
START_MS = int(START.timestamp() * 1000)


@pytest.fixture
def source() -> WithAbsences:
    return WithAbsences(SeededMarket(7, lambda: int(NOW.timestamp() * 1000)))


@pytest.fixture
def bare(sandbox: SandboxProcess) -> Iterator[SandboxProcess]:
    yield sandbox
    sandbox.set_absences([])


def _opened(source: WithAbsences, length: int = HOUR_MS, symbol: str = "BTC/USDT") -> list[int]:
    bars = source.bars("binance", symbol, length, START_MS, START_MS + 6 * HOUR_MS)
    return [(int(at) - START_MS) // HOUR_MS for at in bars.opened_at_ms]


def test_bars_wholly_inside_are_absent_and_others_are_not(source: WithAbsences) -> None:
    source.absences = [
        Absence(symbol="BTC/USDT", start=START + timedelta(hours=1), end=START + timedelta(hours=3, minutes=30))
    ]
    assert _opened(source) == [0, 3, 4, 5]
    assert _opened(source, symbol="ETH/USDT") == [0, 1, 2, 3, 4, 5]
    source.absences = ()
    assert _opened(source) == [0, 1, 2, 3, 4, 5]


def test_an_unlisted_market_is_not_in_the_list_while_the_clock_stands_there(source: WithAbsences) -> None:
    gone = Absence(
        venue="binance", symbol="BTC/USDT", start=NOW - timedelta(days=1), end=NOW + timedelta(days=1), is_unlisted=True
    )
    source.absences = [gone]
    assert "BTC/USDT" not in source.symbols("binance")
    assert "BTC/USDT" in source.symbols("mexc")
    source.absences = [gone.model_copy(update={"end": NOW})]
    assert "BTC/USDT" in source.symbols("binance")


@pytest.mark.parametrize("venue", ["binance", "mexc", "gate", "kraken", "coinbase", "okx"])
def test_one_request_for_an_exact_span_gives_just_what_each_venue_has(bare: SandboxProcess, venue: str) -> None:
    symbol = "BTC/USD" if venue in {"kraken", "coinbase"} else "BTC/USDT"
    start = NOW.replace(minute=0, second=0) - timedelta(hours=30)
    bare.set_absences([Absence(venue=venue, start=start + timedelta(hours=2), end=start + timedelta(hours=5))])
    exchange = exchange_of(bare.url, venue)
    page = exchange.page(symbol, "1h", start, start + timedelta(hours=8))
    first = int(start.timestamp() * 1000)
    assert [(int(at) - first) // HOUR_MS for at in page.bars.opened_at_ms] == [0, 1, 5, 6, 7]
    nothing = exchange.page(symbol, "1h", start + timedelta(hours=2), start + timedelta(hours=5))
    assert len(nothing.bars) == 0
    one = exchange.page(symbol, "1h", start, start + timedelta(hours=1))
    assert [(int(at) - first) // HOUR_MS for at in one.bars.opened_at_ms] == [0]


def test_absences_that_cannot_be_read_are_refused_by_name() -> None:
    with pytest.raises(FaultError, match="Expected a list of absences"):
        parse_models({"start": "2026-01-01"}, Absence)
    with pytest.raises(FaultError, match="end"):
        parse_models([{"start": "2026-01-01T00:00:00Z"}], Absence)
