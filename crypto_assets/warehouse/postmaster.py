"""The postmaster of a data folder as a process: found, verified, signalled.

What belongs here: reading postmaster.pid and deciding whether the process it names is that folder's server. What does
not: starting one (server.py). A process whose command line does not hold the data folder is never signalled: process
ids are reused, and a stale file may name anybody.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

PID_FILE = "postmaster.pid"


def postmaster_pid(data: Path) -> int | None:
    """Process id of the live postmaster of that data folder; None where there is none."""
    pid = _noted_pid(data)
    return pid if pid is not None and _serves(pid, data) else None


def interrupt(data: Path) -> int | None:
    """Ask the folder's postmaster for a fast shutdown; its process id, or None where there is none.

    Raises:
        PermissionError: it belongs to another user.
    """
    pid = postmaster_pid(data)
    if pid is None:
        return None
    try:
        os.kill(pid, signal.SIGINT)
    except ProcessLookupError:
        return None
    return pid


def is_running(pid: int, data: Path) -> bool:
    """Whether that process still is the folder's postmaster. A zombie is not: its command line is empty."""
    return _serves(pid, data)


def _noted_pid(data: Path) -> int | None:
    try:
        first = (data / PID_FILE).read_text(encoding="ascii", errors="replace").splitlines()[0]
        pid = int(first)
    except (FileNotFoundError, NotADirectoryError, IndexError, ValueError):
        return None
    return pid if pid > 1 else None


def _serves(pid: int, data: Path) -> bool:
    arguments = _command_line(pid)
    return any(flag == "-D" and value == str(data) for flag, value in pairwise(arguments))


def _command_line(pid: int) -> list[str]:
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="surrogateescape").split("\0")
        except (FileNotFoundError, ProcessLookupError):
            return []
    answer = subprocess.run(  # noqa: S603 - fixed program, the id is a number
        ["/bin/ps", "-ww", "-p", str(pid), "-o", "command="], capture_output=True, text=True, check=False, timeout=30
    )
    # ps joins arguments by blanks; -D stands before the first option of ours, so what is between them is the folder.
    _, _, rest = answer.stdout.strip().partition(" -D ")
    return ["-D", rest.partition(" -p ")[0]] if rest else []
