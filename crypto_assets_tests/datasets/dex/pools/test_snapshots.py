"""Rounds of snapshots: the lists, the watchlist's pools, those once seen, and what fails on the way."""

from datetime import timedelta

import pytest

from crypto_assets.datasets.dex.pools.asset import PoolsConfig, collect_pools
from crypto_assets.datasets.dex.pools.table import DATASET, pool_lives, pools
from crypto_assets.datasets.outcomes import TooManyMarketsFailed, judge
from crypto_assets.sandbox.faults import Fault
from crypto_assets_tests.datasets.dex.world import DAY, NOW, PoolWorld, lasting, told

EVERYTHING = PoolsConfig()
UNKNOWN = "So11111111111111111111111111111111111111112"


def _life(world: PoolWorld, address: str, *, asked: timedelta = timedelta(hours=1)) -> None:
    """As if a pool had been seen before."""
    at = world.now - asked
    world.execute(
        "INSERT INTO dex.pool_lives (network, pool_address, dex, base_token, quote_token, first_seen_at, last_seen_at,"
        " asked_at, source, known_at) VALUES ('solana', %s, 'heaven', 'b', 'q', %s, %s, %s, 'test', %s)",
        address, at, at, at, at,
    )  # fmt: skip


def test_a_round_stores_what_the_lists_tell_each_pool_once(world: PoolWorld) -> None:
    watched, listed = lasting(150).address, lasting(0).address
    world.follow(watched, listed)
    done = world.run(collect_pools, EVERYTHING)
    client = world.client()
    lists = {
        "top": [*client.top_pools("solana", "heaven").rows, *client.top_pools("solana", "pumpswap").rows],
        "new": client.new_pools("solana").rows,
        "watchlist": client.pools("solana", [watched]).rows,
    }
    client.close()
    expected: dict[str, str] = {}
    for where, rows in lists.items():
        for row in rows:
            expected.setdefault(row.address, where)
    stored = world.rows(pools).set_index("pool_address")
    assert dict(stored["found_in"]) == expected
    assert set(expected.values()) == {"top", "new", "watchlist"}
    assert (stored["snapshot_at"] == NOW).all()
    assert stored["is_listed"].all()
    for row in (row for rows in lists.values() for row in rows):
        found = stored.loc[row.address]
        assert (found["name"], found["dex"], found["base_token"], found["quote_symbol"]) == (
            row.name, row.dex, row.base_token, row.quote_symbol,
        )  # fmt: skip
        assert (found["reserve_usd"], found["created_at"]) == (row.reserve_usd, row.created_at)
        assert {window: found[f"volume_usd_{window}"] for window in ("5m", "1h", "6h", "24h")} == row.volume_usd
        assert {window: found[f"sellers_{window}"] for window in ("5m", "1h", "6h", "24h")} == row.sellers
    texts = world.scalar("SELECT price_usd::text FROM dex.pools WHERE pool_address = %s", listed)
    assert texts == next(row.price_usd for row in lists["top"] if row.address == listed).rstrip("0").rstrip(".")  # type: ignore[union-attr]
    assert told(done)["pools"] == len(stored) == len(world.rows(pool_lives))
    assert [one.symbol for one in done.outcomes] == ["heaven top 1", "pumpswap top 1", "new 1", "watchlist 1"]
    judge(done.outcomes, 0.5)


def test_in_between_only_the_watched_pools_are_asked_for(world: PoolWorld) -> None:
    watched = [lasting(place).address for place in range(31)]
    world.follow(*watched)
    _life(world, lasting(190).address)
    done = world.run(collect_pools, PoolsConfig(watched_only=True))
    assert [one.symbol for one in done.outcomes] == ["watchlist 1", "watchlist 2"]
    assert set(world.rows(pools)["pool_address"]) == set(watched)
    assert set(world.rows(pools)["found_in"]) == {"watchlist"}


