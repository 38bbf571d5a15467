"""Telling quiet bars from missing ones: GeckoTerminal leaves out bars without trades, and says no word about them.

What belongs here: the proof, and the ledger brought up to date with it. What does not: asking again (repair.py).

A longer bar's volume is the sum of its shorter bars' volumes. In 5,241 of 5,242 recorded longer bars of 52 pools the two
agree to one part in a million; in the other one a minute had been kept before it was complete. So where the shorter bars
that are stored add up to the longer one, nothing is missing in it, and its absent bars were quiet. Where a longer bar itself
was quiet, so were all within it. The longest bars have no longer ones: asked for exactly these, what GeckoTerminal does not
send was quiet. And where the pool's trades were collected throughout and there is none, nothing was traded: that is known
while longer bars are still open. That other pools traded meanwhile proves nothing. What none of this shows stays missing,
and after max_attempts answers of the universe's gaps it is unrecoverable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, timedelta

from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name

from crypto_assets.datasets.dex.pool_ohlcv.table import series_of
from crypto_assets.datasets.dex.pool_trades.untraded import untraded_spans
from crypto_assets.quality.coverage import LedgerChanges, SeriesKey, lock_ledger, read_open, write_changes
from crypto_assets.quality.gaps import Evidence, Gap, State, merge_alike
from crypto_assets.spans import Span, ceiled, difference, floored, hull, intersection, union
from crypto_assets.universe import TIMEFRAME_LENGTH, DexRules, Gaps

_ADDS_UP = """
WITH fine AS (
    SELECT date_bin(%(length)s, opened_at, timestamptz '1970-01-01 00:00:00+00') AS at, sum(volume_usd) AS volume
      FROM dex.pool_ohlcv
     WHERE network = %(network)s AND pool_address = %(pool)s AND timeframe = %(fine)s
       AND opened_at >= %(start)s AND opened_at < %(end)s
     GROUP BY 1)
SELECT coarse.opened_at FROM dex.pool_ohlcv AS coarse LEFT JOIN fine ON fine.at = coarse.opened_at
 WHERE coarse.network = %(network)s AND coarse.pool_address = %(pool)s AND coarse.timeframe = %(coarse)s
   AND coarse.opened_at >= %(start)s AND coarse.opened_at < %(end)s
   AND abs(coarse.volume_usd - coalesce(fine.volume, 0)) <= %(tolerance)s * coarse.volume_usd
"""
_AROUND_MISSING = """
SELECT min(gap_start), max(gap_end) FROM quality.coverage
 WHERE dataset = %s AND venue = %s AND symbol = %s AND timeframe = %s AND state = 'missing'
   AND gap_end > %s AND gap_start < %s
"""
_QUIET = """
SELECT gap_start, gap_end FROM quality.coverage
 WHERE dataset = %s AND venue = %s AND symbol = %s AND timeframe = ANY(%s) AND state = 'venue_quiet'
   AND gap_end > %s AND gap_start < %s
