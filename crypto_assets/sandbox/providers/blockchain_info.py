"""blockchain.info's charts: GET /charts/<chart>.

Format: the Charts API, {"status", "name", "unit", "period", "description", "values": [{"x": seconds, "y": number}]}; a year
where no timespan is given, counted from `start` or up to now.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta

from crypto_assets.sandbox.seeded_chains import chain_number, day_of_ms, start_ms
from crypto_assets.sandbox.venues.exchange import Asked, Reply

# Their names, ours, and their unit.
CHARTS: Mapping[str, tuple[str, str, str]] = {
    "n-unique-addresses": ("active_addresses", "Unique Addresses Used", "Addresses"),
    "n-transactions": ("transactions", "Confirmed Transactions Per Day", "Transactions"),
    "transaction-fees": ("fees_native", "Total Transaction Fees", "BTC"),
    "transaction-fees-usd": ("fees_usd", "Total Transaction Fees (USD)", "USD"),
    "hash-rate": ("hash_rate", "Hash Rate", "Hash Rate TH/s"),
    "market-cap": ("market_cap_usd", "Market Capitalization", "USD"),
}
FIRST = date(2009, 1, 3)
_PATH = re.compile(r"/charts/([a-z0-9-]+)")
_SPAN = re.compile(r"([0-9]{1,5})(days|weeks|months|years|year)")
_DAYS = {"days": 1, "weeks": 7, "months": 30, "years": 365, "year": 365}


class BlockchainInfo:
    """The provider."""

    venue = "blockchain_info"
    hosts = ("api.blockchain.info",)
    used_weight_header = None

    def answer(self, asked: Asked) -> Reply | None:
        """A chart."""
        found = _PATH.fullmatch(asked.path)
        if found is None or found[1] not in CHARTS:
            return None
        span = _SPAN.fullmatch(asked.query.get("timespan", "1year"))
        if span is None:
            return self.bad_parameter("timespan", asked.clock())
        days = min(20_000, int(span[1]) * _DAYS[span[2]])
        newest = day_of_ms(asked.clock()) - timedelta(days=1)
        try:
            first = max(FIRST, date.fromisoformat(asked.query.get("start") or str(newest - timedelta(days=days - 1))))
        except ValueError:
            return self.bad_parameter("start", asked.clock())
        ours, name, unit = CHARTS[found[1]]
        shown = (first + timedelta(days=number) for number in range(days))
        values: list[object] = [
            {"x": start_ms(day) // 1000, "y": other_number(asked.seed, ours, day)} for day in shown if day <= newest
        ]
        answer = {
            "status": "ok",
            "name": name,
            "unit": unit,
            "period": "day",
            "description": f"{name}.",
            "values": values,
        }
        return Reply(answer, asked.clock(), rows=values)

    def error(self, status: int) -> object:
        """{"status", "error"}."""
        return {"status": "error", "error": f"Error {status}"}

    def bad_parameter(self, name: str, now_ms: int) -> Reply:
        """400."""
        return Reply({"status": "error", "error": f"bad {name}"}, now_ms, status=400)


def other_number(seed: int, metric: str, day: date) -> float:
    """What this provider counts: it defines things in its own way, and so comes out a little lower than others do."""
    return round(0.97 * chain_number(seed, "BTC", metric, day), 4)
