"""Runs against the sandbox and against servers that fail: what is stored, what is asked again, whose value counts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import dagster as dg
import pytest

from crypto_assets.datasets.onchain.metrics.asset import build_asset
from crypto_assets.datasets.onchain.metrics.checks import CHECKS
from crypto_assets.datasets.onchain.metrics.declaration import METRICS
from crypto_assets.datasets.onchain.metrics.read import metrics_as_of
from crypto_assets.latest.telling import LatestValues
from crypto_assets.partitions import grids_of
from crypto_assets.resources import Providers, UniverseFile
from crypto_assets.sandbox.config import DEFAULT_SEED
from crypto_assets.sandbox.faults import Fault
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.sandbox.providers.blockchain_info import other_number
from crypto_assets.sandbox.seeded_chains import chain_number
from crypto_assets.universe import UniverseError
from crypto_assets.universe_sources import OnchainAsset
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.clients.scripted import Answer, scripted
from crypto_assets_tests.datasets.onchain.metrics.stage import DAY, UNIVERSE, Stage, midnight, outcome, told
from crypto_assets_tests.datasets.onchain.metrics.test_volatility import closing, put
from crypto_assets_tests.playing import HASTE, NOW

TODAY = NOW.date()
LAST = TODAY - 2 * DAY  # ended a day and a half ago: the newest that is due
DUE = [
    date(2026, 2, 26) + DAY * number for number in range((LAST - date(2026, 2, 26)).days + 1)
]  # three days of February
ONLY_BTC = {"BTC": OnchainAsset(coinmetrics="btc")}
BOTH = {**ONLY_BTC, "ETH": OnchainAsset(coinmetrics="eth")}


@pytest.fixture
def stage(warehouse: Warehouse, sandbox: SandboxProcess) -> Stage:
    return Stage(warehouse, sandbox.url)


def made_up(asset: str, metric: str, days: list[date] = DUE) -> dict[date, float]:
    return {day: chain_number(DEFAULT_SEED, asset, metric, day) for day in days}


def test_an_open_month_is_stored_as_its_sources_tell_it_and_a_second_run_writes_nothing(stage: Stage) -> None:
    put(stage.warehouse, "binance", "BTC/USDT", "1d", closing(date(2026, 2, 20), [100.0 + n for n in range(18)]))
    done = stage.run()
    for asset, metric in (("BTC", "active_addresses"), ("BTC", "supply"), ("ETH", "transactions"), ("ETH", "tvl_usd")):
        assert stage.values(asset, metric) == made_up(asset, metric)
    inflow, outflow = made_up("BTC", "exchange_inflow"), made_up("BTC", "exchange_outflow")
    assert stage.values("BTC", "exchange_net_flow") == {day: inflow[day] - outflow[day] for day in DUE}
    assert min(stage.values("BTC", "exchange_net_flow").values()) < 0
    # Not in Coin Metrics' free tier: the next source has it for Bitcoin, nobody for Ethereum.
    assert stage.values("BTC", "fees_usd") == {day: other_number(DEFAULT_SEED, "fees_usd", day) for day in DUE}
    assert stage.values("ETH", "fees_usd") == {}
    rows = stage.rows()
    provided = rows[rows["metric"] != "price_volatility_7d"]
    assert ((provided["known_at"] - provided["observed_on"].dt.tz_localize("UTC")) == timedelta(days=2)).all()
    units = {(row["asset"], row["metric"]): row["unit"] for row in rows.to_dict("records")}
    assert units["ETH", "supply"] == "ETH"
    assert units["BTC", "hash_rate"] == "TH/s"
    sources = {row["metric"]: row["source"] for row in rows[rows["asset"] == "BTC"].to_dict("records")}
    assert sources["exchange_net_flow"] == "coinmetrics btc FlowInExNtv - FlowOutExNtv"
    assert sources["fees_usd"] == "blockchain_info transaction-fees-usd"
    assert sources["price_volatility_7d"] == "market/ohlcv binance BTC/USDT 1d"

    volatility = rows[rows["metric"] == "price_volatility_7d"]
    assert [day.date() for day in volatility["observed_on"]] == [date(2026, 2, 27) + DAY * n for n in range(11)]
    assert ((volatility["known_at"] - volatility["observed_on"].dt.tz_localize("UTC")) == DAY).all()

    assert told(done, "BTC", "active_addresses") == {
        "asset": "BTC", "metric": "active_addresses", "days_known": "11/11", "share": 1.0,
        "sources": "coinmetrics 11", "note": "",
    }  # fmt: skip
    assert told(done, "ETH", "fees_usd")["note"] == "no source has it"
    assert told(done, "BTC", "price_volatility_7d")["days_known"] == "10/11"
    assert told(done, "ETH", "price_volatility_7d")["note"] == "no eight days of bars in a market for dollars"
    assert outcome(done, "BTC", "fees_usd").inserted == 11
    assert sum(one.inserted for one in done.outcomes) == len(rows)

    again = stage.run()
    assert sum(one.inserted + one.changed for one in again.outcomes) == 0
    assert stage.rows().equals(rows)  # ingested_at and all
    assert stage.scalar("SELECT count(*) FROM audit.revisions") == 0


def test_a_month_that_is_over_is_stored_whole(stage: Stage) -> None:
    stage.run(datetime(2025, 11, 5, tzinfo=UTC), assets=["ETH"])
    november = [date(2025, 11, 1) + DAY * number for number in range(30)]
    assert stage.values("ETH", "active_addresses") == made_up("ETH", "active_addresses", november)
    assert stage.values("BTC", "active_addresses") == {}
    assert list(stage.values("ETH", "tvl_usd")) == november


def test_a_month_that_has_not_begun_is_left_alone(stage: Stage) -> None:
    assert stage.run(datetime(2026, 4, 5, tzinfo=UTC)).outcomes == []
    assert len(stage.rows()) == 0


def test_while_the_first_source_is_down_the_next_serves_bitcoin_and_gives_way_when_it_is_back(
    stage: Stage, sandbox: SandboxProcess
) -> None:
    stage.key = "CANARY0123456789"
    sandbox.set_faults([Fault(kind="unavailable", venue="coinmetrics")])
    universe = stage.universe(assets=BOTH)
    done = stage.run(universe=universe)
    theirs = {day: other_number(DEFAULT_SEED, "active_addresses", day) for day in DUE}
    assert stage.values("BTC", "active_addresses") == theirs
    btc, eth = outcome(done, "BTC", "active_addresses"), outcome(done, "ETH", "active_addresses")
    assert not btc.failed
    assert btc.warning.startswith("coinmetrics: ")
    assert eth.failed
    # Nobody else has Ethereum's supply of the past; Etherscan knows that of now.
    assert stage.values("ETH", "supply") == {TODAY - DAY: round(chain_number(DEFAULT_SEED, "ETH", "supply", TODAY))}
    assert stage.rows("ETH", "supply")["known_at"][0].to_pydatetime() == NOW
    assert "CANARY" not in str(done)

    sandbox.clear_faults()
    stage.now = NOW + timedelta(hours=1)
    before = metrics_as_of(stage.warehouse, "BTC", "active_addresses", NOW)
    back = stage.run(universe=universe)
    # The last days are asked for again, and the better source's values take the place; older ones keep their source.
    young = [day for day in DUE if day >= TODAY - DAY - 3 * DAY]
    ours = made_up("BTC", "active_addresses")
    assert stage.values("BTC", "active_addresses") == theirs | {day: ours[day] for day in young}
    assert outcome(back, "BTC", "active_addresses").changed == len(young)
    assert (
        told(back, "BTC", "active_addresses")["sources"]
        == f"blockchain_info {len(DUE) - len(young)}, coinmetrics {len(young)}"
    )
    # Ethereum's days were asked for in vain an hour before: they were known only now.
    assert stage.values("ETH", "active_addresses") == made_up("ETH", "active_addresses")
    assert stage.scalar("SELECT count(*) FROM audit.revisions WHERE old_row->>'metric' = 'active_addresses'") == len(
        young
    )
    # What was known before stays what was known then.
    assert before is not None
    assert metrics_as_of(stage.warehouse, "BTC", "active_addresses", NOW) == before
    assert before.value == theirs[LAST]
    now = metrics_as_of(stage.warehouse, "BTC", "active_addresses", stage.now)
    assert now is not None
    assert (now.value, now.known_at, now.source) == (ours[LAST], stage.now, "coinmetrics btc AdrActCnt")

    stage.now += timedelta(hours=1)
    stage.run(universe=universe, again=True)
    assert stage.values("BTC", "active_addresses") == ours


def test_a_run_asks_for_absent_days_and_the_last_three_alone(stage: Stage) -> None:
    with scripted(telling({"TxCnt": "5"})) as server:
        stage.url = server.url
        universe = stage.universe(assets=ONLY_BTC)
        stage.run(universe=universe)
        stage.run(universe=universe)
        spans = [
            (query["start_time"][0], query["end_time"][0])
            for path in server.asked
            if (query := parse_qs(urlsplit(path).query)) and "start_time" in query
        ]
        assert spans == [("2026-02-26", "2026-03-08"), ("2026-03-06", "2026-03-08")]
        with stage.warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.execute("DELETE FROM onchain.metrics WHERE observed_on = '2026-03-02'")
        stage.run(universe=universe)
        assert "start_time=2026-03-02&end_time=2026-03-08" in server.asked[-2 - len(charts(server.asked))]


def charts(asked: list[str]) -> list[str]:
    """Requests of the last run behind Coin Metrics'."""
    last = max(number for number, path in enumerate(asked) if "timeseries" in path)
    return asked[last + 2 :]


