"""Who executes runs, as it is told: workers of other queues, too few places, and a Redis that does not answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from pydantic import SecretStr

from crypto_assets.latest.connecting import RedisAway, RedisRefused
from crypto_assets.scale_out import workers
from crypto_assets.scale_out.broker import Broker
from crypto_assets.scale_out.workers import (
    CeleryWorker,
    NobodyWorks,
    TooFewPlaces,
    find_workers,
    most_runs_of,
    told_workers,
)
from crypto_assets.settings import Settings, SettingsError
from crypto_assets_tests.scale_out.conftest import PASSWORD

pytest.importorskip("dagster_celery", reason="the extra [celery] is not installed")

BROKER = Broker(SecretStr("redis://:canary@127.0.0.1:6379/1"), "live")
FIRST = CeleryWorker("first@a", 1, 2, ("runs",))
TRAININGS = CeleryWorker("second@a", 0, 1, ("trainings",))


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> list[CeleryWorker]:
    """Those who answer; a test puts them in."""
    found: list[CeleryWorker] = []
    monkeypatch.setattr(workers, "find_workers", lambda _: found)
    return found


def test_a_worker_of_another_queue_does_not_hide_that_nobody_takes_runs(answering: list[CeleryWorker]) -> None:
    with pytest.raises(NobodyWorks, match=r"No worker answers over 127\.0\.0\.1:6379/1: runs stay queued"):
        told_workers(BROKER, 1)
    answering.append(TRAININGS)
    with pytest.raises(NobodyWorks, match="No worker takes runs of the queue 'runs'") as caught:
        told_workers(BROKER, 1)
    assert "`crypto-assets celery-worker` starts one" in caught.value.way_out
    answering.append(FIRST)
    assert told_workers(BROKER, 3) == "2 answer, 1 of 3 runs at work"
    assert told_workers(BROKER, 2) == "2 answer, 1 of 3 runs at work"


@pytest.mark.parametrize("most_runs", [4, 10, -1])
def test_runs_that_are_sent_beyond_all_places_are_told(answering: list[CeleryWorker], most_runs: int) -> None:
    answering += [FIRST, TRAININGS]
    with pytest.raises(TooFewPlaces) as caught:
        told_workers(BROKER, most_runs)
    assert caught.value.problem == (
        f"2 answer, 1 of 3 runs at work, and max_concurrent_runs is {most_runs}:"
        " what is sent beyond 3 waits in Redis and fails there"
    )
    assert "max_concurrent_runs of deploy/celery/dagster.yaml to 3" in caught.value.way_out


def test_how_many_runs_are_sent_stands_in_dagsters_file(tmp_path: Path) -> None:
    assert most_runs_of(Settings(broker_url=BROKER.url).dagster_file) == 10
    file = tmp_path / "dagster.yaml"
    for text in (None, "telemetry: {enabled: false}\n", "concurrency: {runs: {max_concurrent_runs: many}}\n", "- [\n"):
        if text is not None:
            file.write_text(text)
        with pytest.raises(SettingsError, match="does not say how many runs Dagster sends"):
            most_runs_of(file)


def test_a_wrong_password_is_told_by_the_brokers_setting_and_without_it(broker_url: SecretStr) -> None:
    wrong = SecretStr(broker_url.get_secret_value().replace(PASSWORD, "canary"))
    with pytest.raises(RedisRefused) as caught:
        find_workers(Broker(wrong, "live"))
    assert "CRYPTO_ASSETS_BROKER_URL" in caught.value.way_out
    assert "canary" not in str(caught.value)


def test_a_redis_that_takes_connections_and_never_answers_is_away() -> None:
    with _half_a_redis(answers=False) as url, pytest.raises(RedisAway, match="is away"):
        find_workers(Broker(url, "live"), 0.1)


def test_a_redis_that_hangs_after_the_ping_holds_nobody_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_SLACK_SECONDS", 0.7)
    with _half_a_redis(answers=True) as url, pytest.raises(RedisAway, match="has not answered for 1 s"):
        find_workers(Broker(url, "live"), 0.1)


class _Asked:
    """Stands for Celery's control: two workers, and how each question was put."""

    def __init__(self) -> None:
        self.put: list[tuple[str, object, object]] = []
        self._how: dict[str, object] = {}

    def inspect(self, **how: object) -> _Asked:
        self._how = how
        return self

    def _note(self, question: str) -> None:
        self.put.append((question, self._how.get("destination"), self._how.get("limit")))

    def stats(self) -> dict[str, dict[str, dict[str, int]]]:
        self._note("stats")
        return {"b@x": {"pool": {"max-concurrency": 2}}, "a@x": {"pool": {"max-concurrency": 4}}}

    def active(self) -> dict[str, list[str]]:
        self._note("active")
        return {"a@x": ["a run"], "b@x": []}

    def active_queues(self) -> dict[str, list[dict[str, str]]]:
        self._note("active_queues")
        return {"a@x": [{"name": "runs"}], "b@x": [{"name": "trainings"}, {"name": "runs"}]}


def test_once_it_is_known_who_answers_nobody_waits_for_more(broker_url: SecretStr) -> None:
    control = _Asked()
    found = workers._asked(Broker(broker_url, "live"), control, 2.0)  # type: ignore[arg-type]
    assert found == [CeleryWorker("a@x", 1, 4, ("runs",)), CeleryWorker("b@x", 0, 2, ("runs", "trainings"))]
    both = ["b@x", "a@x"]
    assert control.put == [("stats", None, None), ("active", both, 2), ("active_queues", both, 2)]


@contextmanager
def _half_a_redis(*, answers: bool) -> Iterator[SecretStr]:
    """A socket that answers the ping on the connection that comes first, or nothing at all."""
    ended, taken = threading.Event(), list[socket.socket]()
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:

        def take() -> None:
            with suppress(OSError):  # it is closed at the end
                while not ended.is_set():
                    taken.append(listening.accept()[0])
                    if answers and len(taken) == 1:
                        _pong(taken[0])

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        port = listening.getsockname()[1]
        try:
            yield SecretStr(f"redis://:canary@127.0.0.1:{port}/1")
        finally:
            ended.set()
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            for one in taken:
                one.close()
            thread.join()


def _pong(connection: socket.socket) -> None:
    """OK to every command; a client that sees PONG asks nothing more."""
    text = b""
    while b"PING" not in text:
        part = connection.recv(4096)
        text += part
        commands = part.count(b"\r\n$") and sum(line.startswith(b"*") for line in part.split(b"\r\n"))
        connection.sendall(b"+OK\r\n" * (commands - (b"PING" in part)))
    connection.sendall(b"+PONG\r\n")
