"""Each venue's own parameters for trades: pages by id, by time and by cursor hold each trade once."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import cast

import numpy as np
import pytest

from crypto_assets.sandbox.absences import Absence
from crypto_assets.sandbox.config import DEFAULT_SEED
from crypto_assets.sandbox.faults import Fault
from crypto_assets.sandbox.market import FIRST_TRADED_MS, SeededMarket
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets_tests.playing import NOW

NOW_MS = int(NOW.timestamp() * 1000)
MINUTE, DAY = 60_000, 86_400_000
MARKET = SeededMarket(DEFAULT_SEED, lambda: NOW_MS)
BINANCE = "api.binance.com/api/v3/aggTrades?symbol=BTCUSDT"
MEXC = "api.mexc.com/api/v3/aggTrades?symbol=BTCUSDT"
GATE = "api.gateio.ws/api/v4/spot/trades?currency_pair=BTC_USDT"
KRAKEN = "api.kraken.com/0/public/Trades?pair=XBTUSDT"
COINBASE = "api.coinbase.com/api/v3/brokerage/market/products/BTC-USD/ticker?"
OKX = "www.okx.com/api/v5/market/history-trades?instId=BTC-USDT"

type Row = dict[str, object]


@pytest.fixture
def url(sandbox: SandboxProcess) -> Iterator[str]:
    yield sandbox.url
    sandbox.set_absences([])


def _get(url: str, path: str) -> object:
    with urllib.request.urlopen(f"{url}/{path}", timeout=10) as answer:
        return json.loads(answer.read())


def _rows(url: str, path: str, key: str | None = None) -> list[Row]:
    payload = _get(url, path)
    return cast("list[Row]", payload if key is None else cast("Row", payload)[key])


def _ids(venue: str, start: int, end: int, symbol: str = "BTC/USDT") -> list[int]:
    found: list[int] = MARKET.trades(venue, symbol, start, end).trade_id.tolist()
    return found


def test_binance_pages_by_id_from_the_first_to_the_last(url: str) -> None:
    newest = cast("int", _rows(url, f"{BINANCE}&limit=1")[0]["a"])
    assert newest == _ids("binance", NOW_MS - MINUTE, NOW_MS + 1)[-1]
    assert [row["a"] for row in _rows(url, f"{BINANCE}&fromId=0&limit=3")] == [1, 2, 3]
    assert [row["a"] for row in _rows(url, f"{BINANCE}&fromId={newest - 1500}")] == list(
        range(newest - 1500, newest - 1000)
    )
    assert len(_rows(url, f"{BINANCE}&fromId={newest - 1500}&limit=5000")) == 1000
    assert _rows(url, f"{BINANCE}&fromId={newest + 1}") == []
    assert (len(_rows(url, BINANCE)), _rows(url, BINANCE)[-1]["a"]) == (500, newest)


def test_binance_reads_both_bounds_of_a_span_as_inside_it(url: str) -> None:
    start, end = NOW_MS - 5 * MINUTE, NOW_MS - 4 * MINUTE
    first, last = (
        MARKET.trades("binance", "BTC/USDT", *span).traded_at_ms[at]
        for span, at in (((start, end), 0), ((start, end), -1))
    )
    rows = _rows(url, f"{BINANCE}&startTime={first}&endTime={last}&limit=1000")
    assert [row["a"] for row in rows] == _ids("binance", start, end)
    assert [row["f"] for row in rows] == [row["l"] for row in rows] == [row["a"] for row in rows]
    since = _rows(url, f"{BINANCE}&startTime={start}&limit=1000")
    assert [row["a"] for row in since] == _ids("binance", start, NOW_MS + 1)[:1000]
    assert _rows(url, f"{BINANCE}&endTime={end}&limit=2")[-1]["a"] == _ids("binance", start, end + 1)[-1]
    assert _rows(url, f"{BINANCE}&startTime={FIRST_TRADED_MS - DAY}&limit=1")[0]["a"] == 1


def test_mexc_serves_the_newest_of_a_dense_hour_and_needs_both_bounds(url: str) -> None:
    span = f"startTime={NOW_MS - 3_600_000}&endTime={NOW_MS}"
    rows = _rows(url, f"{MEXC}&{span}&limit=1000")
    trades = MARKET.trades("mexc", "BTC/USDT", NOW_MS - 3_600_000, NOW_MS + 1).take(slice(-1000, None))
    assert [row["T"] for row in rows] == trades.traded_at_ms.tolist()[::-1]
    assert {row[key] for row in rows for key in "afl"} == {None}


def test_gate_pages_by_its_shared_ids_both_ways(url: str) -> None:
    rows = _rows(url, f"{GATE}&limit=20")
    ids, sequence = ([int(str(row[key])) for row in rows] for key in ("id", "sequence_id"))
    assert (np.diff(ids) < 0).all()
    assert sequence == list(range(sequence[0], sequence[0] - 20, -1))
    assert (np.diff(ids) < -1).any()
    other = _rows(url, "api.gateio.ws/api/v4/spot/trades?currency_pair=ETH_USDT&limit=20")
    assert not {row["id"] for row in rows} & {row["id"] for row in other}
    for last_id in (ids[9], ids[9] + 1):  # one that there is, and one that there is not
        older = _rows(url, f"{GATE}&limit=5&reverse=true&last_id={last_id}")
        expected = [one for one in ids if one < last_id][:5]
        assert [int(str(row["id"])) for row in older] == expected
        newer = _rows(url, f"{GATE}&limit=5&last_id={last_id}")
        assert [int(str(row["id"])) for row in newer] == [one for one in ids if one > last_id][-5:]


def test_gate_pages_through_a_span_newest_first(url: str) -> None:
    end = NOW_MS // 1000 - 60
    expected = _ids("gate", (end - 600) * 1000, (end + 1) * 1000)
    got: list[int] = []
    for page in range(1, 5):
        rows = _rows(url, f"{GATE}&from={end - 600}&to={end}&limit=1000&page={page}")
        got += [int(str(row["sequence_id"])) for row in rows]
    assert got == expected[::-1]


def test_krakens_cursor_holds_each_trade_once_even_within_a_millisecond(url: str) -> None:
    start = NOW_MS - 10 * MINUTE
    expected, got, since = _ids("kraken", start + 1, NOW_MS + 1), [], str(start // 1000)
    while True:
        result = cast("dict[str, object]", cast("Row", _get(url, f"{KRAKEN}&since={since}&count=7"))["result"])
        rows = cast("list[list[object]]", result["XBTUSDT"])
        if not rows:
            break
        got += [row[6] for row in rows]
        since = str(result["last"])
        assert len(since) == 19
        if len(got) > 400:
            break
    assert got == expected[: len(got)]
    at = NOW_MS * 1_000_000 - 1_000_000_000
    result = cast("dict[str, list[list[object]]]", cast("Row", _get(url, f"{KRAKEN}&since={at}"))["result"])
    assert [row[6] for row in result["XBTUSDT"]] == _ids("kraken", NOW_MS - 999, NOW_MS + 1)
    newest = cast("dict[str, list[list[object]]]", cast("Row", _get(url, KRAKEN))["result"])["XBTUSDT"]
    assert [row[6] for row in newest] == _ids("kraken", NOW_MS - 60 * MINUTE, NOW_MS + 1)[-1000:]


def test_coinbases_window_comes_newest_first_with_microseconds(url: str) -> None:
    end = NOW_MS // 1000 - 60
    rows = _rows(url, f"{COINBASE}start={end - 60}&end={end}&limit=1000", "trades")
    expected = _ids("coinbase", (end - 60) * 1000, end * 1000 + 1, "BTC/USD")
    assert [int(str(row["trade_id"])) for row in rows] == expected[::-1]
    assert {len(str(row["time"])) for row in rows} == {len("2026-03-10T12:00:30.123000Z")}
    products = _rows(
        url, "api.coinbase.com/api/v3/brokerage/market/products?product_ids=BTC-USD&product_ids=ETH-USD", "products"
    )
    assert [row["product_id"] for row in products] == ["BTC-USD", "ETH-USD"]


def test_okx_pages_by_id_and_by_time_and_reaches_three_months_back(url: str) -> None:
    ids = _ids("okx", NOW_MS - 30 * MINUTE, NOW_MS + 1)
    older = _rows(url, f"{OKX}&after={ids[-50]}", "data")
    assert [int(str(row["tradeId"])) for row in older] == ids[-150:-50][::-1]
    between = _rows(url, f"{OKX}&type=1&before={ids[-60]}&after={ids[-50]}", "data")
    assert [int(str(row["tradeId"])) for row in between] == ids[-59:-50][::-1]
    by_time = _rows(url, f"{OKX}&type=2&after={NOW_MS - MINUTE}&limit=10", "data")
    assert [int(str(row["tradeId"])) for row in by_time] == _ids("okx", NOW_MS - 9 * MINUTE, NOW_MS - MINUTE)[-10:][
        ::-1
    ]
    assert _rows(url, f"{OKX}&type=2&after={NOW_MS - 91 * DAY}", "data") == []
    newest = _rows(url, "www.okx.com/api/v5/market/trades?instId=BTC-USDT&limit=900", "data")
    assert len(newest) == 500
    [book] = _rows(url, "www.okx.com/api/v5/market/books?instId=BTC-USDT&sz=400", "data")
    assert (len(cast("list[object]", book["asks"])), book["ts"]) == (400, str(NOW_MS))


def test_an_absence_leaves_a_hole_in_the_ids_and_pages_cross_it(sandbox: SandboxProcess, url: str) -> None:
    ids = _ids("binance", NOW_MS - DAY, NOW_MS - DAY + MINUTE)
    gone = {"start": (NOW_MS - DAY + MINUTE) / 1000, "end": (NOW_MS - MINUTE) / 1000}
    sandbox.set_absences([Absence.model_validate(gone)])
    rows = _rows(url, f"{BINANCE}&fromId={ids[-2]}&limit=4")
    after = _ids("binance", NOW_MS - MINUTE, NOW_MS + 1)
    assert [row["a"] for row in rows] == [*ids[-2:], *after[:2]]
    [older] = _rows(url, f"{BINANCE}&endTime={NOW_MS - MINUTE - 1}&limit=1")
    assert older["a"] == ids[-1]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (f"{BINANCE}&fromId=1&startTime=1", "-1128"),
        ("api.binance.com/api/v3/ticker/24hr?symbol=BTCUSDT&symbols=[]", "-1128"),
        ("api.binance.com/api/v3/ticker/24hr?symbols=BTCUSDT", "-1100"),
        ("api.binance.com/api/v3/ticker/24hr?symbols=[%22NOPE%22]", "-1121"),
        (f"{MEXC}&startTime={NOW_MS}", "sent together"),
        (f"{MEXC}&startTime={NOW_MS - 3_600_001}&endTime={NOW_MS}", "one hour"),
        (f"{GATE}&limit=1001", "limit must be"),
        (f"{GATE}&page=0", "page is out of range"),
        ("api.kraken.com/0/public/Ticker?pair=XBTUSDT,NOPE", "Unknown asset pair"),
        (f"{OKX}&type=3", "Parameter type error"),
        (f"{OKX}&after=x", "Parameter after error"),
    ],
)
def test_what_a_venue_refuses_is_refused_in_its_words(url: str, path: str, said: str) -> None:
    try:
        status, text = 200, json.dumps(_get(url, path))
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read().decode()
    assert said in text
    assert status == (200 if "Unknown" in said or "type" in said else 400)


def test_rows_of_trades_are_spoilt_like_rows_of_bars(sandbox: SandboxProcess, url: str) -> None:
    sandbox.set_faults([Fault(kind="null_rows", bars=2)])
    assert [row is None for row in _rows(url, f"{BINANCE}&limit=5")] == [False, True, True, False, False]
    sandbox.set_faults([Fault(kind="disordered_bars")])
    ids = [cast("int", row["a"]) for row in _rows(url, f"{BINANCE}&limit=5")]
    assert np.diff(ids).tolist() == [2, -1, 2, 1] or sorted(ids) != ids
    sandbox.set_faults([Fault(kind="missing_trades", bars=2), Fault(kind="duplicate_trades")])
    ids = [cast("int", row["a"]) for row in _rows(url, f"{BINANCE}&limit=6")]
    assert len(ids) == 5
    assert len(set(ids)) == 4
    assert max(ids) - min(ids) == 5
