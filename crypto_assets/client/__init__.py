"""The Python client: what is stored as frames and Arrow tables, what is newest, and nothing that could change any of it.

What belongs here: reading for people and programs outside the platform. What does not: what datasets read of each other.

    from crypto_assets import connect

    with connect() as client:
        bars = client.bars("binance", "BTC/USDT", "1h", start="2024-01-01", end="2024-02-01")
"""

from __future__ import annotations

from crypto_assets.client.client import Client, connect
from crypto_assets.client.connecting import NotAReader
from crypto_assets.client.history import History
from crypto_assets.client.names import NameUnknown
from crypto_assets.client.newest import Found
from crypto_assets.client.questions import (
    Choice,
    ColumnUnknown,
    DatasetUnknown,
    MomentUnclear,
    PastUnknown,
    QuestionRefused,
)
from crypto_assets.client.rendering import AnswerTooLarge
from crypto_assets.latest.values import (
    LatestBar,
    LatestBook,
    LatestPrediction,
    LatestQuote,
    LatestScore,
    LatestTicker,
    LatestValue,
)

__all__ = [
    "AnswerTooLarge", "Choice", "Client", "ColumnUnknown", "DatasetUnknown", "Found", "History", "LatestBar", "LatestBook",
    "LatestPrediction", "LatestQuote", "LatestScore", "LatestTicker", "LatestValue", "MomentUnclear", "NameUnknown",
    "NotAReader", "PastUnknown", "QuestionRefused", "connect",
]  # fmt: skip
