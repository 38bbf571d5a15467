"""What the bench of forecasts looks at: recorded hours, markets of a live path, artefacts in another process.

What belongs here: setting up. What does not: measuring (models.py).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
import psycopg2

from bench.stage import database
from crypto_assets.datasets.features.derived_asset import DerivedConfig
from crypto_assets.datasets.features.labels import asset as labels
from crypto_assets.datasets.features.ml_features import run as features
from crypto_assets.datasets.market.ohlcv.table import DATASET, ohlcv
from crypto_assets.datasets.models.catalog import forecast
from crypto_assets.datasets.models.frames import feature_version_of, read_frame
from crypto_assets.datasets.models.registry.registered import Trained
from crypto_assets.datasets.models.registry.store import promote, register
from crypto_assets.forecasting.artefacts import Store
from crypto_assets.forecasting.declaration import Forecast
from crypto_assets.forecasting.drift import reference
from crypto_assets.forecasting.frame import Frame, Rows
from crypto_assets.forecasting.learner import Artefact
from crypto_assets.forecasting.lightgbm_learner import LightGbm
from crypto_assets.forecasting.lstm import Lstm
from crypto_assets.partitions import VenueWindow
from crypto_assets.sandbox.bars import BarColumns
from crypto_assets.sandbox.recordings import Recordings
from crypto_assets.universe import Universe, parse_universe
from crypto_assets.warehouse.collected import mark_collected
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.write import upsert

RECORDED = ("BTC/USDT", "ETH/USDT", "BNB/USDT", "SOL/USDT", "ADA/USDT", "LINK/USDT", "MATIC/USDT", "TRX/USDT")
RECORDED_SPAN = (datetime(2022, 7, 1, tzinfo=UTC), datetime(2023, 7, 1, tzinfo=UTC))  # with Binance's outage of March
PREDICTED = "opportunity_1h"
MARKETS, LIVE_HOURS = 50, 720
_HOUR = timedelta(hours=1)
# In another process: the artefact by its hash, the very frame, and what it says.
_RELOAD = """
import sys
import numpy as np
from pathlib import Path
from crypto_assets.forecasting.artefacts import Store
from crypto_assets.forecasting.frame import Frame, SeriesName
from crypto_assets.forecasting.loading import load

