"""Where the running stream answers: a small file that whoever wants to watch it reads.

What belongs here: writing, reading and removing that file. What does not: what is asked there (watch.py) and who asks
(cli/top.py).

The file is `stream.json` in the profile's folder and holds the port on 127.0.0.1 and the process: {"port": 9100, "pid": 4711}.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import psutil

from crypto_assets.settings import Settings

_HIGHEST_PORT = 65_535


class StreamAddress(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Port on 127.0.0.1, and the id of the process that listens there."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        """Where to ask."""
        return f"http://127.0.0.1:{self.port}"


def address_file(settings: Settings) -> Path:
    """The file of a profile, absolute; its folder may not be there yet."""
    return settings.home.absolute() / settings.profile / "stream.json"


def write_address(file: Path, port: int) -> None:
    """Say that this process listens on that port; whole or not at all, in the place of a predecessor's.

    Raises:
        OSError: the file cannot be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    pid = os.getpid()
    whole = file.with_name(f"{file.name}.{pid}")
    whole.write_bytes(msgspec.json.encode(StreamAddress(port, pid)))
    whole.replace(file)


def read_address(file: Path) -> StreamAddress | None:
    """Where the stream answers; None where there is no file, or its process has ended, or it is no such file."""
    try:
        address = msgspec.json.decode(file.read_bytes(), type=StreamAddress)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    is_possible = 0 < address.port <= _HIGHEST_PORT and 0 < address.pid < 2**31
    return address if is_possible and psutil.pid_exists(address.pid) else None


def remove_address(file: Path) -> None:
    """Take back what this process has written; a successor's stays."""
    address = read_address(file)
    if address is not None and address.pid == os.getpid():
        file.unlink(missing_ok=True)