def telling(
    values: dict[str, object], change: Callable[[str, dict[str, object]], object] = lambda _, row: row
) -> Callable[[str], Answer]:
    """Coin Metrics with the same values on every day; other providers know nothing."""

    def answer(path: str) -> Answer:
        query = {name: one[0] for name, one in parse_qs(urlsplit(path).query).items()}
        if "catalog-v2" in path:
            metrics = [{"metric": one, "frequencies": [{"frequency": "1d"}]} for one in values]
            return Answer({"data": [{"asset": one, "metrics": metrics} for one in query["assets"].split(",")]})
        if "timeseries" not in path:
            return Answer({}, 404)
        first, last = date.fromisoformat(query["start_time"]), date.fromisoformat(query["end_time"])
        days = [str(first + DAY * number) for number in range((last - first).days + 1)]
        rows = [{"asset": query["assets"], "time": f"{day}T00:00:00.000000000Z", **values} for day in days]
        return Answer({"data": [change(day, row) for day, row in zip(days, rows, strict=True)]})

    return answer


def test_bad_values_are_kept_aside_and_the_good_ones_of_their_rows_are_stored(stage: Stage) -> None:
    bad: dict[str, object] = {"2026-03-02": "-7", "2026-03-03": "NaN", "2026-03-04": "1e99", "2026-03-05": True}

    def change(day: str, row: dict[str, object]) -> object:
        return None if day == "2026-03-01" else {**row, "TxCnt": bad.get(day, row["TxCnt"])}

    with scripted(telling({"TxCnt": "5", "AdrActCnt": "6", "SplyCur": None}, change)) as server:
        stage.url = server.url
        done = stage.run(universe=stage.universe(assets=ONLY_BTC))
    first = date(2026, 3, 1)
    assert set(stage.values("BTC", "transactions")) == set(DUE) - {first + DAY * number for number in range(5)}
    assert set(stage.values("BTC", "active_addresses")) == set(DUE) - {first}
    assert stage.values("BTC", "supply") == {}
    assert stage.scalar("SELECT count(*) FROM quality.quarantine WHERE symbol = 'coinmetrics BTC'") == 5
    assert stage.scalar("SELECT payload->>'TxCnt' FROM quality.quarantine WHERE reason LIKE '%%negative%%'") == "-7"
    assert outcome(done, "BTC", "transactions").absent == 5
    assert told(done, "BTC", "supply")["days_known"] == "0/11"


