"""Made-up pools: bars and trades that agree, the same in every process, however and in whatever order they are asked."""

import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_assets.sandbox.bars import BarColumns
from crypto_assets.sandbox.pool_addresses import ALPHABET, make_address, make_hash, number_of
from crypto_assets.sandbox.pools import NO_POOLS, PoolTrade
from crypto_assets.sandbox.seeded_pool_list import COUNTS, lasting_pool
from crypto_assets.sandbox.seeded_pools import SeededPools
from crypto_assets_tests.playing import NOW

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
NOW_MS = int(NOW.timestamp() * 1000)
PLACES = (0, 1, 3, 10, 60, 150)
DIGEST = """
import hashlib, sys
from crypto_assets.sandbox.seeded_pools import SeededPools
pools = SeededPools(7, lambda: {now})
found = dict()
for address in sys.argv[1:]:
    bars = pools.last_bars("solana", address, 60_000, {now}, 500)
    texts = [repr(pools.trades("solana", address, 0)), *(repr(column.tolist()) for column in bars.values.values())]
    found[address] = hashlib.sha256("".join(texts).encode()).hexdigest()
print(*(found[address] for address in sorted(found)))
"""


@pytest.fixture(scope="module")
def pools() -> SeededPools:
    return SeededPools(7, lambda: NOW_MS)


def _address(place: int, network: str = "solana", dex: int = 5) -> str:
    pool = lasting_pool(7, network, dex * 1000 + place)
    assert pool is not None
    return pool.address


def _bars(pools: SeededPools, address: str, length: int, limit: int = 1000, before: int = NOW_MS + 1) -> BarColumns:
    bars = pools.last_bars("solana", address, length, before, limit)
    assert bars is not None
    return bars


def _trades(pools: SeededPools, address: str, above: float = 0, network: str = "solana") -> Sequence[PoolTrade]:
    trades = pools.trades(network, address, above)
    assert trades is not None
    return trades


def _volumes(bars: BarColumns) -> list[Decimal]:
    return [Decimal(repr(number)) for number in bars.values["volume_base"].tolist()]


def _price(trade: PoolTrade) -> float:
    return float(trade.price_to_in_usd if trade.kind == "buy" else trade.price_from_in_usd)


def _by_minute(trades: Sequence[PoolTrade]) -> dict[int, list[PoolTrade]]:
    """Those of minutes that the page holds wholly: not the first one's, nor that of the moment a day ago."""
    found = defaultdict(list)
    for trade in trades:
        found[trade.traded_at // 60 * MINUTE].append(trade)
    del found[min(found)]
    return found


@pytest.mark.parametrize("place", PLACES)
def test_the_trades_of_a_minute_add_up_to_its_bar(pools: SeededPools, place: int) -> None:
    address = _address(place)
    bars = _bars(pools, address, MINUTE)
    numbers = {at: number for number, at in enumerate(bars.opened_at_ms.tolist())}
    minutes = _by_minute(_trades(pools, address))
    assert minutes
    for minute, trades in minutes.items():
        number = numbers[minute]
        opened, high, low, close = (float(bars.values[name][number]) for name in ("open", "high", "low", "close"))
        prices = [_price(trade) for trade in trades]
        assert sum(Decimal(trade.volume_in_usd) for trade in trades) == _volumes(bars)[number]
        assert (max(*prices, opened), min(*prices, opened), prices[-1]) == (high, low, close)
        assert len(trades) == bars.values["trade_count"][number]


@pytest.mark.parametrize("place", PLACES)
def test_coarse_bars_are_exactly_the_sums_of_fine_ones(pools: SeededPools, place: int) -> None:
    address = _address(place)
    fine = _bars(pools, address, MINUTE, 3000)
    assert (fine.values["open"][1:] == fine.values["close"][:-1]).all()
    sums: dict[int, Decimal] = defaultdict(Decimal)
    for at, volume in zip(fine.opened_at_ms.tolist(), _volumes(fine), strict=True):
        sums[at - at % HOUR] += volume
    del sums[min(sums)]  # cut by the limit
    coarse = _bars(pools, address, HOUR, len(sums))
    assert dict(zip(coarse.opened_at_ms.tolist(), _volumes(coarse), strict=True)) == sums


@pytest.mark.parametrize("place", [0, 60])
def test_worth_is_price_times_amount_on_both_sides(pools: SeededPools, place: int) -> None:
    for trade in _trades(pools, _address(place)):
        worth = Decimal(trade.volume_in_usd)
        given_for = Decimal(trade.from_token_amount) * Decimal(trade.price_from_in_usd)
        taken = Decimal(trade.to_token_amount) * Decimal(trade.price_to_in_usd)
        assert abs(given_for / worth - 1) < Decimal("1e-6")
        assert abs(taken / worth - 1) < Decimal("1e-6")
        assert float(trade.price_from_in_usd) > 0
        assert len(trade.price_to_in_usd) > 20


def test_the_same_in_another_process_and_another_order(pools: SeededPools) -> None:
    addresses = [_address(place) for place in PLACES]
    command = [sys.executable, "-c", DIGEST.format(now=NOW_MS)]
    runs = [
        subprocess.run([*command, *order], capture_output=True, text=True, check=True).stdout
        for order in (addresses, addresses[::-1])
    ]
    assert runs[0] == runs[1]
    assert len(set(runs[0].split())) == len(PLACES)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 199), st.integers(1_753_000_000_000, 2_000_000_000_000))
