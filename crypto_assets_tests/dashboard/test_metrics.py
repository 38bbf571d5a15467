"""What /metrics says of the small world, by hand; that one silent part silences no other; names that rules rely on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from crypto_assets.dashboard.answers import Answers, Place
from crypto_assets.dashboard.metrics import FigureCollector
from crypto_assets.dashboard.read_only import ReadOnly
from crypto_assets.stream.address import write_address
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.dashboard import world
from crypto_assets_tests.dashboard.conftest import served
from crypto_assets_tests.stream.standings import snapshot, standing
from crypto_assets_tests.stream.watching import Stream
from crypto_assets_tests.stream.watching import served as stream_served

DEPLOY = world.ROOT / "deploy"
TOKEN = re.compile(r"\bcrypto_assets_\w+")
SELECTOR = re.compile(r"\b(crypto_assets_\w+)\{([^}]*)\}")
# What the small world lacks: nothing was backed up, and no stream wrote.
MISSING_HERE = {"crypto_assets_backup_age_seconds"}

type Samples = dict[tuple[str, ...], float]


@pytest.fixture(scope="module")
def whole(filled: Warehouse, dagster_url: SecretStr, tmp_path_factory: pytest.TempPathFactory) -> Place:
    return world.place_of(filled, tmp_path_factory.mktemp("metrics"), dagster_url)


@pytest.fixture(scope="module")
def url(whole: Place) -> Iterator[str]:
    with served(whole) as at:
        yield at


def scraped(text: str) -> Samples:
    """Name and values of labels, in the order of the labels' names → value."""
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation, family.name
        for one in family.samples:
            found[one.name, *(one.labels[name] for name in sorted(one.labels))] = one.value
    return found


@pytest.fixture(scope="module")
def samples(url: str) -> Samples:
    return scraped(httpx.get(f"{url}/metrics", trust_env=False, timeout=30).text)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (("provider_requests_total", "mexc"), 1200),
        (("provider_throttled_requests_total", "mexc"), 3),
        (("provider_breaker", "gate", "open"), 1),
        (("provider_breaker", "gate", "closed"), 0),
        (("provider_latency_seconds", "mexc"), 0.085),
        (("polls", "market/trades", "mexc"), 3),
        (("polls_overdue", "market/trades", "mexc"), 1),
        (("polls_failing", "market/trades", "mexc"), 1),
        (("collection_series", "market/ohlcv", "mexc"), 3),
        (("quarantine_rows", "market/ohlcv"), 1),
        (("quality_score_ratio", "market/ohlcv", "overall"), 0.95),
        (("quality_worst_score_ratio", "market/ohlcv"), 0.9),
        (("ledger_holes", "market/ohlcv", "missing"), 1),
        (("ledger_hole_seconds", "market/ohlcv", "missing"), 12 * 3600),
        (("ledger_holes", "market/book_ticker_snapshots", "venue_outage"), 1),
        (("quotes_markets", "mexc"), 3),
        (("quotes_stale_ratio", "mexc"), 1 / 3),
        (("forecast_champion_version", "gas_1h"), 1),
        (("forecast_skill_ratio", "gas_1h"), 0.2),
        (("forecast_live_outcomes", "gas_1h"), 71),
        (("forecast_live_error", "gas_1h"), 0.01),
        (("forecast_live_baseline_error", "gas_1h"), 0.02),
        (("forecast_error_drift_ratio", "gas_1h"), 0.01 / 0.008),
        (("dagster_runs", "failure"), 1),
        (("dagster_failed_runs_last_day",), 1),
        (("dagster_queued_runs",), 0),
        (("check_passed", "market/ohlcv", "high_not_below_low", "error"), 1),
        (("check_passed", "market/ohlcv", "newest_bar_is_recent", "warn"), 0),
        (("checks_failed", "warn"), 1),
        (("checks_failed", "error"), 0),
        (("checks",), 2),
        (("alerts_open", "critical"), 0),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_metrics_tell_what_is_stored(samples: Samples, key: tuple[str, ...], value: float) -> None:
    assert samples[f"crypto_assets_{key[0]}", *key[1:]] == pytest.approx(value)


