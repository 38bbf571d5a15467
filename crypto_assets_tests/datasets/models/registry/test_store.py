"""Numbers, champions and the way back: each a transaction, whatever happens at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import psycopg2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.datasets.models.registry.registered import (
    ModelUnknown,
    Trained,
    VersionUnknown,
    champion,
    champions,
    newest,
    version_of,
    versions,
)
from crypto_assets.datasets.models.registry.store import (
    ChampionChanged,
    NothingToRollBackTo,
    NotPromotable,
    promote,
    register,
    reigns_of,
    rollback,
    succeed,
)
from crypto_assets.datasets.models.registry.table import ModelState
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.models.registry.stage import changes, registered, trained, until_waiting

# Tests of this module share a database; each has a forecast of its own.


def _states(warehouse: Warehouse, model: str) -> list[str]:
    return versions(warehouse, model)["state"].tolist()


def test_a_version_is_numbered_within_its_forecast_and_read_as_it_was_told(shared_warehouse: Warehouse) -> None:
    told = replace(trained("numbers_1h", has_skill=False), metrics={"verdict": "none", "error": float("nan"), "a": [1]})
    assert [registered(shared_warehouse, told) for _ in range(2)] == [1, 2]
    assert registered(shared_warehouse, trained("numbers_4h")) == 1
    found = version_of(shared_warehouse, "numbers_1h", 2)
    expected = asdict(told) | {"metrics": {"verdict": "none", "error": None, "a": [1]}}
    assert {name: value for name, value in asdict(found).items() if name in expected} == expected
    assert (found.version, found.state, found.promoted_at) == (2, ModelState.CANDIDATE, None)
    assert newest(shared_warehouse, ["numbers_1h", "numbers_4h"])["numbers_1h"].version == 2


def test_promotion_retires_the_champion_and_is_written_down(shared_warehouse: Warehouse) -> None:
    for _ in range(2):
        registered(shared_warehouse, trained("reign_1h"))
    assert champion(shared_warehouse, "reign_1h") is None
    first = promote(shared_warehouse, "reign_1h", 1, "ada", "it is good")
    assert (first.state, first.promoted_by, first.promoted_why) == (ModelState.CHAMPION, "ada", "it is good")
    promote(shared_warehouse, "reign_1h", 2, "ada", "it is better")
    promote(shared_warehouse, "reign_1h", 2, "bob", "said twice")  # it is champion already
    assert _states(shared_warehouse, "reign_1h") == ["retired", "champion"]
    assert version_of(shared_warehouse, "reign_1h", 1).retired_at is not None
    noted = changes(shared_warehouse).query("model == 'reign_1h'")
    assert noted[["action", "version", "promoted_by"]].values.tolist() == [
        ["promoted", 1, "ada"],
        ["promoted", 2, "ada"],
    ]
    assert noted["former_version"].tolist()[1:] == [1]
    assert champions(shared_warehouse, ["reign_1h"])["reign_1h"].version == 2


def test_a_version_without_skill_is_refused_with_its_figures(shared_warehouse: Warehouse) -> None:
    registered(shared_warehouse, trained("poor_1h", has_skill=False))
    with pytest.raises(NotPromotable, match=r"Version 1 of poor_1h .* no skill: 1\.0 % over drift"):
        promote(shared_warehouse, "poor_1h", 1, "ada", "I want it")
    with pytest.raises(NotPromotable):
        succeed(shared_warehouse, version_of(shared_warehouse, "poor_1h", 1), None, "rule", "a mistake")
    assert _states(shared_warehouse, "poor_1h") == ["candidate"]


def test_what_is_not_there_is_named_beside_what_is(shared_warehouse: Warehouse) -> None:
    registered(shared_warehouse, trained("known_1h"))
    with pytest.raises(ModelUnknown, match=r"Nothing is registered as gas_9h; registered: .*known_1h"):
        promote(shared_warehouse, "gas_9h", 1, "ada", "")
    with pytest.raises(VersionUnknown, match="known_1h has no version 7; it has 1"):
        promote(shared_warehouse, "known_1h", 7, "ada", "")
    with pytest.raises(ModelUnknown):
        rollback(shared_warehouse, "gas_9h", "ada", "")


def test_rolling_back_again_and_again_goes_back_to_the_first_champion(shared_warehouse: Warehouse) -> None:
    for version in (1, 2, 3):
        registered(shared_warehouse, trained("back_1h"))
        promote(shared_warehouse, "back_1h", version, "rule", "better")
    assert rollback(shared_warehouse, "back_1h", "ada", "it drifts").version == 2
    assert rollback(shared_warehouse, "back_1h", "ada", "so does this").version == 1
    with pytest.raises(NothingToRollBackTo, match="Before version 1 no version of back_1h was champion"):
        rollback(shared_warehouse, "back_1h", "ada", "and this")
    assert _states(shared_warehouse, "back_1h") == ["champion", "retired", "retired"]
    promote(shared_warehouse, "back_1h", 3, "ada", "it recovered")
    assert (
        rollback(shared_warehouse, "back_1h", "ada", "it did not").version == 1
    )  # not to 2, which was rolled back from
    assert changes(shared_warehouse).query("model == 'back_1h'")["action"].tolist() == [
        "promoted", "promoted", "promoted", "rolled_back", "rolled_back", "promoted", "rolled_back",
    ]  # fmt: skip


def test_without_any_champion_there_is_nothing_to_roll_back_to(shared_warehouse: Warehouse) -> None:
    registered(shared_warehouse, trained("fresh_1h"))
    with pytest.raises(NothingToRollBackTo, match="Before no champion"):
        rollback(shared_warehouse, "fresh_1h", "ada", "")


def test_a_candidate_compared_with_a_former_champion_is_not_promoted(shared_warehouse: Warehouse) -> None:
    for _ in range(3):
        registered(shared_warehouse, trained("race_1h"))
    promote(shared_warehouse, "race_1h", 1, "rule", "first")
    promote(shared_warehouse, "race_1h", 2, "rule", "meanwhile")
    third = version_of(shared_warehouse, "race_1h", 3)
    with pytest.raises(ChampionChanged, match="compared with version 1, and the champion is version 2"):
        succeed(shared_warehouse, third, 1, "rule", "better than 1")
    assert succeed(shared_warehouse, third, 2, "rule", "better than 2").version == 3


def test_two_trainings_at_once_get_two_numbers(shared_warehouse: Warehouse) -> None:
    is_first_in, may_commit = threading.Event(), threading.Event()

    def slowly() -> int:
        with shared_warehouse.connect() as connection:
            version = register(connection, trained("twice_1h"))
            is_first_in.set()
            assert may_commit.wait(30)
        return version

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(slowly)
        assert is_first_in.wait(30)
        second = pool.submit(registered, shared_warehouse, trained("twice_1h"))
        until_waiting(shared_warehouse, 1)
        may_commit.set()
        assert [first.result(30), second.result(30)] == [1, 2]


def test_promotions_at_once_leave_one_champion_and_an_unbroken_history(shared_warehouse: Warehouse) -> None:
    numbers = [registered(shared_warehouse, trained("crowd_1h")) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda version: promote(shared_warehouse, "crowd_1h", version, "rule", "now"), numbers))
    assert sorted(_states(shared_warehouse, "crowd_1h")) == ["champion", *["retired"] * 5]
    noted = changes(shared_warehouse).query("model == 'crowd_1h'")
    order = noted["version"].tolist()
    assert sorted(order) == numbers
    assert noted["former_version"].tolist()[1:] == order[:-1]
    present = champion(shared_warehouse, "crowd_1h")
    assert present is not None
    assert present.version == order[-1]


def test_the_database_itself_allows_no_second_champion(shared_warehouse: Warehouse) -> None:
    for _ in range(2):
        registered(shared_warehouse, trained("index_1h"))
    promote(shared_warehouse, "index_1h", 1, "rule", "first")
    with (
        pytest.raises(psycopg2.errors.UniqueViolation, match="registry_one_champion"),
        shared_warehouse.connect() as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "UPDATE models.registry SET state = 'champion', promoted_at = now(), promoted_by = 'x', promoted_why = 'x'"
            " WHERE model = 'index_1h' AND version = 2"
        )


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(0, 12))
def test_rolling_back_undoes_the_last_promotions(promoted: list[int], back: int) -> None:
    history = [("promoted", version) for version in promoted]
    for _ in range(min(back, len(promoted) - 1)):
        history.append(("rolled_back", reigns_of(history)[-2]))
    assert reigns_of(history) == promoted[: max(1, len(promoted) - back)]


def test_a_row_needs_what_training_says(shared_warehouse: Warehouse) -> None:
    told: Trained = replace(trained("odd_1h"), skill=0.5, skill_low=0.6)
    with pytest.raises(psycopg2.errors.CheckViolation, match="skill_within_its_interval"):
        registered(shared_warehouse, told)
