"""When forecasts are trained, said and scored by themselves: the week, the hour, and what drift asks for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from crypto_assets import model_automation
from crypto_assets.datasets.models.catalog import FORECASTS, forecast
from crypto_assets.datasets.models.frames import tail_frame
from crypto_assets.datasets.models.outcomes.table import outcomes
from crypto_assets.datasets.models.registry.registered import Trained
from crypto_assets.datasets.models.registry.store import promote, register
from crypto_assets.definitions import build_definitions
from crypto_assets.forecasting.drift import reference
from crypto_assets.model_automation import model_schedules, model_sensors, open_months, predict_models, train_models
from crypto_assets.resources import UniverseFile
from crypto_assets.settings import Settings
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.write import replace as replace_rows
from crypto_assets_tests.datasets.models import rows
from crypto_assets_tests.forecasting.reports import REPORT

pytestmark = pytest.mark.xdist_group("model_automation")  # which share a database

UNIVERSE = "history_from: 2024-01-01\nvenues: {binance: {markets: [BTC/USDT]}}\n"
DOMAINS = ("binance", "ethereum", "solana")
NOW = datetime.now(UTC)
THIS_HOUR = NOW.replace(minute=0, second=0, microsecond=0)
DAY = timedelta(days=1)
SUNDAY = datetime(2026, 5, 24, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def fees(shared_warehouse: Warehouse) -> Warehouse:
    """Nine days of Ethereum's base fee, which follows the hour of the day, up to now."""
    last = (THIS_HOUR - rows.START) / rows.HOUR
    rows.fees(shared_warehouse, {last - back: 20 + 5 * float(np.sin(back / 24 * 2 * np.pi)) for back in range(216)})
    return shared_warehouse


@dataclass(frozen=True)
class Stage:
    """What triggers are evaluated with."""

    universe_file: UniverseFile
    definitions: dg.Definitions

    @property
    def given(self) -> dict[str, object]:
        return {"universe_file": self.universe_file, "warehouse": self.universe_file.warehouse}

    def watch(self, cursor: str | None = None) -> tuple[Sequence[dg.RunRequest], str, str | None]:
        """What the sensor requests, why not, and its cursor then."""
        [sensor] = model_sensors()
        repository = self.definitions.get_repository_def()
        with dg.DagsterInstance.ephemeral() as instance:
            context = dg.build_sensor_context(instance, cursor=cursor, resources=self.given, repository_def=repository)
            found = sensor.evaluate_tick(context)
        return found.run_requests or [], found.skip_message or "", found.cursor

    def tick(self, name: str, instance: dg.DagsterInstance, at: datetime) -> tuple[Sequence[dg.RunRequest], str]:
        """What a schedule requests, and why not."""
        [schedule] = [one for one in model_schedules(DOMAINS) if one.name == name]
        context = dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=at,
            resources=self.given if name == "models_every_hour" else None,
            repository_def=self.definitions.get_repository_def(),
        )
        found = schedule.evaluate_tick(context)
        return found.run_requests or [], found.skip_message or ""

    def partitions_of_training(self) -> list[str]:
        """The partitions of the job that trains."""
        partitions = self.definitions.resolve_job_def(train_models.name).partitions_def
        assert partitions is not None
        return list(partitions.get_partition_keys())


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, fees: Warehouse) -> Iterator[Stage]:
    home = tmp_path_factory.mktemp("universe")
    (home / "universe.yaml").write_text(UNIVERSE)
    with dg.DagsterInstance.ephemeral():
        definitions = build_definitions(Settings(universe=home / "universe.yaml", warehouse_url=fees.url, home=home))
        yield Stage(UniverseFile(home / "universe.yaml", fees), definitions)


@pytest.fixture
def nobody(fees: Warehouse) -> Warehouse:
    """No version of anything, and nothing came true."""
    with fees.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM models.registry")
        cursor.execute("DELETE FROM models.promotions")
        cursor.execute("DELETE FROM models.outcomes")
    return fees


