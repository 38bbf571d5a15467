"""FRED: true vintages out of windows that FRED cuts, rows that are refused one by one, and a key that stands nowhere."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from crypto_assets.clients.failures import (
    BreakerOpen,
    Malformed,
    NotListed,
    ProviderError,
    Rejected,
    Throttled,
    Unavailable,
)
from crypto_assets.clients.fred import Fred, secrets_of
from crypto_assets.clients.fred_rows import (
    EARLIEST,
    FOREVER,
    SeriesInfo,
    Vintage,
    Vintages,
    Window,
    parse_xml,
    read_dates,
    read_series,
    read_vintages,
    stitch,
    windows,
)
from crypto_assets.clients.http import Blocked
from crypto_assets.clients.transport import RetryPolicy
from crypto_assets.resources import Keys, Providers
from crypto_assets.sandbox.config import DEFAULT_SEED
from crypto_assets.sandbox.faults import Fault
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.sandbox.providers.fred_series import MISSING, SERIES
from crypto_assets_tests.clients.gecko_answers import Reply, Stub, stub_server
from crypto_assets_tests.playing import HASTE, NOW

CANARY = "canary0123456789abcdef0123456789"
ONE_TRY = RetryPolicy(attempts=1, breaker_failures=99)
DAY = timedelta(days=1)
FIRST = date(2020, 1, 1)
TODAY = date(2026, 3, 10)


def _fred(url: str, key: str = CANARY, *, policy: RetryPolicy = HASTE, most_vintages: int = 2000) -> Fred:
    secret = SecretStr(key)
    http = Providers(Keys(fred=secret), sandbox_url=url, policy=policy).http("fred", 6000, secrets=secrets_of(secret))
    return Fred(http, secret, lambda: NOW, most_vintages=most_vintages)


def _truth(series_id: str, since: date) -> list[Vintage]:
    """What the sandbox's series are made of."""
    return [
        Vintage(
            row.period,
            row.start,
            None if row.end == FOREVER else row.end,
            None if row.value == MISSING else float(row.value),
        )
        for row in SERIES[series_id].rows(DEFAULT_SEED, NOW, since, FOREVER)
    ]


def _row(**changed: str) -> dict[str, str]:
    return {
        "date": "2025-12-01",
        "realtime_start": "2026-01-09",
        "realtime_end": "9999-12-31",
        "value": "4.4",
    } | changed


# -- windows and their seams ------------------------------------------------------------------------------------------


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[date], list[Vintage]]:
    """Vintage dates, and periods each of whose values was first there and changed on some of them."""
    days = sorted(draw(st.sets(st.integers(0, 60), min_size=1, max_size=25)))
    dates = [FIRST + number * DAY for number in days]
    rows: list[Vintage] = []
    for number in range(draw(st.integers(1, 4))):
        changes = sorted(draw(st.sets(st.sampled_from(dates), min_size=1, max_size=6)))
        values = [draw(st.sampled_from([1.0, 2.0, None])) for _ in changes]
        kept = [
            (day, value)
            for i, (day, value) in enumerate(zip(changes, values, strict=True))
            if not i or value != values[i - 1]
        ]
        ends = [day - DAY for day, _ in kept[1:]] + [None]
        rows += [Vintage(FIRST + number * DAY, day, end, value) for (day, value), end in zip(kept, ends, strict=True)]
    return dates, rows


def _cut(rows: Sequence[Vintage], window: Window) -> list[Vintage]:
    """What FRED makes of rows within a window of real time: their spans are cut to it."""
    found = []
    for row in rows:
        start, end = max(row.realtime_start, window.start), min(row.realtime_end or FOREVER, window.end)
        if start <= end:
            found.append(replace(row, realtime_start=start, realtime_end=None if end == FOREVER else end))
    return found


