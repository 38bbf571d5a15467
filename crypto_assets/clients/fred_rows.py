"""From FRED's answers to vintages of values, row by row checked, and from several windows of vintages back to whole ones.

What belongs here: where FRED keeps what, the rules a row must keep, the windows that FRED accepts. What does not: asking
(fred.py), when a vintage was known to the hour (datasets/macro), storing.

Format: FRED's API documents of series/observations, series/vintagedates, series, series/release, release/dates and errors.
FRED cuts the real-time span of a row to the window that was asked for; that is undone here (`stitch`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from crypto_assets.clients.exchange_bars import RefusedRow
from crypto_assets.clients.failures import Malformed, NotListed, ProviderError, Rejected, Throttled, Unavailable
from crypto_assets.clients.http import Blocked

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

KEY_PAGE = "https://fred.stlouisfed.org/docs/api/api_key.html"
EARLIEST = date(1776, 7, 4)  # FRED's first day of real time
FOREVER = date(9999, 12, 31)  # how FRED writes that a value is still in force
MOST_VINTAGES = 2000  # in one request; FRED refuses more
MISSING = "."
_EARLIEST_PERIOD = date(1600, 1, 1)  # FRED's own default of observation_start
_LATEST_PERIOD = timedelta(days=366 * 100)  # projections of populations reach decades ahead
_LARGEST = 1e18  # FRED's largest values are debts in single dollars, some 1e14
_DAY = timedelta(days=1)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER = re.compile(r"[+-]?([0-9]{1,30}\.?[0-9]{0,30}|\.[0-9]{1,30})([eE][+-]?[0-9]{1,3})?")
_MESSAGE = re.compile(r"message=\"([^\"]{0,1000})")
_FREQUENCIES: Mapping[str, str] = {
    "D": "daily", "W": "weekly", "BW": "biweekly", "M": "monthly", "Q": "quarterly", "SA": "semiannual", "A": "annual",
}  # fmt: skip


@dataclass(frozen=True)
class Vintage:
    """What a period's value was said to be, from one day on to another.

    Args:
        period_on: First day of the period.
        realtime_start: The day on which FRED had it first, St. Louis' calendar.
        realtime_end: The last day on which it held; None while it is in force.
        value: None where FRED says that there is none, as on holidays.
    """

    period_on: date
    realtime_start: date
    realtime_end: date | None
    value: float | None


@dataclass(frozen=True)
class Vintages:
    """Sound vintages in the order of period and day, and what was refused."""

    rows: Sequence[Vintage]
    refused: Sequence[RefusedRow] = ()


@dataclass(frozen=True)
class SeriesInfo:
    """A series as FRED describes it.

    Args:
        frequency: daily, weekly, monthly, … as FRED's own letter says.
        last_updated_at: When FRED last had something new of it, UTC.
    """

    series_id: str
    title: str
    unit: str
    frequency: str
    seasonal_adjustment: str
    last_updated_at: datetime


@dataclass(frozen=True)
class Release:
    """What a series is published with."""

    release_id: int
    name: str


@dataclass(frozen=True)
class Window:
    """Days of real time to ask for, first and last, and the first of them whose rows are whole."""

    start: date
    end: date
    whole_from: date


def parse_xml(text: str, tag: str | None = None) -> Element:
    """The root of an answer. Pure.

    Args:
        tag: What the root must be called; None for anything but an error.

    Raises:
        Malformed: it is no XML, holds a DTD, or another root.
        ProviderError: an error that came as an answer, in its class.
    """
    from defusedxml import DefusedXmlException  # type: ignore[import-untyped]  # noqa: PLC0415 - only who asks pays
    from defusedxml.ElementTree import ParseError, fromstring  # type: ignore[import-untyped]  # noqa: PLC0415

    try:
        root: Element = fromstring(text, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise no_answer(f"XML ({type(error).__name__})", text) from None
    if root.tag == "error":
        raise failure(root.get("code") or "", root.get("message") or "")
    if tag is not None and root.tag != tag:
        raise no_answer(f"<{tag}>", text)
    return root


def failure(code: str, message: str) -> ProviderError:
    """The class of an error by FRED's code and words. Pure."""
    said = f"fred: {' '.join(message[:300].split())}"
    if code == "429":
        return Throttled(said, way_out="Lower macro.requests_per_minute in the universe.")
    if code.startswith("5") or code == "423":
        return Unavailable(said, way_out="It is asked again; see its status page.")
    if "api_key" in message:
        return Blocked(said, way_out=f"Correct CRYPTO_ASSETS_FRED_API_KEY; {KEY_PAGE} gives one.")
    if "does not exist" in message:
        return NotListed(said, way_out="Correct macro.series in the universe: FRED knows no such series.")
    return Rejected(said, way_out="FRED understood and refused: see macro.series in the universe.")


