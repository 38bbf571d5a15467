"""The sandbox's FRED: its words of refusal, real-time spans as FRED cuts them, and series that could be real."""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from datetime import UTC, date, datetime, time, timedelta
from xml.etree.ElementTree import Element

import pytest
from defusedxml.ElementTree import fromstring

from crypto_assets.sandbox.faults import Fault
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.sandbox.providers.fred_series import SERIES
from crypto_assets_tests.playing import NOW

KEY = "0123456789abcdef0123456789abcdef"
DAY = timedelta(days=1)


def _ask(process: SandboxProcess, path: str, **params: str) -> tuple[int, Element]:
    query = urllib.parse.urlencode({"api_key": KEY} | params)
    try:
        with urllib.request.urlopen(f"{process.url}/api.stlouisfed.org/fred/{path}?{query}", timeout=20) as answer:
            assert answer.headers.get_content_type() == "text/xml"
            return answer.status, fromstring(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, fromstring(error.read())


def _get(process: SandboxProcess, path: str, **params: str) -> Element:
    status, root = _ask(process, path, **params)
    assert status == 200, root.attrib
    return root


def _said(process: SandboxProcess, path: str, **params: str) -> str:
    status, root = _ask(process, path, **params)
    assert (status, root.tag, root.get("code")) == (400, "error", "400")
    return root.get("message", "")


@pytest.mark.parametrize("key", ["short", "A" * 32, "0123456789abcdef0123456789abcde!", ""])
def test_a_key_is_32_lower_case_letters_and_digits(sandbox: SandboxProcess, key: str) -> None:
    assert "is not a 32 character alpha-numeric lower-case string" in _said(
        sandbox, "series", series_id="UNRATE", api_key=key
    )


def test_without_a_key_nothing_is_said_but_where_to_get_one(sandbox: SandboxProcess) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{sandbox.url}/api.stlouisfed.org/fred/series?series_id=UNRATE", timeout=20)
    assert refused.value.code == 400
    assert "Variable api_key is not set" in (fromstring(refused.value.read()).get("message") or "")


def test_refusals_are_in_freds_words(sandbox: SandboxProcess) -> None:
    assert _said(sandbox, "series", series_id="NOSUCH") == "Bad Request.  The series does not exist."
    assert "realtime_start is not a valid date" in _said(
        sandbox, "series/observations", series_id="UNRATE", realtime_start="2026-02-30"
    )
    assert "not between 1 and 100000" in _said(sandbox, "series/observations", series_id="UNRATE", limit="100001")
    many = _said(
        sandbox, "series/observations", series_id="DGS10", realtime_start="1776-07-04", realtime_end="9999-12-31"
    )
    assert "exceeds the maximum number of vintage dates allowed (2000)" in many
    assert _ask(sandbox, "nothing")[0] == 404


def test_too_many_requests_are_refused_in_xml(sandbox: SandboxProcess) -> None:
    sandbox.set_faults([Fault(kind="throttled", venue="fred")])
    status, root = _ask(sandbox, "series", series_id="UNRATE")
    assert (status, root.tag, root.get("code")) == (429, "error", "429")


def test_spans_of_real_time_are_cut_to_those_asked_for(sandbox: SandboxProcess) -> None:
    whole = _get(
        sandbox, "series/observations", series_id="CPIAUCSL", realtime_start="1776-07-04", realtime_end="9999-12-31",
        observation_start="2025-09-01", observation_end="2025-09-01",
    )  # fmt: skip
    rows = [dict(row.attrib) for row in whole]
    assert len(rows) == 3, "a first release and two revisions"
    middle = date.fromisoformat(rows[1]["realtime_start"])
    start, end = (middle - 3 * DAY).isoformat(), (middle + 2 * DAY).isoformat()
    cut = _get(
        sandbox, "series/observations", series_id="CPIAUCSL", realtime_start=start, realtime_end=end,
        observation_start="2025-09-01", observation_end="2025-09-01",
    )  # fmt: skip
    assert [(row.get("realtime_start"), row.get("realtime_end"), row.get("value")) for row in cut] == [
        (start, (middle - DAY).isoformat(), rows[0]["value"]),
        (middle.isoformat(), end, rows[1]["value"]),
    ]
    assert [row["realtime_end"] for row in rows][-1] == "9999-12-31"


def test_where_nothing_is_said_today_is_real_time_and_the_newest_values_come(sandbox: SandboxProcess) -> None:
    root = _get(sandbox, "series/observations", series_id="UNRATE")
    assert {row.get("realtime_start") for row in root} == {"2026-03-10"}
    assert len({row.get("date") for row in root}) == len(root) == int(root.get("count") or 0)


def test_initial_releases_are_each_periods_first_vintage(sandbox: SandboxProcess) -> None:
    span = {"realtime_start": "1776-07-04", "realtime_end": "9999-12-31"}
    first = _get(sandbox, "series/observations", series_id="UNRATE", output_type="4", **span)
    found: dict[str, str] = {}
    for row in _get(sandbox, "series/observations", series_id="UNRATE", **span):
        found.setdefault(row.attrib["date"], row.attrib["value"])
    assert {row.attrib["date"]: row.attrib["value"] for row in first} == found


def test_lists_come_in_pages(sandbox: SandboxProcess) -> None:
    whole = [day.text for day in _get(sandbox, "series/vintagedates", series_id="UNRATE")]
    pages = [
        _get(sandbox, "series/vintagedates", series_id="UNRATE", limit="50", offset=str(offset))
        for offset in range(0, len(whole) + 50, 50)
    ]
    assert [day.text for page in pages for day in page] == whole
    assert {page.get("count") for page in pages} == {str(len(whole))}


def test_a_release_is_in_fred_from_its_hour_on(sandbox: SandboxProcess) -> None:
    """The clock stands at 08:00 in New York on a day of which VIX's value comes at 09:40 and the jobless rate's is old."""
    days = [day.text for day in _get(sandbox, "series/vintagedates", series_id="VIXCLS")]
    assert days[-1] == "2026-03-09"
    noon = datetime(2026, 3, 10, 16, tzinfo=UTC)
    assert SERIES["VIXCLS"].vintage_dates(7, noon)[-1] == date(2026, 3, 10)


def test_the_calendar_reaches_ahead_only_where_releases_without_data_are_asked_for(sandbox: SandboxProcess) -> None:
    release = _get(sandbox, "series/release", series_id="UNRATE")[0]
    assert (release.get("id"), release.get("name")) == ("50", "Employment Situation")
    past = [day.text for day in _get(sandbox, "release/dates", release_id="50")]
    all_ = [
        day.text for day in _get(sandbox, "release/dates", release_id="50", include_release_dates_with_no_data="true")
    ]
    assert past == all_[: len(past)]
    assert past[-1] is not None
    assert past[-1] <= NOW.date().isoformat()
    assert [day for day in all_ if day and day > NOW.date().isoformat()]


def test_a_series_says_when_it_was_last_updated(sandbox: SandboxProcess) -> None:
    one = _get(sandbox, "series", series_id="CPIAUCSL")[0]
    last = _get(sandbox, "series/vintagedates", series_id="CPIAUCSL")[-1].text
    assert (one.get("frequency_short"), one.get("id")) == ("M", "CPIAUCSL")
    assert one.get("last_updated") == f"{last} 07:31:00-06"


@pytest.mark.parametrize("name", sorted(SERIES))
def test_series_could_be_real(name: str) -> None:
    series = SERIES[name]
    rows = series.rows(7, NOW, date(2015, 1, 1), date(9999, 1, 1))
    firsts = {row.period: row.start for row in reversed(rows)}
    for period, released in firsts.items():
        months = {"Monthly": 1, "Quarterly": 3}.get(series.frequency)
        end = period if months is None else _later(period, months) - DAY
        assert 1 <= (released - end).days <= (7 if months is None else 40)
        assert released.weekday() < 5
    if series.frequency == "Daily":
        assert {row.value for row in rows if (row.period.month, row.period.day) == (12, 25)} == {"."}
        assert all(row.period.weekday() < 5 for row in rows)
    if series.revised:
        assert any(row.end != date(9999, 12, 31) for row in rows)


def test_the_same_seed_makes_the_same_series_whenever_it_is_asked() -> None:
    early, late = datetime(2024, 5, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
    series = SERIES["CPIAUCSL"]
    then = [(row.period, row.start, row.value) for row in series.rows(7, early, series.starts, date(9999, 1, 1))]
    now = [(row.period, row.start, row.value) for row in series.rows(7, late, series.starts, date(9999, 1, 1))]
    assert then == [row for row in now if row[1] <= date(2024, 4, 30)]
    assert then != [
        (row.period, row.start, row.value) for row in series.rows(8, early, series.starts, date(9999, 1, 1))
    ]


def _later(day: date, months: int) -> date:
    year, month = divmod(day.month - 1 + months, 12)
    return datetime.combine(date(day.year + year, month + 1, 1), time(), UTC).date()
