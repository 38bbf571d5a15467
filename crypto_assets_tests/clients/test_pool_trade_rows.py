"""Bars and trades of pools: rules, order, repeats, ids; each digit kept, and nothing that JSON can hold breaks the reader."""

# ruff: noqa: S106 - tokens are coins here

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crypto_assets.clients.failures import Malformed
from crypto_assets.clients.pool_trade_rows import PoolBars, PoolTrades, parse_pool_bars, parse_pool_trades
from crypto_assets_tests.clients.gecko_answers import GARBAGE, NOW, bars, spoiled, trade

MINUTE = 60_000
NOW_MS = int(NOW.timestamp() * 1000)
START = 1_756_300_020  # seconds, on the minute


def _bars(*rows: object, now_ms: int = NOW_MS, before_ms: int | None = None, length_ms: int = MINUTE) -> PoolBars:
    return parse_pool_bars(bars(list(rows)), length_ms, now_ms, before_ms)


def _trades(*rows: object, network: str = "eth") -> PoolTrades:
    return parse_pool_trades({"data": list(rows)}, network, NOW)


# --- bars


def test_bars_become_ascending_columns() -> None:
    found = _bars([START + 60, 2, 4, 1, 3, "7.5"], [START, 1.5, 3, 0.5, 2, 0])
    assert found.opened_at_ms.tolist() == [START * 1000, (START + 60) * 1000]
    columns = (found.open, found.high, found.low, found.close, found.volume_usd)
    assert [column.tolist() for column in columns] == [[1.5, 2], [3, 4], [0.5, 1], [2, 3], [0, 7.5]]
    assert (len(found), found.received, found.oldest_ms, found.refused, found.repeated) == (2, 2, START * 1000, (), 0)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (None, "no list of six"),
        ({}, "no list of six"),
        ([START, 1, 1, 1, 1], "no list of six"),
        ([START, 1, 1, 1, 1, 1, 1], "no list of six"),
        ([None, 1, 1, 1, 1, 1], "opening time"),
        ([True, 1, 1, 1, 1, 1], "opening time"),
        ([START + 0.5, 1, 1, 1, 1, 1], "opening time"),
        ([float("nan"), 1, 1, 1, 1, 1], "opening time"),
        ([10**400, 1, 1, 1, 1, 1], "63 bits"),
        ([START * 1000, 1, 1, 1, 1, 1], "implausible"),
        ([1_420_070_340, 1, 1, 1, 1, 1], "implausible"),
        ([NOW_MS // 1000 + 90, 1, 1, 1, 1, 1], "implausible"),
        ([START + 1, 1, 1, 1, 1, 1], "off the grid"),
        ([START, None, 1, 1, 1, 1], "not known"),
        ([START, "NaN", 1, 1, 1, 1], "not known"),
        ([START, 0, 1, 0, 1, 1], "not positive"),
        ([START, 1, -1, 1, 1, 1], "not positive"),
        ([START, 1, 2, 1, 3, 1], "high is below"),
        ([START, 1, 2, 1.5, 1, 1], "low is above"),
        ([START, 1, 1, 1, 1, -1], "volume is negative"),
        ([START, 1, 1, 1, 1, None], "not known"),
        ([START, 1, float("inf"), 1, 1, 1], "no number"),
        ([START, 1, 10**5000, 1, 1, 1], "ValueError"),
        ([START, [], 1, 1, 1, 1], "expected a number"),
    ],
)
def test_a_row_that_is_no_bar_is_refused_with_its_payload(row: object, reason: str) -> None:
    found = _bars([START + 60, 1, 1, 1, 1, 1], row)
    assert (len(found), found.received, found.oldest_ms) == (1, 2, (START + 60) * 1000)
    (refused,) = found.refused
    assert reason in refused.reason
    assert refused.payload is row


def test_the_open_bar_is_left_out_but_counts_as_the_oldest() -> None:
    rows = [[START, 1, 1, 1, 1, 1]]
    assert len(_bars(*rows, now_ms=START * 1000 + MINUTE)) == 1
    found = _bars(*rows, now_ms=START * 1000 + MINUTE - 1)
    assert (len(found), found.received, found.oldest_ms, found.refused) == (0, 1, START * 1000, ())


def test_bars_that_open_at_the_bound_or_later_are_left_out() -> None:
    rows = [[START + 60 * i, 1, 1, 1, 1, 1] for i in range(3)]
    assert _bars(*rows, before_ms=(START + 60) * 1000).opened_at_ms.tolist() == [START * 1000]
    assert len(_bars(*rows, before_ms=(START + 60) * 1000 + 1)) == 2


def test_a_bar_that_comes_again_counts_once_another_one_for_its_time_is_refused() -> None:
    row, other = [START, 1, 1, 1, 1, 1], [START, 1, 1, 1, 1, 2]
    found = _bars(row, row, other, [float(START), "1", "1.0", 1, 1, 1])
    assert (found.volume_usd.tolist(), found.repeated, found.received) == ([1], 2, 4)
    assert [refused.payload for refused in found.refused] == [other]


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    rows=st.lists(GARBAGE | spoiled([START, 1, 3, 0.5, 2, 10]), max_size=5), whole=GARBAGE | spoiled(bars([[1] * 6]))
)
def test_no_answer_breaks_the_reader_of_bars(rows: list[object], whole: object) -> None:
    found = _bars(*rows)
    assert len(found) + len(found.refused) + found.repeated == found.received == len(rows)
    assert np.isfinite([found.open, found.high, found.low, found.close, found.volume_usd]).all()
    with suppress(Malformed):
        parse_pool_bars(whole, MINUTE, NOW_MS)


# --- trades


