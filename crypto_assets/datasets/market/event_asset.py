"""The asset around events and snapshots: config, partitions, errors, and what a run shows in the UI.

What belongs here: what trades, order books and tickers have in common. What does not: how each is collected.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
from pydantic import Field
from sqlalchemy import Table

from crypto_assets.clients.exchange import Exchange
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.partitions import Grids, VenueWindow, venue_days
from crypto_assets.resources import Exchanges, UniverseFile
from crypto_assets.schema.dagster_schema import table_schema
from crypto_assets.universe import Market, Universe, UniverseError, market_window
from crypto_assets.warehouse.connection import Warehouse

# Collected every five minutes: three missed rounds are worth a look, nine mean that it stands still.
FRESHNESS = dg.FreshnessPolicy.time_window(warn_window=timedelta(minutes=20), fail_window=timedelta(minutes=50))
POOL = "events"  # how many venues are asked at once; its limit stands in dagster.yaml
SHOWN = 200  # rows of a table in the UI


class TooManyMarketsFailed(CryptoAssetsError):
    """More of a run's markets failed than the universe's bound allows."""


class EventConfig(dg.Config):
    """What a run collects; left out means every market of the venue, now."""

    markets: list[str] = Field(
        default=[], description="Unified symbols, as BTC/USDT. Empty: every market of the venue."
    )
    due_only: bool = Field(
        default=False,
        description="As schedules run it: only markets whose next poll is due, from where the last one ended.",
    )


@dataclass(frozen=True)
class EventOutcome:
    """What a run brought of one market.

    Args:
        received: Sound rows that arrived.
        absent: Spans of time for which rows are known to be missing.
        turns: How often it was asked.
        waited_seconds: Longest time that it was due before its turn came.
        warning: Why it is not complete; empty where it is.
        failed: Whether the venue failed it, so that it counts against the run.
        postponed: Whether it was left to the next run: the venue is left alone, or the run's time was up.
    """

    venue: str
    symbol: str
    received: int = 0
    inserted: int = 0
    changed: int = 0
    quarantined: int = 0
    absent: int = 0
    turns: int = 0
    first: datetime | None = None
    last: datetime | None = None
    seconds: float = 0.0
    waited_seconds: float = 0.0
    warning: str = ""
    failed: bool = False
    postponed: bool = False

    def __add__(self, later: "EventOutcome") -> "EventOutcome":
        firsts = [one.first for one in (self, later) if one.first]
        lasts = [one.last for one in (self, later) if one.last]
        sums = ("received", "inserted", "changed", "quarantined", "absent", "turns", "seconds")
        return replace(
            later,
            first=min(firsts, default=None),
            last=max(lasts, default=None),
            waited_seconds=max(self.waited_seconds, later.waited_seconds),
            **{name: getattr(self, name) + getattr(later, name) for name in sums},
        )


@dataclass(frozen=True)
class EventRun[C: EventConfig]:
    """What collecting one venue's window is given."""

    log: dg.DagsterLogManager
    warehouse: Warehouse
    exchange: Exchange
    universe: Universe
    window: VenueWindow
    config: C

    def markets(self) -> list[Market]:
        """The markets wanted in the window.

        Raises:
            UniverseError: an unknown symbol.
        """
        chosen = self.universe.select_markets(self.window.venue, tuple(self.config.markets))
        spans = {market.symbol: market_window(market, self.window.start, self.window.end) for market in chosen}
        return [market for market in chosen if spans[market.symbol][0] < spans[market.symbol][1]]

    def is_open(self, now: datetime) -> bool:
        """Whether the window still runs, so that there is something to see of it."""
        return self.window.start <= now < self.window.end


def event_asset[C: EventConfig](
    dataset: str,
    table: Table,
    grids: Grids,
    config_type: type[C],
    collect: Callable[[EventRun[C]], Sequence[EventOutcome]],
    *,
    description: str,
    after: Sequence[str] = (),
) -> dg.AssetsDefinition:
    """An asset of events or snapshots, day × venue.

    Args:
        dataset: Its name, which is its key and its table.
        table: Where its rows go.
        grids: Of the universe in force.
        config_type: What a run may be told.
        collect: Collects one venue's window and says what came of each market.
        description: For the UI.
        after: Datasets that it rests on.
    """

    def run(
        context: dg.AssetExecutionContext,
        config: EventConfig,
        warehouse: dg.ResourceParam[Warehouse],
        universe_file: dg.ResourceParam[UniverseFile],
        exchanges: dg.ResourceParam[Exchanges],
    ) -> dg.MaterializeResult[None]:
        began = time.monotonic()
        try:
            universe = universe_file.in_force().universe
            outcomes: list[EventOutcome] = []
            for window in venue_days(context.partition_keys):
                exchange = exchanges.client(window.venue, universe)
                try:
                    outcomes += collect(EventRun(context.log, warehouse, exchange, universe, window, config))  # type: ignore[arg-type]
                finally:
                    exchange.close()
            tell(context.log, outcomes)
            judge(outcomes, universe.bounds.max_failed_market_share)
        except CryptoAssetsError as error:
            # A venue or a database may recover; a wrong symbol stays wrong however often it is tried.
            raise dg.Failure(str(error), allow_retries=not isinstance(error, UniverseError)) from error
        return dg.MaterializeResult(metadata=describe(outcomes, time.monotonic() - began))

    run.__name__ = dataset.rpartition("/")[2]
    run.__annotations__["config"] = config_type
    return dg.asset(
        key=dg.AssetKey(dataset.split("/")),
        deps=[dg.AssetKey(name.split("/")) for name in after],
        partitions_def=grids.days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        freshness_policy=FRESHNESS,
        pool=POOL,
        group_name="market",
        kinds={"python", "postgres"},
        metadata={"dagster/column_schema": table_schema(table), "dagster/table_name": table.fullname},
        description=description,
    )(run)


