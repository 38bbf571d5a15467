"""The watchlist's file followed: entries come, change and go, and a pool stands for each."""

from datetime import timedelta
from decimal import Decimal

import pytest

from crypto_assets.datasets.dex.pool_ohlcv.asset import PoolOhlcvConfig, collect_pool_ohlcv
from crypto_assets.datasets.dex.pool_ohlcv.table import pool_ohlcv
from crypto_assets.datasets.dex.watchlist.asset import Entry, WatchlistConfig, follow_watchlist, merge
from crypto_assets.datasets.dex.watchlist.table import WatchedPool, watched_pools, watchlist
from crypto_assets.datasets.outcomes import TooManyMarketsFailed, judge
from crypto_assets.sandbox.faults import Fault
from crypto_assets.watchlist_file import WatchedAddress, WatchlistError
from crypto_assets_tests.datasets.dex.world import DAY, NOW, PoolWorld, lasting, problems, told

EVERYTHING = WatchlistConfig()
POOL, OTHER = lasting(60), lasting(100)
UNKNOWN = "So11111111111111111111111111111111111111112"
THEN = NOW - DAY


def _wanted(address: str, kind: str = "pool", symbol: str = "", least: str = "0", note: str = "") -> WatchedAddress:
    return WatchedAddress("solana", address, kind, symbol, Decimal(least), note, 1)  # type: ignore[arg-type]


def _entry(address: str, kind: str = "pool", **more: object) -> Entry:
    return Entry(address, kind, "", Decimal(0), "", THEN, pool_address=address, resolved_at=THEN, **more)  # type: ignore[arg-type]


def test_entries_come_change_and_go() -> None:
    a, b, c = _entry("a"), _entry("b"), _entry("c", "token")
    before = {one.address: one for one in (a, b, c)}
    wanted = [_wanted("a0"), _wanted("a", symbol="A", note="big"), _wanted("c", "pool"), _wanted("d", least="5.50")]
    assert merge(before | {"d": _entry("d")}, wanted, NOW) == [
        Entry("a", "pool", "A", Decimal(0), "big", THEN, None, "a", THEN),
        Entry("a0", "pool", "", Decimal(0), "", NOW),
        Entry("b", "pool", "", Decimal(0), "", THEN, NOW, "b", THEN),
        Entry("c", "token", "", Decimal(0), "", THEN, NOW, "c", THEN),
        Entry("c", "pool", "", Decimal(0), "", NOW),  # of another type: nothing stands for it
        Entry("d", "pool", "", Decimal(0), "", THEN, NOW, "d", THEN),
        Entry("d", "pool", "", Decimal("5.5"), "", NOW, None, "d", THEN),  # other trades are wanted from now on
    ]
    assert merge(before, [_wanted("a"), _wanted("b"), _wanted("c", "token")], NOW) == [a, b, c]
    assert merge({}, [], NOW) == []


def test_a_file_is_followed_and_an_unchanged_one_changes_nothing(world: PoolWorld) -> None:
    rows = (f"solana,{POOL.address},pool,one,,", f"solana,{OTHER.base.address},token,two,25,a token")
    done = world.watch(*rows, f"ethereum,{lasting(0, 'eth', 'uniswap_v3').address},pool,three,,")
    stored = world.rows(watchlist).set_index("address")
    assert list(stored["pool_address"].sort_index()) == [
        {POOL.address: POOL.address, OTHER.base.address: OTHER.address}[address] for address in sorted(stored.index)
    ]
    assert (stored["valid_from"] == NOW).all()
    assert watched_pools(world.warehouse, "solana") == sorted(
        [WatchedPool(POOL.address, "one", Decimal(0)), WatchedPool(OTHER.address, "two", Decimal(25))],
        key=lambda one: one.address,
    )
    assert (told(done)["entries"], told(done)["entries_changed"], told(done)["rows_skipped"]) == (2, 2, 0)
    before = world.requests()
    world.forward(minutes=10)
    again = world.run(follow_watchlist, EVERYTHING)
    assert told(again)["entries_changed"] == 0
    assert world.requests() == before
    assert watched_pools(world.warehouse, "ethereum") == []  # a run of another network brings them


def test_a_removed_row_keeps_its_history_and_its_bars(world: PoolWorld) -> None:
    world.watch(f"solana,{POOL.address},pool,one,,", f"solana,{OTHER.address},pool,two,,")
    hours = PoolOhlcvConfig(timeframes=["1h"])
    world.run(collect_pool_ohlcv, hours)
    bars = len(world.rows(pool_ohlcv, pool_address=POOL.address))
    assert bars > 0
    world.forward(hours=1)
    world.watch(f"solana,{OTHER.address},pool,two,,")
    assert [one.address for one in watched_pools(world.warehouse, "solana")] == [OTHER.address]
    [removed] = world.rows(watchlist, address=POOL.address).to_dict("records")
    assert (removed["valid_from"], removed["valid_to"]) == (NOW, NOW + timedelta(hours=1))
    world.run(collect_pool_ohlcv, hours)
    assert len(world.rows(pool_ohlcv, pool_address=POOL.address)) == bars
    world.forward(hours=1)
    world.watch(f"solana,{OTHER.address},pool,two,,", f"solana,{POOL.address},pool,again,,")
    both = world.rows(watchlist, address=POOL.address).to_dict("records")
    assert [one["valid_from"] for one in both] == [NOW, NOW + timedelta(hours=2)]


