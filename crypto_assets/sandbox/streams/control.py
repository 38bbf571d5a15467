"""What is told of streams and asked about them from outside, as models.

What belongs here: settings and counts. What does not: faults (plan.py), and the addresses (serving.py).
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class StreamSettings(BaseModel):
    """What is set of the streams; what is None stays.

    Args:
        rate: Quotes a second of each market.
        playback_speed: Pauses of recordings are divided by it; 0 leaves them out, as at first.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rate: float | None = Field(default=None, ge=0.001, le=100_000)
    playback_speed: float | None = Field(default=None, ge=0, le=1_000_000)


class LastQuote(BaseModel):
    """The newest quote sent of a market: its number, and when it was written, microseconds since 1970."""

    k: int
    at_us: int


class StreamCounts(BaseModel):
    """What a venue's streams carry and have carried.

    Args:
        opened: Connections there have been.
        frames: Sent, those with quotes.
        skipped: Not sent, as a client read too slowly.
        overdue: Not sent, as the sandbox itself was too slow: what was measured meanwhile means little.
        last: By unified symbol.
    """

    connections: int
    subscriptions: int
    opened: int
    frames: int
    skipped: int
    overdue: int
    last: dict[str, LastQuote]
