"""What each venue's frames say: recorded ones beside an independent reading, hand-written ones, and those that are refused."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from ccxt.protobuf.mexc.PushDataV3ApiWrapper_pb2 import PushDataV3ApiWrapper

from crypto_assets.clients.book_tickers.binance import BinanceFormat
from crypto_assets.clients.book_tickers.format import Answer, Format, Pong, joined_names
from crypto_assets.clients.book_tickers.gate import GateFormat
from crypto_assets.clients.book_tickers.mexc import CHANNEL, MexcFormat
from crypto_assets.clients.book_tickers.quote import Quote
from crypto_assets.clients.failures import Malformed

NOW = 1_654_029_559_500_000  # when Gate's recorded frame was written
BINANCE = BinanceFormat(["BTC/USDT"])
GATE = GateFormat(["BTC/USDT"])
MEXC = MexcFormat(["BTC/USDT"])
FORMATS: list[Format] = [BINANCE, GATE, MEXC]


def binance(**fields: object) -> bytes:
    whole = {"u": 5, "s": "BTCUSDT", "b": "100.50", "B": "2", "a": "100.60", "A": "0.3"} | fields
    return json.dumps({name: value for name, value in whole.items() if value is not ...}).encode()


def gate(**fields: object) -> bytes:
    result = {"t": NOW // 1000, "u": 5, "s": "BTC_USDT", "b": "100.50", "B": "2", "a": "100.60", "A": "0.3"} | fields
    result = {name: value for name, value in result.items() if value is not ...}
    return json.dumps({"time": 1, "channel": "spot.book_ticker", "event": "update", "result": result}).encode()


def mexc(**fields: object) -> bytes:
    whole: dict[str, object] = {"b": "100.50", "B": "2", "a": "100.60", "A": "0.3"} | fields
    whole = {name: "" if value is ... else str(value) for name, value in whole.items()}
    wrapper = PushDataV3ApiWrapper(channel=f"{CHANNEL}{whole.get('s', 'BTCUSDT')}", symbol=whole.get("s", "BTCUSDT"))
    wrapper.sendTime = int(str(fields.get("t", NOW // 1000)))
    ticker = wrapper.publicAggreBookTicker
    ticker.bidPrice, ticker.bidQuantity, ticker.askPrice, ticker.askQuantity = (whole[one] for one in "bBaA")
    found: bytes = wrapper.SerializeToString()
    return found


@pytest.mark.parametrize("name", ["BINANCE.ws.1.0.gz", "BINANCE_FUTURES.ws.1.0.gz"])
def test_recorded_captures_of_binance_are_read_as_an_independent_reader_does(name: str, recordings: Path) -> None:
    compared = 0
    wanted = [(at, text) for at, text in _captured(recordings / "ws" / "cryptofeed" / name)]
    names = {json.loads(text)["data"]["s"] for _, text in wanted if "@bookTicker" in text}
    form = BinanceFormat([f"{one}/X" for one in names], {one: f"{one}/X" for one in names})
    for at, text in wanted:
        found = form.parse(text.encode(), at)
        data = json.loads(text, parse_float=Decimal)["data"]
        if "@bookTicker" not in json.loads(text)["stream"]:
            assert found is None
            continue
        event_at = data["T"] * 1000 if "T" in data else None
        expected = (f"{data['s']}/X", data["b"], data["B"], data["a"], data["A"], event_at, at, data["u"])
        assert isinstance(found, Quote)
        assert (found.symbol, found.bid_price, found.bid_quantity, found.ask_price, found.ask_quantity) == expected[:5]
        assert (found.event_at, found.received_at, found.sequence) == expected[5:]
        assert found.bid == pytest.approx(float(Decimal(data["b"])), rel=1e-15)
        assert found.ask == pytest.approx(float(Decimal(data["a"])), rel=1e-15)
        compared += 1
    assert compared == (84 if name == "BINANCE.ws.1.0.gz" else 613)


def test_single_recorded_frames_are_read(recordings: Path) -> None:
    lines = (recordings / "ws" / "msg_frames" / "gate.jsonl").read_text().splitlines()
    raws = [raw for raw in (str(json.loads(line)["raw"]) for line in lines) if '"channel"' in raw]
    found = [one for one in (GATE.parse(raw.encode(), NOW) for raw in raws) if one is not None]
    assert found == [
        Quote("BTC/USDT", "31738.93", "2.3039", "31738.94", "0.335", 31738.93, 31738.94, 1_654_029_559_473_000, NOW, 6765708346)
    ]  # fmt: skip
    assert len(raws) > 10  # the others are of other channels


def test_a_quote_of_each_venue() -> None:
    told = ("BTC/USDT", "100.50", "2", "100.60", "0.3", 100.5, 100.6)
    assert BINANCE.parse(binance(), NOW) == Quote(*told, None, NOW, 5)
    assert GATE.parse(gate(), NOW) == Quote(*told, NOW // 1000 * 1000, NOW, 5)
    assert MEXC.parse(mexc(), NOW) == Quote(*told, NOW // 1000 * 1000, NOW, None)


def test_binance_says_when_a_future_changed_and_when_it_was_told() -> None:
    changed, told = NOW // 1000 - 9, NOW // 1000 - 4
    for fields, expected in (({"T": changed, "E": told}, changed), ({"E": told}, told)):
        found = BINANCE.parse(binance(e="bookTicker", **fields), NOW)
        assert isinstance(found, Quote)
        assert found.event_at == expected * 1000


def test_combined_streams_and_raw_ones_say_the_same() -> None:
    wrapped = b'{"stream":"btcusdt@bookTicker","data":' + binance() + b"}"
    assert BINANCE.parse(wrapped, NOW) == BINANCE.parse(binance(), NOW)


def test_mexc_says_when_a_quote_was_made_rather_than_when_it_was_sent() -> None:
    wrapper = PushDataV3ApiWrapper.FromString(mexc())
    wrapper.createTime = NOW // 1000 - 7
    found = MEXC.parse(wrapper.SerializeToString(), NOW)
    assert isinstance(found, Quote)
    assert found.event_at == (NOW // 1000 - 7) * 1000


BROKEN: list[dict[str, object]] = [
    {"b": "0"}, {"a": "0.000"}, {"b": "-1"}, {"b": "NaN"}, {"a": "Infinity"}, {"b": "1e400"}, {"a": "1e99"},
    {"B": "-0.1"}, {"A": "nan"}, {"A": "1e30"}, {"b": ""}, {"b": " 1"}, {"b": "1\n"}, {"b": "1_000"}, {"b": "1,0"},
    {"b": "١"}, {"b": "+1"}, {"b": "0x10"}, {"b": "1."}, {"b": ".5"}, {"b": "1\x00"}, {"b": "1" * 41},
    {"b": "0." + "0" * 40 + "1"}, {"s": "ETHUSDT"}, {"s": ""}, {"s": "BTCUSDT\x00"}, {"A": ...}, {"b": ...},
]  # fmt: skip


@pytest.mark.parametrize("fields", BROKEN, ids=str)
def test_what_cannot_be_believed_is_malformed(fields: dict[str, object]) -> None:
    frames = [(BINANCE, binance(**fields)), (GATE, gate(**fields)), (MEXC, mexc(**fields))]
    for form, frame in frames:
        if form is GATE and fields == {"b": ""}:  # how Gate says that nobody bids
            assert form.parse(frame, NOW) is None
            continue
        with pytest.raises(Malformed):
            form.parse(frame, NOW)


@pytest.mark.parametrize("ms", [1, NOW // 1000 - 86_400_001, NOW // 1000 + 86_400_001, 2**62])
def test_a_time_more_than_a_day_off_is_malformed(ms: int) -> None:
    for form, frame in ((BINANCE, binance(E=ms)), (GATE, gate(t=ms)), (MEXC, mexc(t=ms))):
        with pytest.raises(Malformed, match="a day off"):
            form.parse(frame, NOW)


def test_other_types_than_the_venue_writes_are_malformed() -> None:
    for value in (1.5, None, [], {}, True):
        for form, frame in ((BINANCE, binance(b=value)), (GATE, gate(b=value))):
            with pytest.raises(Malformed):
                form.parse(frame, NOW)
    for sequence in (-1, 2**63, "5", 1.5):
        for form, frame in ((BINANCE, binance(u=sequence)), (GATE, gate(u=sequence))):
            with pytest.raises(Malformed):
                form.parse(frame, NOW)


def test_rare_notations_keep_their_digits() -> None:
    found = MEXC.parse(mexc(b="1.25E-8", a="0.0000000000000000000001250"), NOW)
    assert isinstance(found, Quote)
    assert (found.bid_price, found.bid) == ("1.25E-8", 1.25e-8)
    assert (found.ask_price, found.ask) == ("0.0000000000000000000001250", 1.25e-22)


@pytest.mark.parametrize(
    ("form", "frame", "expected"),
    [
        (BINANCE, b'{"result":null,"id":3}', Answer(3)),
        (BINANCE, b'{"error":{"code":2,"msg":"Invalid\\u0000request"},"id":3}', Answer(3, (), "Invalid request")),
        (BINANCE, b'{"code":2,"msg":"Invalid JSON"}', Answer(None, (), "Invalid JSON")),
        (BINANCE, b'{"e":"kline","s":"BTCUSDT","k":{"a":1}}', None),
        (BINANCE, b'{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","a":7,"s":"BTCUSDT"}}', None),
        (GATE, b'{"id":4,"channel":"spot.book_ticker","event":"subscribe","result":{"status":"success"}}', Answer(4)),
        (
            GATE,
            b'{"id":4,"channel":"spot.book_ticker","event":"subscribe","error":{"code":2,"message":"unknown currency pair: X"},'
            b'"result":{"status":"fail"}}',
            Answer(4, (), "unknown currency pair: X"),
        ),
        (GATE, b'{"time":1,"channel":"spot.pong","event":"","result":null}', Pong()),
        (GATE, b'{"time":1,"channel":"spot.trades","event":"update","result":[{"id":1}]}', None),
        (MEXC, b'{"id":0,"code":0,"msg":"PONG"}', Pong()),
        (MEXC, f'{{"id":0,"code":0,"msg":"{CHANNEL}BTCUSDT"}}'.encode(), Answer(None, ("BTC/USDT",))),
        (
            MEXC,
            f'{{"id":0,"code":0,"msg":"Not Subscribed successfully! [{CHANNEL}BTCUSDT]. Blocked!"}}'.encode(),
            Answer(None, ("BTC/USDT",), f"Not Subscribed successfully! [{CHANNEL}BTCUSDT]. Blocked!"),
        ),
        (MEXC, PushDataV3ApiWrapper(channel="spot@public.aggre.deals.v3.api.pb@100ms@BTCUSDT").SerializeToString(), None),
    ],
)  # fmt: skip
def test_answers_and_other_channels(form: Format, frame: bytes, expected: object) -> None:
    assert form.parse(frame, NOW) == expected


def test_requests_name_each_market_as_the_venue_does() -> None:
    asked = [json.loads(form.subscribe(["BTC/USDT"], 9, NOW)) for form in FORMATS]
    assert asked[0] == {"method": "SUBSCRIBE", "params": ["btcusdt@bookTicker"], "id": 9}
    assert asked[1]["payload"] == ["BTC_USDT"]
    assert (asked[1]["time"], asked[1]["id"]) == (1_654_029_559, 9)
    assert asked[2]["params"] == ["spot@public.aggre.bookTicker.v3.api.pb@100ms@BTCUSDT"]


def test_names_are_those_of_spot_markets() -> None:
    assert joined_names(["BTC/USDT", "ETH/BTC"], "_") == {"BTC_USDT": "BTC/USDT", "ETH_BTC": "ETH/BTC"}
    for symbols in (["BTC/USDT:USDT"], ["BTCUSDT"], ["/USDT"], ["AB/C", "A/BC"]):
        with pytest.raises(ValueError, match=r"spot market|one name"):
            joined_names(symbols)


def _captured(path: Path) -> Iterator[tuple[int, str]]:
    """Frames that came, each with the time of its coming in µs: `seconds: frame` a line."""
    with gzip.open(path, "rt") as lines:
        for line in lines:
            at, colon, text = line.strip().partition(": ")
            if colon and at.replace(".", "").isdigit():
                yield round(float(at) * 1e6), text
