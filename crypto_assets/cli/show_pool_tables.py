"""How `crypto-assets show pool` looks: the pool's life, its newest snapshot, what is stored of it, its newest trades.

What belongs here: rendering. What does not: reading (show_pool.py). Names and symbols are strangers' texts: they go through
`plain_text`, never through markup.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

import pandas as pd
from rich.text import Text

from crypto_assets.cli.console import OUT, table
from crypto_assets.cli.show_pool import PoolView
from crypto_assets.cli.show_text import age_text, number_text, plain_text, price_text, short_address, sparkline
from crypto_assets.datasets.dex.pools.lives import DRAINED, UNLISTED
from crypto_assets.datasets.dex.pools.table import WINDOWS
from crypto_assets.universe import DexRules

SHOWN_LOST = 3
_WINDOWED = (
    ("volume USD", "volume_usd"),
    ("buys", "buys"),
    ("sells", "sells"),
    ("buyers", "buyers"),
    ("sellers", "sellers"),
    ("price change %", "price_change_pct"),
)
_EXACT = (
    ("price", "price_usd", "USD"),
    ("price", "price_quote", "quote"),
    ("price of quote", "quote_price_usd", "USD"),
)
_VALUES = (("reserve", "reserve_usd"), ("fully diluted value", "fdv_usd"), ("market capitalisation", "market_cap_usd"))


def print_view(view: PoolView, rules: DexRules) -> None:
    """All of it, one part below the other.

    Args:
        rules: The universe's: what counted as drained.
    """
    now = datetime.now(UTC)
    newest = view.newest or {}
    title = Text.assemble(plain_text(str(newest.get("name") or "A pool without a name"), 80), f" on {view.network}, ")
    OUT.print(title.append_text(plain_text(str(view.life["dex"]))), style="bold")
    OUT.print(Text(view.address))
    _print_life(view, rules, now)
    if view.newest is not None:
        _print_snapshot(view.newest, now)
    _print_bars(view)
    _print_trades(view, now)
    _print_watched(view)
    if view.last:
        _print_last(view)


def death_text(death: str, rules: DexRules) -> str:
    """The rule by which a pool is dead, in words."""
    known = {
        UNLISTED: "GeckoTerminal lists it no more",
        DRAINED: f"nothing was traded for a day and less than {rules.dead_reserve_usd:g} USD were left",
    }
    return f"{death}: {known[death]}" if death in known else death


def _print_life(view: PoolView, rules: DexRules, now: datetime) -> None:
    shown = table("Life", "what", "UTC", ">ago")
    for what, name in (("made", "created_at"), ("first seen", "first_seen_at"), ("last seen", "last_seen_at")):
        at = _moment(view.life[name])
        told = (f"{at:%Y-%m-%d %H:%M:%S}", age_text(now - at)) if at else ("not told", "")
        shown.add_row(what, *told)
    dead = _moment(view.life["dead_at"])
    if dead:
        shown.add_row("[red]dead since[/]", f"{dead:%Y-%m-%d %H:%M:%S}", age_text(now - dead))
    OUT.print(shown)
    OUT.print(f"Dead, {death_text(str(view.life['death']), rules)}." if dead else "It lives.")


def _print_snapshot(newest: Mapping[str, object], now: datetime) -> None:
    at = _moment(newest["snapshot_at"])
    age = f"{at:%Y-%m-%d %H:%M:%S} UTC, {age_text(now - at)} ago" if at else ""
    shown = table(f"Newest snapshot, {age}", "what", ">value", "unit")
    base, quote = (plain_text(str(newest[f"{name}_symbol"] or "?"), 20) for name in ("base", "quote"))
    for side, symbol in (("base", base), ("quote", quote)):
        shown.add_row(f"{side} token", Text(str(newest[f"{side}_token"])), symbol)
    for what, name, unit in _EXACT:
        shown.add_row(what, _exact(newest[name]), quote if unit == "quote" else unit)
    for what, name in _VALUES:
        shown.add_row(what, _amount(newest[name]) or "not told", "USD")
    shown.add_row("fee", number_text(_number(newest["fee_pct"])) or "not told", "percent")
    shown.add_row("found in", str(newest["found_in"]), "list")
    OUT.print(shown)
    windows = table("Trading of the last", "what", *(f">{window}" for window in WINDOWS))
    for what, name in _WINDOWED:
        windows.add_row(what, *(_amount(newest[f"{name}_{window}"]) for window in WINDOWS))
    OUT.print(windows)


def _print_bars(view: PoolView) -> None:
    if view.bars.empty:
        OUT.print("No bars of it are stored; those of watched pools are collected.")
        return
    shown = table(
        "Bars", "length", ">stored", ">present", ">quiet", ">missing", ">other", "first opens (UTC)", "newest opens"
    )
    for row in view.bars.to_dict("records"):
        missing, other = row["missing"], row["other"]
        shown.add_row(
            str(row["timeframe"]),
            f"{row['stored']:,}",
            f"{row['present']:,}",
            f"{row['venue_quiet']:,}",
            f"[red]{missing:,}[/]" if missing else "0",
            f"{other:,}",
            *(f"{at:%Y-%m-%d %H:%M}" if (at := _moment(row[name])) else "" for name in ("first", "newest")),
        )
    OUT.print(shown)
    known = [one for one in view.closes if math.isfinite(one)]
    if known:
        low, high = price_text(min(known)), price_text(max(known))
        OUT.print(f"close {sparkline(view.closes)} {low} to {high} USD, the last day by bars of {view.plotted}")


def _print_trades(view: PoolView, now: datetime) -> None:
    rows, first, newest = view.trades
    if first is None or newest is None:
        OUT.print("No trades of it are stored; those of watched pools are collected.")
    else:
        OUT.print(
            f"Trades: {rows:,} from {first:%Y-%m-%d %H:%M:%S} to {newest:%Y-%m-%d %H:%M:%S} UTC,"
            f" the newest {age_text(now - newest)} ago."
        )
    if view.lost.empty:
        return
    longest = view.lost.assign(length=view.lost["gap_end"] - view.lost["gap_start"]).nlargest(SHOWN_LOST, "length")
    named = ", ".join(
        f"{row['gap_start']:%m-%d %H:%M:%S} to {row['gap_end']:%m-%d %H:%M:%S}"
        for row in longest.sort_values("gap_start").to_dict("records")
    )
    more = f" and {len(view.lost) - SHOWN_LOST} more" if len(view.lost) > SHOWN_LOST else ""
    OUT.print(
        f"[yellow]Trades lost for good: {len(view.lost)} {'span' if len(view.lost) == 1 else 'spans'}:[/] {named}{more}."
    )


def _print_watched(view: PoolView) -> None:
    if not view.watched:
        row = f"{view.network},{view.address},pool,,,"
        OUT.print(Text(f"Not watched: no bars and trades are collected. A row for config/watchlist.csv: {row}"))
    for one in view.watched:
        since, until = _moment(one["valid_from"]), _moment(one["valid_to"])
        told = Text(f"Watched since {since:%Y-%m-%d %H:%M} UTC" if since else "Watched")
        told.append(f" until {until:%Y-%m-%d %H:%M} UTC" if until else "")
        told.append(f" as {one['address_type']} {short_address(str(one['address']))}")
        for name in ("symbol", "note"):
            if one[name]:
                told.append(", ").append_text(plain_text(str(one[name]), 200))
        least = Decimal(str(one["min_trade_usd"]))
        OUT.print(told.append(f"; trades from {least.normalize():f} USD on." if least else "."))


def _print_last(view: PoolView) -> None:
    base, quote = (str((view.newest or {}).get(f"{name}_symbol") or name) for name in ("base", "quote"))
    shown = table(f"The newest {len(view.last)} trades", "UTC", "side", ">price USD", "", "", ">USD", "transaction")
    for column, symbol in ((3, base), (4, quote)):
        shown.columns[column].header = plain_text(symbol, 12)
        shown.columns[column].justify = "right"
    for one in view.last:
        at, side = _moment(one["traded_at"]), str(one["side"])
        # Ten to fifty digits each; --json has them all.
        numbers = [
            price_text(float(str(one[name]))) for name in ("price_usd", "amount_base", "amount_quote", "volume_usd")
        ]
        shown.add_row(
            f"{at:%m-%d %H:%M:%S}" if at else "",
            Text(side, "green" if side == "buy" else "red"),
            *numbers,
            Text(short_address(str(one["tx_hash"]))),
        )
    OUT.print(shown)


def _exact(value: object) -> Text:
    return Text("not told" if value is None else str(value))


def _amount(value: object) -> str:
    """A value or count in full; empty where it is not told."""
    if isinstance(value, int):
        return f"{value:,}"
    number = _number(value)
    return f"{number:,.2f}" if math.isfinite(number) else ""


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else float("nan")


def _moment(value: object) -> datetime | None:
    """A time that pandas or Arrow gave; None where there is none."""
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    return value if isinstance(value, datetime) and not pd.isna(value) else None
