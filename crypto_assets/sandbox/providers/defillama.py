"""DefiLlama: GET /v2/historicalChainTvl/<Chain>.

Format: a list of {"date": seconds, "tvl": US dollars}, ascending, over the chain's whole history; the last point is of now.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta

from crypto_assets.sandbox.seeded_chains import chain_number, day_of_ms, start_ms
from crypto_assets.sandbox.venues.exchange import Asked, Reply

CHAINS: Mapping[str, tuple[str, date]] = {
    "Bitcoin": ("BTC", date(2020, 12, 1)),
    "Ethereum": ("ETH", date(2017, 9, 27)),
    "Solana": ("SOL", date(2021, 3, 17)),
    "XRPL": ("XRP", date(2023, 2, 20)),
    "Cardano": ("ADA", date(2022, 1, 1)),
}
_PATH = re.compile(r"/v2/historicalChainTvl/([A-Za-z0-9 ._()-]+)")


class DefiLlama:
    """The provider."""

    venue = "defillama"
    hosts = ("api.llama.fi",)
    used_weight_header = None

    def answer(self, asked: Asked) -> Reply | None:
        """A chain's history."""
        found = _PATH.fullmatch(asked.path)
        if found is None:
            return None
        if found[1] not in CHAINS:
            return Reply({"message": "Chain not found"}, asked.clock(), status=400)
        asset, first = CHAINS[found[1]]
        now = asked.clock()
        days = [first + timedelta(days=number) for number in range((day_of_ms(now) - first).days + 1)]
        points: list[object] = [
            {"date": start_ms(day) // 1000, "tvl": chain_number(asked.seed, asset, "tvl_usd", day)} for day in days
        ]
        points.append({"date": now // 1000, "tvl": chain_number(asked.seed, asset, "tvl_usd", day_of_ms(now))})
        return Reply(points, now, rows=points)

    def error(self, status: int) -> object:
        """{"message"}."""
        return {"message": f"Error {status}"}

    def bad_parameter(self, name: str, now_ms: int) -> Reply:
        """400."""
        return Reply({"message": f"bad {name}"}, now_ms, status=400)
