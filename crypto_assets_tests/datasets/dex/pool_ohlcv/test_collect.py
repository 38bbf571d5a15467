"""Bars of pools: back to the birth, closed and settled ones alone, once, and on from where a run broke off."""

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from crypto_assets.datasets.dex.pool_ohlcv import collect
from crypto_assets.datasets.dex.pool_ohlcv.asset import PoolOhlcvConfig, collect_pool_ohlcv, interval_of
from crypto_assets.datasets.dex.pool_ohlcv.checks import RULES
from crypto_assets.datasets.dex.pool_ohlcv.collect import closed_window, newest_first, since_birth
from crypto_assets.datasets.dex.pool_ohlcv.table import DATASET, pool_ohlcv, series_of
from crypto_assets.partitions import VenueWindow
from crypto_assets.sandbox.faults import Fault
from crypto_assets.schema.operations import market_polls
from crypto_assets.universe import TIMEFRAME_LENGTH, DexRules, UniverseError
from crypto_assets_tests.datasets.dex.world import DAY, NOW, PoolWorld, born, lasting, made_at, problems

BUSY, NORMAL = lasting(0).address, lasting(60).address
YOUNG = born(NOW - timedelta(hours=30))
ALL = PoolOhlcvConfig()
MIDNIGHT = NOW.replace(hour=0, minute=0, second=0)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def _true(world: PoolWorld, address: str, timeframe: str, since: datetime) -> dict[datetime, list[float]]:
    """The sandbox's own closed and settled bars from an opening time on: open, high, low, close, volume."""
    length = TIMEFRAME_LENGTH[timeframe]
    bars = world.truth.last_bars("solana", address, int(length.total_seconds() * 1000), 2**60, 100_000)
    assert bars is not None
    names = ("open", "high", "low", "close", "volume_quote")
    rows = zip(bars.opened_at_ms.tolist(), *(bars.values[name].tolist() for name in names), strict=True)
    found = {datetime.fromtimestamp(at / 1000, UTC): values for at, *values in rows}
    settled = world.now - timedelta(seconds=60)
    return {at: values for at, values in found.items() if at >= since and at + length <= settled}


def _stored(world: PoolWorld, address: str, timeframe: str) -> dict[datetime, list[float]]:
    rows = world.rows(pool_ohlcv, pool_address=address, timeframe=timeframe)
    columns = ["open", "high", "low", "close", "volume_usd"]
    return {row["opened_at"].to_pydatetime(): [row[name] for name in columns] for row in rows.to_dict("records")}


def _give_birth(world: PoolWorld) -> None:
    """As if a snapshot had told when the pool was made."""
    world.execute(
        "INSERT INTO dex.pool_lives (network, pool_address, dex, base_token, quote_token, created_at, first_seen_at,"
        " last_seen_at, asked_at, source, known_at)"
        " VALUES ('solana', %s, 'heaven', 'b', 'q', %s, now(), now(), now(), 't', now())",
        YOUNG.address, made_at(YOUNG),
    )  # fmt: skip


def test_history_goes_back_to_the_pools_birth_page_by_page(world: PoolWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "PAGE_BARS", 100)
    world.at(NOW.replace(minute=1, second=0))  # all that closed at noon has settled just now
    world.follow(YOUNG.address)
    _give_birth(world)
    before = world.requests()
    [outcome] = world.run(collect_pool_ohlcv, PoolOhlcvConfig(history=True)).outcomes
    made = made_at(YOUNG)
    assert made == datetime(2026, 3, 9, 6, 0, 46, tzinfo=UTC)
    true = {frame: _true(world, YOUNG.address, frame, NOW - 40 * DAY) for frame in world.rules.timeframes}
    assert len(true["1m"]) > 300  # of 1,800 minutes
    assert outcome.inserted == sum(map(len, true.values()))
    for frame, bars in true.items():
        assert _stored(world, YOUNG.address, frame) == bars
    assert world.requests() - before >= 3 + len(true["1m"]) // 100
    # Nothing is asked for from before the bar in which it was made, and all that is absent since then was quiet.
    assert world.gaps(DATASET)["gap_start"].min() >= made.replace(second=0)
    assert set(world.gaps(DATASET)["state"]) == {"venue_quiet"}
    [explained] = [rule for rule in RULES if rule.name == "gaps_are_explained"]
    findings = explained.look(world.warehouse, world.universe, VenueWindow("solana", MIDNIGHT - DAY, MIDNIGHT + DAY))
    due = {one.timeframe: (one.checked, one.failed) for one in findings}
    assert due == {
        "1m": (1800, 0), "5m": (360, 0), "15m": (120, 0), "1h": (30, 0), "4h": (8, 0), "12h": (3, 0), "1d": (1, 0),
    }  # fmt: skip


