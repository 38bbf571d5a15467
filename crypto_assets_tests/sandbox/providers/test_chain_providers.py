"""Providers of chains' metrics in the sandbox: wire formats, limits, refusals, the day that is not finished."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from datetime import date, timedelta

import numpy as np
import pytest

from crypto_assets.sandbox.config import DEFAULT_SEED
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.sandbox.providers.coinmetrics import METRICS, number_at
from crypto_assets.sandbox.providers.etherscan_stats import stats_answer
from crypto_assets.sandbox.seeded_chains import assets, chain_number, metrics_of, start_ms
from crypto_assets.sandbox.venues.exchange import Asked
from crypto_assets_tests.playing import NOW

COINMETRICS = "community-api.coinmetrics.io/v4"
YESTERDAY = NOW.date() - timedelta(days=1)


def get(sandbox: SandboxProcess, path: str) -> tuple[int, object]:
    try:
        with urllib.request.urlopen(f"{sandbox.url}/{path}") as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_days_have_the_form_of_coin_metrics_and_come_in_pages(sandbox: SandboxProcess) -> None:
    days = "frequency=1d&start_time=2026-03-01&end_time=2026-03-05"
    asked = f"{COINMETRICS}/timeseries/asset-metrics?assets=btc&metrics=AdrActCnt,TxCnt&{days}"
    status, whole = get(sandbox, asked)
    assert status == 200
    assert isinstance(whole, dict)
    assert whole.keys() == {"data"}
    assert whole["data"][0].keys() == {"asset", "time", "AdrActCnt", "TxCnt"}
    assert whole["data"][0]["time"] == "2026-03-01T00:00:00.000000000Z"
    assert all(isinstance(row["TxCnt"], str) for row in whole["data"])
    _, first = get(sandbox, f"{asked}&page_size=3")
    assert isinstance(first, dict)
    assert first["next_page_url"].startswith(f"https://{COINMETRICS}/timeseries/asset-metrics?")
    _, second = get(sandbox, f"{asked}&page_size=3&next_page_token={first['next_page_token']}")
    assert isinstance(second, dict)
    assert first["data"] + second["data"] == whole["data"]
    assert "next_page_token" not in second


@pytest.mark.parametrize(
    ("query", "status", "kind"),
    [
        ("assets=btc&metrics=Nothing", 400, "bad_parameter"),
        ("assets=nothing&metrics=TxCnt", 400, "bad_parameter"),
        ("assets=doge&metrics=FlowInExNtv", 400, "bad_parameter"),
        ("assets=btc&metrics=FeeTotUSD", 403, "forbidden"),
        ("metrics=TxCnt", 400, "bad_parameter"),
        ("assets=btc&metrics=TxCnt&frequency=1b", 400, "bad_parameter"),
        ("assets=btc&metrics=TxCnt&start_time=soon", 400, "bad_parameter"),
        ("assets=btc&metrics=TxCnt&page_size=10001", 400, "bad_parameter"),
        ("assets=btc&metrics=TxCnt&page_size=x", 400, "bad_parameter"),
        ("assets=btc&metrics=TxCnt&next_page_token=!", 400, "bad_parameter"),
    ],
)
def test_refusals_are_in_coin_metrics_words(sandbox: SandboxProcess, query: str, status: int, kind: str) -> None:
    code, body = get(sandbox, f"{COINMETRICS}/timeseries/asset-metrics?{query}")
    assert code == status
    assert isinstance(body, dict)
    assert body["error"]["type"] == kind


def test_a_day_is_finished_hours_after_its_end_and_prices_before_the_chain() -> None:
    night = start_ms(YESTERDAY) + 25 * 3_600_000  # one in the morning
    assert number_at(DEFAULT_SEED, "btc", "CapMrktCurUSD", YESTERDAY, night) is not None
    assert number_at(DEFAULT_SEED, "btc", "TxCnt", YESTERDAY, night) is None
    assert number_at(DEFAULT_SEED, "btc", "TxCnt", YESTERDAY, night + 5 * 3_600_000) is not None


def test_the_catalogue_lists_each_assets_metrics(sandbox: SandboxProcess) -> None:
    _, body = get(sandbox, f"{COINMETRICS}/catalog-v2/asset-metrics?assets=btc,sol")
    assert isinstance(body, dict)
    names = {row["asset"]: {one["metric"] for one in row["metrics"]} for row in body["data"]}
    assert names["btc"] == set(METRICS)
    assert names["sol"] == {"AdrActCnt", "TxCnt", "SplyCur", "CapMrktCurUSD"}
    assert get(sandbox, f"{COINMETRICS}/catalog-v2/asset-metrics?assets=zzz")[0] == 400


def test_charts_and_values_locked_have_their_forms(sandbox: SandboxProcess) -> None:
    asked = "api.blockchain.info/charts/n-transactions?timespan=3days&start=2026-03-01&sampled=false&format=json"
    _, chart = get(sandbox, asked)
    assert isinstance(chart, dict)
    assert (chart["status"], chart["period"]) == ("ok", "day")
    assert [point["x"] for point in chart["values"]] == [start_ms(date(2026, 3, one)) // 1000 for one in (1, 2, 3)]
    assert get(sandbox, "api.blockchain.info/charts/n-transactions?timespan=long")[0] == 400
    assert get(sandbox, "api.blockchain.info/charts/nothing")[0] == 404
    _, points = get(sandbox, "api.llama.fi/v2/historicalChainTvl/Solana")
    assert isinstance(points, list)
    assert points[0]["date"] == start_ms(date(2021, 3, 17)) // 1000
    assert points[-1]["date"] == int(NOW.timestamp())
    assert points[-2]["date"] == start_ms(NOW.date()) // 1000
    assert get(sandbox, "api.llama.fi/v2/historicalChainTvl/Nowhere")[0] == 400


def test_etherscan_tells_the_supply_in_wei_and_refuses_with_status_200(sandbox: SandboxProcess) -> None:
    asked = "api.etherscan.io/v2/api?chainid=1&module=stats&action=ethsupply2"
    status, body = get(sandbox, f"{asked}&apikey=k")
    assert status == 200
    assert isinstance(body, dict)
    wei = {name: int(text) for name, text in body["result"].items()}
    supply = wei["EthSupply"] + wei["Eth2Staking"] - wei["BurntFees"]
    assert supply == round(chain_number(DEFAULT_SEED, "ETH", "supply", NOW.date())) * 10**18
    refused = get(sandbox, asked)
    assert refused[0] == 200
    assert isinstance(refused[1], dict)
    assert refused[1]["status"] == "0"


def test_an_action_of_etherscan_that_is_not_served_has_no_answer(sandbox: SandboxProcess) -> None:
    assert sandbox.url
    source: object = None
    asked = Asked("etherscan", "/v2/api", {"apikey": "k", "action": "dailytx"}, source)  # type: ignore[arg-type]
    assert stats_answer(asked) is None


def test_numbers_follow_from_seed_and_day_and_swing_around_a_level() -> None:
    days = [date(2022, 1, 1) + timedelta(days=number) for number in range(200)]
    for asset in assets():
        for metric in metrics_of(asset):
            told = np.array([chain_number(7, asset, metric, day) for day in days])
            assert (told > 0).all()
            assert told.max() / told.min() < 2
            assert (told == [chain_number(7, asset, metric, day) for day in days]).all()
    assert chain_number(7, "BTC", "transactions", days[0]) != chain_number(8, "BTC", "transactions", days[0])
