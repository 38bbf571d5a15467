"""Bitcoin's recommended fees from mempool.space, or from another instance of it.

What belongs here: the calls, and the rules that an answer must keep. What does not: storing. It tells of now alone.

Format: mempool.space's REST API: /api/v1/fees/recommended, in satoshi per virtual byte; /api/blocks/tip/height, a number as
plain text.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from crypto_assets.clients.failures import Malformed
from crypto_assets.clients.http import HttpProvider
from crypto_assets.clients.json_rpc import object_of
from crypto_assets.clients.pool_values import UNREADABLE, unsigned_number

_MOST_SAT_VB = 1e9
_MOST_BLOCKS = 10**8  # two thousand years of blocks
_SHOWN = 160


@dataclass(frozen=True)
class RecommendedFees:
    """What to pay to be mined in the next block, within half an hour, within an hour, some time, ever; sat per vB."""

    fastest: float
    half_hour: float
    hour: float
    economy: float
    minimum: float


class MempoolSpace:
    """Asks one instance; asks nothing until it is asked to. For one thread.

    Args:
        address: Of the instance, without a path.
    """

    def __init__(self, http: HttpProvider, address: str) -> None:
        self._http = http
        self._address = address

    @property
    def name(self) -> str:
        """The instance's host."""
        return self._http.name

    def close(self) -> None:
        """Drop the connection."""
        self._http.close()

    def recommended(self) -> RecommendedFees:
        """What a transaction should pay now.

        Raises:
            ProviderError: what went wrong.
        """
        return self._http.get_json(f"{self._address}/api/v1/fees/recommended", {}, self._fees)

    def tip_height(self) -> int:
        """Number of the newest block.

        Raises:
            ProviderError: what went wrong.
        """
        return self._http.get_text(f"{self._address}/api/blocks/tip/height", {}, self._height)

    def _fees(self, came: object) -> RecommendedFees:
        try:
            return parse_fees(came)
        except UNREADABLE as error:
            raise self._refused(f"recommended fees ({str(error)[:_SHOWN]})", json.dumps(came, default=repr)) from None

    def _height(self, came: str) -> int:
        text = came.strip()
        if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text) <= _MOST_BLOCKS):
            raise self._refused("a block's number", came)
        return int(text)

    def _refused(self, expected: str, came: str) -> Malformed:
        shown = came[:10_000]
        return Malformed(
            f"{self.name}: expected {expected}, came {shown[:_SHOWN]!r}",
            way_out="The answer is kept in quality.quarantine.",
            payload=shown,
        )


def parse_fees(came: object) -> RecommendedFees:
    """The recommended fees; their order is for checks to judge, as it is the instance's own opinion. Pure.

    Raises:
        TypeError, ValueError, KeyError: they are none.
    """
    answer = object_of(came, "the answer")
    names = ("fastestFee", "halfHourFee", "hourFee", "economyFee", "minimumFee")
    return RecommendedFees(*(_fee(answer[name], name) for name in names))


def _fee(value: object, name: str) -> float:
    if type(value) not in (int, float):
        raise TypeError(f"{name} is {type(value).__name__}, no number")
    number = unsigned_number(value, name)
    if number is None or number > _MOST_SAT_VB:
        raise ValueError(f"{name} is not known, or absurdly large")
    return number
