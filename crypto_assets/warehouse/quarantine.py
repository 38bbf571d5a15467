"""Rows that were refused: quality.quarantine, with what came and why it was refused.

What belongs here: making any payload storable, and storing it once. What does not: deciding what is refused (clients).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from hashlib import sha256

import numpy as np
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name
from psycopg2.extras import execute_values

MAX_PAYLOAD_BYTES = 64 * 1024
_MAX_DEPTH = 50
_LARGEST_EXACT = 10**30  # whole numbers above are kept as text; readers of JSON round long before
_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")

_KEEP = """
INSERT INTO quality.quarantine AS q (dataset, venue, symbol, timeframe, reason, payload, payload_hash, occurrences)
VALUES %s
ON CONFLICT (dataset, venue, symbol, timeframe, payload_hash)
DO UPDATE SET occurrences = q.occurrences + excluded.occurrences, last_seen_at = now()
"""

type Json = str | int | float | bool | list[Json] | dict[str, Json] | None


@dataclass(frozen=True)
class Refused:
    """A row or body that was refused.

    Args:
        reason: Which rule it broke.
        payload: What came: a row, a mapping, text, bytes.
    """

    reason: str
    payload: object


def quarantine(
    connection: Connection, *, dataset: str, venue: str, symbol: str, timeframe: str, items: Sequence[Refused]
) -> int:
    """Keep what was refused. The same payload for the same reason is kept once, and counted.

    Payloads above 64 kB are cut and say how large they were.

    Returns:
        How many items were received, the repeated ones counted, too.
    """
    counted: dict[str, tuple[str, str, int]] = {}
    for item in items:
        reason, payload = _storable_text(item.reason), payload_json(item.payload)
        mark = sha256(f"{reason}\0{payload}".encode()).hexdigest()
        counted[mark] = (reason, payload, counted.get(mark, ("", "", 0))[2] + 1)
    rows = [
        (dataset, venue, symbol, timeframe, reason, payload, mark, occurrences)
        # In one order everywhere, so that two writers of the same rows wait for each other instead of dead-locking.
        for mark, (reason, payload, occurrences) in sorted(counted.items())
    ]
    if rows:
        with connection.cursor() as cursor:
            execute_values(cursor, _KEEP, rows)
    return len(items)


def payload_json(payload: object) -> str:
    """Any object as JSON that PostgreSQL's jsonb takes, at most 64 kB. Pure.

    What JSON has no word for becomes text: NaN and infinities, bytes, NUL, lone surrogates, decimals, times, others.
    """
    text = json.dumps(_storable(payload, _MAX_DEPTH), ensure_ascii=False, sort_keys=True)
    size = len(text.encode())
    if size <= MAX_PAYLOAD_BYTES:
        return text
    # A quote or backslash doubles when the cut text is written as JSON again.
    kept = text.encode()[: MAX_PAYLOAD_BYTES // 2 - 100].decode(errors="ignore")
    return json.dumps({"cut": kept, "original_bytes": size}, ensure_ascii=False)


def _storable(value: object, depth: int) -> Json:
    if depth == 0:
        return "nested too deeply"
    if isinstance(value, Mapping):
        return {_storable_text(str(name)): _storable(item, depth - 1) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return [_storable(item, depth - 1) for item in value]
    return _storable_scalar(value.item() if isinstance(value, np.generic) else value)


def _storable_scalar(value: object) -> Json:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < _LARGEST_EXACT else hex(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return _storable_text(bytes(value).decode(errors="backslashreplace"))
    if isinstance(value, date):
        return value.isoformat()
    return _storable_text(str(value) if isinstance(value, str | Decimal) else repr(value))


def _storable_text(text: str) -> str:
    return _NOT_STORABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
