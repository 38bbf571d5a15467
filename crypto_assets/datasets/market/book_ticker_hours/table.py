"""market.book_ticker_hours: the table and its key.

What belongs here: columns and key; other datasets read sums of quotes through this module alone. What does not: summing up
(build.py) and judging (checks.py).
"""

from __future__ import annotations

from sqlalchemy import Integer, PrimaryKeyConstraint, Table

from crypto_assets.schema.columns import METADATA, column, moment, number, provenance, symbol, venue

DATASET = "market/book_ticker_hours"
HOUR_SECONDS = 3600
_QUOTE, _BPS, _SECONDS = "quote currency", "basis points", "seconds"

book_ticker_hours = Table(
    "book_ticker_hours",
    METADATA,
    venue(),
    symbol(),
    moment("opened_at", "When the hour begins"),
    column("snapshots", Integer(), "Snapshots stored of the hour, fresh or stale", unit="rows"),
    column("seconds", Integer(), "Of the hour, with a fresh quote", unit=_SECONDS),
    column("stale_seconds", Integer(), "Of the hour, with a quote that was marked stale", unit=_SECONDS),
    column("expected_seconds", Integer(), "Of the hour", unit=_SECONDS),
    column("compared_seconds", Integer(), "Fresh ones right behind a fresh one of the same hour", unit=_SECONDS),
    column(
        "quote_changes", Integer(), "Of the compared ones, those whose quote differs from the one before", unit="rows"
    ),
    number("spread_bps_mean", "Ask less bid over the middle, mean of fresh ones", unit=_BPS, nullable=True),
    number("spread_bps_max", "The widest of them", unit=_BPS, nullable=True),
    number(
        "imbalance_mean", "Bid's quantity less the ask's over both, mean of fresh ones", unit="-1..1", nullable=True
    ),
    number(
        "realized_volatility",
        "Root of the summed squared log returns of the middle over the compared ones",
        unit="fraction",
        nullable=True,
    ),
    number("mid_open", "Middle of the first fresh quote", unit=_QUOTE, nullable=True),
    number("mid_close", "Middle of the last fresh quote", unit=_QUOTE, nullable=True),
    number("bid_depth_quote_mean", "Value of the best bid, mean of fresh ones", unit=_QUOTE, nullable=True),
    number("ask_depth_quote_mean", "Value of the best ask, mean of fresh ones", unit=_QUOTE, nullable=True),
    *provenance(),
    PrimaryKeyConstraint("venue", "symbol", "opened_at"),
    schema="market",
    comment="What an hour of quotes of every second of one market adds up to; fresh ones alone count in prices.",
    info={"partition_by": "opened_at"},
    postgresql_partition_by="RANGE (opened_at)",
)

__all__ = ["DATASET", "HOUR_SECONDS", "book_ticker_hours"]
