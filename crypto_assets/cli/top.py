"""`crypto-assets top`: what a running stream sees now, as a table that renews itself.

What belongs here: finding the stream, asking it, showing. What does not: what it answers (stream/watch.py, stream/board.py).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from crypto_assets.errors import CryptoAssetsError

if TYPE_CHECKING:  # --help answers at once
    import httpx
    from rich.console import Group
    from rich.text import Text

    from crypto_assets.settings import Settings
    from crypto_assets.stream.board import Board

_EVERY_SECONDS = 1.0
_LONGEST_ANSWER_SECONDS = 3.0
_LARGEST_ANSWER = 32_000_000  # bytes; ten thousand markets are three million
_LONGEST_NAME = 40


class StreamNotRunning(CryptoAssetsError):
    """No stream answers."""


class StreamUrlRefused(CryptoAssetsError):
    """An address that is not on this machine: what is shown would be a stranger's."""


def top(
    context: typer.Context,
    url: Annotated[str, typer.Option(help="As http://127.0.0.1:9100; default: the profile's stream.")] = "",
    once: Annotated[bool, typer.Option("--once", help="Print the table once and end.")] = False,
) -> None:
    """Watch the running stream: quotes, ages, spreads and open opportunities, renewed every second until Ctrl-C.

    Example: crypto-assets top --once
    """
    watch(context.obj, url, once=once)


def watch(settings: Settings, url: str, *, once: bool) -> None:
    """Show the table once, or until the user ends it.

    Raises:
        StreamNotRunning: no stream answers, the first time that it is asked.
        StreamUrlRefused: see `loopback_url`.
    """
    import httpx

    from crypto_assets.cli.console import OUT

    with httpx.Client(timeout=_LONGEST_ANSWER_SECONDS, trust_env=False) as client:
        board = ask(client, find(settings, url))
        if once or not OUT.is_terminal:
            OUT.print(render(board, _now()))
            return
        try:
            _renew(client, settings, url, board)
        except KeyboardInterrupt:
            return  # as everybody ends it


def _renew(client: httpx.Client, settings: Settings, url: str, board: Board) -> None:
    """Show the table again every second; where the stream is away, the last one with a word on why."""
    from rich.live import Live

    from crypto_assets.cli.console import OUT

    with Live(render(board, _now()), console=OUT, screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(_EVERY_SECONDS)
            trouble = ""
            try:
                board = ask(client, find(settings, url))  # found anew: another process may have taken over
            except StreamNotRunning as error:
                trouble = error.problem
            live.update(render(board, _now(), trouble), refresh=True)


def find(settings: Settings, url: str) -> str:
    """Where to ask: the address given, else the one that the profile's stream has left.

    Raises:
        StreamNotRunning: there is none.
        StreamUrlRefused: see `loopback_url`.
    """
    from crypto_assets.stream.address import address_file, read_address

    if url:
        return loopback_url(url)
    address = read_address(address_file(settings))
    if address is None:
        raise StreamNotRunning(
            f"No stream is running in profile '{settings.profile}'", way_out="`crypto-assets stream` starts one."
        )
    return address.url


def loopback_url(url: str) -> str:
    """The address in the form http://127.0.0.1:PORT. Pure.

    Raises:
        StreamUrlRefused: it names another machine, or more than host and port.
    """
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = None
    is_bare = parts.path in {"", "/"} and not (parts.query or parts.fragment or parts.username or parts.password)
    if parts.scheme != "http" or parts.hostname not in {"127.0.0.1", "localhost"} or not port or not is_bare:
        raise StreamUrlRefused(
            f"Expected http://127.0.0.1:PORT as the stream's address, and got '{url[:80]}'",
            way_out="Leave --url out to find the stream of the profile.",
        )
    return f"http://127.0.0.1:{port}"


def ask(client: httpx.Client, url: str) -> Board:
    """The standings of the stream at that address.

    Raises:
        StreamNotRunning: it does not answer, not yet, or something else does.
    """
    import httpx
    import msgspec

    from crypto_assets.stream.board import Board
    from crypto_assets.watchlist_file import printable

    try:
        with client.stream("GET", f"{url}/standings") as response:
            body = bytearray()
            for part in response.iter_bytes():
                body += part
                if len(body) > _LARGEST_ANSWER:
                    raise StreamNotRunning(f"What answers at {url} is no stream: its answer is too long")
    except httpx.HTTPError as error:
        raise StreamNotRunning(
            f"No stream answers at {url} ({type(error).__name__})", way_out="`crypto-assets stream` starts one."
        ) from None
    if response.status_code != httpx.codes.OK:
        said = printable(body[:200].decode(errors="replace").strip())
        raise StreamNotRunning(f"The stream at {url} has nothing to show: {said}", way_out="Try again in a moment.")
    try:
        return msgspec.json.decode(body, type=Board)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise StreamNotRunning(
            f"What answers at {url} is no stream of this version", way_out="End it, then start `crypto-assets stream`."
        ) from None


def render(board: Board, now: int, trouble: str = "") -> Group:
    """Tables of quotes and of open opportunities, and how old they are. Pure.

    Args:
        now: Microseconds since 1970, UTC.
        trouble: Why they could not be renewed.
    """
    from rich.console import Group
    from rich.text import Text

    from crypto_assets.cli.console import table

    age = max(0.0, (now - board.at) / 1_000_000)
    stale = sum(row.is_stale for row in board.markets)
    told = f"{_moment(board.at)} UTC, {age:.1f} s ago: {len(board.markets)} markets, {stale} stale, {len(board.absent)} absent"
    quotes = table("Quotes", "symbol", "venue", ">bid", ">quantity", ">ask", ">quantity", ">spread %", ">age s", "")
    for row in sorted(board.markets, key=lambda one: (one.symbol, one.venue)):
        cells = (row.symbol, row.venue, row.bid, row.bid_quantity, row.ask, row.ask_quantity)
        quotes.add_row(
            *map(_plain, cells), f"{row.spread_pct:.4f}", f"{row.age_ms / 1000:.1f}", "stale" if row.is_stale else "",
            style="dim" if row.is_stale else "",
        )  # fmt: skip
    for venue, symbol in sorted(board.absent, key=lambda one: one[::-1]):
        quotes.add_row(_plain(symbol), _plain(venue), "", "", "", "", "", "", "no quote yet", style="dim")
    gaps = table(
        "Open opportunities", "symbol", "buy at", ">ask", "sell at", ">bid", ">net %", ">size", ">profit", ">since s"
    )
    for gap in board.opportunities:
        route = (gap.symbol, gap.buy_venue, gap.buy_price, gap.sell_venue, gap.sell_price)
        gaps.add_row(
            *map(_plain, route),
            f"{gap.net_pct:.4f}",
            _plain(gap.size_base),
            f"{gap.profit_quote:.2f}",
            str(gap.seconds),
        )
    if not board.opportunities:
        gaps.add_row("none", *[""] * 8, style="dim")
    lines = [Text(told), *([Text(trouble, style="yellow")] if trouble else [])]
    return Group(*lines, gaps, quotes)  # opportunities first: a long list of quotes ends below the screen


def _plain(text: str) -> Text:
    """A stranger's text for the screen: no markup, hidden characters escaped, not long."""
    from rich.text import Text

    from crypto_assets.watchlist_file import printable

    return Text(printable(text)[:_LONGEST_NAME])


def _now() -> int:
    return time.time_ns() // 1000


def _moment(at: int) -> str:
    from datetime import UTC, datetime, timedelta

    return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at):%Y-%m-%d %H:%M:%S}"
