"""How a market's rows change: listings, delistings, new descriptions, symbols used again."""

from dataclasses import replace
from datetime import UTC, datetime

from crypto_assets.clients.exchange import ListedMarket
from crypto_assets.datasets.market.instruments.history import Facts, Pause, Row, next_rows

LISTED_AT, SEEN, NOW = (datetime(year, 1, 1, tzinfo=UTC) for year in (2021, 2023, 2024))
HALT, RETURN = datetime(2022, 5, 13, 1, tzinfo=UTC), datetime(2022, 5, 31, 6, tzinfo=UTC)
MARKET = ListedMarket("LUNA/USDT", "LUNAUSDT", "LUNA", "USDT", "spot", 0.01, 0.001, is_trading=True, listed_at=None)


def rows(
    stored: list[Row] | None = None, market: ListedMarket | None = MARKET, facts: Facts | None = None
) -> list[Row]:
    return next_rows(stored or [], market, facts or Facts(LISTED_AT), NOW, 2.0)


def first() -> Row:
    [row] = next_rows([], MARKET, Facts(LISTED_AT), SEEN, 2.0)
    return row


def test_a_new_market_is_listed_since_the_venues_word_or_its_first_bar() -> None:
    assert (first().valid_from, first().listed_at, first().status) == (LISTED_AT, LISTED_AT, "trading")
    [told] = rows(market=replace(MARKET, listed_at=SEEN), facts=Facts())
    assert (told.valid_from, told.listed_at) == (SEEN, SEEN)
    [unknown] = rows(facts=Facts())
    assert (unknown.valid_from, unknown.listed_at) == (NOW, None)


def test_a_bar_before_the_venues_listing_date_counts_more() -> None:
    [row] = rows(market=replace(MARKET, listed_at=SEEN), facts=Facts(LISTED_AT))
    assert row.listed_at == LISTED_AT


def test_nothing_changes_where_nothing_has_changed() -> None:
    assert rows([first()]) == [first()]


def test_a_new_tick_size_begins_a_new_row_with_the_same_listing() -> None:
    old, new = rows([first()], replace(MARKET, tick_size=0.1))
    assert (old.valid_to, old.tick_size) == (NOW, 0.01)
    assert (new.valid_from, new.tick_size, new.listed_at, new.valid_to) == (NOW, 0.1, LISTED_AT, None)


def test_a_market_that_left_the_list_ended_with_its_last_bar() -> None:
    [row] = rows([first()], None, Facts(LISTED_AT, last_bar_end=SEEN))
    assert (row.status, row.delisted_at, row.valid_to) == ("gone", SEEN, SEEN)
    assert rows([row], None) == [row]


def test_a_market_that_comes_back_to_the_list_is_a_new_row() -> None:
    [gone] = rows([first()], None, Facts(LISTED_AT, last_bar_end=SEEN))
    assert [one.valid_from for one in rows([gone])] == [LISTED_AT, NOW]


def test_a_market_that_is_not_traded_ended_with_its_last_bar_and_resumes() -> None:
    halted = rows([first()], replace(MARKET, is_trading=False), Facts(LISTED_AT, last_bar_end=SEEN))
    assert [(one.status, one.delisted_at, one.valid_to) for one in halted] == [("halted", SEEN, None)]
    resumed = rows(halted, MARKET, Facts(LISTED_AT, NOW, [Pause(SEEN, NOW, 1.1)]))
    assert [(one.status, one.delisted_at) for one in resumed] == [("trading", None)]


def test_a_symbol_that_returns_at_another_price_is_a_new_period() -> None:
    facts = Facts(LISTED_AT, NOW, [Pause(HALT, RETURN, 20_000.0)])
    old, new = rows([first()], facts=facts)
    assert (old.listed_at, old.delisted_at, old.valid_to) == (LISTED_AT, HALT, HALT)
    assert (new.valid_from, new.listed_at, new.delisted_at, new.valid_to) == (RETURN, RETURN, None, None)
    assert rows([old, new], facts=facts) == [old, new]


def test_a_symbol_that_returns_at_its_price_goes_on() -> None:
    facts = Facts(LISTED_AT, NOW, [Pause(HALT, RETURN, 1.2)])
    assert rows([first()], facts=facts) == [first()]


def test_a_halt_without_a_return_ends_the_listing_and_stays_so() -> None:
    facts = Facts(LISTED_AT, HALT, [Pause(HALT)])
    halted = rows([first()], facts=facts)
    assert [(one.status, one.delisted_at) for one in halted] == [("halted", HALT)]
    assert rows(halted, facts=facts) == halted


def test_a_symbol_used_again_before_a_new_description_keeps_both() -> None:
    described = rows([first()], replace(MARKET, tick_size=0.1))
    facts = Facts(LISTED_AT, NOW, [Pause(HALT, RETURN, 20_000.0)])
    periods = rows(described, replace(MARKET, tick_size=0.1), facts)
    assert [(one.valid_from, one.valid_to, one.listed_at) for one in periods] == [
        (LISTED_AT, HALT, LISTED_AT), (RETURN, NOW, RETURN), (NOW, None, RETURN),
    ]  # fmt: skip
