"""`collect-world`: which areas and days, and what is told of the runs."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from crypto_assets.calendar_automation import AREAS
from crypto_assets.cli.collect_world import plan_world, print_world
from crypto_assets.cli.console import OUT
from crypto_assets.cli.demo import world_plans
from crypto_assets.cli.runs import Plan, RunReport
from crypto_assets.universe import UniverseError, parse_universe

UNIVERSE = parse_universe("history_from: 2026-01-01\nvenues: {binance: {markets: [BTC/USDT]}}", "u.yaml")
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


def test_a_plan_an_area_and_all_where_none_is_named() -> None:
    assert [plan.venue for plan in plan_world(UNIVERSE, (), 0, NOW)] == ["macro", "onchain", "fees", "news", "mood"]
    [plan] = plan_world(UNIVERSE, ("macro", "macro"), 40, NOW)
    assert plan == Plan("macro", NOW - timedelta(days=40), NOW, is_world=True)
    assert (plan.kind, plan.months, plan.bars_dataset) == ("world", ("2026-01-01", "2026-03-01"), None)
    assert Plan.from_json(plan.to_json()) == plan


def test_the_demo_collects_more_days_of_fees_than_of_anything_else() -> None:
    long_ago = parse_universe("history_from: 2024-01-01\nvenues: {binance: {markets: [BTC/USDT]}}", "u.yaml")
    days = {plan.venue: (plan.end - plan.start).days for plan in world_plans(long_ago, ())}
    assert days == {"macro": 10, "onchain": 10, "fees": 60, "news": 10, "mood": 10}


def test_what_does_not_exist_is_refused_before_anything_starts() -> None:
    with pytest.raises(UniverseError, match="Unknown area 'marco'") as caught:
        plan_world(UNIVERSE, ("marco",), 0, NOW)
    assert "macro" in caught.value.way_out
    with pytest.raises(UniverseError, match="2025-12-30 lies before the partition grid"):
        plan_world(UNIVERSE, (), 70, NOW)


def test_the_table_tells_of_every_area_and_of_checks_that_did_not_hold(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OUT, "width", 140)
    broken = ("values_within_bounds", False, "WARN")
    with OUT.capture() as printed:
        print_world(
            [
                RunReport("mood", False, "", "alternative.me gave no answer"),
                RunReport("macro", True, "abcdefgh1234", "", 12, 34, checks=(broken, ("key_is_unique", True, "ERROR"))),
            ]
        )
    lines = [line for line in printed.get().splitlines() if re.search(r"\b(macro|mood)\b", line)]
    assert re.search(r"macro .* 34 .* 12 .* 1/2 .* abcdefgh .* ok", lines[0])
    assert AREAS["macro"].tells in lines[0]
    assert re.search(r"mood .* failed", lines[1])
    assert any("values_within_bounds did not hold (warn)" in line for line in lines)
    assert "alternative.me gave no answer" in capsys.readouterr().err
