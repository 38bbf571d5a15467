"""Network namespaces as machines: each worker on addresses of its own, joined to the first by a pair of virtual interfaces.

What belongs here: making and removing them, and the relay that carries the ports of the first machine's 127.0.0.1 to the
others', as an ssh tunnel would. What does not: what runs in them.

The addresses are of 198.18.0.0/15, which is set aside for benchmarks. Run as `python -m bench.scale_out_net LISTEN TO PORT…` it
is the relay.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

LOOPBACK = "127.0.0.1"
_IP = shutil.which("ip") or "/usr/sbin/ip"
_CHUNK = 65_536


def can_split() -> str:
    """Why this machine cannot be split; empty where it can."""
    if os.geteuid() != 0:
        return "only root makes network namespaces"
    if shutil.which(_IP) is None:
        return "iproute2 is not installed"
    tried = subprocess.run([_IP, "netns", "add", "ca_bench_try"], capture_output=True, text=True, check=False)
    if tried.returncode:
        return f"ip netns: {tried.stderr.strip()[:80]}"
    _ip("netns", "del", "ca_bench_try")
    return ""


@contextmanager
def machines(count: int, ports: Sequence[int]) -> Iterator[list[str]]:
    """So many namespaces that see these ports of our 127.0.0.1 on theirs; their names."""
    with ExitStack() as stack:
        yield [stack.enter_context(_machine(number, ports)) for number in range(1, count + 1)]


@contextmanager
def _machine(number: int, ports: Sequence[int]) -> Iterator[str]:
    name, near, far = f"ca_bench_{number}", f"ca_near{number}", f"ca_far{number}"
    ours, theirs = (f"198.18.{number}.{host}" for host in (1, 2))
    _ip("netns", "add", name)
    with ExitStack() as stack:
        stack.callback(_ip, "netns", "del", name)
        _ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
        stack.callback(_gone, near)
        _ip("addr", "add", f"{ours}/30", "dev", near)
        _ip("link", "set", near, "up")
        _ip("-n", name, "addr", "add", f"{theirs}/30", "dev", far)
        for link in ("lo", far):
            _ip("-n", name, "link", "set", link, "up")
        stack.enter_context(_relay([], ours, LOOPBACK, ports))
        stack.enter_context(_relay(inside(name), LOOPBACK, ours, ports))
        yield name


def inside(name: str) -> list[str]:
    """What a command begins with to run in that namespace; nothing for an empty name."""
    return [_IP, "netns", "exec", name] if name else []


@contextmanager
def _relay(prefix: Sequence[str], listen: str, to: str, ports: Sequence[int]) -> Iterator[None]:
    command = [*prefix, sys.executable, "-m", "bench.scale_out_net", listen, to, *map(str, ports)]
    checkout = Path(__file__).resolve().parents[1]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True, cwd=checkout) as process:
        try:
            if process.stdout is None or process.stdout.readline() != "listening\n":
                raise RuntimeError(f"no relay on {listen}")
            yield
        finally:
            process.kill()


def _ip(*words: str) -> None:
    subprocess.run([_IP, *words], check=True)


def _gone(link: str) -> None:
    # The kernel removes a pair with the namespace of either end, a moment after its deletion.
    subprocess.run([_IP, "link", "del", link], check=False, stderr=subprocess.DEVNULL)


async def relay(listen: str, to: str, ports: Sequence[int]) -> None:
    """Carry connections until the input ends."""

    def carry(port: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError):  # either side hangs up, as it likes
                other_reader, other_writer = await asyncio.open_connection(to, port)
                await asyncio.gather(_copy(reader, other_writer), _copy(other_reader, writer))

        return accept

    servers = [await asyncio.start_server(carry(port), listen, port) for port in ports]
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    await asyncio.gather(*(server.serve_forever() for server in servers))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


if __name__ == "__main__":
    asyncio.run(relay(sys.argv[1], sys.argv[2], [int(port) for port in sys.argv[3:]]))
