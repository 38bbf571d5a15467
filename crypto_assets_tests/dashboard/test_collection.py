"""Figures of collecting: polls of what is collected now, and of nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from crypto_assets.dashboard.figures.collection import read_collection
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.limits import Poll, write_poll
from crypto_assets.warehouse.universe_versions import universe_in_force

UNIVERSE = "history_from: 2026-01-01\nvenues: {gate: {markets: [BTC/USDT, ETH/USDT]}}\n"


def test_a_venue_that_was_taken_out_is_not_overdue_for_ever(warehouse: Warehouse, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    later, before = now + timedelta(hours=1), now - timedelta(hours=1)
    with warehouse.connect() as connection:
        for venue, symbol, due, failures in (
            ("gate", "BTC/USDT", later, 0),
            ("gate", "ETH/USDT", before, 2),
            ("gate", "XRP/USDT", now - timedelta(days=9), 5),
            ("mexc", "BTC/USDT", now - timedelta(days=9), 5),
        ):
            write_poll(connection, "market/trades", venue, Poll(symbol, before, due, 60, failures=failures))
    (tmp_path / "universe.yaml").write_text(UNIVERSE)
    universe_in_force(tmp_path / "universe.yaml", warehouse)
    with warehouse.connect() as connection, connection.cursor() as cursor:
        [polls] = read_collection(cursor).polls
    assert (polls.venue, polls.markets, polls.overdue, polls.failing) == ("gate", 2, 1, 1)
    assert 3600 <= polls.longest_overdue_seconds < 3600 + 600
