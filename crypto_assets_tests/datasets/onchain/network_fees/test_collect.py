"""Runs over HTTP against the sandbox: what is stored of now and of the past, and what a failure takes with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from pydantic import SecretStr

from crypto_assets.datasets.onchain.network_fees.table import DATASET
from crypto_assets.resources import Keys
from crypto_assets.sandbox.config import DEFAULT_SEED
from crypto_assets.sandbox.faults import Fault
from crypto_assets.sandbox.providers.ethereum_chain import block_time, newest_block
from crypto_assets.sandbox.providers.mempool_space import recommended, tip_height
from crypto_assets.sandbox.providers.solana_rpc import fees, has_block, newest_slot
from crypto_assets.universe import UniverseError
from crypto_assets.universe_sources import FeeChain
from crypto_assets_tests.datasets.onchain.network_fees.world import (
    DAY,
    MIDNIGHT,
    NOW,
    FeeWorld,
    first_block_after,
    truth_of_blocks,
)

KEY = "canary0123456789abcdef"
OWN = Keys(ethereum_rpc=SecretStr(f"https://eth.drpc.org/v3/{KEY}"))


def test_the_open_day_takes_one_sample_a_chain(world: FeeWorld) -> None:
    outcomes = world.run()
    assert [(one.venue, one.received, one.inserted, one.warning) for one in outcomes] == [
        ("ethereum", 1, 1, ""), ("bitcoin", 1, 1, ""), ("solana", 1, 1, ""),
    ]  # fmt: skip
    rows = world.rows().set_index("chain")
    assert (rows["observed_at"] == NOW).all()
    assert (rows["known_at"] == NOW).all()
    second = int(NOW.timestamp())
    expected = truth_of_blocks(newest_block(DEFAULT_SEED, second))
    assert rows.loc["ethereum", list(expected)].astype(float).to_dict() == pytest.approx(expected, rel=1e-12)
    sats = ["fastest_sat_vb", "half_hour_sat_vb", "hour_sat_vb", "economy_sat_vb", "minimum_sat_vb"]
    assert rows.loc["bitcoin", sats].tolist() == recommended(DEFAULT_SEED, second)
    assert rows.loc["bitcoin", "block_number"] == tip_height(second)
    head = newest_slot(second * 1000)
    slots = np.arange(head - 300, head + 1)
    made = slots[has_block(DEFAULT_SEED, slots)][-150:]
    paid = np.sort(fees(DEFAULT_SEED, made, 0))
    lamports = [f"priority_fee_p{percent}_microlamports" for percent in (10, 50, 90)]
    assert rows.loc["solana", lamports].tolist() == [paid[14], paid[74], paid[134]]  # nearest rank of 150
    assert rows.loc["solana", "block_number"] == made[-1]
    assert rows.loc["ethereum", [*sats, *lamports]].isna().all()
    assert rows.loc["bitcoin", [*expected, *lamports]].drop("block_number").isna().all()
    assert rows["source"].tolist() == [
        "mempool.space recommended fees",
        "ethereum-rpc.publicnode.com eth_feeHistory",
        "api.mainnet-beta.solana.com getRecentPrioritizationFees",
    ]


def test_two_days_of_the_past_equal_the_chain_at_four_hourly_points(
    world: FeeWorld, caplog: pytest.LogCaptureFixture
) -> None:
    start = MIDNIGHT - 2 * DAY
    [outcome] = world.run(days=(start, MIDNIGHT))
    assert (outcome.venue, outcome.inserted, outcome.warning) == ("ethereum", 12, "")
    rows = world.rows()
    assert set(rows["chain"]) == {"ethereum"}
    for at, row in zip(range(12), rows.to_dict("records"), strict=True):
        mark = start + at * timedelta(hours=4)
        number = first_block_after(mark)
        mined = datetime.fromtimestamp(block_time(DEFAULT_SEED, number), UTC)
        assert mark <= mined < mark + timedelta(minutes=1)
        assert (row["observed_at"], row["known_at"]) == (mined, mined + timedelta(seconds=30))
        expected = truth_of_blocks(number)
        assert {name: float(row[name]) for name in expected} == pytest.approx(expected, rel=1e-12)
    said = [one.getMessage() for one in caplog.records]
    assert [any(f"{chain} tells its fees of now alone" in one for one in said) for chain in ("bitcoin", "solana")] == [
        True, True,
    ]  # fmt: skip
    before = world.asked()
    assert list(world.run(days=(start, MIDNIGHT))) == []
    assert world.asked() == before  # what is there is not asked for again
    assert world.rows()["ingested_at"].equals(rows["ingested_at"])


def test_what_was_stored_before_a_failure_stays_and_a_rerun_goes_on(world: FeeWorld) -> None:
    world.with_rules(chains={"ethereum": FeeChain(nodes=("https://1rpc.io/eth",))})
    world.sandbox.set_faults([Fault(kind="unavailable", venue="evm_rpc")])
    [outcome] = world.run(days=(MIDNIGHT - DAY, MIDNIGHT))
    assert outcome.failed
    assert outcome.warning.startswith(
        "0 of 6 points of the past, then: no node of ethereum answered: 1rpc.io answered 503"
    )
    world.sandbox.clear_faults()
    world.with_rules(backfill_minutes=720)
    world.run(days=(MIDNIGHT - DAY, MIDNIGHT))
    assert len(world.rows()) == 2
    world.with_rules(backfill_minutes=240)
    world.run(days=(MIDNIGHT - 2 * DAY, MIDNIGHT))
    assert len(world.rows()) == 6 + 2  # the twelve hours that each stands for are there


def test_hours_that_were_sampled_as_they_went_are_not_asked_for_again(world: FeeWorld) -> None:
    for minutes in range(0, 120, 30):  # from midnight to half past one
        world.now = MIDNIGHT - DAY + timedelta(minutes=minutes)
        world.run("ethereum")
    world.now = NOW
    [outcome] = world.run("ethereum", days=(MIDNIGHT - DAY, MIDNIGHT))
    assert outcome.received == 5  # all but midnight's
    spans = world.scalar(
        "SELECT count(*) FROM ops.collected_ranges, unnest(collected) WHERE dataset = %s AND venue = 'ethereum'",
        DATASET,
    )
    assert spans == 2


def test_a_range_up_to_now_holds_points_of_the_past_and_a_sample(world: FeeWorld) -> None:
    past, *now = world.run(days=(MIDNIGHT - DAY, MIDNIGHT + DAY))
    assert (past.received, [one.venue for one in now]) == (6, ["ethereum", "bitcoin", "solana"])
    assert world.rows("ethereum")["observed_at"].max() == NOW


def test_before_base_fees_there_is_nothing_to_ask_for(world: FeeWorld) -> None:
    before = world.asked()
    london = datetime(2021, 8, 5, tzinfo=UTC)
    assert list(world.run(days=(london - 30 * DAY, london))) == []
    assert world.asked() == before
    [outcome] = world.run(days=(london, london + DAY))
    assert outcome.received == 2  # 16:00 and 20:00


def test_the_users_node_is_asked_first_and_the_next_one_when_it_fails(world: FeeWorld) -> None:
    world.keys = OWN
    [outcome] = world.run("ethereum")
    assert world.rows()["source"].tolist() == ["own node of ethereum eth_feeHistory"]
    world.sandbox.set_faults([Fault(kind="unavailable", venue="evm_rpc", route=KEY)])
    world.now += timedelta(minutes=15)
    [outcome] = world.run("ethereum")
    assert outcome.warning.startswith("own node of ethereum answered 503")
    assert not outcome.failed
    assert world.rows()["source"].tolist()[-1] == "ethereum-rpc.publicnode.com eth_feeHistory"
    assert set(world.rows("ethereum")["observed_at"]) == {NOW, NOW + timedelta(minutes=15)}


def test_one_chains_failure_is_a_warning_and_never_the_others(world: FeeWorld) -> None:
    world.sandbox.set_faults([Fault(kind="html_200", venue="solana_rpc")])
    outcomes = world.run()
    assert [(one.venue, one.failed) for one in outcomes] == [("ethereum", False), ("bitcoin", False), ("solana", True)]
    assert "api.mainnet-beta.solana.com: expected JSON, came '<!DOCTYPE html>" in outcomes[2].warning
    assert outcomes[2].quarantined == 1
    kept = world.scalar("SELECT venue || ' ' || symbol FROM quality.quarantine WHERE dataset = %s", DATASET)
    assert kept == "solana fees"


def test_spoiled_rewards_are_refused_and_kept_once_for_each_node(world: FeeWorld) -> None:
    world.sandbox.set_faults([Fault(kind="null_rows", venue="evm_rpc")])
    [outcome] = world.run("ethereum")
    assert outcome.failed
    assert outcome.quarantined == 3
    assert "a reward is NoneType, no list" in outcome.warning
    assert world.rows().empty
    world.sandbox.set_faults([Fault(kind="null_rows", venue="evm_rpc", times=2)])  # the chain's number has no rows
    [outcome] = world.run("ethereum")
    assert (outcome.failed, outcome.received, outcome.quarantined) == (False, 1, 1)


def test_etherscan_stands_in_where_no_node_answers_and_there_is_a_key(world: FeeWorld) -> None:
    world.sandbox.set_faults([Fault(kind="unavailable", venue="evm_rpc")])
    [outcome] = world.run("ethereum")
    assert outcome.failed
    world.keys = Keys(etherscan=SecretStr(KEY))
    [outcome] = world.run("ethereum")
    assert not outcome.failed
    assert outcome.warning.count("answered 503") == 3
    [row] = world.rows().to_dict("records")
    expected = truth_of_blocks(newest_block(DEFAULT_SEED, int(NOW.timestamp())), 5)
    assert row["source"] == "etherscan gasoracle"
    assert row["block_number"] == expected["block_number"]
    assert row["next_base_fee_gwei"] == pytest.approx(expected["next_base_fee_gwei"], rel=1e-12)
    assert row["gas_used_ratio"] == pytest.approx(expected["gas_used_ratio"], rel=1e-12)
    assert np.isnan(row["base_fee_gwei"])
    assert 0 < row["priority_fee_p10_gwei"] < row["priority_fee_p50_gwei"] < row["priority_fee_p90_gwei"]


def test_a_node_that_lags_is_not_believed(world: FeeWorld) -> None:
    world.behind = timedelta(minutes=6)
    outcomes = world.run("ethereum", "solana")
    assert [one.failed for one in outcomes] == [True, True]
    assert all("lags: its newest block is of 2026-03-10 11:54:" in one.warning for one in outcomes)
    world.behind = -timedelta(minutes=6)  # nor one from the future
    assert [one.failed for one in world.run("ethereum", "solana")] == [True, True]


def test_fees_of_bitcoin_are_worth_having_without_the_height(world: FeeWorld) -> None:
    world.sandbox.set_faults([Fault(kind="unavailable", venue="mempool_space", route="tip")])
    [outcome] = world.run("bitcoin")
    assert (outcome.failed, outcome.received) == (False, 1)
    assert outcome.warning.startswith("mempool.space answered 503")
    assert world.rows()["block_number"].isna().all()


def test_accounts_of_the_universe_are_named_to_solana(world: FeeWorld) -> None:
    world.with_rules(solana_accounts=("So11111111111111111111111111111111111111112",))
    world.run("solana")
    [row] = world.rows().to_dict("records")
    assert row["source"].endswith("getRecentPrioritizationFees of 1 accounts")
    assert row["priority_fee_p50_microlamports"] > 0


def test_a_chain_that_nobody_follows_is_refused_by_name(world: FeeWorld) -> None:
    with pytest.raises(UniverseError, match=r"Unknown chain 'dogecoin'.*bitcoin, ethereum, solana"):
        world.run("dogecoin")
