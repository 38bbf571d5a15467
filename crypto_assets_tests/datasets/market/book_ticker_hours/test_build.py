"""Hours added up from quotes of every second: checked by hand, by an independent recount, and run again."""

import math
from dataclasses import replace

import pytest

from crypto_assets.datasets.market.book_ticker_hours.build import UnsummedHour, closed_hours, sum_up, unsummed_hours
from crypto_assets.datasets.market.book_ticker_hours.table import book_ticker_hours
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.market.book_ticker_hours.quotes import (
    HOUR,
    SECOND,
    Second,
    at,
    every_second,
    held,
    moved,
    put_quotes,
)

START = at("2026-03-02 10:00")
LIKE = Second(START)
SPAN = (START, START + HOUR)


def _sums(warehouse: Warehouse, symbol: str = "BTC/USDT") -> dict[str, object]:
    names = [column.name for column in book_ticker_hours.columns]
    [row] = held(warehouse, f"SELECT {', '.join(names)} FROM market.book_ticker_hours WHERE symbol = '{symbol}'")  # noqa: S608
    return dict(zip(names, row, strict=True))


def test_an_hour_is_added_up_as_by_hand(warehouse: Warehouse) -> None:
    rows = moved([("99", "101"), ("99", "101"), ("109", "111"), ("199", "201"), ("98", "102")], START, LIKE)
    # The fourth is stale: neither it nor the step to it or from it counts. A second is missing before the sixth.
    rows[3] = replace(rows[3], is_stale=True)
    rows.append(replace(LIKE, at=START + 6 * SECOND, bid="49.5", ask="50.5", bids="1", asks="1"))
    put_quotes(warehouse, rows)
    done = sum_up(warehouse, SPAN, 1)
    assert (done.snapshots, done.seconds, done.stale_seconds, done.counts.inserted) == (6, 5, 1, 1)
    found = _sums(warehouse)
    assert {name: found[name] for name in ("snapshots", "seconds", "stale_seconds", "expected_seconds")} == {
        "snapshots": 6, "seconds": 5, "stale_seconds": 1, "expected_seconds": 3600,
    }  # fmt: skip
    assert (found["compared_seconds"], found["quote_changes"]) == (2, 1)
    spreads = [200.0, 200.0, 2 / 110 * 1e4, 400.0, 200.0]
    assert found["spread_bps_mean"] == pytest.approx(sum(spreads) / 5)
    assert found["spread_bps_max"] == pytest.approx(400)
    assert found["imbalance_mean"] == pytest.approx((4 * 0.5 + 0) / 5)
    assert found["realized_volatility"] == pytest.approx(math.log(1.1))
    assert (found["mid_open"], found["mid_close"]) == (100, 50)
    assert found["bid_depth_quote_mean"] == pytest.approx((3 * (99 + 99 + 109 + 98) + 49.5) / 5)
    assert found["ask_depth_quote_mean"] == pytest.approx((101 + 101 + 111 + 102 + 50.5) / 5)
    assert (found["opened_at"], found["known_at"]) == SPAN
    assert found["source"] == "market/book_ticker_snapshots"


def test_volatility_is_the_root_of_the_summed_squares(warehouse: Warehouse) -> None:
    put_quotes(warehouse, moved([("99", "101"), ("109", "111"), ("99", "101")], START, LIKE))
    sum_up(warehouse, SPAN, 1)
    assert _sums(warehouse)["realized_volatility"] == pytest.approx(math.sqrt(2) * math.log(1.1))


def test_markets_and_hours_do_not_mix(warehouse: Warehouse) -> None:
    other = replace(LIKE, symbol="ETH/USDT", bid="9", ask="11")
    put_quotes(
        warehouse,
        [
            *every_second(START - 2 * SECOND, 2, replace(LIKE, bid="1", ask="3")),
            *every_second(START, 3600, LIKE),
            *every_second(START + HOUR, 2, replace(LIKE, bid="1", ask="3")),
            *every_second(START, 2, other),
        ],
    )
    done = sum_up(warehouse, SPAN, 1)
    assert done.counts.inserted == 2
    bitcoin, ether = _sums(warehouse), _sums(warehouse, "ETH/USDT")
    assert (bitcoin["seconds"], bitcoin["compared_seconds"], bitcoin["quote_changes"]) == (3600, 3599, 0)
    assert (bitcoin["mid_open"], bitcoin["mid_close"], bitcoin["realized_volatility"]) == (100, 100, 0)
    assert (ether["seconds"], ether["mid_open"]) == (2, 10)


