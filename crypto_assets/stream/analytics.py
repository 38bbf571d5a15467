"""What is seen in quotes while they come: opportunities as rows, and lines for people and machines.

What belongs here: which lines are told and their words. What does not: when a gap is an opportunity (arbitrage.py), how often
an alert is told (alerts.py), numbers of the whole (health.py).

Each line is a sentence as its event, for people, and the same numbers as fields, for whatever reads JSON.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

import structlog

from crypto_assets.stream.alerts import Alerts
from crypto_assets.stream.arbitrage import Arbitrage, Opportunity, lines_of
from crypto_assets.stream.counters import Counters
from crypto_assets.stream.health import Connection, Pace, market_health, spread_pct
from crypto_assets.stream.standing import Lines, Snapshot, Standing
from crypto_assets.stream.words import dollars, is_in_dollars, price, venue_name
from crypto_assets.universe_stream import AnalyticsRules

log = structlog.get_logger(__name__)

COMPARED = 5  # markets whose spreads are compared in a summary: those that differ most
_SECOND = 1_000_000  # microseconds


class Analytics:
    """Looks at each snapshot. Pure but for its memory, its counters and its log lines.

    Args:
        rules: Thresholds, from the universe.
        counters: Of the whole stream; opportunities and alerts are counted here.
        snapshot_seconds: Distance of the grid that snapshots lie on.
    """

    def __init__(self, rules: AnalyticsRules, counters: Counters, snapshot_seconds: int = 1) -> None:
        self._rules = rules
        self._counters = counters
        self._arbitrage = Arbitrage(rules, snapshot_seconds)
        self._alerts = Alerts(rules.alert_seconds, counters.alerts)
        self._pace = Pace(counters.feeds)
        self._open: Sequence[Opportunity] = ()
        self._summary_at = 0
        self._is_complete = False

    def opportunities(self) -> Sequence[Opportunity]:
        """Those that are open in the last snapshot."""
        return self._open

    def look(self, snapshot: Snapshot) -> Sequence[Lines]:
        """Judge a snapshot; call it once for each, in order.

        Returns:
            Rows for market.arbitrage_opportunities; nothing where there are none.
        """
        self._pace.note(snapshot.at)
        self._open = self._arbitrage.find(snapshot)
        for one in self._open:
            self._tell_opportunity(one)
        self._judge_markets(snapshot)
        self._tell_completeness(snapshot)
        if not self._summary_at or not 0 <= snapshot.at - self._summary_at < self._rules.summary_seconds * _SECOND:
            is_first, self._summary_at = not self._summary_at, snapshot.at
            if not is_first:
                self._summarise(snapshot)
        return [lines_of(snapshot.at, self._open)] if self._open else []

    def _tell_opportunity(self, one: Opportunity) -> None:
        route = one.route
        if one.persisted_snapshots == self._rules.persistence_snapshots:
            self._counters.opportunities[f"{route.buy_venue}>{route.sell_venue}"] += 1
        if not self._alerts.is_due("arbitrage", route, one.at):
            return
        buy, sell = one.buy.quote.ask_price, one.sell.quote.bid_price
        gap = Decimal(sell) - Decimal(buy)
        log.info(
            f"[ANALYTICS] Arbitrage Alert: {route.symbol} - {venue_name(route.buy_venue)}: {price(buy, route.symbol)}"
            f" vs {venue_name(route.sell_venue)}: {price(sell, route.symbol)}"
            f" (Opportunity: {price(f'{gap:f}', route.symbol)}, {one.gross_pct:.4f}%), after fees {one.net_pct:.4f}%",
            alert="arbitrage",
            symbol=route.symbol,
            buy_venue=route.buy_venue,
            sell_venue=route.sell_venue,
            buy_price=float(buy),
            sell_price=float(sell),
            gross_pct=one.gross_pct,
            net_pct=one.net_pct,
            size_base=float(one.size_base),
            profit_quote=one.profit_quote,
            persisted_snapshots=one.persisted_snapshots,
        )

    def _judge_markets(self, snapshot: Snapshot) -> None:
        """Alerts of each market whose quote is fresh; one pass, for there may be thousands a second."""
        rules, widest = self._rules, self._rules.max_spread_pct
        for one in snapshot.standings:
            if one.is_stale:
                continue
            quote = one.quote
            bid, ask, symbol = quote.bid, quote.ask, quote.symbol
            if (ask - bid) / bid * 100 > widest and self._alerts.is_due("spread", (one.venue, symbol), snapshot.at):
                self._tell_spread(one)
            if not is_in_dollars(symbol):
                continue  # nobody tells us what a thousand dollars are in another currency
            bid_usd, ask_usd = bid * float(quote.bid_quantity), ask * float(quote.ask_quantity)
            is_thin = bid_usd + ask_usd < rules.min_liquidity_usd
            if is_thin and self._alerts.is_due("liquidity", (one.venue, symbol), snapshot.at):
                self._tell_liquidity(one, bid_usd, ask_usd)

    def _tell_spread(self, one: Standing) -> None:
        width, most = spread_pct(one), self._rules.max_spread_pct
        log.info(
            f"[ANALYTICS] Spread Alert: {one.quote.symbol} - {venue_name(one.venue)}: {width:.3f}% (more than {most:g}%)",
            alert="spread",
            symbol=one.quote.symbol,
            venue=one.venue,
            spread_pct=width,
            max_spread_pct=most,
        )

    def _tell_liquidity(self, one: Standing, bid_usd: float, ask_usd: float) -> None:
        log.info(
            f"[ANALYTICS] Volume Alert: {one.quote.symbol} - Low liquidity detected on {venue_name(one.venue)}"
            f" (Bid: {dollars(bid_usd)}, Ask: {dollars(ask_usd)})",
            alert="liquidity",
            symbol=one.quote.symbol,
            venue=one.venue,
            bid_usd=bid_usd,
            ask_usd=ask_usd,
            min_liquidity_usd=self._rules.min_liquidity_usd,
        )

    def _tell_completeness(self, snapshot: Snapshot) -> None:
        """Once, when every market has had its first quote."""
        if self._is_complete or snapshot.absent or not snapshot.standings:
            return
        self._is_complete = True
        pairs = len({one.quote.symbol for one in snapshot.standings})
        log.info(f"[ANALYTICS] Market initialization complete - {pairs} pairs active", pairs=pairs)

    def _summarise(self, snapshot: Snapshot) -> None:
        health = market_health(snapshot)
        mean = "none" if health.mean_spread_pct is None else f"{health.mean_spread_pct:.3f}%"
        total = sum(self._counters.opportunities.values())
        log.info(
            f"[ANALYTICS] Market Health: {health.pairs_active}/{health.pairs} pairs active, avg spread: {mean},"
            f" total opportunities: {total}, open now: {len(self._open)}",
            pairs_active=health.pairs_active,
            pairs=health.pairs,
            markets_fresh=health.markets_fresh,
            markets=health.markets,
            mean_spread_pct=health.mean_spread_pct,
            opportunities=total,
            opportunities_open=len(self._open),
            pairs_compared=self._arbitrage.compared,
        )
        self._compare_spreads(snapshot)
        connections = self._pace.connections(snapshot)
        log.info(
            "[ANALYTICS] Connection Status: " + ", ".join(self._told(one) for one in connections),
            updates_per_minute={one.venue: round(one.updates_per_minute) for one in connections},
            markets_fresh={one.venue: one.markets_fresh for one in connections},
        )
        for one in connections:
            self._judge_connection(one, snapshot.at)

    def _compare_spreads(self, snapshot: Snapshot) -> None:
        """The markets whose spreads differ the most between venues."""
        spreads: dict[str, dict[str, float]] = defaultdict(dict)
        for one in snapshot.standings:
            if not one.is_stale:
                spreads[one.quote.symbol][one.venue] = spread_pct(one)
        differences = [
            (max(of.values()) - min(of.values()), symbol, of) for symbol, of in spreads.items() if len(of) > 1
        ]
        for difference, symbol, of in sorted(differences, key=lambda one: (-one[0], one[1]))[:COMPARED]:
            told = ", ".join(f"{venue_name(venue)}: {width:.3f}%" for venue, width in of.items())
            log.info(
                f"[ANALYTICS] Spread Analysis: {symbol} - {told} (Diff: {difference:.3f}%)",
                symbol=symbol,
                spreads_pct=of,
                difference_pct=difference,
            )

    def _judge_connection(self, one: Connection, at: int) -> None:
        if not one.is_whole_minute or self._is_well(one) or not self._alerts.is_due("connection", one.venue, at):
            return
        log.warning(
            f"[ANALYTICS] Connection Alert: {venue_name(one.venue)}: {one.updates_per_minute:.0f} updates/min"
            f" (fewer than {self._rules.min_updates_per_minute:g}, or no market fresh);"
            f" {one.markets_fresh}/{one.markets} markets fresh",
            alert="connection",
            venue=one.venue,
            updates_per_minute=one.updates_per_minute,
            markets_fresh=one.markets_fresh,
            markets=one.markets,
        )

    def _told(self, one: Connection) -> str:
        mark = "✓" if self._is_well(one) else "✗"
        return f"{venue_name(one.venue)}: {mark} ({one.updates_per_minute:.0f} updates/min)"

    def _is_well(self, one: Connection) -> bool:
        """Whether a venue tells enough; a minute that is not over yet is not judged by its count."""
        is_quick = one.updates_per_minute >= self._rules.min_updates_per_minute or not one.is_whole_minute
        return is_quick and one.markets_fresh > 0
