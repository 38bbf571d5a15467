"""Lines of JSON that machines read: whole, in one shape, with the id of the run or command, also from threads."""

import json
import logging
import math
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, datetime

import pytest
import structlog
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from crypto_assets.cli.console import complain, log_command
from crypto_assets.logs import always, bind_origin, bound_origin, configure_logs, is_json, release_origin
from crypto_assets.origin import NOBODY, Origin, origin_of_run, partition_of

ORIGIN = Origin("0d9a5c7e-run", "schedule bars_every_hour", "2026-03-10T12:00 kraken")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Put structlog and the root logger back."""
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.configure(**before)
    root.handlers = handlers
    logging.captureWarnings(False)
    root.setLevel(level)
    release_origin()


def _lines(capfd: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    out, err = capfd.readouterr()
    assert out == ""
    # What is JSON to Python alone is none: NaN and the infinities.
    return [json.loads(line, parse_constant=pytest.fail) for line in err.splitlines()]


def test_a_line_of_json_has_time_level_event_logger_and_origin(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logs("INFO", "json")
    bind_origin(ORIGIN, "2026-03-01|kraken")
    log = structlog.get_logger("crypto_assets.clients.transport")
    log.debug("nobody sees it")
    log.warning("throttled", venue="kraken", at=datetime(2026, 3, 10, tzinfo=UTC), wait=1.5)
    release_origin()
    log.info("later")
    first, second = _lines(capfd)
    moment = datetime.fromisoformat(str(first.pop("time")))
    assert moment.utcoffset() is not None
    assert first == {
        "event": "throttled", "level": "warning", "logger": "crypto_assets.clients.transport", "venue": "kraken",
        "at": "2026-03-10 00:00:00+00:00", "wait": 1.5, "correlation_id": ORIGIN.run_id, "triggered_by": ORIGIN.triggered_by,
        "request": ORIGIN.request, "partition": "2026-03-01|kraken",
    }  # fmt: skip
    assert "correlation_id" not in second


def test_errors_and_lines_of_other_libraries_are_json_too(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logs("WARNING", "json")
    bind_origin(ORIGIN)
    try:
        int("two\nlines")
    except ValueError:
        structlog.get_logger("a").exception("it broke")
    logging.getLogger("asyncio").error("a task %s", "ended")
    logging.getLogger("aiohttp.access").info("nobody sees it")
    complain("No such table", "See the list.")
    warnings.warn("old\nhabits", DeprecationWarning, stacklevel=1)
    broke, foreign, complaint, warned = _lines(capfd)
    assert "old\nhabits" in str(warned["event"])
    assert "ValueError: invalid literal" in str(broke["exception"])
    assert (foreign["event"], foreign["logger"], foreign["level"]) == ("a task ended", "asyncio", "error")
    assert (complaint["event"], complaint["way_out"], complaint["level"]) == ("No such table", "See the list.", "error")
    assert {one["correlation_id"] for one in (broke, foreign, complaint)} == {ORIGIN.run_id}


def test_threads_of_a_command_and_those_that_carry_their_context_have_the_id(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logs("INFO", "json")
    bind_origin(ORIGIN)
    log = structlog.get_logger("a")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(log.info, "without").result()
        pool.submit(copy_context().run, log.info, "with").result()
    configure_logs("INFO", "json", more=[always(Origin("command-1"))])
    release_origin()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(structlog.get_logger("a").info, "of a command").result()
    assert [one.get("correlation_id") for one in _lines(capfd)] == [None, ORIGIN.run_id, "command-1"]


def test_a_command_has_an_id_of_its_own_or_its_parents(capfd: pytest.CaptureFixture[str]) -> None:
    log_command("INFO", "json", None, "status")
    own = bound_origin()
    assert own.run_id.startswith("command-")
    assert (own.triggered_by, own.request) == ("command line", "status")
    structlog.get_logger("a").info("x")
    log_command("INFO", "json", ORIGIN.to_json(), "stream")
    assert bound_origin() == ORIGIN
    structlog.get_logger("a").info("x")
    assert [one["correlation_id"] for one in _lines(capfd)] == [own.run_id, ORIGIN.run_id]


def test_people_get_words(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logs("INFO")
    assert not is_json()
    structlog.get_logger("a.b").info("all is well", rows=3)
    out, err = capfd.readouterr()
    assert out == ""
    assert "all is well" in err
    assert "rows=3" in err
    assert not err.startswith("{")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(event="", value=math.nan)
@given(event=st.text(max_size=50), value=st.text(max_size=50) | st.binary(max_size=8) | st.floats() | st.none())
def test_whatever_is_logged_is_one_line_that_parses(
    capfd: pytest.CaptureFixture[str], event: str, value: object
) -> None:
    configure_logs("INFO", "json")
    structlog.get_logger("a").info(event, value=value, nested=[value])
    [line] = _lines(capfd)
    assert line["event"] == event


def test_keys_that_are_no_text_are_one_line_that_parses(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logs("INFO", "json")
    structlog.get_logger("a").info(
        "counted", rows={("gate", "BTC/USDT"): 3}, days={datetime(2026, 3, 1, tzinfo=UTC): 1}
    )
    [line] = _lines(capfd)
    assert (line["event"], line["rows"]) == ("counted", "{('gate', 'BTC/USDT'): 3}")


@pytest.mark.parametrize(
    ("tags", "origin"),
    [
        ({"dagster/schedule_name": "a", "dagster/run_key": "k", "dagster/partition": "p"}, ("schedule a", "k")),
        ({"dagster/sensor_name": "b", "dagster/partition": "p"}, ("sensor b", "p")),
        ({"dagster/sensor_name": "c", "dagster/from_automation_condition": "true"}, ("automation c", "")),
        (
            {"dagster/backfill": "abc", "dagster/asset_partition_range_start": "1", "dagster/asset_partition_range_end": "3"},
            ("backfill abc", "1...3"),
        ),
        ({"crypto_assets/started_by": "command line", "dagster/partition": "p"}, ("command line", "p")),
        ({"user": "ann"}, ("user ann", "")),
        ({}, ("by hand", "")),
    ],
    ids=["schedule", "sensor", "automation", "backfill", "command", "user", "nobody"],
)  # fmt: skip
def test_tags_of_a_run_tell_what_asked_for_it(tags: dict[str, str], origin: tuple[str, str]) -> None:
    assert origin_of_run("run", tags) == Origin("run", *origin)


def test_an_origin_travels_to_a_child_and_nonsense_is_nobody() -> None:
    assert Origin.from_json(ORIGIN.to_json()) == ORIGIN
    for text in (None, "", "nonsense", "[1]", "{}"):
        assert Origin.from_json(text) == NOBODY
    assert partition_of({"dagster/asset_partition_range_start": "1", "dagster/asset_partition_range_end": "1"}) == "1"
