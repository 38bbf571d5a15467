"""When a gap between venues is an opportunity, by numbers that a hand can check; and that no stopped feed makes one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import BytesIO

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from crypto_assets.clients.book_tickers.quote import Quote
from crypto_assets.datasets.market.arbitrage_opportunities.table import COPY_COLUMNS, arbitrage_opportunities
from crypto_assets.stream.arbitrage import SOURCE, Arbitrage, Opportunity, Route, lines_of
from crypto_assets.stream.counters import Counters
from crypto_assets.stream.outages import Outages
from crypto_assets.stream.quotes import LatestQuotes
from crypto_assets.stream.standing import Snapshot, Standing
from crypto_assets.universe_stream import AnalyticsRules
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.stream.standings import SECOND, START, snapshot, standing

# Buy at 100 on mexc, sell at 101 on gate; 0.1 % each: 101 * 0.999 / (100 * 1.001) - 1 = 100.899 / 100.1 - 1 = 0.798202 %.
RULES = AnalyticsRules(min_arbitrage_pct=0.5, persistence_snapshots=3, fees_pct={}, default_fee_pct=0.1)
CHEAP = standing("mexc", "99.9", "100", ask_quantity="0.50")
DEAR = standing("gate", "101", "101.1", bid_quantity="2.5")


def found(rules: AnalyticsRules, snapshots: Sequence[Snapshot], step: int = 1) -> list[Sequence[Opportunity]]:
    arbitrage = Arbitrage(rules, step)
    return [arbitrage.find(one) for one in snapshots]


def counts(rules: AnalyticsRules, snapshots: Sequence[Snapshot], step: int = 1) -> list[int]:
    return [len(one) for one in found(rules, snapshots, step)]


def at_once(*standings: Standing, rules: AnalyticsRules = RULES) -> Sequence[Opportunity]:
    """What is told of these in their first snapshot, where one is enough."""
    return found(rules.model_copy(update={"persistence_snapshots": 1}), [snapshot(0, standings)])[0]


def test_a_gap_is_told_from_the_third_snapshot_on_with_gains_after_both_fees() -> None:
    told = found(RULES, [snapshot(second, [CHEAP, DEAR]) for second in range(4)])
    assert [len(one) for one in told] == [0, 0, 1, 1]
    one = told[2][0]
    assert one.route == Route("BTC/USDT", "mexc", "gate")
    assert (one.buy, one.sell) == (CHEAP, DEAR)
    assert (one.at, one.opened_at, one.persisted_snapshots) == (START + 2 * SECOND, START, 3)
    assert one.gross_pct == pytest.approx(1.0)
    assert one.net_pct == pytest.approx(100 * (100.899 / 100.1 - 1))
    assert one.net_pct == pytest.approx(0.798202, abs=1e-6)
    assert one.size_base == "0.50"  # of 0.50 offered and 2.5 wanted, as the venue wrote it
    assert one.profit_quote == pytest.approx(0.5 * (100.899 - 100.1))
    assert told[3][0].persisted_snapshots == 4
    assert told[3][0].opened_at == START


@pytest.mark.parametrize(
    ("least", "is_told"), [(0.798, True), (0.799, False), (0.0, True)], ids=["just enough", "just not", "anything"]
)
def test_the_least_gain_is_compared_after_fees(least: float, is_told: bool) -> None:
    assert bool(at_once(CHEAP, DEAR, rules=RULES.model_copy(update={"min_arbitrage_pct": least}))) == is_told


def test_each_side_pays_the_fee_of_its_own_venue() -> None:
    rules = RULES.model_copy(update={"fees_pct": {"mexc": 0.05, "gate": 0.2}, "min_arbitrage_pct": 0.0})
    (one,) = at_once(CHEAP, DEAR, rules=rules)
    assert (one.buy_fee_pct, one.sell_fee_pct) == (0.05, 0.2)
    assert one.net_pct == pytest.approx(100 * (101 * 0.998 / (100 * 1.0005) - 1))
    fees_eat_it = RULES.model_copy(update={"fees_pct": {"mexc": 0.5, "gate": 0.5}, "min_arbitrage_pct": 0.0})
    assert not at_once(CHEAP, DEAR, rules=fees_eat_it)  # 101 * 0.995 = 100.495 for what costs 100.5


def test_no_gain_at_all_is_no_opportunity_even_where_nothing_is_asked_for() -> None:
    free = RULES.model_copy(update={"default_fee_pct": 0.0, "min_arbitrage_pct": 0.0})
    assert not at_once(CHEAP, standing("gate", "100", "101"), rules=free)  # sold for what it cost
    assert at_once(CHEAP, standing("gate", "100.01", "101"), rules=free)


def test_of_three_venues_each_pair_that_pays_is_told_and_none_with_itself() -> None:
    third = standing("okx", "103", "103.1")
    told = {one.route for one in at_once(CHEAP, DEAR, third)}
    assert told == {
        Route("BTC/USDT", "mexc", "gate"), Route("BTC/USDT", "mexc", "okx"), Route("BTC/USDT", "gate", "okx")
    }  # fmt: skip
    assert not at_once(CHEAP)
    assert not at_once(CHEAP, standing("gate", "101", "101.1", symbol="ETH/USDT"))


@pytest.mark.parametrize(
    "other",
    [
        standing("gate", "101", "101.1", is_stale=True),
        standing("gate", "101", "101"),  # bid and ask meet
        standing("gate", "102", "101"),  # or cross
        standing("gate", "101", "101.1", bid_quantity="0"),
        standing("gate", "101", "101.1", bid_quantity="0.000"),
    ],
    ids=["stale", "locked", "crossed", "nothing wanted", "nothing wanted, in digits"],
)
def test_such_a_quote_is_not_traded_on(other: Standing) -> None:
    assert at_once(CHEAP, DEAR)
    assert not at_once(CHEAP, other)


CHEAP_TOO = standing("gate", "99.8", "100.1")


def test_a_second_missing_a_stale_quote_or_a_closed_gap_begins_anew() -> None:
    both = [CHEAP, DEAR]
    missing = [snapshot(second, both) for second in (0, 1, 3, 4, 5)]
    assert counts(RULES, missing) == [0, 0, 0, 0, 1]
    for broken in ([CHEAP, standing("gate", "101", "101.1", is_stale=True)], [CHEAP], [CHEAP, CHEAP_TOO], []):
        seen = [both, both, broken, both, both, both]
        assert counts(RULES, [snapshot(second, of) for second, of in enumerate(seen)]) == [0, 0, 0, 0, 0, 1]
    open_already = [both, both, both, [CHEAP], both]
    assert counts(RULES, [snapshot(second, of) for second, of in enumerate(open_already)]) == [0, 0, 1, 0, 0]


def test_a_clock_that_is_set_back_or_repeats_a_second_begins_anew() -> None:
    assert counts(RULES, [snapshot(second, [CHEAP, DEAR]) for second in (0, 1, 1, 2, 3)]) == [0, 0, 0, 0, 1]
    assert counts(RULES, [snapshot(second, [CHEAP, DEAR]) for second in (5, 6, 4, 5, 6)]) == [0, 0, 0, 0, 1]


def test_the_grid_may_be_wider_than_a_second() -> None:
    seen = [snapshot(second, [CHEAP, DEAR]) for second in (0, 5, 10, 15)]
    assert counts(RULES, seen, step=5) == [0, 0, 1, 1]
    assert found(RULES, seen, step=5)[3][0].persisted_snapshots == 4
    assert counts(RULES, seen, step=1) == [0, 0, 0, 0]


@pytest.mark.parametrize("frozen", ["mexc", "gate"])
@pytest.mark.parametrize("since_ms", [0, 1, 500, 999])
def test_a_price_told_once_before_the_gap_and_never_since_carries_none(frozen: str, since_ms: int) -> None:
    """A venue stops and the other moves away: the old price looks like a bargain, and is not stale for ten seconds yet."""

    def seen(second: int) -> Snapshot:
        ages = {"mexc": 100, "gate": 100} | {frozen: since_ms + 1000 * second}
        old = [
            standing("mexc", "99.9", "100", age_ms=ages["mexc"], is_stale=ages["mexc"] > 10_000),
            standing("gate", "101", "101.1", age_ms=ages["gate"], is_stale=ages["gate"] > 10_000),
        ]
        return snapshot(second, old)

    assert counts(RULES, [seen(second) for second in range(15)]) == [0] * 15


def test_where_more_snapshots_are_asked_for_older_quotes_may_carry_a_gap() -> None:
    old = [standing("mexc", "99.9", "100", age_ms=3500), standing("gate", "101", "101.1", age_ms=3999)]
    patient = RULES.model_copy(update={"persistence_snapshots": 5})
    assert counts(patient, [snapshot(second, old) for second in range(6)]) == [0, 0, 0, 0, 1, 1]
    assert counts(RULES, [snapshot(second, old) for second in range(6)]) == [0] * 6


# --- The same from the messages on: what feeds tell, through the real quotes in memory.

MARKETS = [("mexc", "BTC/USDT"), ("gate", "BTC/USDT")]


class Stage:
    """Two venues whose messages come 20 ms before each second; gate's prices follow mexc's but for what a test does."""

    def __init__(self, rules: AnalyticsRules = RULES) -> None:
        self.now = START
        outages = Outages(MARKETS, START)
        self.latest = LatestQuotes(MARKETS, 10, Counters(), outages, lambda: self.now)
        for venue, symbol in MARKETS:
            self.latest.connected(venue, [symbol], START)
        self.arbitrage = Arbitrage(rules)
        self.told: list[int] = []

    def hear(self, venue: str, bid: float, *, event_at: int | None, sequence: int | None) -> None:
        texts = (f"{bid:.2f}", "1", f"{bid + 0.1:.2f}", "1")
        quote = Quote("BTC/USDT", *texts, bid, bid + 0.1, event_at, self.now - 20_000, sequence)
        self.latest.quoted(venue, quote)

    def second(self) -> None:
        """The next second's snapshot."""
        self.told.append(len(self.arbitrage.find(self.latest.snapshot(self.now))))
        self.now += SECOND


