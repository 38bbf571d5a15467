"""When a process that executes a run gives up: its run was asked to end and goes on, or has ended without it.

What belongs here: that. What does not: showing that it lives (pulse.py).

An interruption is a failure to a step with a retry policy, so Dagster waits half a minute and begins it anew. And a run that
was taken for lost has been run again elsewhere: what still works on it only takes slots of the venue's budget.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from dagster import DagsterInstance, DagsterRunStatus
from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy.exc import SQLAlchemyError

log = structlog.get_logger(__name__)

# Looks in a row: a run that ends in order is finished at one of them, and one that was asked to end has ended by then.
PATIENT_LOOKS = 3
GIVEN_UP_EXIT = 70


def leave() -> None:
    """End this process at once: the interpreter's own way out would wait for the run."""
    os._exit(GIVEN_UP_EXIT)


@dataclass
class RunWatch:
    """Looks at one run.

    Args:
        leave: What ends the process.
        looks: How often in a row it was to have ended.
    """

    instance: DagsterInstance
    run_id: str
    leave: Callable[[], None] = leave
    looks: int = 0

    def look(self) -> None:
        """Leave where the run was to have ended for `PATIENT_LOOKS` looks."""
        try:
            run = self.instance.get_run_by_id(self.run_id)
            is_asked = run is not None and run.status == DagsterRunStatus.CANCELING
            self.looks = self.looks + 1 if run is None or run.is_finished or is_asked else 0
            if self.looks < PATIENT_LOOKS:
                return
            if run is not None and is_asked:
                self.instance.report_run_canceled(run, "It did not end by itself; its process was ended.")
        except (SQLAlchemyError, DagsterPostgresException) as error:  # away for a moment: looked at again
            log.warning("the state of a run cannot be read", run=self.run_id, error=type(error).__name__)
            return
        log.warning("a run that goes on after its end is left", run=self.run_id)
        self.leave()