def test_an_hour_of_stale_quotes_has_no_prices(warehouse: Warehouse) -> None:
    put_quotes(warehouse, every_second(START, 3, replace(LIKE, is_stale=True)))
    sum_up(warehouse, SPAN, 1)
    found = _sums(warehouse)
    assert (found["seconds"], found["stale_seconds"], found["quote_changes"]) == (0, 3, 0)
    names = (
        "spread_bps_mean",
        "imbalance_mean",
        "realized_volatility",
        "mid_open",
        "mid_close",
        "ask_depth_quote_mean",
    )
    assert [found[name] for name in names] == [None] * 6


def test_a_best_price_without_any_quantity_has_no_imbalance(warehouse: Warehouse) -> None:
    put_quotes(warehouse, [replace(LIKE, bids="0", asks="0"), replace(LIKE, at=START + SECOND)])
    sum_up(warehouse, SPAN, 1)
    assert _sums(warehouse)["imbalance_mean"] == 0.5


def test_on_a_wider_grid_a_snapshot_stands_for_its_seconds(warehouse: Warehouse) -> None:
    put_quotes(warehouse, [replace(LIKE, at=START + place * 5 * SECOND) for place in (0, 1, 3)])
    sum_up(warehouse, SPAN, 5)
    found = _sums(warehouse)
    assert (found["snapshots"], found["seconds"], found["compared_seconds"]) == (3, 15, 5)


def test_a_second_run_writes_nothing_and_a_late_second_changes_the_sum_and_keeps_the_old_one(
    warehouse: Warehouse,
) -> None:
    put_quotes(warehouse, moved([("99", "101"), ("99.1", "101.3"), ("98.7", "101.1")], START, LIKE))
    sum_up(warehouse, SPAN, 1)
    again = sum_up(warehouse, SPAN, 1).counts
    assert (again.inserted, again.changed, again.unchanged) == (0, 0, 1)
    put_quotes(warehouse, [replace(LIKE, at=START + 3 * SECOND)])
    assert sum_up(warehouse, SPAN, 1).counts.changed == 1
    assert _sums(warehouse)["seconds"] == 4
    old = "SELECT old_row ->> 'seconds' FROM audit.revisions WHERE table_name = 'market.book_ticker_hours'"
    assert held(warehouse, old) == [("3",)]


def test_sums_outlive_their_snapshots(warehouse: Warehouse) -> None:
    put_quotes(warehouse, [LIKE])
    sum_up(warehouse, SPAN, 1)
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE market.book_ticker_snapshots_20260302")
    assert sum_up(warehouse, SPAN, 1).snapshots == 0
    assert _sums(warehouse)["seconds"] == 1


def test_hours_that_are_not_added_up_as_they_stand_are_found(warehouse: Warehouse) -> None:
    day = (at("2026-03-02 00:00"), at("2026-03-03 00:00"))
    assert unsummed_hours(warehouse, day) == []
    put_quotes(
        warehouse,
        [LIKE, replace(LIKE, symbol="ETH/USDT"), replace(LIKE, at=START + 3 * HOUR), replace(LIKE, at=day[1])],
    )
    assert unsummed_hours(warehouse, day) == [UnsummedHour(START, 2), UnsummedHour(START + 3 * HOUR, 1)]
    sum_up(warehouse, SPAN, 1)
    assert unsummed_hours(warehouse, day) == [UnsummedHour(START + 3 * HOUR, 1)]
    put_quotes(warehouse, [replace(LIKE, at=START + SECOND)])  # as when a spilled second is stored late
    assert unsummed_hours(warehouse, day)[0] == UnsummedHour(START, 1)


def test_hours_are_closed_once_they_have_ended() -> None:
    span = (START, START + 3 * HOUR)
    assert closed_hours(span, START + HOUR - SECOND) == []
    assert closed_hours(span, START + HOUR) == [SPAN]
    assert len(closed_hours(span, START + 9 * HOUR)) == 3
    assert closed_hours(span, START - HOUR) == []