folder = Path(sys.argv[2])
arrays = np.load(folder / "frame.npz", allow_pickle=False)
names = tuple(str(name) for name in arrays["names"])
series = tuple(SeriesName("made", str(name)) for name in arrays["series"])
frame = Frame(names, series, *(arrays[name] for name in ("code", "decided_at", "inputs", "now", "target", "target_known_at")))
said = load(Store(folder / "models"), sys.argv[1]).predict(frame, np.arange(len(frame), dtype=np.int64))
np.save(folder / "said.npy", np.stack([said.yhat, said.q10, said.q90]))
"""


class Trainer(Protocol):
    """A learner whose result can be kept."""

    @property
    def name(self) -> str: ...

    def fit(self, forecast: Forecast, frame: Frame, rows: Rows) -> Artefact: ...


def learners() -> list[Trainer]:
    """Those that can learn here."""
    return [LightGbm(), *([Lstm()] if find_spec("jax") and find_spec("optax") and find_spec("onnx") else [])]


def recordings() -> Path | None:
    """The folder of recorded bars; None where there is none."""
    named = os.environ.get("CRYPTO_ASSETS_RECORDINGS")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    return folder if (folder / "recordings.yaml").is_file() else None


def recorded_frames(folder: Path) -> Iterator[tuple[Forecast, Frame]]:
    """The forecasts of opportunity over recorded hours, through the real datasets."""
    start, end = RECORDED_SPAN
    with database("models") as warehouse:
        played = Recordings(folder)
        universe = _universe(RECORDED, start)
        for symbol in RECORDED:
            moments = (int(moment.timestamp() * 1000) for moment in (start, end))
            _put(warehouse, symbol, played.bars("binance", symbol, 3_600_000, *moments), (start, end))
        _derive(warehouse, universe, (start, end))
        for hours in (1, 4, 24):
            wanted = forecast(f"opportunity_{hours}h")
            yield wanted, read_frame(warehouse, universe, wanted, start, end)


@contextmanager
def live_stage() -> Iterator[tuple[Warehouse, Universe, Store]]:
    """Fifty markets up to the present hour, their features, and a champion that learned from them.

    The markets are random walks, so nobody should promote what learned from them; it is made champion to be timed.
    """
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    start = end - LIVE_HOURS * _HOUR
    symbols = ("BTC/USDT", *(f"A{number:02d}/USDT" for number in range(1, MARKETS)))
    with database("models") as warehouse:
        universe = _universe(symbols, start)
        for number, symbol in enumerate(symbols):
            _put(warehouse, symbol, _walk(number, start), (start, end))
        _derive(warehouse, universe, (start, end))
        with tempfile.TemporaryDirectory(prefix="crypto_assets_bench_") as folder:
            store = Store(folder)
            _champion(warehouse, universe, store, (start, end))
            _settle(warehouse)
            yield warehouse, universe, store


def _settle(warehouse: Warehouse) -> None:
    """What a server does on its own after so many new rows, done before anything is measured."""
    with closing(psycopg2.connect(warehouse.url.get_secret_value().replace("+psycopg2", ""))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("VACUUM (ANALYZE)")
            cursor.execute("CHECKPOINT")


def drop_predictions(warehouse: Warehouse) -> None:
    """Forget what was said."""
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM models.predictions")


def reloaded(sha256: str, folder: Path, frame: Frame) -> np.ndarray:  # type: ignore[type-arg]
    """What another process says of all rows with an artefact of `folder`/models: yhat, q10 and q90, float64 (3, n)."""
    arrays: Mapping[str, object] = {
        name: value for name, value in vars(frame).items() if name not in {"names", "series"}
    }
    names = {"names": np.array(frame.names), "series": np.array([one.series for one in frame.series])}
    np.savez(folder / "frame.npz", **arrays, **names)  # type: ignore[arg-type]
    subprocess.run([sys.executable, "-c", _RELOAD, sha256, str(folder)], check=True, timeout=120)
    said: np.ndarray = np.load(folder / "said.npy", allow_pickle=False)  # type: ignore[type-arg]
    return said


def _champion(warehouse: Warehouse, universe: Universe, store: Store, span: tuple[datetime, datetime]) -> None:
    wanted = forecast(PREDICTED)
    frame = read_frame(warehouse, universe, wanted, *span)
    rows = frame.usable()
    learner = LightGbm()
    made = learner.fit(wanted, frame, rows)
    stored = store.put(made.files(), {"learner": learner.name, "forecast": wanted.name, "inputs": list(frame.names)})
    now = datetime.now(UTC)
    trained = Trained(
        wanted.name, learner.name, stored.sha256, stored.bytes, "bench", feature_version_of(wanted), now, span[0],
        span[1], len(rows), len(frame.series), learner.parameters,
        {"reference": reference(frame, rows).as_json(), "error": 1.0}, "zero_change", 0.1, 0.05, 0.15, True, now,
    )  # fmt: skip
    with warehouse.connect() as connection:
        version = register(connection, trained)
    promote(warehouse, wanted.name, version, "bench", "to be timed")


def _universe(symbols: tuple[str, ...], start: datetime) -> Universe:
    text = (
        f"history_from: {start:%Y-%m-%d}\nvenues: {{binance: {{timeframes: [1h], markets: [{', '.join(symbols)}]}}}}\n"
    )
    return parse_universe(text, "bench")


def _derive(warehouse: Warehouse, universe: Universe, span: tuple[datetime, datetime]) -> None:
    window = VenueWindow("binance", *span)
    for dataset in (features, labels):
        dataset.compute_window(warehouse, universe, window, DerivedConfig(), lambda _derived: None)


def _put(warehouse: Warehouse, symbol: str, bars: BarColumns, span: tuple[datetime, datetime]) -> None:
    opened_at = bars.opened_at_ms.astype("datetime64[ms]").astype("datetime64[us]")
    times = {"opened_at": opened_at, "known_at": opened_at + np.timedelta64(1, "h")}
    names = {"venue": "binance", "symbol": symbol, "timeframe": "1h", "source": "bench"}
    with warehouse.connect() as connection:
        upsert(connection, ohlcv, {**names, **times, **bars.values})
        mark_collected(connection, DATASET, "binance", symbol, "1h", *span)


def _walk(seed: int, start: datetime) -> BarColumns:
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, LIVE_HOURS)))
    opened = np.concatenate([[100.0], close[:-1]])
    spread, volume = np.abs(rng.normal(0, 0.005, (2, LIVE_HOURS))), rng.random(LIVE_HOURS) * 10
    values = {
        "open": opened,
        "high": np.maximum(opened, close) * (1 + spread[0]),
        "low": np.minimum(opened, close) * (1 - spread[1]),
        "close": close,
        "volume_base": volume,
        "volume_quote": volume * close,
        "trade_count": np.full(LIVE_HOURS, np.nan),
    }
    return BarColumns(int(start.timestamp() * 1000) + 3_600_000 * np.arange(LIVE_HOURS, dtype=np.int64), values)
