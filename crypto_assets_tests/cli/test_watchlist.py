"""`crypto-assets watchlist check` as people run it: no database, no traceback, nothing of the file's but text on the screen."""

import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crypto_assets.cli.main import app
from crypto_assets.watchlist_file import COLUMNS
from crypto_assets_tests.cli.forked import run_forked

HEADER = ",".join(COLUMNS)
SOL = "So11111111111111111111111111111111111111112"
WETH = "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"
UNIVERSE = """
history_from: 2026-01-01
venues: {okx: {markets: [BTC/USDT]}}
dex: {networks: {solana: {dexes: [pumpswap]}, ethereum: {id: eth, dexes: [uniswap_v3]}}}
"""

type Check = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment(tmp_path: Path) -> Mapping[str, str]:
    """A database that does not answer: the command must not need one."""
    (tmp_path / "universe.yaml").write_text(UNIVERSE)
    return {
        "CRYPTO_ASSETS_HOME": str(tmp_path / "home"),
        "CRYPTO_ASSETS_DATABASE_URL": "postgresql://nobody:none@127.0.0.1:1/none",
        "CRYPTO_ASSETS_UNIVERSE": str(tmp_path / "universe.yaml"),
        "COLUMNS": "160",
    }


@pytest.fixture
def check(environment: Mapping[str, str]) -> Check:
    return lambda *arguments, **more: run_forked({**environment, **more}, ("watchlist", "check", *arguments))


def test_good_rows_are_shown_in_a_table(check: Check, tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(f"{HEADER}\nsolana,{SOL},token,SOL,2500,wrapped\neth,{WETH},token,WETH,,\n")
    told = check(str(file))
    assert told.returncode == 0, told.stderr
    assert re.search(rf"│ solana\s+│ token │ {SOL}\s+│ SOL\s+│\s+2,500 │ wrapped │", told.stdout), told.stdout
    assert re.search(rf"│ ethereum │ token │ {WETH}\s+│ WETH\s+│\s+0 │", told.stdout), told.stdout
    assert told.stdout.endswith("2 rows good, 0 refused\n")
    assert not (tmp_path / "home").exists()


def test_the_watchlist_in_use_is_checked_where_none_is_named(check: Check, tmp_path: Path) -> None:
    file = tmp_path / "other.csv"
    file.write_text(f"{HEADER}\nsolana,{SOL},token,SOL,,of the environment\n")
    assert "of the environment" in check(CRYPTO_ASSETS_WATCHLIST=str(file)).stdout


def test_refused_rows_are_a_line_each_and_exit_code_1(check: Check, tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    long = "x" * 300
    file.write_text(f"{HEADER}\nsolanna,{SOL},token,,,\nsolana,{SOL},token,,,\nsolana,{SOL},token,,,{long}\n")
    told = check(str(file), COLUMNS="60")
    assert told.returncode == 1
    assert told.stdout.splitlines()[-3:] == [
        "line 2: Unknown network 'solanna'; did you mean solana?",
        "line 4: note has 300 characters; 200 are allowed",
        "1 rows good, 2 refused",
    ]
    assert told.stderr == ""


def test_nothing_of_the_file_steers_the_terminal(check: Check, tmp_path: Path) -> None:
    file = tmp_path / "hostile.csv"
    rows = [
        f"solana,{SOL},token,SOL,,[bold red]loud[/] :boom: [link=http://x]here[/link]",
        f"eth,{WETH},token,\x1b[2J\x1b]0;owned\x07,,",
        f"\x1b[31msolana,{SOL},token,,,",
        f"eth,{WETH},token,,,\u202egnp.exe\x9b2J",
        f"eth,{WETH},[/bold],,,",
        f"eth,\\[/]{WETH},pool,,,",
    ]
    file.write_text("\n".join([HEADER, *rows]))
    told = check(str(file), FORCE_COLOR="", NO_COLOR="1")
    assert told.returncode == 1
    assert "[bold red]loud[/] :boom: [link=http://x]here[/link]" in told.stdout
    assert "line 6: address_type is '[/bold]'; expected pool or token" in told.stdout
    assert "1 rows good, 5 refused" in told.stdout
    assert told.stdout.replace("\n", "").isprintable(), told.stdout
    assert told.stderr == ""


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("absent.csv", None, "Cannot read the watchlist absent.csv: No such file or directory"),
        (".", None, "it is no file"),
        ("hidden\x1b[2J.csv", None, r"hidden\x1b[2J.csv"),
        ("binary.csv", bytes(range(256)) * 4, "binary.csv, line 1: "),
        ("empty.csv", b"", "empty.csv is empty"),
        ("other.csv", b"a,[b]b[/b]\n1,2\n", "unknown columns: 'a', '[b]b[/b]'"),
        ("huge.csv", b"#" * 1_000_001, "huge.csv is larger than 1000000 bytes"),
    ],
)
def test_what_is_no_watchlist_is_one_clear_line(
    check: Check, tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    told = check(str(tmp_path / name))
    assert told.returncode == 1
    assert said in told.stderr
    assert re.fullmatch(r"Error: .+\n→ .+\n", told.stderr), told.stderr
    assert told.stdout == ""


def test_the_check_starts_without_the_heavy_parts(environment: Mapping[str, str], tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(f"{HEADER}\nsolana,{SOL},token,SOL,,\n")
    script = (
        "import sys\nfrom crypto_assets.cli.main import main\n"
        "sys.argv = ['crypto-assets', 'watchlist', 'check', sys.argv[1]]\n"
        "try:\n    main()\nfinally:\n    print(sorted({'dagster', 'pandas', 'numpy', 'ccxt', 'sqlalchemy'} & set(sys.modules)))"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, str(file)],
        env={**environment, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.stdout.splitlines()[-2:] == ["1 rows good, 0 refused", "[]"], told.stderr


def test_the_help_shows_an_example() -> None:
    told = CliRunner().invoke(app, ["watchlist", "check", "--help"], env={"COLUMNS": "120"})
    assert told.exit_code == 0
    assert "Example: crypto-assets watchlist check config/watchlist.csv" in told.output
