"""The environment, read once: defaults, refusals by name, secrets that stay secret."""

from pathlib import Path

import pytest

from crypto_assets.settings import ENV_PREFIX, Settings, SettingsError, load_settings

EXAMPLE = Path(__file__).parents[1] / ".env.example"


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for field in Settings.model_fields:
        monkeypatch.delenv(f"{ENV_PREFIX}{field.upper()}", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)


def test_nothing_has_to_be_set() -> None:
    settings = load_settings()
    assert (settings.profile, settings.database_suffix, settings.webserver_port) == ("live", "", 3000)
    assert settings.universe_file.name == "universe.yaml"
    assert settings.universe_file.exists()


def test_every_setting_is_explained_in_the_example_with_its_default() -> None:
    lines = dict(
        line[1:].split("=", 1) for line in EXAMPLE.read_text().splitlines() if line.startswith("#CRYPTO_ASSETS_")
    )
    assert set(lines) == {f"{ENV_PREFIX}{field.upper()}" for field in Settings.model_fields}
    assert lines["CRYPTO_ASSETS_WEBSERVER_PORT"] == str(Settings.model_fields["webserver_port"].default)
    assert lines["CRYPTO_ASSETS_LOG_LEVEL"] == Settings.model_fields["log_level"].default


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DATABASE_URL", "mysql://u:p@h/d", "expected postgresql://"),
        ("DATABASE_URL", "postgresql://u:p@h", "expected postgresql://"),
        ("SANDBOX_URL", "http://example.com:80", "expected http://127.0.0.1:PORT"),
        ("SANDBOX_URL", "http://127.0.0.1:8899", "a sandbox needs a profile of its own"),
        ("PROFILE", "../../x", "CRYPTO_ASSETS_PROFILE"),
        ("WEBSERVER_PORT", "70000", "CRYPTO_ASSETS_WEBSERVER_PORT"),
        ("LOG_LEVEL", "LOUD", "CRYPTO_ASSETS_LOG_LEVEL"),
        ("ETHEREUM_RPC_URL", "file:///etc/passwd", "expected http(s)://host/path"),
        ("SOLANA_RPC_URL", "node", "expected http(s)://host/path"),
        ("MODEL_STORE", "s3://", "CRYPTO_ASSETS_MODEL_STORE: expected a folder, or an address as s3://bucket/folder"),
        ("MODEL_STORE", "S 3://bucket", "expected a folder, or an address"),
        ("BACKUP_STORE", "s3://", "CRYPTO_ASSETS_BACKUP_STORE: expected a folder, or an address"),
        ("REDIS_URL", "http://127.0.0.1", "CRYPTO_ASSETS_REDIS_URL: expected redis://"),
        ("REDIS_URL", "redis://", "CRYPTO_ASSETS_REDIS_URL: expected redis://"),
        ("UI_URL", "https://user:word@example.com", "without a password"),
        ("DASHBOARD_HOST", "example.com", "expected an address such as 127.0.0.1"),
        ("LOG_FORMAT", "xml", "CRYPTO_ASSETS_LOG_FORMAT"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}{name}", value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert said in str(caught.value)


def test_a_password_appears_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTO_ASSETS_DATABASE_URL", "postgresql://user:canary@127.0.0.1/db")
    monkeypatch.setenv("CRYPTO_ASSETS_WEBSERVER_PORT", "none")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "canary" not in str(caught.value)
    monkeypatch.delenv("CRYPTO_ASSETS_WEBSERVER_PORT")
    assert "canary" not in repr(load_settings())


def test_a_profile_has_databases_and_a_home_of_its_own() -> None:
    settings = load_settings(profile="sandbox")
    assert settings.database_suffix == "_sandbox"
    assert settings.dagster_home.parts[-2:] == ("sandbox", "dagster")


def test_forecasts_lie_in_the_home_unless_another_place_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert load_settings().model_store_place == str(tmp_path / ".crypto_assets" / "models")
    for told, place in (
        (" ", str(tmp_path / ".crypto_assets" / "models")),
        ("kept", str(tmp_path / "kept")),
        ("/srv/models", "/srv/models"),
        ("s3://bucket/models", "s3://bucket/models"),
    ):
        monkeypatch.setenv(f"{ENV_PREFIX}MODEL_STORE", told)
        assert load_settings().model_store_place == place


def test_each_kind_of_file_has_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = load_settings()
    places = (settings.export_place, settings.training_place, settings.backup_place)
    assert places == tuple(str(tmp_path / ".crypto_assets" / name) for name in ("exports", "training_sets", "backups"))
    monkeypatch.setenv(f"{ENV_PREFIX}BACKUP_STORE", "s3://bucket/backups")
    assert load_settings().backup_place == "s3://bucket/backups"


def test_a_redis_is_named_as_everywhere_and_ours_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().redis_url is None
    monkeypatch.setenv("REDIS_URL", "redis://:canary@127.0.0.1:6379/0")
    found = load_settings()
    assert found.redis_url is not None
    assert found.redis_url.get_secret_value().endswith("6379/0")
    assert "canary" not in repr(found)
    monkeypatch.setenv(f"{ENV_PREFIX}REDIS_URL", "redis://127.0.0.1:7000/1")
    found = load_settings()
    assert found.redis_url is not None
    assert found.redis_url.get_secret_value().endswith("7000/1")


def test_a_folder_of_secrets_is_read_and_the_environment_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "crypto_assets_database_url").write_text("postgresql://user:canary@127.0.0.1/filed\n")
    (tmp_path / "run" / "crypto_assets_alert_urls").write_text("\n")
    monkeypatch.setenv(f"{ENV_PREFIX}SECRETS_DIR", str(tmp_path / "run"))
    found = load_settings()
    assert found.database_url is not None
    assert found.database_url.get_secret_value().strip().endswith("/filed")
    assert found.alert_urls is None
    assert "canary" not in repr(found)
    monkeypatch.setenv(f"{ENV_PREFIX}DATABASE_URL", "postgresql://user:word@127.0.0.1/set")
    assert "/set" in str(load_settings().database_url.get_secret_value())  # type: ignore[union-attr]
    monkeypatch.setenv(f"{ENV_PREFIX}SECRETS_DIR", str(tmp_path / "absent"))
    with pytest.raises(SettingsError, match="SECRETS_DIR is no folder"):
        load_settings()


def test_links_lead_to_the_web_ui(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}WEBSERVER_PORT", "3111")
    assert load_settings().ui_address == "http://127.0.0.1:3111"
    monkeypatch.setenv(f"{ENV_PREFIX}UI_URL", "https://data.example.com/dagster/")
    assert load_settings().ui_address == "https://data.example.com/dagster"


def test_keys_are_read_as_secrets_and_an_empty_line_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("FRED_API_KEY", "ETHERSCAN_API_KEY", "CRYPTOPANIC_API_KEY")
    for name in names:
        monkeypatch.setenv(f"{ENV_PREFIX}{name}", f"canary-{name}")
    monkeypatch.setenv(f"{ENV_PREFIX}ETHEREUM_RPC_URL", "https://node.example.org/v3/canary-node")
    monkeypatch.setenv(f"{ENV_PREFIX}SOLANA_RPC_URL", " ")
    settings = load_settings()
    assert settings.solana_rpc_url is None
    assert settings.fred_api_key is not None
    assert settings.fred_api_key.get_secret_value() == "canary-FRED_API_KEY"
    assert "canary" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