def test_a_venue_that_falls_silent_makes_no_opportunity() -> None:
    stage = Stage()
    for second in range(30):
        event = stage.now - 20_000
        stage.hear("mexc", 100 + second, event_at=event, sequence=None)
        if second < 5:
            stage.hear("gate", 100 + second, event_at=event, sequence=second)
        stage.second()
    assert stage.told == [0] * 30


def test_a_venue_that_goes_on_telling_old_quotes_makes_no_opportunity() -> None:
    stage = Stage()
    for second in range(30):
        event = stage.now - 20_000
        stage.hear("mexc", 100 + second, event_at=event, sequence=None)
        # From the fifth second on the messages are new, the events are not.
        stage.hear("gate", 100 + min(second, 5), event_at=min(event, START + 5 * SECOND), sequence=None)
        stage.second()
    assert stage.told == [0] * 30


def test_a_venue_without_event_times_that_repeats_itself_makes_no_opportunity() -> None:
    stage = Stage()
    for second in range(30):
        stage.hear("mexc", 100 + second, event_at=None, sequence=None)
        stage.hear("gate", 100 + min(second, 5), event_at=None, sequence=min(second, 5))
        stage.second()
    assert stage.told == [0] * 30


def test_a_venue_that_comes_back_far_behind_makes_no_opportunity_until_it_has_caught_up() -> None:
    """After four seconds of silence it tells what it had missed, each message with its own time."""
    stage = Stage()
    for second in range(30):
        event = stage.now - 20_000
        stage.hear("mexc", 100 + second, event_at=event, sequence=None)
        behind = 0 if second < 10 else 4 if second < 20 else 0
        stage.hear("gate", 100 + second - behind, event_at=event - behind * SECOND, sequence=None)
        stage.second()
    assert stage.told == [0] * 30


