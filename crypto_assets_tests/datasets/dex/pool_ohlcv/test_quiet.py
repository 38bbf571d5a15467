"""Quiet bars told from missing ones by the volume of longer bars, and missing ones asked for again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from crypto_assets.datasets.dex.pool_ohlcv.asset import PoolOhlcvConfig, collect_pool_ohlcv
from crypto_assets.datasets.dex.pool_ohlcv.collect import OVERLAP_BARS
from crypto_assets.datasets.dex.pool_ohlcv.quiet import name_answered, name_quiet, tell_quiet
from crypto_assets.datasets.dex.pool_ohlcv.table import DATASET, pool_ohlcv, series_of
from crypto_assets.quality.coverage import read_gaps, write_changes
from crypto_assets.quality.gaps import Ask, Evidence, Gap, State, merge_alike
from crypto_assets.sandbox.faults import Fault
from crypto_assets.universe import DexRules, Gaps
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.dex.world import NOW, PoolWorld, lasting

NORMAL = lasting(60).address
ALL = PoolOhlcvConfig()
NO_REPAIR = PoolOhlcvConfig(repair=False)
MIDNIGHT = NOW.replace(hour=0, minute=0, second=0)
MINUTE, FIVE = timedelta(minutes=1), timedelta(minutes=5)


def _minutes(world: PoolWorld) -> list[datetime]:
    """The minutes of the day in which the pool was traded, closed and settled."""
    bars = world.truth.last_bars("solana", NORMAL, 60_000, 2**60, 10_000)
    assert bars is not None
    opened = [datetime.fromtimestamp(at / 1000, UTC) for at in bars.opened_at_ms.tolist()]
    return [at for at in opened if MIDNIGHT <= at <= world.now - 2 * MINUTE]


def _lose_the_first(world: PoolWorld, bars: int) -> list[datetime]:
    """Let the request for the day's minutes lack the first bars of the day; which they are. Longer bars are there before.

    It asks for some bars more than the day has minutes so far, and gets older ones too: they are lost as well.
    """
    longer = [one for one in world.rules.timeframes if one != "1m"]
    world.run(collect_pool_ohlcv, PoolOhlcvConfig(repair=False, timeframes=longer))
    traded = _minutes(world)
    older = 12 * 60 + OVERLAP_BARS + 1 - len(traded)
    world.sandbox.set_faults(
        [Fault(kind="missing_bars", venue="geckoterminal", route="ohlcv/minute", bars=older - 1 + bars, times=1)]
    )
    return traded[:bars]


def _named(world: PoolWorld, timeframe: str = "1m") -> dict[datetime, str]:
    """The state of each absent minute, by the ledger."""
    length, named = {"1m": MINUTE, "5m": FIVE}[timeframe], {}
    for row in world.gaps(DATASET, timeframe=timeframe).to_dict("records"):
        at = row["gap_start"].to_pydatetime()
        while at < row["gap_end"]:
            named[at] = row["state"]
            at += length
    return named


def test_minutes_without_a_trade_are_quiet_and_those_that_did_not_come_are_missing(world: PoolWorld) -> None:
    world.at(NOW.replace(minute=1, second=0))  # all that closed at noon has settled just now
    world.follow(NORMAL)
    traded = _minutes(world)
    lost = _lose_the_first(world, 5)
    world.run(collect_pool_ohlcv, NO_REPAIR)
    world.sandbox.clear_faults()
    stored = set(world.rows(pool_ohlcv, timeframe="1m")["opened_at"])
    assert stored == set(traded) - set(lost)
    doubtful = {at - (at - MIDNIGHT) % FIVE for at in lost}  # nothing is claimed of five minutes that do not add up
    every = {MIDNIGHT + number * MINUTE for number in range(12 * 60)}
    expected = {at: "missing" if at - (at - MIDNIGHT) % FIVE in doubtful else "venue_quiet" for at in every - stored}
    assert len(expected) > 500
    assert sum(state == "missing" for state in expected.values()) >= 5
    assert _named(world) == expected
    assert set(_named(world, "5m").values()) == {"venue_quiet"}
    # They are older than an hour: a run that repairs asks for them, they come, and the ledger says so.
    before = world.requests()
    world.run(collect_pool_ohlcv, NO_REPAIR)
    assert world.requests() == before
    world.run(collect_pool_ohlcv, ALL)
    assert world.requests() == before + 1
    assert set(world.rows(pool_ohlcv, timeframe="1m")["opened_at"]) == set(_minutes(world))
    named = _named(world)
    assert {named[at] for at in lost} == {"repaired"}
    assert set(named.values()) == {"venue_quiet", "repaired"}


def test_a_bar_that_longer_ones_tell_to_be_quiet_is_written_down_once(world: PoolWorld) -> None:
    world.at(NOW.replace(hour=0, minute=0, second=0) + timedelta(days=1, minutes=1))  # every bar of the day has closed
    day = (MIDNIGHT, MIDNIGHT + timedelta(days=1))
    world.follow(NORMAL)
    world.run(collect_pool_ohlcv, NO_REPAIR, days=day)
    gaps = world.gaps(DATASET)
    assert set(gaps["state"]) == {"venue_quiet"}
    assert len(gaps) > 100
    assert world.scalar("SELECT count(*) FROM audit.revisions WHERE table_name = 'coverage'") == 0


def test_what_stays_away_is_asked_for_after_an_hour_and_keeps_its_evidence(world: PoolWorld) -> None:
    world.at(NOW.replace(minute=1, second=0))
    world.follow(NORMAL)
    [lost] = _lose_the_first(world, 1)
    world.run(collect_pool_ohlcv, NO_REPAIR)
    assert _named(world)[lost] == "missing"
    world.sandbox.set_faults([Fault(kind="unavailable", venue="geckoterminal")])
    world.run(collect_pool_ohlcv, ALL)
    world.sandbox.clear_faults()
    [gap] = [
        row
        for row in world.gaps(DATASET, state="missing").to_dict("records")
        if row["gap_start"] <= lost < row["gap_end"]
    ]
    assert "503" in gap["why"]
    assert '"failures": 1' in str(gap["evidence"])
    before = world.requests()
    world.forward(minutes=30)  # one failed request: the next one an hour later
    world.run(collect_pool_ohlcv, PoolOhlcvConfig(timeframes=["1m"]))
    assert _named(world)[lost] == "missing"
    assert world.requests() == before + 1
    world.forward(minutes=31)
    world.run(collect_pool_ohlcv, ALL)
    assert _named(world)[lost] == "repaired"


def test_an_answer_without_bars_proves_the_longest_ones_quiet_and_no_others(warehouse: Warehouse) -> None:
    rules, gaps = DexRules(), Gaps(max_attempts=3)
    day = (MIDNIGHT, MIDNIGHT + timedelta(days=1))
    answers = {"1d": 1, "12h": 0, "1h": 1, "5m": 3, "1m": 2}
    with warehouse.connect() as connection:
        for timeframe, count in answers.items():
            gap = Gap(*day, State.MISSING, Evidence(why="not sent", answers=count), NOW)
            later = Gap(day[1], day[1] + timedelta(days=1), State.MISSING, Evidence(why="x", answers=count), NOW)
            found = [gap] if timeframe in {"1d", "12h"} else [gap, replace(later, first_seen=NOW + MINUTE)]
            write_changes(connection, series_of("solana", NORMAL, timeframe), [], merge_alike(found))
        name_answered(connection, "solana", NORMAL, day, rules, gaps)
    assert _states(warehouse) == {
        "1d": {"venue_quiet"}, "12h": {"missing"}, "1h": {"missing"}, "5m": {"unrecoverable"}, "1m": {"missing"}
    }  # fmt: skip
    # Within a quiet day all is quiet; of the day after nothing is known, whoever traded then.
    with warehouse.connect() as connection:
        tell_quiet(connection, "solana", NORMAL, (day[0], day[1] + timedelta(days=1)), rules)
    states = _states(warehouse)
    assert states["12h"] == {"venue_quiet"}
    assert states["1h"] == states["1m"] == {"venue_quiet", "missing"}
    assert states["5m"] == {"unrecoverable"}


def _states(warehouse: Warehouse) -> dict[str, set[str]]:
    gaps = read_gaps(warehouse, dataset=DATASET, symbol=NORMAL)
    return {str(frame): set(rows["state"]) for frame, rows in gaps.groupby("timeframe")}


def test_quiet_time_is_cut_out_of_what_is_missing() -> None:
    hours = [MIDNIGHT + timedelta(hours=number) for number in range(9)]
    ask = Ask(at=NOW, start=hours[0], end=hours[4], came="0 bars")
    evidence = Evidence(why="not sent", answers=1, asked=(ask,))
    missing = Gap(hours[0], hours[4], State.MISSING, evidence, NOW)
    unlisted = Gap(hours[5], hours[6], State.NOT_LISTED, Evidence(why="before"), NOW)
    named = name_quiet([missing, unlisted], [(hours[1], hours[2]), (hours[5], hours[8])], "it adds up")
    assert [(gap.start, gap.end, gap.state) for gap in named] == [
        (hours[0], hours[1], State.MISSING),
        (hours[1], hours[2], State.VENUE_QUIET),
        (hours[2], hours[4], State.MISSING),
        (hours[5], hours[6], State.NOT_LISTED),
    ]
    assert named[1].evidence == Evidence(why="it adds up", answers=1, asked=(ask,))
    assert named[0].evidence == named[2].evidence == evidence
    assert name_quiet([missing], [], "it adds up") == [missing]
    whole = name_quiet([missing], [(hours[0], hours[2]), (hours[2], hours[5])], "it adds up")
    assert [(gap.span, gap.state) for gap in whole] == [((hours[0], hours[4]), State.VENUE_QUIET)]
