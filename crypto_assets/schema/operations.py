"""What the work of collecting leaves behind for the next run and for whoever looks: polls and providers.

What belongs here: the Tables of schema ops that say how collecting goes. What does not: what was collected
(bookkeeping.py).
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, PrimaryKeyConstraint, Table, Text

from crypto_assets.schema.columns import METADATA, column, moment, number, symbol, venue

market_polls = Table(
    "market_polls",
    METADATA,
    column("dataset", Text(), "Asset key of the dataset, as market/trades"),
    venue(),
    symbol(),
    moment("polled_at", "When the market was last asked"),
    moment("due_at", "When it is to be asked next"),
    number("interval_seconds", "Time between polls, as its activity suggests", unit="seconds"),
    number(
        "activity", "What happened between the last polls, in the dataset's measure", unit="per second", nullable=True
    ),
    column("failures", Integer(), "Polls in a row that brought nothing", unit="times", server_default="0"),
    column("last_error", Text(), "What the last failure was; empty after a success", server_default="''"),
    number("longest_wait_seconds", "Longest time a due poll had to wait for its turn", unit="seconds"),
    moment("updated_at", "When the row was last written", server_default="now()"),
    PrimaryKeyConstraint("dataset", "venue", "symbol"),
    schema="ops",
    comment="When each market was asked and is to be asked next. Written in the transaction that writes its rows.",
)

provider_limits = Table(
    "provider_limits",
    METADATA,
    column("provider", Text(), "Exchange or other provider, by its client's name"),
    moment("next_slot_at", "No request may be sent before; every process that asks takes its slot here"),
    column("breaker", Text(), "closed, open (left alone) or half-open (being tried)", server_default="'closed'"),
    moment("breaker_changed_at", "When the breaker last changed", nullable=True),
    moment("open_until", "Until when the provider is left alone; null while it is not", nullable=True),
    column("failures", Integer(), "Failures in a row when the breaker last changed", unit="times", server_default="0"),
    column("last_error", Text(), "What the last of them was; empty while closed", server_default="''"),
    column("requests", BigInteger(), "Requests sent since the row was made", unit="requests", server_default="0"),
    column(
        "throttled", BigInteger(), "Those that the provider refused as too many", unit="requests", server_default="0"
    ),
    number("latency_ms", "Typical time from a request to its answer", unit="milliseconds", nullable=True),
    moment("updated_at", "When the row was last written", server_default="now()"),
    PrimaryKeyConstraint("provider"),
    schema="ops",
    comment="The pace that all processes keep together towards a provider, and whether it is left alone.",
)

__all__ = ["market_polls", "provider_limits"]
