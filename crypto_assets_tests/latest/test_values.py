"""What stands in Redis, and under which names."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.latest import lives
from crypto_assets.latest.values import (
    KINDS,
    LatestBar,
    LatestQuote,
    LatestValue,
    ValueMalformed,
    channel,
    decoded,
    decoded_list,
    encoded,
    key,
)
from crypto_assets_tests.latest.making import SECOND, one_of_each, quote

HOUR = 3600 * SECOND


@pytest.mark.parametrize("value", one_of_each(), ids=lambda value: type(value).__name__)
def test_a_value_is_read_as_it_was_written_and_begins_with_its_moment(value: LatestValue) -> None:
    text = encoded(value)
    assert decoded(text, type(value)) == value
    assert text.startswith(b'{"at_us":%d,' % value.at_us)  # what Redis compares by


def test_every_kind_has_its_channel_and_names_its_values() -> None:
    assert {type(value) for value in one_of_each()} == set(KINDS)
    assert len({channel("live", kind) for kind in KINDS}) == len(KINDS)
    places = [key("live", type(value), value.name) for value in one_of_each()]
    assert places == [
        "crypto_assets:live:quote:mexc:BTC/USDT",
        "crypto_assets:live:book:okx:BTC/USDT%3AUSDT",
        "crypto_assets:live:ticker:gate:ETH/USDT",
        "crypto_assets:live:bar:binance:BTC/USDT:1h",
        "crypto_assets:live:prediction:gas_4h:ethereum:base_fee",
        "crypto_assets:live:score:crypto-lexicon:BTC",
    ]


@given(st.lists(st.tuples(st.text(), st.text(), st.text()), min_size=2, max_size=2, unique=True))
def test_two_names_never_share_a_key_and_no_profile_sees_another(names: list[tuple[str, str, str]]) -> None:
    one, other = names
    assert key("live", LatestBar, one) != key("live", LatestBar, other)
    assert key("live", LatestBar, one) != key("sandbox", LatestBar, one)


def test_ages_count_from_what_the_venue_says_and_else_from_what_we_know() -> None:
    told = quote(at=HOUR)
    assert told.was_so_us == HOUR - 250_000
    assert msgspec.structs.replace(told, event_us=None).was_so_us == HOUR - 200_000
    assert (told.bid, told.ask, told.mid) == (100.1, 100.3, pytest.approx(100.2))


@pytest.mark.parametrize(
    "text",
    [b"", b"null", b"[]", b"{}", b'{"at_us":1}', b"\xff\xfe", b'{"at_us":"x"}', encoded(one_of_each()[3])],
    ids=["nothing", "null", "a list", "no fields", "too few fields", "no text", "a wrong type", "another kind"],
)
def test_what_is_no_quote_is_refused(text: bytes) -> None:
    with pytest.raises(ValueMalformed, match="Redis holds something else than a quote"):
        decoded(text, LatestQuote)
    with pytest.raises(ValueMalformed):
        decoded_list(b"[" + text + b",]", LatestQuote)


@given(st.binary(max_size=200))
def test_hostile_bytes_are_refused_and_never_anything_else(text: bytes) -> None:
    with pytest.raises(ValueMalformed):
        decoded(text, LatestQuote)


def test_lives_end_when_something_newer_is_due() -> None:
    assert lives.quote_until(0, SECOND) == 10 * SECOND
    assert lives.quote_until(0, 60 * SECOND) == 180 * SECOND
    assert lives.bar_until(5 * HOUR, HOUR) == 6 * HOUR
    assert lives.prediction_until(0, HOUR) == HOUR
    assert lives.prediction_until(0, 24 * HOUR) == 2 * HOUR
