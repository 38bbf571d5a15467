"""ccxt's unchanged clients understand each venue: markets, clock, bars of each length, pages, errors."""

import ccxt
import numpy as np
import pytest

from crypto_assets.sandbox.bars import COLUMNS
from crypto_assets.sandbox.config import DEFAULT_SEED
from crypto_assets.sandbox.faults import Fault
from crypto_assets.sandbox.market import DEFAULT_MARKETS, SeededMarket
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.sandbox.recordings import Recordings
from crypto_assets.universe import TIMEFRAMES, timeframe_ms
from crypto_assets_tests.playing import NOW, RECORDINGS
from crypto_assets_tests.sandbox.unchanged_ccxt import MINUTE, Client, client_of, page_through, times

VENUES = sorted(DEFAULT_MARKETS)
NOW_MS = int(NOW.timestamp() * 1000)
# Bars a page as ccxt asks for them, and what is the most that the venue gives.
PAGE = {
    "binance": 1000, "binanceus": 1000, "binanceusdm": 1000, "mexc": 500, "gate": 1000, "kraken": 720,
    "coinbase": 300, "okx": 300,
}  # fmt: skip
UNKNOWN_ID = {"okx": "NO-PE", "coinbase": "NO-PE", "gate": "NO_PE"}


def _truth(venue: str, symbol: str, length: int, first: int, last: int) -> list[list[float]]:
    bars = SeededMarket(DEFAULT_SEED, lambda: NOW_MS).bars(venue, symbol, length, first, last)
    columns = [bars.values[name].tolist() for name in COLUMNS[:5]]
    return [[at, *row] for at, *row in zip(bars.opened_at_ms.tolist(), *columns, strict=True)]


