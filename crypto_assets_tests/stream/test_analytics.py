"""What is told of snapshots, in the words that users know and as fields, and what becomes a row."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from crypto_assets.stream.alerts import MOST_AT_ONCE
from crypto_assets.stream.analytics import COMPARED, Analytics
from crypto_assets.stream.counters import Counters
from crypto_assets.stream.standing import MarketName, Snapshot, Standing
from crypto_assets.universe_stream import AnalyticsRules
from crypto_assets_tests.stream.standings import SECOND, START, snapshot, standing

FREE = AnalyticsRules(
    min_arbitrage_pct=0.0,
    persistence_snapshots=1,
    fees_pct={},
    default_fee_pct=0.0,
    max_spread_pct=50,
    min_liquidity_usd=0,
    min_updates_per_minute=0,
)
SOUND = standing("mexc", "50000", "50000.5", ask_quantity="2")

type Line = MutableMapping[str, Any]


class Seen:
    """Analytics with all that they told."""

    def __init__(self, rules: AnalyticsRules, snapshot_seconds: int = 1) -> None:
        self.counters = Counters()
        self.analytics = Analytics(rules, self.counters, snapshot_seconds)
        self.lines: list[Line] = []
        self.rows: list[int] = []

    def look(self, *snapshots: Snapshot) -> Sequence[Line]:
        """The lines of these snapshots."""
        with capture_logs() as lines:
            for one in snapshots:
                self.rows.append(sum(of.rows for of in self.analytics.look(one)))
        self.lines += lines
        return lines

    def at(self, second: float, *standings: Standing, absent: Sequence[MarketName] = ()) -> Sequence[Line]:
        return self.look(snapshot(second, standings, absent))


@pytest.fixture(autouse=True)
def _every_level() -> Iterator[None]:
    """Commands set a least level; other tests may have called one."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    yield
    structlog.configure(**before)


def alerts(lines: Sequence[Line], kind: str) -> list[str]:
    return [line["event"] for line in lines if line.get("alert") == kind]


def starting(lines: Sequence[Line], words: str) -> list[Line]:
    return [line for line in lines if line["event"].startswith(f"[ANALYTICS] {words}")]


def test_an_opportunity_is_told_in_the_words_that_users_know_and_as_numbers() -> None:
    seen = Seen(FREE)
    dear = standing("gate", "50001.25", "50002", bid_quantity="0.25")
    lines = seen.at(0, standing("mexc", "50000", "50000.50", ask_quantity="2"), dear)
    (line,) = [one for one in lines if one.get("alert") == "arbitrage"]
    assert line["event"] == (
        "[ANALYTICS] Arbitrage Alert: BTC/USDT - MEXC: $50000.50 vs GATE: $50001.25 (Opportunity: $0.75, 0.0015%),"
        " after fees 0.0015%"
    )
    assert line["log_level"] == "info"
    assert {name: line[name] for name in ("symbol", "buy_venue", "sell_venue", "buy_price", "sell_price", "size_base")} == {
        "symbol": "BTC/USDT", "buy_venue": "mexc", "sell_venue": "gate", "buy_price": 50000.5, "sell_price": 50001.25,
        "size_base": 0.25,
    }  # fmt: skip
    assert line["net_pct"] == pytest.approx(100 * 0.75 / 50000.5)
    assert line["profit_quote"] == pytest.approx(0.25 * 0.75)
    assert seen.counters.opportunities == {"mexc>gate": 1}
    assert seen.counters.alerts == {"arbitrage": 1}
    assert seen.rows == [1]


def test_lines_are_numbers_for_machines() -> None:
    out = io.StringIO()
    structlog.configure(
        processors=[structlog.processors.JSONRenderer()], logger_factory=structlog.PrintLoggerFactory(out)
    )
    Analytics(FREE, Counters()).look(snapshot(0, [SOUND, standing("gate", "50001.25", "50002")]))
    line = json.loads(out.getvalue().splitlines()[0])
    assert line["event"].startswith("[ANALYTICS] Arbitrage Alert: BTC/USDT - MEXC: $50000.5 vs GATE: $50001.25 ")
    assert isinstance(line["net_pct"], float)
    assert (line["size_base"], line["persisted_snapshots"]) == (1.0, 1)


