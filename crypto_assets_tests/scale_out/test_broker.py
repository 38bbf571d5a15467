"""Which broker is used, what Celery is told, and the file that has Dagster use it."""

from pathlib import Path

import pytest
import yaml
from pydantic import SecretStr
from typer.testing import CliRunner

from crypto_assets.cli.main import app
from crypto_assets.scale_out.broker import VISIBILITY_SECONDS, BrokerRefused, broker_of, celery_settings
from crypto_assets.settings import ENV_PREFIX, Settings, SettingsError, load_settings

ROOT = Path(__file__).parents[2]
# What the other file says otherwise, and why it may.
OTHER = {"run_launcher", "run_monitoring"}


def _settings(url: str | None, *, remote: bool = False, profile: str = "live") -> Settings:
    return Settings(broker_url=SecretStr(url) if url else None, broker_remote=remote, profile=profile)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "localhost", "[::1]"])
def test_a_broker_on_this_machine_is_used(host: str) -> None:
    assert broker_of(_settings(f"redis://{host}:6379/1")).url.get_secret_value() == f"redis://{host}:6379/1"


@pytest.mark.parametrize(
    "host", ["10.0.0.5", "192.168.1.1", "redis.example.com", "localhost.example.com", "2130706433"]
)
def test_another_machine_is_refused_unless_told(host: str) -> None:
    url = f"redis://:canary@{host}:6379/1"
    with pytest.raises(BrokerRefused, match="not on this machine") as caught:
        broker_of(_settings(url))
    assert "CRYPTO_ASSETS_BROKER_REMOTE" in str(caught.value)
    assert "canary" not in str(caught.value)
    assert broker_of(_settings(url, remote=True)).place == f"{host}:6379/1"


def test_without_a_broker_the_way_to_one_is_said() -> None:
    with pytest.raises(BrokerRefused, match="CRYPTO_ASSETS_BROKER_URL is not set"):
        broker_of(_settings(None))


@pytest.mark.parametrize("url", ["http://127.0.0.1", "redis://", "amqp://127.0.0.1", "unix:///run/redis.sock"])
def test_only_a_redis_on_a_host_is_a_broker(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}BROKER_URL", url)
    with pytest.raises(SettingsError, match="CRYPTO_ASSETS_BROKER_URL: expected redis://"):
        load_settings()


def test_the_command_refuses_a_remote_broker_before_it_starts_anything(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("dagster_celery", reason="the extra [celery] is not installed")
    monkeypatch.setenv(f"{ENV_PREFIX}BROKER_URL", "redis://10.0.0.5:6379/1")
    monkeypatch.setenv(f"{ENV_PREFIX}HOME", str(tmp_path / "home"))
    for command in ("celery-worker", "celery-status"):
        result = CliRunner().invoke(app, [command])
        assert isinstance(result.exception, BrokerRefused)
    assert not (tmp_path / "home").exists()


def test_a_worker_does_not_start_the_embedded_database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("dagster_celery", reason="the extra [celery] is not installed")
    monkeypatch.setenv(f"{ENV_PREFIX}BROKER_URL", "redis://127.0.0.1:1/1")
    monkeypatch.setenv(f"{ENV_PREFIX}HOME", str(tmp_path))
    monkeypatch.delenv(f"{ENV_PREFIX}DATABASE_URL", raising=False)
    result = CliRunner().invoke(app, ["celery-worker"])
    assert "`crypto-assets up` first" in str(result.exception)


def test_profiles_share_no_key_and_messages_are_json_alone() -> None:
    live, sandbox = (broker_of(_settings("redis://127.0.0.1", profile=name)) for name in ("live", "sandbox"))
    assert live.key_prefix != sandbox.key_prefix
    assert "sandbox" in sandbox.key_prefix
    told = celery_settings(live)
    assert (told["accept_content"], told["task_serializer"]) == (["json"], "json")
    assert (told["task_acks_late"], told["worker_prefetch_multiplier"]) == (True, 1)
    # A run of the stream is followed by the next one after a day.
    assert VISIBILITY_SECONDS > 24 * 3600 + 300


def test_the_file_for_celery_differs_from_the_projects_in_the_named_sections_alone() -> None:
    ours, project = (
        yaml.safe_load((ROOT / name).read_text()) for name in ("deploy/celery/dagster.yaml", "dagster.yaml")
    )
    assert {name for name in ours | project if ours.get(name) != project.get(name)} == OTHER
    changed = ours["run_monitoring"] | {"start_timeout_seconds": project["run_monitoring"]["start_timeout_seconds"]}
    assert changed.items() >= project["run_monitoring"].items()


def test_dagster_is_given_the_file_for_celery_where_a_broker_is_named() -> None:
    assert _settings(None).dagster_file == ROOT / "dagster.yaml"
    assert _settings("redis://127.0.0.1").dagster_file == ROOT / "deploy/celery/dagster.yaml"
