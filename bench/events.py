"""`make bench-collect`: a load test of collecting trades, order books and tickers under limits, all on 127.0.0.1.

What belongs here: the parts in order, the table, the exit code. What does not: what each part measures: throughput
(event_speed.py), two processes on one budget (event_pair.py), rounds under faults (event_soak.py), a venue that refuses
everything for minutes (event_blackout.py).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table as Shown

from bench import event_blackout, event_pair, event_soak, event_speed
from bench.event_stage import Figure

PARTS = ("speed", "pair", "soak", "blackout")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return 1 where a bound is missed."""
    asked = _parser().parse_args(arguments)
    parts: dict[str, Callable[[], list[Figure]]] = {
        "speed": event_speed.measure,
        "pair": event_pair.measure,
        "soak": lambda: event_soak.measure(asked.soak_minutes),
        "blackout": lambda: event_blackout.measure(asked.blackout_minutes),
    }
    began, load = time.monotonic(), os.getloadavg()[0]
    figures = [figure for name in asked.parts or PARTS for figure in parts[name]()]
    console = Console(width=170)
    console.print(table_of(figures))
    missed = [figure.name.strip() for figure in figures if not figure.holds]
    console.print(
        f"{time.monotonic() - began:.0f} s on {os.cpu_count()} cores, load {load:.1f} at the start."
        f" {'Missed: ' + '; '.join(missed) if missed else 'Every bound held.'}",
        highlight=False,
    )
    return int(bool(missed))


def table_of(figures: Sequence[Figure]) -> Shown:
    shown = Shown("measured", "value", "bound", "", "told")
    for one in figures:
        bounded = bool(one.bound)
        verdict = "" if not bounded else "kept" if one.holds else "MISSED"
        shown.add_row(one.name, f"{one.value:,.4g} {one.unit}".strip(), one.bound, verdict, one.told)
    return shown


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.events", description=__doc__.splitlines()[0])
    parser.add_argument("--soak-minutes", type=float, default=10, help="how long rounds under faults go on")
    parser.add_argument("--blackout-minutes", type=float, default=5, help="how long the venue refuses everything")
    parser.add_argument(
        "--only", dest="parts", action="append", choices=PARTS, help="this part; may come several times"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
