"""The real ccxt clients on the sandbox: paging, the venue's clock, and every fault by its class."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from crypto_assets.clients.exchange import SETTLE, BarPage, Exchange
from crypto_assets.clients.exchange_bars import NUMBERS
from crypto_assets.clients.failures import Malformed, ProviderError, Rejected, Throttled, Unavailable
from crypto_assets.clients.transport import RetryPolicy
from crypto_assets.sandbox.config import SandboxConfig
from crypto_assets.sandbox.faults import Fault
from crypto_assets.sandbox.market import SeededMarket
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.universe import TIMEFRAME_LENGTH, TIMEFRAMES, timeframe_ms
from crypto_assets_tests.playing import NOW, exchange_of, needs_recordings, shipped_universe

VENUES = sorted(shipped_universe().venues)
NOW_MS = int(NOW.timestamp() * 1000)
ONE_TRY = RetryPolicy(attempts=1, breaker_failures=99)


def _pages(exchange: Exchange, timeframe: str, bars: int, symbol: str = "") -> list[BarPage]:
    start = NOW - bars * TIMEFRAME_LENGTH[timeframe]
    return list(exchange.pages(symbol or exchange.venue.markets[0].symbol, timeframe, start, NOW))


def _times(pages: Sequence[BarPage]) -> list[int]:
    return [int(at) for page in pages for at in page.bars.opened_at_ms]


def _grid(start: datetime, end: datetime, timeframe: str) -> list[int]:
    length = timeframe_ms(timeframe)
    first = -(-int(start.timestamp() * 1000) // length) * length
    return list(range(first, int(end.timestamp() * 1000), length))


@pytest.mark.parametrize("venue", VENUES)
def test_every_length_the_venue_serves_comes_whole_closed_and_as_the_market_has_it(
    sandbox: SandboxProcess, venue: str
) -> None:
    exchange = exchange_of(sandbox.url, venue)
    market = SeededMarket(SandboxConfig().seed, lambda: NOW_MS)
    symbol = exchange.venue.markets[0].symbol
    for timeframe in set(TIMEFRAMES) & exchange.timeframes():
        count = 30 if timeframe in {"4h", "1d"} else 600
        pages = _pages(exchange, timeframe, count)
        length = timeframe_ms(timeframe)
        expected = [
            at for at in _grid(NOW - count * TIMEFRAME_LENGTH[timeframe], NOW, timeframe) if at + length <= NOW_MS
        ]
        assert _times(pages) == expected
        truth = market.bars(venue, symbol, length, expected[0], expected[-1] + 1)
        for name in NUMBERS[:5]:
            np.testing.assert_array_equal(
                np.concatenate([page.bars.columns[name] for page in pages]), truth.values[name]
            )
        assert not any(page.bars.refused for page in pages)


def test_coinbase_has_no_four_hour_bar_and_the_others_have_all_seven(sandbox: SandboxProcess) -> None:
    lacking = {venue: set(TIMEFRAMES) - exchange_of(sandbox.url, venue).timeframes() for venue in VENUES}
    assert {venue: frames for venue, frames in lacking.items() if frames} == {"coinbase": {"4h"}}


def test_a_start_off_the_grid_loses_no_bar_at_any_page(sandbox: SandboxProcess) -> None:
    exchange = exchange_of(sandbox.url, "gate")
    start = NOW - timedelta(minutes=2000, seconds=17)
    pages = list(exchange.pages("BTC/USDT", "1m", start, NOW))
    assert len(pages) == 3
    assert _times(pages) == [at for at in _grid(start, NOW, "1m") if at + 60_000 <= NOW_MS]


def test_pages_speak_for_adjacent_spans_up_to_the_last_closed_bar(sandbox: SandboxProcess) -> None:
    pages = _pages(exchange_of(sandbox.url, "mexc"), "1m", 1200)
    assert [page.end for page in pages[:-1]] == [page.start for page in pages[1:]]
    assert pages[-1].end == NOW_MS - NOW_MS % 60_000


def test_closed_is_what_the_venues_clock_says_not_ours(sandbox: SandboxProcess) -> None:
    sandbox.set_faults([Fault(kind="clock_skew", seconds=-3600)])
    times = _times(_pages(exchange_of(sandbox.url, "binance"), "1m", 120))
    assert times[-1] + 60_000 == NOW_MS - 3_600_000 - 30_000


def test_a_newest_bar_that_is_late_is_not_taken_for_one_that_does_not_exist(sandbox: SandboxProcess) -> None:
    sandbox.set_faults([Fault(kind="late_bars", bars=3)])
    pages = _pages(exchange_of(sandbox.url, "binance"), "1m", 60)
    newest = NOW_MS - 30_000 - 3 * 60_000
    assert _times(pages)[-1] + 60_000 == newest
    assert pages[-1].end == newest  # the three late minutes stay to be asked for


def test_minutes_absent_for_longer_than_the_settling_time_are_spoken_for(sandbox: SandboxProcess) -> None:
    minutes = int(SETTLE.total_seconds() // 60)
    sandbox.set_faults([Fault(kind="late_bars", bars=minutes + 20)])
    pages = _pages(exchange_of(sandbox.url, "binance"), "1m", 120)
    assert pages[-1].end == NOW_MS - 30_000 - minutes * 60_000


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(kind="throttled"), Throttled),
        (Fault(kind="throttled", as_json=False), Throttled),
        (Fault(kind="banned"), Throttled),
        (Fault(kind="unavailable"), Unavailable),
        (Fault(kind="unavailable", as_json=False), Unavailable),
        (Fault(kind="dropped"), Unavailable),
        (Fault(kind="html_200"), Malformed),
        (Fault(kind="truncated_json"), Malformed),
        (Fault(kind="null_rows", bars=1000), Malformed),
    ],
    ids=lambda value: (
        f"{value.kind}{'' if value.as_json else '-plain'}" if isinstance(value, Fault) else value.__name__
    ),
)
def test_each_fault_surfaces_as_its_class_on_every_venue(
    sandbox: SandboxProcess, venue: str, fault: Fault, expected: type[ProviderError]
) -> None:
    exchange = exchange_of(sandbox.url, venue, ONE_TRY)
    exchange.symbols()
    sandbox.set_faults([fault])
    with pytest.raises(expected) as caught:
        _pages(exchange, "1m", 10)
    assert venue in str(caught.value)
    if isinstance(caught.value, Malformed):
        assert caught.value.payload


@pytest.mark.parametrize("kind", ["throttled", "unavailable", "dropped", "html_200", "truncated_json"])
def test_a_fault_that_passes_costs_nothing_but_another_request(sandbox: SandboxProcess, kind: str) -> None:
    exchange = exchange_of(sandbox.url, "binance")
    exchange.symbols()
    sandbox.set_faults([Fault.model_validate({"kind": kind, "times": 2})])
    assert len(_times(_pages(exchange, "1m", 100))) == 99
    assert exchange.transport.retried == 2


def test_retry_after_is_read_from_the_answer(sandbox: SandboxProcess) -> None:
    exchange = exchange_of(sandbox.url, "binance", ONE_TRY)
    exchange.symbols()
    sandbox.set_faults([Fault(kind="throttled", retry_after="17")])
    with pytest.raises(Throttled) as caught:
        _pages(exchange, "1m", 10)
    assert caught.value.retry_after_seconds == 17


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("null_rows", "unreadable"),
        ("duplicate_bars", "came twice"),
        ("disordered_bars", "out of order"),
        ("ohlc_broken", "high is below"),
    ],
)
def test_a_broken_row_is_refused_with_its_payload_and_the_rest_of_the_page_lands(
    sandbox: SandboxProcess, kind: str, reason: str
) -> None:
    sandbox.set_faults([Fault.model_validate({"kind": kind, "route": "klines"})])
    pages = _pages(exchange_of(sandbox.url, "binance"), "1m", 100)
    refused = [row for page in pages for row in page.bars.refused]
    assert len(refused) == 1
    assert reason in refused[0].reason
    assert len(_times(pages)) == 99 - (kind != "duplicate_bars")
    assert pages[-1].end == NOW_MS - 30_000


def test_a_broken_row_that_passes_is_healed_by_asking_once_more(sandbox: SandboxProcess) -> None:
    sandbox.set_faults([Fault(kind="ohlc_broken", route="klines", times=1)])
    pages = _pages(exchange_of(sandbox.url, "binance"), "1m", 100)
    assert len(_times(pages)) == 99
    assert not any(page.bars.refused for page in pages)


@pytest.mark.parametrize("venue", VENUES)
def test_an_unknown_market_is_refused_without_a_request_for_bars(sandbox: SandboxProcess, venue: str) -> None:
    with pytest.raises(Rejected, match="has no market NO/SUCH"):
        _pages(exchange_of(sandbox.url, venue), "1m", 10, "NO/SUCH")


def test_kraken_says_how_far_it_reaches(sandbox: SandboxProcess) -> None:
    exchange = exchange_of(sandbox.url, "kraken")
    assert exchange.reach("1h", NOW) == NOW - timedelta(hours=720)
    assert exchange_of(sandbox.url, "binance").reach("1h", NOW) is None


@pytest.mark.parametrize("venue", VENUES)
def test_a_probe_is_one_real_request_for_bars(sandbox: SandboxProcess, venue: str) -> None:
    page = exchange_of(sandbox.url, venue).probe(exchange_of(sandbox.url, venue).venue.markets[0].symbol)
    assert page.now == NOW_MS


@needs_recordings
def test_a_long_halt_is_crossed_and_every_recorded_bar_arrives(playback: SandboxProcess) -> None:
    exchange = exchange_of(playback.url, "mexc")
    binance = exchange_of(playback.url, "binance")
    start, end = datetime(2022, 5, 1, tzinfo=UTC), datetime(2022, 7, 1, tzinfo=UTC)
    times = np.array([at for page in binance.pages("LUNA/USDT", "1h", start, end) for at in page.bars.opened_at_ms])
    assert np.diff(times).max() == 18 * 86_400_000 + 5 * 3_600_000 or np.diff(times).max() > 17 * 86_400_000
    first = datetime(2025, 11, 1, tzinfo=UTC)  # a month before the recording begins: pages without a bar
    bars = [
        at
        for page in exchange.pages("BTC/USDT", "1h", first, datetime(2025, 12, 6, tzinfo=UTC))
        for at in page.bars.opened_at_ms
    ]
    assert datetime.fromtimestamp(bars[0] / 1000, UTC) == datetime(2025, 12, 4, 12, tzinfo=UTC)
    assert len(bars) == 36
