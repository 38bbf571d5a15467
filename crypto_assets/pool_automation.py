"""When pools of decentralised exchanges are collected: jobs, schedules, and the sensor that watches the watchlist.

What belongs here: the triggers of datasets/dex. What does not: exchanges' triggers (automation.py) and what a run does.

All of it shares one budget of requests, kept in ops.provider_limits. Within five minutes trades have the first part, for
what leaves their window is gone; bars have the rest, for they can be asked for months later.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from crypto_assets.clients.geckoterminal import GeckoTerminal
from crypto_assets.datasets.dex.pool_trades.rhythm import quiet_interval
from crypto_assets.datasets.dex.watchlist.table import watched_pools
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.partitions import NETWORK, day_key, join_network_key
from crypto_assets.resources import UniverseFile
from crypto_assets.runs_at_work import is_at_work
from crypto_assets.universe import DexRules, Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.limits import resting_providers
from crypto_assets.watchlist_file import read_watchlist

DEXES, POOLS, WATCHLIST, POOL_OHLCV, POOL_TRADES = (
    dg.AssetKey(["dex", name]) for name in ("dexes", "pools", "watchlist", "pool_ohlcv", "pool_trades")
)
EVERY = timedelta(minutes=5)
_LAST_POLL = timedelta(seconds=15)  # before the next round begins, so that checks have ended by then
# The day that has just ended is visited once more: its last bars closed after its last round.
_ROLLOVER = timedelta(minutes=5)

refresh_dexes = dg.define_asset_job(
    "refresh_dexes",
    selection=dg.AssetSelection.assets(DEXES),
    description="Ask which DEXes a network has, and keep what changed.",
)
collect_pools = dg.define_asset_job(
    "collect_pools",
    selection=dg.AssetSelection.assets(WATCHLIST, POOLS),
    description="Read the watchlist, then take a snapshot of a network's top, new and followed pools.",
)
collect_pool_data = dg.define_asset_job(
    "collect_pool_data",
    selection=dg.AssetSelection.assets(POOL_TRADES, POOL_OHLCV),
    description="Collect trades and bars of a network's watched pools, then check them.",
)
JOBS = (refresh_dexes, collect_pools, collect_pool_data)


def round_config(rules: DexRules, tick: datetime) -> dict[str, object]:
    """The run config of a scheduled round: just what is due, trades first, both done before the next one. Pure."""
    ends = tick + EVERY - _LAST_POLL
    trades = {"due_only": True, "ends_at": (ends - EVERY * rules.ohlcv_share).isoformat()}
    bars = {"due_only": True, "ends_at": ends.isoformat(), "history": True}
    return {"ops": {"dex__pool_trades": {"config": trades}, "dex__pool_ohlcv": {"config": bars}}}


def watched_only() -> dict[str, object]:
    """The run config of a snapshot of just the watched pools."""
    return {"ops": {"dex__pools": {"config": {"watched_only": True}}}}


def round_days(now: datetime) -> list[str]:
    """The day partition of a round: the open one; in the first round of a day the one that has just ended. Pure.

    One alone, because two runs of a network would ask for the same pools at the same time.
    """
    return [day_key(now - _ROLLOVER)]


def pool_schedules(universe: Universe) -> list[dg.ScheduleDefinition]:
    """Every schedule of datasets/dex."""
    networks = sorted(universe.dex.networks)

    @dg.schedule(
        job=refresh_dexes,
        cron_schedule="15 0 * * *",
        name="dexes_every_day",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Asks which DEXes every network has.",
    )
    def dexes_every_day(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest]:
        now = context.scheduled_execution_time.astimezone(UTC)
        return _requests(networks, [day_key(now)], now, {})

    # A minute before a round of trades: what wakes up is then polled in that round.
    @dg.schedule(
        job=collect_pools,
        cron_schedule="9-59/10 * * * *",
        name="pools_every_10_minutes",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Takes snapshots of every network's pools; one that is still at work or left alone is left out.",
    )
    def pools_every_10_minutes(
        context: dg.ScheduleEvaluationContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> list[dg.RunRequest] | dg.SkipReason:
        now = context.scheduled_execution_time.astimezone(UTC)
        free, told = _free(context, warehouse, networks, collect_pools.name)
        return _requests(free, [day_key(now)], now, {}) if free else dg.SkipReason(told)

    @dg.schedule(
        job=collect_pools,
        cron_schedule="4-59/10 * * * *",
        name="watched_pools_between",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="In between, where not every watched pool is polled in each round: snapshots tell which have woken up.",
    )
    def watched_pools_between(
        context: dg.ScheduleEvaluationContext,
        universe_file: dg.ResourceParam[UniverseFile],
        warehouse: dg.ResourceParam[Warehouse],
    ) -> list[dg.RunRequest] | dg.SkipReason:
        now = context.scheduled_execution_time.astimezone(UTC)
        rules = universe_file.in_force().universe.dex
        watched = {network: len(watched_pools(warehouse, network)) for network in networks}
        if quiet_interval(rules, [0.0] * sum(watched.values())) <= rules.interval_minutes * 60:
            return dg.SkipReason("Every watched pool is polled in each round: there is nothing to learn before.")
        free, told = _free(context, warehouse, [one for one in networks if watched[one]], collect_pools.name)
        return _requests(free, [day_key(now)], now, watched_only()) if free else dg.SkipReason(told)

    @dg.schedule(
        job=collect_pool_data,
        cron_schedule="*/5 * * * *",
        name="pool_data_every_5_minutes",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Collects trades and bars of watched pools; a network that is still at work or left alone is left out.",
    )
    def pool_data_every_5_minutes(
        context: dg.ScheduleEvaluationContext,
        universe_file: dg.ResourceParam[UniverseFile],
        warehouse: dg.ResourceParam[Warehouse],
    ) -> list[dg.RunRequest] | dg.SkipReason:
        now = context.scheduled_execution_time.astimezone(UTC)
        free, told = _free(context, warehouse, networks, collect_pool_data.name)
        config = round_config(universe_file.in_force().universe.dex, now)
        return _requests(free, round_days(now), now, config) if free else dg.SkipReason(told)

    return [dexes_every_day, pools_every_10_minutes, watched_pools_between, pool_data_every_5_minutes]


def pool_sensors(networks_loaded: Sequence[str]) -> list[dg.SensorDefinition]:
    """Every sensor of datasets/dex."""

    @dg.sensor(
        name="watchlist_watch",
        job=collect_pools,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Follows watchlist.csv: when it has changed, each network's entries are brought in line with it.",
    )
    def watchlist_watch(
        context: dg.SensorEvaluationContext, universe_file: dg.ResourceParam[UniverseFile]
    ) -> dg.SensorResult | dg.SkipReason:
        try:
            file = read_watchlist(universe_file.watchlist_path, universe_file.in_force().universe)
        except CryptoAssetsError as error:
            return dg.SkipReason(f"The watchlist is refused, its entries stay as they are: {error}")
        if file.content_hash == context.cursor:
            return dg.SkipReason(f"The watchlist has not changed: {len(file.entries)} entries.")
        for bad in file.bad:
            context.log.warning("%s line %d is skipped: %s", universe_file.watchlist_path.name, bad.line, bad.problem)
        now = datetime.now(UTC)  # in the key, so that a file that changes back is followed, too
        requests = [
            dg.RunRequest(
                run_key=f"watchlist {file.content_hash[:16]} {now:%Y-%m-%dT%H:%M:%S} {network}",
                partition_key=join_network_key(day_key(now), network),
            )
            for network in networks_loaded
        ]
        return dg.SensorResult(run_requests=requests, cursor=file.content_hash)

    return [watchlist_watch]


def _requests(
    networks: Sequence[str], days: Sequence[str], now: datetime, config: dict[str, object]
) -> list[dg.RunRequest]:
    return [
        dg.RunRequest(
            run_key=f"{now:%Y-%m-%dT%H:%M} {day} {network}",
            partition_key=join_network_key(day, network),
            run_config=config,
        )
        for network in networks
        for day in days
    ]


def _free(
    context: dg.ScheduleEvaluationContext, warehouse: Warehouse, networks: Sequence[str], job: str
) -> tuple[list[str], str]:
    """Networks whose last run of a job has ended while GeckoTerminal may be asked, and why others are left out."""
    resting = resting_providers(warehouse, datetime.now(UTC)).get(GeckoTerminal.name)
    if resting is not None:
        return [], f"GeckoTerminal is left alone until {resting:%H:%M:%S}."
    busy = [network for network in networks if is_at_work(context.instance, job, NETWORK, network)]
    told = f"Left out, the last run is still at work: {', '.join(busy)}." if busy else ""
    if busy and len(busy) < len(networks):
        context.log.info(told)
    return [network for network in networks if network not in busy], told
