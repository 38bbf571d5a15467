"""DEXes and pools: each field where it belongs, each digit kept, and nothing that JSON can hold breaks the reader."""

# ruff: noqa: S106 - tokens are coins here

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crypto_assets.clients.failures import Malformed
from crypto_assets.clients.pool_rows import (
    PoolRow,
    has_next_page,
    parse_dexes,
    parse_pool,
    parse_pools,
    parse_top_pools,
)
from crypto_assets.clients.pool_values import number_text
from crypto_assets_tests.clients.gecko_answers import GARBAGE, NOW, Json, dex, places, pool, spoiled, token, trade


def _one(told: Json, **answer: object) -> PoolRow:
    found = parse_pools({"data": [told], **answer}, "eth", NOW)
    assert not found.refused, found.refused
    (row,) = found.rows
    return row


def _refusal(told: object) -> str:
    found = parse_pools({"data": [told]}, "eth", NOW)
    assert not found.rows
    (refused,) = found.refused
    assert refused.payload == told or repr(refused.payload) == repr(told)
    return refused.reason


def test_each_field_of_a_pool_stands_where_it_belongs() -> None:
    windows = ("5m", "1h", "6h", "24h")
    assert _one(pool("0x1")) == PoolRow(
        address="0x1",
        name="AAA / BBB 0.3%",
        dex="uniswap_v3",
        base_token="0xaa",
        quote_token="0xbb",
        base_symbol="AAA",
        quote_symbol="BBB",
        fee_pct=0.3,
        created_at=datetime(2024, 5, 13, 15, 13, 47, tzinfo=UTC),
        price_usd="0.00012300",
        price_quote="0.5",
        quote_price_usd="2000.10",
        reserve_usd=1000.5,
        fdv_usd=20565.77,
        market_cap_usd=None,
        volume_usd={"5m": 5.0, "1h": 10.5, "6h": 60.0, "24h": 240.0},
        buys=dict.fromkeys(windows, 3),
        sells=dict.fromkeys(windows, 2),
        buyers=dict.fromkeys(windows, 2),
        sellers=dict.fromkeys(windows, 1),
        price_change_pct={"5m": -1.5, "1h": 0.25, "24h": 10.0},
    )


@pytest.mark.parametrize("unknown", [None, "NaN", "", float("nan")])
def test_what_is_not_known_is_none(unknown: object) -> None:
    names = (
        "base_token_price_usd",
        "base_token_price_quote_token",
        "quote_token_price_usd",
        "reserve_in_usd",
        "fdv_usd",
    )
    row = _one(pool("0x1", **dict.fromkeys(names, unknown), volume_usd={"h1": unknown, "h24": "1"}))
    values = (row.price_usd, row.price_quote, row.quote_price_usd, row.reserve_usd, row.fdv_usd)
    assert values == (None,) * 5
    assert row.volume_usd == {"24h": 1.0}


def test_windows_that_did_not_come_are_absent() -> None:
    gone = {"transactions": {"h1": {"buys": 1}, "h6": None}, "volume_usd": None, "price_change_percentage": {}}
    row = _one(pool("0x1", **gone))
    assert (row.buys, row.sells, row.volume_usd, row.price_change_pct) == ({"1h": 1}, {}, {}, {})


@pytest.mark.parametrize(
    ("name", "base", "quote", "fee"),
    [
        ("cbETH / WETH 0.05%", "cbETH", "WETH", 0.05),
        ("A / B", "A", "B", None),
        ("A B / C D 1%", "A B", "C D", 1.0),
        ("A / 100%", "A", "100%", None),
        ("A / B / C 2.5%", "A", "B / C", 2.5),
        ("支付宝 / SOL", "支付宝", "SOL", None),
        ("Curve 3pool", "", "", None),
        ("", "", "", None),
    ],
)
def test_symbols_and_fee_come_from_the_name(name: str, base: str, quote: str, fee: float | None) -> None:
    row = _one(pool("0x1", name=name))
    assert (row.base_symbol, row.quote_symbol, row.fee_pct) == (base, quote, fee)


def test_symbols_of_the_tokens_that_came_along_go_first() -> None:
    included = [token("0xaa", "LONG"), None, {"type": "token"}, token("0xbb", ""), {"id": [], "type": "token"}]
    row = _one(pool("0x1"), included=included)
    assert (row.base_symbol, row.quote_symbol) == ("LONG", "BBB")


