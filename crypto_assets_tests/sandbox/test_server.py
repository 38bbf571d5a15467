"""The server as a process: control addresses, errors in the venue's words, a clean end."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from crypto_assets.sandbox.config import SandboxConfig, SandboxConfigError
from crypto_assets.sandbox.faults import Fault, FaultError, load_faults
from crypto_assets.sandbox.process import SandboxFailed, SandboxProcess
from crypto_assets_tests.playing import NOW


def _get(url: str) -> tuple[int, object, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, json.loads(answer.read()), answer.headers["Date"]
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read()), error.headers["Date"]


def test_the_date_of_an_answer_is_the_venues_clock(sandbox: SandboxProcess) -> None:
    status, body, date = _get(f"{sandbox.url}/api.binance.com/api/v3/time")
    assert (status, body) == (200, {"serverTime": int(NOW.timestamp() * 1000)})
    assert date == "Tue, 10 Mar 2026 12:00:30 GMT"


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("api.binance.com/api/v3/klines?symbol=NOPE&interval=1m", 400, "Invalid symbol"),
        ("api.binance.com/api/v3/klines?symbol=BTCUSDT&interval=7m", 400, "Invalid interval"),
        ("api.gateio.ws/api/v4/spot/candlesticks?currency_pair=NO_PE&interval=1m", 400, "INVALID_CURRENCY_PAIR"),
        (
            "api.gateio.ws/api/v4/spot/candlesticks?currency_pair=BTC_USDT&interval=1m&from=1700000000&to=1700006000",
            400,
            "too long ago",
        ),
        ("api.kraken.com/0/public/OHLC?pair=NOPE", 200, "Unknown asset pair"),
        ("www.okx.com/api/v5/market/candles?instId=NO-PE", 200, "doesn't exist"),
        ("api.coinbase.com/api/v3/brokerage/market/products/NO-PE/candles", 404, "product_id"),
        ("api.binance.com/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=many", 400, "'limit'"),
        ("api.mexc.com/api/v3/klines?symbol=BTCUSDT&interval=1m&startTime=1e999", 400, "'startTime'"),
        ("api.gateio.ws/api/v4/spot/candlesticks?currency_pair=BTC_USDT&interval=1m&limit=1001", 400, "Too many"),
        ("api.gateio.ws/api/v4/spot/candlesticks?currency_pair=BTC_USDT&interval=1m&from=now", 400, "parameter from"),
        ("api.kraken.com/0/public/OHLC?pair=XBTUSDT&since=x", 200, "Invalid arguments"),
        ("www.okx.com/api/v5/market/candles?instId=BTC-USDT&limit=1.5", 400, "51000"),
        ("api.coinbase.com/api/v3/brokerage/market/products/BTC-USD/candles?granularity=ONE_DAY&start=x", 400, "start"),
        (
            "api.coinbase.com/api/v3/brokerage/market/products/BTC-USD/candles?granularity=ONE_MINUTE&start=0&end=21000",
            400,
            "less than 350",
        ),
        ("example.com/anything", 404, "does not speak"),
        ("api.mexc.com/api/v3/nothing", 404, "Service"),
    ],
)
def test_mistakes_are_answered_in_the_venues_words(sandbox: SandboxProcess, path: str, status: int, said: str) -> None:
    answered, body, _ = _get(f"{sandbox.url}/{path}")
    assert answered == status
    assert said in json.dumps(body)


def test_requests_are_counted_and_faults_set_and_cleared(sandbox: SandboxProcess) -> None:
    address = f"{sandbox.url}/api.mexc.com/api/v3/time"
    before = sandbox.requests().get("mexc /api/v3/time", 0)
    sandbox.set_faults([Fault(kind="unavailable", venue="mexc", times=1)])
    assert [_get(address)[0] for _ in range(2)] == [503, 200]
    sandbox.set_faults([Fault(kind="throttled", venue="binance")])
    assert _get(address)[0] == 200
    assert sandbox.requests()["mexc /api/v3/time"] == before + 3


def test_the_most_requests_at_once_are_told(sandbox: SandboxProcess) -> None:
    sandbox.set_faults([Fault(kind="latency", seconds=0.5)])
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(_get, [f"{sandbox.url}/api.gateio.ws/api/v4/spot/time"] * 3))
    assert sandbox.most_in_flight() >= 2


def test_a_limit_above_the_venues_is_cut_without_a_word(sandbox: SandboxProcess) -> None:
    for path, most in (
        ("api.binance.com/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=1500", 1000),
        ("api.mexc.com/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=1500", 500),
    ):
        _, rows, _ = _get(f"{sandbox.url}/{path}")
        assert isinstance(rows, list)
        assert len(rows) == most
    _, answer, _ = _get(f"{sandbox.url}/www.okx.com/api/v5/market/candles?instId=BTC-USDT&bar=1m&limit=500")
    assert isinstance(answer, dict)
    assert len(answer["data"]) == 300


def test_of_okx_the_newest_page_between_before_and_after_comes_newest_first(sandbox: SandboxProcess) -> None:
    minute, last = 60_000, int(NOW.timestamp() * 1000) - 30_000
    query = f"instId=BTC-USDT&bar=1m&limit=2&before={last - 5 * minute}&after={last}"
    _, answer, _ = _get(f"{sandbox.url}/www.okx.com/api/v5/market/candles?{query}")
    assert isinstance(answer, dict)
    assert [(int(row[0]), row[8]) for row in answer["data"]] == [(last - minute, "1"), (last - 2 * minute, "1")]
    _, answer, _ = _get(f"{sandbox.url}/www.okx.com/api/v5/market/candles?instId=BTC-USDT&bar=1m&limit=1")
    assert isinstance(answer, dict)
    assert [(int(row[0]), row[8]) for row in answer["data"]] == [(last, "0")]


def test_a_rate_strikes_the_same_requests_in_every_run() -> None:
    runs = []
    for _ in range(2):
        with SandboxProcess(SandboxConfig(now=NOW.isoformat())) as process:
            process.set_faults([Fault(kind="unavailable", rate=0.5)])
            runs.append([_get(f"{process.url}/api.binance.com/api/v3/time")[0] for _ in range(20)])
    assert runs[0] == runs[1]
    assert {200, 503} == set(runs[0])


def test_it_ends_with_exit_code_0_on_a_signal_and_with_its_parent() -> None:
    command = [sys.executable, "-m", "crypto_assets.sandbox", "--end-with-input"]
    for end in ("signal", "parent"):
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline().startswith("sandbox ready at http://127.0.0.1:")
        if end == "signal":
            os.kill(process.pid, signal.SIGTERM)
        else:
            process.stdin.close()
        assert process.wait(10) == 0
        process.stdout.close()


def test_a_port_in_use_and_a_folder_that_is_none_are_said_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SandboxFailed, match=f"Port {port} on 127.0.0.1 cannot be used"):
            SandboxProcess(SandboxConfig(port=port)).__enter__()
    with pytest.raises(SandboxFailed, match=r"recordings\.yaml"):
        SandboxProcess(SandboxConfig(recordings=tmp_path)).__enter__()


def test_a_time_that_is_none_is_said() -> None:
    with pytest.raises(SandboxConfigError, match="'noon' is no time"):
        SandboxConfig(now="noon").source()
    assert SandboxConfig(now="2026-03-10T12:00:30").clock()() == int(NOW.timestamp() * 1000)


def test_faults_are_read_from_yaml_and_mistakes_named(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("- {kind: throttled, venue: binance, rate: 0.2, retry_after: '3'}\n")
    bad.write_text("- {kind: explode}\n")
    assert load_faults(good) == (Fault(kind="throttled", venue="binance", rate=0.2, retry_after="3"),)
    with pytest.raises(FaultError, match="kind"):
        load_faults(bad)
