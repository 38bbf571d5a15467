"""The ledger's rules: gaps grow, shrink, merge and are asked for; what was ever in it stays in it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.quality.gaps import (
    Answer,
    Evidence,
    Gap,
    Span,
    State,
    absent_spans,
    due_at,
    is_due,
    merge_alike,
    plan_pages,
    reconcile,
    with_answer,
)
from crypto_assets.spans import difference, intersection, union
from crypto_assets.universe import Gaps

HOUR = timedelta(hours=1)
BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
LATER = BEGIN + timedelta(days=30)
RULES = Gaps()
WHY = Evidence(why="test")


def hour(number: float) -> datetime:
    return BEGIN + number * HOUR


def span(start: int, end: int) -> Span:
    return hour(start), hour(end)


def gap(start: int, end: int, state: State = State.MISSING, evidence: Evidence = WHY) -> Gap:
    return Gap(hour(start), hour(end), state, evidence, BEGIN)


def shape(gaps: list[Gap]) -> list[tuple[int, int, str]]:
    return [((one.start - BEGIN) // HOUR, (one.end - BEGIN) // HOUR, one.state.value) for one in gaps]


def answered(start: int, end: int, at: datetime = LATER, **more: bool) -> Answer:
    return Answer(span(start, end), at, "0 bars", **{"is_usable": True, **more})


def opening(*hours: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    return np.array([round(hour(n).timestamp() * 1000) for n in hours], dtype=np.int64)


@pytest.mark.parametrize(
    ("bars", "expected"),
    [
        ((0, 1, 2, 3), []),
        ((0, 3), [(1, 3)]),
        ((1, 2), [(0, 1), (3, 4)]),
        ((), [(0, 4)]),
        ((-5, 0, 1, 2, 3, 9), []),
    ],
)
def test_absent_is_what_no_bar_of_the_window_opens_in(bars: tuple[int, ...], expected: list[tuple[int, int]]) -> None:
    assert absent_spans(opening(*bars), span(0, 4), HOUR) == [span(*one) for one in expected]


def test_a_window_off_the_grid_asks_for_whole_bars_only() -> None:
    assert absent_spans(opening(), (hour(0.5), hour(2.5)), HOUR) == [span(1, 3)]


def test_what_is_newly_absent_becomes_missing_and_adjacent_holes_merge() -> None:
    first = reconcile([], [span(2, 4)], span(0, 4), LATER)
    second = reconcile(first, [span(4, 6)], span(4, 8), LATER + HOUR)
    assert shape(second) == [(2, 6, "missing")]
    assert second[0].first_seen == LATER


def test_a_filled_gap_closes_and_a_partly_filled_one_splits_and_keeps_what_came() -> None:
    assert shape(reconcile([gap(2, 4)], [], span(0, 8), LATER)) == [(2, 4, "repaired")]
    split = reconcile([gap(2, 6)], [span(2, 3), span(5, 6)], span(0, 8), LATER)
    assert shape(split) == [(2, 3, "missing"), (3, 5, "repaired"), (5, 6, "missing")]
    assert split[1].resolved_at == LATER
    assert {one.first_seen for one in split} == {BEGIN}


def test_nothing_is_said_of_what_lies_outside_the_window() -> None:
    assert shape(reconcile([gap(0, 10)], [], span(4, 6), LATER)) == [
        (0, 4, "missing"),
        (4, 6, "repaired"),
        (6, 10, "missing"),
    ]


def test_gaps_of_another_state_do_not_merge_nor_do_those_asked_more_often() -> None:
    asked = WHY.model_copy(update={"answers": 1})
    gaps = [gap(0, 1), gap(1, 2, State.VENUE_QUIET), gap(2, 3), gap(3, 4, evidence=asked)]
    assert shape(merge_alike(gaps)) == shape(gaps)


holes = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 6)), max_size=6)


@given(first=holes, second=holes, start=st.integers(0, 30), length=st.integers(1, 20))
def test_open_rows_are_what_is_absent_and_rows_never_vanish(
    first: list[tuple[int, int]], second: list[tuple[int, int]], start: int, length: int
) -> None:
    whole, window = span(0, 50), span(start, start + length)
    absent = union(span(at, at + size) for at, size in first)
    rows = reconcile([], absent, whole, LATER)
    now_absent = intersection(union(span(at, at + size) for at, size in second), [window])
    touching = [one for one in rows if one.end >= window[0] and one.start <= window[1]]
    after = [one for one in rows if one not in touching] + reconcile(touching, now_absent, window, LATER)
    still_open = union(one.span for one in after if one.is_open)
    assert still_open == union([*difference(absent, [window]), *now_absent])
    assert not difference(absent, [one.span for one in after])
    again = reconcile([one for one in after if one.is_open], now_absent, window, LATER + HOUR)
    assert sorted(shape(again)) == sorted(shape([one for one in after if one.is_open]))


def test_an_answer_counts_for_just_the_part_it_was_asked_for() -> None:
    rows = with_answer([gap(0, 10)], answered(0, 4), RULES)
    assert [(shape([one])[0][:2], one.evidence.answers) for one in rows] == [((0, 4), 1), ((4, 10), 0)]
    rows = with_answer(rows, answered(4, 10), RULES)
    assert shape(rows) == [(0, 10, "missing")]
    assert (rows[0].evidence.answers, len(rows[0].evidence.asked)) == (1, 2)


def test_an_ask_before_its_time_is_noted_and_does_not_count() -> None:
    [once] = with_answer([gap(0, 1)], answered(0, 1), RULES)
    [twice] = with_answer([once], answered(0, 1, LATER + HOUR / 2), RULES)
    assert (twice.evidence.answers, len(twice.evidence.asked)) == (1, 2)


def test_waits_grow_by_the_factor_from_the_first_one() -> None:
    one = gap(0, 1)
    assert due_at(one, RULES) == hour(2)
    asked_at, waits = LATER, []
    for _ in range(4):
        [one] = with_answer([one], answered(0, 1, asked_at), RULES)
        waits.append((due_at(one, RULES) - asked_at) / HOUR)
        assert not is_due(one, asked_at, RULES)
        asked_at = due_at(one, RULES)
        assert is_due(one, asked_at, RULES)
    assert waits == [1, 4, 16, 64]


def test_an_unusable_answer_is_a_failure_that_says_so_and_a_final_one_ends_it() -> None:
    [failed] = with_answer([gap(0, 1)], answered(0, 1, is_usable=False), RULES)
    assert (failed.state, failed.evidence.failures, failed.evidence.answers) == (State.MISSING, 1, 0)
    assert failed.evidence.why == "No usable answer: 0 bars"
    [over] = with_answer([gap(0, 1)], answered(0, 1, is_usable=False, is_final=True), RULES)
    assert over.state is State.UNRECOVERABLE


def test_named_gaps_keep_their_evidence_when_they_are_asked_for_again() -> None:
    quiet = gap(0, 1, State.VENUE_QUIET)
    assert with_answer([quiet], answered(0, 1), RULES) == [quiet]


@given(
    starts=st.lists(st.tuples(st.integers(0, 60), st.integers(1, 12)), min_size=1, max_size=8), page=st.integers(1, 9)
)
def test_pages_cover_the_gaps_with_the_fewest_requests(starts: list[tuple[int, int]], page: int) -> None:
    gaps = [span(at, at + size) for at, size in starts]
    pages = plan_pages(gaps, HOUR, page)
    assert not difference(gaps, pages)
    assert all(end - start <= page * HOUR for start, end in pages)
    fewest, covered = 0, -1
    for bar in sorted({n for at, size in starts for n in range(at, at + size)}):
        if bar > covered:
            fewest, covered = fewest + 1, bar + page - 1
    assert len(pages) == fewest


def test_a_page_ends_where_its_last_gap_does() -> None:
    assert plan_pages([span(0, 1), span(3, 4)], HOUR, 100) == [span(0, 4)]


def test_gaps_are_values() -> None:
    assert {gap(0, 1), gap(0, 1)} == {gap(0, 1)}
    assert replace(gap(0, 1), end=hour(2)) != gap(0, 1)
