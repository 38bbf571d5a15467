"""When economies, chains, fees, news and moods are collected: jobs and schedules.

What belongs here: the triggers of datasets/macro, datasets/onchain and datasets/sentiment. What does not: exchanges' triggers
(automation.py), pools' (pool_automation.py), and what a run does.

Each schedule asks what its provider has new, and leaves a tick out while its last run is still at work.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from crypto_assets.partitions import day_key, month_key
from crypto_assets.runs_at_work import is_at_work

if TYPE_CHECKING:  # what define_asset_job gives has no public name
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition as AssetJob

MACRO = dg.AssetKey(["macro", "observations"])
METRICS, FEES = (dg.AssetKey(["onchain", name]) for name in ("metrics", "network_fees"))
NEWS, SCORES, FEAR_GREED = (dg.AssetKey(["sentiment", name]) for name in ("news", "scores", "fear_greed"))
# A month's last days are completed, and revised, by providers in the days after it.
_MONTH_CLOSES = timedelta(days=3)
# What was first seen in a day's last minutes is scored in the next day's first ones.
_DAY_CLOSES = timedelta(minutes=30)


def _job(name: str, assets: Sequence[dg.AssetKey], description: str) -> "AssetJob":
    return dg.define_asset_job(name, selection=dg.AssetSelection.assets(*assets), description=description)


collect_macro = _job(
    "collect_macro", [MACRO], "Ask which macroeconomic series have news, and keep every vintage of them."
)
collect_onchain = _job(
    "collect_onchain", [METRICS], "Collect the daily metrics of chains of one month, then check them."
)
collect_fees = _job("collect_fees", [FEES], "Ask what a transaction costs now on each chain.")
collect_news = _job("collect_news", [NEWS, SCORES], "Read the feeds, then score what is new.")
collect_fear_greed = _job("collect_fear_greed", [FEAR_GREED], "Ask for the Fear & Greed index.")
JOBS = (collect_macro, collect_onchain, collect_fees, collect_news, collect_fear_greed)


@dataclass(frozen=True)
class Area:
    """What a person can ask to be collected.

    Args:
        job: Collects it.
        by_month: Whether its partitions are months, else days.
        tells: What it holds, in a few words.
    """

    job: "AssetJob"
    by_month: bool
    tells: str


AREAS: Mapping[str, Area] = {
    "macro": Area(collect_macro, True, "macroeconomic series, by vintage"),
    "onchain": Area(collect_onchain, True, "daily metrics of chains"),
    "fees": Area(collect_fees, False, "what a transaction costs"),
    "news": Area(collect_news, False, "news, and what they sound like"),
    "mood": Area(collect_fear_greed, False, "the Fear & Greed index"),
}


def open_months(now: datetime) -> list[str]:
    """The open month, and the one before while it may still change. Pure."""
    return sorted({month_key(now - _MONTH_CLOSES), month_key(now)})


def open_days(now: datetime) -> list[str]:
    """The open day, and the one before in its first half hour. Pure."""
    return sorted({day_key(now - _DAY_CLOSES), day_key(now)})


@dataclass(frozen=True)
class _Tick:
    """A schedule.

    Args:
        keys: Partitions of a tick.
        configs: Run config by op.
    """

    name: str
    job: "AssetJob"
    cron: str
    description: str
    keys: Callable[[datetime], list[str]]
    configs: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


TICKS = (
    _Tick(
        "macro_every_hour", collect_macro, "7 * * * *",
        "Asks FRED which series have been updated; only those are fetched.", open_months,
        {"macro__observations": {"due_only": True}},
    ),
    _Tick(
        "onchain_every_4_hours", collect_onchain, "25 */4 * * *",
        "Collects the newest days of chains' metrics, and what is missing of the last months.", open_months,
    ),
    _Tick("fees_every_15_minutes", collect_fees, "*/15 * * * *", "Samples the fees of each chain.", open_days),
    _Tick("news_every_10_minutes", collect_news, "2-59/10 * * * *", "Reads the feeds and scores what is new.", open_days),
    _Tick(
        "fear_greed_every_hour", collect_fear_greed, "11 * * * *",
        "Asks for the day's Fear & Greed index, until it is there.", open_days,
    ),
)  # fmt: skip


def calendar_schedules() -> list[dg.ScheduleDefinition]:
    """Every schedule of these datasets."""
    return [_schedule(tick) for tick in TICKS]


def _schedule(tick: _Tick) -> dg.ScheduleDefinition:
    @dg.schedule(
        job=tick.job,
        cron_schedule=tick.cron,
        name=tick.name,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=tick.description,
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        if is_at_work(context.instance, tick.job.name):
            return dg.SkipReason("The last run is still at work.")
        now = context.scheduled_execution_time.astimezone(UTC)
        config = {"ops": {op: {"config": dict(config)} for op, config in tick.configs.items()}}
        return [
            dg.RunRequest(run_key=f"{now:%Y-%m-%dT%H:%M} {key}", partition_key=key, run_config=config)
            for key in tick.keys(now)
        ]

    return schedule
