"""Weights, the busiest windows, and limits that are enforced."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.sandbox.budgets import WINDOWS_SECONDS, Budgets, Limit, LimitError, parse_limits
from crypto_assets.sandbox.process import SandboxProcess

HOST = "api.binance.com/api/v3"


class _Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 50)), min_size=1, max_size=40))
def test_the_busiest_windows_are_exact(arrivals: list[tuple[float, int]]) -> None:
    clock = _Clock()
    budgets = Budgets(clock)
    times: list[tuple[float, int]] = []
    for pause, weight in arrivals:
        clock.now += pause
        budgets.arrived("binance", weight)
        times.append((clock.now, weight))
    for seconds in WINDOWS_SECONDS:
        most = max(sum(weight for at, weight in times if end - seconds < at <= end) for end, _ in times)
        assert budgets.busiest()["binance"][str(seconds)] == most
    assert budgets.weights["binance"] == sum(weight for _, weight in arrivals)


@given(st.lists(st.tuples(st.floats(0.01, 5), st.integers(1, 30)), min_size=1, max_size=60))
def test_no_window_of_what_is_let_through_exceeds_the_limit(arrivals: list[tuple[float, int]]) -> None:
    clock = _Clock()
    budgets = Budgets(clock)
    budgets.set_limits({"gate": Limit(weight=40, seconds=10)})
    passed: list[tuple[float, int]] = []
    for pause, weight in arrivals:
        clock.now += pause
        wait = budgets.arrived("gate", weight)
        if wait == 0:
            passed.append((clock.now, weight))
        else:
            assert 0 < wait <= 10
            assert sum(one for at, one in passed if clock.now - 10 < at) + weight > 40
    for end, _ in passed:
        assert sum(weight for at, weight in passed if end - 10 < at <= end) <= 40
    assert budgets.refused["gate"] == len(arrivals) - len(passed)


def test_the_wait_is_until_there_is_room() -> None:
    clock = _Clock()
    budgets = Budgets(clock)
    budgets.set_limits({"gate": Limit(weight=10, seconds=10)})
    for _ in range(2):
        assert budgets.arrived("gate", 5) == 0
        clock.now += 3
    assert budgets.arrived("gate", 5) == 4
    assert budgets.arrived("gate", 6) == 7
    assert budgets.arrived("gate", 11) == 10
    assert budgets.arrived("mexc", 11) == 0
    clock.now += 4
    assert budgets.arrived("gate", 5) == 0
    budgets.set_limits({})
    assert budgets.arrived("gate", 1000) == 0


def test_the_used_weight_is_that_of_the_running_minute() -> None:
    clock = _Clock()
    budgets = Budgets(clock)
    assert budgets.used("binance") == 0
    clock.now = 60_000 * 60 + 59
    budgets.arrived("binance", 7)
    assert budgets.used("binance") == 7
    clock.now += 1
    assert budgets.used("binance") == 0
    budgets.arrived("binance", 3)
    assert budgets.used("binance") == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [([], "limits"), ({"gate": {"weight": 0, "seconds": 1}}, "gate.weight"), ({"gate": {"weight": 1}}, "gate.seconds")],
)
def test_a_mistake_in_limits_is_named(content: object, said: str) -> None:
    with pytest.raises(LimitError, match=said):
        parse_limits(content)


@pytest.fixture
def limited(sandbox: SandboxProcess) -> Iterator[SandboxProcess]:
    yield sandbox
    sandbox.clear_limits()


def _status(url: str) -> tuple[int, dict[str, str]]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, dict(answer.headers)
    except urllib.error.HTTPError as error:
        error.read()
        return error.code, dict(error.headers)


@pytest.mark.parametrize(
    ("venue", "path", "weight"),
    [
        ("binance", f"{HOST}/klines?symbol=BTCUSDT&interval=1m", 2),
        ("binance", f"{HOST}/aggTrades?symbol=BTCUSDT", 4),
        ("binance", f"{HOST}/depth?symbol=BTCUSDT", 5),
        ("binance", f"{HOST}/depth?symbol=BTCUSDT&limit=500", 25),
        ("binance", f"{HOST}/depth?symbol=BTCUSDT&limit=1000", 50),
        ("binance", f"{HOST}/depth?symbol=BTCUSDT&limit=5000", 250),
        ("binance", f"{HOST}/ticker/24hr?symbol=BTCUSDT", 2),
        ("binance", f"{HOST}/ticker/24hr?symbols=[%22BTCUSDT%22]", 2),
        ("binance", f"{HOST}/ticker/24hr", 80),
        ("binance", f"{HOST}/exchangeInfo", 20),
        ("binance", f"{HOST}/time", 1),
        ("mexc", "api.mexc.com/api/v3/ticker/24hr", 40),
        ("mexc", "api.mexc.com/api/v3/ticker/24hr?symbol=BTCUSDT", 1),
        ("mexc", "api.mexc.com/api/v3/exchangeInfo", 10),
        ("okx", "www.okx.com/api/v5/market/tickers?instType=SPOT", 1),
    ],
)
def test_each_request_weighs_what_the_venue_says(sandbox: SandboxProcess, venue: str, path: str, weight: int) -> None:
    before = sandbox.weights().get(venue, 0)
    status, headers = _status(f"{sandbox.url}/{path}")
    assert (status, sandbox.weights()[venue] - before) == (200, weight)
    assert ("X-MBX-USED-WEIGHT-1M" in headers) == (venue == "binance")


def test_what_exceeds_a_limit_is_answered_429_until_the_limit_is_taken_away(limited: SandboxProcess) -> None:
    refused = limited.refused().get("gate", 0)
    limited.set_limits({"gate": Limit(weight=2, seconds=30)})
    address = f"{limited.url}/api.gateio.ws/api/v4/spot/time"
    answers = [_status(address) for _ in range(3)]
    assert [status for status, _ in answers] == [200, 200, 429]
    assert 28 <= int(answers[2][1]["Retry-After"]) <= 30
    assert _status(f"{limited.url}/{HOST}/time")[0] == 200
    assert limited.refused()["gate"] == refused + 1
    limited.clear_limits()
    assert _status(address)[0] == 200
    assert limited.busiest("gate")["60"] >= 4


def test_limits_that_cannot_be_read_are_refused(sandbox: SandboxProcess) -> None:
    body = json.dumps({"gate": {"weight": -1, "seconds": 1}}).encode()
    request = urllib.request.Request(f"{sandbox.url}/__sandbox__/limits", body, {"Content-Type": "application/json"})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=10)
    assert caught.value.code == 400
    assert b"gate.weight" in caught.value.read()