def crown(warehouse: Warehouse, model: str, *, days: float = 3, shift: float = 0) -> None:
    """A champion trained so many days ago, on inputs that were so much higher than those there are."""
    wanted = forecast(model)
    frame = tail_frame(warehouse, rows.universe(), wanted, hours=168)
    then = reference(replace(frame, inputs=frame.inputs + np.float32(shift)), np.arange(len(frame)))
    metrics = {**REPORT.as_json(), "error": 0.1, "reference": then.as_json()}
    at = NOW - days * DAY
    trained = Trained(
        model, "lightgbm", "a" * 64, 1, "c" * 64, "features 1", at, at, at, 168, 1, {}, metrics, "drift", 0.2, 0.1, 0.3,
        True, at,
    )  # fmt: skip
    with warehouse.connect() as connection:
        version = register(connection, trained)
    promote(warehouse, model, version, "test", "to be looked at")


def come_true(warehouse: Warehouse, model: str, error: float) -> None:
    """Ten decisions of yesterday, all off by as much."""
    decided = np.array(
        [THIS_HOUR.replace(tzinfo=None) - DAY - number * rows.HOUR for number in range(10)], "datetime64[us]"
    )
    ended = decided + np.timedelta64(forecast(model).horizon_hours, "h")
    keys: dict[str, object] = {"model": model, "domain": "ethereum", "series": "fees"}
    batch = {
        "decided_at": decided, "version": 1, "horizon_end_at": ended, "truth": np.full(10, error),
        "error": np.full(10, error), "baseline_error": np.full(10, 0.2), "is_inside": np.ones(10, dtype=bool),
        "is_direction_right": np.array([True] * 10, dtype=object), "is_out_of_sample": np.ones(10, dtype=bool),
        "source": "test", "known_at": ended,
    }  # fmt: skip
    with warehouse.connect() as connection:
        replace_rows(connection, outcomes, {**keys, **batch}, keys, NOW - 30 * DAY, NOW, "decided_at")


def test_nothing_is_watched_or_said_before_there_is_a_champion(nobody: Warehouse, stage: Stage) -> None:
    requests, why, _ = stage.watch()
    assert (requests, why.split(";")[0]) == ([], "No forecast has a champion yet")
    with dg.DagsterInstance.ephemeral() as instance:
        requests, why = stage.tick("models_every_hour", instance, NOW)
    assert (requests, why.split(";")[0]) == ([], "No forecast has a champion yet")


def test_within_the_bounds_the_tick_says_the_numbers(nobody: Warehouse, stage: Stage) -> None:
    crown(nobody, "gas_1h")
    come_true(nobody, "gas_1h", 0.12)
    requests, why, cursor = stage.watch()
    assert requests == []
    assert why == "gas_1h version 1: 0% of inputs drifted (bound 30%); error 1.20 times validation's (bound 1.5)."
    assert cursor == "gas_1h"


def test_inputs_that_moved_bring_a_training_of_that_forecast_and_are_named(nobody: Warehouse, stage: Stage) -> None:
    crown(nobody, "gas_1h")
    crown(nobody, "gas_4h", shift=0.5)
    [request], _, _ = stage.watch()
    [again], _, _ = stage.watch()
    assert request.partition_key == "gas_4h"
    assert request.run_key == again.run_key, "a second tick must not bring a second run"
    assert request.run_key is not None
    assert request.run_key.endswith(" 3")  # three cool-downs of a day have passed since the last training
    why = request.tags["crypto_assets/because"]
    assert "of inputs drifted (bound 30%): " in why
    assert "level_log" in why
    assert request.tags["crypto_assets/training"] == "yes"
    assert request.partition_key in stage.partitions_of_training()


def test_errors_beyond_those_of_validation_bring_one_too(nobody: Warehouse, stage: Stage) -> None:
    crown(nobody, "gas_1h")
    come_true(nobody, "gas_1h", 0.16)
    [request], _, _ = stage.watch()
    assert "error 1.60 times validation's (bound 1.5)" in request.tags["crypto_assets/because"]


