"""What GeckoTerminal really sent, through our readers: equal to an independent reading, digit by digit."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from pathlib import Path

import pytest

from crypto_assets.clients.geckoterminal import GeckoTerminal
from crypto_assets.clients.geckoterminal_library import make_library
from crypto_assets.clients.pool_rows import PoolRow, parse_dexes, parse_pools
from crypto_assets.clients.pool_trade_rows import parse_pool_bars, parse_pool_trades
from crypto_assets.clients.transport import Transport
from crypto_assets.universe_rules import DexRules
from crypto_assets_tests.clients.gecko_answers import Reply, stub_server

NOW = datetime(2026, 3, 10, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
WINDOWS = {"m5": "5m", "h1": "1h", "h6": "6h", "h24": "24h"}
POOLS = {
    "get_new_pools_by_network.json": "eth",
    "get_top_pools_by_network.json": "eth",
    "new_pools_by_network.json.gz": "solana",
}
PRICES = {
    "price_usd": "base_token_price_usd",
    "price_quote": "base_token_price_quote_token",
    "quote_price_usd": "quote_token_price_usd",
}


def _bytes(recordings: Path, name: str) -> bytes:
    path = recordings / "gecko" / name
    if not path.is_file():
        pytest.skip(f"the recordings lack gecko/{name}")
    body = path.read_bytes()
    return gzip.decompress(body) if name.endswith(".gz") else body


def _answer(recordings: Path, name: str) -> dict[str, object]:
    return json.loads(_bytes(recordings, f"api/{name}"))


def _trades_page(recordings: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(_bytes(recordings, "tables/specs_get_trades.csv.gz").decode())))


def _as_sent(row: Mapping[str, str]) -> dict[str, object]:
    """A row of the flattened page as GeckoTerminal sent it."""
    attributes: dict[str, object] = {name: value for name, value in row.items() if name not in {"id", "type"}}
    attributes |= {"kind": row["side"], "volume_in_usd": row["volume_usd"], "block_number": int(row["block_number"])}
    del attributes["side"], attributes["volume_usd"]
    return {"id": row["id"], "type": row["type"], "attributes": attributes}


def _total(texts: Iterable[str | None]) -> Decimal:
    """The exact sum."""
    with localcontext(prec=500):
        return sum((Decimal(text) for text in texts if text not in {None, "NaN"}), Decimal(0))


def test_every_dex_is_read(recordings: Path) -> None:
    told = _answer(recordings, "get_dexes_by_network.json")
    found = parse_dexes(told)
    expected = [(row["id"], row["attributes"]["name"]) for row in told["data"]]  # type: ignore[attr-defined]
    assert [(dex.dex, dex.name) for dex in found.rows] == expected
    assert (len(found.rows), found.refused, found.repeated) == (36, (), 0)


@pytest.mark.parametrize("name", POOLS)
def test_every_pool_is_read_digit_by_digit(recordings: Path, name: str) -> None:
    told = _answer(recordings, name)["data"]
    assert isinstance(told, list)
    found = parse_pools(_answer(recordings, name), POOLS[name], NOW)
    assert (len(found.rows), found.refused, found.repeated) == (20, (), 0)
    for row, sent in zip(found.rows, told, strict=True):
        attributes, related = sent["attributes"], sent["relationships"]
        for ours, theirs in PRICES.items():
            value = attributes.get(theirs)
            assert getattr(row, ours) == (None if value in {None, "NaN", ""} else value)
        assert (row.address, row.name) == (attributes["address"], attributes["name"])
        assert sent["id"] == f"{POOLS[name]}_{row.address}"
        assert related["base_token"]["data"]["id"] == f"{POOLS[name]}_{row.base_token}"
        assert related["quote_token"]["data"]["id"] == f"{POOLS[name]}_{row.quote_token}"
        assert related["dex"]["data"]["id"] == row.dex
        for value, theirs in (
            (row.reserve_usd, "reserve_in_usd"),
            (row.fdv_usd, "fdv_usd"),
            (row.market_cap_usd, "market_cap_usd"),
        ):
            assert value == (None if attributes[theirs] is None else float(attributes[theirs]))
        _same_windows(row, attributes)
        created = attributes["pool_created_at"]
        assert (row.created_at and row.created_at.strftime("%Y-%m-%dT%H:%M:%SZ")) == created


def _same_windows(row: PoolRow, attributes: Mapping[str, Mapping[str, object]]) -> None:
    for ours, theirs in ((row.volume_usd, "volume_usd"), (row.price_change_pct, "price_change_percentage")):
        told = attributes[theirs]
        assert ours == {WINDOWS[window]: float(str(told[window])) for window in WINDOWS if window in told}
    for what in ("buys", "sells", "buyers", "sellers"):
        counts = attributes["transactions"]
        expected = {WINDOWS[w]: counts[w][what] for w in WINDOWS if w in counts and what in counts[w]}  # type: ignore[index,operator]
        assert getattr(row, what) == expected


def test_sums_of_all_recorded_pools_equal_an_independent_count(recordings: Path) -> None:
    ours: dict[str, list[str | None]] = {name: [] for name in PRICES}
    theirs: dict[str, list[str | None]] = {name: [] for name in PRICES}
    buys = expected_buys = 0
    for name, network in POOLS.items():
        for row in parse_pools(_answer(recordings, name), network, NOW).rows:
            buys += sum(row.buys.values())
            for price in PRICES:
                ours[price].append(getattr(row, price))
        for sent in _answer(recordings, name)["data"]:  # type: ignore[attr-defined]
            counts = sent["attributes"]["transactions"]
            expected_buys += sum(counts[window]["buys"] for window in WINDOWS if window in counts)
            for price, told in PRICES.items():
                theirs[price].append(sent["attributes"].get(told))
    assert buys == expected_buys > 0
    for price in PRICES:
        assert len(ours[price]) == 60
        assert _total(ours[price]) == _total(theirs[price]) > 0


def test_what_is_not_a_number_or_null_is_none_and_symbols_are_the_tokens(recordings: Path) -> None:
    rows = parse_pools(_answer(recordings, "new_pools_by_network.json.gz"), "solana", NOW).rows
    assert [row.price_quote for row in rows].count(None) == 1
    assert [row.fdv_usd for row in rows].count(None) == 4
    assert rows[0].base_symbol == "GREG"
    assert {row.quote_symbol for row in rows} == {"SOL"}
    fees = [row.fee_pct for row in parse_pools(_answer(recordings, "get_top_pools_by_network.json"), "eth", NOW).rows]
    assert [fee for fee in fees if fee is not None] == [0.05] * 3


@pytest.mark.parametrize(
    ("name", "count", "length_ms"),
    [("OHLCV_validation_test.json.gz", 35, 900_000), ("OHLCV_validation_test_hour.json.gz", 235, 3_600_000)],
)
def test_every_bar_is_read(recordings: Path, name: str, count: int, length_ms: int) -> None:
    told = _answer(recordings, name)
    rows = sorted(told["data"]["attributes"]["ohlcv_list"])  # type: ignore[index]
    found = parse_pool_bars(told, length_ms, NOW_MS)
    assert (len(found), found.received, found.refused, found.repeated) == (count, count, (), 0)
    assert found.oldest_ms == rows[0][0] * 1000
    columns = (found.opened_at_ms // 1000, found.open, found.high, found.low, found.close, found.volume_usd)
    for i, column in enumerate(columns):
        assert column.tolist() == [row[i] for row in rows]


def test_the_page_of_trades_keeps_every_digit(recordings: Path) -> None:
    rows = _trades_page(recordings)
    found = parse_pool_trades({"data": [_as_sent(row) for row in rows]}, "solana", NOW)
    assert (len(found), found.received, found.refused, found.repeated) == (300, 300, (), 0)
    assert int(found.is_buy.sum()) == sum(row["side"] == "buy" for row in rows)
    for row in rows:
        base, quote = ("to", "from") if row["side"] == "buy" else ("from", "to")
        row |= {
            "price": row[f"price_{base}_in_usd"],
            "base": row[f"{base}_token_amount"],
            "quote": row[f"{quote}_token_amount"],
        }
    by_id = {row["id"].split("_")[2]: row for row in rows}
    for ours, theirs in (
        ("price_usd", "price"),
        ("amount_base", "base"),
        ("amount_quote", "quote"),
        ("volume_usd", "volume_usd"),
    ):
        column = getattr(found, ours)
        assert column.tolist() == [by_id[tx][theirs] for tx in found.tx_hash]
        assert sum(map(len, column)) == sum(len(row[theirs]) for row in rows)
        assert _total(column) == _total([row[theirs] for row in rows])
    for i, tx in enumerate(found.tx_hash):
        row = by_id[tx]
        assert row["id"] == f"solana_{found.block_number[i]}_{tx}_{found.ordinal[i]}_{row['id'].rpartition('_')[2]}"
        assert found.sender[i] == row["tx_from_address"]
        moment = datetime.strptime(row["block_timestamp"], "%Y-%m-%dT%H:%M:%S%z")
        assert found.traded_at_us[i] == int(moment.timestamp()) * 1_000_000
    # Each trade's base token is one and the same, whichever side: kind means what we take it for.
    assert {row["to_token_address" if row["side"] == "buy" else "from_token_address"] for row in rows} == {
        "5LKHMd2rMSRaG9y4iHwSLRtrJ3dCrJ2CytvBeak8pump"
    }


def test_recorded_bodies_come_through_the_real_client(recordings: Path) -> None:
    bodies = {
        "networks": "get_networks.json",
        "networks/eth/dexes": "get_dexes_by_network.json",
        "networks/eth/dexes/uniswap_v2/pools": "get_top_pools_by_network.json",
        "networks/eth/new_pools": "get_new_pools_by_network.json",
        "networks/solana/new_pools": "new_pools_by_network.json.gz",
        "networks/solana/pools/x/ohlcv/minute": "OHLCV_validation_test.json.gz",
        "networks/solana/pools/x/ohlcv/hour": "OHLCV_validation_test_hour.json.gz",
    }
    trades = json.dumps({"data": [_as_sent(row) for row in _trades_page(recordings)]}).encode()
    with stub_server() as stub:
        stub.answer = lambda asked: Reply(
            _bytes(recordings, f"api/{bodies[asked.path]}") if asked.path in bodies else trades
        )
        gecko = GeckoTerminal(DexRules(requests_per_minute=10_000), sandbox_url=stub.url)
        assert len(gecko.dexes("ethereum").rows) == 36
        assert len(gecko.top_pools("ethereum", "uniswap_v2").rows) == 20
        assert len(gecko.new_pools("ethereum").rows) == len(gecko.new_pools("solana").rows) == 20
        assert len(gecko.bars("solana", "x", "15m")) == 35
        assert len(gecko.bars("solana", "x", "1h")) == 235
        assert len(gecko.trades("solana", "x")) == 300
        assert len(stub.asked) == 7  # the list of DEXes says that no page follows
        transport = Transport("test", requests_per_second=1000)
        networks = make_library(transport, stub.url).get_networks()  # type: ignore[attr-defined]
        assert networks["id"].nunique() == 100
        gecko.close()
