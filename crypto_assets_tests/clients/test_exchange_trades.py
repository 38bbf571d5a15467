"""Trades of the six venues through the real client on the sandbox: whole, once each, however the venue is paged."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from crypto_assets.clients.exchange import Exchange
from crypto_assets.clients.exchange_limits import Kind
from crypto_assets.clients.exchange_trades import SETTLE, TradePage, layout_of, trade_pages
from crypto_assets.clients.failures import Malformed, NotListed, NotServed, ProviderError
from crypto_assets.clients.trade_rows import Trades, join_trades, parse_trades
from crypto_assets.sandbox.config import SandboxConfig
from crypto_assets.sandbox.faults import Fault
from crypto_assets.sandbox.market import SeededMarket
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.sandbox.trades import TradeColumns
from crypto_assets_tests.playing import NOW, exchange_of, shipped_universe

VENUES = sorted(shipped_universe().venues)
NOW_MS = int(NOW.timestamp() * 1000)
QUARTER = timedelta(minutes=15)


def _market() -> SeededMarket:
    return SeededMarket(SandboxConfig().seed, lambda: NOW_MS)


def _truth(venue: str, symbol: str, start: datetime, end: datetime) -> TradeColumns:
    return _market().trades(venue, symbol, int(start.timestamp() * 1000), int(end.timestamp() * 1000))


def _pages(exchange: Exchange, start: datetime, end: datetime, after: int | None = None) -> list[TradePage]:
    return list(trade_pages(exchange, exchange.venue.markets[0].symbol, (start, end), after=after))


def _joined(pages: Sequence[TradePage]) -> Trades:
    """The pages' trades, each once, in the order of time and number."""
    found = join_trades([page.trades for page in pages])
    _, first = np.unique(found.trade_id.astype(str), return_index=True)
    once = found.take(np.sort(first))
    return once.take(np.lexsort((once.sequence, once.traded_at_us)))


def _proven(pages: Sequence[TradePage]) -> list[tuple[int, int]]:
    spans = sorted((page.start_us, page.end_us) for page in pages if page.start_us < page.end_us)
    joined = spans[:1]
    for start, end in spans[1:]:
        assert start <= joined[-1][1], "pages leave a hole"
        joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
    return joined


