"""Gaps between venues that a trade of now would earn from, after fees, and for how long they have stood.

What belongs here: when two quotes make an opportunity, and what opportunities look like as rows. What does not: the table
(datasets/market/arbitrage_opportunities), the words for people (analytics.py) and how old a quote is (snapshots.py).

Buy at one venue's ask, sell the same amount at another's bid. Three rules keep a feed that has stopped from looking like
a bargain:

- A stale quote, or one whose bid is not below its ask, is no quote.
- The gap has to stand in `persistence_snapshots` snapshots in a row. A second without a snapshot begins anew.
- In each of them both quotes are younger than the snapshots reach back. So a price that was told once, before the gap, and
  never since cannot carry one: in the last of three snapshots a second apart it would be two seconds old or more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from crypto_assets.datasets.market.arbitrage_opportunities.table import arbitrage_opportunities
from crypto_assets.stream.snapshots import moment_text
from crypto_assets.stream.standing import Lines, Snapshot, Standing
from crypto_assets.universe_stream import AnalyticsRules

SOURCE = "stream of best prices"
_SECOND = 1_000_000  # microseconds
_ROUNDING = 1e-9  # a first look may let through what the second refuses, never the other way


class Route(NamedTuple):
    """A market, where it is bought and where it is sold."""

    symbol: str
    buy_venue: str
    sell_venue: str


@dataclass(frozen=True, slots=True)
class Opportunity:
    """A gap at one second.

    Args:
        buy: The quote whose ask is paid.
        sell: The quote whose bid is received.
        at: The second; opened_at the first of the snapshots in a row that show the gap. Microseconds since 1970, UTC.
        persisted_snapshots: How many show it, this one included.
        buy_fee_pct: What a taker pays there, in percent; so is sell_fee_pct.
        gross_pct: What the bid is above the ask, in percent of the ask.
        net_pct: The same after both fees.
        size_base: The smaller of both quantities as its venue wrote it, base currency.
        profit_quote: What that amount earns after fees, quote currency.
    """

    route: Route
    buy: Standing
    sell: Standing
    at: int
    opened_at: int
    persisted_snapshots: int
    buy_fee_pct: float
    sell_fee_pct: float
    gross_pct: float
    net_pct: float
    size_base: str
    profit_quote: float


# A quote that may be traded on, what one really gets for a unit and what one pays; a plain tuple: there are thousands a second.
type _Offer = tuple[Standing, float, float]


class Arbitrage:
    """Finds opportunities, snapshot by snapshot; remembers which gaps stood in the last one.

    Args:
        step_seconds: Distance of the grid that snapshots lie on.
    """

    def __init__(self, rules: AnalyticsRules, step_seconds: int = 1) -> None:
        self._rules = rules
        self._step = step_seconds * _SECOND
        self._too_old_ms = max(1, rules.persistence_snapshots - 1) * step_seconds * 1000
        self._opened: dict[Route, int] = {}
        self._last_at = 0
        self.compared = 0  # markets on two venues or more whose quotes could be compared in the last snapshot

    def find(self, snapshot: Snapshot) -> Sequence[Opportunity]:
        """What is open in this snapshot."""
        before = self._opened if snapshot.at - self._last_at == self._step else {}
        self._last_at, self._opened, self.compared = snapshot.at, {}, 0
        found = []
        for buy, sell in self._gaps(snapshot.standings):
            route = Route(buy.quote.symbol, buy.venue, sell.venue)
            opened_at = self._opened[route] = before.get(route, snapshot.at)
            persisted = (snapshot.at - opened_at) // self._step + 1
            if persisted >= self._rules.persistence_snapshots:
                found.append(self._opportunity(route, buy, sell, snapshot, opened_at))
        return found

    def _gaps(self, standings: Sequence[Standing]) -> Iterator[tuple[Standing, Standing]]:
        """Pairs to buy at the first and to sell at the second."""
        offers = self._offers(standings)
        symbols = self._promising(offers)
        if not symbols:
            return
        by_symbol: dict[str, list[_Offer]] = {symbol: [] for symbol in symbols}
        for offer in offers:
            if (symbol := offer[0].quote.symbol) in by_symbol:
                by_symbol[symbol].append(offer)
        for of in by_symbol.values():
            for buy in of:
                for sell in of:
                    if buy is not sell and self._is_worth(buy, sell):
                        yield buy[0], sell[0]

    def _offers(self, standings: Sequence[Standing]) -> list[_Offer]:
        """The quotes that may be traded on."""
        offers = []
        factors = {venue: self._factors(venue) for venue in {one.venue for one in standings}}
        too_old_ms = self._too_old_ms
        for one in standings:
            if one.is_stale or one.age_ms >= too_old_ms:
                continue
            quote = one.quote
            bid, ask = quote.bid, quote.ask
            if bid < ask:
                kept, cost = factors[one.venue]
                offers.append((one, bid * kept, ask * cost))
        return offers

    def _promising(self, offers: Sequence[_Offer]) -> list[str]:
        """Symbols whose dearest bid pays for the cheapest ask: of thousands that is hardly any."""
        bests: dict[str, tuple[float, float, int]] = {}
        for one, received, paid in offers:
            symbol = one.quote.symbol
            best = bests.get(symbol)
            if best is None:
                bests[symbol] = (received, paid, 1)
            else:
                most, least, count = best
                bests[symbol] = (
                    received if received > most else most,
                    paid if paid < least else least,
                    count + 1,
                )
        wanted = 1 + self._rules.min_arbitrage_pct / 100 - _ROUNDING
        self.compared = sum(count > 1 for _, _, count in bests.values())
        return [symbol for symbol, (most, least, count) in bests.items() if count > 1 and most >= wanted * least]

    def _factors(self, venue: str) -> tuple[float, float]:
        """What is left of a price received there, and what a price asked there costs."""
        fee = self._rules.fee_pct(venue) / 100
        return 1 - fee, 1 + fee

    def _is_worth(self, buy: _Offer, sell: _Offer) -> bool:
        net_pct = (sell[1] / buy[2] - 1) * 100
        is_there = float(buy[0].quote.ask_quantity) > 0 and float(sell[0].quote.bid_quantity) > 0
        return is_there and math.isfinite(net_pct) and net_pct > 0 and net_pct >= self._rules.min_arbitrage_pct

    def _opportunity(
        self, route: Route, buy: Standing, sell: Standing, snapshot: Snapshot, opened_at: int
    ) -> Opportunity:
        fees = self._rules.fee_pct(buy.venue), self._rules.fee_pct(sell.venue)
        paid, received = buy.quote.ask * (1 + fees[0] / 100), sell.quote.bid * (1 - fees[1] / 100)
        size = min(buy.quote.ask_quantity, sell.quote.bid_quantity, key=float)
        return Opportunity(
            route=route,
            buy=buy,
            sell=sell,
            at=snapshot.at,
            opened_at=opened_at,
            persisted_snapshots=(snapshot.at - opened_at) // self._step + 1,
            buy_fee_pct=fees[0],
            sell_fee_pct=fees[1],
            gross_pct=(sell.quote.bid / buy.quote.ask - 1) * 100,
            net_pct=(received / paid - 1) * 100,
            size_base=size,
            profit_quote=float(size) * (received - paid),
        )


def lines_of(at: int, opportunities: Sequence[Opportunity]) -> Lines:
    """The opportunities of a second as rows, in the order of the table's COPY_COLUMNS. Pure.

    A row is known from its second on: both of its quotes had come by then.
    """
    text = "".join("\t".join(_fields(one)) + "\n" for one in opportunities)
    return Lines(at, arbitrage_opportunities.fullname, len(opportunities), text.encode())


def _fields(one: Opportunity) -> tuple[str, ...]:
    return (
        _text(one.route.symbol),
        _text(one.route.buy_venue),
        _text(one.route.sell_venue),
        moment_text(one.at),
        moment_text(one.opened_at),
        str(one.persisted_snapshots),
        one.buy.quote.ask_price,
        one.sell.quote.bid_price,
        repr(one.buy_fee_pct),
        repr(one.sell_fee_pct),
        repr(one.gross_pct),
        repr(one.net_pct),
        one.size_base,
        repr(one.profit_quote),
        str(one.buy.age_ms),
        str(one.sell.age_ms),
        SOURCE,
        moment_text(one.at),
    )


def _text(value: str) -> str:
    """Text as COPY reads it."""
    return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