def test_what_is_over_never_changes(place: int, now: int) -> None:
    address = _address(place)
    then, later = SeededPools(7, lambda: now), SeededPools(7, lambda: now + 3 * DAY)
    before = now - now % HOUR
    first, again = (_bars(one, address, HOUR, 50, before) for one in (then, later))
    assert first.opened_at_ms.tolist() == again.opened_at_ms.tolist()
    for name in first.values:
        assert (first.values[name] == again.values[name]).all()


def test_a_page_holds_the_newest_300_trades_of_24_hours(pools: SeededPools) -> None:
    now = NOW_MS // 1000
    for place in (0, 150):
        trades = _trades(pools, _address(place))
        assert len(trades) == (300 if place == 0 else min(300, len(trades)))
        assert [trade.traded_at for trade in trades] == sorted(trade.traded_at for trade in trades)
        assert now - 86_400 < trades[0].traded_at <= trades[-1].traded_at <= now
        assert len({trade.id for trade in trades}) == len(trades)
    few = _trades(pools, _address(150))
    bars = _bars(pools, _address(150), MINUTE)
    begun, whole = (bars.values["trade_count"][bars.opened_at_ms > NOW_MS - DAY - cut].sum() for cut in (MINUTE, 0))
    assert 0 < whole <= len(few) <= begun < 300
    big = _trades(pools, _address(0), above=500)
    assert big
    assert all(Decimal(trade.volume_in_usd) > 500 for trade in big)
    assert big[0].traded_at < _trades(pools, _address(0))[0].traded_at  # it reaches further back than the page without


def test_a_trade_leaves_the_page_to_the_second_after_24_hours(pools: SeededPools) -> None:
    trade = _trades(pools, _address(150))[-1]
    for second, is_there in ((86_399, True), (86_400, False)):
        then = SeededPools(7, lambda now=(trade.traded_at + second) * 1000: now)  # type: ignore[misc]
        assert (trade.id in {one.id for one in _trades(then, _address(150))}) is is_there