def test_prices_that_are_not_dollars_carry_their_currency() -> None:
    seen = Seen(FREE)
    cheap, dear = (
        standing(venue, bid, ask, symbol="ETH/BTC")
        for venue, bid, ask in (("mexc", "0.049", "0.050"), ("gate", "0.0505", "0.051"))
    )
    assert alerts(seen.at(0, cheap, dear), "arbitrage") == [
        "[ANALYTICS] Arbitrage Alert: ETH/BTC - MEXC: 0.050 BTC vs GATE: 0.0505 BTC (Opportunity: 0.0005 BTC, 1.0000%),"
        " after fees 1.0000%"
    ]


def test_an_opportunity_that_stays_open_is_one_a_row_each_second_and_an_alert_each_minute() -> None:
    seen = Seen(FREE.model_copy(update={"persistence_snapshots": 3}))
    dear = standing("gate", "50001.25", "50002")
    lines = seen.look(*(snapshot(second, [SOUND, dear]) for second in range(70)))
    assert len(alerts(lines, "arbitrage")) == 2
    assert seen.rows == [0, 0] + [1] * 68
    assert seen.counters.opportunities == {"mexc>gate": 1}
    assert [one.persisted_snapshots for one in seen.analytics.opportunities()] == [70]
    seen.at(70, SOUND)
    assert not seen.analytics.opportunities()
    seen.look(*(snapshot(second, [SOUND, dear]) for second in (71, 72, 73)))
    assert seen.counters.opportunities == {"mexc>gate": 2}
    assert seen.rows[-4:] == [0, 0, 0, 1]


def test_a_wide_spread_is_told_once_a_minute_and_never_of_a_stale_quote() -> None:
    seen = Seen(FREE.model_copy(update={"max_spread_pct": 0.1}))
    wide = standing("mexc", "1000", "1001.5", symbol="ETH/USDT")
    told = alerts(seen.look(*(snapshot(second, [wide]) for second in range(61))), "spread")
    assert told == ["[ANALYTICS] Spread Alert: ETH/USDT - MEXC: 0.150% (more than 0.1%)"] * 2
    assert seen.counters.alerts == {"spread": 2}
    just = [standing("mexc", "1000", "1001"), standing("gate", "1000", "1002", is_stale=True)]
    assert not alerts(Seen(FREE.model_copy(update={"max_spread_pct": 0.1})).at(0, *just), "spread")


def test_little_on_both_sides_together_is_told_where_it_is_dollars() -> None:
    rules = FREE.model_copy(update={"min_liquidity_usd": 1000})
    thin = standing("mexc", "0.50", "0.51", symbol="ADA/USDT", bid_quantity="1000", ask_quantity="900")  # 500 and 459
    (told,) = alerts(Seen(rules).at(0, thin), "liquidity")
    assert told == "[ANALYTICS] Volume Alert: ADA/USDT - Low liquidity detected on MEXC (Bid: $500, Ask: $459)"
    enough = standing(
        "mexc", "0.50", "0.51", symbol="ADA/USDT", bid_quantity="1000", ask_quantity="1000"
    )  # 500 and 510
    elsewhere = standing("mexc", "0.50", "0.51", symbol="ADA/BTC")
    stale = standing("mexc", "0.50", "0.51", symbol="ADA/USDT", is_stale=True)
    seen = Seen(rules)
    assert not alerts(seen.at(0, enough, elsewhere, stale), "liquidity")
    assert seen.counters.alerts == {}


def test_a_thousand_bad_markets_do_not_flood_the_log_in_one_second() -> None:
    seen = Seen(FREE.model_copy(update={"max_spread_pct": 0.1, "min_liquidity_usd": 1000}))
    bad = [standing("mexc", "1", "2", symbol=f"C{number}/USDT") for number in range(1000)]
    lines = seen.at(0, *bad)
    assert len(alerts(lines, "spread")) == len(alerts(lines, "liquidity")) == MOST_AT_ONCE


def test_a_summary_comes_every_ten_seconds_with_health_and_connections() -> None:
    seen = Seen(FREE.model_copy(update={"min_updates_per_minute": 500}))
    lines = []
    for second in range(31):
        lines += seen.at(second, SOUND, standing("gate", "49999", "50001"), absent=[("gate", "ETH/USDT")])
        seen.counters.feeds.quotes.update(mexc=20, gate=2)
    health = starting(lines, "Market Health")
    assert len(health) == len(starting(lines, "Connection Status")) == 3
    assert health[0]["event"] == (
        "[ANALYTICS] Market Health: 1/2 pairs active, avg spread: 0.003%, total opportunities: 0, open now: 0"
    )
    numbers = ("pairs", "pairs_active", "markets", "markets_fresh", "pairs_compared")
    assert [health[0][name] for name in numbers] == [2, 1, 3, 2, 1]
    status = starting(lines, "Connection Status")[0]
    # Nobody is judged by the first minute's count.
    assert status["event"] == "[ANALYTICS] Connection Status: GATE: ✓ (120 updates/min), MEXC: ✓ (1200 updates/min)"
    assert status["updates_per_minute"] == {"gate": 120, "mexc": 1200}
    assert not alerts(lines, "connection")


