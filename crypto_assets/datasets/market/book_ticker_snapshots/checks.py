"""The checks of market/book_ticker_snapshots.

What belongs here: names, severities and the rules of quotes. What does not: counting seconds (recount.py), how shared rules are
looked at (quality/checks.py), and bounds (the universe).

An hour of 2,000 markets is 7 million rows: each rule groups them in the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from dagster import AssetCheckSeverity
from sqlalchemy import func, or_, select

from crypto_assets.datasets.market.book_ticker_snapshots.recount import (
    Counted,
    MarketName,
    count_markets,
    listed_markets,
    named_spans,
    newest_before,
    on_grid,
    steps,
)
from crypto_assets.datasets.market.book_ticker_snapshots.table import DATASET, book_ticker_snapshots
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.checks import Rule, inside, make_check, read_findings, rows_keep
from crypto_assets.quality.coverage import TICK
from crypto_assets.quality.findings import Dimension, Finding, Grid
from crypto_assets.spans import Span, difference
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse

_C = book_ticker_snapshots.c
MAX_NEWEST_AGE = timedelta(minutes=2)  # what the freshness policy calls a failure
# The clock of the database may be another one than the stream's.
_CLOCKS_APART = func.make_interval(0, 0, 0, 0, 0, 0, 5)
# From each bar to the last fresh quote of its minute: by the key, a row a bar.
_BESIDE_BARS = """
SELECT bar.venue, bar.symbol, count(*), count(*) FILTER (WHERE apart > %(bound)s),
       min(opened_at) FILTER (WHERE apart > %(bound)s), max(apart)
  FROM (SELECT venue, symbol, opened_at, low, high FROM market.ohlcv
         WHERE timeframe = '1m' AND opened_at >= %(start)s AND opened_at < %(end)s AND volume_base > 0
           AND (venue, symbol) IN (SELECT * FROM unnest(%(venues)s::text[], %(symbols)s::text[]))) AS bar
  JOIN LATERAL (SELECT ((bid_price + ask_price) / 2)::double precision AS mid FROM market.book_ticker_snapshots AS b
                 WHERE b.venue = bar.venue AND b.symbol = bar.symbol AND NOT b.is_stale
                   AND b.snapshot_at >= bar.opened_at AND b.snapshot_at < bar.opened_at + interval '1 minute'
                 ORDER BY b.snapshot_at DESC LIMIT 1) AS newest ON true
 CROSS JOIN LATERAL (SELECT 100 * greatest(0, mid / high - 1, 1 - mid / low) AS apart) AS measured
 GROUP BY bar.venue, bar.symbol ORDER BY bar.venue, bar.symbol
"""


def _key_is_unique(warehouse: Warehouse, _universe: Universe, window: VenueWindow) -> list[Finding]:
    """Counted in the order of the key, which needs no sorting; the primary key holds it, and this proves it is there."""
    doubled = func.count() - func.count(_C.snapshot_at.distinct())
    statement = (
        select(
            _C.venue,
            _C.symbol,
            func.min(TICK).label("timeframe"),
            func.count().label("checked"),
            doubled.label("failed"),
            func.min(_C.snapshot_at).label("first_at"),
        )
        .where(*inside(book_ticker_snapshots, window))
        .group_by(_C.venue, _C.symbol)
    )
    return read_findings(warehouse, statement)


def _seconds_complete(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
    """Every due second of a market has its row, or the ledger says why not."""
    span = (window.start, window.end)
    with warehouse.connect() as connection:
        counted = count_markets(connection, universe, span, datetime.now(UTC))
    named = named_spans(warehouse, span)
    return [_of_seconds(one, named.get((one.venue, one.symbol), ())) for one in counted]


def _of_seconds(counted: Counted, named: Sequence[Span]) -> Finding:
    nameless = difference(counted.absent, on_grid(named, counted.step))
    failed = steps(nameless, counted.step)
    told = counted.missing - failed
    return Finding(
        counted.venue,
        counted.symbol,
        TICK,
        counted.expected,
        failed,
        f"{nameless[0][0]:%Y-%m-%d %H:%M:%S}" if failed else "",
        f"{told:,} absent seconds are in the ledger" if told else "",
    )


def _enough_seconds(findings: Sequence[Finding], universe: Universe) -> bool:
    return all(one.share_sound >= universe.stream.min_seconds_share for one in findings)


def _not_crossed(warehouse: Warehouse, _universe: Universe, window: VenueWindow) -> list[Finding]:
    """No bid above its ask. One that equals it happens where venues charge makers nothing, and is told."""
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT venue, symbol, count(*), count(*) FILTER (WHERE bid_price > ask_price),"
            " count(*) FILTER (WHERE bid_price = ask_price), min(snapshot_at) FILTER (WHERE bid_price > ask_price)"
            " FROM market.book_ticker_snapshots WHERE snapshot_at >= %s AND snapshot_at < %s"
            " GROUP BY venue, symbol ORDER BY venue, symbol",
            (window.start, window.end),
        )
        return [
            Finding(
                venue, symbol, TICK, rows, crossed,
                f"{first_at:%Y-%m-%d %H:%M:%S}" if first_at else "",
                f"locked, bid equals ask, in {locked:,} of {rows:,} rows" if locked else "",
            )
            for venue, symbol, rows, crossed, locked, first_at in cursor.fetchall()
        ]  # fmt: skip


def _few_stale(findings: Sequence[Finding], universe: Universe) -> bool:
    checked, stale = sum(one.checked for one in findings), sum(one.failed for one in findings)
    return stale <= checked * universe.stream.max_stale_share


def _agree_with_bars(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
    """The last fresh quote of a minute lies within that minute's bar, widened; minutes with both and with trades count."""
    listed = listed_markets(universe, (window.start, window.end))
    asked = {
        "venues": [venue for venue, _ in listed],
        "symbols": [symbol for _, symbol in listed],
        "start": window.start,
        "end": window.end,
        "bound": universe.stream.max_bar_difference_pct,
    }
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_BESIDE_BARS, asked)
        return [
            Finding(
                venue, symbol, "1m", minutes, far, f"{first_at:%Y-%m-%d %H:%M}" if first_at else "",
                f"up to {apart:.3f} % beside the bar" if far else "",
            )
            for venue, symbol, minutes, far, first_at, apart in cursor.fetchall()
        ]  # fmt: skip


