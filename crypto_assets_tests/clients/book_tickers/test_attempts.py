"""Pauses between attempts, and who is told of an outage."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from crypto_assets.clients.book_tickers import attempts
from crypto_assets.clients.book_tickers.attempts import ConnectionLost, Outages, keep_trying, pause_seconds
from crypto_assets_tests.clients.book_tickers.hearing import Heard


def test_the_first_pause_is_none_and_later_ones_are_drawn_from_a_doubling_range(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(attempts.random, "uniform", lambda low, high: (low, high))
    assert [pause_seconds(failures) for failures in range(5)] == [0.0, (0, 0.2), (0, 0.4), (0, 0.8), (0, 1.6)]
    assert [pause_seconds(failures) for failures in (8, 9, 50, 10_000)] == [(0, 25.6), (0, 30), (0, 30), (0, 30)]


def test_an_outage_is_told_of_each_market_once() -> None:
    async def tell() -> Heard:
        heard = Heard()
        outages = Outages("gate", heard)
        outages.lost(["A", "B"], "first")
        outages.lost(["A", "B", "C"], "second")
        outages.connected(["A", "C"])
        outages.lost(["A", "B", "C"], "third")
        return heard

    heard = asyncio.run(tell())
    assert heard.losses == [(("A", "B"), "first"), (("C",), "second"), (("A", "C"), "third")]
    assert heard.connections == [("A", "C")]


def test_failures_add_up_until_a_connection_was_steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven lives: five short ones, one of five seconds with quotes, one more; then the test has seen enough."""
    lives = [(0, 0.0), (0, 0.0), (3, 1.0), (0, 0.0), (0, 60.0), (3, 5.0), (0, 0.0)]
    now, counted, pauses = [100.0], list[int](), list[float]()

    class Life:
        def __init__(self) -> None:
            self.quotes, self._seconds = lives.pop(0)

        async def live(self, _symbols: Sequence[str], _outages: Outages) -> None:
            now[0] += self._seconds
            raise ConnectionLost("gone", retry_after_seconds=9.0 if not lives else None)

        async def close(self) -> None:
            closed.append(True)

    closed: list[bool] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if not lives:
            raise asyncio.CancelledError

    def pause(failures: int) -> float:
        counted.append(failures)
        return float(failures)

    monkeypatch.setattr(attempts.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(attempts.asyncio, "sleep", sleep)
    monkeypatch.setattr(attempts, "pause_seconds", pause)

    async def follow() -> Heard:
        heard = Heard()
        with pytest.raises(asyncio.CancelledError):
            await keep_trying(Life, ["A"], Outages("gate", heard))
        return heard

    heard = asyncio.run(follow())
    assert counted == [0, 1, 2, 3, 4, 0, 1]
    assert pauses == [0, 1, 2, 3, 4, 0, 9]  # the venue asked for nine seconds at last
    assert len(closed) == 7
    assert heard.losses == [(("A",), "gone")]
