"""When things run: jobs, schedules, sensors, automation conditions.

What belongs here: the triggers of every dataset. What does not: what a run does (datasets) and how many run at once
(dagster.yaml).

The open month is collected every half hour by a schedule, the open day's trades, books and tickers every five minutes;
months without any data, as far back as the universe's automatic_history_days, by an automation condition, and so are chains'
metrics and the Fear & Greed index; everything else by a backfill. All of them run the same assets. What derives from bars
follows them by a condition. Gaps that are due are repaired by a sensor: the same asset again, told to repair and which
markets.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from crypto_assets.datasets.market.ohlcv.table import DATASET
from crypto_assets.datasets.market.trades.table import DATASET as TRADES
from crypto_assets.partitions import VENUE, day_key, join_day_key, join_key, month_key, month_window
from crypto_assets.quality.coverage import SeriesKey, missing_gaps
from crypto_assets.quality.gaps import Gap, is_due
from crypto_assets.resources import UniverseFile
from crypto_assets.runs_at_work import is_at_work
from crypto_assets.universe import Universe, UniverseError, market_window
from crypto_assets.warehouse.collected import collected_until
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.limits import resting_providers

type Condition = dg.AutomationCondition[dg.AssetKey | dg.AssetCheckKey]

OHLCV = dg.AssetKey(["market", "ohlcv"])
INSTRUMENTS = dg.AssetKey(["market", "instruments"])
FEATURES = dg.AssetKey(["features", "ml_features"])
METRICS, FEAR_GREED = dg.AssetKey(["onchain", "metrics"]), dg.AssetKey(["sentiment", "fear_greed"])
DERIVED = [dg.AssetKey(["features", "technical_indicators"]), FEATURES, dg.AssetKey(["features", "labels"])]
EVENTS = [dg.AssetKey(["market", name]) for name in ("tickers", "trades", "trade_bars", "order_books")]
TRADES_KEY, TRADE_BARS = EVENTS[1:3]
REPAIRS_A_TICK = 12  # runs a sensor's tick may request: an outage's aftermath should not fill the queue
# Bars of a month's last half hour are collected after it has ended: the day after, the month before is visited too.
ROLLOVER = timedelta(days=1)
EVENTS_EVERY = timedelta(minutes=5)
# Trades of days that nobody collected since the last round are caught up, no further back than this: more is a backfill's.
CATCH_UP = timedelta(days=7)
# Dagster counts back from the end of the open month: so much more, and the whole history lies in what is requested.
_A_MONTH = timedelta(days=31)
_BOOKS_STOP = timedelta(minutes=1)  # a run that watches books ends so long before the next one begins

collect_ohlcv = dg.define_asset_job(
    "collect_ohlcv",
    selection=dg.AssetSelection.assets(OHLCV),
    description="Collect bars of one month and venue, then check them.",
)

repair_ohlcv = dg.define_asset_job(
    "repair_ohlcv",
    selection=dg.AssetSelection.assets(OHLCV),
    config={"ops": {"market__ohlcv": {"config": {"repair": True}}}},
    description="Ask again for the missing bars of one month and venue, name what stays absent, then check.",
)
derive_features = dg.define_asset_job(
    "derive_features",
    selection=dg.AssetSelection.assets(*DERIVED),
    description="Compute indicators, features and labels of one month and venue from its bars, then check them.",
)
refresh_instruments = dg.define_asset_job(
    "refresh_instruments",
    selection=dg.AssetSelection.assets(INSTRUMENTS),
    description="Ask a venue which markets it lists, and keep what changed.",
)


collect_events = dg.define_asset_job(
    "collect_events",
    selection=dg.AssetSelection.assets(*EVENTS),
    description="Collect trades, order books and tickers of one day and venue, add trades up to bars, then check them.",
)


def open_months(now: datetime) -> list[str]:
    """The month partitions that may still gain bars: the present one, and on its first day the one before."""
    return sorted({month_key(now - ROLLOVER), month_key(now)})


def event_config(universe: Universe) -> dict[str, object]:
    """The run config of a scheduled round: just what is due; books for the whole time where they are wanted more often."""
    lasts = EVENTS_EVERY - _BOOKS_STOP
    is_dense = timedelta(seconds=universe.order_books.interval_seconds) < EVENTS_EVERY
    minutes = lasts / timedelta(minutes=1) if is_dense else 0.0
    config: dict[str, dict[str, object]] = {
        name: {"config": {"due_only": True}} for name in ("market__tickers", "market__trades", "market__trade_bars")
    }
    config["market__order_books"] = {"config": {"due_only": True, "minutes": minutes}}
    return {"ops": config}


def open_days(now: datetime, collected_until: datetime | None) -> list[str]:
    """The days that a round asks for: from where trades were last collected to the present one. Pure.

    Args:
        collected_until: The end of what was collected last, of the market that is furthest behind; None for nothing yet.
    """
    first = max(collected_until, now - CATCH_UP) if collected_until is not None and collected_until < now else now
    days = (now.date() - first.astimezone(UTC).date()).days
    return [day_key(now - timedelta(days=back)) for back in range(days, -1, -1)]


def missing_history(days: float) -> Condition:
    """Requests each month or day of so many days that holds nothing, once."""
    recent = dg.AutomationCondition.in_latest_time_window(timedelta(days=max(1, days)))
    return (recent & missing_once()).with_label("missing_history")


def missing_once() -> Condition:
    """Requests what holds nothing, once."""
    condition = dg.AutomationCondition
    handled = condition.newly_requested() | condition.newly_updated()
    # Not on_missing(): that one leaves out what was missing when it was first evaluated, which here is everything.
    unhandled = condition.missing().newly_true().since(handled)
    return (condition.missing() & unhandled & ~condition.in_progress()).with_label("missing_once")


def after_bars(universe: Universe) -> Condition:
    """Requests each month of the universe's automatic history whenever its bars have changed; all that derives in one run."""
    condition = dg.AutomationCondition
    recent = condition.in_latest_time_window(timedelta(days=max(1, universe.automatic_history_days)))
    is_quiet = ~condition.any_deps_missing() & ~condition.any_deps_in_progress() & ~condition.in_progress()
    handled = condition.newly_requested() | condition.newly_updated()
    changed = (condition.any_deps_updated() | condition.missing().newly_true()).since(handled)
    return (recent & changed & is_quiet).with_label("after_bars")


