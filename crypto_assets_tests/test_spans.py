"""Spans against sets of moments: what lies in them is the same."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.spans import Span, SpanIndex, ceiled, difference, floored, hull, intersection, union

BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
several = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 6)), max_size=8).map(
    lambda pairs: [(hour(start), hour(start + length)) for start, length in pairs]
)


def hour(number: int) -> datetime:
    return BEGIN + timedelta(hours=number)


def moments(spans: list[Span]) -> set[int]:
    return {n for n in range(40) if any(start <= hour(n) < end for start, end in spans)}


def is_tidy(spans: list[Span]) -> bool:
    edges = [moment for span in spans for moment in span]
    return edges == sorted(set(edges))


@given(one=several, other=several)
def test_union_intersection_and_difference_hold_what_sets_hold(one: list[Span], other: list[Span]) -> None:
    for result, expected in (
        (union([*one, *other]), moments(one) | moments(other)),
        (intersection(one, other), moments(one) & moments(other)),
        (difference(one, other), moments(one) - moments(other)),
    ):
        assert moments(result) == expected
        assert is_tidy(result)


@given(spans=several, start=st.integers(0, 30), length=st.integers(1, 10))
def test_an_index_finds_what_the_intersection_finds(spans: list[Span], start: int, length: int) -> None:
    asked = (hour(start), hour(start + length))
    assert SpanIndex(spans).within(asked) == intersection(spans, [asked])


def test_the_hull_is_the_shortest_span_around_all() -> None:
    assert hull([]) is None
    assert hull([(hour(5), hour(6)), (hour(1), hour(2))]) == (hour(1), hour(6))


def test_moments_are_brought_to_whole_lengths_since_1970() -> None:
    quarter = timedelta(minutes=15)
    at = BEGIN + timedelta(minutes=46, seconds=1)
    assert floored(at, quarter) == BEGIN + timedelta(minutes=45)
    assert ceiled(at, quarter) == hour(1)
    assert floored(hour(1), quarter) == ceiled(hour(1), quarter) == hour(1)
