"""Whether a page of trades joins what was stored before: pure rules, and the ledger's row where it does not.

What belongs here: for which time a page speaks, and what has fallen out of GeckoTerminal's window. What does not: fetching and
storing (collect.py).

GeckoTerminal serves the newest `window_trades` trades of the last `window_hours`. A shorter page is all of those hours. A full
one is all from behind the second of its oldest trade: others of that second may have been cut. It joins the page before
where its oldest trade was stored already, or lies before the time that was proven. What lies between them else is gone:
nobody serves it any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name

from crypto_assets.clients.exchange_bars import RefusedRow
from crypto_assets.datasets.dex.pool_trades.table import DATASET
from crypto_assets.quality.coverage import TICK, SeriesKey, read_open, write_changes
from crypto_assets.quality.gaps import Evidence, Gap, State, reconcile
from crypto_assets.spans import Span, difference, intersection
from crypto_assets.universe import DexRules
from crypto_assets.warehouse.collected import read_collected

_SECOND = timedelta(seconds=1)  # blocks are dated by whole seconds
_EPOCH, _FAR = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Seen:
    """What a page proves.

    Args:
        collected: Time for which all trades are here now; None where it proves none.
        lost: Time whose trades have fallen out of the window; None where nothing was lost.
        page: Time for which the page alone has every trade, whatever was known before; None where it has none.
    """

    collected: Span | None
    lost: Span | None
    page: Span | None = None


@dataclass(frozen=True)
class PageFacts:
    """What is known of a page.

    Args:
        received: Its rows, all of them.
        oldest: Time of its oldest trade; None for an empty page.
        is_oldest_stored: Whether that trade was here before.
        asked_at: When it was asked for.
        answered_at: When it came: it may have waited for its slot, and the window moves on; None for at once.
    """

    received: int
    oldest: datetime | None
    is_oldest_stored: bool
    asked_at: datetime
    answered_at: datetime | None = None


def series_of(network: str, address: str) -> SeriesKey:
    """How ledgers name a pool's trades."""
    return SeriesKey(DATASET, network, address, TICK)


def judge_page(facts: PageFacts, known_until: datetime | None, rules: DexRules) -> Seen:
    """For which time a page speaks, and what was lost before it. Pure.

    Args:
        known_until: Up to when the pool's trades were collected or given up before; None for a pool's first page.
    """
    end = facts.asked_at - timedelta(seconds=rules.settle_seconds)  # trades of the last seconds reach the API late
    is_cut = facts.received >= rules.window_trades
    if not is_cut or facts.oldest is None:
        own = (facts.answered_at or facts.asked_at) - timedelta(hours=rules.window_hours)
    else:
        own = facts.oldest + _SECOND
    joins = is_cut and facts.is_oldest_stored and known_until is not None
    start = known_until if joins and known_until is not None else own
    lost = (known_until, start) if known_until is not None and known_until < start else None
    return Seen((start, end) if start < end else None, lost, (own, end) if own < end else None)


def known_until(connection: Connection, key: SeriesKey) -> datetime | None:
    """Up to when a pool's trades were collected or given up."""
    spans = read_collected(connection, *key.values())
    ends = [end for _, end in spans]
    since = max(ends, default=_EPOCH)
    ends += [gap.end for gap in read_open(connection, key, (since, _FAR))]
    return max(ends, default=None)


def why_lost(lost: Span, facts: PageFacts, rules: DexRules) -> str:
    """What the ledger says of a span whose trades are gone. Pure."""
    oldest = f"{facts.oldest:%Y-%m-%d %H:%M:%S}" if facts.oldest else "none"
    return (
        f"{facts.received} trades came at {facts.asked_at:%H:%M:%S}, the oldest of {oldest} UTC; those before it, since"
        f" {lost[0]:%Y-%m-%d %H:%M:%S}, have left GeckoTerminal's window of {rules.window_trades} trades and"
        f" {rules.window_hours:g} hours, and nobody serves them."
    )


def refused_spans(refused: Sequence[RefusedRow], page: Span) -> list[Span]:
    """The seconds in which refused rows were traded; the whole page where one does not say. Pure."""
    spans = []
    for row in refused:
        at = _time_of(row.payload)
        if at is None:
            return [page]
        spans.append((at, at + _SECOND))
    return spans


def name_lost(connection: Connection, key: SeriesKey, span: Span, why: str, now: datetime) -> None:
    """Name what of a span is not named yet as lost for good; the caller holds the ledger's lock."""
    known = [gap.span for gap in read_open(connection, key, span)]
    fresh = [Gap(*part, State.UNRECOVERABLE, Evidence(why=why), now) for part in difference([span], known)]
    write_changes(connection, key, [], fresh)


def note_come(connection: Connection, key: SeriesKey, page: Span, refused: Sequence[Span], now: datetime) -> None:
    """What was named lost and lies in a page's own time is here now; the caller holds the ledger's lock.

    So a row that could not be read, and is well in the next page, is lost no more.

    Args:
        page: Time for which the page has every trade.
        refused: But for these.
    """
    gaps = read_open(connection, key, page)
    still = intersection([gap.span for gap in gaps], refused)
    write_changes(connection, key, gaps, reconcile(gaps, intersection(still, [page]), page, now))


def _time_of(payload: object) -> datetime | None:
    """The block's time of a row that was refused for something else."""
    attributes = payload.get("attributes") if isinstance(payload, Mapping) else None
    told = attributes.get("block_timestamp") if isinstance(attributes, Mapping) else None
    try:
        at = datetime.fromisoformat(told) if isinstance(told, str) else None
    except ValueError:
        return None
    return at.astimezone(UTC) if at is not None and at.tzinfo is not None and at.year > 1 else None