def after_trades() -> Condition:
    """Requests each of the last days whenever its trades have changed and no run adds them up already."""
    condition = dg.AutomationCondition
    handled = condition.newly_requested() | condition.newly_updated()
    is_quiet = ~condition.any_deps_in_progress() & ~condition.in_progress()
    changed = condition.any_deps_updated().since(handled)
    return (condition.in_latest_time_window(CATCH_UP) & changed & is_quiet).with_label("after_trades")


def with_automation(assets: Sequence[dg.AssetsDefinition], universe: Universe) -> list[dg.AssetsDefinition]:
    """The assets, each with the condition under which it runs by itself."""
    conditions = {OHLCV: missing_history(universe.automatic_history_days), INSTRUMENTS: missing_once()}
    conditions |= {
        METRICS: missing_history(universe.onchain.history_days + _A_MONTH.days),
        FEAR_GREED: missing_history(universe.automatic_history_days),
    }
    conditions |= dict.fromkeys(DERIVED, after_bars(universe))
    conditions[TRADE_BARS] = after_trades()

    def add(spec: dg.AssetSpec) -> dg.AssetSpec:
        return spec.replace_attributes(automation_condition=conditions[spec.key]) if spec.key in conditions else spec

    return [asset.map_asset_specs(add) for asset in assets]