"""
_UNTRADED = "Its time's trades were collected, and there is none."
_DAY = timedelta(days=1)


def tell_quiet(connection: Connection, network: str, address: str, window: Span, rules: DexRules) -> LedgerChanges:
    """Name the pool's missing bars of a window that are proven to have been quiet, from the longest bars to the shortest.

    Args:
        connection: In a transaction, which the caller commits.
        window: Widened to whole days, so that no longer bar is looked at in part.
    """
    lock_ledger(connection, series_of(network, address, "").dataset, network)
    days = _whole(window, _DAY)
    changes = LedgerChanges()
    for timeframe in _longest_first(rules):
        key = series_of(network, address, timeframe)
        missing = _missing(connection, key, days)
        if missing is None:
            continue
        gaps = read_open(connection, key, missing)
        changes += write_changes(connection, key, gaps, name_proven(connection, key, gaps, rules))
    return changes


def name_proven(connection: Connection, key: SeriesKey, gaps: Sequence[Gap], rules: DexRules) -> list[Gap]:
    """The gaps of a series, what of the missing ones is proven to have been quiet named so; nothing is written.

    Args:
        connection: In a transaction that sees the series' own bars.
    """
    named, length = list(gaps), TIMEFRAME_LENGTH[key.timeframe]
    missing = _hull_of_missing(named)
    if missing is not None:
        untraded = untraded_spans(connection, key.venue, key.symbol, length, missing, rules)
        named = name_quiet(named, untraded, _UNTRADED)
    longer = [one for one in _longest_first(rules) if TIMEFRAME_LENGTH[one] > length]
    missing = _hull_of_missing(named)
    if not longer or missing is None:
        return named
    coarse = longer[-1]
    quiet = _quiet(connection, key, longer, missing)
    proven = _add_up(connection, key, coarse, _whole(missing, TIMEFRAME_LENGTH[coarse]), rules.volume_tolerance)
    return name_quiet(name_quiet(named, quiet, _within_quiet(coarse)), proven, _adds_up(coarse))


def name_answered(
    connection: Connection, network: str, address: str, window: Span, rules: DexRules, gaps: Gaps
) -> LedgerChanges:
    """Name what GeckoTerminal was asked for again and did not send: the longest bars quiet, shorter ones at last given up.

    Args:
        connection: In a transaction, which the caller commits.
        gaps: The universe's rules.
    """
    lock_ledger(connection, series_of(network, address, "").dataset, network)
    longest = max(rules.timeframes, key=lambda name: TIMEFRAME_LENGTH[name])
    changes = LedgerChanges()
    for timeframe in rules.timeframes:
        key = series_of(network, address, timeframe)
        before = read_open(connection, key, window)
        named = [_answered(gap, gaps, is_longest=timeframe == longest) for gap in before]
        changes += write_changes(connection, key, before, merge_alike(named))
    return changes


def _answered(gap: Gap, rules: Gaps, *, is_longest: bool) -> Gap:
    if gap.state is not State.MISSING or gap.evidence.answers == 0:
        return gap
    if is_longest:
        evidence = gap.evidence.model_copy(update={"why": "Asked for exactly these, GeckoTerminal sent none."})
        return replace(gap, state=State.VENUE_QUIET, evidence=evidence)
    if gap.evidence.answers < rules.max_attempts:
        return gap
    told = f"GeckoTerminal answered {gap.evidence.answers} times without these bars, and longer ones do not add up."
    evidence = gap.evidence.model_copy(update={"why": told})
    return replace(gap, state=State.UNRECOVERABLE, evidence=evidence)


def name_quiet(gaps: Sequence[Gap], quiet: Sequence[Span], why: str) -> list[Gap]:
    """The gaps, what of missing ones lies within quiet time named so. Pure."""
    named: list[Gap] = []
    for gap in gaps:
        inside = intersection([gap.span], quiet) if gap.state is State.MISSING else []
        if not inside:
            named.append(gap)
            continue
        named += [replace(gap, start=start, end=end) for start, end in difference([gap.span], inside)]
        evidence: Evidence = gap.evidence.model_copy(update={"why": why})
        named += [replace(gap, start=s, end=e, state=State.VENUE_QUIET, evidence=evidence) for s, e in inside]
    return merge_alike(named)


def _hull_of_missing(gaps: Sequence[Gap]) -> Span | None:
    return hull([gap.span for gap in gaps if gap.state is State.MISSING])


def _longest_first(rules: DexRules) -> list[str]:
    return sorted(rules.timeframes, key=lambda name: TIMEFRAME_LENGTH[name], reverse=True)


def _missing(connection: Connection, key: SeriesKey, window: Span) -> Span | None:
    """The shortest span around what is missing of a series in a window; None where nothing is, as mostly."""
    with connection.cursor() as cursor:
        cursor.execute(_AROUND_MISSING, (*key.values(), *window))
        row = cursor.fetchone()
    return (row[0].astimezone(UTC), row[1].astimezone(UTC)) if row and row[0] is not None else None


def _quiet(connection: Connection, key: SeriesKey, timeframes: Sequence[str], window: Span) -> list[Span]:
    """Where bars of one of these lengths were quiet: their spans alone, for a year of them is quickly read so."""
    with connection.cursor() as cursor:
        cursor.execute(_QUIET, (key.dataset, key.venue, key.symbol, list(timeframes), *window))
        return union((start.astimezone(UTC), end.astimezone(UTC)) for start, end in cursor.fetchall())


def _whole(window: Span, length: timedelta) -> Span:
    """The window widened to whole bars."""
    return floored(window[0], length), ceiled(window[1], length)


def _add_up(connection: Connection, key: SeriesKey, coarse: str, window: Span, tolerance: float) -> list[Span]:
    """Longer bars of the window whose volume the shorter ones add up to."""
    length = TIMEFRAME_LENGTH[coarse]
    asked = {
        "network": key.venue, "pool": key.symbol, "fine": key.timeframe, "coarse": coarse, "length": length,
        "start": window[0], "end": window[1], "tolerance": tolerance,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_ADDS_UP, asked)
        return union((at.astimezone(UTC), at.astimezone(UTC) + length) for (at,) in cursor.fetchall())


def _adds_up(coarse: str) -> str:
    return f"Its {coarse} bar's volume is the sum of the bars there are: nothing was traded in between."


def _within_quiet(coarse: str) -> str:
    return f"It lies within {coarse} bars in which nothing was traded."