def test_pools_that_left_the_lists_are_asked_for_and_those_not_listed_any_more_are_dead(world: PoolWorld) -> None:
    seen = lasting(190).address
    _life(world, UNKNOWN)
    _life(world, seen, asked=timedelta(hours=2))
    done = world.run(collect_pools, EVERYTHING)
    assert [one.symbol for one in done.outcomes][-1] == "followed 1"
    assert told(done)["pools_unlisted"] == 1
    lives = world.rows(pool_lives).set_index("pool_address")
    assert (lives.loc[UNKNOWN, "death"], lives.loc[UNKNOWN, "dead_at"]) == ("unlisted", NOW)
    assert lives.loc[UNKNOWN, "last_seen_at"] == NOW - timedelta(hours=1)
    assert (lives.loc[seen, "death"], lives.loc[seen, "last_seen_at"]) == ("", NOW)
    snapshots = world.rows(pools).set_index("pool_address")
    assert (snapshots.loc[UNKNOWN, "is_listed"], snapshots.loc[seen, "is_listed"]) == (False, True)
    world.forward(minutes=20)
    again = world.run(collect_pools, EVERYTHING)
    assert told(again)["pools_unlisted"] == 0  # the dead are asked for no more
    assert len(world.rows(pools, pool_address=UNKNOWN)) == 1


def test_no_more_are_followed_than_the_budget_lets_the_longest_not_asked_first(world: PoolWorld) -> None:
    world.with_rules(follow_requests=1)
    others = [lasting(place).address for place in range(60, 100)]
    for number, address in enumerate(others):
        _life(world, address, asked=timedelta(hours=1, minutes=number))
    world.run(collect_pools, EVERYTHING)
    followed = set(world.rows(pools, found_in="followed")["pool_address"])
    assert followed == set(others[10:])


def test_where_a_row_was_refused_nobody_is_called_gone(world: PoolWorld) -> None:
    _life(world, UNKNOWN)
    world.sandbox.set_faults([Fault(kind="null_rows", venue="geckoterminal", route="new_pools")])
    done = world.run(collect_pools, EVERYTHING)
    assert told(done)["pools_unlisted"] == 0
    assert sum(one.quarantined for one in done.outcomes) == 1
    assert world.scalar("SELECT count(*) FROM quality.quarantine WHERE dataset = %s", DATASET) == 1
    world.sandbox.clear_faults()
    assert told(world.run(collect_pools, EVERYTHING))["pools_unlisted"] == 1


def test_a_list_that_fails_leaves_the_others_and_too_many_fail_the_run(world: PoolWorld) -> None:
    world.sandbox.set_faults([Fault(kind="unavailable", venue="geckoterminal", route="heaven")])
    done = world.run(collect_pools, EVERYTHING)
    assert [one.failed for one in done.outcomes] == [True, False, False]
    judge(done.outcomes, 0.5)
    assert len(world.rows(pools)) > 20
    world.sandbox.set_faults([Fault(kind="unavailable", venue="geckoterminal", route="pools")])
    world.forward(minutes=10)
    blocked = world.run(collect_pools, EVERYTHING)
    with pytest.raises(TooManyMarketsFailed, match=r"3 of 3 markets failed.*503.*a rerun resumes"):
        judge(blocked.outcomes, 0.5)
    assert set(world.rows(pools)["snapshot_at"]) == {NOW}


def test_an_answer_that_cannot_be_read_is_kept(world: PoolWorld) -> None:
    world.sandbox.set_faults([Fault(kind="truncated_json", venue="geckoterminal", route="new_pools")])
    done = world.run(collect_pools, EVERYTHING)
    assert [one.failed for one in done.outcomes] == [False, False, True]
    assert world.scalar("SELECT count(*) FROM quality.quarantine WHERE dataset = %s", DATASET) == 1


def test_a_second_round_of_the_same_moment_changes_nothing(world: PoolWorld) -> None:
    world.run(collect_pools, EVERYTHING)
    before = world.rows(pools)
    world.run(collect_pools, EVERYTHING)
    after = world.rows(pools)
    assert (before["ingested_at"] == after["ingested_at"]).all()
    assert world.scalar("SELECT count(*) FROM audit.revisions") == 0


def test_a_day_that_is_over_is_not_asked_for(world: PoolWorld) -> None:
    midnight = NOW.replace(hour=0, minute=0, second=0)
    before = world.requests()
    done = world.run(collect_pools, EVERYTHING, days=(midnight - DAY, midnight))
    assert (list(done.outcomes), world.requests()) == ([], before)
    assert world.rows(pools).empty
