"""`crypto-assets stream`: wrong input in one line, signals, reports, exit codes. No venue is reached here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from crypto_assets.cli.stream import BadOption, StreamOptions, chosen_markets, run_stream
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.settings import Settings
from crypto_assets.universe import UniverseError, parse_universe
from crypto_assets.warehouse.connection import Warehouse

UNIVERSE = parse_universe(
    """
history_from: 2026-01-01
venues:
  mexc: {markets: [BTC/USDT, ETH/USDT]}
  gate: {markets: [BTC/USDT]}
  kraken: {markets: [BTC/USD]}
""",
    "universe.yaml",
)


def test_markets_are_those_of_the_universe_unless_named() -> None:
    def chosen(**options: str) -> list[str]:
        return [f"{venue} {symbol}" for venue, symbol in chosen_markets(UNIVERSE, StreamOptions(**options))]

    assert chosen() == ["mexc BTC/USDT", "mexc ETH/USDT", "gate BTC/USDT"]
    assert chosen(venues="kraken") == ["kraken BTC/USD"]
    assert chosen(symbols="XRP/USDT, XRP/USDT", venues="gate,binance") == ["gate XRP/USDT", "binance XRP/USDT"]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        (StreamOptions(symbols="BTCUSDT"), BadOption, "'BTCUSDT', no unified symbol"),
        (StreamOptions(symbols="BTC/USDT;DROP TABLE"), BadOption, "no unified symbol"),
        (StreamOptions(venues="mecx"), UniverseError, "Unknown venue 'mecx'"),
        (StreamOptions(venues="mecx", symbols="BTC/USDT"), UniverseError, "Unknown venue 'mecx'"),
    ],
)
def test_wrong_markets_are_refused(options: StreamOptions, error: type[CryptoAssetsError], words: str) -> None:
    with pytest.raises(error, match=words):
        chosen_markets(UNIVERSE, options)


def test_a_universe_that_follows_nobody_or_only_strangers_is_said() -> None:
    for venues in ([], ["okx"]):
        text = f"history_from: 2026-01-01\nvenues: {{mexc: {{markets: [BTC/USDT]}}}}\nstream: {{venues: {venues}}}"
        with pytest.raises(BadOption, match="nothing to follow"):
            chosen_markets(parse_universe(text, "test"), StreamOptions())


def test_of_venues_to_follow_those_the_universe_lacks_are_left_out() -> None:
    text = "history_from: 2026-01-01\nvenues: {mexc: {markets: [BTC/USDT]}}\nstream: {venues: [gate, mexc]}"
    assert chosen_markets(parse_universe(text, "test"), StreamOptions()) == (("mexc", "BTC/USDT"),)


def test_a_missing_file_and_options_that_exclude_each_other_are_refused(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, warehouse_url=SecretStr("postgresql://nobody@127.0.0.1:9/x"))
    with pytest.raises(UniverseError, match=r"Cannot read the universe nowhere\.yaml"):
        run_stream(settings, StreamOptions(config=tmp_path / "nowhere.yaml"))
    with pytest.raises(BadOption, match="exclude each other"):
        run_stream(settings, StreamOptions(take_over=True, wait=True))


@contextmanager
def command(warehouse: Warehouse, home: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """The command as a process that can reach no venue: nothing listens on port 9."""
    environment = os.environ | {
        "CRYPTO_ASSETS_HOME": str(home),
        "CRYPTO_ASSETS_PROFILE": "sandbox",
        "CRYPTO_ASSETS_SANDBOX_URL": "http://127.0.0.1:9",
        "CRYPTO_ASSETS_WAREHOUSE_URL": warehouse.url.get_secret_value(),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "crypto_assets.cli.main", "stream", "--report", "--log-format", "json", *options],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_it_is_ready_refuses_a_second_one_hands_over_and_ends_with_its_parent(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    few = ("--venues", "gate", "--symbols", "BTC/USDT")
    with command(warehouse, tmp_path, *few) as first:
        assert first.stdout is not None
        ready = json.loads(first.stdout.readline())
        assert (ready["event"], ready["pid"], ready["markets"]) == ("ready", first.pid, 1)
        address = tmp_path / "sandbox" / "stream.json"
        assert json.loads(address.read_text()) == {"port": ready["port"], "pid": first.pid}
        settings = Settings(home=tmp_path, profile="refused", warehouse_url=warehouse.url)
        assert run_stream(settings, StreamOptions()) == 3
        with command(warehouse, tmp_path, *few, "--wait", "--end-with-input") as following:
            first.send_signal(signal.SIGTERM)
            told, said = first.communicate(timeout=60)
            assert first.returncode == 0, said
            assert json.loads(told) == {"event": "ended", "why": "asked to by SIGTERM", "exit_code": 0}
            assert all(json.loads(line)["level"] for line in said.splitlines())
            assert following.stdout is not None
            assert json.loads(following.stdout.readline())["event"] == "ready"
            told, said = following.communicate(timeout=60)  # closes its input
            assert following.returncode == 0, said
            assert json.loads(told)["why"] == "who started it is gone"
    assert not address.exists()
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT venue, symbol, timeframe FROM quality.coverage")
        assert cursor.fetchall() == [("gate", "BTC/USDT", "tick")]
