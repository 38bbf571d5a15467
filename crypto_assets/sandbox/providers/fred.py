"""FRED and ALFRED: GET /fred/series, series/observations, series/vintagedates, series/release and release/dates, as XML.

Format: FRED's API documents; the words of refusals as they are documented and as people met them. A key is any 32
lower-case letters and digits. Left out: JSON, units other than those of the series, orders other than the dates'.

The numbers are made up (fred_series.py). As FRED does, the answer cuts real-time spans to those that were asked for, which
are today's where nothing is said, and refuses more than 2,000 vintage dates at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from xml.sax.saxutils import quoteattr

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.sandbox.providers.fred_series import RELEASE_NAMES, SERIES, ST_LOUIS, MadeSeries
from crypto_assets.sandbox.venues.exchange import Asked, Reply

EARLIEST, FOREVER = date(1776, 7, 4), date(9999, 12, 31)
VINTAGES_MOST = 2000
OBSERVATIONS, DATES = 100_000, 10_000  # in a page, where nothing is said, and at most
_AHEAD = timedelta(days=60)  # how far the calendar of releases reaches
_KEY = re.compile(r"[0-9a-z]{32}")
_PAGE = "Read https://fred.stlouisfed.org/docs/api/api_key.html for more information."
_HEAD = '<?xml version="1.0" encoding="utf-8" ?>\n'
_TITLES = {
    400: "Bad Request.",
    404: "Not Found.",
    429: "Too Many Requests.  Exceeded Rate Limit",
    503: "Service Unavailable.",
}


class _RefusedError(CryptoAssetsError):
    """A request that FRED does not answer; the problem is in its words."""


class Fred:
    """The provider."""

    venue = "fred"
    hosts = ("api.stlouisfed.org",)
    used_weight_header = None

    def answer(self, asked: Asked) -> Reply | None:
        """Series, their observations, vintages and releases."""
        made = _PATHS.get(asked.path)
        if made is None:
            return Reply(None, asked.clock(), 404, text=_error(404, _TITLES[404]), content_type="text/xml")
        try:
            _refuse_key(asked.query.get("api_key"))
            return Reply(None, asked.clock(), text=_HEAD + made(asked), content_type="text/xml")
        except _RefusedError as error:
            return _refusal(f"Bad Request.  {error.problem}", asked.clock())

    def error(self, status: int) -> object:
        """<error code="…" message="…"/>."""
        return _error(status, _TITLES.get(status, "Error."))

    def bad_parameter(self, name: str, now_ms: int) -> Reply:
        """400."""
        return _refusal(f"Bad Request.  Variable {name} is not an integer.", now_ms)


def _observations(asked: Asked) -> str:
    series = _series(asked)
    start, end = _real_time(asked, _today(asked))
    since, until = _day(asked, "observation_start", EARLIEST), _day(asked, "observation_end", FOREVER)
    kind = asked.number("output_type", 1)
    if kind not in {1, 4}:
        raise _RefusedError("The sandbox serves output_type 1 and 4.")
    vintages = series.vintage_dates(asked.seed, _moment(asked))
    spanned = sum(start <= day <= end for day in vintages)
    if spanned > VINTAGES_MOST:
        raise _RefusedError(
            f"There are {spanned} vintage dates in the specified real-time period: {start} to {end}."
            f"  This exceeds the maximum number of vintage dates allowed ({VINTAGES_MOST})."
        )
    rows: list[Mapping[str, object]] = []
    periods: set[date] = set()
    for row in series.rows(asked.seed, _moment(asked), since, until):
        is_later = row.period in periods
        periods.add(row.period)
        if row.start > end or row.end < start or (kind == 4 and (is_later or row.start < start)):
            continue
        span = {"realtime_start": max(row.start, start), "realtime_end": min(row.end, end)}
        rows.append({**span, "date": row.period, "value": row.value})
    head = {
        "realtime_start": start, "realtime_end": end, "observation_start": since, "observation_end": until,
        "units": "lin", "output_type": kind, "file_type": "xml", "order_by": "observation_date", "sort_order": "asc",
    }  # fmt: skip
    return _list(asked, "observations", head, [_tag("observation", row) for row in rows], OBSERVATIONS)


def _vintage_dates(asked: Asked) -> str:
    series = _series(asked)
    start, end = _real_time(asked, None)
    days = [day for day in series.vintage_dates(asked.seed, _moment(asked)) if start <= day <= end]
    entries = [f"<vintage_date>{day}</vintage_date>" for day in days]
    head = {"realtime_start": start, "realtime_end": end, "order_by": "vintage_date", "sort_order": "asc"}
    return _list(asked, "vintage_dates", head, entries, DATES)


def _described(asked: Asked) -> str:
    series, now = _series(asked), _moment(asked)
    start, end = _real_time(asked, _today(asked))
    updated = series.last_updated(asked.seed, now)
    hours = f"{updated:%z}"[:3]
    row = {
        "id": series.series_id, "realtime_start": start, "realtime_end": end, "title": series.title,
        "observation_start": series.starts, "observation_end": series.newest_period(asked.seed, now),
        "frequency": series.frequency, "frequency_short": series.frequency[0], "units": series.units,
        "units_short": series.units, "seasonal_adjustment": series.adjustment,
        "seasonal_adjustment_short": "SA" if series.adjustment.startswith("Seasonally") else "NSA",
        "last_updated": f"{updated:%Y-%m-%d %H:%M:%S}{hours}", "popularity": 90,
        "notes": "Made up by a sandbox;\nno value is real & none is official.",
    }  # fmt: skip
    return _wrapped("seriess", {"realtime_start": start, "realtime_end": end}, [_tag("series", row)])


def _release(asked: Asked) -> str:
    series = _series(asked)
    start, end = _real_time(asked, _today(asked))
    span = {"realtime_start": start, "realtime_end": end}
    row = {"id": series.release_id, **span, "name": RELEASE_NAMES[series.release_id], "press_release": "true"}
    return _wrapped("releases", span, [_tag("release", row)])


def _release_dates(asked: Asked) -> str:
    release = asked.number("release_id", -1)
    found = [one for one in SERIES.values() if one.release_id == release]
    if not found:
        raise _RefusedError("The release does not exist.")
    start, end = _real_time(asked, None)
    now = _moment(asked)
    with_none = asked.query.get("include_release_dates_with_no_data", "false") == "true"
    days = {day for one in found for day in one.vintage_dates(asked.seed, now + _AHEAD if with_none else now)}
    entries = [
        f'<release_date release_id="{release}">{day}</release_date>' for day in sorted(days) if start <= day <= end
    ]
    head = {"realtime_start": start, "realtime_end": end, "order_by": "release_date", "sort_order": "asc"}
    return _list(asked, "release_dates", head, entries, DATES)


_PATHS: Mapping[str, Callable[[Asked], str]] = {
    "/fred/series": _described,
    "/fred/series/observations": _observations,
    "/fred/series/vintagedates": _vintage_dates,
    "/fred/series/release": _release,
    "/fred/release/dates": _release_dates,
}


def _refuse_key(key: str | None) -> None:
    if key is None:
        raise _RefusedError(f"Variable api_key is not set.  {_PAGE}")
    if not _KEY.fullmatch(key):
        raise _RefusedError(
            f"The value for variable api_key is not a 32 character alpha-numeric lower-case string.  {_PAGE}"
        )


def _series(asked: Asked) -> MadeSeries:
    wanted = asked.query.get("series_id")
    if wanted is None:
        raise _RefusedError("Variable series_id is not set.")
    if wanted not in SERIES:
        raise _RefusedError("The series does not exist.")
    return SERIES[wanted]


def _real_time(asked: Asked, otherwise: date | None) -> tuple[date, date]:
    """First and last day of real time that were asked for; today's, or all, where nothing is said."""
    start = _day(asked, "realtime_start", otherwise or EARLIEST)
    end = _day(asked, "realtime_end", otherwise or FOREVER)
    if start > end:
        raise _RefusedError("The value for variable realtime_end is before realtime_start.")
    return start, end