def test_bars_that_are_open_or_have_not_settled_are_left_for_later(world: PoolWorld) -> None:
    world.follow(BUSY)
    only = PoolOhlcvConfig(timeframes=["1m", "1h"])
    world.run(collect_pool_ohlcv, only)  # at 12:00:30
    assert max(_stored(world, BUSY, "1m")) == NOW.replace(hour=11, minute=58, second=0)
    assert max(_stored(world, BUSY, "1h")) == NOW.replace(hour=10, minute=0, second=0)
    world.forward(seconds=30)  # now those that closed at noon are a minute old
    world.run(collect_pool_ohlcv, only)
    assert max(_stored(world, BUSY, "1m")) == NOW.replace(hour=11, minute=59, second=0)
    assert max(_stored(world, BUSY, "1h")) == NOW.replace(hour=11, minute=0, second=0)
    assert _stored(world, BUSY, "1m") == _true(world, BUSY, "1m", MIDNIGHT)
    assert set(world.rows(pool_ohlcv)["timeframe"]) == {"1m", "1h"}


def test_a_second_run_asks_only_for_what_is_new(world: PoolWorld) -> None:
    world.at(NOW.replace(minute=11))  # 12:11:30
    world.follow(NORMAL)
    world.run(collect_pool_ohlcv, ALL)
    before = world.requests()
    [again] = world.run(collect_pool_ohlcv, ALL).outcomes
    assert (world.requests() - before, again.received) == (0, 0)
    world.forward(minutes=2)  # two minutes have closed, and no longer bar
    world.run(collect_pool_ohlcv, ALL)
    assert world.requests() - before == 1
    assert _stored(world, NORMAL, "1m") == _true(world, NORMAL, "1m", MIDNIGHT)
    [poll] = world.rows(market_polls).to_dict("records")
    assert (poll["interval_seconds"], poll["failures"]) == (300, 0)


def test_refreshing_asks_again_and_keeps_what_a_bar_was(world: PoolWorld) -> None:
    world.follow(BUSY)
    hours = {"timeframes": ["1h"]}
    world.sandbox.set_faults([Fault(kind="revised_bars", venue="geckoterminal", bars=3)])
    world.run(collect_pool_ohlcv, PoolOhlcvConfig(**hours))
    world.sandbox.clear_faults()
    [outcome] = world.run(collect_pool_ohlcv, PoolOhlcvConfig(refresh=True, **hours)).outcomes
    assert (outcome.received, outcome.inserted) == (11, 0)
    assert 0 < outcome.changed <= 3
    assert _stored(world, BUSY, "1h") == _true(world, BUSY, "1h", MIDNIGHT)
    assert (
        world.scalar("SELECT count(*) FROM audit.revisions WHERE table_name LIKE %s", "%pool_ohlcv%") == outcome.changed
    )


def test_several_days_in_one_run(world: PoolWorld) -> None:
    world.follow(BUSY)
    only = PoolOhlcvConfig(timeframes=["15m", "1d"])
    world.run(collect_pool_ohlcv, only, days=(MIDNIGHT - 3 * DAY, MIDNIGHT - DAY))
    stored = _stored(world, BUSY, "15m")
    assert (min(stored), max(stored)) == (MIDNIGHT - 3 * DAY, MIDNIGHT - DAY - timedelta(minutes=15))
    assert list(_stored(world, BUSY, "1d")) == [MIDNIGHT - 3 * DAY, MIDNIGHT - 2 * DAY]


def test_a_run_that_broke_off_is_taken_up_where_it_ended(world: PoolWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "PAGE_BARS", 200)
    world.follow(BUSY)
    minutes = PoolOhlcvConfig(timeframes=["1m"])
    numbers = count(1)
    world.before_request = lambda: (
        world.sandbox.set_faults([Fault(kind="unavailable", venue="geckoterminal")]) if next(numbers) == 3 else None
    )
    [broken] = world.run(collect_pool_ohlcv, minutes).outcomes
    assert broken.postponed
    assert "503" in problems(world_done := world.run(collect_pool_ohlcv, minutes))[0]
    assert world_done.outcomes[0].inserted == 0
    assert broken.inserted == len(_stored(world, BUSY, "1m")) == 400
    world.sandbox.clear_faults()
    before = world.requests()
    [later] = world.run(collect_pool_ohlcv, minutes).outcomes
    true = _true(world, BUSY, "1m", MIDNIGHT)
    assert _stored(world, BUSY, "1m") == true
    assert later.inserted == len(true) - broken.inserted
    assert world.requests() - before == 2
    assert set(world.gaps(DATASET)["state"]) <= {"missing", "venue_quiet"}


def test_a_length_of_bar_that_pools_have_not_is_refused(world: PoolWorld) -> None:
    world.follow(NORMAL)
    before = world.requests()
    with pytest.raises(UniverseError, match=r"not collected at 30m.*1m, 5m, 15m, 1h, 4h, 12h, 1d"):
        world.run(collect_pool_ohlcv, PoolOhlcvConfig(timeframes=["1h", "30m"]))
    assert world.requests() == before


