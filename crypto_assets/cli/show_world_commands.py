"""`crypto-assets show macro|onchain|fees|news|mood`: options and help with an example.

What belongs here: that. What does not: reading and rendering (show_world.py), and markets and pools (show.py).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from crypto_assets.cli.show import AsJson, opened, print_json, show_app

At = Annotated[str, typer.Option(help="What was known at this time, as 2026-01-31T12:00; default: now.")]


@show_app.command()
def macro(
    context: typer.Context,
    series: Annotated[list[str] | None, typer.Argument(help="As CPIAUCSL; default: all.")] = None,
    at: At = "",
    json_: AsJson = False,
) -> None:
    """Show the newest value of economic series as it was known at a time, before later revisions.

    Example: crypto-assets show macro CPIAUCSL UNRATE --at 2026-01-31T12:00
    """
    from crypto_assets.cli.show_world import frame_json, print_macro, read_macro

    moment = _moment(at)
    with opened(context.obj) as (warehouse, _):
        frame = read_macro(warehouse, tuple(series or ()), moment)
    if json_:
        print_json(frame_json("series", frame))
    else:
        print_macro(frame, moment)


@show_app.command()
def onchain(
    context: typer.Context,
    asset: Annotated[list[str] | None, typer.Argument(help="As BTC; default: all.")] = None,
    at: At = "",
    json_: AsJson = False,
) -> None:
    """Show the newest daily metrics of chains that were known at a time.

    Example: crypto-assets show onchain BTC
    """
    from crypto_assets.cli.show_world import frame_json, print_onchain, read_onchain

    moment = _moment(at)
    with opened(context.obj) as (warehouse, _):
        frame = read_onchain(warehouse, tuple(asset or ()), moment)
    if json_:
        print_json(frame_json("metrics", frame))
    else:
        print_onchain(frame)


@show_app.command()
def fees(context: typer.Context, at: At = "", json_: AsJson = False) -> None:
    """Show what a transaction costs on each chain, by the newest sample.

    Example: crypto-assets show fees
    """
    from crypto_assets.cli.show_text import json_text
    from crypto_assets.cli.show_world import print_fees, read_fees

    moment = _moment(at)
    with opened(context.obj) as (warehouse, _):
        samples = read_fees(warehouse, moment)
    if json_:
        print_json(json_text({"chains": samples}))
    else:
        print_fees(samples, moment)


@show_app.command()
def news(
    context: typer.Context,
    asset: Annotated[list[str] | None, typer.Option(help="As BTC; may be given several times.")] = None,
    hours: Annotated[float, typer.Option(min=0.1, max=8760, help="How far back.")] = 24,
    last: Annotated[int, typer.Option(min=1, max=1000, help="How many headlines.")] = 20,
    json_: AsJson = False,
) -> None:
    """Show the newest headlines, which coins they name and what they sound like.

    Example: crypto-assets show news --asset BTC --hours 24
    """
    from crypto_assets.cli.show_world import frame_json, print_news, read_news

    with opened(context.obj) as (warehouse, _):
        frame = read_news(warehouse, tuple(asset or ()), hours, last)
    if json_:
        print_json(frame_json("news", frame))
    else:
        print_news(frame)


@show_app.command()
def mood(
    context: typer.Context,
    days: Annotated[int, typer.Option(min=1, max=5000, help="How many days.")] = 60,
    json_: AsJson = False,
) -> None:
    """Show the Fear & Greed index as a line.

    Example: crypto-assets show mood --days 60
    """
    from crypto_assets.cli.show_world import frame_json, print_mood, read_mood

    with opened(context.obj) as (warehouse, _):
        frame = read_mood(warehouse, days)
    if json_:
        print_json(frame_json("mood", frame))
    else:
        print_mood(frame)


def _moment(at: str) -> datetime:
    from crypto_assets.universe import parse_moment

    return parse_moment(at, "--at") or datetime.now(UTC)
