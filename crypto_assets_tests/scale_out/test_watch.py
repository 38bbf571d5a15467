"""When a process gives up its run: after some looks at which it was to have ended, and never before."""

import dagster as dg

from crypto_assets.scale_out.watch import PATIENT_LOOKS, RunWatch


@dg.job
def nothing() -> None:
    """A job to have runs of."""


def _watched(instance: dg.DagsterInstance, status: dg.DagsterRunStatus) -> tuple[RunWatch, list[str]]:
    run, left = instance.create_run_for_job(nothing, status=status), list[str]()
    return RunWatch(instance, run.run_id, lambda: left.append("left")), left


def test_a_run_at_work_is_never_left() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        watch, left = _watched(instance, dg.DagsterRunStatus.STARTED)
        for _ in range(2 * PATIENT_LOOKS):
            watch.look()
    assert left == []


def test_a_run_that_was_asked_to_end_has_time_for_it_and_is_then_canceled() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        watch, left = _watched(instance, dg.DagsterRunStatus.STARTED)
        watch.look()
        run = instance.get_run_by_id(watch.run_id)
        assert run is not None
        instance.report_run_canceling(run)
        for _ in range(PATIENT_LOOKS - 1):
            watch.look()
        assert left == []
        watch.look()
        found = instance.get_run_by_id(watch.run_id)
    assert left == ["left"]
    assert found is not None
    assert found.status == dg.DagsterRunStatus.CANCELED


def test_a_run_that_was_given_up_by_others_is_left_as_it_is() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        watch, left = _watched(instance, dg.DagsterRunStatus.FAILURE)
        for _ in range(PATIENT_LOOKS):
            watch.look()
        found = instance.get_run_by_id(watch.run_id)
    assert left == ["left"]
    assert found is not None
    assert found.status == dg.DagsterRunStatus.FAILURE
