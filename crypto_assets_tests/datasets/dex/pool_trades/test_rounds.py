"""Rounds over the watched pools' trades: whole, once, the most urgent first, and what is left to the next run."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from crypto_assets.datasets.dex.pool_polling import PoolPolls, pool_turns, round_seconds
from crypto_assets.datasets.dex.pool_trades.asset import PoolTradesConfig, collect_pool_trades
from crypto_assets.datasets.dex.pool_trades.rhythm import quiet_interval
from crypto_assets.datasets.dex.pool_trades.table import DATASET, pool_trades
from crypto_assets.datasets.dex.pools.asset import PoolsConfig, collect_pools
from crypto_assets.datasets.dex.pools.table import pools, recent_paces
from crypto_assets.datasets.outcomes import TooManyMarketsFailed, judge
from crypto_assets.datasets.polls import Visit, usual_interval
from crypto_assets.sandbox.faults import Fault
from crypto_assets.schema.operations import market_polls
from crypto_assets.universe import UniverseError
from crypto_assets.warehouse.limits import Poll, write_poll
from crypto_assets_tests.datasets.dex.world import DAY, NOW, PoolWorld, lasting, problems

BUSY, NORMAL, QUIET, RARE = (lasting(place).address for place in (0, 60, 100, 150))
ALL = PoolTradesConfig()
DUE = PoolTradesConfig(due_only=True)


def _asked(world: PoolWorld, address: str, *, minutes: float, interval: float, failures: int = 0) -> None:
    """As if the pool had been asked so many minutes ago, and were due after an interval in seconds."""
    at = world.now - timedelta(minutes=minutes)
    poll = Poll(address, at, at + timedelta(seconds=interval), interval, 100 / interval, failures)
    with world.warehouse.connect() as connection:
        write_poll(connection, DATASET, "solana", poll)


def _polls(world: PoolWorld) -> dict[str, dict[str, object]]:
    return {row["symbol"]: row for row in world.rows(market_polls).to_dict("records")}


def test_a_page_is_stored_as_it_was_made_and_a_second_run_writes_nothing(world: PoolWorld) -> None:
    world.follow(NORMAL)
    [first] = world.run(collect_pool_trades, ALL).outcomes
    made = world.truth.trades("solana", NORMAL, 0) or []
    assert (first.received, first.inserted, len(made)) == (207, 207, 207)
    found = world.rows(pool_trades).sort_values(["traded_at", "ordinal", "tx_hash"])
    stored = {(row["tx_hash"], row["ordinal"]): row for row in found.to_dict("records")}
    for one in made:
        row = stored[one.tx_hash, int(one.id.split("_")[-2])]
        base = "to" if one.kind == "buy" else "from"
        assert (row["side"], row["block_number"], row["sender"]) == (one.kind, one.block_number, one.tx_from_address)
        assert int(row["traded_at"].timestamp()) == one.traded_at
        assert float(row["volume_usd"]) == float(one.volume_in_usd)
        assert float(row["price_usd"]) == pytest.approx(float(getattr(one, f"price_{base}_in_usd")))
    transactions = found["tx_hash"].value_counts()
    assert (transactions == 2).any()  # some transactions hold two trades of the pool
    [again] = world.run(collect_pool_trades, ALL).outcomes
    assert (again.received, again.inserted, again.changed) == (207, 0, 0)
    assert world.gaps(DATASET).empty


def test_rounds_that_overlap_lose_nothing(world: PoolWorld) -> None:
    world.follow(BUSY)
    for _ in range(4):
        world.run(collect_pool_trades, ALL)
        world.forward(minutes=10)  # a page holds a quarter of an hour
    assert world.gaps(DATASET).empty
    spans = world.scalar("SELECT collected::text FROM ops.collected_ranges WHERE dataset = %s", DATASET)
    assert str(spans).count(",") == 1  # one span
    minute = world.scalar(
        "SELECT count(*) FROM dex.pool_trades WHERE traded_at >= %s AND traded_at < %s", NOW, NOW + timedelta(minutes=5)
    )
    bars = world.truth.last_bars("solana", BUSY, 60_000, 2**60, 60)
    assert bars is not None
    assert minute > 50
    world.forward(minutes=60)
    [late] = world.run(collect_pool_trades, ALL).outcomes
    assert late.absent == 1
    [gap] = world.gaps(DATASET).to_dict("records")
    assert (gap["state"], gap["symbol"], gap["timeframe"]) == ("unrecoverable", BUSY, "tick")
    assert gap["gap_start"] == NOW + timedelta(minutes=29)  # a minute before the last page that joined


def test_the_minimum_is_passed_on(world: PoolWorld) -> None:
    world.follow(NORMAL, min_trade_usd="100")
    [outcome] = world.run(collect_pool_trades, ALL).outcomes
    made = world.truth.trades("solana", NORMAL, 100) or []
    assert 0 < outcome.received == len(made) < 207
    assert (world.rows(pool_trades)["volume_usd"] > 100).all()


def test_the_pool_with_the_most_unseen_trades_is_asked_first(world: PoolWorld) -> None:
    world.follow(BUSY, NORMAL, QUIET, RARE)
    _asked(world, NORMAL, minutes=20, interval=100)  # 12 intervals
    _asked(world, QUIET, minutes=20, interval=600)  # 2
    _asked(world, BUSY, minutes=5, interval=10)  # 30
    _asked(world, RARE, minutes=5, interval=600)  # not due
    done = world.run(collect_pool_trades, DUE)
    assert [one.symbol for one in done.outcomes] == [BUSY, NORMAL, QUIET]


def test_one_that_has_more_to_fetch_stands_behind_those_that_have_waited(world: PoolWorld) -> None:
    at, polls = NOW - timedelta(seconds=60), PoolPolls(DATASET, 300, 900, _no_visit)
    more = Poll("more", at, at, 300)  # due at once
    waited = Poll("waited", at - timedelta(seconds=600), at - timedelta(seconds=300), 300)
    turns = {
        one.name: one
        for one in pool_turns(["more", "waited", "new"], {"more": more, "waited": waited}, polls, True, NOW)
    }
    assert turns["more"].due_at == at.timestamp()
    urgency = {name: turn.urgency(NOW.timestamp()) for name, turn in turns.items()}
    assert (urgency["more"], urgency["waited"]) == (1.2, 2.2)
    assert urgency["new"] > 1e6
    assert all(turn.due_at <= NOW.timestamp() for turn in pool_turns(["more"], {}, polls, False, NOW))
    young = Poll("young", NOW, NOW + timedelta(seconds=300), 300)
    [due] = pool_turns(["young"], {"young": young}, polls, True, NOW)
    assert due.due_at == (NOW + timedelta(seconds=300)).timestamp()
    [all_] = pool_turns(["young"], {"young": young}, polls, False, NOW)
    assert all_.due_at <= NOW.timestamp()


def test_what_was_seen_since_the_last_poll_brings_the_next_one_forward() -> None:
    asked = Poll("pool", NOW - timedelta(seconds=100), NOW + timedelta(seconds=800), 900)

    def due(seen_at: datetime, within: float, failures: int = 0) -> float:
        polls = PoolPolls(DATASET, 300, 900, _no_visit, seen={"pool": (seen_at, within)})
        [turn] = pool_turns(["pool"], {"pool": replace(asked, failures=failures)}, polls, True, NOW)
        return turn.due_at - NOW.timestamp()

    assert due(NOW, 40) == -60
    assert due(NOW, 2000) == 800
    assert due(NOW - timedelta(seconds=100), 40) == 800  # not newer than the poll
    assert due(NOW, 40, failures=1) == 800  # whoever fails is left alone


def _no_visit(*_: object) -> Visit:
    raise AssertionError("nobody is asked here")


def test_when_time_is_up_a_few_still_have_their_turn_and_the_others_are_left_to_the_next_run(world: PoolWorld) -> None:
    world.follow(*(lasting(place).address for place in range(100, 106)))
    world.seconds_a_request = 7
    over = PoolTradesConfig(due_only=True, ends_at=(NOW - timedelta(minutes=1)).isoformat())
    done = world.run(collect_pool_trades, over)
    assert [one.postponed for one in done.outcomes] == [False] * 3 + [True] * 3  # at 0, 7 and 14 of 20 seconds
    assert problems(done) == ["Left to the next run: The run's time was up."] * 3
    assert len(_polls(world)) == 3
    judge(done.outcomes, 0.5)
    later = world.run(collect_pool_trades, DUE)
    assert {one.symbol for one in later.outcomes} == {one.symbol for one in done.outcomes[3:]}


def test_an_open_breaker_leaves_the_rest_to_the_next_run_and_says_why(world: PoolWorld) -> None:
    addresses = [lasting(place).address for place in range(100, 105)]
    world.follow(*addresses)
    world.sandbox.set_faults([Fault(kind="unavailable", venue="geckoterminal")])
    done = world.run(collect_pool_trades, ALL)
    assert all(one.postponed for one in done.outcomes)
    assert len(done.outcomes) == 5
    judge(done.outcomes, 0.5)  # a provider that rests is no failure of ours
    warnings = problems(done)
    assert [("503" in one, "is not asked" in one, one.startswith("Left to the next run")) for one in warnings] == [
        (True, False, False), (True, False, False), (True, True, False), (True, False, True), (True, False, True),
    ]  # fmt: skip
    polls = _polls(world)
    assert [row["failures"] for row in polls.values()] == [1, 1]  # the third was not asked: its poll stays due
    world.sandbox.clear_faults()
    world.run(collect_pool_trades, ALL)
    assert [row["failures"] for row in _polls(world).values()] == [0] * 5


def test_a_pool_that_keeps_failing_is_asked_half_as_often_each_time(world: PoolWorld) -> None:
    world.follow(NORMAL)
    world.with_rules(interval_minutes=1)
    intervals = []
    world.sandbox.set_faults([Fault(kind="html_200", venue="geckoterminal", route="trades")])
    for _ in range(4):
        [outcome] = world.run(collect_pool_trades, ALL).outcomes
        assert outcome.failed
        intervals.append(_polls(world)[NORMAL]["interval_seconds"])
    longest = quiet_interval(world.rules, [0.0])
    assert intervals == [60, *[min(longest, 60 * 2**number) for number in (1, 2, 3)]]


def test_failures_leave_the_usual_interval_as_it_was() -> None:
    poll = Poll("pool", NOW, NOW, 60, failures=0)
    assert usual_interval(None, 300) == 300
    assert [
        usual_interval(Poll("pool", NOW, NOW, interval, failures=failures), 300)
        for interval, failures in ((60, 0), (60, 1), (120, 2), (240, 3))
    ] == [60] * 4
    assert usual_interval(poll, 300) == 60


def test_a_busy_pool_is_asked_again_and_again_until_the_round_ends(world: PoolWorld) -> None:
    world.follow(BUSY, RARE)
    _asked(world, BUSY, minutes=10, interval=30)
    _asked(world, RARE, minutes=10, interval=300)
    ends = PoolTradesConfig(due_only=True, ends_at=(NOW + timedelta(seconds=295)).isoformat())
    turns = {one.symbol: one.turns for one in world.run(collect_pool_trades, ends).outcomes}
    assert turns == {BUSY: 2, RARE: 1}  # every 270 seconds and every 300
    assert world.now - NOW == timedelta(seconds=295)


def test_nobody_busy_ends_the_round_when_all_had_their_turn(world: PoolWorld) -> None:
    world.follow(QUIET, RARE)
    ends = PoolTradesConfig(due_only=True, ends_at=(NOW + timedelta(minutes=8)).isoformat())
    assert len(world.run(collect_pool_trades, ends).outcomes) == 2
    assert world.now == NOW


def test_intervals_let_a_hundred_trades_come_together(world: PoolWorld) -> None:
    world.follow(BUSY, RARE)
    world.run(collect_pool_trades, ALL)
    polls = _polls(world)
    made = world.truth.trades("solana", BUSY, 0) or []
    per_second = 300 / (NOW.timestamp() - made[0].traded_at)
    assert polls[BUSY]["interval_seconds"] == pytest.approx(100 / per_second, rel=0.2)
    assert polls[RARE]["interval_seconds"] == 300


def test_a_pool_that_a_snapshot_saw_waking_up_is_asked_before_its_time(world: PoolWorld) -> None:
    world.follow(BUSY, QUIET)
    for address in (BUSY, QUIET):  # both were quiet when they were asked
        _asked(world, address, minutes=4.5, interval=900)
    world.run(collect_pools, PoolsConfig(watched_only=True))
    seen = recent_paces(world.warehouse, "solana", NOW - timedelta(minutes=1))
    stored = world.rows(pools).set_index("pool_address")
    assert seen.keys() == {BUSY, QUIET}
    assert seen[BUSY].at == NOW
    assert seen[BUSY].per_second == max(
        (stored.loc[BUSY, f"buys_{window}"] + stored.loc[BUSY, f"sells_{window}"]) / seconds
        for window, seconds in (("5m", 300), ("1h", 3600))
    )
    assert seen[BUSY].per_second > 100 / 270 > seen[QUIET].per_second  # more than a hundred in 270 seconds
    assert recent_paces(world.warehouse, "solana", NOW + timedelta(seconds=1)) == {}
    done = world.run(collect_pool_trades, DUE)
    assert [one.symbol for one in done.outcomes] == [BUSY]
    # What the pool's own page has shown since counts more than the snapshot.
    world.forward(seconds=20)
    assert world.run(collect_pool_trades, DUE).outcomes == []


def test_a_snapshot_counts_trades_of_any_value_and_says_nothing_of_a_pool_with_a_minimum(world: PoolWorld) -> None:
    world.follow(BUSY, min_trade_usd="1000000")
    _asked(world, BUSY, minutes=4.5, interval=900)
    world.run(collect_pools, PoolsConfig(watched_only=True))
    assert world.run(collect_pool_trades, DUE).outcomes == []


def test_a_pool_of_which_nothing_is_known_is_no_failure(world: PoolWorld) -> None:
    unknown = "So11111111111111111111111111111111111111112"  # a token's address, no pool's
    world.follow(unknown)
    done = world.run(collect_pool_trades, ALL)
    assert problems(done) == [f"GeckoTerminal knows no pool {unknown}."]
    judge(done.outcomes, 0.5)
    world.sandbox.set_faults([Fault(kind="html_200", venue="geckoterminal")])
    with pytest.raises(TooManyMarketsFailed):
        judge(world.run(collect_pool_trades, ALL).outcomes, 0.5)
    assert world.scalar("SELECT count(*) FROM quality.quarantine WHERE dataset = %s", DATASET) == 1


def test_a_day_that_the_window_has_left_is_not_asked_for(world: PoolWorld) -> None:
    world.follow(NORMAL)
    midnight = NOW.replace(hour=0, minute=0, second=0)
    for days in ((midnight - 2 * DAY, midnight - DAY), (midnight + DAY, midnight + 2 * DAY)):
        assert world.run(collect_pool_trades, ALL, days=days).outcomes == []
    assert world.rows(pool_trades).empty
    assert len(world.run(collect_pool_trades, ALL, days=(midnight - DAY, midnight)).outcomes) == 1


def test_named_pools_alone_are_asked_and_must_be_watched(world: PoolWorld) -> None:
    world.follow(NORMAL, QUIET)
    only = PoolTradesConfig(pools=[QUIET])
    assert [one.symbol for one in world.run(collect_pool_trades, only).outcomes] == [QUIET]
    with pytest.raises(UniverseError, match=f"No watched pool of solana is {BUSY}.*watchlist.csv"):
        world.run(collect_pool_trades, PoolTradesConfig(pools=[BUSY, QUIET]))
    hexadecimal = lasting(0, "eth", "uniswap_v3").address
    world.follow(hexadecimal, network="ethereum")
    shouting = PoolTradesConfig(pools=["0x" + hexadecimal[2:].upper()])
    assert [one.symbol for one in world.run(collect_pool_trades, shouting, "ethereum").outcomes] == [hexadecimal]


def test_an_end_that_is_no_time_is_refused() -> None:
    with pytest.raises(UniverseError, match="ends_at"):
        round_seconds(PoolTradesConfig(ends_at="soon"), NOW)
    assert round_seconds(ALL, NOW) == 7 * 86_400
    assert round_seconds(PoolTradesConfig(ends_at=(NOW + timedelta(seconds=90)).isoformat()), NOW) == 90
    assert round_seconds(PoolTradesConfig(ends_at=NOW.isoformat()), NOW) == 20


def test_amounts_are_exact_sums_of_what_came(world: PoolWorld) -> None:
    world.follow(NORMAL)
    world.run(collect_pool_trades, ALL)
    made = world.truth.trades("solana", NORMAL, 0) or []
    total = sum((Decimal(one.volume_in_usd) for one in made), Decimal(0))
    assert Decimal(str(world.scalar("SELECT sum(volume_usd)::text FROM dex.pool_trades"))) == total
