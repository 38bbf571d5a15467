"""Containers and clusters: the files are what their formats ask for, and name what there is.

Images are not built here, for that needs a container engine; linters and schemas read the files, and each command, setting,
port and file that they name is held against the package.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pytest
import typer.main
import yaml

from crypto_assets.cli.main import app
from crypto_assets.settings import ENV_PREFIX, Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
KUBERNETES = "1.34"
TOOLS = Path(sys.executable).parent

type Document = Mapping[str, Any]


@pytest.fixture(scope="module")
def compose() -> Document:
    found: Document = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return [one for path in MANIFESTS for one in yaml.safe_load_all(path.read_text())]


def _tool(name: str) -> str:
    path = shutil.which(name, path=str(TOOLS))
    if path is None:
        pytest.skip(f"{name} is not installed; the group dev holds it")
    return path


def _passes(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dockerfile_has_no_fault_that_a_linter_knows() -> None:
    _passes(_tool("hadolint"), "--failure-threshold", "info", "deploy/Dockerfile")


def test_the_image_runs_as_nobody_in_particular_and_holds_no_secret() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    final = text[text.rindex("\nFROM ") :]
    assert re.search(r"^USER (\d+):\d+$", final, re.M)
    assert "--require-hashes" in text
    assert not re.search(r"(?i)(password|api_key|token)=", text)
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.M)
    named = {word for line in copied for word in line.split()}
    assert all((ROOT / name).exists() for name in named), named
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert named <= kept, "what is copied has to be let through by .dockerignore"


def test_the_compose_file_is_one_by_its_specification() -> None:
    _passes(_tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", "deploy/compose.yaml")


def test_manifests_are_what_the_cluster_takes() -> None:
    _passes(_tool("kubernetes-validate"), "--strict", "-k", KUBERNETES, *map(str, MANIFESTS))


def test_only_the_proxy_is_reached_from_outside_and_from_this_machine_unless_told(compose: Document) -> None:
    published = {name: one["ports"] for name, one in compose["services"].items() if "ports" in one}
    assert set(published) == {"proxy"}
    assert all(port.startswith("${BIND:-127.0.0.1}:") for port in published["proxy"])


def test_every_service_is_held_back(compose: Document) -> None:
    for name, one in compose["services"].items():
        assert one["read_only"] is True, name
        assert one["cap_drop"] == ["ALL"], name
        assert one["security_opt"] == ["no-new-privileges:true"], name
        assert set(one["deploy"]["resources"]["limits"]) == {"cpus", "memory"}, name
        assert "privileged" not in one, name
    ours = [name for name, one in compose["services"].items() if one["image"].startswith("${IMAGE")]
    assert len(ours) == 7
    assert all(compose["services"][name]["user"] == "10001:10001" for name in ours)


def test_every_image_has_a_version(compose: Document) -> None:
    for name, one in compose["services"].items():
        image = re.sub(r"\$\{\w+:-([^}]+)\}", r"\1", one["image"])
        assert re.search(r":v?\d[\w.-]*$", image), f"{name}: {image}"


def test_settings_in_the_files_are_settings_of_ours(compose: Document, documents: list[Document]) -> None:
    known = {f"{ENV_PREFIX}{field.upper()}" for field in Settings.model_fields}
    named = {
        key for one in compose["services"].values() for key in one.get("environment", {}) if key.startswith(ENV_PREFIX)
    }
    named |= {entry["name"] for pod in _pods(documents) for one in pod["containers"] for entry in one.get("env", ())}
    named |= set(re.findall(rf"\b{ENV_PREFIX}\w+", (DEPLOY / "Dockerfile").read_text()))
    named |= set(re.findall(rf"\b{ENV_PREFIX}\w+", (DEPLOY / "helm" / "values.yaml").read_text()))
    named |= {name.upper() for name in compose["secrets"] if name.startswith(ENV_PREFIX.lower())}
    assert named <= known, named - known


def test_commands_in_the_files_are_commands_of_ours(compose: Document, documents: list[Document]) -> None:
    commands = [
        one["command"] for one in compose["services"].values() if one.get("command", [""])[0] == "crypto-assets"
    ]
    commands += [one["args"] for pod in _pods(documents) for one in pod["containers"]]
    commands.append(re.findall(r'^CMD \["(.+)"\]$', (DEPLOY / "Dockerfile").read_text(), re.M)[-1].split('", "'))
    assert len(commands) == 7 + 3 + 1
    for program, *words in commands:
        assert program == "crypto-assets"
        _parse(words)


def test_ports_in_the_files_are_those_that_are_listened_on(compose: Document) -> None:
    proxy = (DEPLOY / "compose" / "nginx.conf").read_text()
    webserver, dashboard = (Settings.model_fields[f"{name}_port"].default for name in ("webserver", "dashboard"))
    assert f"http://webserver:{webserver};" in proxy
    assert f"http://dashboard:{dashboard};" in proxy
    command = compose["services"]["webserver"]["command"]
    assert command[command.index("--port") + 1] == str(webserver)
    code = compose["services"]["code"]["command"]
    workspace = yaml.safe_load((DEPLOY / "compose" / "workspace.yaml").read_text())["load_from"][0]["grpc_server"]
    assert (workspace["host"], str(workspace["port"])) == ("code", code[code.index("--port") + 1])
    grafana = compose["services"]["grafana"]["environment"]["GF_SERVER_HTTP_PORT"]
    assert f"http://grafana:{grafana};" in proxy


def test_files_that_are_mounted_exist(compose: Document) -> None:
    for name, one in compose["services"].items():
        for volume in one.get("volumes", ()):
            source = str(volume).split(":", maxsplit=1)[0]
            if source.startswith("."):
                assert (DEPLOY / source).exists(), f"{name}: {source}"
    assert all(one["file"].startswith("./secrets/") for one in compose["secrets"].values())
    assert "deploy/secrets/" in (ROOT / ".gitignore").read_text().split()


def test_what_a_setting_names_is_mounted_wherever_it_is_set_and_belongs_to_who_writes_there(compose: Document) -> None:
    image = (DEPLOY / "Dockerfile").read_text()
    everywhere = dict(re.findall(rf"({ENV_PREFIX}\w+)=(/\S+)", image))
    folders, asked = _made_folders(image), 0
    for name, one in compose["services"].items():
        if not one["image"].startswith("${IMAGE"):
            continue
        mounted = {str(volume).split(":")[1]: str(volume).split(":")[0] for volume in one["volumes"]}
        for setting, path in (everywhere | one["environment"]).items():
            if not str(path).startswith("/") or path == "/run/secrets":  # where Docker puts secrets
                continue
            asked += 1
            [place] = [place for place in mounted if path == place or path.startswith(f"{place}/")]
            if not mounted[place].startswith("."):  # a volume begins with the owner that the folder has in the image
                assert place in folders, f"{name}: {setting}"
                assert mounted[place] in compose["volumes"]
    assert asked == 7 * 4, "home, universe, watchlist, backups"


def _made_folders(image: str) -> set[str]:
    """Folders that the image makes for the user that it runs as."""
    [user] = re.findall(r"^USER (\d+):\d+$", image, re.M)
    [name] = re.findall(rf"useradd --uid {user} .* (\S+) \\$", image, re.M)
    [folders] = re.findall(rf"install -d -o {name} -g {name} -m 0750 (.+)$", image, re.M)
    return set(folders.split())


def test_the_charts_instance_is_the_one_of_dagster_yaml() -> None:
    here = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    values = yaml.safe_load((DEPLOY / "helm" / "values.yaml").read_text())
    chart, more = values["dagsterDaemon"], values["additionalInstanceConfig"]
    assert more == {"concurrency": here["concurrency"], "run_queue": here["run_queue"]}
    # Dagster refuses both at once: bounds of the coordinator and pools.
    assert chart["runCoordinator"] == {"enabled": False}
    assert chart["runRetries"] == {"enabled": True, "maxRetries": here["run_retries"]["max_retries"]}
    told = {
        re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", name): one for name, one in chart["runMonitoring"].items()
    }
    assert told == here["run_monitoring"]
    assert values["retention"]["schedule"]["purgeAfterDays"] == here["retention"]["schedule"]["purge_after_days"]
    assert values["retention"]["sensor"]["purgeAfterDays"] == here["retention"]["sensor"]["purge_after_days"]


def test_what_has_no_login_answers_only_who_may_read(documents: list[Document]) -> None:
    policies = {one["metadata"]["name"]: one["spec"] for one in documents if one["kind"] == "NetworkPolicy"}
    values = yaml.safe_load((DEPLOY / "helm" / "values.yaml").read_text())
    labels = {
        "crypto-assets-dashboard": ({"app.kubernetes.io/name": "crypto-assets-dashboard"}, 3001),
        "crypto-assets-webserver": ({"component": "dagster-webserver"}, values["dagsterWebserver"]["service"]["port"]),
    }
    may_read = {"matchLabels": {"crypto-assets/may-read": "true"}}
    for name, (pods, port) in labels.items():
        assert policies[name]["podSelector"] == {"matchLabels": pods}
        assert policies[name]["policyTypes"] == ["Ingress"]
        assert policies[name]["ingress"] == [
            {
                "from": [{"podSelector": may_read}, {"namespaceSelector": may_read}],
                "ports": [{"port": port, "protocol": "TCP"}],
            }
        ]


def test_pods_are_held_back(documents: list[Document]) -> None:
    for pod in _pods(documents):
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        for one in pod["containers"]:
            assert one["securityContext"]["readOnlyRootFilesystem"] is True
            assert one["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert set(one["resources"]["limits"]) == {"cpu", "memory"}
            mounted = {mount["name"] for mount in one["volumeMounts"]}
            assert mounted == {volume["name"] for volume in pod["volumes"]}


def _pods(documents: list[Document]) -> Iterator[Document]:
    for one in documents:
        if one["kind"] == "Deployment":
            yield one["spec"]["template"]["spec"]
        elif one["kind"] == "CronJob":
            yield one["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def _parse(words: list[str]) -> None:
    """Let the real command line parse the words, without running them."""
    group = typer.main.get_command(app)
    assert isinstance(group, click.Group | typer.core.TyperGroup)
    context = group.make_context("crypto-assets", [], resilient_parsing=True)
    name, command, rest = group.resolve_command(context, list(words))  # type: ignore[arg-type]
    assert command is not None
    command.make_context(str(name), rest, parent=context)