def test_half_answers_of_the_first_source_are_kept_and_the_next_one_serves(
    stage: Stage, sandbox: SandboxProcess
) -> None:
    sandbox.set_faults([Fault(kind="truncated_json", venue="coinmetrics", route="timeseries")])
    done = stage.run(universe=stage.universe(assets=ONLY_BTC))
    assert set(stage.values("BTC", "transactions")) == set(DUE)
    assert "expected JSON" in outcome(done, "BTC", "transactions").warning
    assert stage.scalar("SELECT count(*) FROM quality.quarantine WHERE symbol = 'coinmetrics BTC'") == 1


def test_rows_of_null_cost_their_day_alone(stage: Stage, sandbox: SandboxProcess) -> None:
    sandbox.set_faults([Fault(kind="null_rows", venue="coinmetrics", route="timeseries")])
    stage.run(universe=stage.universe(assets={"ETH": OnchainAsset(coinmetrics="eth")}))
    assert len(stage.values("ETH", "transactions")) == len(DUE) - 1


def test_an_asset_that_is_not_for_everybody_leaves_the_others_alone(stage: Stage) -> None:
    tells = telling({"TxCnt": "5"})

    def answer(path: str) -> Answer:
        forbidden = Answer({"error": {"type": "forbidden", "message": "not yours"}}, 403)
        return forbidden if "timeseries" in path and "assets=btc" in path else tells(path)

    with scripted(answer) as server:
        stage.url = server.url
        done = stage.run(universe=stage.universe(assets=BOTH))
    assert set(stage.values("ETH", "transactions")) == set(DUE)
    assert stage.values("BTC", "transactions") == {}
    assert "403" in outcome(done, "BTC", "transactions").warning
    assert outcome(done, "BTC", "transactions").failed


