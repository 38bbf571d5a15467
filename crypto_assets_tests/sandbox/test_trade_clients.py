"""ccxt's unchanged clients read trades, order books and tickers of each venue, with the values that the market has."""

from collections.abc import Mapping, Sequence

import ccxt
import numpy as np
import pytest

from crypto_assets.sandbox.config import DEFAULT_SEED
from crypto_assets.sandbox.faults import Fault
from crypto_assets.sandbox.market import DEFAULT_MARKETS, SeededMarket
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.sandbox.tickers import book_after, day_traded
from crypto_assets.sandbox.trades import TradeColumns
from crypto_assets_tests.playing import NOW
from crypto_assets_tests.sandbox.unchanged_ccxt import Client, client_of

NOW_MS = int(NOW.timestamp() * 1000)
MARKET = SeededMarket(DEFAULT_SEED, lambda: NOW_MS)
VENUES = sorted(set(DEFAULT_MARKETS) - {"binanceusdm"})
UNKNOWN_ID = {"okx": "NO-PE", "coinbase": "NO-PE", "gate": "NO_PE"}
# What ccxt makes of a ticker at each venue: kraken opens the day at midnight, gate and coinbase tell a percentage.
TELLS_OPEN = {"binance", "binanceus", "mexc", "okx"}


@pytest.fixture(scope="module", params=VENUES)
def venue(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def loaded(sandbox_process: SandboxProcess, venue: str) -> Client:
    sandbox_process.clear_faults()
    return client_of(sandbox_process.url, venue)


@pytest.fixture
def client(sandbox: SandboxProcess, loaded: Client) -> Client:
    return loaded


def _rows(trades: TradeColumns) -> list[tuple[object, ...]]:
    sides = np.where(trades.is_buy, "buy", "sell").tolist()
    return sorted(zip(trades.traded_at_ms.tolist(), trades.price.tolist(), trades.amount.tolist(), sides, strict=True))


def _read(trades: Sequence[Mapping[str, object]], venue: str) -> list[tuple[object, ...]]:
    return sorted((_time(one, venue), one["price"], one["amount"], one["side"]) for one in trades)


def _time(trade: Mapping[str, object], venue: str) -> object:
    if venue != "kraken":
        return trade["timestamp"]
    row = trade["info"]  # ccxt cuts the float of seconds, which may lose a millisecond
    assert isinstance(row, list)
    return round(row[2] * 1000)


def test_the_newest_trades_are_the_markets(client: Client, venue: str) -> None:
    symbol = DEFAULT_MARKETS[venue][0]
    expected = MARKET.trades(venue, symbol, NOW_MS - 600_000, NOW_MS + 1).take(slice(-60, None))
    got = client.fetch_trades(symbol, None, 60)
    assert _read(got, venue) == _rows(expected)
    if venue not in {"mexc", "gate"}:
        assert sorted(int(str(one["id"])) for one in got) == expected.trade_id.tolist()


def test_a_window_is_read_as_ccxt_asks_for_it(sandbox: SandboxProcess) -> None:
    since, until = NOW_MS - 3_600_000, NOW_MS - 3_540_000
    for name, params in (
        ("binance", {"until": until}),
        ("mexc", {"until": until}),
        ("coinbase", {"until": until}),
        ("gate", {"from": since // 1000, "to": until // 1000}),
        ("kraken", {}),
    ):
        symbol = DEFAULT_MARKETS[name][1]
        got = client_of(sandbox.url, name).fetch_trades(symbol, since, 1000, params)
        inside = [one for one in got if since <= int(str(_time(one, name))) < until]
        assert _read(inside, name) == _rows(MARKET.trades(name, symbol, since, until)), name


def test_the_order_book_is_the_markets(client: Client, venue: str) -> None:
    symbol = DEFAULT_MARKETS[venue][2]
    expected = book_after(day_traded(MARKET, venue, symbol), (DEFAULT_SEED, venue, symbol))
    book = client.fetch_order_book(symbol, 50)
    for name, side in (("bids", expected.bids), ("asks", expected.asks)):
        levels = book[name]
        assert isinstance(levels, list)
        assert [level[:2] for level in levels] == [
            list(one) for one in zip(side.prices[:50], side.amounts[:50], strict=True)
        ]
    if venue in {"binance", "binanceus", "mexc", "gate"}:
        assert book["nonce"] == expected.sequence
    if venue in {"mexc", "gate", "okx", "coinbase"}:
        assert book["timestamp"] == NOW_MS


def test_tickers_are_the_last_day_of_each_market(client: Client, venue: str) -> None:
    symbols = DEFAULT_MARKETS[venue]
    for wanted in (None, symbols[:3], symbols[:1]):
        if venue == "mexc" and wanted is not None and len(wanted) == 1:
            continue  # ccxt asks mexc for one market otherwise
        tickers = client.fetch_tickers(wanted)
        assert set(tickers) == set(wanted or symbols)
        for symbol, ticker in tickers.items():
            _agrees(venue, symbol, ticker)


def _agrees(venue: str, symbol: str, ticker: Mapping[str, float]) -> None:
    day = day_traded(MARKET, venue, symbol)
    assert ticker["last"] == day.last
    assert ticker["baseVolume"] == day.volume_base
    assert ticker["quoteVolume"] == pytest.approx(day.volume_quote)
    if venue in TELLS_OPEN:
        assert ticker["open"] == day.open
    if venue != "coinbase":
        assert (ticker["high"], ticker["low"]) == (day.high, day.low)
        assert ticker["bid"] <= ticker["last"] < ticker["ask"]
    if venue != "kraken":
        assert ticker["percentage"] == pytest.approx(day.change_ratio * 100, abs=1e-3)


def test_one_ticker_has_its_best_offers_around_the_last_price(client: Client, venue: str) -> None:
    symbol = DEFAULT_MARKETS[venue][0]
    day = day_traded(MARKET, venue, symbol)
    book = book_after(day, (DEFAULT_SEED, venue, symbol))
    ticker = client.fetch_ticker(symbol)
    assert (ticker["bid"], ticker["last"], ticker["ask"]) == (book.bids.prices[0], day.last, book.asks.prices[0])


def test_unknown_markets_are_refused_everywhere(client: Client, venue: str) -> None:
    symbol = DEFAULT_MARKETS[venue][-1]
    client.markets[symbol]["id"] = UNKNOWN_ID.get(venue, "NOPE")
    expected = ccxt.ExchangeError if venue in {"kraken", "coinbase"} else ccxt.BadSymbol
    for ask in (client.fetch_trades, client.fetch_order_book, client.fetch_ticker):
        with pytest.raises(expected):
            ask(symbol)
    client.load_markets(True)


def test_faults_strike_trades_and_books(sandbox: SandboxProcess, client: Client, venue: str) -> None:
    symbol = DEFAULT_MARKETS[venue][0]
    whole = _read(client.fetch_trades(symbol, None, 50), venue)
    sandbox.set_faults([Fault(kind="missing_trades", bars=3)])
    assert set(_read(client.fetch_trades(symbol, None, 50), venue)) < set(whole)
    sandbox.set_faults([Fault(kind="duplicate_trades"), Fault(kind="crossed_book")])
    twice = client.fetch_trades(symbol, None, 50)
    assert len(set(_read(twice, venue))) == len(set(whole)) - 1  # one comes twice, and ccxt cuts what is more than 50
    book = client.fetch_order_book(symbol, 10)
    bids, asks = book["bids"], book["asks"]
    assert isinstance(bids, list)
    assert isinstance(asks, list)
    assert bids[0][0] > asks[0][0]
    sandbox.set_faults([Fault(kind="unavailable", as_json=False)])
    with pytest.raises(ccxt.NetworkError):
        client.fetch_trades(symbol, None, 50)