@settings(max_examples=100, deadline=None)
@given(histories(), st.integers(2, 8), st.integers(0, 60))
def test_stitched_windows_equal_one_whole_answer(
    history: tuple[list[date], list[Vintage]], most: int, since: int
) -> None:
    dates, rows = history
    asked = windows(dates, FIRST + since * DAY, most)
    for window in asked:
        assert sum(window.start <= day <= window.end for day in dates) <= most
    found = stitch(asked, [Vintages(_cut(rows, window)) for window in asked])
    first = asked[0].whole_from if asked else FOREVER
    assert list(found.rows) == [row for row in rows if row.realtime_start >= first]
    assert not found.refused
    assert first <= max(FIRST + since * DAY, min((day for day in dates if day >= FIRST + since * DAY), default=FOREVER))


def test_all_vintages_that_fit_into_one_request_are_asked_for_at_once() -> None:
    assert windows([FIRST, FIRST + DAY], FIRST + DAY, 2) == [Window(EARLIEST, FOREVER, EARLIEST)]


def test_what_may_have_begun_in_a_refused_row_is_refused_as_well() -> None:
    """FRED cuts the second window's row to the seam; the row before the seam is unreadable."""
    seam = FIRST + 10 * DAY
    asked = [Window(FIRST - DAY, seam - DAY, FIRST), Window(seam, FOREVER, FIRST)]
    before = read_vintages(
        [_row(date="2019-12-01", realtime_start="2020-01-01", realtime_end="2020-01-10", value="?")], TODAY
    )
    after = Vintages([Vintage(date(2019, 12, 1), seam, None, 1.0), Vintage(date(2019, 12, 1), seam + DAY, None, 2.0)])
    found = stitch(asked, [before, after])
    assert [row.value for row in found.rows] == [2.0]
    assert [one.reason.split(":")[0] for one in found.refused] == [
        "unreadable",
        "may have begun in a row that was refused",
    ]
    assert [row.value for row in stitch(asked, [Vintages([]), after]).rows] == [1.0, 2.0]


# -- rows -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed",
    [
        {"value": "NaN"}, {"value": "inf"}, {"value": "1e400"}, {"value": "9e99"}, {"value": ""}, {"value": "4,4"},
        {"date": "2025-13-01"}, {"date": "20251201"}, {"date": "0001-01-01"}, {"date": "2999-01-01"}, {"date": ""},
        {"realtime_start": "2026-03-12"}, {"realtime_start": "1700-01-01"}, {"realtime_end": "2026-01-08"},
        {"realtime_end": "x"}, {"value": "٤"},
    ],
)  # fmt: skip
def test_a_bad_row_is_refused_with_its_payload_and_its_neighbours_stand(changed: dict[str, str]) -> None:
    good = [_row(date="2025-11-01"), _row(date="2026-01-01", value=".")]
    found = read_vintages([good[0], _row(**changed), good[1]], TODAY)
    assert [(row.period_on, row.value) for row in found.rows] == [(date(2025, 11, 1), 4.4), (date(2026, 1, 1), None)]
    assert [one.payload for one in found.refused] == [_row(**changed)]


def test_a_row_without_a_field_is_refused() -> None:
    row = _row()
    del row["value"]
    assert len(read_vintages([row], TODAY).refused) == 1


def test_the_same_row_twice_is_one_and_two_values_of_one_vintage_are_none() -> None:
    assert len(read_vintages([_row(), _row()], TODAY).rows) == 1
    odd = read_vintages([_row(), _row(value="4.5"), _row(date="2025-11-01")], TODAY)
    assert [row.period_on for row in odd.rows] == [date(2025, 11, 1)]
    assert len(odd.refused) == 2


@pytest.mark.parametrize(
    "text",
    [
        "", "<html>", "<observations count='1'>", "{}", "<other/>",
        '<!DOCTYPE a [<!ENTITY b "c">]><observations count="0">&b;</observations>',
    ],
)  # fmt: skip
def test_what_is_no_such_xml_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        parse_xml(text, "observations")


