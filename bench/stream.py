"""`make bench-stream`: the stream against a sandbox: its grid, its speed, faults, kills and recordings, all on 127.0.0.1.

What belongs here: the parts in order, the table, the exit code. What does not: what each part measures: frames a second beside
ccxt.pro (stream_frames.py), the grid (stream_grid.py), faults (stream_faults.py), kills (stream_kills.py, stream_workers.py)
and recorded captures (stream_recorded.py).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence

from rich.console import Console

from bench import stream_faults, stream_frames, stream_grid, stream_kills, stream_recorded, stream_workers
from bench.event_stage import Figure
from bench.events import table_of

PARTS = ("frames", "recorded", "grid", "faults", "kills", "workers")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return 1 where a bound is missed."""
    asked = _parser().parse_args(arguments)
    share = asked.minutes / 10
    parts: dict[str, Callable[[], list[Figure]]] = {
        "recorded": stream_recorded.measure,
        "grid": lambda: stream_grid.measure(asked.minutes, min(asked.minutes, 2)),
        "faults": lambda: stream_faults.measure(asked.minutes),
        "kills": lambda: stream_kills.measure(max(1, round(20 * share))),
        "workers": lambda: stream_workers.measure(max(1, round(20 * share))),
    }
    began, load = time.monotonic(), os.getloadavg()[0]
    wanted = asked.parts or PARTS
    frames_code = stream_frames.main() if "frames" in wanted else 0
    figures: list[Figure] = []
    console = Console(width=170)
    for name in wanted:
        if name in parts:
            found = parts[name]()
            console.print(table_of(found))
            figures += found
    missed = [figure.name.strip() for figure in figures if not figure.holds]
    console.print(
        f"{time.monotonic() - began:.0f} s on {os.cpu_count()} cores, load {load:.1f} at the start."
        f" {'Missed: ' + '; '.join(missed) if missed else 'Every bound of these held.'}",
        highlight=False,
    )
    return int(bool(missed)) or frames_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.stream", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, help="of the grid and of faults; 2 also means fewer kills")
    parser.add_argument(
        "--only", dest="parts", action="append", choices=PARTS, help="this part; may come several times"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
