"""Which failures of a check stand: what another venue's run says ends none of them."""

from datetime import UTC, datetime, timedelta

import pytest

from crypto_assets.alerts.standing import A_ROUND, Judged, place_of, standing

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


def _standing(*told: tuple[int, str, bool]) -> list[str]:
    """What stands of results as (minutes ago, what was judged, whether it holds), oldest first."""
    results = [
        Judged(number, holds, NOW - timedelta(minutes=ago), what) for number, (ago, what, holds) in enumerate(told)
    ]
    return [one.what for one in standing(results[::-1], NOW)]


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ([(2, "2026-03-01|gate", False), (1, "2026-03-01|mexc", True)], ["2026-03-01|gate"]),
        ([(900, "2026-03-01|gate", False), (1, "2026-03-01|mexc", True)], ["2026-03-01|gate"]),
        ([(2, "2026-03-01|gate", False), (1, "2026-03-01|gate", True)], []),
        ([(2, "2026-02-01|gate", False), (1, "2026-03-01|gate", True)], ["2026-02-01|gate"]),
        ([(41, "2026-02-01|gate", False), (1, "2026-03-01|gate", True)], []),
        ([(41, "2026-03-09", False), (1, "2026-03-10", True)], []),
        ([(41, "gate", False), (1, "mexc", True)], ["gate"]),
        ([(2, "2026-03-01|gate", False), (1, "", True)], []),
        ([(2, "", False), (1, "2026-03-01|gate", True)], [""]),
        ([(2, "", False), (1, "", True)], []),
        ([(3, "a|gate", False), (2, "a|mexc", False), (1, "a|okx", True)], ["a|mexc", "a|gate"]),
        ([(3, "a|gate", False), (2, "a|gate", False)], ["a|gate"]),
        ([], []),
    ],
    ids=[
        "another venue holds", "another venue holds, much later", "the same holds", "a month in the same round holds",
        "the month after holds", "the day after holds", "another venue alone holds", "all there is holds",
        "a part of all holds", "all there is holds again", "two fail", "one fails twice", "nothing",
    ],
)  # fmt: skip
def test_a_failure_stands_until_the_same_holds_or_what_follows_it(
    told: list[tuple[int, str, bool]], found: list[str]
) -> None:
    assert _standing(*told) == found


def test_a_failure_of_each_round_of_bars_stands_without_a_break() -> None:
    rounds = [
        (ago, f"2026-{month}-01|gate", month == "03") for ago in (65, 35, 5) for month in ("02", "03")
    ]  # both months are judged on the first day of one
    assert timedelta(minutes=30) < A_ROUND
    assert _standing(*rounds) == ["2026-02-01|gate"]
    assert _standing(*rounds[:-2]) == ["2026-02-01|gate"]


@pytest.mark.parametrize(
    ("what", "place"),
    [
        ("2026-03-01|gate", "gate"), ("2026-02-01|gate...2026-03-01|gate", "gate"), ("2026-03-01", ""),
        ("2026-03-01-05:00", ""), ("gate", "gate"), ("", ""),
    ],
)  # fmt: skip
def test_the_place_of_a_partition(what: str, place: str) -> None:
    assert place_of(what) == place