@pytest.mark.parametrize("venue", VENUES)
def test_every_trade_of_a_span_comes_once_with_its_digits(sandbox: SandboxProcess, venue: str) -> None:
    exchange = exchange_of(sandbox.url, venue)
    symbol = exchange.venue.markets[0].symbol
    start, end = NOW - timedelta(hours=3), NOW - timedelta(hours=3) + 2 * QUARTER
    pages = _pages(exchange, start, end)
    found, truth = _joined(pages), _truth(venue, symbol, start, end)
    assert len(truth) > 1000  # more than a page of any venue
    assert _proven(pages) == [(int(start.timestamp() * 1e6), int(end.timestamp() * 1e6))]
    assert len(found) == len(truth)
    np.testing.assert_array_equal(found.traded_at_us // 1000, truth.traded_at_ms)
    np.testing.assert_array_equal(np.sort(found.price.astype(float)), np.sort(truth.price))
    assert found.amount.astype(float).sum() == pytest.approx(truth.amount.sum(), abs=1e-9)
    assert int(found.is_buy.sum()) == int(truth.is_buy.sum())
    assert not any(page.is_cut or page.trades.refused for page in pages)


@pytest.mark.parametrize("venue", VENUES)
def test_the_newest_trades_are_proven_up_to_a_few_seconds_before_the_venues_clock(
    sandbox: SandboxProcess, venue: str
) -> None:
    exchange = exchange_of(sandbox.url, venue)
    pages = _pages(exchange, NOW - QUARTER, NOW + timedelta(hours=1))
    (span,) = _proven(pages)
    assert span[0] == int((NOW - QUARTER).timestamp() * 1e6)
    # The clock is that of the answer's Date header, which tells whole seconds.
    assert (
        int((NOW - SETTLE - timedelta(seconds=1)).timestamp() * 1e6) <= span[1] <= int((NOW - SETTLE).timestamp() * 1e6)
    )
    truth = _truth(venue, exchange.venue.markets[0].symbol, NOW - QUARTER, NOW - SETTLE - timedelta(seconds=1))
    assert len(_joined(pages)) >= len(truth)


def test_numbers_go_on_behind_the_last_stored_trade(sandbox: SandboxProcess) -> None:
    exchange = exchange_of(sandbox.url, "binance")
    truth = _truth("binance", "BTC/USDT", NOW - QUARTER, NOW)
    asked = sandbox.requests().get("binance /api/v3/aggTrades", 0)
    pages = _pages(exchange, NOW - QUARTER, NOW - QUARTER + timedelta(minutes=2), after=int(truth.trade_id[0]))
    assert int(pages[0].trades.sequence[0]) == int(truth.trade_id[1])
    assert sandbox.requests()["binance /api/v3/aggTrades"] - asked == 1


def test_dense_numbers_have_no_holes_where_the_venue_says_so(sandbox: SandboxProcess) -> None:
    for venue in VENUES:
        found = _joined(
            _pages(exchange_of(sandbox.url, venue), NOW - timedelta(hours=2), NOW - timedelta(hours=2) + QUARTER)
        )
        steps = set(np.diff(np.sort(found.sequence)).tolist())
        if layout_of(venue).is_dense:
            assert steps == {1}, venue


def test_trades_without_ids_get_the_same_ones_however_the_pages_are_cut(sandbox: SandboxProcess) -> None:
    exchange = exchange_of(sandbox.url, "mexc")
    start = NOW - timedelta(hours=5)
    whole = _joined(_pages(exchange, start, start + 2 * QUARTER))
    halves = _joined(
        _pages(exchange, start, start + timedelta(minutes=7, seconds=13))
        + _pages(exchange, start + timedelta(minutes=7, seconds=13), start + 2 * QUARTER)
    )
    assert list(whole.trade_id) == list(halves.trade_id)
    assert len(set(whole.trade_id)) == len(whole)
    ordinals = {str(one).rpartition("-")[2] for one in whole.trade_id}
    assert ordinals > {"0"}  # the market does have equal trades of one millisecond


@pytest.mark.parametrize("venue", VENUES)
def test_html_with_status_200_is_malformed_and_not_an_empty_day(sandbox: SandboxProcess, venue: str) -> None:
    exchange = exchange_of(sandbox.url, venue)
    exchange.symbols()
    sandbox.set_faults([Fault(kind="html_200")])
    with pytest.raises(Malformed):
        _pages(exchange, NOW - QUARTER, NOW)


@pytest.mark.parametrize("kind", ["null_rows", "duplicate_trades", "unavailable", "dropped", "truncated_json"])
@pytest.mark.parametrize("venue", ["binance", "mexc", "kraken", "okx"])
def test_passing_faults_lose_nothing_and_double_nothing(sandbox: SandboxProcess, venue: str, kind: str) -> None:
    exchange = exchange_of(sandbox.url, venue)
    exchange.symbols()
    start, end = NOW - timedelta(hours=4), NOW - timedelta(hours=4) + QUARTER
    if (venue, kind) == ("mexc", "duplicate_trades"):
        pytest.skip("without ids a trade that is told twice looks like two equal trades")
    # A page with unreadable rows is asked for once more, any other failure three times.
    sandbox.set_faults([Fault(kind=kind, times=1 if kind == "null_rows" else 2)])  # type: ignore[arg-type]
    found = _joined(_pages(exchange, start, end))
    assert len(found) == len(_truth(venue, exchange.venue.markets[0].symbol, start, end))


def test_rows_that_stay_broken_are_refused_one_by_one(sandbox: SandboxProcess) -> None:
    exchange = exchange_of(sandbox.url, "gate")
    exchange.symbols()
    sandbox.set_faults([Fault(kind="null_rows", bars=3)])
    pages = _pages(exchange, NOW - timedelta(hours=4), NOW - timedelta(hours=4) + timedelta(minutes=4))
    refused = [row for page in pages for row in page.trades.refused]
    assert len(refused) == 3 * len(pages)
    assert {row.payload for row in refused} == {None}


def test_unknown_markets_and_methods_are_named(sandbox: SandboxProcess) -> None:
    exchange = exchange_of(sandbox.url, "binance")
    with pytest.raises(NotListed, match="NOPE/USDT"):
        list(trade_pages(exchange, "NOPE/USDT", (NOW - QUARTER, NOW)))
    exchange.client.has["fetchTrades"] = False
    with pytest.raises(NotServed, match="binance does not serve trades"):
        _pages(exchange, NOW - QUARTER, NOW)


def test_a_venue_in_trouble_leaves_the_pages_before(sandbox: SandboxProcess) -> None:
    exchange = exchange_of(sandbox.url, "kraken")
    exchange.symbols()
    pages = trade_pages(exchange, "BTC/USD", (NOW - timedelta(hours=3), NOW))
    first = next(pages)
    sandbox.set_faults([Fault(kind="unavailable", as_json=False)])
    with pytest.raises(ProviderError):
        list(pages)
    assert len(first.trades) == 1000


class _Quiet(Exchange):
    """A kraken whose last three trades ever share a microsecond."""

    def attempt[T](self, kind: Kind, work: Callable[[], T], *, depth: int = 0) -> T:  # noqa: ARG002 - what is asked does not matter
        rows = [["1.5", "2", 1_700_000_000.25, "b", "m", "", 7 + n] for n in range(3)]
        return parse_trades(rows, layout_of("kraken"))  # type: ignore[return-value]

    def symbols(self) -> frozenset[str]:
        return frozenset({"BTC/USD"})

    def clock(self) -> int:
        return NOW_MS


def test_a_market_that_is_traded_no_more_comes_to_its_end() -> None:
    start = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)  # 1,700,000,000 s
    span = (start, start + timedelta(hours=1))
    pages = list(trade_pages(_Quiet("kraken", shipped_universe().venue("kraken")), "BTC/USD", span))
    assert len(_joined(pages)) == 3
    assert _proven(pages) == [tuple(int(moment.timestamp() * 1_000_000) for moment in span)]
