"""`make bench-pools`: a day of two hundred pools on one budget, and a million trades written, all on 127.0.0.1.

What belongs here: the parts in order, the table, the exit code. What does not: what each part measures (pool_day.py,
pool_write.py).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence

from rich.console import Console

from bench import pool_day, pool_write
from bench.event_stage import Figure
from bench.events import table_of

PARTS = ("write", "day")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return 1 where a bound is missed."""
    asked = _parser().parse_args(arguments)
    parts: dict[str, Callable[[], list[Figure]]] = {
        "write": pool_write.measure,
        "day": lambda: pool_day.measure(asked.hours),
    }
    began, load = time.monotonic(), os.getloadavg()[0]
    figures = [figure for name in asked.parts or PARTS for figure in parts[name]()]
    console = Console(width=170)
    console.print(table_of(figures))
    missed = [figure.name for figure in figures if not figure.holds]
    console.print(
        f"{time.monotonic() - began:.0f} s on {os.cpu_count()} cores, load {load:.1f} at the start."
        f" {'Missed: ' + '; '.join(missed) if missed else 'Every bound held.'}",
        highlight=False,
    )
    return int(bool(missed))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.pools", description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=24, help="how long the simulated day is")
    parser.add_argument(
        "--only", dest="parts", action="append", choices=PARTS, help="this part; may come several times"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
