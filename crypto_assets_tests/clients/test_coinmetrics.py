"""Coin Metrics' client, against the sandbox and against a server that says what no sandbox does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta

import pytest

from crypto_assets.clients import coinmetrics
from crypto_assets.clients.coinmetrics import CoinMetrics, parse_days
from crypto_assets.clients.failures import Malformed, Rejected, Throttled
from crypto_assets.clients.http import Blocked
from crypto_assets.clients.transport import RetryPolicy, Transport
from crypto_assets.sandbox.config import DEFAULT_SEED
from crypto_assets.sandbox.faults import Fault
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.sandbox.seeded_chains import chain_number
from crypto_assets_tests.clients.scripted import Answer, scripted
from crypto_assets_tests.playing import HASTE, NOW

TODAY = NOW.date()
YESTERDAY = TODAY - timedelta(days=1)
CODES = ("AdrActCnt", "TxCnt", "SplyCur")


def client_of(url: str, waits: list[float] | None = None, policy: RetryPolicy = HASTE) -> CoinMetrics:
    sleep = (lambda _: None) if waits is None else waits.append
    return CoinMetrics(Transport("coinmetrics", requests_per_second=1e6, policy=policy, sleep=sleep), sandbox_url=url)


@pytest.fixture
def client(sandbox: SandboxProcess) -> Iterator[CoinMetrics]:
    with closing(client_of(sandbox.url)) as client:
        yield client


def test_days_come_as_they_were_made_up_and_the_newest_where_it_is_finished(client: CoinMetrics) -> None:
    found = client.daily("btc", CODES, date(2026, 2, 1), TODAY, TODAY)
    days = [date(2026, 2, 1) + timedelta(days=number) for number in range((YESTERDAY - date(2026, 2, 1)).days + 1)]
    expected = {
        (code, day): chain_number(DEFAULT_SEED, "BTC", name, day)
        for code, name in zip(CODES, ("active_addresses", "transactions", "supply"), strict=True)
        for day in days
    }
    assert {(one.metric, one.day): one.value for one in found.rows} == expected
    assert not found.refused


def test_the_catalogue_tells_what_each_asset_has(client: CoinMetrics) -> None:
    found = client.catalogue(["btc", "doge"])
    assert {"HashRate", "FlowInExNtv", "AdrActCnt"} <= found["btc"]
    assert "HashRate" in found["doge"]
    assert "FlowInExNtv" not in found["doge"]
    assert "FeeTotUSD" not in found["btc"]


def test_pages_are_joined_by_their_tokens(sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(client_of(sandbox.url)) as client:
        whole = client.daily("eth", CODES, date(2026, 1, 1), date(2026, 2, 10), TODAY)
        monkeypatch.setattr(coinmetrics, "PAGE_ROWS", 7)
        before = sandbox.requests()["coinmetrics /v4/timeseries/asset-metrics"]
        paged = client.daily("eth", CODES, date(2026, 1, 1), date(2026, 2, 10), TODAY)
        asked = sandbox.requests()["coinmetrics /v4/timeseries/asset-metrics"] - before
    assert paged == whole
    assert asked == 6  # 41 days, seven a page


def test_what_is_not_for_everybody_and_what_is_unknown_are_told_apart(client: CoinMetrics) -> None:
    with pytest.raises(Blocked, match="not available with supplied credentials"):
        client.daily("btc", ["FeeTotUSD"], YESTERDAY, YESTERDAY, TODAY)
    with pytest.raises(Rejected, match="is not supported") as caught:
        client.daily("btc", ["NoSuchThing"], YESTERDAY, YESTERDAY, TODAY)
    assert not isinstance(caught.value, Blocked)


def test_an_address_that_leads_elsewhere_is_not_followed() -> None:
    def page(day: str, more: dict[str, str]) -> Answer:
        return Answer({"data": [{"asset": "btc", "time": f"{day}T00:00:00.000000000Z", "TxCnt": "5"}], **more})

    with scripted([Answer({"data": []})]) as elsewhere:
        first = page("2026-03-01", {"next_page_token": "two", "next_page_url": f"{elsewhere.url}/v4/steal"})
        with scripted([first, page("2026-03-02", {})]) as server, closing(client_of(server.url)) as client:
            found = client.daily("btc", ["TxCnt"], date(2026, 3, 1), date(2026, 3, 2), TODAY)
        assert elsewhere.asked == []
    assert [one.day.day for one in found.rows] == [1, 2]
    assert all(path.startswith("/community-api.coinmetrics.io/v4/timeseries/asset-metrics?") for path in server.asked)
    assert "next_page_token=two" in server.asked[1]
    assert "next_page_token" not in server.asked[0]


def test_pages_that_lead_in_a_circle_end() -> None:
    with (
        scripted([Answer({"data": [], "next_page_token": "again"})]) as server,
        closing(client_of(server.url)) as client,
    ):
        with pytest.raises(Malformed, match="circle"):
            client.daily("btc", ["TxCnt"], YESTERDAY, YESTERDAY, TODAY)
        assert len(server.asked) == 2


@pytest.mark.parametrize("header", ["x-ratelimit-reset", "Retry-After"])
def test_who_is_throttled_waits_as_long_as_it_is_told(header: str) -> None:
    refused = Answer({"error": {"type": "too_many_requests", "message": "slow down"}}, 429, {header: "7"})
    waits: list[float] = []
    with scripted([refused, Answer({"data": []})]) as server, closing(client_of(server.url, waits)) as client:
        client.daily("btc", ["TxCnt"], YESTERDAY, YESTERDAY, TODAY)
        assert len(server.asked) == 2
    assert 6 < max(waits) <= 7


def test_a_wait_that_is_no_number_of_seconds_is_not_believed() -> None:
    refused = Answer({"error": {}}, 429, {"x-ratelimit-reset": "soon"})
    waits: list[float] = []
    with scripted([refused, Answer({"data": []})]) as server, closing(client_of(server.url, waits)) as client:
        client.daily("btc", ["TxCnt"], YESTERDAY, YESTERDAY, TODAY)
    assert max(waits) <= HASTE.max_pause_seconds * 2


def test_throttled_for_good_is_told(sandbox: SandboxProcess) -> None:
    sandbox.set_faults([Fault(kind="throttled", venue="coinmetrics", retry_after="0")])
    with closing(client_of(sandbox.url)) as client, pytest.raises(Throttled):
        client.catalogue(["btc"])


def test_half_an_answer_is_asked_for_again(sandbox: SandboxProcess) -> None:
    sandbox.set_faults([Fault(kind="truncated_json", venue="coinmetrics", times=1)])
    with closing(client_of(sandbox.url)) as client:
        assert len(client.daily("btc", ["TxCnt"], YESTERDAY, YESTERDAY, TODAY).rows) == 1
    sandbox.set_faults([Fault(kind="truncated_json", venue="coinmetrics")])
    with closing(client_of(sandbox.url)) as client, pytest.raises(Malformed) as caught:
        client.daily("btc", ["TxCnt"], YESTERDAY, YESTERDAY, TODAY)
    assert caught.value.payload is not None


def test_bad_values_are_refused_one_by_one_and_their_neighbours_stand() -> None:
    def row(day: str, **values: object) -> dict[str, object]:
        return {"asset": "btc", "time": f"{day}T00:00:00.000000000Z", **values}

    rows: list[object] = [
        row("2026-03-01", TxCnt="10", AdrActCnt=None),
        row("2026-03-02", TxCnt="NaN", AdrActCnt="7"),
        row("2026-03-03", TxCnt="-1", AdrActCnt="8"),
        row("2026-03-04"),
        row("2027-01-01", TxCnt="11"),
        {**row("2026-03-05", TxCnt="12"), "asset": "eth"},
        None,
        {"asset": "btc", "TxCnt": "1"},
    ]
    found = parse_days(rows, "btc", ("TxCnt", "AdrActCnt"), TODAY)
    assert [(one.metric, one.day.day, one.value) for one in found.rows] == [
        ("TxCnt", 1, 10.0), ("AdrActCnt", 2, 7.0), ("AdrActCnt", 3, 8.0),
    ]  # fmt: skip
    assert [one.payload for one in found.refused] == [rows[1], rows[2], *rows[4:]]


@pytest.mark.parametrize(
    "body",
    [[], {"data": None}, {"rows": []}, {"data": [], "next_page_token": 5}, {"data": [], "next_page_token": "a\nb"}],
)
def test_what_is_no_list_of_days_is_malformed(body: object) -> None:
    with scripted([Answer(body)]) as server, closing(client_of(server.url)) as client, pytest.raises(Malformed):
        client.daily("btc", ["TxCnt"], YESTERDAY, YESTERDAY, TODAY)


@pytest.mark.parametrize("row", [None, {"asset": 5, "metrics": []}, {"asset": "btc", "metrics": None}])
def test_a_catalogue_that_cannot_be_read_is_malformed(row: object) -> None:
    with (
        scripted([Answer({"data": [row]})]) as server,
        closing(client_of(server.url)) as client,
        pytest.raises(Malformed),
    ):
        client.catalogue(["btc"])


def test_metrics_of_other_lengths_and_those_that_are_paid_are_not_offered() -> None:
    metrics = [
        {"metric": "A", "frequencies": [{"frequency": "1d", "community": True}]},
        {"metric": "B", "frequencies": [{"frequency": "1d", "community": False}]},
        {"metric": "C", "frequencies": [{"frequency": "1b"}]},
        {"metric": "D", "frequencies": [{"frequency": "1d"}]},
        {"metric": "E"},
        None,
    ]
    answer = Answer({"data": [{"asset": "btc", "metrics": metrics}]})
    with scripted([answer]) as server, closing(client_of(server.url)) as client:
        assert client.catalogue(["btc"]) == {"btc": {"A", "D"}}