def failure_in(said: str) -> ProviderError | None:
    """The class of an error whose body stands in a message, as HTTP's status brought it; None where none does. Pure."""
    found = _MESSAGE.search(said)
    return failure("400", found[1]) if found else None


def read_vintages(rows: Iterable[Mapping[str, str]], today: date) -> Vintages:
    """Observations as FRED sends them, by attribute: date, realtime_start, realtime_end, value. Pure.

    Args:
        today: No vintage is younger than the day after: St. Louis lies behind UTC.
    """
    found: dict[tuple[date, date], Vintage] = {}
    refused: list[RefusedRow] = []
    at_odds: set[tuple[date, date]] = set()
    for row in rows:
        try:
            one = _vintage(row, today)
        except (TypeError, ValueError, KeyError) as error:
            refused.append(RefusedRow(f"unreadable: {type(error).__name__}: {str(error)[:120]}", dict(row)))
            continue
        key = (one.period_on, one.realtime_start)
        if found.setdefault(key, one) != one:
            at_odds.add(key)
            refused.append(RefusedRow("two different values for one period and day", dict(row)))
    for key in at_odds:
        refused.append(RefusedRow("two different values for one period and day", _shown(found.pop(key))))
    return Vintages(sorted(found.values(), key=_place), tuple(refused))


def read_dates(entries: Iterable[Element], today: date | None = None) -> list[date]:
    """The dates of a list, in order, each once. Pure.

    Args:
        today: None is younger than the day after; None for lists that reach ahead.

    Raises:
        Malformed: one of them is none: a date that is left out would move the windows' edges.
    """
    try:
        found = sorted({_date((child.text or "").strip()) for child in entries})
    except ValueError as error:
        raise no_answer(f"dates ({error})", "") from None
    if today is not None and found and found[-1] > today + _DAY:
        raise no_answer(f"dates up to {today}", f"{found[-1]}")
    return found


def read_series(attributes: Mapping[str, str], series_id: str, now: datetime) -> SeriesInfo:
    """A series' description. Pure.

    Raises:
        Malformed: it is another's, or lacks what it must have.
    """
    try:
        return _described(attributes, series_id, now)
    except (KeyError, TypeError, ValueError) as error:
        raise no_answer(f"series {series_id} ({type(error).__name__}: {error})", str(dict(attributes))) from None


def read_release(root: Element) -> Release:
    """The first release of a list. Pure.

    Raises:
        Malformed: there is none.
    """
    found = root.find("release")
    text = found.get("id", "") if found is not None else ""
    if found is None or not re.fullmatch(r"[0-9]{1,9}", text):
        raise no_answer("a release", text)
    return Release(int(text), _line(found.get("name", "")))


def windows(vintages: Sequence[date], since: date, most: int = MOST_VINTAGES) -> list[Window]:
    """The fewest windows with at most `most` vintages each. Pure.

    Where all fit into one, it holds all of time, and every row is whole. Else the first begins a day before the first
    vintage at or after `since`: what begins on that day may have begun earlier, and what begins later has not.

    Args:
        vintages: All vintage dates of the series, in order.
        since: No vintage before it is wanted where they do not fit into one window.
    """
    if len(vintages) <= most:
        return [Window(EARLIEST, FOREVER, EARLIEST)]
    wanted = [day for day in vintages if day >= since]
    size = most - 1  # the day before the first may be a vintage, too
    firsts = wanted[::size]
    ends = [*(first - _DAY for first in firsts[1:]), FOREVER]
    starts = [first - _DAY if number == 0 else first for number, first in enumerate(firsts)]
    return [Window(start, end, wanted[0]) for start, end in zip(starts, ends, strict=False)]


