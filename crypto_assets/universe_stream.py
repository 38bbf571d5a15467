"""The rules of the stream: which markets' best prices are followed, how, and what is made of them on the way.

What belongs here: the section stream of config/universe.yaml, with its defaults; the reason of each value stands in the file
beside it. What does not: venues and their markets (universe.py), and where the stream writes (settings.py).
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from crypto_assets.universe_rules import Strict

VenueId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{2,30}$")]


class AnalyticsRules(Strict):
    """What is told of quotes while they come, and when.

    Args:
        min_arbitrage_pct: An opportunity is worth telling from so much on, fees deducted, in percent of the price paid.
        persistence_snapshots: So many snapshots in a row have to show it.
        fees_pct: What a taker pays on each venue, in percent.
        default_fee_pct: On a venue that is not named.
        max_spread_pct: A wider spread is an alert, in percent of the bid.
        min_liquidity_usd: A best bid and ask worth less together are an alert.
        summary_seconds: How often the market's health is told.
        min_updates_per_minute: A venue that tells less is worth a warning.
        alert_seconds: The same alert of the same market is told again after so long.
    """

    min_arbitrage_pct: float = Field(default=0.05, ge=0)
    persistence_snapshots: int = Field(default=3, ge=1, le=3600)
    fees_pct: dict[VenueId, Annotated[float, Field(ge=0, le=5)]] = Field(
        default={"mexc": 0.05, "gate": 0.2, "binance": 0.1, "okx": 0.1, "kraken": 0.4, "coinbase": 1.2}
    )
    default_fee_pct: float = Field(default=0.2, ge=0, le=5)
    max_spread_pct: float = Field(default=0.1, gt=0)
    min_liquidity_usd: float = Field(default=1000, ge=0)
    summary_seconds: float = Field(default=10, ge=1)
    min_updates_per_minute: float = Field(default=500, ge=0)
    alert_seconds: float = Field(default=60, ge=0)

    def fee_pct(self, venue: str) -> float:
        """What a taker pays there, in percent."""
        return self.fees_pct.get(venue, self.default_fee_pct)


class StreamRules(Strict):
    """How best prices are followed, snapshotted, judged and kept.

    Args:
        venues: Ids of venues of the universe, all of whose markets are followed; those it does not have are left out. None:
            nobody is followed.
        snapshot_seconds: Distance of the grid that snapshots lie on; it divides a minute.
        stale_seconds: A quote whose event is older counts as stale.
        silent_seconds: A connection without any quote for so long is given up and made anew, even while it answers pings.
        memory_seconds: Snapshots of so long wait in memory while the database is away; then they go to a file.
        max_spill_mb: A file larger than that stops the stream: the disk is not ours alone.
        max_age_hours: A run so old is followed by a new one, which takes over without a second lost.
        keep_days: Whole days older are dropped, once their hours are summed up.
        min_seconds_share: Of an hour's seconds; fewer fail its check.
        max_stale_share: Of an hour's rows; more fail its check.
        max_bar_difference_pct: A minute's last mid may lie so far beside the range of that minute's bar, in percent.
        min_share_matching_bars: Of the minutes compared.
    """

    venues: tuple[VenueId, ...] = ("mexc", "gate")
    snapshot_seconds: int = Field(default=1, ge=1, le=60)
    stale_seconds: float = Field(default=10, gt=0)
    silent_seconds: float = Field(default=15, gt=0)
    memory_seconds: int = Field(default=60, ge=1, le=3600)
    max_spill_mb: float = Field(default=4096, gt=0)
    max_age_hours: float = Field(default=24, gt=0)
    keep_days: int = Field(default=7, ge=1)
    min_seconds_share: float = Field(default=0.999, ge=0, le=1)
    max_stale_share: float = Field(default=0.05, ge=0, le=1)
    max_bar_difference_pct: float = Field(default=0.1, gt=0)
    min_share_matching_bars: float = Field(default=0.95, ge=0, le=1)
    analytics: AnalyticsRules = AnalyticsRules()

    @model_validator(mode="after")
    def _grid_divides_a_minute(self) -> Self:
        if 60 % self.snapshot_seconds:
            raise ValueError("snapshot_seconds must divide 60, so that every minute has the same seconds")
        if len(set(self.venues)) < len(self.venues):
            raise ValueError("venues names one twice")
        return self
