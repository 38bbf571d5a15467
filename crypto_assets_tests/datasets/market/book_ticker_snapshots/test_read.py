"""Reading quotes for use, and showing the newest ones."""

from dataclasses import replace
from datetime import timedelta

from crypto_assets.cli.console import OUT
from crypto_assets.cli.show_quotes import print_quotes
from crypto_assets.datasets.market.book_ticker_snapshots.read import newest, snapshots
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.market.book_ticker_hours.quotes import SECOND, Second, at, every_second, put_quotes

START = at("2026-03-02 10:00")
LIKE = Second(START)
ETHER = replace(LIKE, symbol="ETH/USDT", bid="10", ask="10.5")


def test_seconds_of_markets_come_in_order_and_stale_ones_when_wanted(warehouse: Warehouse) -> None:
    rows = [*every_second(START, 3, LIKE), replace(ETHER, is_stale=True), replace(LIKE, venue="mexc")]
    put_quotes(warehouse, rows)
    frame = snapshots(warehouse, "gate", [], START, START + 2 * SECOND)
    told = [(row.symbol, row.snapshot_at.to_pydatetime()) for row in frame.itertuples()]
    assert told == [("BTC/USDT", START), ("BTC/USDT", START + SECOND), ("ETH/USDT", START)]
    first = frame.iloc[0]
    assert (first["bid_price"], first["ask_price"], first["spread"]) == (99.0, 101.0, 2.0)
    assert frame["event_at"].isna().all()  # the venue does not say
    fresh = snapshots(warehouse, "gate", ["ETH/USDT", "BTC/USDT"], START, START + SECOND, with_stale=False)
    assert list(fresh["symbol"]) == ["BTC/USDT"]
    assert snapshots(warehouse, "gate", ["XRP/USDT"], START, START + SECOND).empty


def test_the_newest_second_of_each_market(warehouse: Warehouse) -> None:
    put_quotes(warehouse, [*every_second(START, 5, LIKE), ETHER, replace(LIKE, venue="mexc", at=START - SECOND)])
    frame = newest(warehouse, since=START)
    told = [(row.venue, row.symbol, row.snapshot_at.to_pydatetime()) for row in frame.itertuples()]
    assert told == [("gate", "BTC/USDT", START + 4 * SECOND), ("gate", "ETH/USDT", START)]
    assert list(newest(warehouse, "mexc", since=START - SECOND)["venue"]) == ["mexc"]


def test_newest_quotes_are_shown_with_spread_and_age(warehouse: Warehouse) -> None:
    put_quotes(warehouse, [replace(ETHER, is_stale=True), LIKE])
    with OUT.capture() as captured:
        print_quotes(newest(warehouse, since=START), START + timedelta(seconds=90))
    cells = {words[1]: words for line in captured.get().splitlines() if (words := line.replace("│", " ").split())[1:]}
    assert cells["BTC/USDT"] == ["gate", "BTC/USDT", "99.0000", "101.000", "2.0202", "1", "min"]
    assert cells["ETH/USDT"] == ["gate", "ETH/USDT", "10.0000", "10.5000", "5.0000", "1", "min", "stale"]