def test_a_champion_does_not_answer_for_the_errors_of_the_one_before(nobody: Warehouse, stage: Stage) -> None:
    crown(nobody, "gas_1h")
    come_true(nobody, "gas_1h", 0.16)  # said by version 1
    crown(nobody, "gas_1h")
    requests, told, _ = stage.watch()
    assert requests == []
    assert "gas_1h version 2" in told
    assert "no truth out of sample yet" in told


def test_a_training_is_left_a_day_to_settle_and_is_overdue_after_a_week(nobody: Warehouse, stage: Stage) -> None:
    crown(nobody, "gas_1h", days=0.9, shift=0.5)
    crown(nobody, "gas_4h", days=8.1)
    [request], _, _ = stage.watch()
    assert request.partition_key == "gas_4h"
    assert "longer ago than the schedule's week" in request.tags["crypto_assets/because"]
    crown(nobody, "gas_4h", days=0.5)
    requests, why, _ = stage.watch()
    assert requests == []
    assert why.count("looked at from ") == 2


def test_a_champion_of_other_inputs_is_trained_anew(nobody: Warehouse, stage: Stage) -> None:
    crown(nobody, "gas_1h")
    with nobody.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "UPDATE models.registry SET metrics = jsonb_set(metrics, '{reference,inputs,gone}',"
            """ '{"edges": [], "shares": [1, 0], "usual": 0}')"""
        )
    [request], _, _ = stage.watch()
    assert "a frame without gone" in request.tags["crypto_assets/because"]


def test_a_tick_that_takes_too_long_leaves_the_others_to_the_next(
    nobody: Warehouse, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_automation, "LOOK_SECONDS", 0.0)
    for model in ("gas_1h", "gas_4h"):
        crown(nobody, model)
    _, why, first = stage.watch()
    _, _, second = stage.watch(first)
    _, _, third = stage.watch(second)
    assert [first, second, third] == ["gas_1h", "gas_4h", "gas_1h"]
    assert why.endswith(". the others are looked at by the next tick.")


def test_every_week_one_run_trains_all_forecasts(stage: Stage, tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        [request], _ = stage.tick("models_every_week", instance, SUNDAY)
        names = [one.name for one in FORECASTS]
        ends = [request.tags[f"dagster/asset_partition_range_{end}"] for end in ("start", "end")]
        assert (request.run_key, ends) == ("2026-05-24", [names[0], names[-1]])
        assert stage.partitions_of_training() == names
        job = stage.definitions.resolve_job_def(train_models.name)
        instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        assert stage.tick("models_every_week", instance, SUNDAY) == ([], "A training is still at work.")


def test_every_hour_the_domains_of_champions_are_spoken_of(nobody: Warehouse, stage: Stage, tmp_path: Path) -> None:
    crown(nobody, "gas_1h")
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        requests, _ = stage.tick("models_every_hour", instance, SUNDAY)
        assert [one.partition_key for one in requests] == ["2026-05-01|ethereum"]
        requests, _ = stage.tick("models_every_hour", instance, datetime(2026, 5, 2, 5, 20, tzinfo=UTC))
        assert [one.partition_key for one in requests] == ["2026-04-01|ethereum", "2026-05-01|ethereum"]
        job = stage.definitions.resolve_job_def(predict_models.name)
        keys = {key.to_user_string() for key in job.asset_layer.executable_asset_keys}
        assert keys == {"models/predictions", "models/outcomes"}
        assert job.partitions_def is not None
        assert "2026-05-01|ethereum" in job.partitions_def.get_partition_keys(current_time=SUNDAY)
        tags = {"dagster/partition/venue": "ethereum"}
        instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags)
        passed = stage.tick("models_every_hour", instance, NOW)
        assert passed == ([], "The last runs of all domains are still at work.")


def test_months_stay_open_while_truths_come() -> None:
    assert open_months(datetime(2026, 5, 3, 1, tzinfo=UTC)) == ["2026-05-01"]
    assert open_months(datetime(2026, 5, 2, 23, tzinfo=UTC)) == ["2026-04-01", "2026-05-01"]