def test_an_unreadable_vintage_date_spoils_the_list_for_windows_would_be_wrong() -> None:
    root = parse_xml(
        "<vintage_dates><vintage_date>2026-01-09</vintage_date><vintage_date>?</vintage_date></vintage_dates>"
    )
    with pytest.raises(Malformed):
        read_dates(root)


@pytest.mark.parametrize(
    "changed",
    [{"id": "OTHER"}, {"last_updated": "soon"}, {"last_updated": "2026-03-12 07:54:01-05"}, {"frequency_short": "X"}],
)
def test_a_description_that_cannot_be_is_malformed(changed: dict[str, str]) -> None:
    sound = {
        "id": "GDP", "title": "Gross\nDomestic Product", "units": "Billions", "frequency_short": "Q",
        "last_updated": "2024-10-30 07:54:01-05",
    }  # fmt: skip
    updated = datetime(2024, 10, 30, 12, 54, 1, tzinfo=UTC)
    assert read_series(sound, "GDP", NOW) == SeriesInfo(
        "GDP", "Gross Domestic Product", "Billions", "quarterly", "", updated
    )
    with pytest.raises(Malformed):
        read_series(sound | changed, "GDP", NOW)


# -- over HTTP --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("most", "requests"), [(2000, 1), (50, 4)])
def test_every_vintage_of_a_monthly_series_comes_as_it_truly_was(
    sandbox: SandboxProcess, most: int, requests: int
) -> None:
    before = sandbox.requests().get("fred /fred/series/observations", 0)
    fred = _fred(sandbox.url, most_vintages=most)
    found = fred.vintages("CPIAUCSL", date(2010, 1, 1))
    assert list(found.rows) == _truth("CPIAUCSL", date(2010, 1, 1))
    assert sandbox.requests()["fred /fred/series/observations"] - before == requests
    fred.close()


def test_a_daily_series_with_more_vintages_than_fred_gives_at_once(sandbox: SandboxProcess) -> None:
    fred = _fred(sandbox.url)
    days = fred.vintage_dates("DGS10")
    assert len(days) > 3500
    since = date(2015, 1, 1)  # 2,800 vintages: two windows
    found = fred.vintages("DGS10", since)
    assert list(found.rows) == _truth("DGS10", since)
    assert any(row.value is None for row in found.rows), "holidays"
    with pytest.raises(Rejected, match="3643 vintage dates"):
        fred.library.get_series_all_releases("DGS10")
    fred.close()


def test_fredapis_own_methods_run_through_the_same_provider(sandbox: SandboxProcess) -> None:
    fred = _fred(sandbox.url)
    frame = fred.library.get_series_all_releases("UNRATE")
    found = fred.vintages("UNRATE", date(2010, 1, 1)).rows
    assert [(row.period_on, row.realtime_start, row.value) for row in found] == [
        (date_.date(), start.date(), value)
        for date_, start, value in zip(frame["date"], frame["realtime_start"], frame["value"], strict=True)
    ]
    fred.close()


def test_series_release_and_calendar(sandbox: SandboxProcess) -> None:
    fred = _fred(sandbox.url)
    info = fred.series("UNRATE")
    assert (info.frequency, info.unit, info.last_updated_at) == (
        "monthly",
        "Percent",
        datetime(2026, 3, 6, 13, 31, tzinfo=UTC),
    )
    release = fred.release("UNRATE")
    calendar = fred.release_dates(release.release_id)
    assert {row.realtime_start for row in fred.vintages("UNRATE", date(2010, 1, 1)).rows} <= calendar
    assert max(calendar) > NOW.date()
    fred.close()


# -- failures, and the key --------------------------------------------------------------------------------------------


@pytest.fixture
def stub() -> Iterator[Stub]:
    with stub_server("/api.stlouisfed.org/") as stub:
        yield stub


