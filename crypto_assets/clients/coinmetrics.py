"""Coin Metrics' community API: daily metrics of chains, without a key.

What belongs here: addresses, pages, the catalogue, reading rows value by value. What does not: which metrics are ours and
storing (datasets/onchain).

Format: Coin Metrics API v4, timeseries/asset-metrics and catalog-v2/asset-metrics. Values are text; null means not known, an
absent name not supported. Ten requests in six seconds; who asks more is answered 429 with the seconds to wait in
x-ratelimit-reset. The data's licence is CC BY-NC 4.0: not for commercial use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from crypto_assets.clients.chain_rows import (
    UNREADABLE,
    DayValue,
    DayValues,
    day_of_iso,
    number_of,
    once_a_day,
    refuse_answer,
    unreadable,
)
from crypto_assets.clients.exchange_bars import RefusedRow
from crypto_assets.clients.failures import Malformed
from crypto_assets.clients.http import HttpProvider
from crypto_assets.clients.transport import Transport

if TYPE_CHECKING:
    import httpx

BASE = "https://community-api.coinmetrics.io/v4"
PAGE_ROWS = 10_000  # the most it serves at once
MOST_PAGES = 200  # two million days: whoever is sent on and on is being led in a circle
_MOST_TOKEN = 2_000

type Catalogue = Mapping[str, frozenset[str]]


class _Resetting(HttpProvider):
    """Coin Metrics says in x-ratelimit-reset how many seconds to wait, where others say so in Retry-After."""

    def _made(self) -> httpx.Client:
        client = super()._made()
        client.event_hooks = {"response": [_name_the_wait]}
        return client


def _name_the_wait(answer: httpx.Response) -> None:
    wait = answer.headers.get("x-ratelimit-reset", "")
    if answer.status_code == 429 and "retry-after" not in answer.headers and wait.isascii() and wait.isdigit():
        answer.headers["retry-after"] = wait


class CoinMetrics:
    """Asks the community API; opens nothing until it is asked to. For one thread.

    Args:
        transport: Pace, retries and breaker.
        sandbox_url: Ask this server in its place.
    """

    name = "coinmetrics"

    def __init__(self, transport: Transport, *, sandbox_url: str | None = None) -> None:
        self._http = _Resetting(transport, sandbox_url=sandbox_url)

    def close(self) -> None:
        """Drop the connection."""
        self._http.close()

    def catalogue(self, assets: Sequence[str]) -> Catalogue:
        """The daily metrics that each asset has here, by Coin Metrics' names; an asset that it does not know is absent.

        Raises:
            ProviderError: what went wrong.
        """
        found: dict[str, frozenset[str]] = {}
        for rows in self._pages("catalog-v2/asset-metrics", {"assets": ",".join(assets)}, _list_of("the catalogue")):
            for row in rows:
                asset, metrics = _catalogued(row)
                found[asset] = found.get(asset, frozenset()) | metrics
        return found

    def daily(self, asset: str, metrics: Sequence[str], start: date, end: date, today: date) -> DayValues:
        """Values of an asset's days from `start` to `end`, both included.

        Args:
            asset: By Coin Metrics' name, as metrics.
            today: No day lies behind it.

        Raises:
            ProviderError: what went wrong; Blocked where a metric is not for everybody, Rejected where it is unknown.
        """
        asked = {
            "assets": asset, "metrics": ",".join(metrics), "frequency": "1d",
            "start_time": start.isoformat(), "end_time": end.isoformat(),
        }  # fmt: skip
        pages = self._pages("timeseries/asset-metrics", asked, _list_of("a list of days"))
        return parse_days([row for rows in pages for row in rows], asset, metrics, today)

    def _pages(
        self, path: str, asked: Mapping[str, str], read: Callable[[object], Sequence[object]]
    ) -> list[Sequence[object]]:
        """All pages, each by the token that the one before gave: an address in an answer may lead anywhere."""
        pages: list[Sequence[object]] = []
        params: dict[str, str | int | float] = {**asked, "page_size": PAGE_ROWS}
        seen: set[str] = set()
        while True:
            rows, token = self._http.get_json(f"{BASE}/{path}", params, lambda came: (read(came), next_token(came)))
            pages.append(rows)
            if token is None:
                return pages
            if token in seen or len(pages) >= MOST_PAGES:
                raise Malformed(
                    f"coinmetrics: page {len(pages)} leads in a circle", way_out="Ask for fewer days.", payload=token
                )
            seen.add(token)
            params["next_page_token"] = token


def parse_days(rows: Sequence[object], asset: str, metrics: Sequence[str], today: date) -> DayValues:
    """Rows of timeseries/asset-metrics, value by value: a bad one is refused with its row, its neighbours stand. Pure.

    Args:
        asset: Whose rows they must be.
        metrics: What is looked for; others are left alone.
        today: No day lies behind it.
    """
    found: list[tuple[DayValue, object]] = []
    refused: list[RefusedRow] = []
    for row in rows:
        try:
            if not isinstance(row, dict):
                raise TypeError(f"the row is {type(row).__name__}, no object")
            if row["asset"] != asset:
                raise ValueError(f"a row of {row['asset']!r:.40}")
            day = day_of_iso(row["time"], today)
        except UNREADABLE as error:
            refused.append(unreadable(error, row))
            continue
        for metric in metrics:
            try:
                number = number_of(row.get(metric), metric)
            except UNREADABLE as error:
                refused.append(unreadable(error, row))
                continue
            if number is not None:
                found.append((DayValue(metric, day, number), row))
    return once_a_day(found, refused)


def next_token(came: object) -> str | None:
    """The token of the page that follows; None behind the last one. Pure.

    Raises:
        Malformed: it is none.
    """
    token = came.get("next_page_token") if isinstance(came, dict) else None
    if token is None or token == "":
        return None
    if not isinstance(token, str) or len(token) > _MOST_TOKEN or not token.isascii() or not token.isprintable():
        refuse_answer("coinmetrics", "a token of the next page", came)
    return token


def _list_of(what: str) -> Callable[[object], Sequence[object]]:
    def read(came: object) -> Sequence[object]:
        data = came.get("data") if isinstance(came, dict) else None
        if not isinstance(data, list):
            refuse_answer("coinmetrics", what, came)
        return data

    return read


def _catalogued(row: object) -> tuple[str, frozenset[str]]:
    """An asset and its daily metrics; an entry that is none says nothing."""
    if not isinstance(row, dict) or not isinstance(row.get("asset"), str) or not isinstance(row.get("metrics"), list):
        refuse_answer("coinmetrics", "an asset with its metrics", row)
    told = (one for one in row["metrics"] if isinstance(one, dict) and isinstance(one.get("metric"), str))
    return row["asset"], frozenset(one["metric"] for one in told if _is_daily(one.get("frequencies")))


def _is_daily(frequencies: object) -> bool:
    told = frequencies if isinstance(frequencies, list) else []
    return any(
        isinstance(one, dict) and one.get("frequency") == "1d" and one.get("community") is not False for one in told
    )
