"""Which days are asked of whom, whose value counts, and since when it was known: hand-checked."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.datasets.onchain.metrics.search import Found, Search, Stored, days_of, end_of, needed_days
from crypto_assets.universe_sources import OnchainRules

RULES = OnchainRules()
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
SERIES = ("BTC", "transactions")
DAYS = days_of(date(2026, 3, 1), date(2026, 3, 10))
HOUR = timedelta(hours=1)


def search_of(
    stored: dict[date, Stored] | None = None, marked: list[tuple[datetime, datetime]] | None = None
) -> Search:
    return Search(RULES, NOW, DAYS, {SERIES: frozenset(DAYS)}, {SERIES: stored or {}}, {SERIES: marked or []})


def test_a_source_is_asked_once_its_lag_is_over() -> None:
    search = search_of()
    assert search.open_days(SERIES, "coinmetrics") == DAYS[:-1]  # the 9th ended twelve hours ago, a day is its due
    assert search.open_days(SERIES, "etherscan") == DAYS
    assert search.open_days(("BTC", "unknown"), "coinmetrics") == []


def test_the_next_source_is_asked_for_what_the_first_did_not_tell() -> None:
    search = search_of()
    search.add(SERIES, [(day, 1.0) for day in DAYS[:6]], "coinmetrics btc TxCnt")
    assert search.open_days(SERIES, "blockchain_info") == DAYS[6:8]
    search.add(SERIES, [(day, 2.0) for day in DAYS], "blockchain_info n-transactions")
    rows = search.rows()
    assert [row.value for row in rows] == [1.0] * 6 + [2.0] * 2
    assert [row.day for row in rows] == DAYS[:8]


def test_a_better_source_replaces_a_worse_one_and_never_the_other_way_round() -> None:
    early = end_of(DAYS[0]) + 24 * HOUR
    worse = search_of({DAYS[0]: Stored(5.0, "blockchain_info n-transactions", early)})
    worse.add(SERIES, [(DAYS[0], 6.0)], "coinmetrics btc TxCnt")
    (row,) = worse.rows()
    assert (row.value, row.source, row.known_at, row.is_new) == (6.0, "coinmetrics btc TxCnt", NOW, False)
    better = search_of({DAYS[0]: Stored(5.0, "coinmetrics btc TxCnt", early)})
    better.add(SERIES, [(DAYS[0], 6.0)], "blockchain_info n-transactions")
    assert better.rows() == []


def test_a_corrected_value_was_known_when_it_came_and_the_same_one_is_not_written() -> None:
    early = end_of(DAYS[0]) + 24 * HOUR
    search = search_of({day: Stored(5.0, "coinmetrics btc TxCnt", early) for day in DAYS[:2]})
    search.add(SERIES, [(DAYS[0], 5.0), (DAYS[1], 5.5)], "coinmetrics btc TxCnt")
    assert [(row.day, row.value, row.known_at) for row in search.rows()] == [(DAYS[1], 5.5, NOW)]


def test_the_same_value_of_a_better_source_keeps_its_time() -> None:
    early = end_of(DAYS[0]) + 24 * HOUR
    search = search_of({DAYS[0]: Stored(5.0, "blockchain_info n-transactions", early)})
    search.add(SERIES, [(DAYS[0], 5.0)], "coinmetrics btc TxCnt")
    assert [(row.source, row.known_at) for row in search.rows()] == [("coinmetrics btc TxCnt", early)]


def test_history_counts_as_known_after_the_lag_and_what_was_asked_for_in_vain_when_it_came() -> None:
    untold = search_of()
    untold.add(SERIES, [(DAYS[2], 1.0)], "coinmetrics btc TxCnt")
    assert untold.rows()[0].known_at == datetime(2026, 3, 5, tzinfo=UTC)  # the 3rd ends on the 4th, and a day
    asked = search_of(marked=[(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 5, 1, tzinfo=UTC))])
    asked.add(SERIES, [(DAYS[2], 1.0), (DAYS[3], 1.0)], "coinmetrics btc TxCnt")
    assert [row.known_at for row in asked.rows()] == [NOW, datetime(2026, 3, 6, tzinfo=UTC)]
    bars = search_of(marked=[(datetime(2026, 3, 1, tzinfo=UTC), NOW)])
    bars.add(SERIES, [(DAYS[2], 1.0)], "market/ohlcv binance BTC/USDT 1d")
    assert bars.rows()[0].known_at == datetime(2026, 3, 4, tzinfo=UTC)  # when its last bar closed


@given(st.dictionaries(st.sampled_from(DAYS), st.sampled_from(["coinmetrics", "blockchain_info"])), st.booleans())
def test_no_row_is_known_before_its_lag_is_over_nor_later_than_now(sources: dict[date, str], was_asked: bool) -> None:
    search = search_of(marked=[(end_of(DAYS[0]), NOW)] if was_asked else [])
    for day, source in sources.items():
        search.add(SERIES, [(day, 1.0)], f"{source} x")
    rows = search.rows()
    assert all(end_of(row.day) + 24 * HOUR <= row.known_at <= NOW for row in rows)
    assert {row.day for row in rows} == {day for day in sources if day <= DAYS[7]}


def test_absent_days_and_the_last_ones_are_needed() -> None:
    stored = {day: Stored(1.0, "coinmetrics x", NOW) for day in DAYS if day != DAYS[1]}
    assert needed_days(DAYS, stored, RULES, NOW, again=False) == {DAYS[1], *DAYS[5:]}  # from 9 March less three days
    assert needed_days(DAYS, stored, RULES, NOW, again=True) == set(DAYS)


def test_found_is_kept_only_for_days_that_were_needed() -> None:
    search = Search(RULES, NOW, DAYS, {SERIES: frozenset(DAYS[:1])}, {})
    search.add(SERIES, [(DAYS[0], 1.0), (DAYS[1], 2.0)], "coinmetrics x")
    assert search.found == {SERIES: {DAYS[0]: Found(1.0, "coinmetrics x")}}
