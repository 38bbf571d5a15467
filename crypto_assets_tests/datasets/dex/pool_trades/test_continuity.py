"""Whether a page of trades joins what was stored before: the rules without a database."""

from datetime import UTC, datetime, timedelta

import pytest

from crypto_assets.clients.exchange_bars import RefusedRow
from crypto_assets.datasets.dex.pool_trades.continuity import PageFacts, judge_page, refused_spans, why_lost
from crypto_assets.universe import DexRules

RULES = DexRules()  # 300 trades, 24 hours, settled after 60 seconds
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
SETTLED = NOON - timedelta(seconds=60)


def _facts(received: int, oldest: datetime | None, *, is_stored: bool = False) -> PageFacts:
    return PageFacts(received, oldest, is_stored, NOON)


def test_a_short_page_is_all_of_a_day() -> None:
    seen = judge_page(_facts(299, NOON - 5 * HOUR), None, RULES)
    assert (seen.collected, seen.lost) == ((NOON - 24 * HOUR, SETTLED), None)
    assert judge_page(_facts(0, None), None, RULES) == seen


def test_a_page_that_came_late_speaks_for_the_day_before_it_came() -> None:
    late = PageFacts(10, NOON - HOUR, is_oldest_stored=False, asked_at=NOON, answered_at=NOON + timedelta(seconds=90))
    seen = judge_page(late, None, RULES)
    assert seen.collected == (NOON + timedelta(seconds=90) - 24 * HOUR, SETTLED)


def test_a_full_page_is_all_from_behind_the_second_of_its_oldest_trade() -> None:
    oldest = NOON - 2 * HOUR
    first = judge_page(_facts(300, oldest), None, RULES)
    assert (first.collected, first.lost) == ((oldest + SECOND, SETTLED), None)
    overlapping = judge_page(_facts(300, oldest), NOON - HOUR, RULES)
    assert (overlapping.collected, overlapping.lost) == ((oldest + SECOND, SETTLED), None)


def test_a_page_whose_oldest_trade_was_stored_joins_what_was_known() -> None:
    known, oldest = NOON - 2 * HOUR, NOON - HOUR
    joined = judge_page(_facts(300, oldest, is_stored=True), known, RULES)
    assert (joined.collected, joined.lost) == ((known, SETTLED), None)
    assert joined.page == (oldest + SECOND, SETTLED)


def test_what_lies_between_two_pages_is_lost() -> None:
    known, oldest = NOON - 2 * HOUR, NOON - HOUR
    seen = judge_page(_facts(300, oldest), known, RULES)
    assert (seen.collected, seen.lost) == ((oldest + SECOND, SETTLED), (known, oldest + SECOND))
    assert judge_page(_facts(300, known - SECOND), known, RULES).lost is None  # the second behind it is where it joins
    assert judge_page(_facts(300, known), known, RULES).lost == (known, known + SECOND)


def test_after_more_than_a_day_without_a_poll_a_short_page_does_not_join() -> None:
    known = NOON - 30 * HOUR
    assert judge_page(_facts(12, NOON - HOUR), known, RULES).lost == (known, NOON - 24 * HOUR)
    # Not even where its oldest trade was stored before: others of that time have left the window.
    assert judge_page(_facts(12, NOON - HOUR, is_stored=True), known, RULES).lost == (known, NOON - 24 * HOUR)


@pytest.mark.parametrize("is_known", [False, True])
def test_a_burst_within_the_settling_time_proves_nothing_by_itself(is_known: bool) -> None:
    oldest, known = NOON - timedelta(seconds=20), NOON - HOUR if is_known else None
    seen = judge_page(_facts(300, oldest), known, RULES)
    assert (seen.collected, seen.page) == (None, None)
    assert seen.lost == ((known, oldest + SECOND) if known else None)
    if known:  # but where its oldest trade was stored, nothing lies between
        joined = judge_page(_facts(300, oldest, is_stored=True), known, RULES)
        assert (joined.collected, joined.lost) == ((known, SETTLED), None)


def test_a_loss_is_told_with_its_numbers() -> None:
    facts = _facts(300, NOON - HOUR)
    assert why_lost((NOON - 2 * HOUR, NOON - HOUR + SECOND), facts, RULES) == (
        "300 trades came at 12:00:00, the oldest of 2026-03-10 11:00:00 UTC; those before it, since 2026-03-10 10:00:00, have"
        " left GeckoTerminal's window of 300 trades and 24 hours, and nobody serves them."
    )


def test_refused_rows_doubt_their_second_or_the_whole_page() -> None:
    page = (NOON - HOUR, NOON)
    told = {"attributes": {"block_timestamp": "2026-03-10T11:30:00Z"}}
    assert refused_spans([RefusedRow("x", told)], page) == [(NOON - HOUR / 2, NOON - HOUR / 2 + SECOND)]
    assert refused_spans([], page) == []
    for unreadable in (None, 5, {}, {"attributes": None}, {"attributes": {"block_timestamp": "now"}}):
        assert refused_spans([RefusedRow("x", told), RefusedRow("x", unreadable)], page) == [page]
    for no_zone in ("2026-03-10T11:30:00", 5, "0001-01-01T00:00:00+14:00"):
        assert refused_spans([RefusedRow("x", {"attributes": {"block_timestamp": no_zone}})], page) == [page]
