"""Which runs are at work now, asked of Dagster's instance.

What belongs here: that, for schedules that leave out who is busy. What does not: when things run (automation.py,
pool_automation.py, calendar_automation.py).
"""

from __future__ import annotations

import dagster as dg

_ACTIVE = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def is_at_work(instance: dg.DagsterInstance, job: str, dimension: str = "", key: str = "") -> bool:
    """Whether a run of that job, over one partition where it is named, is queued or running.

    Args:
        dimension: Of the partition: venue or network; empty for any run of the job.
        key: Its value there.
    """
    # Dagster sets the tag on a run of one partition; dagster.yaml limits by it.
    tags = {f"dagster/partition/{dimension}": key} if dimension else {}
    busy = dg.RunsFilter(job_name=job, statuses=_ACTIVE, tags=tags)
    return bool(instance.get_run_records(busy, limit=1))
