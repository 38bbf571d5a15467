"""Each fault does what it says to bars, rows and connections, and strikes as often as it was told."""

import http.client
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.sandbox.bars import COLUMNS, BarColumns
from crypto_assets.sandbox.faults import Fault, FaultError, FaultPlan, parse_faults, spoil_bars, spoil_rows
from crypto_assets.sandbox.process import SandboxProcess

MINUTE = 60_000
ROWS: list[object] = [[0], [1], [2], [3], [4]]
KLINES = "/api.binance.com/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=5"


def _bars(count: int) -> BarColumns:
    low = np.arange(10.0, 10 + count)
    rows = {name: low + shift for shift, name in enumerate(("low", "open", "close", "high"))}
    return BarColumns(np.arange(count) * MINUTE, {name: rows.get(name, np.full(count, 8.0)) for name in COLUMNS})


def _spoilt(fault: Fault, count: int = 5, now: int = 4 * MINUTE + 1) -> BarColumns:
    return spoil_bars(_bars(count), [fault], now, MINUTE)


def test_missing_bars_are_gone_behind_the_first() -> None:
    assert _spoilt(Fault(kind="missing_bars", bars=2)).opened_at_ms.tolist() == [0, 3 * MINUTE, 4 * MINUTE]


def test_late_bars_are_the_newest_closed_ones_and_the_open_one_is_there() -> None:
    assert _spoilt(Fault(kind="late_bars", bars=2)).opened_at_ms.tolist() == [0, MINUTE, 4 * MINUTE]


def test_revised_bars_differ_until_they_have_aged() -> None:
    fault = Fault(kind="revised_bars", bars=2)
    assert _spoilt(fault).values["volume_base"].tolist() == [8, 8, 4, 4, 8]
    later = _spoilt(fault, now=4 * MINUTE + 1 + 2 * MINUTE)
    assert later.values["volume_base"].tolist()[:4] == [8, 8, 8, 8]


def test_a_broken_bar_has_its_high_below_its_low() -> None:
    bars = _spoilt(Fault(kind="ohlc_broken"))
    assert (bars.values["high"] < bars.values["low"]).tolist() == [False, False, True, False, False]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(kind="null_rows"), [[0], [1], None, [3], [4]]),
        (Fault(kind="null_rows", bars=1000), [None] * 5),
        (Fault(kind="duplicate_bars"), [[0], [1], [2], [2], [3], [4]]),
        (Fault(kind="disordered_bars"), [[0], [2], [1], [3], [4]]),
    ],
    ids=lambda value: f"{value.kind}-{value.bars}" if isinstance(value, Fault) else "",
)
def test_rows_are_spoilt_in_the_middle(fault: Fault, expected: list[object]) -> None:
    assert spoil_rows(ROWS, [fault]) == expected
    assert ROWS == [[0], [1], [2], [3], [4]]


@given(
    kind=st.sampled_from(
        ["missing_bars", "late_bars", "revised_bars", "ohlc_broken", "null_rows", "duplicate_bars", "disordered_bars"]
    ),
    bars=st.integers(1, 1000),
    count=st.integers(0, 7),
)
def test_no_page_is_too_short_for_a_fault(kind: str, bars: int, count: int) -> None:
    fault = Fault.model_validate({"kind": kind, "bars": bars})
    assert len(_spoilt(fault, count)) <= count
    assert len(spoil_rows(ROWS[:count], [fault])) <= count + 1


@given(seed=st.integers(0, 1000), rate=st.floats(0.2, 0.8))
def test_a_rate_is_the_share_of_requests_struck_and_the_same_for_a_seed(seed: int, rate: float) -> None:
    plans = [FaultPlan(seed, [Fault(kind="dropped", rate=rate)]) for _ in range(2)]
    struck = [[bool(plan.striking("gate", "/any")) for _ in range(1000)] for plan in plans]
    assert struck[0] == struck[1]
    assert sum(struck[0]) / 1000 == pytest.approx(rate, abs=0.12)


def test_times_counts_matching_requests_only() -> None:
    plan = FaultPlan(7, [Fault(kind="dropped", venue="gate", route="candle", times=2)])
    asked = [("gate", "/candlesticks"), ("mexc", "/candlesticks"), ("gate", "/time"), *[("gate", "/candlesticks")] * 2]
    assert [bool(plan.striking(*one)) for one in asked] == [True, False, False, True, False]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"kind": "dropped"}, "list of faults"),
        ([{"kind": "dropped", "colour": "red"}], "colour"),
        ([{"kind": "dropped", "rate": 2}], "rate"),
        ([{"kind": "dropped", "times": 0}], "times"),
        ([{}], "kind"),
        (["dropped"], "Fault"),
    ],
)
def test_a_mistake_in_a_fault_is_named(content: object, said: str) -> None:
    with pytest.raises(FaultError, match=said):
        parse_faults(content)


@contextmanager
def _answer(url: str, path: str = KLINES) -> Iterator[http.client.HTTPResponse]:
    with closing(http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)) as connection:
        connection.request("GET", path)
        yield connection.getresponse()


def test_a_dropped_connection_brings_no_answer(sandbox: SandboxProcess) -> None:
    sandbox.set_faults([Fault(kind="dropped")])
    with pytest.raises(ConnectionError), _answer(sandbox.url):
        pass


def test_a_half_open_answer_never_gets_whole(sandbox: SandboxProcess) -> None:
    sandbox.set_faults([Fault(kind="half_open", seconds=0.05)])
    with _answer(sandbox.url) as answer:
        assert answer.status == 200
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            answer.read()


def test_a_slow_body_arrives_whole(sandbox: SandboxProcess) -> None:
    with _answer(sandbox.url) as answer:
        expected = answer.read()
    sandbox.set_faults([Fault(kind="slow_body", seconds=0.05)])
    with _answer(sandbox.url) as answer:
        assert answer.read() == expected
        assert answer.headers["Date"] == "Tue, 10 Mar 2026 12:00:30 GMT"


def test_half_a_page_is_no_json(sandbox: SandboxProcess) -> None:
    sandbox.set_faults([Fault(kind="truncated_json")])
    with _answer(sandbox.url) as answer, pytest.raises(json.JSONDecodeError):
        json.loads(answer.read())


@pytest.mark.parametrize(("as_json", "body"), [(True, b"-1003"), (False, b"error")])
def test_too_many_requests_is_said_with_and_without_json(sandbox: SandboxProcess, as_json: bool, body: bytes) -> None:
    sandbox.set_faults([Fault(kind="throttled", as_json=as_json, retry_after="3")])
    with _answer(sandbox.url) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "3")
        assert body in answer.read()


def test_a_skewed_clock_is_off_in_the_date_and_not_in_the_bars(sandbox: SandboxProcess) -> None:
    with _answer(sandbox.url) as answer:
        expected = answer.read()
    sandbox.set_faults([Fault(kind="clock_skew", seconds=-3600)])
    with _answer(sandbox.url) as answer:
        assert answer.headers["Date"] == "Tue, 10 Mar 2026 11:00:30 GMT"
        assert answer.read() == expected