def test_a_purchase_tells_the_base_token_as_what_came_out() -> None:
    found = _trades(trade())
    assert found.traded_at_us.tolist() == [1_756_397_708_000_000]
    told = (found.tx_hash[0], found.ordinal[0], found.block_number[0], found.is_buy[0], found.sender[0])
    assert told == ("0xt1", 1, 100, True, "0xsender")
    numbers = (found.price_usd[0], found.amount_base[0], found.amount_quote[0], found.volume_usd[0])
    assert numbers == ("0.5", "400", "2", "200")


def test_a_sale_tells_it_as_what_went_in() -> None:
    found = _trades(trade(kind="sell"))
    assert not found.is_buy[0]
    assert (found.price_usd[0], found.amount_base[0], found.amount_quote[0]) == ("100", "2", "400")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (None, "no object"),
        ({}, "attributes"),
        (trade(kind="BUY"), "neither buy nor sell"),
        (trade(kind=["buy"]), "neither buy nor sell"),
        (trade(price_to_in_usd="0.000"), "not positive"),
        (trade(price_to_in_usd="NaN"), "not known"),
        (trade(price_to_in_usd=None), "not known"),
        (trade(to_token_amount="-1"), "negative"),
        (trade(to_token_amount=""), "not known"),
        (trade(volume_in_usd="-0.1"), "negative"),
        (trade(volume_in_usd="1" * 101), "no number"),
        (trade(block_timestamp=(NOW + timedelta(seconds=61)).isoformat()), "implausible"),
        (trade(block_timestamp=1_756_397_708), "expected a time"),
        (trade(block=-1), "block_number"),
        (trade(tx=""), "no id"),
        (trade(network="solana"), "not network eth"),
        (trade(tx_from_address=7), "expected an id"),
    ],
)
def test_a_row_that_is_no_trade_is_refused_with_its_payload(row: object, reason: str) -> None:
    found = _trades(trade("0xother"), row)
    assert (len(found), found.received) == (1, 2)
    (refused,) = found.refused
    assert reason in refused.reason
    assert refused.payload is row


def test_dust_of_no_amount_and_no_volume_is_a_trade() -> None:
    found = _trades(trade(from_token_amount="0.0", to_token_amount="0", volume_in_usd="0.0", tx_from_address=None))
    assert (found.amount_base[0], found.amount_quote[0], found.volume_usd[0], found.sender[0]) == (
        "0",
        "0.0",
        "0.0",
        "",
    )


def test_trades_stand_in_the_order_in_which_they_happened() -> None:
    late = trade("0xa", 1, block=101, block_timestamp="2025-08-28T16:15:09+00:00")
    found = _trades(late, trade("0xb", 12, block=101), trade("0xb", 3, block=101), trade("0xc", 99, block=100))
    assert list(zip(found.block_number, found.ordinal, strict=True)) == [(100, 99), (101, 3), (101, 12), (101, 1)]


def test_a_trade_that_comes_again_counts_once_whatever_moment_its_id_ends_with() -> None:
    again = trade() | {"id": "eth_100_0xt1_1_1756397999"}
    found = _trades(trade(), trade(), again)
    assert (len(found), found.repeated, found.refused) == (1, 2, ())


def test_two_different_trades_under_one_id_are_both_refused() -> None:
    one, other, apart = trade(), trade(volume_in_usd="201"), trade("0xt1", 2)
    found = _trades(one, other, apart)
    assert found.ordinal.tolist() == [2]
    assert [refused.payload for refused in found.refused] == [one, other]


def test_ids_are_read_from_the_right() -> None:
    assert _trades(trade(network="polygon_pos", ordinal=42), network="polygon_pos").ordinal.tolist() == [42]


@pytest.mark.parametrize("row_id", [None, 5, "", "abc", "eth_100_0xt1_x_1", "eth_101_0xt1_1_1", "eth_100_0xt2_1_1"])
def test_an_id_made_otherwise_gives_the_place_within_the_transaction(row_id: object) -> None:
    rows = [trade(volume_in_usd=volume) | {"id": row_id} for volume in ("3", "1", "2")] + [trade("0xother") | {"id": 1}]
    forth, back = _trades(*rows), _trades(*rows[::-1])
    for found in (forth, back):
        told = dict(zip(zip(found.tx_hash, found.ordinal, strict=True), found.volume_usd, strict=True))
        assert told == {("0xt1", 0): "1", ("0xt1", 1): "2", ("0xt1", 2): "3", ("0xother", 0): "200"}


def test_rows_that_differ_only_in_an_unreadable_id_are_two_trades() -> None:
    assert _trades(trade() | {"id": "a"}, trade() | {"id": "b"}, trade() | {"id": "a"}).ordinal.tolist() == [0, 1]


@given(digits=st.text("0123456789", min_size=1, max_size=80), point=st.integers(0, 80))
def test_numbers_of_up_to_eighty_digits_survive_unchanged(digits: str, point: int) -> None:
    text = digits if not 0 < point < len(digits) else f"{digits[:point]}.{digits[point:]}"
    names = ("from_token_amount", "to_token_amount", "volume_in_usd")
    found = _trades(trade(**dict.fromkeys(names, text)))
    assert {found.amount_base[0], found.amount_quote[0], found.volume_usd[0]} == {text}
    priced = _trades(trade(price_to_in_usd=text))
    assert priced.price_usd.tolist() == ([text] if text.strip("0.") else [])


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(rows=st.lists(GARBAGE | spoiled(trade()), max_size=5), whole=GARBAGE | spoiled({"data": [trade()]}))
def test_no_answer_breaks_the_reader_of_trades(rows: list[object], whole: object) -> None:
    found = _trades(*rows)
    assert len(found) + len(found.refused) + found.repeated == found.received == len(rows)
    with suppress(Malformed):
        parse_pool_trades(whole, "eth", NOW)