def _enough_match(findings: Sequence[Finding], universe: Universe) -> bool:
    checked, far = sum(one.checked for one in findings), sum(one.failed for one in findings)
    return checked - far >= checked * universe.stream.min_share_matching_bars


def _newest_is_recent(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
    """In the open hour each market that is followed has a young row. One that never had a row is told, and no failure."""
    now = datetime.now(UTC)
    if not window.start <= now < window.end:
        return []
    listed = list(listed_markets(universe, (now, window.end)))
    with warehouse.connect() as connection:
        newest = newest_before(connection, listed, now + timedelta(days=1))
    return [_of_age(name, newest.get(name), now) for name in sorted(listed)]


def _of_age(name: MarketName, newest: datetime | None, now: datetime) -> Finding:
    if newest is None:
        return Finding(*name, TICK, 0, 0, note="no quote has ever come")
    age = now - newest
    told = f"newest {newest:%Y-%m-%d %H:%M:%S}"
    return Finding(*name, TICK, 1, int(age > MAX_NEWEST_AGE), told, lag_seconds=age.total_seconds())


RULES = (
    Rule(
        "key_is_unique",
        "One row for each venue, symbol and second.",
        Dimension.ACCURACY,
        _key_is_unique,
        blocking=True,
    ),
    Rule(
        "seconds_complete",
        "Of each market's due seconds, at least stream.min_seconds_share have their row or stand in the ledger with a reason.",
        Dimension.COMPLETENESS,
        _seconds_complete,
        passes=_enough_seconds,
    ),
    Rule(
        "spread_positive",
        "The best ask lies above the best bid: equal ones are rare, and worth a look.",
        Dimension.ACCURACY,
        rows_keep(book_ticker_snapshots, _C.spread <= 0),
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "not_crossed",
        "No best bid lies above its best ask: such a quote is no market, but a message misread.",
        Dimension.ACCURACY,
        _not_crossed,
    ),
    Rule(
        "few_stale",
        "No more than stream.max_stale_share of the rows are marked stale.",
        Dimension.TIMELINESS,
        rows_keep(book_ticker_snapshots, _C.is_stale),
        severity=AssetCheckSeverity.WARN,
        passes=_few_stale,
    ),
    Rule(
        "snapshots_agree_with_bars",
        "The last fresh middle of a minute lies within the minute's bar, widened by stream.max_bar_difference_pct, in at least "
        "stream.min_share_matching_bars of the minutes that have both.",
        Dimension.ACCURACY,
        _agree_with_bars,
        severity=AssetCheckSeverity.WARN,
        passes=_enough_match,
    ),
    Rule(
        "no_snapshot_from_the_future",
        "No quote came after its second, and no second was stored before it was.",
        Dimension.ACCURACY,
        rows_keep(
            book_ticker_snapshots,
            or_(
                _C.received_at > _C.snapshot_at + _CLOCKS_APART,
                _C.snapshot_at > _C.ingested_at + _CLOCKS_APART,
                _C.known_at < _C.snapshot_at - _CLOCKS_APART,
            ),
        ),
    ),
    Rule(
        "newest_snapshot_is_recent",
        "In the open hour, each market's newest row is younger than two minutes.",
        Dimension.TIMELINESS,
        _newest_is_recent,
    ),
)

CHECKS = [make_check(DATASET, rule, Grid.HOURS) for rule in RULES]
