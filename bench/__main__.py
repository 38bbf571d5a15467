"""`make bench`: every measurement after the other; exit code 1 where a bound is missed."""

from __future__ import annotations

import sys

from bench import collect, crash, warehouse


def main() -> int:
    """Run all benches and return the exit code."""
    missed = [
        name for name, bench in (("warehouse", warehouse), ("collect", collect), ("crash", crash)) if bench.main()
    ]
    sys.stdout.write(f"\nmissed: {', '.join(missed)}\n" if missed else "\nevery bound held\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