def _day(asked: Asked, name: str, otherwise: date) -> date:
    text = asked.query.get(name)
    if text is None:
        return otherwise
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise _RefusedError(f"Variable {name} is not a valid date in the format YYYY-MM-DD.") from None


def _moment(asked: Asked) -> datetime:
    return datetime.fromtimestamp(asked.clock() / 1000, UTC)


def _today(asked: Asked) -> date:
    return _moment(asked).astimezone(ST_LOUIS).date()


def _list(asked: Asked, tag: str, head: Mapping[str, object], entries: Sequence[str], most: int) -> str:
    limit, offset = asked.number("limit", most), asked.number("offset", 0)
    if not 1 <= limit <= most:
        raise _RefusedError(f"The value for variable limit is not between 1 and {most}.")
    page = entries[max(0, offset) : max(0, offset) + limit]
    return _wrapped(tag, {**head, "count": len(entries), "offset": offset, "limit": limit}, page)


def _wrapped(tag: str, head: Mapping[str, object], entries: Sequence[str]) -> str:
    inside = "".join(f"    {entry}\n" for entry in entries)
    return f"<{tag}{_attributes(head)}>\n{inside}</{tag}>\n"


def _tag(name: str, row: Mapping[str, object]) -> str:
    return f"<{name}{_attributes(row)}/>"


def _attributes(row: Mapping[str, object]) -> str:
    return "".join(f" {name}={quoteattr(str(value))}" for name, value in row.items())


def _refusal(message: str, now_ms: int) -> Reply:
    return Reply(None, now_ms, 400, text=_error(400, message), content_type="text/xml")


def _error(status: int, message: str) -> str:
    return f"{_HEAD}<error{_attributes({'code': status, 'message': message})}/>"
