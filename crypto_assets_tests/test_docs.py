"""What the documents tell people to type is there to be typed, and does what it does without an error.

Every command is parsed by the real command line. Those that read, and those that write to folders of their own, are run once
over a stored world; of the others `ELSEWHERE` says why not, and which test covers them.
"""

import os
import re
import shlex
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import dagster as dg
import pytest
import typer.main
from typer.testing import CliRunner, Result

from crypto_assets.cli.console import NOTICES, OUT
from crypto_assets.cli.main import app
from crypto_assets.definitions import build_definitions
from crypto_assets.settings import Settings
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.docs_world import fill_documents_world

ROOT = Path(__file__).parents[1]
TESTS = Path(__file__).parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "api").rglob("*.md"))]
COMMANDS = [
    (path.name, line.removeprefix("$ "))
    for path in DOCUMENTS
    for block in re.findall(r"```console\n(.*?)```", path.read_text(), re.S)
    for line in block.splitlines()
    if line.startswith("$ ")
]
# The beginning of a command → why it is not run here, the test that covers it, and words by which that one does.
ELSEWHERE = {
    "up": ("it does not end", "cli/test_commands.py", 'started("up"'),
    "doctor": ("it asks every provider", "cli/test_commands.py", 'crypto_assets("doctor")'),
    "backfill": ("it asks venues for years", "cli/test_commands.py", 'crypto_assets("backfill"'),
    "collect": ("it asks venues; there its runs are planned", "cli/test_runs.py", "plan_runs("),
    "collect-pools": ("it asks GeckoTerminal; there its run is made", "cli/test_pools.py", "execute(plan"),
    "collect-world": ("it asks a dozen providers; there it is planned", "cli/test_collect_world.py", "AREAS"),
    "gaps scan": ("it would say that this world was never collected", "cli/test_commands.py", '"gaps", "scan"'),
    "gaps repair": ("it asks venues", "cli/test_commands.py", '"gaps", "repair"'),
    "features compute": ("it takes minutes", "cli/test_commands.py", '"features", "compute"'),
    "features show": ("features have to be computed first", "cli/test_commands.py", '"features", "show"'),
    "features report": ("features have to be computed first", "cli/test_commands.py", '"features", "report"'),
    "models train": ("it trains", "cli/test_models.py", "models train gas_4h"),
    "models show": ("something has to be trained first", "cli/test_models.py", "models show gas_4h"),
    "models score": ("something has to be trained first", "cli/test_models.py", "models score gas_4h"),
    "models promote": ("something has to be trained first", "cli/test_models.py", '"models", "promote"'),
    "models rollback": ("something has to be trained first", "cli/test_models.py", '"models", "rollback"'),
    "predict": ("something has to be trained first", "cli/test_models.py", '"predict"'),
    "dataset delete": ("what was frozen is read on", "cli/test_dataset.py", "COMMANDS"),
    "retention restore": ("something has to be taken out first", "cli/test_retention.py", '"restore"'),
    "migrate --timescale": (
        "the extension is not in the embedded server",
        "warehouse/test_timescale.py",
        "--timescale",
    ),
    "restore": ("it fills another database", "cli/test_backup.py", '"restore"'),
    "backup --to s3:": ("nobody answers there", "warehouse/test_backup_place.py", "memory://"),
    "backup list --at s3:": ("nobody answers there", "warehouse/test_backup_place.py", "memory://"),
    "alerts test": ("an address has to listen", "cli/test_alerts.py", 'run("test", urls='),
    "stream": ("it does not end", "cli/test_stream.py", '"stream"'),
    "top": ("a stream has to run", "cli/test_top.py", "top("),
    "dashboard": ("it does not end", "cli/test_dashboard.py", '"dashboard"'),
    "exec": ("it becomes another program", "deploy/test_processes.py", '"exec"'),
    "celery-worker": ("it does not end", "scale_out/test_worker.py", "celery-worker"),
    "celery-status": ("a broker has to answer", "scale_out/test_broker.py", "celery-status"),
}
# Blocks of Python that need what only a test of their own has, and that test.
BLOCKS_ELSEWHERE = {
    "client.md": "client/test_documents.py",
    "forecasts.md": "datasets/models/predictions/test_live.py",
}
AS_OF = ("as_of=datetime(2024, 8, 1, tzinfo=UTC)", "as_of=datetime.now(UTC)")  # this world was stored today

PROGRAM = typer.main.get_command(app)

type Run = Callable[[str], Result]


def _words(line: str) -> list[str]:
    """A command's words, without the shell around it."""
    return shlex.split(re.sub(r'^eval "\$\((.*)\)"$', r"\1", line))


def _without_profile(words: list[str]) -> str:
    """What is asked of the program: a profile is another database with the same tables."""
    return shlex.join(words[2:] if words[0] == "--profile" else words)


def _is_of(command: str, beginning: str) -> bool:
    """Whether a command begins so; words are whole, but for what ends with a colon."""
    return command == beginning or command.startswith(beginning if beginning.endswith(":") else f"{beginning} ")


ASKED = [_without_profile(_words(line)[1:]) for _, line in COMMANDS if Path(_words(line)[0]).name == "crypto-assets"]
RUN_HERE = list(dict.fromkeys(command for command in ASKED if not any(_is_of(command, one) for one in ELSEWHERE)))


