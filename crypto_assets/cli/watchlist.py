"""`crypto-assets watchlist`: look at a watchlist and say what is wrong with it, without a database.

What belongs here: options, and the table of rows. What does not: the rules of a row (watchlist_file.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from crypto_assets.cli.console import OUT, table
from crypto_assets.settings import Settings

if TYPE_CHECKING:
    from crypto_assets.watchlist_file import Watchlist

watchlist_app = typer.Typer(no_args_is_help=True, help="Look at and try config/watchlist.csv.")


# Without a callback a group of one command would become that command.
@watchlist_app.callback()
def watchlist() -> None:
    """Look at and try config/watchlist.csv."""


@watchlist_app.command()
def check(
    context: typer.Context, file: Annotated[Path | None, typer.Argument(help="Default: the watchlist in use.")] = None
) -> None:
    """Show the good rows and say by line what is wrong with the others; exit code 1 where one is refused.

    Example: crypto-assets watchlist check config/watchlist.csv
    """
    from crypto_assets.universe import read_universe
    from crypto_assets.watchlist_file import read_watchlist

    settings: Settings = context.obj
    universe, _ = read_universe(settings.universe_file)
    found = read_watchlist(file or settings.watchlist_file, universe)
    print_watchlist(found)
    raise typer.Exit(1 if found.bad else 0)


def print_watchlist(found: Watchlist) -> None:
    """The good rows as a table, a line for each refused one, and how many there are of both."""
    if found.entries:
        shown = table("Watchlist", "network", "type", "address", "symbol", ">min USD", "note")
        for one in found.entries:
            cells = (one.network, one.address_type, one.address, one.symbol, f"{one.min_trade_usd:,f}", one.note)
            # Text is shown as it is: brackets in a note are no markup, colons in an address no emoji.
            shown.add_row(*map(Text, cells))
        OUT.print(shown)
    for bad in found.bad:
        OUT.print(Text(f"line {bad.line}: {bad.problem}"), soft_wrap=True)
    OUT.print(f"{len(found.entries)} rows good, {len(found.bad)} refused")
