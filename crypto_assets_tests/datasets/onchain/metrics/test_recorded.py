"""Recorded values of Coin Metrics and blockchain.info through clients, rules and storage, counted again by hand.

The recordings are files; a small server turns them into the providers' answers, so that the real clients read them.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import dagster as dg
import pytest

from crypto_assets.datasets.calendar_asset import CalendarRun
from crypto_assets.datasets.onchain.metrics.asset import MetricsConfig, collect_metrics
from crypto_assets.datasets.outcomes import Collected
from crypto_assets.partitions import VenueWindow
from crypto_assets.resources import Providers
from crypto_assets.universe_sources import OnchainAsset
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.clients.scripted import Answer, scripted
from crypto_assets_tests.datasets.onchain.metrics.stage import Stage
from crypto_assets_tests.playing import HASTE

OURS = {
    "active_addresses": "AdrActCnt", "transactions": "TxCnt", "fees_native": "FeeTotNtv", "fees_usd": "FeeTotUSD",
    "hash_rate": "HashRate", "supply": "SplyCur", "exchange_inflow": "FlowInExNtv", "exchange_outflow": "FlowOutExNtv",
    "market_cap_usd": "CapMrktCurUSD",
}  # fmt: skip
PAGE = 2500

type Rows = Sequence[Mapping[str, str]]


def read_csv(folder: Path, name: str) -> Rows:
    with gzip.open(folder / "onchain" / f"coinmetrics_{name}.csv.gz", "rt", newline="") as file:
        return list(csv.DictReader(file))


def coin_metrics_of(files: Mapping[str, Rows]) -> Callable[[str], Answer]:
    """Answers as the API's, from the files' rows: an empty field is null. Others than Coin Metrics know nothing."""

    def answer(path: str) -> Answer:
        parts = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path.endswith("/catalog-v2/asset-metrics"):
            daily = [{"frequency": "1d", "community": True}]
            metrics = {name: [{"metric": one, "frequencies": daily} for one in rows[0]] for name, rows in files.items()}
            return Answer({"data": [{"asset": name, "metrics": metrics[name]} for name in query["assets"].split(",")]})
        if not parts.path.endswith("/timeseries/asset-metrics"):
            return Answer({"error": "not here"}, 404)
        name, wanted = query["assets"], query["metrics"].split(",")
        rows = [
            {"asset": name, "time": f"{row['time']}T00:00:00.000000000Z", **{one: row[one] or None for one in wanted}}
            for row in files[name]
            if query["start_time"] <= row["time"] <= query["end_time"]
        ]
        at = int(query.get("next_page_token", "0"))
        more = {"next_page_token": str(at + PAGE)} if at + PAGE < len(rows) else {}
        return Answer({"data": rows[at : at + PAGE], **more})

    return answer


def collect_all(stage: Stage, assets: Mapping[str, OnchainAsset], now: datetime) -> Collected:
    """All history up to a moment in one run."""
    window = VenueWindow("", datetime(2009, 1, 1, tzinfo=UTC), datetime(now.year, now.month, now.day, tzinfo=UTC))
    providers = Providers(sandbox_url=stage.url, policy=HASTE)
    return collect_metrics(
        CalendarRun(
            dg.get_dagster_logger(), stage.warehouse, providers, stage.universe(assets=assets), window, MetricsConfig(),
            clock=lambda: now,
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    ("files", "now"),
    [
        ({"BTC": "btc_2026"}, datetime(2026, 3, 26, tzinfo=UTC)),
        ({"BTC": "btc", "ETH": "eth", "DOGE": "doge", "USDT": "usdt"}, datetime(2020, 7, 30, tzinfo=UTC)),
    ],
    ids=["2026", "2020"],
)
def test_recorded_days_of_coin_metrics_are_stored_to_the_last_digit(
    warehouse: Warehouse, recordings: Path, files: Mapping[str, str], now: datetime
) -> None:
    told = {asset.lower(): read_csv(recordings, name) for asset, name in files.items()}
    with scripted(coin_metrics_of(told)) as server:
        stage = Stage(warehouse, server.url)
        done = collect_all(stage, {asset: OnchainAsset(coinmetrics=asset.lower()) for asset in files}, now)
    assert sum(one.quarantined for one in done.outcomes) == 0
    rows = stage.rows()
    assert stage.scalar("SELECT count(*) FROM quality.quarantine") == 0
    for asset in files:
        source = told[asset.lower()]
        for metric, column in OURS.items():
            expected = {row["time"]: float(row[column]) for row in source if row.get(column)}
            assert_same(rows, asset, metric, expected)
        flows = {
            row["time"]: float(row["FlowInExNtv"]) - float(row["FlowOutExNtv"])
            for row in source
            if row.get("FlowInExNtv") and row.get("FlowOutExNtv")
        }
        assert_same(rows, asset, "exchange_net_flow", flows)
    assert len(rows) == sum(one.received for one in done.outcomes) > 20_000


def assert_same(rows: object, asset: str, metric: str, expected: Mapping[str, float]) -> None:
    """A series' days, values, sum and times of knowledge equal what was counted."""
    own = rows[(rows["asset"] == asset) & (rows["metric"] == metric)]  # type: ignore[index]
    stored = {str(day.date()): float(value) for day, value in zip(own["observed_on"], own["value"], strict=True)}
    assert len(stored) == len(expected), (asset, metric)
    assert stored == expected, (asset, metric)
    assert math.fsum(stored.values()) == math.fsum(expected.values())
    assert ((own["known_at"] - own["observed_on"].dt.tz_localize("UTC")) == timedelta(days=2)).all()


