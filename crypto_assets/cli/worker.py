"""What a worker process does: execute one planned run of market/ohlcv inside Dagster and report as a line of JSON.

What belongs here: that. What does not: planning and following (runs.py). Started as `python -m crypto_assets.cli.worker
PLAN`; it executes the same job as schedule and backfill, on the instance that DAGSTER_HOME names, so the run stands in
the web UI with its logs, metadata and checks.
"""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import asdict

import dagster as dg

from crypto_assets.automation import DERIVED, FEATURES, OHLCV, collect_ohlcv, derive_features, refresh_instruments
from crypto_assets.cli.console import log_to_stderr
from crypto_assets.cli.runs import Plan, RunReport
from crypto_assets.definitions import build_definitions
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.partitions import join_key
from crypto_assets.settings import load_settings


def execute(plan: Plan, definitions: dg.Definitions, instance: dg.DagsterInstance) -> RunReport:
    """Execute the plan as one run over its range of partitions."""
    job = definitions.resolve_job_def((derive_features if plan.is_derived else collect_ohlcv).name)
    if plan.with_instruments:
        # Listing dates say which bars are due. Where the venue does not give its list, the bars' run says why.
        listing = definitions.resolve_job_def(refresh_instruments.name)
        listing.execute_in_process(instance=instance, raise_on_error=False, partition_key=plan.venue)
    first, last = plan.months
    result = job.execute_in_process(
        instance=instance,
        raise_on_error=False,
        run_config={"ops": {"__".join(key.path): {"config": config} for key, config in _configs(plan).items()}},
        tags={
            "dagster/asset_partition_range_start": str(join_key(first, plan.venue)),
            "dagster/asset_partition_range_end": str(join_key(last, plan.venue)),
            "crypto_assets/started_by": "command line",
        },
    )
    return _report(plan, result)


def _configs(plan: Plan) -> dict[dg.AssetKey, dict[str, object]]:
    if not plan.is_derived:
        return {OHLCV: plan.run_config().model_dump()}
    config: dict[str, object] = {"markets": list(plan.markets), "timeframes": list(plan.timeframes)}
    return dict.fromkeys(DERIVED, config)


def _report(plan: Plan, result: dg.ExecuteInProcessResult) -> RunReport:
    told = {"rows_written": 0.0, "dagster/row_count": 0.0, "bars_absent": 0.0, "values_known": 0.0}
    wanted = FEATURES if plan.is_derived else OHLCV
    for event in result.get_asset_materialization_events():  # one a partition, each with the whole run's metadata
        if event.materialization.asset_key == wanted:
            shown = event.materialization.metadata
            told = {name: float(str(shown[name].value)) if name in shown else 0.0 for name in told}
            break
    rows = int(told["dagster/row_count"])
    checks = tuple((one.check_name, one.passed, one.severity.value) for one in result.get_asset_check_evaluations())
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
        checks,
    )


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
    log_to_stderr(settings.log_level)
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