@pytest.fixture(scope="module", params=VENUES)
def venue(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def client(sandbox: SandboxProcess, venue: str) -> Client:
    return client_of(sandbox.url, venue)


def test_markets_and_clock_are_the_sandboxes(client: Client, venue: str) -> None:
    assert set(DEFAULT_MARKETS[venue]) <= set(client.markets)
    assert client.fetch_time() == pytest.approx(NOW_MS, abs=999)  # kraken and coinbase tell whole seconds


def test_each_length_is_the_markets_own_and_ends_with_the_bar_still_open(client: Client, venue: str) -> None:
    symbol = DEFAULT_MARKETS[venue][1]
    served = set(TIMEFRAMES) & client.timeframes.keys()
    assert set(TIMEFRAMES) - served == ({"4h"} if venue == "coinbase" else set())
    for timeframe in served:
        length = timeframe_ms(timeframe)
        still_open = NOW_MS - NOW_MS % length
        since = still_open - 7 * length
        rows = client.fetch_ohlcv(symbol, timeframe, since, 50)
        assert rows == _truth(venue, symbol, length, since, NOW_MS + 1), timeframe
        assert times(rows) == list(range(since, still_open + 1, length))


def test_pages_of_the_venues_length_hold_each_minute_once(client: Client, venue: str) -> None:
    symbol, page = DEFAULT_MARKETS[venue][0], PAGE[venue]
    span = page if venue == "kraken" else 2 * page + 100
    since = NOW_MS - NOW_MS % MINUTE - span * MINUTE
    pages = page_through(client, symbol, "1m", since, page)
    rows = [row for one in pages for row in one]
    if venue == "kraken":  # the newest 720 closed and the open one, however early `since` is
        assert [len(one) for one in pages] == [720, 1]
    else:
        assert [len(one) for one in pages] == [page, page, 101]
    assert rows == _truth(venue, symbol, MINUTE, since, NOW_MS + 1)


def test_kraken_reaches_720_bars_back_whatever_is_asked(sandbox: SandboxProcess) -> None:
    rows = client_of(sandbox.url, "kraken").fetch_ohlcv("BTC/USD", "1m", NOW_MS - 5000 * MINUTE)
    assert times(rows)[0] == NOW_MS - NOW_MS % MINUTE - 720 * MINUTE
    assert len(rows) == 721


# ccxt computes coinbase's newest span from this machine's clock, which the sandbox's is not.
@pytest.mark.parametrize("name", [one for one in VENUES if one != "coinbase"])
def test_without_a_start_the_newest_bars_come(sandbox: SandboxProcess, name: str) -> None:
    rows = client_of(sandbox.url, name).fetch_ohlcv(DEFAULT_MARKETS[name][0], "5m", None, 5)
    still_open = NOW_MS - NOW_MS % (5 * MINUTE)
    assert times(rows) == [still_open - n * 5 * MINUTE for n in (4, 3, 2, 1, 0)]


def test_the_venue_itself_refuses_an_unknown_market(client: Client, venue: str) -> None:
    symbol = DEFAULT_MARKETS[venue][0]
    client.markets[symbol]["id"] = UNKNOWN_ID.get(venue, "NOPE")
    # Kraken's "Unknown asset pair" and Coinbase's answer are not among the texts that ccxt maps to BadSymbol.
    expected = ccxt.ExchangeError if venue in {"kraken", "coinbase"} else ccxt.BadSymbol
    with pytest.raises(expected):
        client.fetch_ohlcv(symbol, "1m", NOW_MS - 5 * MINUTE, 5)
    with pytest.raises(ccxt.BadSymbol):
        client.fetch_ohlcv("NO/SUCH", "1m", NOW_MS - 5 * MINUTE, 5)


@pytest.mark.parametrize(
    ("fault", "binance", "mexc", "gate"),
    [
        ({"kind": "throttled"}, "DDoSProtection", "RateLimitExceeded", "RateLimitExceeded"),
        ({"kind": "throttled", "as_json": False}, "DDoSProtection", "RateLimitExceeded", "RateLimitExceeded"),
        ({"kind": "banned", "as_json": False}, "DDoSProtection", "DDoSProtection", "DDoSProtection"),
        ({"kind": "banned"}, "DDoSProtection", "ExchangeError", "RateLimitExceeded"),
        ({"kind": "unavailable"}, "ExchangeError", "ExchangeNotAvailable", "ExchangeNotAvailable"),
        ({"kind": "unavailable", "as_json": False}, *["ExchangeNotAvailable"] * 3),
        ({"kind": "dropped"}, *["NetworkError"] * 3),
        ({"kind": "half_open", "seconds": 2}, *["RequestTimeout"] * 3),
        ({"kind": "slow_body", "seconds": 2}, *["RequestTimeout"] * 3),
        ({"kind": "latency", "seconds": 2}, *["RequestTimeout"] * 3),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else value,
)
def test_a_fault_surfaces_as_the_class_seen_with_the_real_client(
    sandbox: SandboxProcess, fault: dict[str, object], binance: str, mexc: str, gate: str
) -> None:
    clients = {name: client_of(sandbox.url, name) for name in ("binance", "mexc", "gate")}
    sandbox.set_faults([Fault.model_validate(fault)])
    for (name, client), expected in zip(clients.items(), (binance, mexc, gate), strict=True):
        client.timeout = 500
        with pytest.raises(ccxt.BaseError) as caught:
            client.fetch_ohlcv("BTC/USDT", "1m", NOW_MS - 5 * MINUTE, 5)
        assert type(caught.value).__name__ == expected, name


@pytest.mark.parametrize("name", ["binance", "mexc", "gate"])
def test_a_page_of_html_becomes_rows_of_none(sandbox: SandboxProcess, name: str) -> None:
    client = client_of(sandbox.url, name)
    sandbox.set_faults([Fault(kind="html_200")])
    assert client.fetch_ohlcv("BTC/USDT", "1m", None, 5) == [[None] * 6] * 5


@pytest.mark.parametrize("symbol", ["ADA/USDT", "LUNA/USDT"])
def test_a_recording_arrives_bar_by_bar_across_its_gaps(playback: SandboxProcess, symbol: str) -> None:
    bars = Recordings(RECORDINGS).bars("binance", symbol, timeframe_ms("1h"), 0, 2**50)
    client = client_of(playback.url, "binance")
    pages = page_through(client, symbol, "1h", int(bars.opened_at_ms[0]), 1000)
    assert {len(page) for page in pages[:-1]} == {1000}  # binance fills a page from behind a gap
    got = np.array([row for page in pages for row in page])
    np.testing.assert_array_equal(got[:, 0], bars.opened_at_ms)
    for column, name in enumerate(COLUMNS[:5], start=1):
        np.testing.assert_array_equal(got[:, column], bars.values[name])
    assert client.fetch_time() >= int(got[-1, 0])
