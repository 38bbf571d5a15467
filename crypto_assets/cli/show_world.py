"""`crypto-assets show macro|onchain|fees|news|mood`: what belongs to no venue, as it stands or stood.

What belongs here: choosing, tables, JSON. What does not: what was known when (each dataset's read.py) and options (show.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pandas as pd
from sqlalchemy import Select, func, select

from crypto_assets.cli.console import OUT, table
from crypto_assets.cli.show_stored import NothingStored, near_names
from crypto_assets.cli.show_text import age_text, json_text, number_text, plain_text, records, sparkline
from crypto_assets.datasets.macro.observations.read import latest_as_of, macro_as_of
from crypto_assets.datasets.macro.observations.table import observations
from crypto_assets.datasets.onchain.metrics.table import metrics
from crypto_assets.datasets.onchain.network_fees.read import fees_as_of
from crypto_assets.datasets.onchain.network_fees.table import network_fees
from crypto_assets.datasets.sentiment.fear_greed.table import fear_greed
from crypto_assets.datasets.sentiment.news.read import headlines_of
from crypto_assets.datasets.sentiment.news.table import news as news_table
from crypto_assets.datasets.sentiment.scores.table import scores
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

_COLLECT = "`crypto-assets collect-world {}` fetches it."
_TITLE = 80


def read_macro(warehouse: Warehouse, series: Sequence[str], at: datetime) -> pd.DataFrame:
    """The newest value of each series that was known at a moment, with the one of the period before as known then.

    Raises:
        NothingStored: none of them is known.
    """
    known = _names(warehouse, observations.c.series_id)
    wanted = _chosen(series, known, "series", "macro")
    frame = latest_as_of(warehouse, wanted, at)
    if frame.empty:
        raise NothingStored(f"Nothing was known at {at:%Y-%m-%d %H:%M} UTC", way_out="Choose a later --at.")
    periods = macro_as_of(warehouse, wanted, at)
    second = periods[periods["value"].notna()].groupby("series_id").nth(-2).assign(before=lambda one: one["value"])
    return frame.merge(second[["series_id", "before"]], on="series_id", how="left")


def print_macro(frame: pd.DataFrame, at: datetime) -> None:
    """A row a series."""
    shown = table(
        "Economies", "series", "period", ">value", ">before", "unit", "frequency", "known since (UTC)", ">age"
    )
    for row in frame.to_dict("records"):
        shown.add_row(
            row["series_id"], f"{row['period_on']:%Y-%m-%d}", number_text(row["value"]), number_text(row["before"]),
            plain_text(row["unit"]), row["frequency"], f"{row['known_at']:%Y-%m-%d %H:%M}",
            age_text(at - row["known_at"].to_pydatetime()),
        )  # fmt: skip
    OUT.print(shown)


def read_onchain(warehouse: Warehouse, assets: Sequence[str], at: datetime) -> pd.DataFrame:
    """The newest day's value of each asset and metric that was known at a moment.

    Raises:
        NothingStored: none of them is known.
    """
    c = metrics.c
    wanted = _chosen([one.upper() for one in assets], _names(warehouse, c.asset), "asset", "onchain")
    place = func.row_number().over(partition_by=(c.asset, c.metric), order_by=c.observed_on.desc()).label("place")
    ranked = select(c.asset, c.metric, c.observed_on, c.value, c.unit, c.source, c.known_at, place)
    newest = ranked.where(c.asset.in_(wanted), c.known_at <= at).subquery()
    chosen = select(newest).where(newest.c.place == 1).order_by(newest.c.asset, newest.c.metric)
    return _found(warehouse, chosen, at).drop(columns="place")


def print_onchain(frame: pd.DataFrame) -> None:
    """A row an asset and metric."""
    shown = table("Chains", "asset", "metric", "day", ">value", "unit", "source", "known since (UTC)")
    for row in frame.to_dict("records"):
        shown.add_row(
            row["asset"], row["metric"], f"{row['observed_on']:%Y-%m-%d}", number_text(row["value"]),
            plain_text(row["unit"]), plain_text(row["source"]), f"{row['known_at']:%Y-%m-%d %H:%M}",
        )  # fmt: skip
    OUT.print(shown)


def read_fees(warehouse: Warehouse, at: datetime) -> dict[str, dict[str, object]]:
    """The newest sample of each chain that was known at a moment, by chain.

    Raises:
        NothingStored: there is none.
    """
    chains = _chosen((), _names(warehouse, network_fees.c.chain), "chain", "fees")
    found = {chain: fees_as_of(warehouse, chain, at) for chain in chains}
    samples = {chain: sample for chain, sample in found.items() if sample is not None}
    if not samples:
        raise NothingStored(f"Nothing was known at {at:%Y-%m-%d %H:%M} UTC", way_out="Choose a later --at.")
    return samples


def print_fees(samples: Mapping[str, Mapping[str, object]], at: datetime) -> None:
    """What each chain's sample tells, a row a number."""
    units = {column.name: column.info["unit"] for column in network_fees.c}
    shown = table("Fees", "chain", "what", ">value", "unit", "sampled (UTC)", ">age")
    for chain, sample in samples.items():
        observed = pd.Timestamp(str(sample["observed_at"])).to_pydatetime()
        for name, value in sample.items():
            if isinstance(value, int | float):
                shown.add_row(
                    chain, name, f"{value:,}" if isinstance(value, int) else number_text(value), units[name],
                    f"{observed:%Y-%m-%d %H:%M:%S}", age_text(at - observed),
                )  # fmt: skip
    OUT.print(shown)


