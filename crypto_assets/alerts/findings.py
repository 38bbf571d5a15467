"""What is wrong as the database alone can tell: scores, gaps, the stream, opportunities.

What belongs here: one function a kind, which gives every alert of its kind there is now. What does not: what Dagster knows
(alert_automation.py) and telling anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode

import pandas as pd
from sqlalchemy import ColumnElement, Table, func, select
from sqlalchemy.dialects.postgresql import distinct_on

from crypto_assets.alerts.alert import ARBITRAGE, LEDGER_GROWTH, LOW_SCORE, STREAM_OUTAGE, Alert, Severity
from crypto_assets.schema.bookkeeping import coverage, scores
from crypto_assets.schema.writes import writes
from crypto_assets.universe import Universe
from crypto_assets.universe_operations import AlertRules
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

# The score of a series that nobody has looked at for longer says nothing of now; staleness is an alert of its own.
SCORED_WITHIN = timedelta(hours=26)
_HOUR = timedelta(hours=1)
_NEW_HOLES = ("missing", "venue_outage", "unrecoverable")  # a quiet venue and a market that is not listed lack nothing
# The stream tells the ledger once a minute how far an outage has come; two of these may be late.
_TOLD_WITHIN = timedelta(minutes=3)
_OPEN_WITHIN = timedelta(seconds=90)  # an opportunity older than one look and a half is gone


@dataclass(frozen=True)
class Look:
    """What a finder is given.

    Args:
        universe: In force; its rules say what is an alert.
        now: The present, UTC.
    """

    warehouse: Warehouse
    universe: Universe
    now: datetime

    @property
    def rules(self) -> AlertRules:
        """The universe's."""
        return self.universe.alerts


type Finder = Callable[[Look], Sequence[Alert]]


def asset_path(dataset: str, view: str = "", **more: str) -> str:
    """The page of an asset in the web UI: view is partitions, events, checks or lineage."""
    asked = urlencode({**({"view": view} if view else {}), **more})
    return f"/assets/{quote(dataset)}{f'?{asked}' if asked else ''}"


def low_scores(look: Look) -> list[Alert]:
    """Datasets and venues of which a series scores below the bound: one alert each, naming the worst."""
    series = (scores.c.dataset, scores.c.venue, scores.c.symbol, scores.c.timeframe)
    newest = (
        select(*series, scores.c.scored_at, scores.c.overall, scores.c.run_id)
        .where(scores.c.scored_at > look.now - SCORED_WITHIN)
        .ext(distinct_on(*series))
        .order_by(*series, scores.c.scored_at.desc())
        .subquery()
    )
    low = read_frame(look.warehouse, select(newest).where(newest.c.overall < look.rules.min_score))
    found = []
    for (dataset, venue), rows in low.sort_values(["overall", "symbol", "timeframe"]).groupby(["dataset", "venue"]):
        worst = rows.iloc[0]
        name = " ".join(part for part in (worst["symbol"], worst["timeframe"]) if part)
        found.append(
            Alert(
                LOW_SCORE,
                f"{dataset} {venue}".strip(),
                Severity.WARNING,
                f"{dataset} of {venue or 'everywhere'} scores {worst['overall']:.3f}",
                f"{len(rows)} series score below {look.rules.min_score:g}; the worst is {name} with {worst['overall']:.4f}.",
                "Rows of them are wrong, absent or late: whoever trains or trades on them should know.",
                "`crypto-assets quality` says which check; `crypto-assets gaps list` which rows lack.",
                asset_path(str(dataset), "checks"),
                _utc(rows["scored_at"].min()),
            )
        )
    return found


def ledger_growth(look: Look) -> list[Alert]:
    """Datasets that gained more gaps within an hour than the bound allows."""
    c = coverage.c
    gaps = func.count().label("gaps")
    statement = (
        select(c.dataset, c.venue, gaps, func.min(c.first_seen).label("since"))
        .where(c.first_seen > look.now - _HOUR, c.first_seen <= look.now, c.state.in_(_NEW_HOLES))
        .group_by(c.dataset, c.venue)
        .order_by(c.dataset, gaps.desc(), c.venue)
    )
    found = []
    for dataset, rows in read_frame(look.warehouse, statement).groupby("dataset"):
        total = int(rows["gaps"].sum())
        if total < look.rules.ledger_growth:
            continue
        worst = rows.iloc[0]
        found.append(
            Alert(
                LEDGER_GROWTH,
                str(dataset),
                Severity.CRITICAL,
                f"{total:,} new gaps of {dataset} within an hour",
                f"{total:,} gaps were noticed since {look.now - _HOUR:%H:%M} UTC, {int(worst['gaps']):,} of them of"
                f" {worst['venue'] or 'no venue'}; the bound is {look.rules.ledger_growth:,}.",
                "Something of ours is broken rather than a venue: an outage of one opens far fewer.",
                "`crypto-assets doctor` tries providers and database; once it is mended, `crypto-assets gaps repair` asks"
                " again.",
                asset_path(str(dataset)),
                _utc(rows["since"].min()),
            )
        )
    return found


