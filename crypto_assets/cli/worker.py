"""What a worker process does: execute one plan's runs inside Dagster and report as a line of JSON.

What belongs here: that. What does not: planning and following (runs.py). Started as `python -m crypto_assets.cli.worker
PLAN`; it executes the same job as schedule and backfill, on the instance that DAGSTER_HOME names, so the run stands in
the web UI with its logs, metadata and checks.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import dagster as dg

from crypto_assets.automation import (
    DERIVED,
    EVENTS,
    FEATURES,
    OHLCV,
    TRADES_KEY,
    collect_events,
    collect_ohlcv,
    derive_features,
    refresh_instruments,
)
from crypto_assets.calendar_automation import AREAS
from crypto_assets.cli.runs import Plan, RunReport
from crypto_assets.definitions import build_definitions
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.partitions import day_key, join_day_key, join_key, join_network_key
from crypto_assets.pool_automation import POOL_OHLCV, POOL_TRADES, collect_pool_data, collect_pools, refresh_dexes
from crypto_assets.run_origin import log_runs
from crypto_assets.settings import load_settings

_STARTED_BY = {"crypto_assets/started_by": "command line"}


def execute(plan: Plan, definitions: dg.Definitions, instance: dg.DagsterInstance) -> RunReport:
    """Execute the plan as one run over its range of partitions, and what it wants besides in runs of their own."""
    if plan.is_pools:
        return _pools(plan, definitions, instance)
    if plan.is_world:
        return _world(plan, definitions, instance)
    if plan.is_events:
        return _with_events(RunReport(plan.venue, True, "", ""), plan, definitions, instance)
    if plan.with_instruments:
        # Listing dates say which bars are due. Where the venue does not give its list, the bars' run says why.
        listing = definitions.resolve_job_def(refresh_instruments.name)
        listing.execute_in_process(
            instance=instance, raise_on_error=False, partition_key=plan.venue, tags=dict(_STARTED_BY)
        )
    job = definitions.resolve_job_def((derive_features if plan.is_derived else collect_ohlcv).name)
    configs = {"__".join(key.path): config for key, config in _configs(plan).items()}
    report = _report(plan, _run(job, plan.venue, plan.months, join_key, configs, instance))
    if not plan.events_minutes or not report.success:
        return report
    now = datetime.now(UTC)
    recent = replace(plan, start=now - timedelta(minutes=plan.events_minutes), end=now)
    return _with_events(report, recent, definitions, instance)


def _with_events(report: RunReport, plan: Plan, definitions: dg.Definitions, instance: dg.DagsterInstance) -> RunReport:
    """Collect trades of the plan's span, and books and tickers of now; what came of it added to the report."""
    markets: dict[str, object] = {"markets": list(plan.markets)}
    span: dict[str, object] = {"since": plan.start.isoformat(), "until": plan.end.isoformat()}
    configs = {"__".join(key.path): markets for key in EVENTS} | {"market__trades": markets | span}
    job = definitions.resolve_job_def(collect_events.name)
    result = _run(job, plan.venue, plan.days, join_day_key, configs, instance)
    written = _shown(result, TRADES_KEY).get("rows_written", 0.0)
    return replace(
        report,
        success=report.success and result.success,
        run_id=report.run_id or result.run_id,
        message=report.message or ("" if result.success else _why(result)),
        trades_written=int(written),
        checks=(*report.checks, *_checks(result)),
    )


def _pools(plan: Plan, definitions: dg.Definitions, instance: dg.DagsterInstance) -> RunReport:
    """Collect a network's DEXes and pools of now, then bars of the plan's days and the newest trades: three runs.

    One that fails leaves the next ones: each rests on what is stored.
    """
    report = RunReport(plan.venue, True, "", "")
    chosen: dict[str, object] = {"pools": list(plan.markets)}
    data = {"__".join(key.path): chosen for key in (POOL_TRADES, POOL_OHLCV)}
    for name, configs in ((refresh_dexes.name, {}), (collect_pools.name, {}), (collect_pool_data.name, data)):
        today = day_key(datetime.now(UTC))  # looked up anew: lists can be asked for in the open day only
        span = (plan.days[0] if configs else today, today)
        job = definitions.resolve_job_def(name)
        result = _run(job, plan.venue, span, join_network_key, configs, instance)
        bars = _shown(result, POOL_OHLCV)
        report = replace(
            report,
            success=report.success and result.success,
            run_id=result.run_id,
            message=report.message or ("" if result.success else _why(result)),
            rows_written=report.rows_written + int(bars.get("rows_written", 0.0)),
            rows_received=report.rows_received + int(bars.get("dagster/row_count", 0.0)),
            trades_written=report.trades_written + int(_shown(result, POOL_TRADES).get("rows_written", 0.0)),
            checks=(*report.checks, *_checks(result)),
        )
    return report