def read_news(warehouse: Warehouse, assets: Sequence[str], hours: float, last: int) -> pd.DataFrame:
    """The newest headlines of the last hours that name one of the assets, each with its scores' mean; newest first.

    Raises:
        NothingStored: there is none.
    """
    now = datetime.now(UTC)
    named = headlines_of(warehouse, now - timedelta(hours=hours), now)
    if assets:
        named = named[named["asset"].isin([one.upper() for one in assets])]
    if named.empty:
        of = f" of {', '.join(assets)}" if assets else ""
        raise NothingStored(f"No news{of} in the last {hours:g} hours", way_out=_COLLECT.format("news"))
    items = named.groupby(["news_id", "title"], sort=False).agg(
        assets=("asset", lambda found: " ".join(sorted({*found} - {""}))), known_at=("known_at", "min")
    )
    items = items.reset_index().sort_values("known_at", ascending=False).head(last)
    c, s = news_table.c, scores.c
    told = read_frame(warehouse, select(c.news_id, c.publisher).where(c.news_id.in_(list(items["news_id"]))))
    means = select(s.news_id, func.avg(s.score).label("score")).where(s.news_id.in_(list(items["news_id"])))
    scored = read_frame(warehouse, means.group_by(s.news_id))
    joined = items.merge(told, on="news_id", how="left").merge(scored, on="news_id", how="left")
    return joined[["known_at", "publisher", "assets", "score", "title"]].reset_index(drop=True)


def print_news(frame: pd.DataFrame) -> None:
    """A row a headline; scores below zero sound bad."""
    shown = table("News", "seen (UTC)", "publisher", "assets", ">score", "title")
    for row in frame.to_dict("records"):
        score = row["score"]
        colour = "green" if score > 0 else "red" if score < 0 else "white"
        told = f"[{colour}]{score:+.2f}[/]" if pd.notna(score) else ""
        shown.add_row(
            f"{row['known_at']:%m-%d %H:%M}", plain_text(row["publisher"]), row["assets"], told,
            plain_text(row["title"], _TITLE),
        )  # fmt: skip
    OUT.print(shown)


def read_mood(warehouse: Warehouse, days: int) -> pd.DataFrame:
    """The newest days of the Fear & Greed index, newest first: observed_on, value, classification.

    Raises:
        NothingStored: there is none.
    """
    c = fear_greed.c
    frame = read_frame(
        warehouse, select(c.observed_on, c.value, c.classification).order_by(c.observed_on.desc()).limit(days)
    )
    if frame.empty:
        raise NothingStored("The Fear & Greed index is not stored", way_out=_COLLECT.format("mood --days 60"))
    return frame


def print_mood(frame: pd.DataFrame) -> None:
    """A line of all days, and the newest ones in words."""
    values = [float(value) for value in frame["value"]][::-1]
    span = f"{frame['observed_on'].iloc[-1]:%Y-%m-%d} to {frame['observed_on'].iloc[0]:%Y-%m-%d}"
    OUT.print(f"Fear & Greed (alternative.me), {span}, 0 is fear:\n{sparkline(values)}")
    shown = table("", "day", ">value", "in words")
    for row in frame.head(10).to_dict("records"):
        shown.add_row(f"{row['observed_on']:%Y-%m-%d}", str(row["value"]), plain_text(row["classification"]))
    OUT.print(shown)


def frame_json(name: str, frame: pd.DataFrame) -> str:
    """Any of these for machines, its rows under a name."""
    return json_text({name: records(frame)})


def _names(warehouse: Warehouse, column: object) -> list[str]:
    frame = read_frame(warehouse, select(func.distinct(column).label("name")).order_by("name"))
    return list(frame["name"])


def _chosen(wanted: Sequence[str], known: Sequence[str], what: str, area: str) -> list[str]:
    if not known:
        raise NothingStored(f"No {what} is stored", way_out=_COLLECT.format(area))
    absent = [one for one in wanted if one not in known]
    if absent:
        raise NothingStored(
            f"No {what} '{absent[0][:40]}' is stored",
            way_out=f"{near_names(absent[0], known)}There are {', '.join(known)}.",
        )
    return list(wanted) or list(known)


def _found(warehouse: Warehouse, statement: Select[tuple[object, ...]], at: datetime) -> pd.DataFrame:
    frame = read_frame(warehouse, statement)
    if frame.empty:
        raise NothingStored(f"Nothing was known at {at:%Y-%m-%d %H:%M} UTC", way_out="Choose a later --at.")
    return frame
