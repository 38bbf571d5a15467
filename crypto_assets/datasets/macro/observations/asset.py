"""The asset macro/observations: every vintage of the universe's series, and the daily price of gold.

What belongs here: which series a run collects, from when on, and what it says. What does not: how one series is collected
(collect.py, gold.py), when it runs (automation.py).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta

import dagster as dg
from pydantic import Field, field_validator

from crypto_assets.clients.failures import BreakerOpen, ProviderError
from crypto_assets.clients.fred import KEY_PAGE, NAME, Fred, secrets_of
from crypto_assets.datasets.calendar_asset import CalendarRun, Rhythm, calendar_asset
from crypto_assets.datasets.macro.observations.collect import Wanted, collect_series, read_oldest, read_states
from crypto_assets.datasets.macro.observations.gold import collect_gold
from crypto_assets.datasets.macro.observations.table import DATASET, observations
from crypto_assets.datasets.outcomes import Collected, Described, EventOutcome
from crypto_assets.partitions import Grids
from crypto_assets.universe import UniverseError
from crypto_assets.universe_sources import GoldRules, MacroRules

NO_KEY = f"FRED is not asked: CRYPTO_ASSETS_FRED_API_KEY is not set; {KEY_PAGE} gives one for nothing"


class MacroConfig(dg.Config):
    """What a run may be told."""

    series: list[str] = Field(default=[], description="Names of series of the universe; none stands for all of them.")
    from_: str | None = Field(default=None, description="First day of the oldest period, as 1990-01-01.")
    due_only: bool = Field(default=False, description="As schedules run it: only series of which there is news.")

    @field_validator("from_")
    @classmethod
    def _is_a_day(cls, value: str | None) -> str | None:
        if value is not None:
            date.fromisoformat(value)
        return value


def build_asset(grids: Grids) -> dg.AssetsDefinition:
    """The asset over the grids of the universe in force; automation.py adds when it runs."""
    return calendar_asset(
        DATASET,
        observations,
        grids,
        MacroConfig,
        collect_observations,
        Rhythm(by_month=True, expected_every=timedelta(hours=1)),
        description="Economic series of FRED, every value with each of its vintages and the time when it was known; gold.",
    )


def collect_observations(run: CalendarRun[MacroConfig]) -> Collected:
    """Collect the vintages that became known before a month's end, of periods from long enough before it."""
    rules, wanted = run.universe.macro, wanted_of(run)
    series, gold = _chosen(rules, run.config)
    outcomes: list[EventOutcome] = []
    metadata: Described = {}
    if gold is not None:
        outcomes.append(
            _told(
                gold.venue,
                gold.series_id,
                lambda: collect_gold(run.providers, run.warehouse, run.universe, gold, wanted),
            )
        )
    key = run.providers.keys.fred
    if series and key is None:
        run.log.warning(NO_KEY)
        metadata["without_key"] = dg.MetadataValue.text(NO_KEY)
    elif key is not None:
        http = run.providers.http(NAME, rules.requests_per_minute, secrets=secrets_of(key))
        states, oldest = read_states(run.warehouse), read_oldest(run.warehouse) if wanted.keeps_state else {}
        with closing(Fred(http, key, run.clock)) as fred:
            for name in series:
                mine = replace(wanted, since=min(wanted.since, oldest.get(name, wanted.since)))

                def collect(name: str = name, mine: Wanted = mine) -> EventOutcome:
                    return collect_series(fred, run.warehouse, name, rules.series[name], mine, states.get(name))

                outcomes.append(_told(NAME, name, collect))
    return Collected(outcomes, metadata)


def wanted_of(run: CalendarRun[MacroConfig]) -> Wanted:
    """What is wanted of every series: the open month reaches back as far as the universe's history. Pure."""
    rules, config, now = run.universe.macro, run.config, run.clock()
    since = run.window.start.date() - timedelta(days=rules.lead_days)
    if run.is_open():
        since = min(since, now.date() - timedelta(days=rules.history_days))
    is_usual = config.from_ is None
    return Wanted(
        since if config.from_ is None else date.fromisoformat(config.from_),
        run.window.start,
        run.window.end,
        now,
        only_new=config.due_only and is_usual and run.is_open(),
        keeps_state=is_usual and run.is_open(),
    )


def _chosen(rules: MacroRules, config: MacroConfig) -> tuple[list[str], GoldRules | None]:
    """The series of FRED that are collected, and gold where it is.

    Raises:
        UniverseError: a name that the universe has not.
    """
    there = [*rules.series, *([rules.gold.series_id] if rules.gold else [])]
    unknown = sorted(set(config.series) - set(there))
    if unknown:
        raise UniverseError(
            f"Unknown series {', '.join(unknown)}",
            way_out=f"The universe has {', '.join(there)}; add it to macro.series first.",
        )
    names = config.series or there
    gold = rules.gold if rules.gold and rules.gold.series_id in names else None
    return [name for name in rules.series if name in names], gold


def _told(provider: str, series_id: str, collect: Callable[[], EventOutcome]) -> EventOutcome:
    """What came of one series: the failure of one is not the failure of the others."""
    try:
        return collect()
    except BreakerOpen as error:
        return EventOutcome(provider, series_id, warning=str(error), postponed=True)
    except ProviderError as error:
        return EventOutcome(provider, series_id, turns=1, warning=str(error), failed=True)
