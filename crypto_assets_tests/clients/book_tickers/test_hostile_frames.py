"""Whatever bytes come, a format says a quote, an answer or nothing, or that they are malformed; a quote is always sound."""

from __future__ import annotations

import json
import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_assets.clients.book_tickers.format import Answer, Format, Pong
from crypto_assets.clients.book_tickers.quote import Quote
from crypto_assets.clients.failures import Malformed
from crypto_assets_tests.clients.book_tickers.test_formats import BINANCE, FORMATS, GATE, MEXC, NOW, binance, gate, mexc

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NUMBERISH = st.text("0123456789.eE+-_ \x00\n\tnaNif", max_size=45) | st.decimals(allow_nan=True).map(str) | JSON
NAMES = st.sampled_from(["u", "s", "b", "B", "a", "A", "e", "E", "T", "t", "id", "stream", "data", "error", "code"])
STORABLE = re.compile(r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?")
QUICK = settings(max_examples=60, deadline=None)


def check(form: Format, frame: bytes) -> None:
    try:
        found = form.parse(frame, NOW)
    except Malformed:
        return
    assert found is None or isinstance(found, Quote | Answer | Pong)
    if isinstance(found, Quote):
        texts = (found.bid_price, found.bid_quantity, found.ask_price, found.ask_quantity)
        assert all(STORABLE.fullmatch(text) and text.isascii() and len(text) <= 40 for text in texts)
        assert found.symbol == "BTC/USDT"
        assert all(math.isfinite(price) and price > 0 for price in (found.bid, found.ask))
        assert found.event_at is None or abs(found.event_at - NOW) <= 86_400_000_000
        assert found.sequence is None or 0 <= found.sequence < 2**63


@QUICK
@given(st.binary(max_size=300))
def test_any_bytes(frame: bytes) -> None:
    for form in FORMATS:
        check(form, frame)


@QUICK
@given(JSON)
def test_any_json(value: object) -> None:
    for form in FORMATS:
        check(form, json.dumps(value).encode())


@QUICK
@given(st.dictionaries(NAMES, NUMBERISH, max_size=4))
def test_any_field_of_a_quote(fields: dict[str, object]) -> None:
    check(BINANCE, binance(**fields))
    check(GATE, gate(**fields))
    check(GATE, json.dumps({"channel": "spot.book_ticker", "event": "update"} | fields).encode())


@QUICK
@given(st.dictionaries(st.sampled_from("bBaAs"), NUMBERISH, max_size=3), st.integers(-(2**63), 2**63 - 1))
def test_any_field_of_a_protobuf_quote(fields: dict[str, object], sent_ms: int) -> None:
    texts = {name: str(value).encode("utf-8", "replace").decode() for name, value in fields.items()}
    check(MEXC, mexc(**texts, t=sent_ms))


@QUICK
@given(
    st.sampled_from([(BINANCE, binance()), (GATE, gate()), (MEXC, mexc())]), st.integers(0, 400), st.binary(max_size=8)
)
def test_any_damage_of_a_sound_quote(sound: tuple[Format, bytes], at: int, damage: bytes) -> None:
    form, frame = sound
    check(form, frame[:at])
    check(form, frame[:at] + damage + frame[at + len(damage) :])


@pytest.mark.parametrize(
    "frame", [b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe{}", b"{" + b"\x00" * 50, b'{"s":"\\ud800"}']
)
def test_nests_and_broken_texts(frame: bytes) -> None:
    for form in FORMATS:
        check(form, frame)
