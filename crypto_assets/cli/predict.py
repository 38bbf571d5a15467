"""`crypto-assets predict`: what the champion of a forecast says of one market, pool or chain now.

What belongs here: options, how a market is written, and the table. What does not: predicting (datasets/models/predictions).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from crypto_assets.cli.models import Model, store_of
from crypto_assets.cli.show import AsJson, opened, print_json

if TYPE_CHECKING:
    from crypto_assets.datasets.models.predictions.prediction import Prediction
    from crypto_assets.forecasting.declaration import Forecast
    from crypto_assets.universe import Universe
    from crypto_assets.warehouse.connection import Warehouse


def predict(
    context: typer.Context,
    model: Model,
    market: Annotated[str, typer.Argument(help="As binance:BTC/USDT, solana:ADDRESS of a pool, or ethereum.")],
    json_: AsJson = False,
) -> None:
    """Say what comes, by the champion over the newest inputs, beside the best baseline; it is stored, and scored later.

    Example: crypto-assets predict opportunity_4h binance:BTC/USDT
    """
    from crypto_assets.cli.show_text import json_text
    from crypto_assets.datasets.models.catalog import forecast
    from crypto_assets.datasets.models.predictions.live import predict as say
    from crypto_assets.resources import latest_of

    wanted = forecast(model)
    with opened(context.obj) as (warehouse, universe), latest_of(context.obj).telling() as telling:
        named = series_named(warehouse, universe, wanted, market)
        said = say(warehouse, universe, store_of(context.obj), wanted.name, *named, tell=telling)
    net = net_of_fees(said, wanted, universe)
    if json_:
        print_json(json_text(asdict(said) | {"unit": wanted.unit, **net}))
    else:
        print_prediction(said, wanted, net)


def series_named(warehouse: Warehouse, universe: Universe, wanted: Forecast, market: str) -> tuple[str, str]:
    """Domain and series of a market as it is typed: DOMAIN:SERIES, of a chain's fees the chain alone.

    Raises:
        UnknownMarket: the forecast is not about that domain, or the universe has no such market there.
        UnknownPool: no pool has that address, or several have.
    """
    from crypto_assets.cli.show_pool import find_one
    from crypto_assets.cli.show_stored import UnknownMarket, near_names
    from crypto_assets.datasets.models import gas, liquidity
    from crypto_assets.datasets.models.predictions.subjects import domains_of
    from crypto_assets.datasets.onchain.network_fees.table import SERIES

    domain, _, series = market.partition(":")
    domains = domains_of(universe, wanted)
    if domain not in domains:
        raise UnknownMarket(
            f"{wanted.name} is about {', '.join(domains) or 'nothing in this universe'}, and '{market[:60]}' is none of them",
            way_out=f"{near_names(domain, domains)}Write it as {_example(wanted)}.",
        )
    if wanted.model == gas.MODEL:
        return domain, series or SERIES
    if not series:
        raise UnknownMarket(f"'{market[:60]}' names no market of {domain}", way_out=f"Write it as {_example(wanted)}.")
    if wanted.model == liquidity.RESERVE:
        return find_one(warehouse, series, domain)
    symbols = [one.symbol for one in universe.venues[domain].markets]
    if series not in symbols:
        raise UnknownMarket(
            f"Unknown symbol '{series[:60]}' on {domain}",
            way_out=f"{near_names(series, symbols)}`crypto-assets universe show` lists the markets.",
        )
    return domain, series


def net_of_fees(said: Prediction, wanted: Forecast, universe: Universe) -> dict[str, float]:
    """Of an opportunity, what is left of each quantile for who trades its direction and back as a taker; else nothing."""
    import numpy as np

    from crypto_assets.datasets.models import opportunity

    if wanted.model != opportunity.MODEL:
        return {}
    fee_pct = universe.stream.analytics.fee_pct(said.domain)
    net = opportunity.net_return(np.array([said.yhat, said.q10, said.q90]), fee_pct)
    return {"fee_pct": fee_pct, **dict(zip(("net_yhat", "net_q10", "net_q90"), net.tolist(), strict=True))}


def print_prediction(said: Prediction, wanted: Forecast, net: Mapping[str, float]) -> None:
    """A row for each thing that is said, with its level and its change."""
    from rich.markup import escape

    from crypto_assets.cli.console import OUT, table
    from crypto_assets.cli.show_text import price_text

    shown = table(
        f"{escape(wanted.quantity)}, {said.domain} {escape(said.series)}, at {said.horizon_end_at:%Y-%m-%d %H:%M} UTC",
        "", f">{escape(wanted.unit)}", ">change", *([">left after fees"] if net else []),
    )  # fmt: skip
    levels = (
        ("one in ten above", said.level_high, said.q90, "net_q90"),
        ("[bold]expected[/]", said.level, said.yhat, "net_yhat"),
        ("one in ten below", said.level_low, said.q10, "net_q10"),
        (f"baseline: {said.baseline_name}", said.level_baseline, said.baseline, ""),
        (f"now, as known at {said.decided_at:%H:%M}", said.level_now, 0.0, ""),
    )
    for name, level, change, left in levels:
        extra = ([f"{net[left]:+.3%}" if left else ""]) if net else []
        shown.add_row(name, price_text(level), f"{math.expm1(change):+.3%}", *extra)
    OUT.print(shown)
    if net:
        OUT.print(f"After fees: a round trip as a taker at {net['fee_pct']:g} % an order; 0 where fees eat the move.")
    sample = "out of sample" if said.is_out_of_sample else "within the sample that it learned from"
    took = "" if said.latency_ms is None else f", {said.latency_ms:.1f} ms from reading to forecast"
    OUT.print(f"Version {said.version} of {said.model}, {sample}{took}.")


def _example(wanted: Forecast) -> str:
    from crypto_assets.datasets.models import gas, liquidity

    return {gas.MODEL: "ethereum", liquidity.RESERVE: "solana:ADDRESS"}.get(wanted.model, "binance:BTC/USDT")
