"""A network's DEXes: what appeared, vanished, came back or was renamed."""

from datetime import datetime, timedelta

from crypto_assets.clients.pool_rows import Dex
from crypto_assets.datasets.dex.dexes.asset import (
    Change,
    DexesConfig,
    KnownDex,
    build_rows,
    collect_dexes,
    compare,
    read_known,
)
from crypto_assets.datasets.dex.dexes.table import DATASET, dexes
from crypto_assets.sandbox.faults import Fault
from crypto_assets.warehouse.write import upsert
from crypto_assets_tests.datasets.dex.world import DAY, NOW, PoolWorld, problems, told

EVERYTHING = DexesConfig()
THEN = NOW - DAY
ORCA, RAYDIUM = KnownDex("orca", "Orca", THEN), KnownDex("raydium", "Raydium", THEN)


def _changes(known: list[KnownDex], listed: list[tuple[str, str]], *, is_whole: bool = True) -> list[Change]:
    return compare({one.dex: one for one in known}, [Dex(*one) for one in listed], NOW, is_whole=is_whole)


def test_a_list_is_compared_with_what_is_stored() -> None:
    assert _changes([ORCA], [("orca", "Orca")]) == []
    assert _changes([], [("orca", "Orca")]) == [Change("appeared", KnownDex("orca", "Orca", NOW))]
    assert _changes([ORCA, RAYDIUM], [("orca", "Whale"), ("meteora", "Meteora")]) == [
        Change("appeared", KnownDex("meteora", "Meteora", NOW)),
        Change("renamed", KnownDex("orca", "Whale", THEN), "Orca"),
        Change("vanished", KnownDex("raydium", "Raydium", THEN, NOW)),
    ]
    gone = KnownDex("orca", "Orca", THEN - DAY, THEN)
    assert _changes([gone], []) == []  # it vanished once
    assert _changes([gone], [("orca", "Orca")]) == [Change("returned", KnownDex("orca", "Orca", THEN - DAY))]
    assert _changes([gone], [("orca", "Whale")]) == [Change("returned", KnownDex("orca", "Whale", THEN - DAY), "Orca")]
    assert _changes([ORCA], [("raydium", "Raydium")], is_whole=False) == [
        Change("appeared", KnownDex("raydium", "Raydium", NOW))
    ]


def test_the_first_run_stores_all_and_the_second_nothing(world: PoolWorld) -> None:
    done = world.run(collect_dexes, EVERYTHING)
    assert told(done)["changes"] == 8
    stored = world.rows(dexes)
    assert dict(zip(stored["dex"], stored["name"], strict=True))["pump-fun"] == "Pump.fun"
    assert (stored["first_seen_at"] == NOW).all()
    assert stored["vanished_at"].isna().all()
    assert problems(done) == []
    world.forward(hours=1)
    assert told(world.run(collect_dexes, EVERYTHING)) == {"changes": 0}
    assert (world.rows(dexes)["ingested_at"] == stored["ingested_at"]).all()
    [ethereum] = world.run(collect_dexes, EVERYTHING, "ethereum").outcomes
    assert (ethereum.inserted, ethereum.changed) == (4, 0)


def test_what_changed_is_told_and_what_it_was_stays_readable(world: PoolWorld) -> None:
    world.run(collect_dexes, EVERYTHING)
    former = [
        KnownDex("orca", "Whirl", THEN),
        KnownDex("meteora", "Meteora", THEN, THEN + timedelta(hours=1)),
        KnownDex("old-dex", "Old", THEN),
    ]
    with world.warehouse.connect() as connection:
        upsert(connection, dexes, build_rows("solana", former))
    done = world.run(collect_dexes, EVERYTHING)
    records = [one.data for one in done.metadata["changed_dexes"].records]  # type: ignore[union-attr]
    assert records == [
        {"dex": "meteora", "what": "returned", "name": "Meteora", "former_name": ""},
        {"dex": "old-dex", "what": "vanished", "name": "Old", "former_name": ""},
        {"dex": "orca", "what": "renamed", "name": "Orca", "former_name": "Whirl"},
    ]
    known = read_known(world.warehouse, "solana")
    assert (known["old-dex"].vanished_at, known["old-dex"].first_seen_at) == (NOW, THEN)
    assert known["meteora"].vanished_at is None
    was = world.scalar("SELECT string_agg(old_row->>'name', ', ') FROM audit.revisions WHERE old_row->>'dex' = 'orca'")
    assert "Whirl" in str(was)
    [outcome] = done.outcomes
    assert (outcome.inserted, outcome.changed) == (0, 3)


def test_what_was_not_told_is_not_gone(world: PoolWorld) -> None:
    world.run(collect_dexes, EVERYTHING)
    world.sandbox.set_faults([Fault(kind="null_rows", venue="geckoterminal", bars=3)])
    [outcome] = (done := world.run(collect_dexes, EVERYTHING)).outcomes
    assert (outcome.received, outcome.quarantined, told(done)["changes"]) == (5, 3, 0)
    world.sandbox.set_faults([Fault(kind="null_rows", venue="geckoterminal", bars=100)])
    assert told(world.run(collect_dexes, EVERYTHING))["changes"] == 0
    assert world.rows(dexes)["vanished_at"].isna().all()
    assert _changes([ORCA], [], is_whole=False) == []


def test_a_followed_dex_that_is_not_listed_is_named(world: PoolWorld) -> None:
    network = world.rules.networks["solana"].model_copy(update={"dexes": ("heaven", "pumpswop")})
    world.with_rules(networks={**world.rules.networks, "solana": network})
    assert problems(world.run(collect_dexes, EVERYTHING)) == ["not in GeckoTerminal's list: pumpswop"]


def test_a_day_that_is_over_stores_nothing_and_says_so(world: PoolWorld, caplog: object) -> None:
    midnight: datetime = NOW.replace(hour=0, minute=0, second=0)
    before = world.requests()
    done = world.run(collect_dexes, EVERYTHING, days=(midnight - DAY, midnight))
    assert (list(done.outcomes), world.requests()) == ([], before)
    assert world.rows(dexes).empty
    assert world.scalar("SELECT count(*) FROM ops.collected_ranges WHERE dataset = %s", DATASET) == 0
    assert "a list of the past cannot be asked for" in caplog.text  # type: ignore[attr-defined]