def test_bars_are_paged_back_to_the_pools_first_minute(pools: SeededPools) -> None:
    pool = lasting_pool(7, "solana", 5060)
    assert pool is not None
    before, found = NOW_MS + 1, 0
    while len(page := _bars(pools, pool.address, DAY, 200, before)):
        assert (page.opened_at_ms < before).all()
        assert (np.diff(page.opened_at_ms) > 0).all()
        before, found = int(page.opened_at_ms[0]), found + len(page)
    assert 0 <= before // MINUTE - pool.first_minute // 1440 * 1440 <= 3 * 1440
    assert found == len(_bars(pools, pool.address, DAY, 10_000))
    assert pools.pool("solana", pool.address) is not None
    unborn = SeededPools(7, lambda: pool.first_minute * MINUTE - 1)
    assert unborn.pool("solana", pool.address) is None
    assert unborn.last_bars("solana", pool.address, DAY, NOW_MS, 10) is None


def test_the_bar_that_runs_holds_what_was_traded_so_far() -> None:
    address, clock = _address(0), [NOW_MS]
    pools = SeededPools(7, lambda: clock[0])
    minute = NOW_MS - NOW_MS % MINUTE
    seen = []
    for second in (1, 15, 30, 59, 60):
        clock[0] = minute + second * 1000
        trades = [one for one in _trades(pools, address) if one.traded_at * 1000 < minute + MINUTE]
        so_far = [one for one in trades if one.traded_at * 1000 >= minute]
        bars = _bars(pools, address, MINUTE, 3, minute + 1)
        if so_far:
            assert bars.opened_at_ms[-1] == minute
            assert _volumes(bars)[-1] == sum(Decimal(one.volume_in_usd) for one in so_far)
            assert bars.values["close"][-1] == _price(so_far[-1])
        seen.append(len(so_far))
    assert seen == sorted(seen)
    assert seen[0] < seen[-1]


def test_most_pools_trade_now_and_then_a_few_all_the_time_and_one_in_bursts(pools: SeededPools) -> None:
    top = pools.top_pools("solana", "pumpswap")
    assert top is not None
    assert len(top) == COUNTS["pumpswap"] == 200
    hourly = [_bars(pools, address, DAY, 2).values["trade_count"][0] / 24 for address in top[::10]]
    assert max(hourly) > 300
    assert sum(0.5 < rate < 90 for rate in hourly) > len(hourly) * 0.7
    minutes = _bars(pools, _address(3), MINUTE, 3000)
    pairs = pairwise(zip(minutes.opened_at_ms.tolist(), minutes.values["trade_count"].tolist(), strict=True))
    assert max(one[1] + other[1] for one, other in pairs if other[0] - one[0] == MINUTE) > 300
    quiet = _bars(pools, _address(150), MINUTE, 100).opened_at_ms
    assert (quiet[-1] - quiet[0]) / MINUTE > 500


def test_pools_are_born_all_the_time_and_most_die_within_hours(pools: SeededPools) -> None:
    new = pools.new_pools("solana")
    assert new is not None
    states = [state for state in (pools.pool("solana", address) for address in new) if state is not None]
    created = [str(state.attributes["pool_created_at"]) for state in states]
    assert len(states) == 200
    assert created == sorted(created, reverse=True)
    assert created[0] <= "2026-03-10T12:00:30Z"
    assert created[-1] < "2026-03-09T12"
    dead = [state for state in states if float(str(state.attributes["reserve_in_usd"])) < 1]
    assert 100 < len(dead) < 200
    ended = pools.last_bars("solana", dead[-1].address, MINUTE, NOW_MS + 1, 10)
    assert ended is not None
    assert len(ended) > 0
    assert ended.opened_at_ms[-1] < NOW_MS - HOUR


def test_base_tokens_of_the_market_are_there_at_its_prices(pools: SeededPools) -> None:
    prices = {}
    for network, dex, places in (("solana", 5, 3), ("eth", 2, 3), ("polygon_pos", 0, 2)):
        for place in range(places):
            state = pools.pool(network, _address(place, network, dex))
            assert state is not None
            prices[network, state.base.symbol] = float(str(state.attributes["base_token_price_usd"]))
    assert {symbol for _, symbol in prices} == {"SOL", "WETH", "WBTC"}
    assert prices["solana", "WETH"] == pytest.approx(prices["eth", "WETH"], rel=0.02)
    assert pools.top_pools("polygon_pos") == pools.top_pools("polygon_pos", "quickswap_v3")