def _no_canary(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, error: BaseException | None
) -> None:
    out, err = capfd.readouterr()
    chain = [repr(vars(error)), *traceback.format_exception(error)] if error is not None else []
    while error is not None:
        chain += [repr(error), str(error)]
        error = error.__cause__ or error.__context__
    said = "".join((out, err, caplog.text, *chain))
    assert CANARY not in said


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(kind="throttled", retry_after="0"), Throttled),
        (Fault(kind="throttled", as_json=False), Throttled),
        (Fault(kind="unavailable"), Unavailable),
        (Fault(kind="html_200"), Malformed),
        (Fault(kind="truncated_json"), Malformed),
        (Fault(kind="dropped"), Unavailable),
    ],
    ids=lambda value: getattr(value, "kind", getattr(value, "__name__", "")),
)
def test_each_failure_has_its_class_and_no_key(
    sandbox: SandboxProcess, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, fault: Fault,
    expected: type[ProviderError],
) -> None:  # fmt: skip
    caplog.set_level("DEBUG")
    sandbox.set_faults([fault])
    fred = _fred(sandbox.url)
    with pytest.raises(expected) as caught:
        fred.vintages("UNRATE", FIRST)
    assert type(caught.value) is expected
    _no_canary(capfd, caplog, caught.value)
    sandbox.clear_faults()
    assert fred.vintages("UNRATE", FIRST).rows
    _no_canary(capfd, caplog, None)
    fred.close()


def test_an_unknown_series_is_not_listed(
    sandbox: SandboxProcess, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    fred = _fred(sandbox.url)
    for ask in (lambda: fred.series("NOSUCH"), lambda: fred.vintages("NOSUCH", FIRST)):
        with pytest.raises(NotListed, match="series does not exist") as caught:
            ask()
        _no_canary(capfd, caplog, caught.value)
    fred.close()


def test_a_bad_key_is_blocked_in_freds_words_which_are_not_asked_for_again(sandbox: SandboxProcess) -> None:
    fred = _fred(sandbox.url, "Not A Key & none")
    before = sandbox.requests().get("fred /fred/series", 0)
    with pytest.raises(Blocked, match="32 character alpha-numeric") as caught:
        fred.series("UNRATE")
    assert "api_key.html" in caught.value.way_out
    assert "Not A Key" not in str(caught.value)
    assert sandbox.requests()["fred /fred/series"] - before == 1
    fred.close()


@pytest.mark.parametrize("status", [200, 400, 403, 502])
def test_an_answer_that_holds_the_address_does_not_spread_the_key(
    stub: Stub, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, status: int
) -> None:
    stub.say(Reply(f"<p>GET /fred/series?api_key={CANARY}</p>".encode(), status))
    with pytest.raises(ProviderError) as caught:
        _fred(stub.url, policy=ONE_TRY).vintage_dates("UNRATE")
    assert stub.asked[0].query["api_key"] == CANARY
    assert CANARY not in str(getattr(caught.value, "payload", ""))
    _no_canary(capfd, caplog, caught.value)


def test_an_error_that_comes_as_an_answer_is_one(stub: Stub) -> None:
    for code, expected in (("429", Throttled), ("500", Unavailable), ("423", Unavailable), ("400", Rejected)):
        stub.say(Reply(f'<error code="{code}" message="No."/>'.encode()))
        with pytest.raises(expected):
            _fred(stub.url, policy=ONE_TRY).series("UNRATE")


def test_entries_that_were_promised_and_do_not_come_are_malformed(stub: Stub) -> None:
    stub.say(Reply(b'<vintage_dates count="3"></vintage_dates>'))
    with pytest.raises(Malformed, match="expected 3 entries"):
        _fred(stub.url, policy=ONE_TRY).vintage_dates("UNRATE")


def test_five_failures_leave_fred_alone(sandbox: SandboxProcess) -> None:
    sandbox.set_faults([Fault(kind="unavailable")])
    fred = _fred(sandbox.url, policy=replace(ONE_TRY, breaker_failures=2))
    for _ in range(2):
        with pytest.raises(Unavailable):
            fred.series("UNRATE")
    with pytest.raises(BreakerOpen):
        fred.series("UNRATE")
    fred.close()
