"""A Redis for tests that need one: the extra [celery] and Debian's redis-server, or the test is left out."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

PASSWORD = "canary-of-the-broker"  # noqa: S105 - of a server that ends with the test


@pytest.fixture(scope="session")
def broker_url() -> Iterator[SecretStr]:
    redis = pytest.importorskip("redis", reason="the extra [celery] is not installed")
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed: Debian's package is redis-server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    options = [
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
        "--requirepass",
        PASSWORD,
    ]
    process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
    try:
        url = f"redis://:{PASSWORD}@127.0.0.1:{port}/1"
        ends = time.monotonic() + 30
        while not _answers(redis, url):
            assert time.monotonic() < ends, "redis-server does not answer"
            time.sleep(0.05)
        yield SecretStr(url)
    finally:
        process.terminate()
        process.wait()


def _answers(redis: object, url: str) -> bool:
    try:
        return bool(redis.Redis.from_url(url).ping())  # type: ignore[attr-defined]
    except redis.exceptions.ConnectionError:  # type: ignore[attr-defined]
        return False