def test_a_pool_of_which_nothing_is_known_is_no_failure(world: PoolWorld) -> None:
    unknown = "So11111111111111111111111111111111111111112"
    world.follow(unknown)
    done = world.run(collect_pool_ohlcv, ALL)
    assert problems(done) == [f"GeckoTerminal knows no pool {unknown}."]
    assert not done.outcomes[0].failed


def test_rows_that_cannot_be_read_are_kept_apart_and_asked_for_again(world: PoolWorld) -> None:
    world.follow(BUSY)
    hours = PoolOhlcvConfig(timeframes=["1h"])
    # Of the 42 rows, newest first, the 24 in the middle: the day's first two hours, and older ones that come along with it.
    world.sandbox.set_faults([Fault(kind="null_rows", venue="geckoterminal", bars=24, times=1)])
    [outcome] = world.run(collect_pool_ohlcv, PoolOhlcvConfig(timeframes=["1h"], repair=False)).outcomes
    assert (outcome.inserted, outcome.quarantined) == (9, 24)
    [gap] = world.gaps(DATASET).to_dict("records")
    assert (gap["state"], gap["gap_end"] - gap["gap_start"]) == ("missing", 2 * HOUR)
    world.run(collect_pool_ohlcv, hours)
    assert _stored(world, BUSY, "1h") == _true(world, BUSY, "1h", MIDNIGHT)


def test_bars_that_trades_reached_late_are_corrected_along_with_the_next_ones(world: PoolWorld) -> None:
    world.follow(BUSY)
    minutes = PoolOhlcvConfig(timeframes=["1m"], repair=False)
    world.sandbox.set_faults(
        [Fault(kind="revised_bars", venue="geckoterminal", bars=3)]
    )  # young ones with half their volume
    world.run(collect_pool_ohlcv, minutes)
    wrong = _stored(world, BUSY, "1m") != _true(world, BUSY, "1m", MIDNIGHT)
    world.sandbox.clear_faults()
    before = world.requests()
    world.forward(minutes=5)
    world.run(collect_pool_ohlcv, minutes)
    assert world.requests() == before + 1
    assert wrong
    assert _stored(world, BUSY, "1m") == _true(world, BUSY, "1m", MIDNIGHT)


def test_what_is_closed_of_a_window() -> None:
    rules = DexRules()
    day = (MIDNIGHT, MIDNIGHT + DAY)
    assert closed_window(day, "1m", NOW, rules) == (MIDNIGHT, NOW.replace(hour=11, minute=59, second=0))
    assert closed_window(day, "1h", NOW, rules) == (MIDNIGHT, MIDNIGHT + 11 * HOUR)
    assert closed_window(day, "1d", NOW, rules) is None
    assert closed_window(day, "1d", MIDNIGHT + DAY + 59 * timedelta(seconds=1), rules) is None
    assert closed_window(day, "1d", MIDNIGHT + DAY + MINUTE, rules) == (MIDNIGHT, MIDNIGHT + DAY)
    assert closed_window((MIDNIGHT + MINUTE, MIDNIGHT + DAY), "1h", NOW, rules) == (
        MIDNIGHT + HOUR,
        MIDNIGHT + 11 * HOUR,
    )
    assert closed_window((NOW, NOW + DAY), "1m", NOW, rules) is None


def test_a_pool_has_bars_from_the_one_in_which_it_was_made() -> None:
    made = MIDNIGHT + timedelta(hours=6, minutes=7, seconds=46)
    assert since_birth(MIDNIGHT, made, "1m") == MIDNIGHT + timedelta(hours=6, minutes=7)
    assert since_birth(MIDNIGHT, made, "4h") == MIDNIGHT + 4 * HOUR
    assert since_birth(NOW, made, "4h") == NOW
    assert since_birth(MIDNIGHT, None, "4h") == MIDNIGHT


def test_the_window_comes_first_then_the_longest_bars_of_the_past() -> None:
    minutes, days = series_of("solana", "p", "1m"), series_of("solana", "p", "1d")
    hours = series_of("solana", "p", "1h")
    spans = [(minutes, (MIDNIGHT - DAY, NOW)), (hours, (MIDNIGHT, NOW)), (days, (MIDNIGHT - 9 * DAY, MIDNIGHT))]
    assert newest_first(spans, (MIDNIGHT, MIDNIGHT + DAY)) == [
        (hours, (MIDNIGHT, NOW)),
        (minutes, (MIDNIGHT, NOW)),
        (days, (MIDNIGHT - 9 * DAY, MIDNIGHT)),
        (minutes, (MIDNIGHT - DAY, MIDNIGHT)),
    ]


def test_intervals_follow_the_budget() -> None:
    rules = DexRules()  # a quarter of 30 requests a minute is for bars
    assert interval_of(rules, 1) == 300
    assert interval_of(rules, 100) == 100 * 3 * 60 / 30 / 0.25
    assert interval_of(rules, 10**6) == 360 * 60