def stitch(asked: Sequence[Window], parts: Sequence[Vintages]) -> Vintages:
    """Rows of adjacent windows as if one had been asked for. Pure.

    A row that ends where a window does goes on in the next one's first row of the same period, where the value is the same.
    Where a row was refused, a first row without anything before it may have begun earlier, so it is refused as well.

    Args:
        asked: The windows, oldest first.
        parts: What each brought.
    """
    edges = {window.start for window in asked[1:]}
    refused = [one for part in parts for one in part.refused]
    whole: list[Vintage] = []
    for row in sorted((row for part in parts for row in part.rows), key=_place):
        before = whole[-1] if whole and whole[-1].period_on == row.period_on else None
        is_adjacent = before is not None and before.realtime_end == row.realtime_start - _DAY
        if row.realtime_start not in edges:
            whole.append(row)
        elif before is not None and is_adjacent and before.value == row.value:
            whole[-1] = replace(before, realtime_end=row.realtime_end)
        elif refused and not is_adjacent:
            refused.append(RefusedRow("may have begun in a row that was refused", _shown(row)))
        else:
            whole.append(row)
    first = asked[0].whole_from if asked else EARLIEST
    return Vintages([row for row in whole if row.realtime_start >= first], tuple(refused))


def no_answer(expected: str, came: str) -> Malformed:
    """What is raised where an answer is none."""
    shown = f", came {' '.join(came[:1000].split())[:120]!r}" if came else ""
    return Malformed(
        f"fred: expected {expected}{shown}",
        way_out="The answer is kept in quality.quarantine.",
        payload=came[:10_000] or None,
    )


def _described(attributes: Mapping[str, str], series_id: str, now: datetime) -> SeriesInfo:
    if attributes["id"] != series_id:
        raise ValueError(f"it is {attributes['id']:.60}")
    text = attributes["last_updated"]
    # FRED writes the offset as hours alone: 2024-10-30 07:54:01-05.
    updated = datetime.fromisoformat(f"{text}:00" if re.fullmatch(r".*[+-][0-9]{2}", text) else text)
    if updated.tzinfo is None or updated > now + _DAY:
        raise ValueError(f"the time {text:.40} is implausible")
    return SeriesInfo(
        series_id,
        _line(attributes["title"]),
        _line(attributes["units"]),
        _FREQUENCIES[attributes["frequency_short"]],
        _line(attributes.get("seasonal_adjustment", "")),
        updated.astimezone(UTC),
    )


def _vintage(row: Mapping[str, str], today: date) -> Vintage:
    period, start, end = _date(row["date"]), _date(row["realtime_start"]), _date(row["realtime_end"])
    if not EARLIEST <= start <= today + _DAY:
        raise ValueError(f"the vintage {start} is implausible")
    if not _EARLIEST_PERIOD <= period <= start + _LATEST_PERIOD:
        raise ValueError(f"the period {period} is implausible")
    if end < start:
        raise ValueError(f"the vintage ends on {end}, before it begins")
    return Vintage(period, start, None if end == FOREVER else end, _value(row["value"]))


def _value(text: str) -> float | None:
    if not isinstance(text, str):
        raise TypeError(f"expected a number as text, came {type(text).__name__}")
    if text.strip() == MISSING:
        return None
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r:.60} is no number")
    number = float(text)
    if not math.isfinite(number) or abs(number) > _LARGEST:
        raise ValueError(f"{text:.60} is out of any range")
    return number


def _date(text: str) -> date:
    if not isinstance(text, str):
        raise TypeError(f"expected a date, came {type(text).__name__}")
    if not _DATE.fullmatch(text):
        raise ValueError(f"{text!r:.40} is no date")
    return date.fromisoformat(text)


def _line(text: str) -> str:
    """Text on one line, as PostgreSQL can keep it."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text[:300]).split())


def _place(row: Vintage) -> tuple[date, date]:
    return row.period_on, row.realtime_start


def _shown(row: Vintage) -> dict[str, str]:
    return {
        "date": row.period_on.isoformat(),
        "realtime_start": row.realtime_start.isoformat(),
        "realtime_end": (row.realtime_end or FOREVER).isoformat(),
        "value": MISSING if row.value is None else repr(row.value),
    }