def test_tops_are_in_the_order_of_the_last_24_hours(pools: SeededPools) -> None:
    for by, name in (("trades", "transactions"), ("volume", "volume_usd")):
        top = pools.top_pools("eth", "uniswap_v2", by=by)
        assert top is not None
        found = []
        for address in top[:10]:
            state = pools.pool("eth", address)
            assert state is not None
            day = state.attributes[name]
            assert isinstance(day, dict)
            last = day["h24"]
            found.append(last["buys"] + last["sells"] if isinstance(last, dict) else float(last))
        for one, other in pairwise(found):
            assert other < one * 1.02  # ranked at the last full minute, told at the clock
    assert pools.top_pools("eth", "pumpswap") is None
    assert pools.top_pools("nowhere") is None


def test_a_few_transactions_hold_two_trades(pools: SeededPools) -> None:
    trades = _trades(pools, _address(0))
    per_hash = Counter(trade.tx_hash for trade in trades)
    assert set(per_hash.values()) == {1, 2}
    shared = [trade for trade in trades if per_hash[trade.tx_hash] == 2]
    assert len({(trade.tx_hash, trade.traded_at, trade.block_number) for trade in shared}) == len(shared) / 2
    for trade in trades:
        network, block, tx_hash, ordinal, epoch = trade.id.rsplit("_", 4)
        assert (network, int(block), tx_hash) == ("solana", trade.block_number, trade.tx_hash)
        assert 2 <= int(epoch) - trade.traded_at <= 33
        assert int(ordinal) > 0


def test_tokens_name_their_pools(pools: SeededPools) -> None:
    state = pools.pool("solana", _address(60))
    assert state is not None
    token = pools.token("solana", state.base.address)
    assert token is not None
    assert token.top_pools == [state.address]
    money = pools.token("solana", state.quote.address)
    assert money is not None
    assert money.attributes["symbol"] == "SOL"
    assert len(money.top_pools) > 100
    assert pools.token("solana", make_address(False, "other", 1)) is None
    assert pools.token("nowhere", state.base.address) is None


@given(st.booleans(), st.text(max_size=8), st.integers(0, 2**63))
def test_an_address_tells_its_number_to_who_knows_the_label(is_hex: bool, label: str, number: int) -> None:
    address = make_address(is_hex, label, number)
    assert number_of(is_hex, label, address) == number
    assert number_of(is_hex, label + "x", address) is None
    assert len(address) == 42 if is_hex else 40 < len(address) <= 44
    assert set(address) <= set("0123456789abcdefx" if is_hex else ALPHABET)


@pytest.mark.parametrize("address", ["", "0x12", "not an address", "z" * 60, "0x" + "g" * 40])
def test_what_is_no_address_is_unknown(address: str) -> None:
    for is_hex in (True, False):
        assert number_of(is_hex, "label", address) is None


def test_hashes_have_a_chains_form() -> None:
    assert len(make_hash(True, "a")) == 66
    assert len(make_hash(False, "a")) == 88
    assert make_hash(False, "a") != make_hash(False, "b")


def test_no_pools_know_nothing() -> None:
    assert list(NO_POOLS.networks()) == []
    nothing = (
        NO_POOLS.dexes("eth"),
        NO_POOLS.top_pools("eth"),
        NO_POOLS.new_pools("eth"),
        NO_POOLS.pool("eth", "a"),
        NO_POOLS.pair("eth", "a"),
        NO_POOLS.token("eth", "a"),
        NO_POOLS.last_bars("eth", "a", 1, 1, 1),
        NO_POOLS.quote_prices("eth", "a", np.array([1])),
        NO_POOLS.trades("eth", "a", 0),
    )
    assert set(nothing) == {None}
