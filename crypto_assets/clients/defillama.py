"""DefiLlama: what lies in the protocols of a chain, day by day, without a key.

What belongs here: the address, reading points. What does not: which chain stands for which asset (the universe).

Format: GET /v2/historicalChainTvl/<Chain>, a list of {"date": seconds since 1970, "tvl": US dollars} over all its history;
the last point is of now. History is recomputed when a protocol is added.
"""

from __future__ import annotations

from datetime import date
from urllib.parse import quote

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

URL = "https://api.llama.fi/v2/historicalChainTvl"
METRIC = "tvl"


class DefiLlama:
    """Asks for the value locked in chains. For one thread."""

    name = "defillama"

    def __init__(self, http: HttpProvider) -> None:
        self._http = http

    def close(self) -> None:
        """Drop the connection."""
        self._http.close()

    def chain_tvl(self, chain: str, start: date, end: date, today: date) -> DayValues:
        """US dollars in the protocols of a chain, for the days from `start` to `end`, both included.

        Args:
            chain: By DefiLlama's name, as Ethereum.
            today: No day lies behind it, and its own value is left out: it is still moving.

        Raises:
            ProviderError: what went wrong.
        """
        found = self._http.get_json(f"{URL}/{quote(chain, safe='')}", {}, lambda came: parse_tvl(came, today))
        return DayValues([one for one in found.rows if start <= one.day <= end], found.refused)


def parse_tvl(came: object, today: date) -> DayValues:
    """Points of a chain before today, one a day. Pure.

    Raises:
        Malformed: the answer is no list.
    """
    if not isinstance(came, list):
        refuse_answer("defillama", "a list of days", came)
    found: list[tuple[DayValue, object]] = []
    refused: list[RefusedRow] = []
    for point in came:
        try:
            if not isinstance(point, dict):
                raise TypeError(f"the point is {type(point).__name__}, no object")
            day, number = day_of_epoch(point["date"], today), number_of(point["tvl"], METRIC)
        except UNREADABLE as error:
            refused.append(unreadable(error, point))
            continue
        if number is not None and day < today:
            found.append((DayValue(METRIC, day, number), point))
    return once_a_day(found, refused)