def test_what_an_entry_was_before_it_changed_is_kept(world: PoolWorld) -> None:
    world.watch(f"solana,{POOL.address},pool,one,10,")
    world.forward(minutes=1)
    world.watch(f"solana,{POOL.address},pool,uno,10,")
    [entry] = world.rows(watchlist).to_dict("records")
    assert (entry["symbol"], entry["valid_from"], entry["resolved_at"]) == ("uno", NOW, NOW)
    was = world.scalar("SELECT old_row->>'symbol' FROM audit.revisions ORDER BY 1 LIMIT 1")
    assert was == "one"


def test_an_entry_that_wants_trades_of_another_value_begins_anew(world: PoolWorld) -> None:
    world.watch(f"solana,{POOL.address},pool,one,10,")
    world.forward(minutes=1)
    world.watch(f"solana,{POOL.address},pool,one,20,")
    world.watch(f"solana,{POOL.address},pool,one,30,")  # at the same moment: nothing was collected in between
    before, now = world.rows(watchlist).to_dict("records")
    changed = NOW + timedelta(minutes=1)
    assert (float(before["min_trade_usd"]), before["valid_from"], before["valid_to"]) == (10, NOW, changed)
    assert (float(now["min_trade_usd"]), now["valid_from"], now["resolved_at"]) == (30, changed, NOW)
    assert before["pool_address"] == now["pool_address"] == POOL.address
    [watched] = watched_pools(world.warehouse, "solana")
    assert watched.min_trade_usd == 30


def test_a_missing_or_broken_file_leaves_the_entries_and_wrong_rows_are_named(world: PoolWorld) -> None:
    world.watch(f"solana,{POOL.address},pool,one,,")
    world.watchlist.write_text("no,watchlist\n")
    with pytest.raises(WatchlistError, match="missing columns"):
        world.run(follow_watchlist, EVERYTHING)
    world.watchlist.unlink()
    with pytest.raises(WatchlistError, match="Cannot read the watchlist"):
        world.run(follow_watchlist, EVERYTHING)
    assert [one.address for one in watched_pools(world.warehouse, "solana")] == [POOL.address]
    done = world.watch(f"solana,{POOL.address},pool,one,,", "solana,nowhere,pool,x,,", "mars,abc,pool,x,,")
    assert told(done)["rows_skipped"] == 2
    assert [one.address for one in watched_pools(world.warehouse, "solana")] == [POOL.address]


def test_a_pool_that_nobody_knows_is_named_and_asked_for_again(world: PoolWorld) -> None:
    other = lasting(7).base.address  # of a token there are pools, but it is none
    done = world.watch(f"solana,{other},pool,x,,", f"solana,{POOL.address},token,y,,")
    assert sorted(problems(done)) == [
        "GeckoTerminal knows no pool of this token (token)",
        "GeckoTerminal knows no such pool (pool)",
    ]
    judge(done.outcomes, 0.5)
    assert watched_pools(world.warehouse, "solana") == []
    world.watch(f"solana,{other},token,x,,", f"solana,{POOL.address},pool,y,,")  # the other way round
    assert {one.address for one in watched_pools(world.warehouse, "solana")} == {lasting(7).address, POOL.address}
    assert list(world.rows(watchlist)["problem"]) == ["", ""]


def test_a_token_is_chosen_for_again_when_its_pool_has_died(world: PoolWorld) -> None:
    token = OTHER.base.address
    world.watch(f"solana,{token},token,x,,")
    world.execute("UPDATE dex.watchlist SET pool_address = 'dead pool', resolved_at = valid_from")
    before = world.requests()
    world.run(follow_watchlist, EVERYTHING)
    assert world.requests() == before
    world.execute(
        "INSERT INTO dex.pool_lives (network, pool_address, dex, base_token, quote_token, first_seen_at, last_seen_at,"
        " asked_at, dead_at, death, source, known_at)"
        " VALUES ('solana', 'dead pool', 'd', 'b', 'q', now(), now(), now(), now(), 'drained', 't', now())"
    )
    world.forward(minutes=10)
    world.run(follow_watchlist, EVERYTHING)
    former, entry = world.rows(watchlist).to_dict("records")
    chosen = NOW + timedelta(minutes=10)
    assert (former["pool_address"], former["valid_to"]) == ("dead pool", chosen)
    assert (entry["pool_address"], entry["valid_from"], entry["resolved_at"]) == (OTHER.address, chosen, chosen)


def test_a_provider_that_fails_leaves_entries_for_the_next_run(world: PoolWorld) -> None:
    world.sandbox.set_faults([Fault(kind="unavailable", venue="geckoterminal")])
    done = world.watch(f"solana,{POOL.address},pool,one,,", f"solana,{OTHER.base.address},token,two,,")
    with pytest.raises(TooManyMarketsFailed, match="503"):
        judge(done.outcomes, 0.5)
    stored = world.rows(watchlist)
    assert (len(stored), stored["pool_address"].isna().all()) == (2, True)
    world.sandbox.clear_faults()
    world.run(follow_watchlist, EVERYTHING)
    assert len(watched_pools(world.warehouse, "solana")) == 2


def test_several_entries_of_one_pool_are_one_with_the_least_minimum(world: PoolWorld) -> None:
    world.watch(f"solana,{OTHER.address},pool,p,50,", f"solana,{OTHER.base.address},token,t,5.25,")
    assert watched_pools(world.warehouse, "solana") == [WatchedPool(OTHER.address, "p, t", Decimal("5.25"))]


def test_a_day_that_is_over_changes_nothing(world: PoolWorld) -> None:
    midnight = NOW.replace(hour=0, minute=0, second=0)
    world.watchlist.write_text("broken")
    assert list(world.run(follow_watchlist, EVERYTHING, days=(midnight - DAY, midnight)).outcomes) == []