def test_a_gap_between_two_that_both_speak_is_found_by_the_same_means() -> None:
    stage = Stage()
    for second in range(10):
        event = stage.now - 20_000
        stage.hear("mexc", 100, event_at=event, sequence=None)
        stage.hear("gate", 100 if second < 4 else 102, event_at=event, sequence=second)
        stage.second()
    assert stage.told == [0, 0, 0, 0, 0, 0, 1, 1, 1, 1]


VENUES = ("binance", "gate", "mexc")


SPOILT = {
    "stale": {"is_stale": True},
    "old": {"age_ms": 2000},
    "nearly old": {"age_ms": 1999},
    "very old": {"age_ms": 9999},
    "crossed": {"width": -0.5},
    "locked": {"width": 0.0},
}


@st.composite
def histories(draw: st.DrawFn) -> list[Snapshot]:
    """Ten seconds, some of them missing, of markets that lie apart; some quotes are absent or otherwise no good."""
    middles = {venue: draw(st.integers(99, 102)) for venue in VENUES}
    missing = draw(st.sets(st.integers(0, 9), max_size=2))
    place = st.tuples(st.integers(0, 9), st.sampled_from(VENUES))
    spoilt = draw(st.dictionaries(place, st.sampled_from(["absent", *SPOILT]), max_size=8))

    def told(venue: str, how: str) -> Standing:
        known = {"width": 0.05, "age_ms": 100, "is_stale": False} | SPOILT.get(how, {})
        prices = [f"{middles[venue] + side * known['width']}" for side in (-1, 1)]
        return standing(venue, *prices, age_ms=int(known["age_ms"]), is_stale=bool(known["is_stale"]))

    return [
        snapshot(
            second,
            [told(venue, how) for venue in VENUES if (how := spoilt.get((second, venue), "")) != "absent"],
        )
        for second in range(10)
        if second not in missing
    ]