def test_a_venue_that_tells_little_is_warned_of_after_its_first_minute() -> None:
    seen = Seen(FREE.model_copy(update={"min_updates_per_minute": 500}))
    lines = []
    for second in range(131):
        lines += seen.at(second, SOUND, standing("gate", "49999", "50001"))
        seen.counters.feeds.quotes.update(mexc=20, gate=2)
    warned = [line for line in lines if line.get("alert") == "connection"]
    assert [line["event"] for line in warned] == [
        "[ANALYTICS] Connection Alert: GATE: 120 updates/min (fewer than 500, or no market fresh); 1/1 markets fresh"
    ] * 2  # after 60 and 120 seconds
    assert {line["log_level"] for line in warned} == {"warning"}
    assert starting(lines, "Connection Status")[-1]["event"].endswith(
        "GATE: ✗ (120 updates/min), MEXC: ✓ (1200 updates/min)"
    )
    assert seen.counters.alerts == {"connection": 2}


def test_a_venue_without_one_fresh_market_is_not_well_however_much_it_tells() -> None:
    seen = Seen(FREE)
    lines = []
    for second in range(12):
        lines += seen.at(second, SOUND, standing("gate", "49999", "50001", is_stale=True))
        seen.counters.feeds.quotes.update(mexc=20, gate=20)
    assert "GATE: ✗ (1200 updates/min), MEXC: ✓" in starting(lines, "Connection Status")[0]["event"]
    assert not alerts(lines, "connection")  # it may still be on its way up


def test_the_spreads_that_differ_most_are_compared_in_a_summary() -> None:
    seen = Seen(FREE)
    pair = [
        standing("mexc", "2000", "2000.5", symbol="ETH/USDT"),
        standing("gate", "2000", "2000.62", symbol="ETH/USDT"),
    ]
    others = [
        standing(venue, "100", f"100.0{width}", symbol=f"C{number}/USDT")
        for number in range(COMPARED + 2)
        for venue, width in (("mexc", 1), ("gate", 1))
    ]
    lines = seen.look(*(snapshot(second, [*others, *pair]) for second in (0, 10)))
    told = starting(lines, "Spread Analysis")
    assert len(told) == COMPARED
    assert told[0]["event"] == "[ANALYTICS] Spread Analysis: ETH/USDT - MEXC: 0.025%, GATE: 0.031% (Diff: 0.006%)"
    assert told[0]["difference_pct"] == pytest.approx(0.006)


def test_the_first_moment_with_every_market_is_told_once() -> None:
    seen = Seen(FREE)
    assert not starting(seen.at(0, SOUND, absent=[("gate", "BTC/USDT")]), "Market initialization")
    both = [SOUND, standing("gate", "50000", "50000.5")]
    (line,) = starting(seen.at(1, *both), "Market initialization")
    assert line["event"] == "[ANALYTICS] Market initialization complete - 1 pairs active"
    assert not starting(seen.look(snapshot(2, [SOUND], [("gate", "BTC/USDT")]), snapshot(3, both)), "Market init")


def test_a_clock_that_is_set_back_does_not_stop_the_summaries() -> None:
    seen = Seen(FREE)
    lines = seen.look(*(snapshot(second, [SOUND]) for second in (7200, 3600, 3601, 3610)))
    assert [line["markets"] for line in starting(lines, "Market Health")] == [1, 1]


def test_nothing_at_all_is_no_reason_to_stumble() -> None:
    seen = Seen(FREE)
    lines = seen.look(*(snapshot(second, []) for second in range(12)))
    assert seen.rows == [0] * 12
    assert starting(lines, "Market Health")[0]["event"].startswith(
        "[ANALYTICS] Market Health: 0/0 pairs active, avg spread: none"
    )


def test_a_wider_grid_is_the_grid_of_opportunities_too() -> None:
    dear = standing("gate", "50001.25", "50002")
    seen = Seen(FREE.model_copy(update={"persistence_snapshots": 2}), snapshot_seconds=5)
    seen.look(*(snapshot(second, [SOUND, dear]) for second in (0, 5, 10)))
    assert seen.rows == [0, 1, 1]
    (one,) = seen.analytics.opportunities()
    assert (one.at - one.opened_at, one.opened_at) == (10 * SECOND, START)
