"""Secrets of our own side, planted as canaries: passwords of the database, of Redis, of brokers, addresses of alerts.

A short real life in child processes, well and badly, then everything that it left is searched: words, logs, files, both
databases, and the arguments of every process meanwhile. Providers' keys are looked for in test_keys.py.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil
import psycopg2
import pytest
from psycopg2 import sql

from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.settings import ENV_PREFIX
from crypto_assets.warehouse.server import ServerAddress

ROOT = Path(__file__).parents[1]
SIGN = "canary"
LIFE: Sequence[Sequence[str]] = (
    ("status",),
    ("--debug", "doctor"),
    ("--debug", "backfill", "--from", "2026-03-09", "--to", "2026-03-10", "--venue", "kraken", "--timeframe", "1h"),
    ("alerts", "test"),
    ("export", "bars", "--format", "parquet"),
    ("backup",),
)


@pytest.fixture
def canaries(server: ServerAddress, sandbox: SandboxProcess, tmp_path: Path) -> Iterator[Mapping[str, str]]:
    """The environment of the life: a login with a canary for its password, and canaries in every other secret of ours."""
    name, word = f"canaries_{secrets.token_hex(4)}", f"{SIGN}-database-{secrets.token_hex(8)}"
    owner = psycopg2.connect(server.url("postgres").get_secret_value().replace("+psycopg2", ""))
    owner.autocommit = True
    with owner.cursor() as cursor:
        cursor.execute(
            sql.SQL("CREATE ROLE {} LOGIN SUPERUSER PASSWORD {}").format(sql.Identifier(name), sql.Literal(word))
        )
    home = tmp_path
    told = {
        "HOME": str(home),
        "PROFILE": name,
        "DATABASE_URL": f"postgresql://{name}:{word}@{server.host}:{server.port}/canaries",
        "REDIS_URL": f"redis://:{SIGN}-redis@127.0.0.1:1/0",
        "ALERT_URLS": f"json://someone:{SIGN}-alert@127.0.0.1:1/{SIGN}-path",
        "SANDBOX_URL": sandbox.url,
        "LOG_LEVEL": "DEBUG",
    }
    kept = {key: value for key, value in os.environ.items() if not key.startswith(ENV_PREFIX)}
    yield {**kept, **{ENV_PREFIX + key: value for key, value in told.items()}}
    with owner.cursor() as cursor:
        for database in (f"canaries_{name}", f"canaries_{name}_dagster"):
            cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))
        cursor.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
    owner.close()


def test_no_secret_of_ours_is_left_anywhere(canaries: Mapping[str, str]) -> None:
    with _watched_arguments() as seen:
        said = {" ".join(words): _run(words, canaries) for words in LIFE}
    home = Path(canaries[f"{ENV_PREFIX}HOME"])
    files = {str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*") if path.is_file()}
    assert any(name.endswith("dagster.yaml") for name in files)
    assert "kraken" in said["status"] or "kraken" in said[" ".join(LIFE[2])]
    left = {name: text.encode() for name, text in said.items()} | files | _dumps(canaries)
    left["arguments"] = "\n".join(seen).encode()
    assert "backfill" in "\n".join(seen)
    found = [name for name, content in left.items() if SIGN.encode() + b"-" in content]
    assert found == []


def _run(words: Sequence[str], environment: Mapping[str, str]) -> str:
    command = [sys.executable, "-m", "crypto_assets.cli.main", *words]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    return done.stdout + done.stderr


class _watched_arguments:  # noqa: N801 - read as a with statement
    """The arguments of every process below this one, while it lasts."""

    def __enter__(self) -> set[str]:
        self.seen: set[str] = set()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self.seen

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()

    def _watch(self) -> None:
        here = psutil.Process()
        while not self.over.is_set():
            for one in here.children(recursive=True):
                try:
                    self.seen.add(" ".join(one.cmdline()))
                except psutil.Error:  # it ended meanwhile
                    continue
            time.sleep(0.15)  # a command lives for seconds, and looking takes a processor


def _dumps(environment: Mapping[str, str]) -> dict[str, bytes]:
    """Every row of both databases as text; roles' own passwords lie beside the databases, as hashes."""
    url = environment[f"{ENV_PREFIX}DATABASE_URL"] + "_" + environment[f"{ENV_PREFIX}PROFILE"]
    found = {}
    for name in (url, f"{url}_dagster"):
        with psycopg2.connect(name) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
            )
            told = []
            for schema, table in cursor.fetchall():
                cursor.execute(sql.SQL("SELECT t::text FROM {} AS t").format(sql.Identifier(schema, table)))
                told += [row[0] for row in cursor.fetchall()]
        connection.close()
        found[f"database {len(found)}"] = "\n".join(told).encode()
    return found
