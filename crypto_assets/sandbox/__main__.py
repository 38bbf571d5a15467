"""`python -m crypto_assets.sandbox`: the sandbox as a process of its own.

What belongs here: arguments, and ending with the parent. What does not: serving (server.py).
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.sandbox.config import DEFAULT_SEED, SandboxConfig
from crypto_assets.sandbox.faults import load_faults
from crypto_assets.sandbox.server import serve


async def _input_closed() -> None:
    """Done when standard input ends, which it does when the parent ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(1024):
        pass


def main() -> int:
    """Serve until a signal or, if asked, the end of standard input."""
    parser = argparse.ArgumentParser(prog="python -m crypto_assets.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED)
    parser.add_argument("--recordings", type=Path)
    parser.add_argument("--faults", type=Path)
    parser.add_argument("--now")
    parser.add_argument("--more-markets", type=int, default=0)
    parser.add_argument("--end-with-input", action="store_true")
    told = parser.parse_args()
    try:
        faults = load_faults(told.faults) if told.faults else ()
        config = SandboxConfig(told.port, told.seed, told.recordings, told.now, faults, told.more_markets)
        serve(config, ready=_say, until=_input_closed if told.end_with_input else None)
    except CryptoAssetsError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    return 0


def _say(url: str) -> None:
    sys.stdout.write(f"sandbox ready at {url}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
