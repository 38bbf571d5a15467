"""market.trade_bars: the table and its key.

What belongs here: columns and key. What does not: adding up (asset.py) and judging (checks.py).
"""

from __future__ import annotations

from sqlalchemy import BigInteger, PrimaryKeyConstraint, Table

from crypto_assets.schema.columns import METADATA, column, moment, number, provenance, symbol, timeframe, venue

DATASET = "market/trade_bars"
TIMEFRAME = "1m"
_QUOTE = "quote currency"

trade_bars = Table(
    "trade_bars",
    METADATA,
    venue(),
    symbol(),
    timeframe(),
    moment("opened_at", "When the bar opens; its close is one timeframe later"),
    number("open", "Price of the first trade", unit=_QUOTE, nullable=True),
    number("high", "Highest price", unit=_QUOTE, nullable=True),
    number("low", "Lowest price", unit=_QUOTE, nullable=True),
    number("close", "Price of the last trade", unit=_QUOTE, nullable=True),
    number("vwap", "Average price, weighted with the amount", unit=_QUOTE, nullable=True),
    number("volume_base", "Amount traded", unit="base currency"),
    number("volume_quote", "Value traded", unit=_QUOTE),
    number("buy_volume_base", "Amount that takers bought", unit="base currency"),
    number("buy_volume_quote", "Value that takers bought", unit=_QUOTE),
    column("trade_count", BigInteger(), "Matches", unit="trades"),
    column("buy_count", BigInteger(), "Matches in which the taker bought", unit="trades"),
    number(
        "large_from_quote",
        "From this cost on a trade is large: the large_quantile of the market's trades before the hour; null where they are"
        " too few to tell",
        unit=_QUOTE,
        nullable=True,
    ),
    number("large_volume_quote", "Value of large trades; null where none can be told", unit=_QUOTE, nullable=True),
    *provenance(),
    PrimaryKeyConstraint("venue", "symbol", "timeframe", "opened_at"),
    schema="market",
    comment="One minute of one market, added up from all its trades; minutes that are not wholly collected have no row.",
    info={"partition_by": "opened_at"},
    postgresql_partition_by="RANGE (opened_at)",
)

__all__ = ["DATASET", "TIMEFRAME", "trade_bars"]