@given(histories(), st.integers(1, 4))
def test_an_opportunity_is_never_told_while_either_quote_is_stale_old_crossed_or_absent(
    history: list[Snapshot], needed: int
) -> None:
    rules = RULES.model_copy(update={"persistence_snapshots": needed, "min_arbitrage_pct": 0.05})
    arbitrage = Arbitrage(rules)
    for place, seen in enumerate(history):
        for one in arbitrage.find(seen):
            event(f"told where {needed} are needed")
            last = history[max(0, place - needed + 1) : place + 1]
            # As many snapshots in a row as are needed, no second between them missing.
            assert [of.at for of in last] == [seen.at - back * SECOND for back in reversed(range(needed))]
            for of in last:
                there = {two.venue: two for two in of.standings}
                buy, sell = there[one.route.buy_venue], there[one.route.sell_venue]
                assert not buy.is_stale
                assert not sell.is_stale
                assert max(buy.age_ms, sell.age_ms) < 1000 * max(1, needed - 1)
                assert buy.quote.bid < buy.quote.ask < sell.quote.bid < sell.quote.ask
                assert 100 * (sell.quote.bid * 0.999 / (buy.quote.ask * 1.001) - 1) >= 0.05


def test_rows_reach_the_table_with_every_digit(warehouse: Warehouse) -> None:
    odd = 'A\\B\t"C"\n/USDT'
    cheap = standing("mexc", "0.1", "100.00000000000000000001", symbol=odd, ask_quantity="0.500", age_ms=7)
    dear = standing("gate", "101.10", "102", symbol=odd, bid_quantity="3", age_ms=8)
    (one,) = at_once(cheap, dear)
    lines = lines_of(one.at, [one])
    assert (lines.at, lines.table, lines.rows) == (START, "market.arbitrage_opportunities", 1)
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT ops.ensure_day_partition('market.arbitrage_opportunities', to_timestamp(%s))", (START / 1e6,)
        )
        cursor.copy_expert(f"COPY {lines.table} ({', '.join(COPY_COLUMNS)}) FROM STDIN", BytesIO(lines.text))
        cursor.execute(f"SELECT {', '.join(COPY_COLUMNS)} FROM {lines.table}")  # noqa: S608 - of our own names
        (row,) = cursor.fetchall()
    stored = dict(zip(COPY_COLUMNS, row, strict=True))
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=START)
    assert stored == {
        "symbol": odd,
        "buy_venue": "mexc",
        "sell_venue": "gate",
        "snapshot_at": at,
        "opened_at": at,
        "persisted_snapshots": 1,
        "buy_price": Decimal("100.00000000000000000001"),
        "sell_price": Decimal("101.10"),
        "buy_fee_pct": 0.1,
        "sell_fee_pct": 0.1,
        "gross_pct": one.gross_pct,
        "net_pct": one.net_pct,
        "size_base": Decimal("0.500"),
        "profit_quote": one.profit_quote,
        "buy_age_ms": 7,
        "sell_age_ms": 8,
        "source": SOURCE,
        "known_at": at,
    }
    assert str(stored["size_base"]) == "0.500"


def test_the_columns_given_are_all_but_the_one_that_the_database_adds() -> None:
    assert (*COPY_COLUMNS, "ingested_at") == tuple(arbitrage_opportunities.c.keys())