def test_a_name_that_cannot_be_stored_is_made_storable() -> None:
    assert _one(pool("0x1", name="A\0\ud800\n / B")).name == "A��� / B"
    assert len(_one(pool("0x1", name="x" * 10_000)).name) == 300


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (None, "no object"),
        ([], "no object"),
        (pool("0x1", network="sol"), "not of network eth"),
        (pool("0x1", network="ethw"), "not of network eth"),
        (pool("0x1") | {"id": "eth0x1"}, "not of network eth"),
        (pool("0x1") | {"id": "eth_"}, "no id"),
        (pool("0x1") | {"id": "eth_0x2"}, "differ"),
        (pool("0x1", address=None), "expected an id"),
        (pool("0x1", base="x" * 99), "no id"),
        (pool("0x1", base="a b"), "no id"),
        (pool("0x1", base="\0"), "no id"),
        (pool("0x1", pool_created_at="2024-05-13T15:13:47"), "zone"),
        (pool("0x1", pool_created_at="2014-12-31T23:59:59Z"), "implausible"),
        (pool("0x1", pool_created_at=(NOW + timedelta(seconds=61)).isoformat()), "implausible"),
        (pool("0x1", base_token_price_usd="-1"), "negative"),
        (pool("0x1", base_token_price_usd="1,5"), "no number"),
        (pool("0x1", base_token_price_usd="1_000"), "no number"),
        (pool("0x1", base_token_price_usd="٣"), "no number"),
        (pool("0x1", base_token_price_usd="Infinity"), "no number"),
        (pool("0x1", base_token_price_usd=float("inf")), "no number"),
        (pool("0x1", base_token_price_usd="1" * 101), "no number"),
        (pool("0x1", base_token_price_usd="1e101"), "100 characters"),
        (pool("0x1", base_token_price_usd=True), "came bool"),
        (pool("0x1", base_token_price_usd=10**5000), "ValueError"),
        (pool("0x1", volume_usd={"h1": "-1"}), "negative"),
        (pool("0x1", volume_usd=[]), "no object"),
        (pool("0x1", transactions={"h1": {"buys": -1}}), "buys"),
        (pool("0x1", transactions={"h1": {"buys": 2.0}}), "buys"),
        (pool("0x1", transactions={"h1": {"buys": 2**63}}), "63 bits"),
    ],
)
def test_a_row_that_is_no_pool_is_refused_with_its_payload(told: object, reason: str) -> None:
    assert reason in _refusal(told)


def test_addresses_keep_their_own_underscores() -> None:
    told = pool("EQ_a-_1", network="polygon_pos", base="EQ__b", quote="polygon_pos_c")
    (row,) = parse_pools({"data": [told]}, "polygon_pos", NOW).rows
    assert [row.address, row.base_token, row.quote_token] == ["EQ_a-_1", "EQ__b", "polygon_pos_c"]


def test_a_bad_row_costs_no_other() -> None:
    found = parse_pools({"data": [pool("0x1"), None, pool("0x2")]}, "eth", NOW)
    assert [row.address for row in found.rows] == ["0x1", "0x2"]
    assert len(found.refused) == 1


def test_a_pool_that_comes_again_counts_once() -> None:
    other = pool("0x1", reserve_in_usd="7")
    found = parse_pools({"data": [pool("0x1"), pool("0x1"), other]}, "eth", NOW)
    assert (len(found.rows), found.repeated, [row.payload for row in found.refused]) == (1, 1, [other])


@pytest.mark.parametrize(
    ("links", "expected"),
    [({"next": None}, False), ({"next": "https://x?page=2"}, True), ({}, None), (None, None), ([], None)],
)
def test_whether_another_page_follows(links: object, expected: bool | None) -> None:
    assert has_next_page({"data": [], "links": links}) is expected


@given(digits=st.text("0123456789", min_size=1, max_size=80), point=st.integers(0, 80), negative=st.booleans())
def test_numbers_of_up_to_eighty_digits_survive_unchanged(digits: str, point: int, negative: bool) -> None:
    text = digits if not 0 < point < len(digits) else f"{digits[:point]}.{digits[point:]}"
    assert _one(pool("0x1", base_token_price_usd=text)).price_usd == text
    signed = f"-{text}" if negative else text
    assert number_text(signed) == signed


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**40), max_value=10**40, places=20))
def test_powers_of_ten_become_plain_and_keep_their_value(number: Decimal) -> None:
    text = number_text(f"{number:e}")
    assert text is not None
    assert Decimal(text) == number
    assert "e" not in text.lower()


@given(st.floats(min_value=-1e60, max_value=1e60, allow_subnormal=False))
def test_json_numbers_keep_their_value(number: float) -> None:
    if abs(number) > 1e-60:
        text = number_text(number)
        assert text is not None
        assert float(text) == number


POOLS = {"data": [pool("0x1"), pool("0x2")], "included": [token("0xaa", "AAA")], "links": {"next": "x"}}
TOKENS = {"data": [token("0xaa", "AAA")], "included": [pool("0x1"), dex("d")]}


def _sums_up(parse: Callable[[object], object], answer: object) -> None:
    with suppress(Malformed):
        parse(answer)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    answer=GARBAGE | spoiled(POOLS) | spoiled({"data": pool("0x1")}) | spoiled(TOKENS) | spoiled({"data": [dex("a")]})
)
def test_no_answer_breaks_the_reader(answer: object) -> None:
    has_next_page(answer)
    for parse in (parse_pools, parse_pool, parse_top_pools):
        _sums_up(lambda answer, parse=parse: parse(answer, "eth", NOW), answer)  # type: ignore[misc]
    _sums_up(parse_dexes, answer)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(rows=st.lists(GARBAGE | spoiled(pool("0x1")), max_size=4))
def test_every_row_is_sound_refused_or_repeated(rows: list[object]) -> None:
    found = parse_pools({"data": rows}, "eth", NOW)
    assert len(found.rows) + len(found.refused) + found.repeated == len(rows)
    for row in found.rows:
        numbers = (row.reserve_usd, row.fdv_usd, row.market_cap_usd, *row.volume_usd.values())
        assert all(math.isfinite(number) and number >= 0 for number in numbers if number is not None)


def test_spoiling_reaches_every_place() -> None:
    assert len(places(trade())) > 10
