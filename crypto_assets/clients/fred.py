"""FRED and ALFRED, the St. Louis Fed's economic series with every vintage of every value.

What belongs here: what is asked for, in windows that FRED accepts. What does not: the meaning of an answer (fred_rows.py),
one request's pace and failure (http.py), Dagster and SQL.

fredapi (0.5.2) has neither time-out, pace nor retries, and puts the key into every address that it opens; all of it goes
through one private method, so that is what is changed, and its public methods run within our pace (`library`). What a series
is, is asked for through it. The rest is asked for here, through the same provider: its lists of observations drop the last
day of a vintage, fail as a whole for one bad value and are refused beyond 2,000 vintages; its vintage dates end silently at
FRED's page of 10,000; it has no way to a series' release, nor to the calendar of releases.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Protocol, cast
from urllib.parse import parse_qsl, quote_plus, urlsplit

from pydantic import SecretStr

from crypto_assets.clients.exchange_bars import RefusedRow
from crypto_assets.clients.failures import Rejected
from crypto_assets.clients.fred_rows import (
    KEY_PAGE,
    MOST_VINTAGES,
    Release,
    SeriesInfo,
    Vintages,
    Window,
    failure_in,
    no_answer,
    parse_xml,
    read_dates,
    read_release,
    read_series,
    read_vintages,
    stitch,
    windows,
)
from crypto_assets.clients.http import HttpProvider, Params

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    import pandas as pd

NAME = "fred"
ROOT = "https://api.stlouisfed.org/fred"
PAGE = 100_000  # observations in one answer; FRED's most
PAGE_DATES = 10_000


class Library(Protocol):
    """The part of fredapi's `Fred` that is used here; its other public methods run within our pace as well."""

    def get_series_info(self, series_id: str) -> pd.Series[str]:
        """A series' attributes."""

    def get_series_all_releases(self, series_id: str) -> pd.DataFrame:
        """Every vintage, without its last day."""


class Fred:
    """Asks FRED; opens nothing until it is asked to. For one thread.

    Args:
        http: Told of the key as a secret (`secrets_of`), so that no message holds it.
        key: Sent with each request.
        clock: The present, UTC.
        most_vintages: In one request.
    """

    def __init__(
        self,
        http: HttpProvider,
        key: SecretStr,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        most_vintages: int = MOST_VINTAGES,
    ) -> None:
        self._http = http
        self._key = key
        self._clock = clock
        self._most_vintages = most_vintages
        self._library: Library | None = None

    @property
    def library(self) -> Library:
        """fredapi's own client, whose requests run through ours; made when it is first asked for."""
        if self._library is None:
            self._library = _make_library(self._fetch)
        return self._library

    def close(self) -> None:
        """Drop the connection."""
        self._http.close()

    def series(self, series_id: str) -> SeriesInfo:
        """What a series is, and when FRED last had something new of it: one small request.

        Raises:
            ProviderError: what went wrong; NotListed where FRED knows no such series.
        """
        try:
            attributes = self.library.get_series_info(series_id)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise no_answer(f"series {series_id} ({type(error).__name__})", "") from None
        return read_series({str(name): str(text) for name, text in attributes.items()}, series_id, self._clock())

    def release(self, series_id: str) -> Release:
        """What a series is published with.

        Raises:
            ProviderError: what went wrong.
        """
        return self._ask("series/release", {"series_id": series_id}, "releases", read_release)

    def release_dates(self, release_id: int) -> frozenset[date]:
        """The days of a release's calendar, those ahead and those without data among them.

        Raises:
            ProviderError: what went wrong.
        """
        params: Params = {
            "release_id": release_id,
            "include_release_dates_with_no_data": "true",
            "limit": PAGE_DATES,
        }
        return frozenset(read_dates(self._all_entries("release/dates", params, "release_dates")))

    def vintage_dates(self, series_id: str) -> list[date]:
        """The days on which values were released or revised, oldest first.

        Raises:
            ProviderError: what went wrong.
        """
        params: Params = {"series_id": series_id, "limit": PAGE_DATES}
        return read_dates(self._all_entries("series/vintagedates", params, "vintage_dates"), self._clock().date())

    def vintages(self, series_id: str, since: date) -> Vintages:
        """Every vintage of every period that begins at or after `since`, each with the day on which it truly began.

        A value that was there before its period, as a projection, is left out where the series has more vintages than FRED
        gives at once and the value was there before `since`.

        Raises:
            ProviderError: what went wrong.
        """
        asked = windows(self.vintage_dates(series_id), since, self._most_vintages)
        return stitch(asked, [self._observations(series_id, since, window) for window in asked])

    def _observations(self, series_id: str, since: date, window: Window) -> Vintages:
        params: dict[str, str | int | float] = {
            "series_id": series_id,
            "observation_start": since.isoformat(),
            "realtime_start": window.start.isoformat(),
            "realtime_end": window.end.isoformat(),
            "limit": PAGE,
        }
        found = self._all_entries("series/observations", params, "observations")
        return read_vintages((entry.attrib for entry in found), self._clock().date())

    def _all_entries(self, path: str, params: Params, tag: str) -> list[Element]:
        """The entries of a list, page by page."""
        found: list[Element] = []
        while True:
            asked = {**params, "offset": len(found)} if found else params
            page, count = self._ask(path, asked, tag, _page)
            found += page
            if len(found) >= count:
                return found
            if not len(page):
                raise no_answer(f"{count:,} entries", f"{len(found):,}")

    def _fetch(self, url: str) -> Element:
        """What fredapi's private method is replaced by: the address comes without the key."""
        parts = urlsplit(url)
        return self._ask(parts.path.removeprefix("/fred/"), dict(parse_qsl(parts.query)), None, lambda root: root)

    def _ask[T](self, path: str, params: Params, tag: str | None, read: Callable[[Element], T]) -> T:
        """One request, repeated as the policy says, also where `read` raises Malformed.

        Raises:
            ProviderError: what went wrong, FRED's words in its class.
        """
        sent = {**params, "api_key": self._key.get_secret_value()}

        def parse(text: str) -> T:
            # An answer may hold the address that was asked for: what is made of it may stand in messages and quarantine.
            return read(parse_xml(self._http.mask(text), tag))

        try:
            return self._http.get_text(f"{ROOT}/{path}", sent, parse)
        except Rejected as error:
            # From None: FRED's words come once, in the class that they mean.
            raise (failure_in(error.problem) or error) from None


def secrets_of(key: SecretStr) -> Sequence[SecretStr]:
    """What no message may hold of a key: itself, and as it stands in an address."""
    return key, SecretStr(quote_plus(key.get_secret_value()))


def _page(root: Element) -> tuple[list[Element], int]:
    """A page's entries, and how many the whole list has.

    Raises:
        Malformed: it does not say how many.
    """
    text = root.get("count", "")
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise no_answer("a count of entries", text)
    return list(root), int(text)


def _make_library(fetch: Callable[[str], Element]) -> Library:
    """fredapi's client with our way of asking."""
    import fredapi  # type: ignore[import-untyped]  # noqa: PLC0415 - it imports pandas: only who asks FRED pays

    class PacedFred(fredapi.Fred):  # type: ignore[misc]  # the library has no types
        def __init__(self) -> None:
            # The parent's would read the environment for a key and lead every urllib request of the process to a proxy.
            self.api_key = None
            self.proxies = None

        def _Fred__fetch_data(self, url: str) -> Element:  # noqa: N802 - fredapi's private name
            return fetch(url)

    return cast("Library", PacedFred())


__all__ = ["KEY_PAGE", "NAME", "Fred", "RefusedRow", "secrets_of"]
