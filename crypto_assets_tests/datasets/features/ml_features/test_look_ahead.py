"""The promise: no feature knows what could not be known. By hypothesis, on recordings, and with a leak planted."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_assets.datasets.features.blocks import Block, blocks_of
from crypto_assets.datasets.features.ml_features import engine
from crypto_assets.datasets.features.ml_features.as_of import KnownRows, join_known
from crypto_assets.datasets.features.ml_features.columns import Columns
from crypto_assets.datasets.features.ml_features.declaration import Feature
from crypto_assets.datasets.features.ml_features.engine import MarketInputs
from crypto_assets.datasets.features.ml_features.look_ahead import World, features_in, find_leaks
from crypto_assets.indicators.declaration import Bars, Floats, Times
from crypto_assets.indicators.segments import join_quiet
from crypto_assets_tests.datasets.features.ml_features.worlds import (
    ALL,
    BLOCK,
    STEP,
    altered,
    at_hour,
    cut,
    market_of,
    world,
)
from crypto_assets_tests.markets import HOUR, RECORDED, moment, recorded
from crypto_assets_tests.playing import needs_recordings


def _rows_up_to(one: World, decided: np.datetime64) -> dict[str, Floats]:
    rows = features_in(one, BLOCK, ALL)
    known = rows.opened_at + STEP <= decided
    return {name: values[known] for name, values in rows.columns.items()}


@settings(max_examples=40, deadline=None)
@given(
    hour=st.integers(0, 398),
    what=st.sampled_from(["own", "peer", "reference", "elsewhere", "pools"]),
    how=st.sampled_from(["altered", "deleted", "added"]),
    size=st.floats(0.2, 5),
    drop=st.integers(2, 9),
)
def test_rows_known_later_change_no_feature(hour: int, what: str, how: str, size: float, drop: int) -> None:
    """Altering, deleting or adding any input row that becomes known after a decision changes nothing at it or before."""
    last = at_hour(hour)

    def changed(bars: Bars) -> Bars:
        return altered(bars, last, size) if how == "altered" else cut(bars, last, drop)

    own, reference, peer, elsewhere, pools = (market_of(seed) for seed in (1, 2, 3, 5, 6))
    before = {"own": own, "reference": reference, "peer": peer, "elsewhere": elsewhere, "pools": pools}
    after = {**before, what: changed(before[what])}
    first, second = (
        world(
            one["own"],
            {"BTC/USDT": one["reference"], "SOL/USDT": one["peer"], "XRP/USDT": market_of(4)},
            one["elsewhere"],
            one["pools"],
        )
        for one in ((after, before) if how == "added" else (before, after))
    )
    decided = last + STEP
    here, there = _rows_up_to(first, decided), _rows_up_to(second, decided)
    for name, values in here.items():
        np.testing.assert_array_equal(values, there[name], err_msg=name)


def test_the_same_change_one_row_earlier_does_change_features() -> None:
    """The test above would pass on an engine that ignores its inputs; this one would not."""
    decided = at_hour(200) + STEP
    here = _rows_up_to(world(), decided)
    there = _rows_up_to(world(altered(market_of(1), at_hour(199), 1.5)), decided)
    differing = {name for name in here if not np.array_equal(here[name][-1:], there[name][-1:], equal_nan=True)}
    assert {"return_1", "close_to_sma_20", "venue_premium", "relative_strength_24", "volume_to_mean_168"} <= differing
    assert not differing & {"hour_of_day_sin", "reference_return_1"}
    pools = _rows_up_to(world(pools=altered(market_of(6), at_hour(199), 1.5)), decided)
    moved = {name for name in here if not np.array_equal(here[name][-1:], pools[name][-1:], equal_nan=True)}
    assert {"dex_reserve", "dex_reserve_change_24", "dex_pools", "dex_new_pools_24h"} <= moved
    assert all(name.startswith("dex_") for name in moved)


def test_a_late_row_of_another_venue_is_not_used_before_it_was_known() -> None:
    own = market_of(1)
    late = own.opened_at + 2 * STEP  # each close of the other venue becomes known an hour after it happened
    rows = [KnownRows(late, own.opened_at, {"close_elsewhere": own.close})]
    one = World(MarketInputs("1h", "USDT", join_quiet(own, HOUR), {"other_venues": rows}), (), "BTC")
    premium = features_in(one, BLOCK, [feature for feature in ALL if feature.name == "venue_premium"])
    first = int(np.searchsorted(own.opened_at, at_hour(0)))
    expected = own.close[first : first + 400] / own.close[first - 1 : first + 399] - 1
    np.testing.assert_array_equal(premium.columns["venue_premium"], expected.astype(np.float32))


LEAKS: dict[str, Callable[[Columns], Floats]] = {
    "the next close": lambda c: np.append(c["close"][1:], np.nan) / c["close"] - 1,
    "scaled over the whole sample": lambda c: (c["close"] - c["close"].mean()) / c["close"].std(),
    "interpolated": lambda c: (c["close"] + np.append(c["close"][1:], c["close"][-1])) / 2,
    "summed backwards": lambda c: c["close"][::-1].cumsum()[::-1],
}


@pytest.mark.parametrize("compute", LEAKS.values(), ids=LEAKS)
def test_a_planted_leak_is_caught_and_named(compute: Callable[[Columns], Floats]) -> None:
    features = [*ALL, Feature("leak", "Planted", "fraction", ("close",), 1, compute)]
    one = world()
    rows = features_in(one, BLOCK, features)
    leaks = find_leaks(one, BLOCK, features, rows, [0, 100, 250])
    assert {leak.column for leak in leaks} == {"leak"}
    assert leaks[0].opened_at == datetime(2024, 1, 1, tzinfo=UTC)


def test_a_join_that_takes_rows_by_what_they_speak_of_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commonest leak: a value is joined by its period instead of by its release."""
    own, other = market_of(1), market_of(5)
    late = [KnownRows(other.opened_at + 5 * STEP, other.opened_at, {"close_elsewhere": other.close})]
    one = World(MarketInputs("1h", "USDT", join_quiet(own, HOUR), {"other_venues": late}), (), "BTC")

    def by_period(
        decided_at: Times, inputs: Sequence[KnownRows], columns: Sequence[str], max_age: timedelta | None
    ) -> dict[str, Floats]:
        moved = [KnownRows(rows.observed_at + STEP, rows.observed_at, rows.values) for rows in inputs]
        return join_known(decided_at, moved, columns, max_age)

    monkeypatch.setattr(engine, "join_known", by_period)
    rows = features_in(one, BLOCK, ALL)
    assert {leak.column for leak in find_leaks(one, BLOCK, ALL, rows, [50])} >= {"venue_premium"}


