"""The checks of hours added up: what holds passes, and each broken truth is found."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from crypto_assets.datasets.market.book_ticker_hours.build import sum_up
from crypto_assets.datasets.market.book_ticker_hours.checks import RULES
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.findings import Finding
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.market.book_ticker_hours.quotes import (
    HOUR,
    SECOND,
    Second,
    at,
    every_second,
    put_gap,
    put_quotes,
)

START = at("2026-03-02 10:00")
LIKE = Second(START)
WINDOW = VenueWindow("", START, START + HOUR)
UNIVERSE = Universe.model_validate(
    {
        "history_from": "2026-01-01",
        "venues": {"gate": {"markets": ["BTC/USDT", "ETH/USDT"]}},
        "stream": {"venues": ["gate"]},
    }
)


def _judged(warehouse: Warehouse, name: str, window: VenueWindow = WINDOW) -> tuple[bool, Sequence[Finding]]:
    [rule] = [one for one in RULES if one.name == name]
    findings = rule.look(warehouse, UNIVERSE, window)
    return rule.passes(findings, UNIVERSE), findings


def _walk(warehouse: Warehouse, symbol: str) -> None:
    """An hour of a market that moves, falls silent and loses seconds."""
    numbers = np.random.default_rng(len(symbol))
    rows = []
    bid = 10_000
    for place in range(3600):
        bid += int(numbers.integers(-2, 3))
        rows.append(
            replace(
                LIKE,
                symbol=symbol,
                at=START + place * SECOND,
                bid=f"{bid / 100}",
                ask=f"{(bid + 3) / 100}",
                bids=f"{numbers.integers(0, 9)}",
                asks=f"{numbers.integers(0, 9)}",
                is_stale=bool(numbers.random() < 0.05),
            )
        )
    put_quotes(warehouse, [row for row in rows if numbers.random() > 0.02])


def test_what_was_added_up_passes_and_equals_an_independent_count(warehouse: Warehouse) -> None:
    _walk(warehouse, "BTC/USDT")
    sum_up(warehouse, (START, START + HOUR), 1)
    for name in ("key_is_unique", "parts_within_whole", "sample_equals_recounted"):
        passed, [finding] = _judged(warehouse, name)
        assert passed, name
        assert (finding.venue, finding.symbol, finding.failed) == ("gate", "BTC/USDT", 0)
    assert _judged(warehouse, "sample_equals_recounted")[1][0].checked == 12


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("quote_changes = quote_changes + 1", "quote_changes"),
        ("realized_volatility = realized_volatility * 1.001", "realized_volatility"),
        ("spread_bps_mean = null", "spread_bps_mean"),
        ("mid_close = mid_close + 0.01", "mid_close"),
    ],
)
def test_a_sum_that_is_not_its_snapshots_is_named(warehouse: Warehouse, change: str, named: str) -> None:
    put_quotes(warehouse, every_second(START, 3, LIKE))
    put_quotes(warehouse, [replace(LIKE, at=START + 3 * SECOND, bid="98"), replace(LIKE, at=START + 4 * SECOND)])
    sum_up(warehouse, (START, START + HOUR), 1)
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"UPDATE market.book_ticker_hours SET {change}")  # noqa: S608 - ours
    passed, [finding] = _judged(warehouse, "sample_equals_recounted")
    assert not passed
    assert finding.example == f"2026-03-02 10:00 {named}"


@pytest.mark.parametrize(
    "change",
    [
        "stale_seconds = 3600", "compared_seconds = seconds + 1", "quote_changes = 4000", "imbalance_mean = 1.5",
        "spread_bps_mean = spread_bps_max + 1", "realized_volatility = -1", "mid_open = null",
    ],
)  # fmt: skip
def test_what_cannot_be_is_found(warehouse: Warehouse, change: str) -> None:
    put_quotes(warehouse, every_second(START, 3, LIKE))
    sum_up(warehouse, (START, START + HOUR), 1)
    assert _judged(warehouse, "parts_within_whole")[0]
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"UPDATE market.book_ticker_hours SET {change}")  # noqa: S608 - ours
    assert not _judged(warehouse, "parts_within_whole")[0]


def test_every_second_is_there_or_in_the_ledger(warehouse: Warehouse) -> None:
    rows = every_second(START, 3600, LIKE)
    put_quotes(warehouse, rows[:1000] + rows[1100:])
    sum_up(warehouse, (START, START + HOUR), 1)
    passed, [finding] = _judged(warehouse, "seconds_accounted_for")
    assert not passed
    assert (finding.checked, finding.failed, finding.example) == (3600, 100, "2026-03-02 10:00")
    # A row of the ledger explains the seconds that it covers, not those that have a snapshot beside.
    put_gap(warehouse, START + 1040 * SECOND, START + 1200 * SECOND, LIKE)
    assert [one.failed for one in _judged(warehouse, "seconds_accounted_for")[1]] == [40]
    put_gap(warehouse, START + 1000 * SECOND, START + 1040 * SECOND, LIKE)
    passed, [finding] = _judged(warehouse, "seconds_accounted_for")
    assert passed
    assert finding.failed == 0


def test_a_market_that_falls_silent_for_a_whole_hour_is_missed_and_one_that_never_spoke_is_not(
    warehouse: Warehouse,
) -> None:
    ether = replace(LIKE, symbol="ETH/USDT")
    put_quotes(warehouse, [*every_second(START, 3600, LIKE), *every_second(START - HOUR, 3600, LIKE)])
    for hour in (START - HOUR, START):
        sum_up(warehouse, (hour, hour + HOUR), 1)
    assert [one.symbol for one in _judged(warehouse, "seconds_accounted_for")[1]] == ["BTC/USDT"]
    put_quotes(warehouse, [replace(ether, at=START - SECOND)])
    sum_up(warehouse, (START - HOUR, START), 1)
    passed, [_, silent] = _judged(warehouse, "seconds_accounted_for")
    assert not passed
    assert (silent.symbol, silent.failed) == ("ETH/USDT", 3600)


def test_hours_whose_snapshots_were_dropped_are_left_alone(warehouse: Warehouse) -> None:
    put_quotes(warehouse, [LIKE])
    sum_up(warehouse, (START, START + HOUR), 1)
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE market.book_ticker_snapshots_20260302")
    for name in ("sample_equals_recounted", "seconds_accounted_for"):
        assert _judged(warehouse, name) == (True, [])
