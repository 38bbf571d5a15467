"""The asset market/arbitrage_opportunities: what the stream found in an hour, counted and shown.

What belongs here: reading an hour's opportunities, what the UI shows of them, when that happens. What does not: finding and
storing them (stream/).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import dagster as dg
import pandas as pd
from sqlalchemy import func, select, tuple_

from crypto_assets.datasets.market.arbitrage_opportunities.table import DATASET, arbitrage_opportunities
from crypto_assets.datasets.market.book_ticker_snapshots.table import DATASET as SNAPSHOTS
from crypto_assets.datasets.market.hour_asset import HourRun, hour_asset
from crypto_assets.datasets.outcomes import SHOWN, Described
from crypto_assets.partitions import Grids, VenueWindow
from crypto_assets.schema.plots import data_uri, sparkline_svg
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

# Told right after each hour: two missed hours are worth a look, five mean that it stands still.
FRESHNESS = dg.FreshnessPolicy.time_window(warn_window=timedelta(hours=2.5), fail_window=timedelta(hours=5))
_TICK = "4 * * * *"  # by then the stream has written the hour's last seconds, even if it had to wait for the database
_HOUR = timedelta(hours=1)
_PLOTTED_BY_MINUTE = timedelta(hours=12)


@dataclass(frozen=True)
class Found:
    """What was found in a run's hours.

    Args:
        routes: A row a market and pair of venues, the longest open first: symbol, buy_venue, sell_venue, opportunities
            (spells in which it was open), seconds (rows), best_net_pct (percent), best_profit (quote currency),
            last_at (UTC).
        rows: Rows by minute, or by hour where the hours are many; those without any are 0. Index UTC.
    """

    routes: pd.DataFrame
    rows: pd.Series[int]


def build_asset(grids: Grids) -> dg.AssetsDefinition:
    """The asset over the grids of the universe in force. It tells of each hour, once, when that is over."""
    asset = hour_asset(
        DATASET,
        arbitrage_opportunities,
        grids,
        tell_of_hours,
        freshness=FRESHNESS,
        description="Gaps between exchanges that would have earned after fees, second by second, as the stream found them.",
        after=[SNAPSHOTS],
    )
    return asset.map_asset_specs(lambda spec: spec.replace_attributes(automation_condition=once_an_hour_is_over()))


def once_an_hour_is_over() -> dg.AutomationCondition[dg.AssetKey]:
    """Requests the hour that ended last, some minutes after its end."""
    condition = dg.AutomationCondition
    ended = condition.in_latest_time_window(2 * _HOUR) & ~condition.in_latest_time_window()
    return (ended & condition.cron_tick_passed(_TICK)).with_label("once_an_hour_is_over")


def tell_of_hours(run: HourRun) -> Described:
    """Count the rows of a run's hours and say what they hold."""
    found = read_found(run.warehouse, run.windows)
    run.log.info("%d seconds of %d routes", int(found.rows.sum()), len(found.routes))
    return describe(found)


def read_found(warehouse: Warehouse, windows: Sequence[VenueWindow]) -> Found:
    """What is stored of those hours."""
    is_long = sum((window.end - window.start for window in windows), timedelta()) > _PLOTTED_BY_MINUTE
    unit = "hour" if is_long else "minute"
    routes, rows = [], []
    for window in windows:
        routes.append(_routes(warehouse, window))
        rows.append(_rows(warehouse, window, unit))
    return Found(_added_up(pd.concat(routes, ignore_index=True)), pd.concat(rows))


def describe(found: Found) -> Described:
    """Counts, a row a route, and a picture of how many were open when. Pure."""
    routes = found.routes
    metadata: Described = {
        "dagster/row_count": dg.MetadataValue.int(int(routes["seconds"].sum())),
        "opportunities": dg.MetadataValue.int(int(routes["opportunities"].sum())),
        "routes": dg.MetadataValue.table([dg.TableRecord(_record(one)) for one in routes.head(SHOWN).itertuples()])
        if len(routes)
        else dg.MetadataValue.table([dg.TableRecord({"route": "none was open"})]),
    }
    title = "rows over time"
    svg = sparkline_svg([float(count) for count in found.rows], title=title) if len(routes) else ""
    if svg:
        metadata["rows_over_time"] = dg.MetadataValue.md(
            f"At most {int(found.rows.max()):,} rows\n\n![{title}]({data_uri(svg)})"
        )
        metadata["last_row"] = dg.MetadataValue.timestamp(routes["last_at"].max().to_pydatetime())
    return metadata


def _routes(warehouse: Warehouse, window: VenueWindow) -> pd.DataFrame:
    c = arbitrage_opportunities.c
    route = (c.symbol, c.buy_venue, c.sell_venue)
    statement = (
        select(
            *route,
            func.count(tuple_(c.opened_at).distinct()).label("opportunities"),
            func.count().label("seconds"),
            func.max(c.net_pct).label("best_net_pct"),
            func.max(c.profit_quote).label("best_profit"),
            func.max(c.snapshot_at).label("last_at"),
        )
        .where(c.snapshot_at >= window.start, c.snapshot_at < window.end)
        .group_by(*route)
    )
    return read_frame(warehouse, statement)


def _added_up(routes: pd.DataFrame) -> pd.DataFrame:
    """One row a route, over all windows; the longest open first."""
    how = {"opportunities": "sum", "seconds": "sum", "best_net_pct": "max", "best_profit": "max", "last_at": "max"}
    added = routes.groupby(["symbol", "buy_venue", "sell_venue"], as_index=False).agg(how)
    return added.sort_values(["seconds", "symbol", "buy_venue"], ascending=[False, True, True], ignore_index=True)


def _rows(warehouse: Warehouse, window: VenueWindow, unit: str) -> pd.Series[int]:
    c = arbitrage_opportunities.c
    at = func.date_trunc(unit, c.snapshot_at, "UTC").label("at")
    statement = (
        select(at, func.count().label("rows"))
        .where(c.snapshot_at >= window.start, c.snapshot_at < window.end)
        .group_by(at)
    )
    counted = read_frame(warehouse, statement).set_index("at")["rows"]
    step = "1h" if unit == "hour" else "1min"
    return counted.reindex(pd.date_range(window.start, window.end, freq=step, inclusive="left"), fill_value=0)


def _record(one: tuple[object, ...]) -> dict[str, str | int | float]:
    _, symbol, buy_venue, sell_venue, opportunities, seconds, best_net_pct, best_profit, last_at = one
    return {
        "route": f"{symbol}: {buy_venue} → {sell_venue}",
        "opportunities": int(str(opportunities)),
        "seconds": int(str(seconds)),
        "best_net_pct": round(float(str(best_net_pct)), 4),
        "best_profit_quote": round(float(str(best_profit)), 4),
        "last_at": str(last_at)[:19],
    }
