"""The Fear & Greed index of alternative.me: one number a day, free and without a key.

What belongs here: asking for the newest days and reading the answer. What does not: which days are wanted, when a value
counts as known, storing (datasets/sentiment/fear_greed).

Format, after its API page and recorded answers: GET https://api.alternative.me/fng/?limit=N&format=json gives
{"name", "data": [{"value": "40", "value_classification": "Fear", "timestamp": "1551157200", "time_until_update": "68499"}],
"metadata": {"error": null}}. All are texts; the newest day comes first, and it alone says how long it stands; a limit of 0
asks for all days. There is no way to ask for an older span alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from crypto_assets.clients.exchange_bars import RefusedRow
from crypto_assets.clients.failures import Malformed, Unavailable
from crypto_assets.clients.http import HttpProvider, Params
from crypto_assets.clients.pool_rows import Answer
from crypto_assets.clients.pool_values import UNREADABLE, fields_of, name_text, unreadable, whole

URL = "https://api.alternative.me/fng/"
FIRST_DAY = date(2018, 2, 1)  # the oldest that the whole history holds
MOST_BYTES = 5_000_000  # a day takes 90 bytes: the whole history of a century fits
_ALL = 0


@dataclass(frozen=True)
class FearGreed:
    """The index of one day.

    Args:
        observed_on: The UTC day on which it was published.
        value: 0 (extreme fear) to 100 (extreme greed).
        classification: alternative.me's words for it.
    """

    observed_on: date
    value: int
    classification: str


class AlternativeMe:
    """Asks alternative.me.

    Args:
        http: Its pace, retries and breaker.
    """

    name = "alternative_me"

    def __init__(self, http: HttpProvider) -> None:
        self._http = http

    def fear_greed(self, days: int, today: date) -> Answer[FearGreed]:
        """The newest days of the index, newest first.

        Args:
            days: How many; 0 for all.
            today: The present UTC day; no value can be of a later one.

        Raises:
            ProviderError: what went wrong.
        """
        params: Params = {"limit": max(_ALL, days), "format": "json"}
        return self._http.get_json(URL, params, lambda answer: parse_fear_greed(answer, today))


def parse_fear_greed(answer: object, today: date) -> Answer[FearGreed]:
    """Read an answer, day by day checked. Pure.

    Raises:
        Malformed: it is no answer of this kind.
        Unavailable: it says that something went wrong there.
    """
    rows = _rows(answer)
    kept: dict[date, FearGreed] = {}
    refused: list[RefusedRow] = []
    repeated = 0
    for row in rows:
        try:
            one = _day(row, today)
        except (*UNREADABLE, OSError) as error:
            refused.append(unreadable(error, row))
            continue
        before = kept.setdefault(one.observed_on, one)
        if before is not one:
            repeated += 1
        if before != one:
            refused.append(RefusedRow(f"another value of {one.observed_on} came before it", row))
    return Answer(list(kept.values()), refused, repeated)


def _rows(answer: object) -> Sequence[object]:
    if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
        raise Malformed(
            "alternative_me: expected a list of days under 'data'",
            way_out="The answer is kept in quality.quarantine.",
            payload=answer,
        )
    metadata = answer.get("metadata")
    problem = metadata.get("error") if isinstance(metadata, dict) else None
    if problem:
        raise Unavailable(
            f"alternative_me says: {name_text(str(problem))[:120]}", way_out="It is asked again; see its status page."
        )
    rows: list[object] = answer["data"]
    return rows


def _day(row: object, today: date) -> FearGreed:
    fields = fields_of(row, "a day")
    moment = datetime.fromtimestamp(whole(fields["timestamp"], "timestamp"), UTC)
    value = whole(fields["value"], "value")
    classification = name_text(fields["value_classification"]).strip()
    if not FIRST_DAY <= moment.date() <= today:
        raise ValueError(f"the day {moment:%Y-%m-%d} is implausible")
    if value > 100:
        raise ValueError("value lies above 100")
    if not 0 < len(classification) <= 40:
        raise ValueError("value_classification is no name")
    return FearGreed(moment.date(), value, classification)


__all__ = ["FIRST_DAY", "MOST_BYTES", "AlternativeMe", "FearGreed", "parse_fear_greed"]