def test_a_correction_keeps_the_former_value_and_counts_from_when_it_came(stage: Stage) -> None:
    universe = stage.universe(assets=ONLY_BTC)
    for value in ("5", "6"):
        with scripted(telling({"TxCnt": value})) as server:
            stage.url = server.url
            stage.run(universe=universe)
        stage.now += timedelta(hours=6)
    assert stage.values("BTC", "transactions")[LAST] == 6.0
    corrected_at = NOW + timedelta(hours=6)
    for at, value in ((corrected_at - timedelta(seconds=1), 5.0), (corrected_at, 6.0)):
        known = metrics_as_of(stage.warehouse, "BTC", "transactions", at)
        assert known is not None
        assert (known.value, known.observed_on) == (value, LAST)


def test_a_day_that_came_late_was_known_when_it_came(stage: Stage) -> None:
    late = "2026-03-07"
    universe = stage.universe(assets=ONLY_BTC)
    with scripted(telling({"TxCnt": "5"}, lambda day, row: {**row, "TxCnt": None} if day == late else row)) as server:
        stage.url = server.url
        done = stage.run(universe=universe)
    assert "no value at any source, first 2026-03-07" in outcome(done, "BTC", "transactions").warning
    stage.now = NOW + timedelta(hours=9)
    with scripted(telling({"TxCnt": "5"})) as server:
        stage.url = server.url
        stage.run(universe=universe)
    known = {row["observed_on"].date(): row["known_at"] for row in stage.rows("BTC", "transactions").to_dict("records")}
    assert known.pop(date.fromisoformat(late)).to_pydatetime() == stage.now
    assert all(at.to_pydatetime() == midnight(day) + 2 * DAY for day, at in known.items())


def test_an_unknown_asset_is_refused_by_name(stage: Stage) -> None:
    with pytest.raises(UniverseError, match=r"Unknown asset 'XYZ'.*BTC, ETH"):
        stage.run(assets=["XYZ"])


def test_the_asset_and_its_checks_run_in_dagster(stage: Stage, tmp_path: Path) -> None:
    file = UniverseFile(tmp_path / "universe.yaml", stage.warehouse)
    file.path.write_text(UNIVERSE)
    asset = build_asset(grids_of(date(2024, 1, 1), ["binance", "kraken"], ["solana"]))
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [asset, *CHECKS], instance=instance, partition_key="2026-02-01",
            resources={
                "warehouse": stage.warehouse, "universe_file": file,
                "providers": Providers(sandbox_url=stage.url, policy=HASTE),
                "latest": LatestValues(),
            },
        )  # fmt: skip
    assert result.success
    verdicts = {one.check_name: one.passed for one in result.get_asset_check_evaluations()}
    assert len(verdicts) == 7
    assert all(verdicts.values()), verdicts
    shown = result.get_asset_materialization_events()[0].materialization.metadata
    assert len(shown["days_known"].records) == 2 * len(METRICS)  # type: ignore[union-attr]
    # In a month that is over nothing is said of recency.
    assert stage.scalar("SELECT count(DISTINCT name) FROM quality.scores, jsonb_object_keys(checks) AS name") == 6
