"""What people are told of: alerts, the messages that went out, and what is silenced.

What belongs here: the Tables. What does not: filling them (alerts/).
"""

from __future__ import annotations

from sqlalchemy import ARRAY, BigInteger, Column, Identity, Integer, PrimaryKeyConstraint, Table, Text

from crypto_assets.schema.columns import METADATA, column, moment

alerts = Table(
    "alerts",
    METADATA,
    column("kind", Text(), "What is wrong, as failed_run"),
    column("subject", Text(), "With what: an asset, a partition, a market"),
    column("state", Text(), "open while it lasts, then over"),
    column("severity", Text(), "critical, warning or notice"),
    column("title", Text(), "The alert in a line"),
    column("body", Text(), "What happened, what it means and the way out"),
    column("link", Text(), "Page of the web UI that shows it"),
    moment("first_at", "Since when it lasts, or lasted"),
    moment("last_at", "When it was last seen"),
    moment("over_at", "When it was found over; null while it lasts", nullable=True),
    moment(
        "told_at",
        "When the first address took it, or a reminder; null where people do not know of it, or all were told that it is over",
        nullable=True,
    ),
    moment("claimed_at", "Since when a process is about to tell it; null otherwise", nullable=True),
    column(
        "taken_by",
        ARRAY(Text()),
        "Addresses that took the present message already, by place and scheme, while others failed",
        server_default="'{}'",
    ),
    column("rounds", BigInteger(), "Looks that saw it since it began", unit="looks"),
    column("times_told", Integer(), "Messages that spoke of it", unit="messages", server_default="0"),
    column("failed_deliveries", Integer(), "Attempts that an address failed", unit="attempts", server_default="0"),
    PrimaryKeyConstraint("kind", "subject"),
    schema="ops",
    comment="What people are to be told of, and have been: one row a kind and subject, kept when it is over.",
)

alert_messages = Table(
    "alert_messages",
    METADATA,
    Column(
        "message_id",
        BigInteger(),
        Identity(always=True),
        comment="Sequence number, given by the database",
        info={"unit": ""},
    ),
    moment("sent_at", "When the first address took it"),
    column("alerts", Integer(), "Alerts that it speaks of", unit="alerts"),
    column("title", Text(), "Its first line"),
    PrimaryKeyConstraint("message_id"),
    schema="ops",
    comment="Messages that went out, by which so many an hour are held; kept for a month.",
)

alert_silences = Table(
    "alert_silences",
    METADATA,
    column("kind", Text(), "Kind of alert"),
    column("subject", Text(), "Its subject; empty for every one of the kind"),
    moment("until", "From then on it is told again"),
    column("silenced_by", Text(), "Who asked for it"),
    PrimaryKeyConstraint("kind", "subject"),
    schema="ops",
    comment="What nobody wants to be told of for a while.",
)

__all__ = ["alert_messages", "alert_silences", "alerts"]