def _parse(words: list[str]) -> None:
    """Let the real command line parse the words, without running them."""
    command: object = PROGRAM
    context = None
    while isinstance(command, (click.Group, type(PROGRAM))):
        context = command.make_context("crypto-assets", list(words), parent=context, resilient_parsing=True)
        rest = [*context._protected_args, *context.args] if hasattr(context, "_protected_args") else context.args
        if not rest and command.invoke_without_command:  # type: ignore[attr-defined]
            return
        name, command, words = command.resolve_command(context, rest)
    command.make_context(str(name), list(words), parent=context)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def run(shared_warehouse: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Runs a command over the stored world, in a folder of its own."""
    fill_documents_world(shared_warehouse)
    folder = tmp_path_factory.mktemp("documents")
    (folder / "config").symlink_to(ROOT / "config")
    environment = {
        "CRYPTO_ASSETS_HOME": str(folder / "home"),
        "CRYPTO_ASSETS_DATABASE_URL": shared_warehouse.url.get_secret_value(),
        "CRYPTO_ASSETS_WAREHOUSE_URL": shared_warehouse.url.get_secret_value(),
    }

    # What a document names and a test must not use: a folder of the machine, and a moment before this world was stored.
    instead = {"/mnt/backups": str(folder / "elsewhere"), "2026-11-01T00:00": datetime.now(UTC).isoformat()}

    def invoke(command: str) -> Result:
        for named, ours in instead.items():
            command = command.replace(named, ours)
        return CliRunner().invoke(app, shlex.split(command))

    with pytest.MonkeyPatch.context() as patched:
        for console in (OUT, NOTICES):
            patched.setattr(console, "width", 180)
        for name in [name for name in os.environ if name.startswith("CRYPTO_ASSETS_") or name == "REDIS_URL"]:
            patched.delenv(name)
        for name, value in environment.items():
            patched.setenv(name, value)
        patched.chdir(folder)
        yield invoke


@pytest.mark.parametrize(("document", "line"), COMMANDS, ids=lambda value: value)
def test_every_command_in_the_documents_parses(document: str, line: str) -> None:
    words = _words(line)
    program = Path(words[0]).name
    if program == "make":
        target = words[1]
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M), document
    elif program == "crypto-assets":
        _parse(words[1:])
    else:
        assert program == "dagster", document


def test_every_command_that_can_be_run_here_ends_well(run: Run) -> None:
    failed = []
    for command in RUN_HERE:
        done = run(command)
        if done.exit_code != 0:
            failed.append(f"{command}: {done.exception!r} {done.output[-400:]}")
    assert failed == []
    assert len(RUN_HERE) > 60


def test_of_every_other_command_a_test_is_named_that_covers_it() -> None:
    unused = [one for one in ELSEWHERE if not any(_is_of(command, one) for command in ASKED)]
    assert unused == []
    for command, (why, file, words) in ELSEWHERE.items():
        assert why
        assert words in (TESTS / file).read_text(), f"{file} does not cover {command}"


def test_every_block_of_python_runs_over_the_stored_world(run: Run) -> None:
    run("export bars --to .")
    if run("dataset show momentum-2024").exit_code:  # where this test runs by itself, nobody has made it yet
        run(next(command for command in RUN_HERE if command.startswith("dataset create momentum-2024")))
    ran = 0
    for path in DOCUMENTS:
        if path.name in BLOCKS_ELSEWHERE:
            assert (TESTS / BLOCKS_ELSEWHERE[path.name]).is_file()
            continue
        namespace: dict[str, object] = {}
        text = path.read_text().replace(*AS_OF)
        for number, block in enumerate(re.findall(r"```python\n(.*?)```", text, re.S), 1):
            exec(compile(block, f"{path.name}, block {number}", "exec"), namespace)  # noqa: S102 - our own documents
            ran += 1
    assert ran > 5


def test_every_schedule_and_sensor_is_explained(shared_warehouse: Warehouse) -> None:
    with dg.DagsterInstance.ephemeral():
        made = build_definitions(
            Settings(universe=ROOT / "config" / "universe.yaml", warehouse_url=shared_warehouse.url)
        )
        named = {one.name for one in (*(made.schedules or ()), *(made.sensors or ()))}
        named -= {"default_automation_condition_sensor"}
    page = (ROOT / "docs" / "operate.md").read_text()
    assert {name for name in named if f"| `{name}` |" not in page} == set()
    assert len(named) > 20


def test_every_picture_and_page_that_is_linked_exists() -> None:
    for path in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text()):
            if not target.startswith("http"):
                assert (path.parent / target).exists() or _is_generated(path.parent / target), f"{path.name}: {target}"


def _is_generated(target: Path) -> bool:
    """Pages of tables are made when the site is built, from the declarations."""
    return target.resolve().parent == ROOT / "docs" / "api" / "tables" and target.suffix == ".md"


def test_the_examples_in_the_documents_import_what_exists() -> None:
    code = [block for path in DOCUMENTS for block in re.findall(r"```python\n(.*?)```", path.read_text(), re.S)]
    imports = [line for block in code for line in block.splitlines() if line.startswith(("from ", "import "))]
    exec("\n".join(imports), {})  # noqa: S102 - our own document
    assert len(imports) > 5
