"""The notebook and the page about the client do what they show.

With CRYPTO_ASSETS_TESTS_RENEW_NOTEBOOK=1 the notebook is given the outputs of the run.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import structlog
from pydantic import SecretStr

from crypto_assets.client import Client, History, LatestQuote
from crypto_assets.latest.asking import LatestReader
from crypto_assets.latest.telling import LatestValues, Teller
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.client import notebook
from crypto_assets_tests.client.world import fill
from crypto_assets_tests.latest.making import one_of_each, quote
from crypto_assets_tests.latest.redis_server import PATIENCE, RedisServer

DOCS = Path(__file__).parents[2] / "docs"
NOTEBOOK = DOCS / "notebooks" / "client.ipynb"
PAGE = DOCS / "client.md"


@pytest.fixture(scope="module")
def filled(shared_warehouse: Warehouse) -> Warehouse:
    fill(shared_warehouse)
    return shared_warehouse


@pytest.fixture
def environment(filled: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    for name in ("CRYPTO_ASSETS_REDIS_URL", "REDIS_URL", "CRYPTO_ASSETS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CRYPTO_ASSETS_WAREHOUSE_URL", filled.url.get_secret_value())
    with structlog.testing.capture_logs():
        yield monkeypatch


@pytest.mark.usefixtures("environment")
def test_every_cell_of_the_notebook_runs_and_prints_what_stands_there() -> None:
    shown = notebook.load(NOTEBOOK)
    done = notebook.run(shown)
    if os.environ.get("CRYPTO_ASSETS_TESTS_RENEW_NOTEBOOK"):
        notebook.save(NOTEBOOK, done)
    assert [cell.get("outputs") for cell in shown["cells"]] == [cell.get("outputs") for cell in done["cells"]]
    assert len([cell for cell in done["cells"] if cell.get("outputs")]) == 9


def test_a_cell_that_fails_fails_the_run() -> None:
    cell = {"cell_type": "code", "source": ["x = 1\n", "assert x == 2"], "outputs": [], "metadata": {}}
    with pytest.raises(AssertionError):
        notebook.run({"nbformat": 4, "cells": [cell]})


def test_every_example_of_the_page_runs(environment: pytest.MonkeyPatch, redis: RedisServer) -> None:
    environment.setenv("REDIS_URL", redis.url.get_secret_value())
    with LatestValues(redis.url, "live").telling() as tell:
        tell.put([*one_of_each(), quote("ETH/USDT")])
    namespace: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    for number, block in enumerate(blocks, 1):
        exec(compile(block, f"example {number}", "exec"), namespace)  # noqa: S102 - our own page
    assert len(blocks) >= 5


def test_the_users_of_redis_that_the_page_makes_can_do_their_part_and_no_more(mortal_redis: RedisServer) -> None:
    lines = re.findall(r"^ACL SETUSER .*$", PAGE.read_text(), re.M)
    with closing(mortal_redis.direct()) as owner:
        for line in lines:
            owner.execute_command(*line.replace(">…", ">test").split())
    collector, desk = (
        SecretStr(mortal_redis.url.get_secret_value().replace("//", f"//{name}:test@"))
        for name in ("collector", "desk")
    )
    with LatestReader(desk, "live") as reader:
        with reader.listening(LatestQuote) as heard, LatestValues(collector, "live").telling() as tell:
            assert heard.next(0.2) == []
            tell.put([quote(bid="7")])
            assert [value.bid_price for value in heard.next(PATIENCE)] == ["7"]
        held = reader.get(LatestQuote, "mexc", "BTC/USDT")
    assert held is not None
    hostile = Teller(desk, "live")
    hostile.put([quote(bid="9", at=held.at_us + 1)])
    while not hostile.counters.failures:
        time.sleep(0.01)
    hostile.close()
    with LatestReader(desk, "live") as reader:
        assert reader.get(LatestQuote, "mexc", "BTC/USDT") == held


def test_the_page_names_every_method() -> None:
    page = PAGE.read_text()
    methods = [name for kind in (Client, History) for name in vars(kind) if not name.startswith("_")]
    assert len(methods) > 25
    assert [name for name in methods if f"{name}" not in page] == []


def test_the_page_tells_keys_and_lives_as_they_are() -> None:
    page = PAGE.read_text()
    for value in one_of_each():
        parts = ":".join(f"<{part}>" for part in value.parts)
        assert f"`crypto_assets:<profile>:{value.kind}:{parts}`" in page