def test_ages_and_sizes_are_plausible(samples: Samples) -> None:
    assert {value for key, value in samples.items() if key[0] == "crypto_assets_group_up"} == {1.0}
    assert 0 <= samples["crypto_assets_asset_age_seconds", "market/ohlcv"] < 3700
    assert 0 <= samples["crypto_assets_asset_age_seconds", "market/book_ticker_snapshots"] < 600
    assert 240 <= samples["crypto_assets_polls_longest_overdue_seconds", "market/trades", "mexc"] < 900
    assert 20 <= samples["crypto_assets_dagster_daemon_silent_seconds", "scheduler"] < 600
    assert samples["crypto_assets_table_rows", "market.ohlcv"] == 4 * world.HOURS - 18
    assert samples["crypto_assets_table_size_bytes", "market.ohlcv"] > 50_000
    assert samples["crypto_assets_database_size_bytes",] > 5_000_000
    assert sum(value for key, value in samples.items() if key[0] == "crypto_assets_database_connections") >= 1


def test_a_silent_part_is_told_and_silences_no_other(whole: Place) -> None:
    away = ReadOnly(SecretStr("postgresql://u:canary@127.0.0.1:1/nothing"), takes_role=False)
    place = Place(whole.profile, whole.warehouse, away, whole.sql_folder, whole.stream_file, whole.ui_address)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(FigureCollector(Answers(place).figures))
    text = generate_latest(registry).decode()
    found = scraped(text)
    assert found["crypto_assets_group_up", "dagster"] == found["crypto_assets_group_up", "checks"] == 0
    assert found["crypto_assets_group_up", "ledger"] == 1
    assert not any(key[0] == "crypto_assets_dagster_runs" for key in found)
    assert "canary" not in text


def stream_text(folder: Path) -> str:
    """The stream's own metrics, as it serves them."""
    stream = Stream()
    stream.snapshot = snapshot(0, [standing("mexc", "99.90", "100.00")])
    stream.counters.feeds.quotes["mexc"] = 5
    stream.counters.writer.last_stored_at = stream.now
    with stream_served(stream.server()) as port:
        write_address(folder / "stream.json", port)
        place = world.place_of(Warehouse(SecretStr("postgresql://u@127.0.0.1:1/x")), folder)
        return Answers(place).stream_metrics().decode()


def test_the_streams_metrics_are_handed_on_from_wherever_it_listens(url: str, whole: Place, folder: Path) -> None:
    assert 'crypto_assets_stream_quotes_total{venue="mexc"} 5.0' in stream_text(folder)
    answer = httpx.get(f"{url}/metrics/stream", trust_env=False)
    assert (answer.status_code, answer.json()["problem"]) == (503, "No stream is running in this profile")


def expressions() -> list[tuple[str, str]]:
    """Where a metric is asked for, and how: every rule and every panel."""
    rules = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text())
    found = [(rule["alert"], rule["expr"]) for group in rules["groups"] for rule in group["rules"]]
    board = json.loads((DEPLOY / "grafana" / "dashboards" / "crypto_assets.json").read_text())
    return found + [(panel["title"], one["expr"]) for panel in board["panels"] for one in panel.get("targets", ())]


@pytest.mark.parametrize(("name", "expression"), expressions(), ids=[name for name, _ in expressions()])
def test_rules_and_panels_ask_for_what_is_exported(
    samples: Samples, url: str, stream_names: set[str], name: str, expression: str
) -> None:
    exported = {key[0] for key in samples} | stream_names | MISSING_HERE
    tokens = set(TOKEN.findall(re.sub(r'"[^"]*"', "", expression)))
    assert tokens or expression.startswith("up{"), expression
    assert tokens <= exported
    text = httpx.get(f"{url}/metrics", trust_env=False).text
    for metric, selected in SELECTOR.findall(expression):
        labels = {
            label for line in re.findall(rf"^{metric}{{(.*)}} ", text, re.M) for label in re.findall(r"(\w+)=", line)
        }
        assert set(re.findall(r"(\w+)\s*[=!]~?", selected)) <= labels, metric


@pytest.fixture(scope="module")
def stream_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    return {key[0] for key in scraped(stream_text(tmp_path_factory.mktemp("stream")))}
