"""mempool.space: GET /api/v1/fees/recommended, and /api/blocks/tip/height as plain text.

Format: its REST API: whole numbers of satoshi per virtual byte, each at least the next one. A block comes every ten
minutes here.
"""

from __future__ import annotations

import math

import numpy as np

from crypto_assets.sandbox.noise import key_of, noise
from crypto_assets.sandbox.venues.exchange import Asked, Reply

BLOCK, SECOND = 840_000, 1_713_571_767  # the fourth halving
BLOCK_SECONDS = 600
NAMES = ("fastestFee", "halfHourFee", "hourFee", "economyFee", "minimumFee")
_SHARES = (1.0, 0.85, 0.7, 0.4)


class MempoolSpace:
    """The provider."""

    venue = "mempool_space"
    hosts = ("mempool.space",)
    used_weight_header = None

    def answer(self, asked: Asked) -> Reply | None:
        """Recommended fees, and the height of the newest block."""
        now = asked.clock()
        if asked.path == "/api/v1/fees/recommended":
            return Reply(dict(zip(NAMES, recommended(asked.seed, now // 1000), strict=True)), now)
        if asked.path == "/api/blocks/tip/height":
            return Reply(None, now, text=str(tip_height(now // 1000)), content_type="text/plain")
        return None

    def error(self, status: int) -> object:
        """{"error"}."""
        return {
            "error": "Too Many Requests" if status == 429 else "Not Found" if status == 404 else "Service Unavailable"
        }

    def bad_parameter(self, name: str, now_ms: int) -> Reply:
        """400."""
        return Reply({"error": f"Invalid {name}"}, now_ms, 400)


def recommended(seed: int, second: int) -> list[int]:
    """The five fees at a time in epoch seconds."""
    minute = np.array([second // 60], dtype=np.int64)
    level = (
        1.5 * noise(key_of(seed, "sat per vB", "days"), minute, 4000)[0]
        + 0.5 * noise(key_of(seed, "sat per vB"), minute, 60)[0]
    )
    fastest = 12 * math.exp(level)
    return [*(max(1, round(fastest * share)) for share in _SHARES), 1]


def tip_height(second: int) -> int:
    """Number of the newest block at a time in epoch seconds."""
    return BLOCK + (second - SECOND) // BLOCK_SECONDS