def stream_outage(look: Look, quotes: Table) -> list[Alert]:
    """A stream that has stored nothing for too long, and venues of it that have sent nothing for as long.

    Args:
        quotes: The table that the stream writes every second.
    """
    if not any(venue in look.universe.venues for venue in look.universe.stream.venues):
        return []  # the universe follows nobody
    silent = timedelta(seconds=look.rules.stream_silent_seconds)
    # The note that goes with each second is found by index, the newest second itself only market by market.
    last = select(func.max(writes.c.rows_ingested_at).label("at")).where(writes.c.table_name == quotes.fullname)
    at = read_frame(look.warehouse, last)["at"].iloc[0]
    if pd.isna(at):
        return []  # it has never run
    dataset = quotes.fullname.replace(".", "/")
    if look.now - _utc(at) > silent:
        return [
            Alert(
                STREAM_OUTAGE,
                "stream",
                Severity.CRITICAL,
                "The stream stores nothing",
                f"The newest second of quotes was stored {_utc(at):%Y-%m-%d %H:%M:%S} UTC,"
                f" {(look.now - _utc(at)).total_seconds():.0f} seconds ago.",
                "Quotes of these seconds cannot be asked for later; the ledger will name them.",
                "`crypto-assets status` says what runs. Under Dagster the sensor book_ticker_stream_sensor starts it: see its"
                " ticks, and the last run's log.",
                "/runs?" + urlencode({"q[]": "job:book_ticker_stream_job"}),
                _utc(at),
            )
        ]
    return _silent_venues(look, dataset, silent)


def arbitrage(look: Look, opportunities: Table) -> list[Alert]:
    """Opportunities that are open now and earn enough after fees: one alert a market and direction.

    Args:
        opportunities: Where the stream stores them second by second.
    """
    c = opportunities.c
    pair = (c.symbol, c.buy_venue, c.sell_venue)
    best = (
        select(*pair, c.opened_at, c.net_pct, c.profit_quote, c.size_base, c.buy_price, c.sell_price)
        .where(c.snapshot_at > look.now - _OPEN_WITHIN, c.snapshot_at <= look.now, _is_worth(c.net_pct, look.rules))
        .ext(distinct_on(*pair))
        .order_by(*pair, c.net_pct.desc())
    )
    return [
        Alert(
            ARBITRAGE,
            f"{row['symbol']} {row['buy_venue']}>{row['sell_venue']}",
            Severity.NOTICE,
            f"{row['net_pct']:.2f} % after fees: {row['symbol']} from {row['buy_venue']} to {row['sell_venue']}",
            f"Bought at {row['buy_price']:g} and sold at {row['sell_price']:g}, {row['size_base']:g} would have earned"
            f" {row['profit_quote']:.4g} {row['symbol'].rpartition('/')[2]}.",
            "It was there for seconds and for the amount of the best offers alone; transfers and slippage come on top.",
            "`crypto-assets top` shows them live; alerts.min_arbitrage_pct of the universe says which are told.",
            asset_path(opportunities.fullname.replace(".", "/"), "events"),
            _utc(row["opened_at"]),
        )
        for row in read_frame(look.warehouse, best).to_dict("records")
    ]


def _is_worth(net: ColumnElement[float], rules: AlertRules) -> ColumnElement[bool]:
    return net >= rules.min_arbitrage_pct


def _silent_venues(look: Look, dataset: str, silent: timedelta) -> list[Alert]:
    """Venues whose markets have had no feed for too long, while the stream itself is well."""
    c = coverage.c
    statement = (
        select(c.venue, func.count(c.symbol.distinct()).label("markets"), func.min(c.gap_start).label("since"))
        .where(
            c.dataset == dataset,
            c.state == "venue_outage",
            c.gap_end > look.now - _TOLD_WITHIN,
            c.gap_end - c.gap_start >= silent,
        )
        .group_by(c.venue)
        .order_by(c.venue)
    )
    return [
        Alert(
            STREAM_OUTAGE,
            str(row["venue"]),
            Severity.WARNING,
            f"{row['venue']} sends no quotes",
            f"{row['markets']} markets of {row['venue']} have had no feed since {_utc(row['since']):%H:%M:%S} UTC.",
            "The stream goes on with the others and connects again by itself; the ledger names the seconds.",
            "`crypto-assets doctor` tries the venue; its own status page says more.",
            asset_path(dataset, "checks"),
            _utc(row["since"]),
        )
        for row in read_frame(look.warehouse, statement).to_dict("records")
        if row["venue"] in look.universe.stream.venues
    ]


def _utc(moment: object) -> datetime:
    return pd.Timestamp(moment).to_pydatetime().astimezone(UTC)  # type: ignore[arg-type]
