"""Indicators and features at the speed of the disk: seeded bars through the real asset code, beside the usual way.

Fifty markets of 65,942 hours on one venue, five others on a second one for the tenth, and half a million vintages of the
economy, which features are joined with as of time. Each figure is a first computation into an empty table. The baseline does a
tenth of it the way most projects do: pandas rolling windows, merge_asof, to_sql.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import psycopg2
from rich.console import Console
from rich.table import Table as Shown
from sqlalchemy import select

from bench.stage import database
from crypto_assets.datasets.features.derived_asset import DerivedConfig
from crypto_assets.datasets.features.ml_features import run as features
from crypto_assets.datasets.features.ml_features.catalog import FEATURES
from crypto_assets.datasets.features.ml_features.load import latest_features
from crypto_assets.datasets.features.ml_features.macro import SERIES
from crypto_assets.datasets.features.technical_indicators import asset as indicators
from crypto_assets.datasets.macro.observations.table import observations
from crypto_assets.datasets.market.ohlcv.table import DATASET, ohlcv
from crypto_assets.definitions import build_definitions
from crypto_assets.indicators.catalog import INDICATORS
from crypto_assets.partitions import VenueWindow
from crypto_assets.settings import Settings
from crypto_assets.universe import Universe, parse_universe
from crypto_assets.warehouse.collected import mark_collected
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import reading
from crypto_assets.warehouse.write import upsert

MARKETS, TENTH, HOURS = 50, 5, 65_942
START = datetime(2019, 1, 1, tzinfo=UTC)
END = START + timedelta(hours=HOURS)
NINE = ("sma_20", "sma_50", "sma_200", "ema_12", "ema_26", "rsi_14", "mfi_14", "cci_20", "roc_10")
VINTAGES, YEARS = 500_000, (2017, 2027)  # of all series, of periods of these years
REQUESTS = 1_000
FULL, SMALL = "binance", "okx"
MAX_SECONDS = {"9 indicators": 20.0, f"{len(INDICATORS)} indicators": 35.0, f"{len(FEATURES)} features": 45.0}
MAX_DAGSTER_SECONDS = 15.0
MAX_TENTH_SHARE = 1 / 8
MAX_LATEST_SECONDS = 0.020
MAX_MEGABYTES = 1_000.0


@dataclass(frozen=True)
class Figure:
    """One line of the table: what was measured, its value, its bound, and the value of the baseline beside it."""

    name: str
    value: float
    unit: str
    bound: float | None = None
    baseline: str = ""

    @property
    def holds(self) -> bool:
        return self.bound is None or self.value <= self.bound


def main() -> int:
    """Measure, print, and return 1 where a bound is missed."""
    with database("features") as warehouse, tempfile.TemporaryDirectory() as folder:
        universe = _seed(warehouse)
        _settle(warehouse)
        indicators.compute_window(
            warehouse, universe, _window(SMALL, hours=2_000), _config(), _quiet
        )  # loads libraries
        figures = [*_passes(warehouse, universe), *_latest(warehouse), *_in_dagster(warehouse, Path(folder))]
        figures.append(_memory())
        usual = _usual_way(warehouse)
    shown = Shown("measured", "value", "bound", "", f"baseline: {usual.name}")
    for one in figures:
        verdict = "" if one.bound is None else "held" if one.holds else "MISSED"
        ratio = f"{usual.value / one.value * 10:.0f} times its rows a second" if one.baseline else ""
        bound = "" if one.bound is None else f"{one.bound:,.3g} {one.unit}"
        shown.add_row(one.name, f"{one.value:,.3f} {one.unit}", bound, verdict, ratio)
    shown.add_row(usual.name, f"{usual.value:,.1f} s", "", "", "a tenth of the rows")
    Console(width=150).print(shown)
    return int(not all(one.holds for one in figures))


def _passes(warehouse: Warehouse, universe: Universe) -> list[Figure]:
    """Each pass over all markets and over a tenth of them."""
    all_named, features_named = list(MAX_SECONDS)[1:]

    def some(venue: str) -> int:
        return _rows(indicators.compute_window(warehouse, universe, _window(venue), _config(), _quiet, indicators=NINE))

    def every(venue: str) -> int:
        return _rows(indicators.compute_window(warehouse, universe, _window(venue), _config(), _quiet))

    def made(venue: str) -> int:
        return _rows(features.compute_window(warehouse, universe, _window(venue), _config(), _quiet))

    works: list[tuple[str, str, Callable[[str], int]]] = [
        ("9 indicators", "technical_indicators", some),
        (all_named, "technical_indicators", every),
        (features_named, "ml_features", made),
    ]
    figures = []
    for name, table, work in works:
        tenths = [_timed(warehouse, table, lambda work=work: work(SMALL), TENTH * HOURS) for _ in range(3)]
        tenth = sorted(tenths)[1]
        whole = _timed(warehouse, table, lambda work=work: work(FULL), MARKETS * HOURS)
        figures.append(_told(Figure(f"{name}, {MARKETS * HOURS:,} rows", whole, "s", MAX_SECONDS[name], "beside")))
        figures.append(_told(Figure("  a tenth of the rows, share of the time", tenth / whole, "", MAX_TENTH_SHARE)))
    return figures


def _in_dagster(warehouse: Warehouse, folder: Path) -> list[Figure]:
    """The same passes as one run over the range of partitions, on an instance on disk; then with its checks."""
    (folder / "universe.yaml").write_text(_universe_text())
    settings = Settings(home=folder, profile="bench", universe=folder / "universe.yaml", warehouse_url=warehouse.url)
    job = build_definitions(settings).resolve_implicit_global_asset_job_def()
    tags = {
        "dagster/asset_partition_range_start": f"{START:%Y-%m-01}|{FULL}",
        "dagster/asset_partition_range_end": f"{END:%Y-%m-01}|{FULL}",
    }
    figures = []
    with dg.DagsterInstance.local_temp(str(folder)) as instance:
        for name in ("technical_indicators", "ml_features"):
            _empty(warehouse, name)
            key = dg.AssetKey(["features", name])
            began = time.perf_counter()
            result = job.get_subset(asset_selection={key}).execute_in_process(instance=instance, tags=tags)
            whole = time.perf_counter() - began
            [*_, event] = result.get_asset_materialization_events()
            work = float(str(event.materialization.metadata["seconds"].value))
            steps = {
                one.step_key: one.step_success_data.duration_ms / 1e3
                for one in result.all_events
                if one.is_step_success
            }
            checks = [seconds for step, seconds in steps.items() if step != f"features__{name}"]
            beyond = whole - work - sum(checks)
            figures.append(
                _told(Figure(f"{name} in Dagster, beyond the pass itself", beyond, "s", MAX_DAGSTER_SECONDS))
            )
            figures.append(_told(Figure(f"  its {len(checks)} checks over all rows", sum(checks), "s")))
    return figures


def _latest(warehouse: Warehouse) -> list[Figure]:
    """The newest row of one market after the other, through connections that stay open."""
    seconds = []
    names = _symbols(FULL)
    with reading(warehouse) as reader:
        for number in range(REQUESTS):
            began = time.perf_counter()
            frame = latest_features(reader, FULL, names[number % len(names)], "1h")
            seconds.append(time.perf_counter() - began)
            assert len(frame) == 1
    p50, p99 = np.quantile(seconds, [0.5, 0.99])
    return [
        Figure(f"latest row of one market, p50 of {REQUESTS:,}", p50 * 1e3, "ms"),
        Figure(f"latest row of one market, p99 of {REQUESTS:,}", p99 * 1e3, "ms", MAX_LATEST_SECONDS * 1e3),
    ]


def _told(figure: Figure) -> Figure:
    """Say it at once: the whole takes minutes."""
    sys.stderr.write(f"{figure.name}: {figure.value:,.3f} {figure.unit}\n")
    return figure


def _memory() -> Figure:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Figure("peak memory of the process, seeding included", peak, "MB", MAX_MEGABYTES)


def _usual_way(warehouse: Warehouse) -> Figure:
    """Read with pandas, compute nine windows, join another market as of time, and write with to_sql."""
    engine = warehouse.engine()
    began = time.perf_counter()
    try:
        frames = {}
        for name in _symbols(SMALL):
            c = ohlcv.c
            chosen = select(c.opened_at, c.close).where(c.venue == SMALL, c.symbol == name).order_by(c.opened_at)
            frames[name] = pd.read_sql(chosen, engine)
        reference = frames[_symbols(SMALL)[0]].rename(columns={"close": "reference"})
        for frame in frames.values():
            for bars in (5, 10, 20, 50, 100, 200):
                frame[f"mean_{bars}"] = frame["close"].rolling(bars).mean()
            for bars in (24, 168, 720):
                frame[f"deviation_{bars}"] = frame["close"].pct_change().rolling(bars).std()
            joined = pd.merge_asof(frame, reference, on="opened_at")
            joined.to_sql("usual_way", engine, schema="features", if_exists="append", index=False)
    finally:
        engine.dispose()
    return Figure("pandas rolling, merge_asof, to_sql", time.perf_counter() - began, "s")


def _timed(warehouse: Warehouse, table: str, work: Callable[[], int], rows: int) -> float:
    _empty(warehouse, table)
    began = time.perf_counter()
    stored = work()
    seconds = time.perf_counter() - began
    assert stored == rows, f"{stored} rows instead of {rows}"
    return seconds


def _settle(warehouse: Warehouse) -> None:
    """What a server does on its own after so many new rows, done before anything is measured."""
    with closing(psycopg2.connect(warehouse.url.get_secret_value().replace("+psycopg2", ""))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("VACUUM (ANALYZE) market.ohlcv, macro.observations")
            cursor.execute("CHECKPOINT")


def _empty(warehouse: Warehouse, table: str) -> None:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE features.{table}")


def _rows(results: Sequence[object]) -> int:
    return sum(one.rows for one in results)  # type: ignore[attr-defined]


def _quiet(_derived: object) -> None:
    """Say nothing."""


def _config() -> DerivedConfig:
    return DerivedConfig()


def _window(venue: str, hours: int = HOURS) -> VenueWindow:
    return VenueWindow(venue, START, START + timedelta(hours=hours))


def _symbols(venue: str) -> list[str]:
    count, letter = (MARKETS, "A") if venue == FULL else (TENTH, "B")
    return ["BTC/USDT", *(f"{letter}{number:02d}/USDT" for number in range(1, count))]


def _universe_text() -> str:
    venues = "".join(
        f"  {venue}: {{timeframes: [1h], markets: [{', '.join(_symbols(venue))}]}}\n" for venue in (FULL, SMALL)
    )
    return f"history_from: {START:%Y-%m-%d}\nvenues:\n{venues}"


def _seed(warehouse: Warehouse) -> Universe:
    """Random walks, the same in every run; the tenth has other markets but for the reference."""
    _seed_macro(warehouse)
    opened_at = np.datetime64("2019-01-01", "us") + np.arange(HOURS) * np.timedelta64(1, "h")
    for venue in (FULL, SMALL):
        for number, symbol in enumerate(_symbols(venue)):
            rng = np.random.default_rng(number)
            close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, HOURS)))
            opened = np.concatenate([[100.0], close[:-1]])
            high = np.maximum(opened, close) * (1 + np.abs(rng.normal(0, 0.005, HOURS)))
            low = np.minimum(opened, close) * (1 - np.abs(rng.normal(0, 0.005, HOURS)))
            volume = rng.random(HOURS) * 10
            with warehouse.connect() as connection:
                bars = {
                    "venue": venue, "symbol": symbol, "timeframe": "1h", "opened_at": opened_at, "open": opened,
                    "high": high, "low": low, "close": close, "volume_base": volume, "volume_quote": volume * close,
                    "trade_count": np.full(HOURS, np.nan), "source": "bench",
                    "known_at": opened_at + np.timedelta64(1, "h"),
                }  # fmt: skip
                upsert(connection, ohlcv, bars)
                mark_collected(connection, DATASET, venue, symbol, "1h", START, END)
    return parse_universe(_universe_text(), "bench")


def _seed_macro(warehouse: Warehouse) -> None:
    """Vintages of every series, the same in every run: each period is told again every day, each time a little otherwise."""
    rng = np.random.default_rng(0)
    per_series = -(-VINTAGES // len(SERIES))
    for one in SERIES.values():
        unit = "M" if one.months else "D"
        first, last = (np.datetime64(f"{year}-01-01", unit) for year in YEARS)
        periods = np.arange(first, last, np.timedelta64(one.months or 1, unit)).astype("datetime64[D]")
        number = np.arange(per_series) // len(periods)
        period = periods[np.arange(per_series) % len(periods)]
        vintage = period + np.timedelta64(31 * one.months + 1, "D") + number * np.timedelta64(1, "D")
        with warehouse.connect() as connection:
            vintages = {
                "series_id": one.series_id, "unit": "made up", "source": "bench", "period_on": period,
                "frequency": {0: "daily", 1: "monthly", 3: "quarterly"}[one.months], "realtime_start": vintage,
                "value": 100 + rng.normal(0, 1, per_series),
                "known_at": vintage.astype("datetime64[us]") + np.timedelta64(29, "h"),
            }  # fmt: skip
            upsert(connection, observations, vintages)


if __name__ == "__main__":
    sys.exit(main())
