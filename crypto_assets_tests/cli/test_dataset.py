"""`crypto-assets dataset` and `models train --training-set`: the documents' example as it is typed, and what is refused."""

import json
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from crypto_assets.cli.console import NOTICES, OUT
from crypto_assets.cli.main import app
from crypto_assets.datasets.models.registry import train
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.models.registry.stage import FAST
from crypto_assets_tests.markets import store, walk

pytestmark = pytest.mark.xdist_group("dataset_cli")  # one of them makes the sets, the others look at them

GUIDE = Path(__file__).parents[2] / "docs" / "training_sets.md"
EXAMPLE = GUIDE.read_text().partition("## Everyday use")[0]
COMMANDS = re.findall(r"^\$ crypto-assets (.+)$", EXAMPLE, re.M)
UNIVERSE = "history_from: 2024-01-01\nvenues: {binance: {markets: [BTC/USDT, ETH/USDT, SOL/USDT]}}\n"
SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
HOURS = 24 * 60

type Run = Callable[..., Result]


@pytest.fixture(scope="module")
def run(shared_warehouse: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Runs a command on a wide terminal; bars of sixty days of three markets are stored."""
    home = tmp_path_factory.mktemp("sets")
    (home / "universe.yaml").write_text(UNIVERSE)
    for number, symbol in enumerate(SYMBOLS):
        store(shared_warehouse, walk(HOURS, number), symbol)
    environment = {
        "CRYPTO_ASSETS_HOME": str(home),
        "CRYPTO_ASSETS_DATABASE_URL": shared_warehouse.url.get_secret_value(),
        "CRYPTO_ASSETS_UNIVERSE": str(home / "universe.yaml"),
    }

    def invoke(*arguments: str) -> Result:
        return CliRunner(env=environment).invoke(app, list(arguments))

    with pytest.MonkeyPatch.context() as patched:
        for console in (OUT, NOTICES):
            patched.setattr(console, "width", 200)
        patched.setattr(train, "LEARNERS", {"lightgbm": lambda: FAST})
        yield invoke


@pytest.fixture(scope="module")
def example(run: Run, shared_warehouse: Warehouse) -> dict[str, Result]:
    """The commands of the documents' example in their order; before the set is verified, other bars come."""
    found = {}
    for command in COMMANDS:
        if command.startswith("dataset verify"):
            store(shared_warehouse, walk(HOURS, 9), "BTC/USDT")
        found[command] = run(*shlex.split(command))
    return found


def told(example: dict[str, Result], beginning: str, code: int = 0) -> str:
    [result] = [result for command, result in example.items() if command.startswith(beginning)]
    assert result.exit_code == code, result.output
    return result.output


def test_the_example_of_the_documents_does_what_it_says(example: dict[str, Result]) -> None:
    assert len(COMMANDS) == 6
    made = told(example, "dataset create momentum-2024")
    assert re.search(r"│ binance BTC/USDT │ +1,440 │ +1,440 │ +│ +0 │ 2024-01-01 00:00 │ 2024-02-29 23:00 │", made), (
        made
    )
    assert "2,880 rows of 154 columns" in made
    assert re.search(
        r"Cannot be rebuilt: arbitrage_.*, arbitrage_best_pct_24h: market\.arbitrage_opportunities keeps", made
    )
    verified = told(example, "dataset verify momentum-2024")
    [digest] = re.findall(
        r"momentum-2024 is verified: 2,880 rows were rebuilt and are equal, ([0-9a-f]{64})\.", verified
    )
    assert digest in made
    assert "Note: not rebuilt: dex_net_buying: ops.collected_ranges keeps no former spans" in verified
    assert re.search(r"opportunity_4h version 1 \(lightgbm\): ", told(example, "models train opportunity_4h"))
    shown = told(example, "dataset show momentum-2024")
    assert "Learned from by opportunity_4h version 1 (candidate)." in shown
    assert re.search(r"; verified, looked at \d{4}-", shown)
    assert re.search(
        r"│ momentum-2024 │ .* │ 1h +│ +2 │ +154 │ +2,880 │ .* │ verified │", told(example, "dataset list")
    )
    [refused] = [result for command, result in example.items() if command.startswith("dataset delete")]
    assert isinstance(refused.exception, CryptoAssetsError)
    assert "momentum-2024 stays: opportunity_4h version 1 (candidate) learned from it" in refused.exception.problem


@pytest.mark.usefixtures("example")
def test_json_is_for_machines(run: Run) -> None:
    [one] = [
        one for one in json.loads(run("dataset", "list", "--json").stdout)["training_sets"] if "momentum" in one["name"]
    ]
    assert one["markets"] == {"binance:BTC/USDT": 1440, "binance:ETH/USDT": 1440}
    manifest = json.loads(run("dataset", "show", "momentum-2024", "--json").stdout)
    assert manifest["row_hash"]["sha256"] == one["row_hash"]
    assert manifest["question"]["horizons"] == [1, 4, 24, 168]
    found = json.loads(run("dataset", "verify", "momentum-2024", "--files-only", "--json").stdout)
    assert (found["state"], found["differences"], found["damaged"]) == ("verified", [], [])  # as the example left it
    assert found["rebuilt_hash"] == ""


def test_what_differs_is_a_table_and_exit_code_1(run: Run, shared_warehouse: Warehouse) -> None:
    run(
        "dataset", "create", "small", "--from", "2024-01-02", "--to", "2024-01-03", "--markets", "SOL/USDT", "--columns",
        "close,return_1", "--labels", "none",
    )  # fmt: skip
    with shared_warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            "UPDATE market.ohlcv SET close = 50 WHERE symbol = 'SOL/USDT' AND opened_at = '2024-01-02 05:00Z'"
        )
    found = run("dataset", "verify", "small")
    assert found.exit_code == 1
    assert re.search(r"│ binance SOL/USDT │ close +│ +1 │ 2024-01-02 05:00 │ +[\d.]+ │ +50 │", found.output), (
        found.output
    )
    assert re.search(r"│ binance SOL/USDT │ return_1 +│ +2 │ 2024-01-02 05:00 │", found.output)
    assert "small differs: 3 values in 2 columns of markets" in found.output
    files = run("dataset", "verify", "small", "--files-only")
    assert files.exit_code == 1  # nothing was rebuilt, so that the rows are not equal all of a sudden
    assert (
        "every file is what was written; nothing was rebuilt, and its rows differed when they last were."
        in files.output
    )
    told_of = json.loads(run("dataset", "verify", "small", "--files-only", "--json").stdout)
    assert (told_of["state"], told_of["damaged"], told_of["rebuilt_hash"]) == ("differs", [], "")
    assert run("dataset", "delete", "small", "--yes").output.strip() == "small is deleted."


