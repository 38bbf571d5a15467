"""The asset around a derived dataset: config, partitions, errors, and what a run shows in the UI.

What belongs here: what every dataset of this folder has. What does not: how its rows come about, and its own report.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import dagster as dg
from pydantic import Field
from sqlalchemy import Table

from crypto_assets.datasets.features.derive import Derived
from crypto_assets.datasets.market.ohlcv.table import DATASET as BARS
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.partitions import Grids, VenueWindow, venue_windows
from crypto_assets.resources import UniverseFile
from crypto_assets.schema.dagster_schema import table_schema
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse

# Bars of the open month come every 30 minutes, and what is derived right after them: two late rounds warn, four fail.
FRESHNESS = dg.FreshnessPolicy.time_window(warn_window=timedelta(minutes=105), fail_window=timedelta(minutes=165))
SHOWN = 200  # rows of a table in the UI

type Metadata = dict[str, dg.MetadataValue[Any]]
type Tell = Callable[[Derived], None]


class DerivedConfig(dg.Config):
    """What a run computes; left out means all that the universe names."""

    markets: list[str] = Field(
        default=[], description="Unified symbols, as BTC/USDT. Empty: every market of the venue."
    )
    timeframes: list[str] = Field(
        default=[], description="Of those stored. Empty: features.timeframes of the universe."
    )


type Compute = Callable[[Warehouse, Universe, VenueWindow, DerivedConfig, Tell], list[Derived]]
type Report = Callable[[Warehouse, Universe, Sequence[VenueWindow]], Metadata]


def derived_asset(
    dataset: str,
    table: Table,
    grids: Grids,
    compute: Compute,
    *,
    description: str,
    after: Sequence[str] = (),
    about: Mapping[str, str] | None = None,
    report: Report = lambda _warehouse, _universe, _windows: {},
) -> dg.AssetsDefinition:
    """An asset over bars, month × venue.

    Args:
        dataset: Its name, which is its key and its table.
        table: Where its rows go.
        grids: Of the universe in force.
        compute: Computes and stores one venue's window.
        description: For the UI.
        after: Datasets that a run should have before this one, beside market/ohlcv.
        about: More metadata of the definition and of each run, by name.
        report: What a run shows beside its counts.
    """
    told = {name: dg.MetadataValue.text(text) for name, text in (about or {}).items()}

    @dg.asset(
        key=dg.AssetKey(dataset.split("/")),
        deps=[dg.AssetKey(name.split("/")) for name in (BARS, *after)],
        partitions_def=grids.bars,
        backfill_policy=dg.BackfillPolicy.single_run(),
        freshness_policy=FRESHNESS,
        group_name="features",
        kinds={"python", "postgres"},
        metadata={"dagster/column_schema": table_schema(table), "dagster/table_name": table.fullname, **told},
        description=description,
    )
    def derived(
        context: dg.AssetExecutionContext,
        config: DerivedConfig,
        warehouse: dg.ResourceParam[Warehouse],
        universe_file: dg.ResourceParam[UniverseFile],
    ) -> dg.MaterializeResult[None]:
        began = time.monotonic()
        try:
            universe = universe_file.in_force().universe
            windows = venue_windows(context.partition_keys)
            results: list[Derived] = []
            for window in windows:
                results += compute(warehouse, universe, window, config, teller(context.log))
            shown = describe(results, round(time.monotonic() - began, 2)) | report(warehouse, universe, windows)
        except CryptoAssetsError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        return dg.MaterializeResult(metadata={**shown, **told})

    return derived


def teller(log: dg.DagsterLogManager) -> Tell:
    """Says what came of each market, in the run's log."""

    def tell(one: Derived) -> None:
        key = one.key
        told = f"{one.rows:,} rows, {one.coverage:.1%} of the values known"
        log.info("%s %s %s: %s", key.venue, key.symbol, key.timeframe, told)

    return tell


def describe(results: Sequence[Derived], seconds: float) -> Metadata:
    """Row counts, span, a row a market and a row a column."""
    rows = sum(one.rows for one in results)
    metadata: Metadata = {
        "dagster/row_count": dg.MetadataValue.int(rows),
        "seconds": dg.MetadataValue.float(seconds),
        "rows_a_second": dg.MetadataValue.int(int(rows / seconds) if seconds else 0),
        "values_known": dg.MetadataValue.float(round(_share(results), 6)),
    }
    firsts = [one.first for one in results if one.first]
    lasts = [one.last for one in results if one.last]
    if firsts:
        metadata["first_bar"] = dg.MetadataValue.timestamp(min(firsts))
        metadata["last_bar"] = dg.MetadataValue.timestamp(max(lasts))
    if results:
        metadata["markets"] = dg.MetadataValue.table([dg.TableRecord(_market(one)) for one in results[:SHOWN]])
        metadata["columns"] = dg.MetadataValue.table([dg.TableRecord(record) for record in _columns(results)])
    return metadata


def _share(results: Sequence[Derived]) -> float:
    due = sum(one.values_due for one in results)
    return sum(one.values_known for one in results) / due if due else 0.0


def _market(one: Derived) -> dict[str, str | int | float]:
    return {
        "market": f"{one.key.venue} {one.key.symbol}",
        "timeframe": one.key.timeframe,
        "rows": one.rows,
        "coverage": round(one.coverage, 4),
        "first_bar": f"{one.first:%Y-%m-%d %H:%M}" if one.first else "",
        "last_bar": f"{one.last:%Y-%m-%d %H:%M}" if one.last else "",
    }


def _columns(results: Sequence[Derived]) -> list[dict[str, str | int | float]]:
    rows = sum(one.rows for one in results)
    names = list(dict.fromkeys(name for one in results for name in one.known))
    known = {name: sum(one.known.get(name, 0) for one in results) for name in names}
    return [
        {"column": name, "values": known[name], "coverage": round(known[name] / rows, 4) if rows else 0.0}
        for name in names
    ]
