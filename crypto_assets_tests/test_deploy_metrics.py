"""Prometheus' and Grafana's files: valid by their own tools, and each alert tried."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

DEPLOY = Path(__file__).parents[1] / "deploy"
PROMETHEUS, GRAFANA = DEPLOY / "prometheus", DEPLOY / "grafana"
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool: apt-get install prometheus")


def alerts() -> list[dict[str, object]]:
    rules = yaml.safe_load((PROMETHEUS / "rules.yml").read_text())
    return [rule for group in rules["groups"] for rule in group["rules"]]


@needs_promtool
@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "rules.yml"),
        ("test", "rules", "rules_test.yml"),
        ("check", "config", "prometheus.yml"),
        ("check", "config", "prometheus.local.yml"),
    ],
    ids=" ".join,
)
def test_promtool_is_content(arguments: tuple[str, ...]) -> None:
    told = subprocess.run(
        ["promtool", *arguments], cwd=PROMETHEUS, capture_output=True, text=True, timeout=120, check=False
    )
    assert told.returncode == 0, told.stdout + told.stderr


def test_each_alert_says_what_is_wrong_what_to_do_and_how_grave_it_is() -> None:
    names = [str(rule["alert"]) for rule in alerts()]
    assert len(names) == len(set(names)) > 15
    for rule in alerts():
        labels, told = rule["labels"], rule["annotations"]
        assert isinstance(labels, dict)
        assert isinstance(told, dict)
        assert labels["severity"] in {"critical", "warning"}, rule
        assert told["summary"].endswith("."), rule
        assert len(told["runbook"]) > 60, rule


def test_each_alert_is_tried() -> None:
    tried = (PROMETHEUS / "rules_test.yml").read_text()
    named = re.findall(r'alertname(?:="|: )(\w+)', tried)
    assert {str(rule["alert"]) for rule in alerts()} == set(named)


def test_who_scrapes_the_stream_is_said_where_its_metrics_are_used() -> None:
    local, contained = (
        {job.get("metrics_path") for job in yaml.safe_load((PROMETHEUS / name).read_text())["scrape_configs"]}
        for name in ("prometheus.local.yml", "prometheus.yml")
    )
    assert "/metrics/stream" in local
    assert "/metrics/stream" not in contained
    rules = (PROMETHEUS / "rules.yml").read_text()
    for rule in alerts():
        if "crypto_assets_stream_" in str(rule["expr"]):
            before = rules[: rules.index(f"- alert: {rule['alert']}\n")]
            assert "prometheus.local.yml" in before[before.rindex('"\n') :], rule["alert"]
    board = json.loads((GRAFANA / "dashboards" / "crypto_assets.json").read_text())
    of_stream = [panel for panel in board["panels"] if "crypto_assets_stream_" in json.dumps(panel.get("targets"))]
    assert len(of_stream) == 2
    assert all("prometheus.local.yml" in panel["description"] for panel in of_stream)


def test_grafana_is_given_a_board_whose_panels_lie_side_by_side() -> None:
    source = yaml.safe_load((GRAFANA / "datasources" / "prometheus.yaml").read_text())["datasources"][0]
    folder = yaml.safe_load((GRAFANA / "dashboards" / "provider.yaml").read_text())["providers"][0]["options"]["path"]
    assert folder == "/etc/grafana/provisioning/dashboards"
    board = json.loads((GRAFANA / "dashboards" / "crypto_assets.json").read_text())
    assert (board["timezone"], board["uid"]) == ("utc", "crypto_assets")
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) > 30
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == source["uid"]
            assert all(one["expr"] and one["datasource"]["uid"] == source["uid"] for one in panel["targets"])
            assert panel["fieldConfig"]["defaults"]["unit"]
