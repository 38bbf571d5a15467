"""Dagster's run launcher over Celery: sends runs, ends them, and tells whether their workers live.

What belongs here: what dagster-celery's launcher leaves open. What does not: the worker's side (worker.py).

dagster.yaml names `CeleryRuns`; its broker and database are those of the environment, so that no file holds a password.
dagster-celery's own one believes in a run for as long as the last word in its result store is "started", which a killed worker
never takes back; it reports no cancellation, so that a run that was asked to end counts as failed and is run again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from dagster import DagsterRun
from dagster import _check as check
from dagster._config import UserConfigSchema
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import ConfigurableClassData, pack_value
from dagster_celery.config import TASK_EXECUTE_JOB_NAME
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG
from dagster_celery.tasks import create_execute_job_task

from crypto_assets.scale_out.broker import QUEUE, Broker, BrokerRefused, broker_of, celery_settings
from crypto_assets.scale_out.pulse import has_pulse
from crypto_assets.settings import load_settings
from crypto_assets.warehouse.connection import Warehouse

# A database that restarts takes the locks with it for some seconds; a worker that is silent for longer is gone.
GRACE_SECONDS = 20.0
_FORGOTTEN_SECONDS = 3600.0


class CeleryRuns(CeleryRunLauncher):
    """Hands each run to the queue of its profile.

    Args:
        broker: Where the queue is.
        warehouse: Where workers show that they live.
        inst_data: Dagster's own.
    """

    def __init__(self, broker: Broker, warehouse: Warehouse, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(
            default_queue=QUEUE,
            broker=broker.url.get_secret_value(),
            backend="disabled://",
            config_source=celery_settings(broker),
            inst_data=inst_data,
        )
        self._task = create_execute_job_task(self.celery)
        self._warehouse = warehouse
        self._silent_since: dict[str, float] = {}

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """Nothing stands in dagster.yaml."""
        return {}

    @classmethod
    def from_config_value(
        cls,
        inst_data: ConfigurableClassData,
        config_value: Mapping[str, object],  # noqa: ARG003 - Dagster's signature
    ) -> CeleryRuns:
        """What Dagster calls.

        Raises:
            BrokerRefused: no broker may be used, or no database is named.
        """
        settings = load_settings()
        if settings.warehouse_url is None:
            raise BrokerRefused(
                "CRYPTO_ASSETS_WAREHOUSE_URL is not set",
                way_out='Load the environment first: eval "$(crypto-assets env)".',
            )
        return cls(broker_of(settings), Warehouse(settings.warehouse_url), inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Send the run to its queue: that of its tag dagster-celery/queue, or the profile's."""
        run = context.dagster_run
        args = ExecuteRunArgs(
            job_origin=check.not_none(run.job_code_origin),
            run_id=run.run_id,
            instance_ref=self._instance.get_ref(),
            set_exit_code_on_failure=True,
        )
        # dagster-celery registers the task anew for each run, of which Celery warns.
        signature = self._task.si(execute_job_args_packed=pack_value(args))
        self._launch_celery_task_run(run=run, task_signature=signature, routing_key=TASK_EXECUTE_JOB_NAME)

    def terminate(self, run_id: str) -> bool:
        """Ask the worker to end the run in order; False where it has ended or was never sent."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        task = run.tags.get(DAGSTER_CELERY_TASK_ID_TAG)
        if task is None:
            return False
        self.celery.control.revoke(task, terminate=True, signal="SIGTERM")
        return True

    @property
    def supports_resume_run(self) -> bool:
        """A run is not resumed but run again: what it had committed is found."""
        return False

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether a worker is at work on it, by its pulse.

        Raises:
            DatabaseUnreachable: nobody can tell; Dagster asks again.
        """
        now = time.monotonic()
        if has_pulse(self._warehouse, run.run_id):
            self._silent_since.pop(run.run_id, None)
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        recent = {one: at for one, at in self._silent_since.items() if now - at < _FORGOTTEN_SECONDS}
        self._silent_since = {run.run_id: now} | recent
        silent = now - self._silent_since[run.run_id]
        if silent < GRACE_SECONDS:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "Its worker does not show itself; it is asked again.")
        del self._silent_since[run.run_id]
        return CheckRunHealthResult(WorkerStatus.FAILED, "Its worker is gone: killed, or cut off with its machine.")

    def get_run_worker_debug_info(
        self,
        run: DagsterRun,
        include_container_logs: bool | None = True,  # noqa: ARG002 - Dagster's signature
    ) -> str | None:
        """What is known of a run that did not start, or failed with its worker."""
        task = run.tags.get(DAGSTER_CELERY_TASK_ID_TAG)
        return f"Celery task {task}. `crypto-assets celery-status` lists the workers." if task else None
