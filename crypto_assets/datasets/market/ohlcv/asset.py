"""The asset market/ohlcv: which series a run collects, and what it reports.

What belongs here: run config, the choice of series, metadata, the asset itself. What does not: the loop that collects
(collect.py), the rules that judge (checks.py), when it runs (automation.py).
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from pydantic import Field
from sqlalchemy import select

from crypto_assets.clients.exchange import Exchange
from crypto_assets.datasets.market.instruments.table import ended_symbols
from crypto_assets.datasets.market.ohlcv.collect import Outcome, Series, collect_series
from crypto_assets.datasets.market.ohlcv.repair import name_gaps_of, plan_repair, repair_series, repairing
from crypto_assets.datasets.market.ohlcv.table import DATASET
from crypto_assets.datasets.market.ohlcv.table import ohlcv as table
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.latest.telling import LatestValues, Tell
from crypto_assets.partitions import Grids, VenueWindow, venue_windows
from crypto_assets.quality.heat_map import coverage_map
from crypto_assets.resources import Exchanges, UniverseFile
from crypto_assets.schema.dagster_schema import table_schema
from crypto_assets.schema.plots import data_uri, sparkline_svg
from crypto_assets.spans import hull
from crypto_assets.universe import (
    TIMEFRAME_LENGTH,
    Gaps,
    Universe,
    UniverseError,
    market_window,
    parse_moment,
    require_exchange_timeframe,
)
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.lease import lease
from crypto_assets.warehouse.read import read_frame

# The open window is collected every 30 minutes: two missed ticks are worth a look, four mean that it stands still.
FRESHNESS = dg.FreshnessPolicy.time_window(warn_window=timedelta(minutes=75), fail_window=timedelta(minutes=135))
# A run that failed by its share of markets is worth two more tries, well apart: outages last minutes.
RETRY = dg.RetryPolicy(max_retries=2, delay=30, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
PLOTTED_POINTS = 160
POOL = "venues"  # how many venues are asked at once; its limit stands in dagster.yaml


class TooManyMarketsFailed(CryptoAssetsError):
    """More of a run's series failed than the universe's bound allows."""


class OhlcvConfig(dg.Config):
    """What a run collects; left out means all that the universe names."""

    markets: list[str] = Field(
        default=[], description="Unified symbols, as BTC/USDT. Empty: every market of the venue."
    )
    timeframes: list[str] = Field(default=[], description="Of 1m 5m 15m 30m 1h 4h 1d. Empty: those of the universe.")
    since: str = Field(default="", description="First opening time, ISO 8601, UTC. Empty: the partition's start.")
    until: str = Field(default="", description="Opening times before this, ISO 8601, UTC. Empty: the partition's end.")
    refresh: bool = Field(
        default=False, description="Ask again for what is stored, to find what the venue has changed."
    )
    repair: bool = Field(
        default=False, description="Collect nothing; ask again for bars that are missing, and name them."
    )


def choose_series(universe: Universe, window: VenueWindow, config: OhlcvConfig, served: frozenset[str]) -> list[Series]:
    """The series of one venue's window: universe, config and what the venue serves, put together. Pure.

    Raises:
        UniverseError: an unknown symbol or timeframe, or a time that is none.
    """
    for timeframe in config.timeframes:
        require_exchange_timeframe(timeframe)
    since, until = parse_moment(config.since, "since"), parse_moment(config.until, "until")
    start = max(window.start, since) if since else window.start
    end = min(window.end, until) if until else window.end
    chosen = []
    for market in universe.select_markets(window.venue, tuple(config.markets)):
        first, last = market_window(market, start, end)
        for timeframe in universe.timeframes_of(window.venue, market.symbol):
            wanted = timeframe in served and (not config.timeframes or timeframe in config.timeframes)
            if wanted and first < last:
                chosen.append(Series(window.venue, market.symbol, timeframe, first, last))
    return chosen


def build_asset(grids: Grids) -> dg.AssetsDefinition:
    """The asset over the grids of the universe in force; automation.py adds when it runs."""

    @dg.asset(
        key=dg.AssetKey(DATASET.split("/")),
        partitions_def=grids.bars,
        backfill_policy=dg.BackfillPolicy.single_run(),
        freshness_policy=FRESHNESS,
        retry_policy=RETRY,
        pool=POOL,
        group_name="market",
        kinds={"python", "postgres"},
        metadata={"dagster/column_schema": table_schema(table), "dagster/table_name": table.fullname},
        description="Closed bars of every market in the universe, month × venue; 1m to 1d. Incremental and resumable.",
    )
    def ohlcv(
        context: dg.AssetExecutionContext,
        config: OhlcvConfig,
        warehouse: dg.ResourceParam[Warehouse],
        universe_file: dg.ResourceParam[UniverseFile],
        exchanges: dg.ResourceParam[Exchanges],
        latest: dg.ResourceParam[LatestValues],
    ) -> dg.MaterializeResult[None]:
        began = time.monotonic()
        try:
            in_force = universe_file.in_force()
            if in_force.problem:
                context.log.warning("The universe file is refused; the last valid one holds. %s", in_force.problem)
            outcomes: list[Outcome] = []
            with latest.telling() as telling:
                for window in venue_windows(context.partition_keys):
                    run = _Run(context.log, warehouse, exchanges, in_force.universe, config, telling)
                    outcomes += _collect_window(run, window)
            judge(outcomes, in_force.universe.bounds.max_failed_market_share)
        except CryptoAssetsError as error:
            # A venue or a database may recover; a wrong symbol or date stays wrong however often it is tried.
            raise dg.Failure(str(error), allow_retries=not isinstance(error, UniverseError)) from error
        return dg.MaterializeResult(metadata=describe(warehouse, outcomes, time.monotonic() - began))

    return ohlcv


@dataclass(frozen=True)
class _Run:
    """What a run works with."""

    log: dg.DagsterLogManager
    warehouse: Warehouse
    exchanges: Exchanges
    universe: Universe
    config: OhlcvConfig
    tell: Tell


def _collect_window(run: _Run, window: VenueWindow) -> list[Outcome]:
    exchange = run.exchanges.client(window.venue, run.universe)
    series = choose_series(run.universe, window, run.config, exchange.timeframes())
    try:
        if run.config.repair:
            outcomes = _repair(run.log, run.warehouse, exchange, run.universe.gaps, series)
        else:
            outcomes = _collect(run, exchange, series)
    finally:
        exchange.close()
    lengths = ((one.timeframe, (one.start, one.end)) for one in series)
    name_gaps_of(run.warehouse, window.venue, lengths, run.universe.gaps)
    return outcomes


def _collect(run: _Run, exchange: Exchange, series: Sequence[Series]) -> list[Outcome]:
    outcomes = []
    ended = ended_symbols(run.warehouse, exchange.name)
    with lease(run.warehouse, f"venue {exchange.name}"):
        for number, one in enumerate(series, 1):
            has_ended = one.symbol in ended
            outcome = collect_series(
                run.warehouse, exchange, one, refresh=run.config.refresh, has_ended=has_ended, tell=run.tell
            )
            outcomes.append(outcome)
            _tell(run.log, outcome, number, len(series))
    return outcomes


def _repair(
    log: dg.DagsterLogManager, warehouse: Warehouse, exchange: Exchange, rules: Gaps, series: Sequence[Series]
) -> list[Outcome]:
    outcomes = []
    with repairing(warehouse, exchange.name, (one.symbol for one in series)) as busy:
        if busy:
            log.warning("Another repair is at work on %s; they are left out.", ", ".join(busy))
        chosen = [one for one in series if one.symbol not in busy]
        with lease(warehouse, f"venue {exchange.name}"):
            for number, one in enumerate(chosen, 1):
                reach = exchange.reach(one.timeframe, datetime.now(UTC))
                plan = plan_repair(warehouse, one, page_bars=exchange.venue.page_bars, rules=rules, reach=reach)
                outcomes.append(repair_series(warehouse, exchange, plan, rules))
                _tell(log, outcomes[-1], number, len(chosen))
    return outcomes


def _tell(log: dg.DagsterLogManager, outcome: Outcome, number: int, of: int) -> None:
    say = log.warning if outcome.warning else log.info
    say("%d/%d %s", number, of, _one_line(outcome))


def _one_line(outcome: Outcome) -> str:
    series = outcome.series
    told = (
        f"{outcome.received} bars, {outcome.inserted} new, {outcome.changed} changed, {outcome.quarantined} quarantined"
    )
    warning = f": {outcome.warning}" if outcome.warning else ""
    return f"{series.venue} {series.symbol} {series.timeframe}: {told}, {outcome.seconds:.1f} s{warning}"


def judge(outcomes: Sequence[Outcome], bound: float) -> None:
    """Let a run stand while no more than `bound` of its series failed. Pure.

    Raises:
        TooManyMarketsFailed: naming the first of them.
    """
    failed = [outcome for outcome in outcomes if outcome.failed]
    if not failed or len(failed) / len(outcomes) <= bound:
        return
    names = ", ".join(f"{o.series.venue} {o.series.symbol} {o.series.timeframe}" for o in failed[:5])
    raise TooManyMarketsFailed(
        f"{len(failed)} of {len(outcomes)} series failed (the bound is {bound:.0%}): {names}"
        f"{' and more' if len(failed) > 5 else ''}; first: {failed[0].warning}",
        way_out="`crypto-assets doctor` tries the providers; what was collected is stored, a rerun resumes.",
    )


def describe(warehouse: Warehouse, outcomes: Sequence[Outcome], seconds: float) -> dict[str, dg.MetadataValue[Any]]:
    """What the run shows in the UI: counts, a row a series, column schema, a price line, timing."""
    firsts = [outcome.first for outcome in outcomes if outcome.first]
    lasts = [outcome.last for outcome in outcomes if outcome.last]
    warnings = [_one_line(outcome) for outcome in outcomes if outcome.warning]
    counts = {
        "dagster/row_count": sum(outcome.received for outcome in outcomes),
        "rows_written": sum(outcome.inserted for outcome in outcomes),
        "rows_changed": sum(outcome.changed for outcome in outcomes),
        "rows_quarantined": sum(outcome.quarantined for outcome in outcomes),
        "bars_absent": sum(outcome.absent for outcome in outcomes),
        "repair_requests": sum(outcome.requests for outcome in outcomes),
    }
    metadata: dict[str, dg.MetadataValue[Any]] = {name: dg.MetadataValue.int(count) for name, count in counts.items()}
    records = [dg.TableRecord(_record(outcome)) for outcome in outcomes] or [dg.TableRecord(_NOTHING)]
    metadata["markets"] = dg.MetadataValue.table(records=records)
    metadata["seconds"] = dg.MetadataValue.float(round(seconds, 2))
    if firsts:
        metadata["first_bar"] = dg.MetadataValue.timestamp(min(firsts))
        metadata["last_bar"] = dg.MetadataValue.timestamp(max(lasts))
    if warnings:
        metadata["warnings"] = dg.MetadataValue.md("\n".join(f"- {line}" for line in warnings[:50]))
    for name, plot in (("close", _plot(warehouse, outcomes)), ("coverage", _coverage_plot(warehouse, outcomes))):
        if plot:
            metadata[name] = dg.MetadataValue.md(plot)
    return metadata


_NOTHING: dict[str, str | int | float] = {"market": "nothing to collect", "timeframe": "", "received": 0}


def _record(outcome: Outcome) -> dict[str, str | int | float]:
    return {
        "market": f"{outcome.series.venue} {outcome.series.symbol}",
        "timeframe": outcome.series.timeframe,
        "received": outcome.received,
        "written": outcome.inserted,
        "changed": outcome.changed,
        "quarantined": outcome.quarantined,
        "absent": outcome.absent,
        "first_bar": f"{outcome.first:%Y-%m-%d %H:%M}" if outcome.first else "",
        "last_bar": f"{outcome.last:%Y-%m-%d %H:%M}" if outcome.last else "",
        "seconds": round(outcome.seconds, 2),
        "warning": outcome.warning,
    }


def _plot(warehouse: Warehouse, outcomes: Sequence[Outcome]) -> str:
    """Markdown with the closes of the first market collected, at the coarsest length that has enough points."""
    filled = [outcome.series for outcome in outcomes if outcome.first]
    if not filled:
        return ""
    first = filled[0]
    same = [one for one in filled if (one.venue, one.symbol) == (first.venue, first.symbol)]
    by_points = sorted(
        same, key=lambda one: abs((one.end - one.start) / TIMEFRAME_LENGTH[one.timeframe] - PLOTTED_POINTS)
    )
    one = by_points[0]
    frame = read_frame(
        warehouse,
        select(table.c.close)
        .where(table.c.venue == one.venue, table.c.symbol == one.symbol, table.c.timeframe == one.timeframe)
        .where(table.c.opened_at >= one.start, table.c.opened_at < one.end)
        .order_by(table.c.opened_at),
    )
    closes = frame["close"].to_numpy()
    thinned = closes[:: max(1, len(closes) // PLOTTED_POINTS)]
    title = f"{one.venue} {one.symbol} {one.timeframe} close"
    svg = sparkline_svg(thinned.tolist(), title=title)
    if not svg:
        return ""
    return f"**{title}**, {closes.min():,.6g} to {closes.max():,.6g}\n\n![{title}]({data_uri(svg)})"


def _coverage_plot(warehouse: Warehouse, outcomes: Sequence[Outcome]) -> str:
    """Markdown with the heat map of the run's series over their time: which bars are there, and why others are not."""
    window = hull([(one.series.start, min(one.series.end, datetime.now(UTC))) for one in outcomes])
    if window is None:
        return ""
    svg = coverage_map(warehouse, DATASET, window, series=[one.series.key for one in outcomes])
    return f"![coverage]({data_uri(svg)})" if svg else ""
