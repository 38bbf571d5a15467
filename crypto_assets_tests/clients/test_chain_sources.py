"""The clients of blockchain.info, Etherscan and DefiLlama, against the sandbox and against odd answers."""

from __future__ import annotations

from contextlib import closing
from datetime import date, timedelta

import pytest
from pydantic import SecretStr

from crypto_assets.clients.blockchain_info import BlockchainInfo, parse_chart, parse_points
from crypto_assets.clients.defillama import DefiLlama, parse_tvl
from crypto_assets.clients.etherscan import Etherscan
from crypto_assets.clients.failures import Malformed, ProviderError, Rejected, Throttled
from crypto_assets.clients.http import Blocked, HttpProvider
from crypto_assets.clients.transport import RetryPolicy, Transport
from crypto_assets.sandbox.config import DEFAULT_SEED
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.sandbox.providers.blockchain_info import other_number
from crypto_assets.sandbox.seeded_chains import chain_number
from crypto_assets_tests.clients.scripted import Answer, scripted
from crypto_assets_tests.playing import NOW

TODAY = NOW.date()
DAY = timedelta(days=1)
ONCE = RetryPolicy(attempts=1)
KEY = SecretStr("CANARY0123456789")


def http_of(name: str, url: str) -> HttpProvider:
    transport = Transport(name, requests_per_second=1e6, policy=ONCE, sleep=lambda _: None)
    return HttpProvider(transport, sandbox_url=url, secrets=[KEY])


def test_a_chart_of_the_sandbox_comes_as_it_was_made_up(sandbox: SandboxProcess) -> None:
    first, last = date(2026, 2, 20), date(2026, 3, 5)
    with closing(BlockchainInfo(http_of("blockchain_info", sandbox.url))) as client:
        found = client.chart("hash-rate", first, last, TODAY)
    days = [first + DAY * number for number in range(14)]
    assert [(one.day, one.value) for one in found.rows] == [
        (day, other_number(DEFAULT_SEED, "hash_rate", day)) for day in days
    ]


def test_points_in_milliseconds_and_in_seconds_are_the_same() -> None:
    seconds = [{"x": 1_649_289_600, "y": 5}, {"x": 1_649_376_000, "y": 6.5}]
    milliseconds = [{"x": int(str(one["x"])) * 1000, "y": one["y"]} for one in seconds]
    found = parse_points(seconds, "c", TODAY)
    assert found == parse_points(milliseconds, "c", TODAY)
    assert [(one.day, one.value) for one in found.rows] == [(date(2022, 4, 7), 5.0), (date(2022, 4, 8), 6.5)]


def test_bad_points_are_refused_and_their_neighbours_stand() -> None:
    points: list[object] = [
        {"x": 1_649_289_600, "y": -1}, {"x": 1_649_376_000, "y": 6}, {"x": 5, "y": 6}, {"y": 6}, None,
        {"x": 1_649_462_400, "y": None}, {"x": 1_649_462_400, "y": "NaN"},
    ]  # fmt: skip
    found = parse_points(points, "c", TODAY)
    assert [one.value for one in found.rows] == [6.0]
    assert [one.payload for one in found.refused] == [points[0], *points[2:5], points[6]]


@pytest.mark.parametrize("body", [{"status": "error"}, {"status": "ok"}, {"status": "ok", "values": {}}, [], None])
def test_what_is_no_chart_is_malformed(body: object) -> None:
    with pytest.raises(Malformed):
        parse_chart(body, "c", TODAY)


def test_value_locked_in_a_chain_comes_without_the_day_that_is_not_over(sandbox: SandboxProcess) -> None:
    with closing(DefiLlama(http_of("defillama", sandbox.url))) as client:
        found = client.chain_tvl("Ethereum", TODAY - 3 * DAY, TODAY, TODAY)
        with pytest.raises(Rejected):
            client.chain_tvl("Nowhere", TODAY, TODAY, TODAY)
    assert [(one.day, one.value) for one in found.rows] == [
        (day, chain_number(DEFAULT_SEED, "ETH", "tvl_usd", day))
        for day in (TODAY - 3 * DAY, TODAY - 2 * DAY, TODAY - DAY)
    ]


def test_a_history_that_is_no_list_is_malformed_and_bad_points_are_refused() -> None:
    with pytest.raises(Malformed):
        parse_tvl({"message": "no"}, TODAY)
    found = parse_tvl([{"date": 1_700_000_000, "tvl": -5}, {"date": 1_700_000_000, "tvl": 7}, 3], TODAY)
    assert [one.value for one in found.rows] == [7.0]
    assert len(found.refused) == 2


WEI = {"EthSupply": "122373866" + "0" * 18, "Eth2Staking": "2940327" + "0" * 18, "BurntFees": "4610942" + "0" * 18}


def test_ether_is_what_was_issued_and_earned_less_what_was_burnt() -> None:
    answer = Answer({"status": "1", "message": "OK", "result": WEI})
    with scripted([answer]) as server, closing(Etherscan(http_of("etherscan", server.url), KEY)) as client:
        assert client.ether_supply() == 122_373_866 + 2_940_327 - 4_610_942
    assert server.asked == ["/api.etherscan.io/v2/api?chainid=1&module=stats&action=ethsupply2&apikey=CANARY0123456789"]


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        ({"status": "0", "message": "NOTOK", "result": "Max calls per sec rate limit reached (5/sec)"}, Throttled),
        ({"status": "0", "message": "NOTOK", "result": "Invalid API Key CANARY0123456789"}, Blocked),
        ({"status": "0", "message": "NOTOK", "result": "Something else"}, Rejected),
        ({"status": "1", "message": "OK", "result": "122"}, Malformed),
        ({"status": "1", "message": "OK", "result": {**WEI, "BurntFees": "-5"}}, Malformed),
        ({"status": "1", "message": "OK", "result": {**WEI, "BurntFees": None}}, Malformed),
        ({"status": "1", "message": "OK", "result": {"EthSupply": "1"}}, Malformed),
        ([], Malformed),
    ],
)
def test_failures_that_come_with_status_200_are_told_apart_and_hold_no_key(
    body: object, failure: type[ProviderError]
) -> None:
    with (
        scripted([Answer(body)]) as server,
        closing(Etherscan(http_of("etherscan", server.url), KEY)) as client,
        pytest.raises(failure) as caught,
    ):
        client.ether_supply()
    assert type(caught.value) is failure
    assert "CANARY" not in str(caught.value)
