"""Payloads: those of clients' own classes and of real captures, and broken ones that none may take for a quote."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

import pytest
from ccxt.protobuf.mexc import PushDataV3ApiWrapper_pb2
from google.protobuf.message import DecodeError

from crypto_assets.sandbox.streams.binance import FORMATS as BINANCE
from crypto_assets.sandbox.streams.dialect import Asking, Dialect, Subscription
from crypto_assets.sandbox.streams.frames import frame
from crypto_assets.sandbox.streams.gate import Gate
from crypto_assets.sandbox.streams.mexc import Mexc
from crypto_assets.sandbox.streams.quotes import MadeQuote
from crypto_assets.sandbox.streams.recorded import RecordedStreams

QUOTE = MadeQuote("97116.3", "0.08876", "97127.3", "0.05790")
AT = 1_795_303_972_400
ON_BINANCE = Subscription("btcusdt@bookTicker", "BTC/USDT", "BTCUSDT")
ON_GATE = Subscription("spot.book_ticker BTC_USDT", "BTC/USDT", "BTC_USDT")
ON_MEXC = Subscription("spot@public.aggre.bookTicker.v3.api.pb@100ms@BTCUSDT", "BTC/USDT", "BTCUSDT")


def _asking(**markets: str) -> Asking:
    return Asking(markets.get, [], "/ws", {}, AT)


def test_binance_spot_has_six_fields_and_no_time() -> None:
    found = json.loads(BINANCE[0].encoder(ON_BINANCE)(10, QUOTE, AT))
    assert found == {"u": 73, "s": "BTCUSDT", "b": "97116.3", "B": "0.08876", "a": "97127.3", "A": "0.05790"}


def test_frames_have_the_fields_of_recorded_ones(recordings: Path) -> None:
    recorded = RecordedStreams(recordings)
    wrapped = Subscription("btcusdt@bookTicker", "BTC/USDT", "BTCUSDT", is_wrapped=True)
    for form in BINANCE:
        ours = json.loads(form.encoder(wrapped)(10, QUOTE, AT))
        real = next(
            json.loads(one.payload) for one in recorded.frames(form.venue) or () if b"@bookTicker" in one.payload
        )
        assert set(ours) == set(real) == {"stream", "data"}
        assert _kinds(ours["data"]) == _kinds(real["data"])
    ours = json.loads(Gate().encoder(ON_GATE)(10, QUOTE, AT))
    real = json.loads((recorded.frames("gate") or ())[-1].payload)
    assert _kinds(ours["result"]) == _kinds(real["result"])
    assert set(real) <= set(ours)


def _kinds(fields: Mapping[str, object]) -> dict[str, type]:
    return {name: type(value) for name, value in fields.items()}


def test_mexc_frames_are_what_the_venues_own_definition_writes() -> None:
    payload = Mexc().encoder(ON_MEXC)(10, QUOTE, AT)
    wrapper = PushDataV3ApiWrapper_pb2.PushDataV3ApiWrapper()
    wrapper.ParseFromString(payload)
    ticker = wrapper.publicAggreBookTicker
    assert (ticker.bidPrice, ticker.bidQuantity, ticker.askPrice, ticker.askQuantity) == QUOTE
    assert (wrapper.channel, wrapper.symbol) == (ON_MEXC.name, "BTCUSDT")
    assert (wrapper.createTime, wrapper.sendTime) == (AT, AT)
    assert wrapper.SerializeToString(deterministic=True) == payload


def _is_quote(prices: object, market: object) -> bool:
    if not isinstance(prices, list) or market not in {"BTCUSDT", "BTC_USDT"}:
        return False
    try:
        numbers = [float(one) if isinstance(one, str) else math.nan for one in prices]
    except ValueError:
        return False
    return all(math.isfinite(one) for one in numbers) and numbers[0] > 0 and numbers[2] > 0


@pytest.mark.parametrize(("form", "subscription"), [(BINANCE[0], ON_BINANCE), (Gate(), ON_GATE)])
def test_broken_text_is_never_a_quote(form: Dialect, subscription: Subscription) -> None:
    payloads = [form.broken(number, QUOTE, subscription) for number in range(10)]
    assert len(set(payloads)) == 10
    for payload in payloads:
        try:
            found = json.loads(payload)
        except ValueError:
            continue
        data = found.get("result", found) if isinstance(found, dict) else None
        if isinstance(data, dict):
            assert not _is_quote([data[name] for name in "bBaA"], data["s"])


def test_broken_messages_of_mexc_are_never_a_quote() -> None:
    payloads = [Mexc().broken(number, QUOTE, ON_MEXC) for number in range(10)]
    assert len(set(payloads)) == 10
    for payload in payloads:
        wrapper = PushDataV3ApiWrapper_pb2.PushDataV3ApiWrapper()
        try:
            wrapper.ParseFromString(payload)
        except DecodeError:
            continue
        ticker = wrapper.publicAggreBookTicker
        prices = [ticker.bidPrice, ticker.bidQuantity, ticker.askPrice, ticker.askQuantity]
        assert not _is_quote(prices, wrapper.symbol)


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        ("{", 3, "Invalid JSON"),
        ("[]", 2, "missing field `method`"),
        ('{"method":"LOGIN"}', 2, "unknown variant `LOGIN`"),
        ('{"method":"SUBSCRIBE","params":"btcusdt@bookTicker","id":1}', 2, "array"),
    ],
)
def test_binance_refuses_in_its_own_words(said: str, code: int, words: str) -> None:
    heard = BINANCE[0].heard(said, _asking(BTCUSDT="BTC/USDT"))
    (reply,) = heard.replies
    assert not heard.added
    assert json.loads(reply)["code"] == code
    assert words in json.loads(reply)["msg"]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"channel": "spot.book_ticker", "event": "subscribe", "payload": ["BTC_USDT", "NO_PE"]}, "pair: NO_PE"),
        ({"channel": "spot.nothing", "event": "subscribe", "payload": ["BTC_USDT"]}, "unknown channel"),
        ({"channel": "spot.book_ticker", "event": "listen", "payload": ["BTC_USDT"]}, "unknown event"),
        ({"channel": "spot.book_ticker", "event": "subscribe", "payload": "BTC_USDT"}, "argument"),
    ],
)
def test_gate_refuses_a_whole_subscription(message: dict[str, object], words: str) -> None:
    heard = Gate().heard(json.dumps(message), _asking(BTC_USDT="BTC/USDT"))
    found = json.loads(heard.replies[0])
    assert not heard.added
    assert words in found["error"]["message"]
    assert found["result"] == {"status": "fail"}


def test_mexc_takes_what_it_knows_and_names_what_it_does_not() -> None:
    known, unknown = ON_MEXC.name, ON_MEXC.name.replace("BTC", "NOPE")
    old = "spot@public.bookTicker.v3.api@BTCUSDT"
    heard = Mexc().heard(
        json.dumps({"method": "SUBSCRIPTION", "params": [known, unknown, old]}), _asking(BTCUSDT="BTC/USDT")
    )
    taken, refused = (json.loads(reply) for reply in heard.replies)
    assert [one.symbol for one in heard.added] == ["BTC/USDT"]
    assert taken == {"id": 0, "code": 0, "msg": known}
    assert f"[{unknown},{old}]" in refused["msg"]


def test_frames_have_headers_of_three_sizes() -> None:
    assert frame(1, b"ab") == b"\x81\x02ab"
    assert frame(2, b"x" * 126)[:4] == b"\x82\x7e\x00\x7e"
    assert frame(1, b"x" * 65_536)[:10] == b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"
