"""What listens, listens on this machine alone: seen in the kernel's own table of sockets, not in what we say of ourselves."""

from __future__ import annotations

import ipaddress
import socket

import psutil

from crypto_assets.sandbox.config import SandboxConfig
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.warehouse.server import ServerAddress


def _listening(ports: set[int]) -> dict[int, set[str]]:
    """Addresses on which anybody listens at these ports."""
    found: dict[int, set[str]] = {}
    for one in psutil.net_connections("tcp"):
        if one.status == psutil.CONN_LISTEN and one.laddr.port in ports:
            found.setdefault(one.laddr.port, set()).add(one.laddr.ip)
    return found


def test_the_database_and_the_sandbox_listen_on_this_machine_alone(server: ServerAddress) -> None:
    with SandboxProcess(SandboxConfig()) as sandbox:
        port = int(sandbox.url.rpartition(":")[2])
        found = _listening({server.port, port})
    assert found.keys() == {server.port, port}
    assert all(ipaddress.ip_address(one).is_loopback for addresses in found.values() for one in addresses)


def test_the_table_of_sockets_would_show_more() -> None:
    with socket.socket() as wide:
        wide.bind(("0.0.0.0", 0))  # noqa: S104 - to see that it is seen
        wide.listen()
        assert _listening({wide.getsockname()[1]}) == {wide.getsockname()[1]: {"0.0.0.0"}}  # noqa: S104
