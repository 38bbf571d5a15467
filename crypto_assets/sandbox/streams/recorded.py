"""Frames of venues' streams as they were once recorded, played back byte for byte.

What belongs here: reading captures. What does not: sending them (session.py).

A capture is a gzipped text below ws/cryptofeed: `<when it came, seconds since 1970>: <frame>` a line. Lines that begin with an
address tell what the recorder connected to and sent; they are left out. Gate's capture holds no best prices; the single
spot.book_ticker frames of ws/msg_frames/gate.jsonl, {"raw": <frame>, …} a line, follow it at once.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from crypto_assets.sandbox.recording_files import RecordingError

FOLDER = Path("ws") / "cryptofeed"
SINGLE_FRAMES = Path("ws") / "msg_frames" / "gate.jsonl"
_FILES = {
    "binance": "BINANCE.ws.1.0.gz",
    "binanceusdm": "BINANCE_FUTURES.ws.1.0.gz",
    "gate": "GATEIO.ws.1.0.gz",
}


@dataclass(frozen=True)
class RecordedFrame:
    """A frame's payload, and when it came, seconds since 1970."""

    at: float
    payload: bytes


class RecordedStreams:
    """The captures of a folder of recordings, by venue; venues without one are silent.

    Raises:
        RecordingError: one cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        paths = {venue: folder / FOLDER / name for venue, name in _FILES.items()}
        captures = {venue: _read(path) for venue, path in paths.items() if path.is_file()}
        if captures.get("gate") and (folder / SINGLE_FRAMES).is_file():
            captures["gate"] += _singles(folder / SINGLE_FRAMES, captures["gate"][-1].at)
        self._captures: Mapping[str, Sequence[RecordedFrame]] = captures

    def frames(self, venue: str) -> Sequence[RecordedFrame] | None:
        """A venue's frames in the order they came; None where none were recorded."""
        return self._captures.get(venue)


def _read(path: Path) -> list[RecordedFrame]:
    try:
        lines = gzip.decompress(path.read_bytes()).splitlines()
    except (OSError, EOFError, zlib.error) as error:
        raise RecordingError(f"Cannot read {path.name}: {error}", way_out="Replace or remove it.") from None
    return [_frame(line, f"{path.name}, line {number}") for number, line in enumerate(lines, 1) if _holds_frame(line)]


def _singles(path: Path, at: float) -> list[RecordedFrame]:
    try:
        raws = [json.loads(line)["raw"] for line in path.read_text(encoding="utf-8").splitlines() if line]
        return [RecordedFrame(at, raw.encode()) for raw in raws if '"channel":"spot.book_ticker"' in raw]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordingError(f"Cannot read {path.name}: {error}", way_out="Replace or remove it.") from None


def _holds_frame(line: bytes) -> bool:
    return bool(line) and not line.startswith((b"ws://", b"wss://"))


def _frame(line: bytes, place: str) -> RecordedFrame:
    at, between, payload = line.partition(b": ")
    try:
        return RecordedFrame(float(at), payload)
    except ValueError:
        pass
    raise RecordingError(
        f"{place} has no time{'' if between else ' and no frame'}", way_out="Write `<seconds>: <frame>`."
    )
