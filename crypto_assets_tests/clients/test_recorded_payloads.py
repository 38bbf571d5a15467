"""What venues really sent, through our readers: equal to an independent reading, digit by digit."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import ccxt
import numpy as np
import pytest

from crypto_assets.clients.book_rows import measure, read_levels
from crypto_assets.clients.exchange_bars import LAYOUTS, parse_bars
from crypto_assets.clients.exchange_markets import parse_market
from crypto_assets.clients.trade_rows import TRADE_LAYOUTS, Trades, parse_trades

type Row = dict[str, object]


def _file(recordings: Path, name: str) -> Path:
    path = recordings / name
    if not path.is_file():
        pytest.skip(f"the recordings lack {name}")
    return path


def _json(recordings: Path, name: str) -> object:
    return json.loads(gzip.decompress(_file(recordings, name).read_bytes()))


def _lines(recordings: Path, name: str) -> list[str]:
    return gzip.decompress(_file(recordings, name).read_bytes()).decode().splitlines()


def _answers(recordings: Path, name: str) -> Iterator[tuple[str, Row]]:
    """Each recorded request's URL and its answer."""
    for line in _lines(recordings, name):
        url, arrow, rest = line.partition(" -> ")
        if arrow:
            yield url, json.loads(rest.partition(": ")[2])


def _frames(recordings: Path, name: str) -> Iterator[Row]:
    """Each message that came in, of a capture with the time before each."""
    for line in _lines(recordings, name):
        head, colon, body = line.partition(": ")
        if colon and head.replace(".", "").isdigit():
            frame = json.loads(body)
            if isinstance(frame, dict):
                yield frame


def _messages(recordings: Path, venue: str, case: str = "spot") -> list[object]:
    lines = _file(recordings, f"ws/msg_frames/{venue}.jsonl").read_text(encoding="utf-8").splitlines()
    told = [json.loads(line) for line in lines]
    return [json.loads(one["raw"]) for one in told if one["kind"] == "trade" and one["case"] == case]


def _check(trades: Trades, truth: list[tuple[str, str, str, int, bool]]) -> None:
    """Id, price, amount, microseconds, whether the taker bought; in the order of the venue's numbers."""
    assert (trades.refused, len(trades)) == ((), len(truth))
    columns = (trades.trade_id, trades.price, trades.amount, trades.traded_at_us.tolist(), trades.is_buy.tolist())
    assert list(zip(*columns, strict=True)) == truth


def _us(text: str) -> int:
    """Microseconds of an ISO time, by way of numpy."""
    return int(np.datetime64(text.rstrip("Z"), "us").astype(np.int64))


def test_krakens_bars_are_the_unified_ones_and_its_counts_are_kept(recordings: Path) -> None:
    raw = _json(recordings, "ccxt/kraken_http_ohlc.json.gz")
    unified = _json(recordings, "ccxt/unified_kraken_http_ohlc.json.gz")
    assert isinstance(raw, dict)
    assert isinstance(unified, dict)
    rows = raw["result"][unified["pair"]]
    bars = parse_bars(rows, LAYOUTS["kraken"], 60_000)
    assert (len(bars), bars.refused) == (len(rows), ())
    found = [bars.opened_at_ms, *(bars.columns[name] for name in ("open", "high", "low", "close", "volume_base"))]
    np.testing.assert_array_equal(np.column_stack(found), np.array(unified["parsed"], dtype=float))
    assert bars.columns["trade_count"].tolist() == [row[7] for row in rows]


def test_binances_books_are_the_unified_ones_with_every_digit(recordings: Path) -> None:
    unified = _json(recordings, "ccxt/unified_binance_depth.json.gz")
    assert isinstance(unified, dict)
    books = dict(_answers(recordings, "ws/cryptofeed/BINANCE.http.0.0.gz"))
    assert len(books) == len(unified) == 4
    for url, book in books.items():
        bids, asks = book["bids"], book["asks"]
        assert isinstance(bids, list)
        assert isinstance(asks, list)
        levels = read_levels(bids, asks, 0, 1, 5000)
        assert [[list(level) for level in side] for side in (levels.bids, levels.asks)] == [bids, asks]
        theirs = unified[url.partition("symbol=")[2].partition("&")[0]]
        for side, expected in ((levels.bids, theirs["bids"]), (levels.asks, theirs["asks"])):
            assert [[float(price), float(amount)] for price, amount in side] == expected
        assert theirs["bids"][0][0] < measure(levels).microprice < theirs["asks"][0][0]