@needs_recordings
@pytest.mark.parametrize("base", RECORDED)
def test_on_recordings_features_from_truncated_data_equal_those_from_all(recordings: Path, base: str) -> None:
    """Every column of every recorded series, at eight decisions across outages, LUNA's two lives and both years' ends."""
    peers = tuple(
        (f"{name}/USDT", recorded(recordings, name).opened_at, recorded(recordings, name).close) for name in RECORDED
    )
    own = recorded(recordings, base)
    one = World(MarketInputs("1h", "USDT", join_quiet(own, HOUR)), peers, "BTC")
    tried = 0
    for block in blocks_of(datetime(2021, 4, 1, tzinfo=UTC), datetime(2023, 6, 1, tzinfo=UTC), "1h"):
        rows = features_in(one, block, ALL)
        count = len(rows.opened_at)
        if not count:
            continue
        positions = sorted({0, count // 3, count // 2, count - 1})
        assert find_leaks(one, block, ALL, rows, positions) == []
        tried += len(positions)
    assert tried >= 8


@needs_recordings
def test_on_recordings_every_year_is_the_same_from_whatever_window(recordings: Path) -> None:
    """A month computed alone equals that month of a run over years, bit for bit."""
    own = recorded(recordings, "ETH")
    one = World(
        MarketInputs("1h", "USDT", join_quiet(own, HOUR)),
        (("BTC/USDT", recorded(recordings, "BTC").opened_at, recorded(recordings, "BTC").close),),
        "BTC",
    )
    month = Block(
        *(
            datetime(2022, 1, 1, tzinfo=UTC) - timedelta(hours=2400),
            datetime(2022, 5, 1, tzinfo=UTC),
            datetime(2022, 6, 1, tzinfo=UTC),
        )
    )
    [year] = blocks_of(datetime(2022, 1, 1, tzinfo=UTC), datetime(2023, 1, 1, tzinfo=UTC), "1h")
    alone, whole = features_in(one, month, ALL), features_in(one, year, ALL)
    first = int(np.searchsorted(whole.opened_at, moment(month.start)))
    for name, values in alone.columns.items():
        np.testing.assert_array_equal(values, whole.columns[name][first : first + len(values)], err_msg=name)