def test_the_incomplete_last_day_of_2026_leaves_no_row(warehouse: Warehouse, recordings: Path) -> None:
    source = read_csv(recordings, "btc_2026")[-5:]
    with scripted(coin_metrics_of({"btc": source})) as server:
        stage = Stage(warehouse, server.url)
        stage.now = datetime(2026, 3, 26, tzinfo=UTC)
        stage.run(universe=stage.universe(assets={"BTC": OnchainAsset(coinmetrics="btc")}))
    rows = stage.rows("BTC")
    assert rows["observed_on"].max().date() == date(2026, 3, 22)
    assert source[-1]["time"] == "2026-03-23"
    assert source[-1]["ReferenceRateUSD"] != ""


def test_recorded_charts_in_milliseconds_are_stored_to_the_last_digit(warehouse: Warehouse, recordings: Path) -> None:
    files = {}
    for chart in ("hash-rate", "n-transactions"):
        with gzip.open(recordings / "onchain" / f"blockchaincom_{chart}.json.gz", "rt") as file:
            files[chart] = json.load(file)[chart]

    def answer(path: str) -> Answer:
        chart = urlsplit(path).path.rpartition("/")[2]
        if chart not in files:
            return Answer({"status": "error"}, 404)
        return Answer({"status": "ok", "name": chart, "unit": "?", "period": "day", "values": files[chart]})

    with scripted(answer) as server:
        stage = Stage(warehouse, server.url)
        done = collect_all(stage, {"BTC": OnchainAsset()}, datetime(2025, 5, 1, tzinfo=UTC))
    for metric, chart in (("hash_rate", "hash-rate"), ("transactions", "n-transactions")):
        expected: dict[str, float] = {}
        for point in files[chart]:
            day = str(date(1970, 1, 1) + timedelta(days=point["x"] // 86_400_000))
            assert day not in expected
            expected[day] = float(point["y"])
        assert len(expected) == 1094
        assert_same(stage.rows(), "BTC", metric, expected)
    assert stage.scalar("SELECT count(*) FROM quality.quarantine") == 0
    failed = {one.symbol for one in done.outcomes if one.failed}
    assert failed == {"active_addresses", "fees_native", "fees_usd", "market_cap_usd"}