def test_gates_books_are_books_with_every_digit(recordings: Path) -> None:
    books = list(_answers(recordings, "ws/cryptofeed/GATEIO.http.0.0.gz"))
    assert len(books) == 10
    for _, book in books:
        bids, asks = book["bids"], book["asks"]
        assert isinstance(bids, list)
        assert isinstance(asks, list)
        levels = read_levels(bids, asks, 0, 1, 100)
        assert [list(level) for level in levels.bids] == bids
        assert [list(level) for level in levels.asks] == asks
        told, best = measure(levels), (Decimal(bids[0][0]) + Decimal(asks[0][0])) / 2
        assert told.mid == pytest.approx(float(best))
        assert told.bid_depth_quote == pytest.approx(float(sum(Decimal(p) * Decimal(a) for p, a in bids)))


def test_gates_markets_keep_their_steps(recordings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = ccxt.gate()
    pairs = _json(recordings, "ccxt/gate_currency_pairs.json.gz")
    assert isinstance(pairs, list)
    monkeypatch.setattr(client, "publicSpotGetCurrencyPairs", lambda _params: pairs)
    monkeypatch.setattr(client, "publicMarginGetCurrencyPairs", lambda _params: [])
    markets = [parse_market(market, client.precisionMode) for market in client.fetch_spot_markets()]
    for pair, found in zip(pairs, markets, strict=True):
        assert (found.symbol, found.venue_symbol) == (f"{pair['base']}/{pair['quote']}", pair["id"])
        assert found.tick_size == pytest.approx(10 ** -pair["precision"])
        assert found.lot_size == pytest.approx(10 ** -pair["amount_precision"])
        assert (found.kind, found.is_trading) == ("spot", True)


def test_krakens_markets_keep_their_steps(recordings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = ccxt.kraken()
    raw = _json(recordings, "ccxt/kraken_assetpairs.json.gz")
    assert isinstance(raw, dict)
    monkeypatch.setattr(client, "publicGetAssetPairs", lambda _params: raw)
    monkeypatch.setattr(client, "publicGetAssets", lambda *_: {"error": [], "result": {}})
    found = {market["id"]: parse_market(market, client.precisionMode) for market in client.fetch_markets()}
    assert found.keys() == raw["result"].keys()
    for name, pair in raw["result"].items():
        market = found[name]
        shown = pair.get(
            "wsname", f"{pair['altname'][:3]}/{pair['altname'][3:6]}"
        )  # a dark pool has no name for streams
        assert market.symbol == shown.replace("XBT", "BTC").replace("XDG", "DOGE")
        assert market.tick_size == pytest.approx(10 ** -pair["pair_decimals"])
        assert market.lot_size == pytest.approx(10 ** -pair["lot_decimals"])


@pytest.mark.parametrize("source", ["ws/msg_frames", "ws/cryptofeed"])
def test_binances_aggregated_trades(recordings: Path, source: str) -> None:
    rows: Mapping[object, list[Row]] = defaultdict(list)
    frames = (
        _messages(recordings, "binance") + _messages(recordings, "binance", "linear_swap")
        if source == "ws/msg_frames"
        else list(_frames(recordings, "ws/cryptofeed/BINANCE.ws.1.0.gz"))
    )
    for frame in frames:
        data = frame.get("data") if isinstance(frame, dict) else None
        if isinstance(data, dict) and data.get("e") == "aggTrade":
            rows[frame["stream"], data["s"], len(data)].append(data)  # type: ignore[index]
    assert sum(map(len, rows.values())) == 2
    for market in rows.values():
        trades = parse_trades(market, TRADE_LAYOUTS["binance"])
        _check(
            trades, [(str(r["a"]), str(r["p"]), str(r["q"]), int(str(r["T"])) * 1000, r["m"] is False) for r in market]
        )
        assert trades.fills.tolist() == [int(str(r["l"])) - int(str(r["f"])) + 1 for r in market]


def test_gates_spot_trades_and_their_fractions_of_a_millisecond(recordings: Path) -> None:
    frames = [*_frames(recordings, "ws/cryptofeed/GATEIO.ws.1.0.gz"), *_messages(recordings, "gate")]
    rows = [
        frame["result"]
        for frame in frames
        if isinstance(frame, dict) and frame.get("channel") == "spot.trades" and frame["event"] == "update"
    ]
    assert len(rows) > 3
    truth = sorted(
        (str(r["id"]), r["price"], r["amount"], int(Decimal(r["create_time_ms"]) * 1000), r["side"] == "buy")
        for r in rows  # type: ignore[index]
    )
    trades = parse_trades(rows, TRADE_LAYOUTS["gate"])
    _check(trades, sorted(truth, key=lambda one: int(one[0])))
    assert (trades.traded_at_us % 1000 > 0).any()


def test_krakens_trades_of_the_stream_have_the_rows_of_rest_but_for_their_number(recordings: Path) -> None:
    (message,) = _messages(recordings, "kraken")
    assert isinstance(message, list)
    (row,) = message[1]
    assert parse_trades([row], TRADE_LAYOUTS["kraken"]).refused[0].payload == row  # no seventh element
    as_served = [row[0], row[1], float(row[2]), row[3], row[4], row[5], 77]
    moment = datetime(2021, 3, 21, 13, 38, 44, 737428, tzinfo=UTC)
    at = _us(moment.replace(tzinfo=None).isoformat())
    _check(parse_trades([as_served], TRADE_LAYOUTS["kraken"]), [("77", "57126.70000", "0.02063928", at, True)])


def test_mexcs_deals_of_the_stream_in_the_fields_of_rest(recordings: Path) -> None:
    (message,) = _messages(recordings, "mexc")
    assert isinstance(message, dict)
    rows = [
        {
            "a": None,
            "f": None,
            "l": None,
            "p": deal["p"],
            "q": deal["q"],
            "T": deal["t"],
            "m": deal["T"] == 2,
            "M": True,
        }
        for deal in message["data"]["deals"]
    ]
    trades = parse_trades(rows, TRADE_LAYOUTS["mexc"])
    (name,) = trades.trade_id
    _check(trades, [(name, "39008.35", "0.003533", 1_646_996_447_307_000, False)])


def _coinbase(recordings: Path) -> Mapping[str, list[Row]]:
    rows: Mapping[str, list[Row]] = defaultdict(list)
    for frame in _frames(recordings, "ws/cryptofeed/COINBASE.ws.28.0.gz"):
        if frame.get("type") in {"match", "last_match"}:
            # The stream tells the maker's side in small letters, the REST rows the taker's in capitals.
            taker = {"sell": "BUY", "buy": "SELL"}[str(frame["side"])]
            rows[str(frame["product_id"])].append(frame | {"side": taker, "trade_id": str(frame["trade_id"])})
    return rows


def test_coinbases_matches_and_that_their_numbers_have_no_holes(recordings: Path) -> None:
    rows = _coinbase(recordings)
    count = 0
    for market in rows.values():
        once = {str(r["trade_id"]): r for r in market}
        truth = [
            (name, str(r["price"]), str(r["size"]), _us(str(r["time"])), r["side"] == "BUY")
            for name, r in sorted(once.items(), key=lambda one: int(one[0]))
        ]
        trades = parse_trades(market[::-1], TRADE_LAYOUTS["coinbase"])
        _check(trades, truth)
        assert trades.repeated == len(market) - len(once)
        assert set(np.diff(trades.sequence).tolist()) <= {1}
        count += len(trades)
    assert len(rows) == 10
    assert count > 20
    assert TRADE_LAYOUTS["coinbase"].is_dense


def test_okxs_trades_and_that_their_numbers_have_no_holes(recordings: Path) -> None:
    rows: Mapping[str, list[Row]] = defaultdict(list)
    for frame in _frames(recordings, "ws/cryptofeed/OKX.ws.1.0.gz"):
        channel, data = frame.get("arg"), frame.get("data")
        if isinstance(channel, dict) and channel["channel"] == "trades" and isinstance(data, list):
            rows[channel["instId"]].extend(data)
    count = 0
    for market in rows.values():
        trades = parse_trades(market[::-1], TRADE_LAYOUTS["okx"])
        ordered = sorted(market, key=lambda r: int(str(r["tradeId"])))
        _check(
            trades,
            [
                (str(r["tradeId"]), str(r["px"]), str(r["sz"]), int(str(r["ts"])) * 1000, r["side"] == "buy")
                for r in ordered
            ],
        )
        assert set(np.diff(trades.sequence).tolist()) <= {1}
        count += len(trades)
    assert count > 20
    assert TRADE_LAYOUTS["okx"].is_dense
