"""Order books: what passes as one, every digit kept, and their metrics by hand."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.clients.book_rows import BookRefused, Level, Levels, check_levels, measure, read_levels

BIDS: list[object] = [["99.90", "1.50"], ["99.0", "2"]]
ASKS: list[object] = [["100.10", "0.5"], ["101", "4.00"]]


def _read(bids: list[object], asks: list[object], depth: int = 10) -> Levels:
    return read_levels(bids, asks, 0, 1, depth)


def test_levels_keep_their_digits() -> None:
    levels = _read(BIDS, ASKS)
    assert levels == Levels((("99.90", "1.50"), ("99.0", "2")), (("100.10", "0.5"), ("101", "4.00")))


def test_levels_may_be_objects_or_carry_more_than_price_and_amount() -> None:
    bids: list[object] = [{"px": "9", "sz": "1", "n": 3}]
    asks: list[object] = [{"px": 10.5, "sz": 2}]
    assert read_levels(bids, asks, "px", "sz", 5) == Levels((("9", "1"),), (("10.5", "2"),))
    assert _read([["9", "1", "1772366400", "0"]], [("10", "1")]).bids == (("9", "1"),)


def test_a_book_is_cut_to_its_depth_after_emptied_levels_are_left_out() -> None:
    bids: list[object] = [["9", "0.000"], ["8", "1"], ["7", 0], ["6", "1"], ["5", "1"]]
    assert _read(bids, [["10", "1"]], depth=2).bids == (("8", "1"), ("6", "1"))


@pytest.mark.parametrize(
    ("bids", "asks", "rule"),
    [
        ([], ASKS, "a side is empty"),
        (BIDS, [], "a side is empty"),
        ([["99", "0"]], ASKS, "a side is empty"),
        (BIDS[::-1], ASKS, "bids do not fall"),
        (BIDS, ASKS[::-1], "asks do not rise"),
        ([["99", "1"], ["99.0", "1"]], ASKS, "bids do not fall"),
        (BIDS, [["101", "1"], ["101.00", "1"]], "asks do not rise"),
        ([["100.10", "1"]], ASKS, "best bid is not below best ask"),
        ([["100.1000000000000000000001", "1"]], ASKS, "best bid is not below best ask"),
    ],
)
def test_what_is_no_book_is_refused_by_the_rule_it_breaks(bids: list[object], asks: list[object], rule: str) -> None:
    with pytest.raises(BookRefused, match=rule):
        _read(bids, asks)


def test_sides_a_single_digit_apart_are_a_book_however_far_behind_the_point() -> None:
    levels = _read([["100.10000000000000000000", "1"]], [["100.10000000000000000001", "1"]])
    assert measure(levels).spread_bps == 0  # a float cannot tell them apart


@pytest.mark.parametrize(
    "level",
    [
        None, 5, "52", "", True, [], ["9"], {}, {"0": "9", "1": "1"}, [None, "1"], ["9", None], ["x", "1"], ["9", "x"],
        ["-9", "1"], ["0", "1"], ["9", "-1"], ["NaN", "1"], ["9", "NaN"], ["9", "sNaN"], ["Infinity", "1"], ["9", float("inf")],
        [True, "1"], ["9", True], [["9"], "1"], ["9", {"a": 1}], ["1e400", "1"], ["9", "1e-400"], ["9", "1e999999"],
        ["9_0", "1"], ["9\0", "1"], ["9" * 90, "1"],
    ],
    ids=lambda level: repr(level)[:20],
)  # fmt: skip
def test_one_unreadable_level_refuses_the_book(level: object) -> None:
    with pytest.raises(BookRefused, match=r"unreadable level: .{0,120}$"):
        _read([["99", "1"], level], ASKS)
    with pytest.raises(BookRefused, match="unreadable level"):
        _read(BIDS, [level, *ASKS])


def test_the_metrics_by_hand() -> None:
    levels = _read([["99.9", "2"], ["99.6", "1"], ["90", "10"]], [["100.1", "3"], ["100.6", "5"]])
    told = measure(levels)
    assert told.mid == pytest.approx(100)
    assert told.spread_bps == pytest.approx(20)
    assert told.bid_depth_quote == pytest.approx(199.8 + 99.6 + 900)
    assert told.ask_depth_quote == pytest.approx(300.3 + 503)
    assert told.bid_depth_10bps_quote == pytest.approx(199.8)
    assert told.ask_depth_10bps_quote == pytest.approx(300.3)
    assert told.bid_depth_50bps_quote == pytest.approx(199.8 + 99.6)
    assert told.ask_depth_50bps_quote == pytest.approx(300.3)  # 100.6 is 60 bps away
    assert told.imbalance == pytest.approx((299.4 - 300.3) / (299.4 + 300.3))
    assert told.microprice == pytest.approx((99.9 * 3 + 100.1 * 2) / 5)


@pytest.mark.parametrize(("bid", "ask"), [("999", "1001"), ("9.99", "10.01"), ("0.0999", "0.1001"), ("1998", "2002")])
def test_levels_at_just_ten_bps_count_on_both_sides(bid: str, ask: str) -> None:
    told = measure(_read([[bid, "1"]], [[ask, "1"]]))
    assert told.bid_depth_10bps_quote == pytest.approx(float(bid))
    assert told.ask_depth_10bps_quote == pytest.approx(float(ask))


def test_a_book_without_levels_near_the_middle_leans_to_no_side() -> None:
    told = measure(_read([["1", "5"]], [["3", "7"]]))
    assert (told.imbalance, told.bid_depth_50bps_quote, told.ask_depth_50bps_quote) == (0, 0, 0)


def test_the_microprice_leans_to_the_side_about_to_be_used_up() -> None:
    assert measure(_read([["99", "9"]], [["101", "1"]])).microprice == pytest.approx(100.8)
    assert measure(_read([["99", "1"]], [["101", "9"]])).microprice == pytest.approx(99.2)


_AMOUNT = st.decimals("0.00000001", "1000000000", places=8).map(str)


@st.composite
def _books(draw: st.DrawFn) -> Levels:
    """Sound books of any scale: ticks of one size up and down from a price."""
    tick = Decimal(10) ** draw(st.integers(-12, 4))
    gaps = draw(st.lists(st.integers(1, 300), min_size=2, max_size=24))
    cut = draw(st.integers(1, len(gaps) - 1))
    best = sum(gaps[:cut]) + draw(st.integers(1, 50_000))

    def side(first: int, step: int, rest: list[int]) -> tuple[Level, ...]:
        found, at = [], first
        for gap in rest:
            found.append((f"{at * tick:f}", draw(_AMOUNT)))
            at += step * gap
        return tuple(found)

    return Levels(side(best, -1, gaps[:cut]), side(best + draw(st.integers(1, 500)), 1, gaps[cut:]))


@given(_books())
def test_sound_books_pass_as_they_are(levels: Levels) -> None:
    check_levels(levels)
    assert _read(list(levels.bids), list(levels.asks), depth=100) == levels


@given(_books())
def test_metrics_stay_within_what_they_measure(levels: Levels) -> None:
    told = measure(levels)
    bid, ask = float(levels.bids[0][0]), float(levels.asks[0][0])
    assert bid <= told.mid <= ask
    assert bid * (1 - 1e-12) <= told.microprice <= ask * (1 + 1e-12)
    assert -1 <= told.imbalance <= 1
    assert 0 < told.spread_bps < 20_000
    for near, wide, whole in (
        (told.bid_depth_10bps_quote, told.bid_depth_50bps_quote, told.bid_depth_quote),
        (told.ask_depth_10bps_quote, told.ask_depth_50bps_quote, told.ask_depth_quote),
    ):
        assert 0 <= near <= wide * (1 + 1e-12)
        assert wide <= whole * (1 + 1e-12)


@given(_books(), st.integers(1, 12))
def test_a_deeper_book_is_worth_no_less(levels: Levels, depth: int) -> None:
    cut = measure(_read(list(levels.bids), list(levels.asks), depth))
    whole = measure(levels)
    assert (cut.mid, cut.microprice, cut.spread_bps) == (whole.mid, whole.microprice, whole.spread_bps)
    assert cut.bid_depth_quote <= whole.bid_depth_quote * (1 + 1e-12)
    assert cut.ask_depth_50bps_quote <= whole.ask_depth_50bps_quote * (1 + 1e-12)


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.integers(0, 2) | st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@given(st.lists(_ANYTHING, max_size=4), st.lists(_ANYTHING, max_size=4))
def test_whatever_comes_is_a_book_or_is_refused(bids: list[object], asks: list[object]) -> None:
    try:
        levels = _read(bids, asks)
    except BookRefused:
        return
    assert measure(levels).mid > 0