def schedules_of(universe: Universe) -> list[dg.ScheduleDefinition]:
    """Every schedule."""
    venues = sorted(universe.venues)

    @dg.schedule(
        job=collect_ohlcv,
        cron_schedule="*/30 * * * *",
        name="open_month_every_30_minutes",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Collects the open month of every venue; a venue whose last run is still at work is left out.",
    )
    def open_month(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        now = context.scheduled_execution_time.astimezone(UTC)
        busy = [venue for venue in venues if is_at_work(context.instance, collect_ohlcv.name, VENUE, venue)]
        if len(busy) == len(venues):
            return dg.SkipReason("The last runs of all venues are still at work.")
        if busy:
            context.log.info("Left out, the last run is still at work: %s", ", ".join(busy))
        keys = [join_key(month, venue) for venue in venues if venue not in busy for month in open_months(now)]
        return [dg.RunRequest(run_key=f"{now:%Y-%m-%dT%H:%M} {key}", partition_key=key) for key in keys]

    @dg.schedule(
        job=refresh_instruments,
        cron_schedule="5 0 * * *",
        name="instruments_every_day",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Asks every venue which markets it lists.",
    )
    def instruments_every_day(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest]:
        day = context.scheduled_execution_time.astimezone(UTC)
        return [dg.RunRequest(run_key=f"{day:%Y-%m-%d} {venue}", partition_key=venue) for venue in venues]

    @dg.schedule(
        job=collect_events,
        cron_schedule="*/5 * * * *",
        name="events_every_5_minutes",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Collects trades, books and tickers of every venue that is neither at work on the last round nor left"
        " alone by its breaker.",
    )
    def events(
        context: dg.ScheduleEvaluationContext,
        universe_file: dg.ResourceParam[UniverseFile],
        warehouse: dg.ResourceParam[Warehouse],
    ) -> list[dg.RunRequest] | dg.SkipReason:
        now = context.scheduled_execution_time.astimezone(UTC)
        resting = resting_providers(warehouse, datetime.now(UTC))
        left_out = {venue: f"left alone until {resting[venue]:%H:%M:%S}" for venue in venues if venue in resting}
        busy = [venue for venue in venues if is_at_work(context.instance, collect_events.name, VENUE, venue)]
        left_out |= dict.fromkeys(busy, "the last run is still at work")
        told = ", ".join(f"{venue} ({why})" for venue, why in sorted(left_out.items()))
        if len(left_out) == len(venues):
            return dg.SkipReason(f"Left out: {told}.")
        if left_out:
            context.log.info("Left out: %s", told)
        config = event_config(universe_file.in_force().universe)
        behind = collected_until(warehouse, TRADES)
        return [
            dg.RunRequest(
                run_key=f"{now:%Y-%m-%dT%H:%M} {day} {venue}", partition_key=join_day_key(day, venue), run_config=config
            )
            for venue in venues
            if venue not in left_out
            for day in open_days(now, behind.get(venue))
        ]

    return [open_month, instruments_every_day, events]


def sensors_of(venues_loaded: Sequence[str], networks_loaded: Sequence[str]) -> list[dg.SensorDefinition]:
    """Every sensor.

    Args:
        venues_loaded: The venues that the loaded definitions were built with.
        networks_loaded: The networks that they were built with.
    """

    @dg.sensor(
        name="universe_watch",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Says when universe.yaml is refused, and when its venues or networks need a reload of the definitions.",
    )
    def universe_watch(universe_file: dg.ResourceParam[UniverseFile]) -> dg.SkipReason:
        return dg.SkipReason(universe_notice(universe_file, venues_loaded, networks_loaded))

    @dg.sensor(
        name="repair_gaps",
        job=repair_ohlcv,
        minimum_interval_seconds=300,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Requests a repair of each month and venue with missing bars whose time to be asked for has come.",
    )
    def repair_gaps(
        universe_file: dg.ResourceParam[UniverseFile], warehouse: dg.ResourceParam[Warehouse]
    ) -> list[dg.RunRequest] | dg.SkipReason:
        now = datetime.now(UTC)
        requests = repair_requests(
            missing_gaps(warehouse, DATASET), universe_file.in_force().universe, venues_loaded, now
        )
        return requests[:REPAIRS_A_TICK] or dg.SkipReason("No missing bar is due to be asked for.")

    every_minute = dg.AutomationConditionSensorDefinition(
        "collect_missing_history",
        target=dg.AssetSelection.all(),
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    return [universe_watch, repair_gaps, every_minute]


def repair_requests(
    gaps: Sequence[tuple[SeriesKey, Gap]], universe: Universe, venues_loaded: Sequence[str], now: datetime
) -> list[dg.RunRequest]:
    """A request for each month and venue that has gaps due, naming just their markets; the most gaps first. Pure.

    The run key holds the hour, so that a run that failed before it could note anything is tried again.
    """
    first_month = universe.history_from.strftime("%Y-%m-01")
    found: dict[tuple[str, str], list[str]] = {}
    for key, gap in gaps:
        if key.venue in venues_loaded and is_due(gap, now, universe.gaps) and _is_collected(universe, key, gap):
            for month in _months(gap):
                if month >= first_month:
                    found.setdefault((month, key.venue), []).append(key.symbol)
    return [
        dg.RunRequest(
            run_key=f"repair {month} {venue} {now:%Y-%m-%dT%H}",
            partition_key=join_key(month, venue),
            run_config={"ops": {"market__ohlcv": {"config": {"repair": True, "markets": sorted(set(symbols))}}}},
        )
        for (month, venue), symbols in sorted(found.items(), key=lambda one: (-len(one[1]), one[0]))
    ]


def _is_collected(universe: Universe, key: SeriesKey, gap: Gap) -> bool:
    """Whether the universe still asks for what the gap lacks: a run would leave out anything else."""
    market = universe.venues[key.venue].market(key.symbol) if key.venue in universe.venues else None
    if market is None or key.timeframe not in universe.timeframes_of(key.venue, key.symbol):
        return False
    first, last = market_window(market, gap.start, gap.end)
    return first < last


def _months(gap: Gap) -> list[str]:
    """The month partitions that a gap lies in."""
    months = [month_key(gap.start)]
    while month_window(months[-1])[1] < gap.end:
        months.append(month_key(month_window(months[-1])[1]))
    return months


def universe_notice(universe_file: UniverseFile, venues_loaded: Sequence[str], networks_loaded: Sequence[str]) -> str:
    """One sentence on the state of the universe file against the definitions that are loaded."""
    try:
        in_force = universe_file.in_force()
    except UniverseError as error:
        return f"The universe file is refused and no valid version is known: {error}"
    if in_force.problem:
        return f"The universe file is refused, the last valid version holds: {in_force.problem}"
    universe = in_force.universe
    changes = (
        _changed("Venues", universe.venues, venues_loaded),
        _changed("Networks", universe.dex.networks, networks_loaded),
    )
    told = ", ".join(change for change in changes if change)
    if told:
        return f"{told}: reload the definitions (Deployment, Reload) to give them partitions."
    return "The universe file is valid and all its venues and networks are loaded."


def _changed(what: str, wanted: Collection[str], loaded: Collection[str]) -> str:
    """What came and went, as `Venues changed (new: okx; removed: gate)`; empty where nothing did."""
    parts = (_listed("new", sorted({*wanted} - {*loaded})), _listed("removed", sorted({*loaded} - {*wanted})))
    named = "; ".join(part for part in parts if part)
    return f"{what} changed ({named})" if named else ""


def _listed(word: str, names: Sequence[str]) -> str:
    return f"{word}: {', '.join(names)}" if names else ""
