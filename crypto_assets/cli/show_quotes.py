"""`crypto-assets show quotes`: the newest best prices of each market that is followed.

What belongs here: its options, and the table and JSON of it. What does not: reading quotes
(datasets/market/book_ticker_snapshots/read.py), and the live table of a running stream (top.py).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from crypto_assets.cli.show import AsJson, opened, print_json, show_app

if TYPE_CHECKING:
    import pandas as pd


@show_app.command()
def quotes(
    context: typer.Context,
    venue: Annotated[str, typer.Option(help="Exchange, by its ccxt id; default: all that are followed.")] = "",
    minutes: Annotated[float, typer.Option(min=0.1, max=10_080, help="How far back a newest one may lie.")] = 60,
    json_: AsJson = False,
) -> None:
    """Show the newest best bid and ask of each market that the stream follows.

    Example: crypto-assets show quotes --venue mexc
    """
    from crypto_assets.cli.show_stored import NothingStored
    from crypto_assets.cli.show_text import json_text, records
    from crypto_assets.datasets.market.book_ticker_snapshots.read import newest

    now = datetime.now(UTC)
    with opened(context.obj) as (warehouse, _):
        frame = newest(warehouse, venue or None, since=now - timedelta(minutes=minutes))
    if frame.empty:
        of = f" of {venue}" if venue else ""
        raise NothingStored(
            f"No quote{of} of the last {minutes:g} minutes is stored",
            way_out="`crypto-assets stream` stores them; --minutes looks further back.",
        )
    if json_:
        print_json(json_text({"asked_at": now, "quotes": records(frame)}))
    else:
        print_quotes(frame, now)


def print_quotes(frame: pd.DataFrame, now: datetime) -> None:
    """A row a market; those that are marked stale are dim."""
    from rich.markup import escape

    from crypto_assets.cli.console import OUT, table
    from crypto_assets.cli.show_text import age_text, number_text

    shown = table(
        f"Newest quotes at {now:%Y-%m-%d %H:%M:%S} UTC",
        "venue", "market", ">bid", ">ask", ">spread %", ">age", "stale",
    )  # fmt: skip
    for row in frame.to_dict("records"):
        age = now - row["snapshot_at"].to_pydatetime() + timedelta(milliseconds=int(row["age_ms"]))
        shown.add_row(
            escape(row["venue"]),
            escape(row["symbol"]),
            number_text(row["bid_price"]),
            number_text(row["ask_price"]),
            f"{row['spread_pct']:.4f}",
            age_text(max(age, timedelta())),
            "[yellow]stale[/]" if row["is_stale"] else "",
            style="dim" if row["is_stale"] else None,
        )
    OUT.print(shown)
