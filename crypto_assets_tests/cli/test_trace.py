"""`crypto-assets trace`: a row leads to its run, a run to its rows, and wrong input to the right one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from crypto_assets.cli.console import OUT
from crypto_assets.cli.main import app
from crypto_assets.datasets.market.ohlcv.table import ohlcv
from crypto_assets.origin import Origin
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.write import upsert
from crypto_assets_tests.warehouse.bars import batch

RUN = Origin("0d9a5c7e-1111-run", "schedule bars_every_hour", "2024-01 kraken")
OWN = Origin("command-12ab", "command line", "gaps")
KEY = ("market.ohlcv", "kraken", "BTC/USD", "1m")

type Run = Callable[..., Result]


@pytest.fixture
def run(warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command on a wide terminal; two bars of one run, of which a command changed one."""
    monkeypatch.setattr(OUT, "width", 200)
    for origin, close, count in ((RUN, 100.0, 2), (OWN, 101.0, 1)):
        with warehouse.on_behalf_of(origin).connect() as connection:
            upsert(connection, ohlcv, batch(count, close=close))
    environment = {
        "CRYPTO_ASSETS_HOME": str(tmp_path / "home"),
        "CRYPTO_ASSETS_DATABASE_URL": warehouse.url.get_secret_value(),
        "CRYPTO_ASSETS_UI_URL": "http://127.0.0.1:3999",
    }

    def invoke(*arguments: str) -> Result:
        return CliRunner(env=environment).invoke(app, ["trace", *arguments])

    return invoke


def test_a_row_leads_to_its_run_its_versions_and_the_web_ui(run: Run) -> None:
    done = run(*KEY, "2024-01-01T00:01")
    assert done.exit_code == 0, done.output
    assert (
        "by run 0d9a5c7e-1111-run, schedule bars_every_hour (2024-01 kraken), with 2 new and 0 changed rows"
        in done.stdout
    )
    assert "http://127.0.0.1:3999/runs/0d9a5c7e-1111-run\n" in done.stdout
    changed = run(*KEY, "2024-01-01T00:00").stdout
    assert "by command line (gaps), command-12ab, with 0 new and 1 changed rows" in changed
    assert "/runs/" not in changed
    assert "close 100 → 101" in changed
    told = json.loads(run(*KEY, "2024-01-01T00:00", "--json").stdout)
    assert told["now"]["write"]["run_id"] == OWN.run_id
    assert told["before"][0]["write"]["run_id"] == RUN.run_id


def test_a_run_leads_to_what_it_wrote(run: Run) -> None:
    done = run("--run", "0d9a5c7e")
    assert "Run 0d9a5c7e-1111-run, asked for by schedule bars_every_hour, for 2024-01 kraken." in done.stdout
    assert "market.ohlcv" in done.stdout
    [told] = json.loads(run("--run", "0d9a5c7e", "--json").stdout)
    assert (told["table"], told["inserted"], told["changed"]) == ("market.ohlcv", 2, 0)


def test_an_absent_row_is_said_with_what_is_known(run: Run) -> None:
    done = run(*KEY, "2025-01-01T00:00")
    assert done.exit_code == 0
    assert (
        "There is no such row in market.ohlcv.\nNeither the gap ledger nor the quarantine knows of it." in done.stdout
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Expected a table and a key, or --run"),
        ((*KEY, "2024-01-01", "--run", "0d9a5c7e"), "Expected a table and a key, or --run"),
        (("market.ohlvc", "x"), "There is no table 'market.ohlvc'"),
        (("pg_catalog.pg_authid", "x"), "There is no table 'pg_catalog.pg_authid'"),
    ],
    ids=["nothing", "both", "misspelt", "not ours"],
)
def test_wrong_input_is_refused_in_words(arguments: tuple[str, ...], said: str) -> None:
    done = CliRunner().invoke(app, ["trace", *arguments])
    assert done.exit_code == 1
    assert said in str(done.exception)
