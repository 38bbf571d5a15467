"""Finding a block by time: against walking, on even and uneven chains."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_assets.clients.evm_rpc import Block
from crypto_assets.clients.failures import Malformed, Unavailable
from crypto_assets.datasets.onchain.network_fees.backfill import points_due
from crypto_assets.datasets.onchain.network_fees.blocks import MERGED_AT, first_block_at
from crypto_assets.sandbox.providers.ethereum_chain import block_time, newest_block

BEFORE = MERGED_AT - timedelta(days=100)


class Chain:
    """Blocks at given seconds after a beginning; counts what it is asked."""

    def __init__(self, begin: datetime, gaps: list[int]) -> None:
        self.blocks = [Block(0, begin)]
        for number, gap in enumerate(gaps, 1):
            self.blocks.append(Block(number, self.blocks[-1].mined_at + timedelta(seconds=gap)))
        self.asked = 0

    def ask(self, number: int) -> Block:
        self.asked += 1
        return self.blocks[number]

    def first(self, at: datetime) -> Block:
        return first_block_at(at, [self.blocks[-1]], self.ask)


@settings(max_examples=40)
@given(st.lists(st.integers(1, 200), min_size=1, max_size=300), st.data())
def test_on_an_uneven_chain_the_search_agrees_with_walking(gaps: list[int], data: st.DataObject) -> None:
    chain = Chain(BEFORE, gaps)
    at = BEFORE + timedelta(seconds=data.draw(st.integers(-50, sum(gaps))))
    assert chain.first(at) == next(one for one in chain.blocks if one.mined_at >= at)
    assert chain.asked <= 8 + 10  # guesses, then halving 300 blocks


@settings(max_examples=40)
@given(st.lists(st.sampled_from([12, 12, 12, 24, 36]), min_size=1, max_size=300), st.data())
def test_on_a_chain_of_slots_the_search_agrees_with_walking(gaps: list[int], data: st.DataObject) -> None:
    chain = Chain(MERGED_AT + timedelta(days=3), gaps)
    at = chain.blocks[0].mined_at + timedelta(seconds=data.draw(st.integers(0, sum(gaps))))
    assert chain.first(at) == next(one for one in chain.blocks if one.mined_at >= at)


def test_where_time_says_nothing_the_bracket_is_halved() -> None:
    chain = Chain(BEFORE, [1] * 4000)  # twelve times as many blocks as slots would hold
    assert chain.first(BEFORE + timedelta(seconds=1500)).number == 1500
    assert chain.asked <= 8 + 12


def test_years_back_take_few_questions_and_the_next_point_two() -> None:
    asked = []

    def ask(number: int) -> Block:
        asked.append(number)
        return Block(number, datetime.fromtimestamp(block_time(7, number), UTC))

    head = newest_block(7, 1_773_144_030)
    seen = [Block(head, datetime.fromtimestamp(block_time(7, head), UTC))]
    at = datetime(2023, 3, 1, tzinfo=UTC)
    found = first_block_at(at, seen, ask)
    assert found.mined_at - timedelta(seconds=24) < at <= found.mined_at
    assert len(asked) <= 6
    asked.clear()
    first_block_at(at + timedelta(hours=4), [found, seen[0]], ask)
    assert len(asked) <= 3


def test_a_moment_without_a_block_yet_and_times_that_fall_are_told() -> None:
    chain = Chain(BEFORE, [12] * 50)
    with pytest.raises(Unavailable, match="there is no block at"):
        chain.first(chain.blocks[-1].mined_at + timedelta(seconds=1))
    chain.blocks[30] = Block(30, chain.blocks[-1].mined_at + timedelta(days=1))
    with pytest.raises(Malformed, match=r"block 30 bears .*, a time that is not between"):
        chain.first(chain.blocks[0].mined_at + timedelta(seconds=30 * 12))


def test_points_are_those_that_are_over_final_and_missing() -> None:
    day, hour = datetime(2026, 3, 9, tzinfo=UTC), timedelta(hours=1)
    span, step = (day, day + timedelta(days=2)), 4 * hour
    noon = day + 36 * hour
    assert list(points_due(span, noon, step, [])) == [day + number * step for number in range(6)]
    early = day + timedelta(days=1, minutes=10)
    assert list(points_due(span, early, timedelta(minutes=10), [(day, day + 23 * hour)])) == [
        day + 23 * hour + timedelta(minutes=10 * number) for number in range(4)  # 23:40 is but half an hour ago
    ]  # fmt: skip
    assert list(points_due(span, noon, step, [(day, day + 4 * hour), (day + 12 * hour, day + 13 * hour)])) == [
        day + number * step for number in (1, 2, 4, 5)
    ]
    assert list(points_due(span, day - hour, step, [])) == []
