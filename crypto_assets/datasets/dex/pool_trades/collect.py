"""Collecting one pool's trades: a page, its rows, progress and what was lost, written together.

What belongs here: one poll of one pool, from GeckoTerminal's page to the warehouse. What does not: the rules of continuity
(continuity.py), whose turn it is (pool_polling.py), asking and parsing (clients), SQL (warehouse).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name

from crypto_assets.clients.pool_trade_rows import PoolTrades
from crypto_assets.datasets.dex.pool_trades.continuity import (
    PageFacts,
    judge_page,
    known_until,
    name_lost,
    note_come,
    refused_spans,
    why_lost,
)
from crypto_assets.datasets.dex.pool_trades.table import pool_trades
from crypto_assets.datasets.outcomes import EventOutcome
from crypto_assets.quality.coverage import SeriesKey, lock_ledger
from crypto_assets.universe import DexRules
from crypto_assets.warehouse.collected import mark_collected
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.quarantine import Refused, quarantine
from crypto_assets.warehouse.write import Batch, upsert

SOURCE = "geckoterminal trades"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RECENT_SECONDS = (900.0, 300.0)  # these tell the present pace; a day's mean hides a burst
_IS_STORED = """
SELECT EXISTS (SELECT FROM dex.pool_trades WHERE network = %s AND pool_address = %s AND traded_at = %s
                  AND tx_hash = %s AND ordinal = %s)
"""


@dataclass(frozen=True)
class Stored:
    """What a page came to.

    Args:
        per_second: Trades a second, as the page shows it.
    """

    outcome: EventOutcome
    per_second: float


def store_page(
    warehouse: Warehouse,
    key: SeriesKey,
    page: PoolTrades,
    asked_at: datetime,
    rules: DexRules,
    *,
    answered_at: datetime | None = None,
) -> Stored:
    """Write a page's trades, what it refused, for which time it speaks and what was lost: one transaction.

    Args:
        key: From `series_of`.
        asked_at: When the page was asked for, UTC.
        answered_at: When it came; None for at once.
    """
    first = _moment(int(page.traded_at_us[0])) if len(page) else None
    last = _moment(int(page.traded_at_us[-1])) if len(page) else None
    with warehouse.connect() as connection:
        lock_ledger(connection, key.dataset, key.venue)
        before = known_until(connection, key)
        facts = PageFacts(page.received, first, _is_stored(connection, key, page), asked_at, answered_at)
        seen = judge_page(facts, before, rules)
        counts = upsert(connection, pool_trades, build_rows(key, page, rules))
        kept = quarantine(
            connection, items=[Refused(one.reason, one.payload) for one in page.refused], **vars(key)
        )  # fmt: skip
        refused = refused_spans(page.refused, seen.collected) if seen.collected is not None else []
        if seen.collected is not None:
            mark_collected(connection, *key.values(), *seen.collected)
        if seen.page is not None:
            note_come(connection, key, seen.page, refused, asked_at)
        for span in refused:
            why = "Rows of the answer could not be read; quality.quarantine keeps them."
            name_lost(connection, key, span, why, asked_at)
        if seen.lost is not None:
            name_lost(connection, key, seen.lost, why_lost(seen.lost, facts, rules), asked_at)
    outcome = EventOutcome(
        key.venue, key.symbol, received=len(page), inserted=counts.inserted, changed=counts.changed, quarantined=kept,
        absent=int(seen.lost is not None), first=first, last=last,
        warning="Trades have left the window unseen; the ledger names the time" if seen.lost else "",
    )  # fmt: skip
    return Stored(outcome, pace_of(page, asked_at, rules))


def build_rows(key: SeriesKey, page: PoolTrades, rules: DexRules) -> Batch:
    """The table's columns from a page of trades. Pure."""
    traded_at = page.traded_at_us.view("datetime64[us]")
    settled = np.timedelta64(round(rules.settle_seconds * 1e6), "us")
    return {
        "network": key.venue,
        "pool_address": key.symbol,
        "traded_at": traded_at,
        "tx_hash": page.tx_hash,
        "ordinal": page.ordinal,
        "block_number": page.block_number,
        "side": np.where(page.is_buy, "buy", "sell").astype(object),
        "price_usd": page.price_usd,
        "amount_base": page.amount_base,
        "amount_quote": page.amount_quote,
        "volume_usd": page.volume_usd,
        "sender": page.sender,
        "source": SOURCE,
        "known_at": traded_at + settled,
    }


def pace_of(page: PoolTrades, asked_at: datetime, rules: DexRules) -> float:
    """Trades a second: the page's mean, or that of its last quarter of an hour or five minutes, whichever is most. Pure."""
    if not len(page):
        return 0.0
    now_us = (asked_at - _EPOCH) / timedelta(microseconds=1)
    is_cut = page.received >= rules.window_trades
    spanned = max(1.0, (now_us - int(page.traded_at_us[0])) / 1e6) if is_cut else rules.window_hours * 3600
    recent = [
        np.count_nonzero(page.traded_at_us >= now_us - seconds * 1e6) / min(seconds, spanned)
        for seconds in _RECENT_SECONDS
    ]
    return float(max(len(page) / spanned, *recent))


def _is_stored(connection: Connection, key: SeriesKey, page: PoolTrades) -> bool:
    """Whether the page's oldest trade was here before."""
    if not len(page):
        return False
    oldest = (_moment(int(page.traded_at_us[0])), str(page.tx_hash[0]), int(page.ordinal[0]))
    with connection.cursor() as cursor:
        cursor.execute(_IS_STORED, (key.venue, key.symbol, *oldest))
        row = cursor.fetchone()
    return bool(row and row[0])


def _moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)
