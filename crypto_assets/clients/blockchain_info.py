"""blockchain.info's charts: daily numbers of Bitcoin's chain, without a key.

What belongs here: the address, reading points. What does not: which charts stand for which metrics (datasets/onchain).

Format: the Charts API, `values` of {"x": seconds since 1970, "y": number}; the explorer's own files have milliseconds, which
are told by their size. All points come with sampled=false.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from crypto_assets.clients.chain_rows import (
    UNREADABLE,
    DayValue,
    DayValues,
    day_of_epoch,
    number_of,
    once_a_day,
    refuse_answer,
    unreadable,
)
from crypto_assets.clients.exchange_bars import RefusedRow
from crypto_assets.clients.http import HttpProvider

BASE = "https://api.blockchain.info/charts"


class BlockchainInfo:
    """Asks for charts. For one thread."""

    name = "blockchain_info"

    def __init__(self, http: HttpProvider) -> None:
        self._http = http

    def close(self) -> None:
        """Drop the connection."""
        self._http.close()

    def chart(self, chart: str, start: date, end: date, today: date) -> DayValues:
        """A chart's values of the days from `start` to `end`, both included.

        Args:
            chart: By blockchain.info's name, as n-transactions.
            today: No day lies behind it.

        Raises:
            ProviderError: what went wrong.
        """
        asked = {
            "timespan": f"{(end - start).days + 1}days", "start": start.isoformat(), "sampled": "false", "format": "json",
        }  # fmt: skip
        found = self._http.get_json(f"{BASE}/{chart}", asked, lambda came: parse_chart(came, chart, today))
        return DayValues([one for one in found.rows if start <= one.day <= end], found.refused)


def parse_chart(came: object, chart: str, today: date) -> DayValues:
    """A chart's points, one a day. Pure.

    Raises:
        Malformed: the answer is no chart.
    """
    values = came.get("values") if isinstance(came, dict) and came.get("status") == "ok" else None
    if not isinstance(values, list):
        refuse_answer("blockchain_info", "a chart with its values", came)
    return parse_points(values, chart, today)


def parse_points(points: Sequence[object], chart: str, today: date) -> DayValues:
    """Points {"x", "y"}, x in seconds or milliseconds. Pure."""
    found: list[tuple[DayValue, object]] = []
    refused: list[RefusedRow] = []
    for point in points:
        try:
            if not isinstance(point, dict):
                raise TypeError(f"the point is {type(point).__name__}, no object")
            day, number = day_of_epoch(point["x"], today), number_of(point["y"], chart)
        except UNREADABLE as error:
            refused.append(unreadable(error, point))
            continue
        if number is not None:
            found.append((DayValue(chart, day, number), point))
    return once_a_day(found, refused)
