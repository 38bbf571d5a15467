"""The universe file: what is accepted, and what each mistake is called."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.universe import (
    MAX_FILE_BYTES,
    DexRules,
    Market,
    UniverseError,
    market_window,
    parse_universe,
    read_universe,
    require_exchange_timeframe,
    timeframe_ms,
)

VALID = """
history_from: 2024-01-01
venues:
  binance:
    timeframes: [1m, 1h]
    markets: [BTC/USDT, {symbol: ETH/USDT, timeframes: [1d], from: 2024-02-01, until: 2024-03-01}]
  okx:
    markets: [BTC/USDT]
"""


def test_the_shipped_universe_is_valid_and_has_the_six_venues() -> None:
    universe, _ = read_universe(Path(__file__).parents[1] / "config" / "universe.yaml")
    assert sorted(universe.venues) == ["binance", "coinbase", "gate", "kraken", "mexc", "okx"]


def test_tokens_stand_for_a_currency_by_address_on_networks_there_are() -> None:
    shipped, _ = read_universe(Path(__file__).parents[1] / "config" / "universe.yaml")
    assert shipped.dex.assets == DexRules().assets
    assert shipped.dex.tokens_of("ETH") == {"ethereum": ("0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2",)}
    assert shipped.dex.asset_tokens("solana") == {"So11111111111111111111111111111111111111112"}
    assert shipped.dex.tokens_of("XRP") == {}
    fewer = parse_universe(VALID + "dex: {networks: {solana: {dexes: [heaven]}}}", "u.yaml")
    assert list(fewer.dex.assets) == ["SOL"]
    named = VALID + "dex: {assets: {LINK: {ethereum: ['0x514910771AF9Ca656af840dff83E8264EcF986CA']}}}"
    assert parse_universe(named, "u.yaml").dex.assets == {
        "LINK": {"ethereum": ("0x514910771af9ca656af840dff83e8264ecf986ca",)}
    }


def test_a_markets_own_timeframes_win_over_the_venues_and_those_over_the_universes() -> None:
    universe = parse_universe(VALID, "u.yaml")
    assert universe.timeframes_of("binance", "ETH/USDT") == ("1d",)
    assert universe.timeframes_of("binance", "BTC/USDT") == ("1m", "1h")
    assert universe.timeframes_of("okx", "BTC/USDT") == ("1m", "5m", "15m", "30m", "1h", "4h", "1d")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("[1, 2]", "no mapping"),
        ("history_from: 2024-01-01\nvenues: {}", "venues"),
        ("history_from: 2024-01-01\nvenues: {binnance: {markets: [BTC/USDT]}}", "did you mean binance"),
        ("history_from: 2024-01-01\nvenues: {binance: {markets: []}}", "venues.binance.markets"),
        ("history_from: 2024-01-01\nvenues: {binance: {markets: [BTCUSDT]}}", "expected BASE/QUOTE"),
        ("history_from: 2024-01-01\nvenues: {binance: {markets: [BTC/USDT, BTC/USDT]}}", "listed twice: BTC/USDT"),
        ("history_from: 2024-01-01\ntimeframes: [2m]\nvenues: {okx: {markets: [A/B]}}", "'1m', '5m', '15m'"),
        ("history_from: 2024-01-01\nvenue: 1\nvenues: {okx: {markets: [A/B]}}", "venue: "),
        ("history_from: 2999-01-01\nvenues: {okx: {markets: [A/B]}}", "history_from"),
        ("history_from: 2024-01-01\nhistory_from: 2024-01-02", "stands twice"),
        (
            VALID + "dex: {assets: {SOL: {base: [So11111111111111111111111111111111111111112]}}}",
            "unknown network 'base'; there are ethereum, solana",
        ),
        (VALID + "dex: {assets: {SOL: {solana: []}}}", "dex.assets.SOL.solana"),
        (VALID + "dex: {assets: {A: {solana: [Sooooooooool]}, B: {solana: [Sooooooooool]}}}", "stands for A and for B"),
        ("a: [", "no YAML"),
        ("a: !!python/object/apply:os.system ['true']", "no YAML"),
        ("history_from: 2024-01-01\nvenues: {okx: {markets: ['A/B; drop table x']}}", "no unified symbol"),
    ],
)
def test_each_mistake_is_named_with_file_and_key(text: str, said: str) -> None:
    with pytest.raises(UniverseError) as caught:
        parse_universe(text, "my.yaml")
    assert "my.yaml" in str(caught.value)
    assert said in str(caught.value)


def test_a_file_that_is_absent_binary_or_huge_is_refused(tmp_path: Path) -> None:
    binary, huge = tmp_path / "b.yaml", tmp_path / "h.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    huge.write_text("#" * (MAX_FILE_BYTES + 1))
    for path in (binary, huge, tmp_path / "absent.yaml"):
        with pytest.raises(UniverseError, match=path.name):
            read_universe(path)


def test_unknown_names_are_answered_with_the_known_ones() -> None:
    universe = parse_universe(VALID, "u.yaml")
    with pytest.raises(UniverseError, match="The universe has binance, okx"):
        universe.venue("mexc")
    with pytest.raises(UniverseError, match=r"Unknown symbol 'X/Y' on okx.*BTC/USDT"):
        universe.select_markets("okx", ("X/Y",))
    with pytest.raises(UniverseError, match="Choose from 1m, 5m, 15m, 30m, 1h, 4h, 12h, 1d"):
        timeframe_ms("2m")
    assert timeframe_ms("12h") == 12 * 3_600_000


def test_twelve_hours_are_a_length_of_pools_bars_and_of_no_exchanges() -> None:
    with pytest.raises(UniverseError, match=r"Unknown timeframe '12h'.*Choose from 1m, 5m, 15m, 30m, 1h, 4h, 1d\."):
        require_exchange_timeframe("12h")
    with pytest.raises(UniverseError, match="timeframes"):
        parse_universe(VALID + "timeframes: [12h]\n", "u.yaml")
    require_exchange_timeframe("4h")


def test_a_markets_dates_cut_the_window() -> None:
    market = Market(symbol="LUNA/USDT", from_=date(2024, 1, 10), until=date(2024, 1, 20))
    start, end = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC)
    assert market_window(market, start, end) == (datetime(2024, 1, 10, tzinfo=UTC), datetime(2024, 1, 20, tzinfo=UTC))
    later = market_window(market, datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC))
    assert later[0] == later[1]


@given(st.text(max_size=40))
def test_any_text_that_is_no_universe_is_a_clear_error(text: str) -> None:
    with pytest.raises(UniverseError, match=r"u\.yaml"):  # no text this short names a venue and a market
        parse_universe(text, "u.yaml")


@pytest.mark.parametrize("deep", ["a: " + "[" * 200_000, "a: " + "{a: " * 200_000])
def test_a_file_that_is_nested_without_end_is_refused_and_takes_nobody_down(deep: str) -> None:
    with pytest.raises(UniverseError, match="nested more than 50 levels deep"):
        parse_universe(deep, "universe.yaml")
