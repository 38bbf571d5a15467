"""`crypto-assets models` and `predict`: the documents' example as it is typed, and what is refused, each in a line."""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from crypto_assets.cli.console import NOTICES, OUT
from crypto_assets.cli.main import app
from crypto_assets.datasets.models.catalog import FORECASTS
from crypto_assets.datasets.models.registry.store import register
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.models import rows
from crypto_assets_tests.datasets.models.registry.stage import trained

pytestmark = pytest.mark.xdist_group("models_cli")  # one of them trains, the others look at what it learned

GUIDE = Path(__file__).parents[2] / "docs" / "forecasts.md"
EXAMPLE = GUIDE.read_text().partition("## Everyday use")[0]
COMMANDS = re.findall(r"^\$ crypto-assets --profile sandbox (.+)$", EXAMPLE, re.M)
UNIVERSE = """
history_from: 2024-01-01
venues: {binance: {markets: [BTC/USDT]}}
dex: {networks: {solana: {dexes: [pumpswap]}}}
"""
DAYS = 40

type Run = Callable[..., Result]


@pytest.fixture(scope="module")
def run(shared_warehouse: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Runs a command on a wide terminal; fees of forty days are stored, which forget half of what moved them each hour."""
    last = int((datetime.now(UTC) - rows.START) / rows.HOUR)
    at = np.arange(last - DAYS * 24, last + 1)
    noise = np.random.default_rng(3).normal(0, 0.2, len(at))
    levels = 10 * np.exp(np.convolve(noise, 0.5 ** np.arange(24))[: len(at)])
    rows.fees(shared_warehouse, dict(zip(at.tolist(), levels.tolist(), strict=True)))
    home = tmp_path_factory.mktemp("models")
    (home / "universe.yaml").write_text(UNIVERSE)
    environment = {
        "CRYPTO_ASSETS_HOME": str(home),
        "CRYPTO_ASSETS_DATABASE_URL": shared_warehouse.url.get_secret_value(),
        "CRYPTO_ASSETS_UNIVERSE": str(home / "universe.yaml"),
    }

    def invoke(*arguments: str) -> Result:
        return CliRunner(env=environment).invoke(app, list(arguments))

    with pytest.MonkeyPatch.context() as patched:
        for console in (OUT, NOTICES):
            patched.setattr(console, "width", 180)
        yield invoke


@pytest.fixture(scope="module")
def example(run: Run) -> dict[str, Result]:
    """The commands of the documents' example, run in their order."""
    return {command: run(*shlex.split(command)) for command in COMMANDS}


def told(example: dict[str, Result], beginning: str) -> str:
    [result] = [result for command, result in example.items() if command.startswith(beginning)]
    assert result.exit_code == 0, result.output
    return result.output


def test_the_example_of_the_documents_leads_to_a_scored_forecast(example: dict[str, Result]) -> None:
    assert len(COMMANDS) == 5
    training = told(example, "models train gas_4h")
    assert re.search(r"gas_4h version 1 \(lightgbm\): skill \d+\.\d % over \w+ \(90 %: ", training), training
    assert "It is champion: " in training
    for name in ("zero_change", "drift", "seasonal_naive_24h", "seasonal_naive_168h", "ewma_volatility"):
        assert name in training
    score = told(example, "models score gas_4h")
    found = re.search(
        r"│ ethereum │ +1 │ +(\d+) │ +(\d+) │ +(\d+) │ +(\d+) │ +([\d.]+) │ +([\d.]+) │ +([+-][\d.]+)% │", score
    )
    assert found, score
    said, new, refused, came = (int(one) for one in found.groups()[:4])
    assert (said, new, refused) == (168, 168, 0)  # every hour of a week
    assert came == 164  # the last four decisions' horizons have not ended
    error, baseline = (float(one) for one in found.groups()[4:6])
    assert float(found.group(7)) == pytest.approx(100 * (1 - error / baseline), abs=0.5)
    assert error < baseline
    shown = told(example, "models show gas_4h")
    for title in ("Validation, walked forward", "Folds", "Series", "What came of its predictions", "Versions"):
        assert title in shown
    assert re.search(r"│ a week +│ +16\d │", shown), shown
    said_now = told(example, "predict gas_4h ethereum")
    for part in ("one in ten above", "expected", "one in ten below", "baseline: ", "gwei per gas", "ms from reading"):
        assert part in said_now
    listed = told(example, "models list")
    assert re.search(r"│ gas_4h +│ +1 lightgbm │ +\d+\.\d% │", listed), listed
    assert listed.count("never trained") == len(FORECASTS) - 1
    assert "1 of 15 have a champion" in listed


@pytest.mark.usefixtures("example")
def test_json_is_for_machines(run: Run) -> None:
    shown = json.loads(run("models", "show", "gas_4h", "--json").stdout)
    assert shown["version"]["state"] == "champion"
    assert shown["recent"]["a week"]["rows"] > 150
    assert "reference" not in shown["version"]["metrics"]
    [version] = json.loads(run("models", "list", "--json").stdout)["versions"]
    assert version["model"] == "gas_4h"
    said = json.loads(run("predict", "gas_4h", "ethereum", "--json").stdout)
    assert said["q10"] <= said["yhat"] <= said["q90"]
    assert said["unit"] == "gwei per gas"


@pytest.mark.usefixtures("example")
def test_people_promote_what_has_skill_and_roll_back(run: Run, shared_warehouse: Warehouse) -> None:
    with shared_warehouse.connect() as connection:
        assert register(connection, trained("gas_1h", has_skill=False)) == 1
        assert register(connection, trained("gas_1h")) == 2
        assert register(connection, trained("gas_1h")) == 3
    refused = run("models", "promote", "gas_1h", "1", "--why", "I like it")
    assert isinstance(refused.exception, CryptoAssetsError)
    assert "no skill" in refused.exception.problem
    nothing = run("models", "rollback", "gas_1h", "--why", "worse")
    assert isinstance(nothing.exception, CryptoAssetsError)
    assert "no version of gas_1h was champion" in nothing.exception.problem
    assert "Version 2 of gas_1h is champion: " in run("models", "promote", "gas_1h", "2", "--why", "first").output
    assert (
        "Version 3 of gas_1h is champion: " in run("models", "promote", "gas_1h", "3", "--why", " and\nsecond ").output
    )
    assert "Version 2 of gas_1h is champion: " in run("models", "rollback", "gas_1h", "--why", "worse").output
    absent = run("models", "promote", "gas_1h", "9", "--why", "x")
    assert "gas_1h has no version 9; it has 1, 2, 3" in str(absent.exception)
    with shared_warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT action, version, why FROM models.promotions WHERE model = 'gas_1h' ORDER BY promoted_at")
        assert cursor.fetchall() == [
            ("promoted", 2, "first"), ("promoted", 3, "and second"), ("rolled_back", 2, "worse")
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "problem", "way_out"),
    [
        ("models show gas_5h", "Unknown forecast 'gas_5h'", "Did you mean gas_4h"),
        ("models train gas_5h", "Unknown forecast 'gas_5h'", "There are gas_1h"),
        ("models train gas_4h --learner forest", "Expected learners among lightgbm, lstm, and got forest", "lstm"),
        ("models show gas_24h", "Nothing is registered as gas_24h", "`crypto-assets models train gas_24h` trains it"),
        ("models score gas_24h", "Expected a champion of gas_24h", "`crypto-assets models train gas_24h`"),
        ("models promote gas_4h 1 --why ' '", "--why is empty", "Say in a few words why"),
        ("predict gas_24h ethereum", "Expected a champion of gas_24h", "`crypto-assets models train gas_24h`"),
        ("predict gas_4h bitcoin", "gas_4h is about ethereum, and 'bitcoin' is none of them", "Write it as ethereum"),
        ("predict opportunity_1h binance", "'binance' names no market of binance", "Write it as binance:BTC/USDT"),
        ("predict opportunity_1h binance:BTCUSDT", "Unknown symbol 'BTCUSDT' on binance", "Did you mean BTC/USDT?"),
        ("predict opportunity_1h binanse:BTC/USDT", "opportunity_1h is about binance", "Did you mean binance?"),
        ("predict liquidity_reserve_1h solana:Nobody1", "No pool 'Nobody1' was ever seen on solana", ""),
    ],
)
@pytest.mark.usefixtures("example")
def test_what_cannot_be_is_one_line_with_a_way_out(run: Run, command: str, problem: str, way_out: str) -> None:
    error = run(*shlex.split(command)).exception
    assert isinstance(error, CryptoAssetsError)
    assert error.problem.startswith(problem)
    assert way_out in error.way_out


def test_a_forecast_that_cannot_be_trained_leaves_the_others(run: Run) -> None:
    result = run("models", "train", "opportunity_1h", "liquidity_spread_1h")
    assert result.exit_code == 1
    assert result.output.count("Error: ") == 2
    assert "Traceback" not in result.output


@pytest.mark.parametrize("command", ["list", "show", "train", "score", "promote", "rollback", ""])
def test_every_help_has_an_example(command: str) -> None:
    words = ["models", command] if command else ["predict"]
    result = CliRunner().invoke(app, [*words, "--help"])
    assert result.exit_code == 0
    assert f"Example: crypto-assets {' '.join(words)}" in result.output
