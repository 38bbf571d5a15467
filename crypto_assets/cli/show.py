"""`crypto-assets show`: trades, order books, tickers and bars of one market, and pools, as they are stored.

What belongs here: options and help with an example. What does not: reading and rendering (show_*.py), and what belongs to no
venue (show_world_commands.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from crypto_assets.cli.console import OUT
from crypto_assets.settings import Settings

if TYPE_CHECKING:
    from crypto_assets.universe import Universe
    from crypto_assets.warehouse.connection import Warehouse

show_app = typer.Typer(
    no_args_is_help=True,
    help="Look at a market's trades, books, tickers and bars; at pools; at economies, chains, fees, news and moods.",
)
Venue = Annotated[str, typer.Argument(help="Exchange, by its ccxt id.")]
Symbol = Annotated[str, typer.Argument(help="Market, as BTC/USDT.")]
Network = Annotated[str, typer.Option(help="Chain, as solana; default: all of the universe.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print it for machines.")]


@show_app.command()
def trades(
    context: typer.Context,
    venue: Venue,
    symbol: Symbol,
    window: Annotated[str, typer.Option(help="Length of a row, as 1min, 15min, 1h.")] = "15min",
    hours: Annotated[float, typer.Option(min=0.01, max=168, help="How far back from the newest.")] = 6,
    last: Annotated[int, typer.Option(min=0, max=1000, help="How many single trades.")] = 10,
    json_: AsJson = False,
) -> None:
    """Show price, volume, taker's side and large trades of the newest hours, and how much of them was collected.

    Example: crypto-assets show trades binance BTC/USDT --window 15min --hours 6
    """
    from crypto_assets.cli.show_trades import print_view, read_view, view_json

    with opened(context.obj) as (warehouse, universe):
        view = read_view(warehouse, universe, (venue, symbol), window, hours, last)
    if json_:
        print_json(view_json(view))
    else:
        print_view(view)


@show_app.command()
def book(
    context: typer.Context,
    venue: Venue,
    symbol: Symbol,
    levels: Annotated[int, typer.Option(min=1, max=400, help="Levels a side.")] = 10,
    at: Annotated[str, typer.Option(help="The newest snapshot before this time, as 2026-01-31T12:00.")] = "",
    json_: AsJson = False,
) -> None:
    """Show the newest order book as a ladder, with spread, depth and imbalance.

    Example: crypto-assets show book binance BTC/USDT --levels 10
    """
    from crypto_assets.cli.show_books import book_json, print_book, read_book
    from crypto_assets.universe import parse_moment

    moment = parse_moment(at, "--at")
    with opened(context.obj) as (warehouse, universe):
        view = read_book(warehouse, universe, (venue, symbol), moment)
    if json_:
        print_json(book_json(view, levels))
    else:
        print_book(view, levels)


@show_app.command()
def ticker(context: typer.Context, venue: Venue, symbol: Symbol, json_: AsJson = False) -> None:
    """Show the newest 24-hour statistics, and the day's prices as a line.

    Example: crypto-assets show ticker binance BTC/USDT
    """
    from crypto_assets.cli.show_books import print_ticker, read_ticker, ticker_json

    with opened(context.obj) as (warehouse, universe):
        view = read_ticker(warehouse, universe, (venue, symbol))
    if json_:
        print_json(ticker_json(view))
    else:
        print_ticker(view)


@show_app.command()
def bars(
    context: typer.Context,
    venue: Venue,
    symbol: Symbol,
    timeframe: Annotated[str, typer.Option(help="Length of bar.")] = "1h",
    last: Annotated[int, typer.Option(min=1, max=1000, help="How many bars.")] = 20,
    json_: AsJson = False,
) -> None:
    """Show the newest bars, what their trades say, and what is absent and why.

    Example: crypto-assets show bars binance BTC/USDT --timeframe 1h --last 20
    """
    from crypto_assets.cli.show_bars import print_view, read_view, view_json

    with opened(context.obj) as (warehouse, universe):
        view = read_view(warehouse, universe, (venue, symbol), timeframe, last)
    if json_:
        print_json(view_json(view))
    else:
        print_view(view)


@show_app.command()
def pools(
    context: typer.Context,
    network: Network = "",
    dex: Annotated[str, typer.Option(help="Only of this DEX, by GeckoTerminal's name, as pumpswap.")] = "",
    at: Annotated[str, typer.Option(help="What was known at this time, as 2026-01-31T12:00; default: now.")] = "",
    dead: Annotated[bool, typer.Option("--dead", help="Only those that are dead.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, the largest reserve first.")] = 20,
    exact: Annotated[bool, typer.Option("--exact", help="Prices with every digit.")] = False,
    json_: AsJson = False,
) -> None:
    """List the pools that are known, or were known at a time, dead ones too.

    Example: crypto-assets show pools --network solana --dex pumpswap --at 2026-11-20T12:00
    """
    from crypto_assets.cli.show_pools import Wanted, pools_json, print_pools, read_pools
    from crypto_assets.universe import parse_moment

    moment = parse_moment(at, "--at")
    with opened(context.obj) as (warehouse, universe):
        view = read_pools(warehouse, universe, Wanted(network, dex, dead), moment)
    if json_:
        print_json(pools_json(view, limit))
    else:
        print_pools(view, limit, exact=exact)


@show_app.command()
def pool(
    context: typer.Context,
    address: Annotated[
        str, typer.Argument(help="Of the pool, or its beginning, or cut in the middle as tables show it.")
    ],
    network: Annotated[str, typer.Option(help="Chain, where several have that address.")] = "",
    trades_: Annotated[int, typer.Option("--trades", min=0, max=1000, help="How many single trades.")] = 0,
    json_: AsJson = False,
) -> None:
    """Show one pool: its life, the newest snapshot with every digit, bars, trades, and its place in the watchlist.

    Example: crypto-assets show pool 7bqJG2ZdMKbEkgSmfuqNVBvqEvWavgL8UEo33ZqdL3NP --trades 10
    """
    from crypto_assets.cli.show_pool import read_view, view_json
    from crypto_assets.cli.show_pool_tables import print_view

    with opened(context.obj) as (warehouse, universe):
        view = read_view(warehouse, universe, address, network, trades_)
    if json_:
        print_json(view_json(view))
    else:
        print_view(view, universe.dex)


@contextmanager
def opened(settings: Settings) -> Iterator[tuple[Warehouse, Universe]]:
    """The profile's warehouse and the universe in force.

    Raises:
        UniverseError: no valid universe is known.
        DatabaseUnreachable: no connection.
    """
    from crypto_assets.cli.environment import Environment
    from crypto_assets.resources import UniverseFile

    with Environment(settings) as environment:
        warehouse = environment.warehouse
        yield warehouse, UniverseFile(settings.universe_file, warehouse).in_force().universe


def print_json(text: str) -> None:
    """Print JSON as it is, whatever the screen's width."""
    OUT.print(text, soft_wrap=True, markup=False, emoji=False)
