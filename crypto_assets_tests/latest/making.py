"""Values made by hand, for tests of what is told and asked.

What belongs here: making them from few words. What does not: assertions.
"""

from __future__ import annotations

import time

from crypto_assets.latest.values import LatestBar, LatestBook, LatestPrediction, LatestQuote, LatestScore, LatestTicker

SECOND = 1_000_000


def now() -> int:
    return time.time_ns() // 1000


def quote(symbol: str = "BTC/USDT", bid: str = "100.10", *, at: int | None = None, life: float = 10) -> LatestQuote:
    """One of mexc, of now unless told otherwise, for so many seconds."""
    at = now() if at is None else at
    return LatestQuote(
        at_us=at, known_us=at, stored_us=at + 1200, until_us=at + round(life * SECOND), venue="mexc", symbol=symbol,
        bid_price=bid, bid_quantity="1.50", ask_price="100.30", ask_quantity="2.0", event_us=at - 250_000,
        received_us=at - 200_000, is_stale=False,
    )  # fmt: skip


def one_of_each() -> list[LatestQuote | LatestBook | LatestTicker | LatestBar | LatestPrediction | LatestScore]:
    at = now()
    times = {"at_us": at, "known_us": at + 5, "stored_us": at + 7, "until_us": at + 60 * SECOND}
    return [
        quote(at=at),
        LatestBook(
            **times, venue="okx", symbol="BTC/USDT:USDT", bids=(("100.0", "1"), ("99.5", "2")), asks=(("100.5", "3"),),
            mid=100.25, spread_bps=49.875, imbalance=0.25, sequence=7, event_us=None,
        ),
        LatestTicker(
            **times, venue="gate", symbol="ETH/USDT", last=2000.0, bid=None, ask=None, open_24h=None, high_24h=None,
            low_24h=None, volume_base_24h=1.5, volume_quote_24h=3000.0, change_pct_24h=-2.5, event_us=at - 9,
        ),
        LatestBar(
            **times, venue="binance", symbol="BTC/USDT", timeframe="1h", open=1.0, high=2.0, low=0.5, close=1.5,
            volume_base=3.0, volume_quote=None, trade_count=4,
        ),
        LatestPrediction(
            **times, model="gas_4h", domain="ethereum", series="base_fee", version=3, horizon_end_us=at + 9 * SECOND,
            level_now=20.0, yhat=0.1, q10=-0.1, q90=0.3, baseline=0.0, baseline_name="zero_change", is_out_of_sample=True,
        ),
        LatestScore(
            **times, scorer="crypto-lexicon", asset="BTC", model_version="1", news_id="ab" * 32, label="positive", score=0.6,
            p_negative=0.1, p_neutral=0.2, p_positive=0.7,
        ),
    ]  # fmt: skip
