"""`crypto-assets dashboard`: the web page of what is stored, with /metrics and /healthz.

What belongs here: its options and finding the databases. What does not: what it answers (crypto_assets/dashboard).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from crypto_assets.errors import CryptoAssetsError

if TYPE_CHECKING:  # --help answers at once
    from pydantic import SecretStr

    from crypto_assets.dashboard.answers import Place
    from crypto_assets.settings import Settings

_HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


class HostRefused(CryptoAssetsError):
    """An address or a name that is none."""


def dashboard(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen on; default: 127.0.0.1, this machine alone.")] = "",
    port: Annotated[int, typer.Option(min=-1, max=65535, help="0 picks a free one; default: 3001.")] = -1,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="A name by which it may be asked, as a proxy's; may be given several times."),
    ] = None,
) -> None:
    """Serve the read-only page, /metrics and /healthz until Ctrl-C.

    Example: crypto-assets dashboard --port 3001
    """
    import ipaddress

    from rich.markup import escape

    from crypto_assets.cli.console import NOTICES, OUT
    from crypto_assets.dashboard.serving import serve

    settings: Settings = context.obj
    address, chosen = checked_host(host or settings.dashboard_host), settings.dashboard_port if port < 0 else port
    names = [checked_name(name) for name in allow_host or ()]
    if not ipaddress.ip_address(address).is_loopback:
        NOTICES.print(
            f"[yellow]Listening on {address}: others can read what is stored, for the page has no login.[/]"
            " Put a proxy with one before it."
        )
    with _place(settings) as place:
        serve(place, address, chosen, names=names, ready=lambda url: OUT.print(f"dashboard ready at {escape(url)}"))


def checked_host(host: str) -> str:
    """The address.

    Raises:
        HostRefused: it is none.
    """
    import ipaddress

    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        raise HostRefused(
            f"Expected an address to listen on, and got '{host[:60]}'", way_out="As 127.0.0.1, or 0.0.0.0 for all."
        ) from None


def checked_name(name: str) -> str:
    """The name of a host.

    Raises:
        HostRefused: it is none.
    """
    if not _HOST_NAME.fullmatch(name):
        raise HostRefused(f"Expected the name of a host, and got '{name[:60]}'", way_out="As dashboard.example.org.")
    return name


@contextmanager
def _place(settings: Settings) -> Iterator[Place]:
    """What is looked at. Where the databases are named (by `up`, or by hand), nothing is started and nothing migrated."""
    from crypto_assets.cli.environment import Environment

    if settings.warehouse_url is not None:
        yield _named(settings, settings.warehouse_url, settings.dagster_url)
        return
    with Environment(settings) as environment:
        databases = environment.databases
        if databases is None:
            raise RuntimeError("the environment has no databases")
        yield _named(settings, databases.warehouse, databases.dagster)


def _named(settings: Settings, warehouse: SecretStr, dagster: SecretStr | None) -> Place:
    from crypto_assets.dashboard.answers import Place
    from crypto_assets.dashboard.read_only import ReadOnly
    from crypto_assets.stream.address import address_file

    return Place(
        settings.profile,
        ReadOnly(warehouse),
        ReadOnly(dagster, takes_role=False) if dagster else None,
        settings.sql_folder,
        address_file(settings),
        settings.ui_address,
    )
