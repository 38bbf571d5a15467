"""Frames of a WebSocket server, as bytes ready for the socket (RFC 6455 section 5.2; a server masks nothing).

What belongs here: opcodes and headers. What does not: reading a client's frames, which aiohttp does, and what is inside.
"""

from __future__ import annotations

from typing import Literal

type Opcode = Literal[1, 2, 8, 9, 10]
TEXT: Opcode = 1
BINARY: Opcode = 2
CLOSE: Opcode = 8
PING: Opcode = 9
PONG: Opcode = 10
GOING_AWAY = 1001
SERVICE_RESTART = 1012


def frame(opcode: Opcode, payload: bytes) -> bytes:
    """One whole frame. Pure."""
    size = len(payload)
    first = 0x80 | opcode
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65_536:
        return bytes((first, 126, size >> 8, size & 255)) + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """The frame that begins or answers a clean end. Pure."""
    return frame(CLOSE, code.to_bytes(2, "big") + reason.encode())