def tell(log: dg.DagsterLogManager, outcomes: Sequence[EventOutcome]) -> None:
    """Say what came of each market, in the run's log."""
    for number, outcome in enumerate(outcomes, 1):
        say = log.warning if outcome.warning else log.info
        say("%d/%d %s", number, len(outcomes), one_line(outcome))


def one_line(outcome: EventOutcome) -> str:
    """An outcome in words."""
    told = f"{outcome.received:,} rows, {outcome.inserted:,} new, {outcome.quarantined} quarantined"
    warning = f": {outcome.warning}" if outcome.warning else ""
    return f"{outcome.venue} {outcome.symbol}: {told}, {outcome.seconds:.1f} s{warning}"


def joined(outcomes: Iterable[EventOutcome]) -> list[EventOutcome]:
    """One outcome a market, in the order in which they first had a turn. Pure."""
    found: dict[tuple[str, str], EventOutcome] = {}
    for one in outcomes:
        key = (one.venue, one.symbol)
        found[key] = found[key] + one if key in found else one
    return list(found.values())


def judge(outcomes: Sequence[EventOutcome], bound: float) -> None:
    """Let a run stand while no more than `bound` of its markets failed; what was postponed did not fail. Pure.

    Raises:
        TooManyMarketsFailed: naming the first of them.
    """
    failed = [one for one in outcomes if one.failed and not one.postponed]
    if not failed or len(failed) / len(outcomes) <= bound:
        return
    names = ", ".join(f"{one.venue} {one.symbol}" for one in failed[:5])
    raise TooManyMarketsFailed(
        f"{len(failed)} of {len(outcomes)} markets failed (the bound is {bound:.0%}): {names}"
        f"{' and more' if len(failed) > 5 else ''}; first: {failed[0].warning}",
        way_out="`crypto-assets doctor` tries the providers; what was collected is stored, a rerun resumes.",
    )


def describe(outcomes: Sequence[EventOutcome], seconds: float) -> dict[str, dg.MetadataValue[Any]]:
    """What the run shows in the UI: counts, a row a market, warnings, timing. Pure."""
    counts = {
        "dagster/row_count": sum(one.received for one in outcomes),
        "rows_written": sum(one.inserted for one in outcomes),
        "rows_changed": sum(one.changed for one in outcomes),
        "rows_quarantined": sum(one.quarantined for one in outcomes),
        "spans_absent": sum(one.absent for one in outcomes),
        "markets_postponed": sum(one.postponed for one in outcomes),
    }
    metadata: dict[str, dg.MetadataValue[Any]] = {name: dg.MetadataValue.int(count) for name, count in counts.items()}
    records = [dg.TableRecord(_record(one)) for one in outcomes[:SHOWN]]
    metadata["markets"] = dg.MetadataValue.table(records or [dg.TableRecord({"market": "nothing to collect"})])
    metadata["seconds"] = dg.MetadataValue.float(round(seconds, 2))
    metadata["longest_wait_seconds"] = dg.MetadataValue.float(
        round(max((one.waited_seconds for one in outcomes), default=0.0), 2)
    )
    lasts = [one.last for one in outcomes if one.last]
    if lasts:
        metadata["last_row"] = dg.MetadataValue.timestamp(max(lasts))
    warnings = [one_line(one) for one in outcomes if one.warning]
    if warnings:
        metadata["warnings"] = dg.MetadataValue.md("\n".join(f"- {line}" for line in warnings[:50]))
    return metadata


def _record(one: EventOutcome) -> dict[str, str | int | float]:
    return {
        "market": f"{one.venue} {one.symbol}",
        "received": one.received,
        "written": one.inserted,
        "changed": one.changed,
        "quarantined": one.quarantined,
        "absent": one.absent,
        "turns": one.turns,
        "waited_seconds": round(one.waited_seconds, 2),
        "last_row": f"{one.last:%Y-%m-%d %H:%M:%S}" if one.last else "",
        "seconds": round(one.seconds, 2),
        "warning": one.warning,
    }
