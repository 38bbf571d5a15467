"""The command in a process of its own, without its imports: forked from a server that has done them once.

What belongs here: that. What does not: assertions. Imports take three to eight seconds; thirty commands would pay them.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from crypto_assets.cli.console import NOTICES, OUT
from crypto_assets.cli.main import main

PRELOADED = [
    "crypto_assets_tests.cli.forked",
    "crypto_assets.cli.main",
    "crypto_assets.cli.collect",
    "crypto_assets.cli.collect_pools",
    "crypto_assets.cli.demo",
    "crypto_assets.cli.features",
    "crypto_assets.cli.quality",
    "crypto_assets.datasets.features.ml_features.report",
    "crypto_assets.quality.scan",
    "ccxt",
]


def run_forked(
    environment: Mapping[str, str], arguments: Sequence[str], *, seconds: float = 180
) -> subprocess.CompletedProcess[str]:
    """Run `crypto-assets ARGUMENTS` to its end."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("out", "err")]
        process = context.Process(target=_run, args=(dict(environment), list(arguments), *map(str, files)))
        process.start()
        process.join(seconds)
        if process.is_alive():
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(list(arguments), seconds)
        out, err = (file.read_text() for file in files)
    return subprocess.CompletedProcess(list(arguments), process.exitcode or 0, out, err)


def _run(environment: dict[str, str], arguments: list[str], out: str, err: str) -> None:
    os.environ.update(environment)
    for path, number in ((out, 1), (err, 2)):
        target = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.dup2(target, number)
        os.close(target)
    OUT.width = NOTICES.width = int(environment["COLUMNS"])  # a console takes its width when it is made
    sys.argv = ["crypto-assets", *arguments]
    try:
        main()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