def _world(plan: Plan, definitions: dg.Definitions, instance: dg.DagsterInstance) -> RunReport:
    """Collect the plan's months or days of what belongs to no venue."""
    area = AREAS[plan.venue]
    job = definitions.resolve_job_def(area.job.name)
    span = plan.months if area.by_month else plan.days
    result = _run(job, plan.venue, span, lambda moment, _: moment, {}, instance)
    shown = [_shown(result, asset) for asset in job.asset_layer.selected_asset_keys]
    return RunReport(
        plan.venue,
        result.success,
        result.run_id,
        "" if result.success else _why(result),
        rows_written=sum(int(one.get("rows_written", 0.0)) for one in shown),
        rows_received=sum(int(one.get("dagster/row_count", 0.0)) for one in shown),
        checks=_checks(result),
    )


def _run(
    job: dg.JobDefinition,
    venue: str,
    span: tuple[str, str],
    key: Callable[[str, str], str],
    configs: Mapping[str, Mapping[str, object]],
    instance: dg.DagsterInstance,
) -> dg.ExecuteInProcessResult:
    first, last = (str(key(moment, venue)) for moment in span)
    return job.execute_in_process(
        instance=instance,
        raise_on_error=False,
        run_config={"ops": {op: {"config": dict(config)} for op, config in configs.items()}},
        tags={
            "dagster/asset_partition_range_start": first,
            "dagster/asset_partition_range_end": last,
            **_STARTED_BY,
        },
    )


def _configs(plan: Plan) -> dict[dg.AssetKey, dict[str, object]]:
    if not plan.is_derived:
        return {OHLCV: plan.run_config().model_dump()}
    config: dict[str, object] = {"markets": list(plan.markets), "timeframes": list(plan.timeframes)}
    return dict.fromkeys(DERIVED, config)


def _report(plan: Plan, result: dg.ExecuteInProcessResult) -> RunReport:
    told = {"rows_written": 0.0, "dagster/row_count": 0.0, "bars_absent": 0.0, "values_known": 0.0}
    told |= _shown(result, FEATURES if plan.is_derived else OHLCV)
    rows = int(told["dagster/row_count"])
    message = "" if result.success else _why(result)
    return RunReport(
        plan.venue,
        result.success,
        result.run_id,
        message,
        rows if plan.is_derived else int(told["rows_written"]),
        rows,
        int(told["bars_absent"]),
        told["values_known"],
        _checks(result),
    )


def _shown(result: dg.ExecuteInProcessResult, asset: dg.AssetKey) -> dict[str, float]:
    """The numbers that an asset's materialization shows: one event a partition, each with the whole run's metadata."""
    for event in result.get_asset_materialization_events():
        if event.materialization.asset_key == asset:
            numbers = {name: value.value for name, value in event.materialization.metadata.items()}
            return {name: float(value) for name, value in numbers.items() if isinstance(value, (int, float))}
    return {}


def _checks(result: dg.ExecuteInProcessResult) -> tuple[tuple[str, bool, str], ...]:
    return tuple((one.check_name, one.passed, one.severity.value) for one in result.get_asset_check_evaluations())


def _why(result: dg.ExecuteInProcessResult) -> str:
    """What ended the run: the failure of its first failed step, else its own."""
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            told = data.user_failure_data.description if data.user_failure_data else None
            return told or (data.error.message.strip() if data.error else "a step failed")
    run = [event for event in result.all_events if event.event_type == dg.DagsterEventType.RUN_FAILURE]
    error = run[0].job_failure_data.error if run else None
    return error.message.strip() if error else "the run failed; its log in the web UI says more"


def main() -> int:
    """Run the plan given as the first argument; exit code 0 where the run succeeded."""
    logging.getLogger("dagster").setLevel(logging.INFO)
    settings = load_settings()
    log_runs(settings)
    plan = Plan.from_json(sys.argv[1])
    try:
        with dg.DagsterInstance.get() as instance:
            report = execute(plan, build_definitions(settings), instance)
    except CryptoAssetsError as error:
        report = RunReport(plan.venue, False, "", str(error))
    sys.stdout.write(json.dumps(asdict(report)) + "\n")
    return 0 if report.success else 1


if __name__ == "__main__":
    sys.exit(main())
