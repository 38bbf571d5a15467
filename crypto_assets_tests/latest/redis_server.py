"""A real Redis for tests: on a free port of 127.0.0.1, without persistence, ended by its process.

What belongs here: starting, killing and ending it, and connections past the code under test. What does not: assertions.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from pydantic import SecretStr
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from crypto_assets.warehouse.server_address import free_port

PROGRAM = shutil.which("redis-server")
PATIENCE = 20.0
PASSWORD = "canary:of@redis/1"  # noqa: S105 - of a test; every character here means something in an address
_QUOTED = "canary%3Aof%40redis%2F1"


class RedisServer:
    """One that can be killed and started again on the same port. Making it starts nothing."""

    def __init__(self, *, password: bool = False) -> None:
        self.port = free_port()
        self._options = ["--requirepass", PASSWORD] if password else []
        self._process: subprocess.Popen[bytes] | None = None
        self.url = SecretStr(f"redis://{f':{_QUOTED}@' if password else ''}127.0.0.1:{self.port}/0")

    def start(self) -> None:
        assert PROGRAM is not None
        self._process = subprocess.Popen(
            [PROGRAM, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", *self._options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until = time.monotonic() + PATIENCE
        while not self._answers():
            assert time.monotonic() < until, "redis-server did not answer"
            assert self._process.poll() is None, "redis-server ended"
            time.sleep(0.01)

    def kill(self) -> None:
        """As a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)

    def direct(self) -> Redis:
        """A connection past the code under test; the caller closes it."""
        client: Redis = Redis.from_url(self.url.get_secret_value())
        return client

    def keys(self) -> list[str]:
        with closing(self.direct()) as client:
            found = client.keys("*")
        assert isinstance(found, list)
        return sorted(key.decode() for key in found)

    def _answers(self) -> bool:
        with closing(self.direct()) as client:
            try:
                return bool(client.ping())
            except RedisConnectionError:
                return False


@contextmanager
def running(server: RedisServer) -> Iterator[RedisServer]:
    server.start()
    try:
        yield server
    finally:
        server.kill()


def _needed() -> None:
    if PROGRAM is None:
        pytest.skip("no redis-server on the path: apt-get install redis-server")


@pytest.fixture(scope="session")
def redis_of_all() -> Iterator[RedisServer]:
    _needed()
    with running(RedisServer()) as server:
        yield server


@pytest.fixture
def redis(redis_of_all: RedisServer) -> RedisServer:
    """The session's, empty."""
    with closing(redis_of_all.direct()) as client:
        client.flushall()
    return redis_of_all


@pytest.fixture
def mortal_redis() -> Iterator[RedisServer]:
    """One of the test's own, to be killed."""
    _needed()
    with running(RedisServer()) as server:
        yield server


@pytest.fixture
def locked_redis() -> Iterator[RedisServer]:
    """One that wants a password."""
    _needed()
    with running(RedisServer(password=True)) as server:
        yield server
