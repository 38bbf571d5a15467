"""What each check finds: a sound row keeps every rule, and one that breaks a rule is told by its chain."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from crypto_assets.datasets.onchain.network_fees.checks import RULES
from crypto_assets.datasets.onchain.network_fees.samples import FeeSample, Values, build_rows
from crypto_assets.datasets.onchain.network_fees.table import DATASET, network_fees
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.findings import Finding
from crypto_assets.quality.series import TICK
from crypto_assets.sandbox.faults import Fault
from crypto_assets.warehouse.quarantine import Refused, quarantine
from crypto_assets.warehouse.write import upsert
from crypto_assets_tests.datasets.onchain.network_fees.world import DAY, MIDNIGHT, NOW, FeeWorld

TODAY = VenueWindow("", MIDNIGHT, MIDNIGHT + DAY)
ETHEREUM: Values = {
    "base_fee_gwei": 10, "next_base_fee_gwei": 11.25, "priority_fee_p10_gwei": 0, "priority_fee_p50_gwei": 1,
    "priority_fee_p90_gwei": 1, "gas_used_ratio": 1, "block_number": 5,
}  # fmt: skip
BITCOIN: Values = {
    "fastest_sat_vb": 9, "half_hour_sat_vb": 9, "hour_sat_vb": 7, "economy_sat_vb": 2, "minimum_sat_vb": 1,
}  # fmt: skip
SOLANA: Values = {f"priority_fee_p{percent}_microlamports": percent for percent in (10, 50, 90)}


def _store(world: FeeWorld, chain: str, values: Values, at: datetime = NOW, lag: float = 0) -> None:
    row = FeeSample(chain, at, at + timedelta(seconds=lag), "by hand", values)
    with world.warehouse.connect() as connection:
        upsert(connection, network_fees, build_rows([row]))


def _found(world: FeeWorld, name: str, window: VenueWindow = TODAY) -> dict[str, Finding]:
    [rule] = [one for one in RULES if one.name == name]
    return {one.venue: one for one in rule.look(world.warehouse, world.universe, window)}


def test_rows_of_the_sandbox_keep_every_rule(world: FeeWorld) -> None:
    world.run(days=(MIDNIGHT - DAY, MIDNIGHT + DAY))
    for rule in RULES:
        if rule.name != "newest_sample_is_recent":
            found = rule.look(world.warehouse, world.universe, VenueWindow("", MIDNIGHT - DAY, MIDNIGHT + DAY))
            assert [one.failed for one in found] == [0, 0, 0], rule.name
            assert [one.series for one in found if one.venue == "ethereum"] == ["ethereum fees tick"]
            assert {one.venue: one.checked for one in found} == {"ethereum": 7, "bitcoin": 1, "solana": 1}


@pytest.mark.parametrize(
    ("rule", "chain", "changed"),
    [
        ("fees_not_negative", "ethereum", {"priority_fee_p10_gwei": -0.1}),
        ("fees_not_negative", "bitcoin", {"minimum_sat_vb": -1}),
        ("fees_not_negative", "solana", {"priority_fee_p10_microlamports": -1}),
        ("percentiles_in_order", "ethereum", {"priority_fee_p50_gwei": 1.5}),
        ("percentiles_in_order", "ethereum", {"priority_fee_p10_gwei": 1.1}),
        ("percentiles_in_order", "bitcoin", {"fastest_sat_vb": 8}),
        ("percentiles_in_order", "bitcoin", {"minimum_sat_vb": 3}),
        ("percentiles_in_order", "solana", {"priority_fee_p90_microlamports": 40}),
        ("gas_used_ratio_is_a_share", "ethereum", {"gas_used_ratio": 1.01}),
        ("gas_used_ratio_is_a_share", "ethereum", {"gas_used_ratio": -0.01}),
        ("base_fee_moves_by_an_eighth", "ethereum", {"next_base_fee_gwei": 11.26}),
        ("base_fee_moves_by_an_eighth", "ethereum", {"next_base_fee_gwei": 8.74}),
        ("fees_within_bounds", "ethereum", {"base_fee_gwei": 10_001}),
        ("fees_within_bounds", "ethereum", {"priority_fee_p90_gwei": 10_001}),
        ("fees_within_bounds", "bitcoin", {"fastest_sat_vb": 5_001}),
        ("fees_within_bounds", "solana", {"priority_fee_p90_microlamports": 1.1e9}),
    ],
)
def test_a_row_that_breaks_a_rule_is_found_and_the_sound_one_is_not(
    world: FeeWorld, rule: str, chain: str, changed: dict[str, float]
) -> None:
    sound = {"ethereum": ETHEREUM, "bitcoin": BITCOIN, "solana": SOLANA}
    for name, values in sound.items():
        _store(world, name, values)
    assert {name: (one.checked, one.failed) for name, one in _found(world, rule).items()} == dict.fromkeys(
        sound, (1, 0)
    )
    _store(world, chain, {**sound[chain], **changed}, NOW + timedelta(seconds=1))
    found = _found(world, rule)
    assert (found[chain].checked, found[chain].failed, found[chain].example) == (2, 1, "2026-03-10 12:00")
    assert sum(one.failed for one in found.values()) == 1


def test_a_sample_of_the_future_or_known_before_its_time_is_found(world: FeeWorld) -> None:
    now = datetime.now(UTC)
    window = VenueWindow("", now - DAY, now + 10 * DAY)
    _store(world, "ethereum", ETHEREUM, now)
    assert _found(world, "no_sample_from_the_future", window)["ethereum"].failed == 0
    _store(world, "ethereum", ETHEREUM, now + timedelta(minutes=5))
    _store(world, "bitcoin", BITCOIN, now, lag=-1)
    found = _found(world, "no_sample_from_the_future", window)
    assert {name: one.failed for name, one in found.items()} == {"ethereum": 1, "bitcoin": 1}


def test_the_newest_sample_of_each_chain_is_younger_than_the_bound(world: FeeWorld) -> None:
    now = datetime.now(UTC)
    today = VenueWindow("", now - DAY, now + DAY)
    _store(world, "ethereum", ETHEREUM, now - timedelta(minutes=44))
    _store(world, "bitcoin", BITCOIN, now - timedelta(minutes=46))
    found = _found(world, "newest_sample_is_recent", today)
    assert {name: one.failed for name, one in found.items()} == {"ethereum": 0, "bitcoin": 1, "solana": 1}
    assert found["solana"].example == "no sample of the last day"
    assert found["bitcoin"].lag_seconds == pytest.approx(46 * 60, abs=60)
    assert _found(world, "newest_sample_is_recent", VenueWindow("", now - 3 * DAY, now - DAY)) == {}


def test_refused_answers_of_the_last_day_are_found_by_their_chain(world: FeeWorld) -> None:
    world.sandbox.set_faults([Fault(kind="null_rows", venue="evm_rpc", times=2)])
    world.run()
    assert {name: one.failed for name, one in _found(world, "rows_are_accepted").items()} == {
        "ethereum": 1, "bitcoin": 0, "solana": 0,
    }  # fmt: skip
    with world.warehouse.connect() as connection:
        items = [Refused("by hand", {"a": 1})]
        quarantine(connection, dataset=DATASET, venue="solana", symbol="fees", timeframe=TICK, items=items)
    assert _found(world, "rows_are_accepted")["solana"].failed == 1


def test_keys_are_counted_by_chain(world: FeeWorld) -> None:
    for chain in ("ethereum", "bitcoin"):
        _store(world, chain, {})
        _store(world, chain, {}, NOW + timedelta(seconds=1))
    found = _found(world, "key_is_unique")
    assert {name: (one.checked, one.failed) for name, one in found.items()} == {"ethereum": (2, 0), "bitcoin": (2, 0)}
