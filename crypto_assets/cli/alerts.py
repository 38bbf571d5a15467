"""`crypto-assets alerts`: try the addresses, list what is wrong, keep quiet about some of it.

What belongs here: options and tables. What does not: what an alert is and how it is told (alerts/).
"""

from __future__ import annotations

import getpass
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from crypto_assets.cli.console import OUT, table
from crypto_assets.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

_MOST_HOURS = 24 * 31

alerts_app = typer.Typer(no_args_is_help=True, help="Tell people what is wrong: try it, list it, silence it.")
_COLORS = {"critical": "red", "warning": "yellow", "notice": "cyan"}


@alerts_app.command("test")
def test(context: typer.Context) -> None:
    """Send a message to each address of CRYPTO_ASSETS_ALERT_URLS; exit code 1 where one does not take it.

    Example: crypto-assets alerts test
    """
    from crypto_assets.alerts.post import AlertPost, Message

    settings: Settings = context.obj
    post = AlertPost(settings.alert_urls, settings.ui_address, settings.profile)
    addresses = post.addresses()
    if not addresses:
        OUT.print("No address is set: CRYPTO_ASSETS_ALERT_URLS names none. docs/alerts.md has examples.")
        raise typer.Exit(1)
    message = Message(
        f"{post.sender}: this is a test",
        f"Alerts of profile {settings.profile} come to this address.\n\nWay out: nothing is to be done.\n{post.ui}",
    )
    shown = table("Alert addresses", "address", "outcome")
    is_well = True
    for address in addresses:
        delivery = address.send(message)
        is_well = is_well and delivery.is_taken
        outcome = "[green]taken[/]" if delivery.is_taken else f"[red]not taken:[/] {escape(delivery.why)}"
        shown.add_row(escape(delivery.address), outcome)
    OUT.print(shown)
    raise typer.Exit(0 if is_well else 1)


@alerts_app.command("list")
def list_(
    context: typer.Context,
    all_: Annotated[bool, typer.Option("--all", help="Those that are over, too; they are kept for a month.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print it for machines.")] = False,
) -> None:
    """List what is wrong now, and whether it was told.

    Example: crypto-assets alerts list --all
    """
    from crypto_assets.alerts.memory import remembered
    from crypto_assets.cli.environment import Environment

    settings: Settings = context.obj
    with Environment(settings) as environment:
        found = remembered(environment.warehouse, with_over=all_)
    if json_:
        columns = [name for name in found.columns if name not in {"claimed_at", "taken_by"}]
        sys.stdout.write(found[columns].to_json(orient="records", date_format="iso", indent=2) + "\n")
        return
    if found.empty:
        OUT.print("Nothing is wrong that anybody looks for." if not all_ else "No alert is remembered.")
        return
    OUT.print(_table(found))


@alerts_app.command("silence")
def silence(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help="As failed_check; `alerts list` shows them.")],
    subject: Annotated[str, typer.Argument(metavar="[SUBJECT]", help="One of it; default: every one.")] = "",
    hours: Annotated[float, typer.Option(min=0.0, max=_MOST_HOURS, help="For so long; 0 ends a silence.")] = 8,
) -> None:
    """Tell nobody of a kind of alert, or of one subject of it, for a while; it is remembered all the same.

    Example: crypto-assets alerts silence failed_check "market/ohlcv newest_bar_is_recent" --hours 4
    """
    from crypto_assets.alerts.alert import kind_of
    from crypto_assets.alerts.memory import silence as keep_quiet
    from crypto_assets.cli.environment import Environment

    settings: Settings = context.obj
    chosen, until = kind_of(kind), datetime.now(UTC) + timedelta(hours=hours)
    with Environment(settings) as environment:
        keep_quiet(environment.warehouse, chosen, subject, until, getpass.getuser())
    what = f"{chosen.name} {escape(subject)}".strip()
    OUT.print(f"Nobody is told of {what} until {until:%Y-%m-%d %H:%M} UTC." if hours else f"{what} is told again.")


def _table(found: pd.DataFrame) -> object:
    shown = table("Alerts", "kind", "subject", "what", "since (UTC)", "state", "told")
    for row in found.to_dict("records"):
        color = _COLORS[row["severity"]]
        failures = f", {row['failed_deliveries']} failed" if row["failed_deliveries"] else ""
        shown.add_row(
            f"[{color}]{row['kind']}[/]",
            escape(row["subject"]),
            escape(row["title"]),
            f"{row['first_at']:%Y-%m-%d %H:%M}",
            row["state"],
            f"{row['times_told']} times{failures}",
        )
    return shown
