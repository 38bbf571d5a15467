"""What the documents say of the project is so: names, numbers, and manifests that stand in a page."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from crypto_assets.cli.demo import DEMO_DAYS, DEMO_FEE_DAYS, DEMO_MINUTES
from crypto_assets.definitions import build_definitions
from crypto_assets.export_automation import after_source
from crypto_assets.exports.catalog import DATASETS
from crypto_assets.settings import Settings
from crypto_assets.stream.counters import Counters
from crypto_assets.stream.metrics import PREFIX, StreamCollector
from crypto_assets.warehouse.connection import Warehouse

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
IN_WORDS = {10: "ten"}
KUBERNETES = "1.34"


def page(name: str) -> str:
    """A page's text, its lines joined."""
    return " ".join((ROOT / name).read_text().split())


def test_every_automation_condition_is_explained(shared_warehouse: Warehouse) -> None:
    with dg.DagsterInstance.ephemeral():
        made = build_definitions(
            Settings(universe=ROOT / "config" / "universe.yaml", warehouse_url=shared_warehouse.url)
        )
        conditions = [spec.automation_condition for spec in made.resolve_all_asset_specs()]
    labels = {one.get_label() for one in (*conditions, after_source()) if one is not None}
    labels -= {"missing_history", "missing_once"}  # told under the name of the sensor that looks at all of them
    labels |= {"collect_missing_history"}
    assert len(labels) == 6
    assert {label for label in labels if f"| `{label}` |" not in page("docs/operate.md")} == set()


def test_every_figure_of_the_stream_is_named() -> None:
    found = StreamCollector(Counters(), lambda: None, lambda: 0).collect()
    names = {one.name.removeprefix(PREFIX) for one in found}
    assert {name for name in names if f"`{name}`" not in page("docs/operate.md")} == set()
    assert {"quotes", "latest_values", "insert_seconds"} <= names


def test_the_demo_collects_what_the_documents_say() -> None:
    days, minutes = IN_WORDS[DEMO_DAYS], IN_WORDS[DEMO_MINUTES]
    readme = page("README.md")
    assert f"{days} days of bars" in readme
    assert f"{minutes} minutes of trades" in readme
    assert f"{DEMO_FEE_DAYS} days of fees" in readme
    assert f"{days} days of bars" in page("docs/index.md")
    assert f"Collect {days} days" in page("crypto_assets/cli/main.py")


def test_as_many_datasets_are_exported_as_the_documents_say() -> None:
    assert f"{len(DATASETS)} datasets can be had as files" in page("docs/exports.md")
    assert f"{len(DATASETS)} datasets as partitioned Parquet" in page("CHANGELOG.md")


def test_manifests_in_a_page_are_what_the_cluster_takes(tmp_path: Path) -> None:
    checker = shutil.which("kubernetes-validate", path=str(Path(sys.executable).parent))
    if checker is None:
        pytest.skip("kubernetes-validate is not installed; the group dev holds it")
    [manifest] = re.findall(r'```yaml title="migrate.yaml"\n(.*?)```', (DOCS / "deploy.md").read_text(), re.S)
    file = tmp_path / "migrate.yaml"
    # The checker asks for a name, which the cluster makes of this one.
    file.write_text(manifest.replace("generateName:", "name:"))
    command = (checker, "--strict", "-k", KUBERNETES, str(file))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
