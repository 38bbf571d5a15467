"""A worker: takes runs from the queue and executes each in a process of its own.

What belongs here: the application that the worker runs. What does not: its command (cli/celery_worker.py) and what a run does.

The only task it knows is Dagster's `execute_job`, which takes the id of a run and reads all else from Dagster's storage: a
message can start a run that was requested, and nothing more.
"""

from __future__ import annotations

from collections.abc import Sequence

from celery import Celery, Task
from dagster import DagsterInstance
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import unpack_value
from dagster_celery.make_app import make_app
from dagster_celery.tasks import create_execute_job_task
from dagster_shared.serdes.serdes import JsonSerializableValue

from crypto_assets.scale_out.broker import QUEUE, Broker, celery_settings
from crypto_assets.scale_out.pulse import await_database, pulse
from crypto_assets.scale_out.watch import RunWatch
from crypto_assets.warehouse.connection import Warehouse

DEFINITIONS = "crypto_assets.definitions"


def worker_app(broker: Broker, warehouse: Warehouse, imports: Sequence[str] = (DEFINITIONS,)) -> Celery:
    """The application of a worker.

    Args:
        warehouse: Where it shows at which runs it is at work.
        imports: Modules that are imported once, before the processes of the runs are forked off.
    """
    app = queue_app(broker, imports)
    create_execute_job_task(app, base=_seen_at_work(warehouse))  # type: ignore[arg-type]  # Celery takes a class
    return app


def queue_app(broker: Broker, imports: Sequence[str] = ()) -> Celery:
    """An application that may ask the workers of the queue, and knows no task."""
    return make_app(  # type: ignore[no-untyped-call]
        {
            "broker": broker.url.get_secret_value(),
            "backend": "disabled://",
            "include": list(imports),
            "config_source": celery_settings(broker),
            "task_default_queue": QUEUE,
        }
    )


def _seen_at_work(warehouse: Warehouse) -> type[Task]:
    """The kind of task that holds its run's pulse while it is at work."""

    class SeenAtWork(Task):  # type: ignore[misc]  # celery has no types
        abstract = True

        def __call__(self, execute_job_args_packed: JsonSerializableValue) -> object:
            args = unpack_value(execute_job_args_packed, as_type=ExecuteRunArgs)
            await_database(warehouse)  # Dagster's storage lies on the same server
            with (
                DagsterInstance.get() as instance,
                pulse(warehouse, args.run_id, RunWatch(instance, args.run_id).look),
            ):
                return super().__call__(execute_job_args_packed=execute_job_args_packed)

    return SeenAtWork
