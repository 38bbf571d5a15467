"""What the running stream answers to /metrics, handed on: its port is another one after each start, ours is not.

What belongs here: finding the stream and asking it. What does not: its metrics (stream/metrics.py).
"""

from __future__ import annotations

from pathlib import Path

import httpx

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.stream.address import read_address

_LONGEST_SECONDS = 3.0
_LARGEST_ANSWER = 5_000_000  # bytes; ten thousand markets at a hundred venues are less


class StreamSilent(CryptoAssetsError):
    """No stream answers."""


def read_stream_metrics(stream_file: Path) -> bytes:
    """The stream's metrics as it gives them.

    Args:
        stream_file: Where it says on which port of 127.0.0.1 it answers.

    Raises:
        StreamSilent: none runs, or it does not answer as it should.
    """
    address = read_address(stream_file)
    if address is None:
        raise StreamSilent("No stream is running in this profile", way_out="`crypto-assets stream` starts one.")
    body = bytearray()
    try:
        with (
            httpx.Client(timeout=_LONGEST_SECONDS, trust_env=False) as client,
            client.stream("GET", f"{address.url}/metrics") as answer,
        ):
            answer.raise_for_status()
            for part in answer.iter_bytes():
                body += part
                if len(body) > _LARGEST_ANSWER:
                    raise StreamSilent(f"What answers at {address.url} says too much for a stream")
    except httpx.HTTPError as error:
        raise StreamSilent(f"No stream answers at {address.url} ({type(error).__name__})") from error
    return bytes(body)


__all__ = ["StreamSilent", "read_stream_metrics"]
