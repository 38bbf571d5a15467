"""Telling quiet bars from missing ones: GeckoTerminal leaves out bars without trades, and says no word about them.

What belongs here: the proof, and the ledger brought up to date with it. What does not: asking again (repair.py).

A longer bar's volume is the sum of its shorter bars' volumes. In 5,241 of 5,242 recorded longer bars of 52 pools the two
agree to one part in a million; in the other one a minute had been kept before it was complete. So where the shorter bars
that are stored add up to the longer one, nothing is missing in it, and its absent bars were quiet. Where a longer bar itself
was quiet, so were all within it. The longest bars have no longer ones: asked for exactly these, what GeckoTerminal does not
send was quiet. That other pools traded meanwhile proves nothing. What none of this shows stays missing, and after
max_attempts answers of the universe's gaps it is unrecoverable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name

from crypto_assets.datasets.dex.pool_ohlcv.collect import series_of
from crypto_assets.quality.coverage import LedgerChanges, SeriesKey, lock_ledger, read_open, write_changes
from crypto_assets.quality.gaps import Evidence, Gap, State, merge_alike
from crypto_assets.spans import Span, difference, intersection, union
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
_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def tell_quiet(connection: Connection, network: str, address: str, window: Span, rules: DexRules) -> LedgerChanges:
    """Name the pool's missing bars of a window that were quiet, from the longest bars to the shortest.

    Args:
        connection: In a transaction, which the caller commits.
        window: Widened to whole days, so that no longer bar is looked at in part.
    """
    lock_ledger(connection, series_of(network, address, "").dataset, network)
    days = window[0] - (window[0] - _EPOCH) % _DAY, window[1] + (_EPOCH - window[1]) % _DAY
    frames = sorted(rules.timeframes, key=lambda name: TIMEFRAME_LENGTH[name], reverse=True)
    changes = LedgerChanges()
    quiet = _quiet_spans(read_open(connection, series_of(network, address, frames[0]), days))
    for coarse, fine in pairwise(frames):
        key = series_of(network, address, fine)
        gaps = read_open(connection, key, days)
        if any(gap.state is State.MISSING for gap in gaps):
            proven = _add_up(connection, key, coarse, days, rules.volume_tolerance)
            named = name_quiet(name_quiet(gaps, quiet, _within_quiet(coarse)), proven, _adds_up(coarse))
            changes += write_changes(connection, key, gaps, named)
            gaps = named
        quiet = union([*quiet, *_quiet_spans(gaps)])
    return changes


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


def _quiet_spans(gaps: Sequence[Gap]) -> list[Span]:
    return [gap.span for gap in gaps if gap.state is State.VENUE_QUIET]


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