def test_whole_files_of_a_set_that_was_never_rebuilt_are_no_failure_and_no_proof(run: Run) -> None:
    run(
        "dataset", "create", "fresh", "--from", "2024-01-02", "--to", "2024-01-03", "--markets", "ETH/USDT", "--columns",
        "close", "--labels", "none",
    )  # fmt: skip
    files = run("dataset", "verify", "fresh", "--files-only")
    assert files.exit_code == 0
    assert "nothing was rebuilt, and its rows are not verified." in files.output
    assert json.loads(run("dataset", "verify", "fresh", "--files-only", "--json").stdout)["state"] == "created"


def test_a_set_whose_folder_is_gone_is_listed_as_damaged(run: Run) -> None:
    run(
        "dataset", "create", "gone", "--from", "2024-01-02", "--to", "2024-01-03", "--markets", "ETH/USDT", "--columns",
        "close", "--labels", "none",
    )  # fmt: skip
    assert run("dataset", "verify", "gone").exit_code == 0
    [one] = [
        one for one in json.loads(run("dataset", "list", "--json").stdout)["training_sets"] if one["name"] == "gone"
    ]
    assert one["state"] == "verified"
    shutil.rmtree(one["place"])
    refused = run("dataset", "verify", "gone")
    assert isinstance(refused.exception, CryptoAssetsError)
    assert "manifest.json of the training set gone is missing" in refused.exception.problem
    [one] = [
        one for one in json.loads(run("dataset", "list", "--json").stdout)["training_sets"] if one["name"] == "gone"
    ]
    assert one["state"] == "damaged"
    assert run("dataset", "delete", "gone", "--yes").exit_code == 0


@pytest.mark.parametrize(
    ("command", "problem", "way_out"),
    [
        ("dataset create ../up --from 2024-01-01", "cannot be named '../up'", "small letters"),
        ("dataset create x --from yesterday", "--from is 'yesterday', no ISO 8601 time", "2026-01-31"),
        ("dataset create x --from 2024-01-01 --labels soon", "--labels is 'soon'", "--labels 1,24"),
        ("dataset create x --from 2024-01-01 --markets DOGE/USDT", "DOGE/USDT", "Stored are BTC/USDT"),
        ("dataset verify nothing", "No training set is named nothing", ""),
        ("dataset show nothing", "No training set is named nothing", ""),
        ("dataset delete nothing", "nothing is not deleted without --yes", "dataset show nothing"),
        ("dataset delete nothing --yes", "Nothing is named nothing", "dataset list"),
        (
            "models train gas_4h --training-set momentum-2024",
            "gas_4h learns from frames of its own",
            "without --training-set",
        ),
        ("models train opportunity_4h --training-set nothing", "No training set is named nothing", ""),
        ("models train opportunity_4h --training-set x --hold-out 7", "exclude each other", "earlier --to"),
    ],
    ids=lambda value: value,
)
@pytest.mark.usefixtures("example")
def test_what_cannot_be_is_refused_in_a_line(run: Run, command: str, problem: str, way_out: str) -> None:
    refused = run(*shlex.split(command))
    assert isinstance(refused.exception, CryptoAssetsError), refused.output
    assert problem in refused.exception.problem
    assert way_out in refused.exception.way_out
