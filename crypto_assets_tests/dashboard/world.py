"""A small stored world for tests of the dashboard: something in each table that the page shows, with values told by hand.

What belongs here: storing it, and a Dagster storage that is real. What does not: assertions.

Everything lies behind `now`, which is the clock's: the page asks for the last days. One market and one headline are an
attack: whoever put them into the page as HTML would run them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
from dagster._core.test_utils import create_run_for_test
from dagster._daemon.types import DaemonHeartbeat
from pydantic import SecretStr
from sqlalchemy import Table, Text, make_url

from crypto_assets.dashboard.answers import Place
from crypto_assets.dashboard.read_only import ReadOnly
from crypto_assets.datasets.features.technical_indicators.table import technical_indicators
from crypto_assets.datasets.market.ohlcv.table import ohlcv
from crypto_assets.datasets.models.outcomes.table import outcomes
from crypto_assets.datasets.models.predictions.table import predictions
from crypto_assets.datasets.models.registry.registered import Trained
from crypto_assets.datasets.models.registry.store import promote, register
from crypto_assets.datasets.sentiment.news.table import news, news_assets
from crypto_assets.datasets.sentiment.scores.table import scores as news_scores
from crypto_assets.quality.findings import Dimension, Finding
from crypto_assets.quality.scores import record_findings
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.write import Batch, Values, replace, upsert

ROOT = Path(__file__).parents[2]
HOUR = timedelta(hours=1)
HOURS = 240
HOSTILE = "<img src=x onerror=alert(1)>/USDT"
HEADLINE = "<script>alert(1)</script><img src=x onerror=alert(2)> Bitcoin moves"
MISSING, QUIET = (100, 112), (170, 176)  # hours after the first one
WHY = "Asked for exactly these, the venue sent none."
SERIES = (("gate", "BTC/USDT"), ("mexc", "BTC/USDT"), ("mexc", "ETH/USDT"), ("mexc", HOSTILE))
_LEDGER = """
INSERT INTO quality.coverage (dataset, venue, symbol, timeframe, gap_start, gap_end, state, evidence)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""
_COLLECTED = """
INSERT INTO ops.collected_ranges (dataset, venue, symbol, timeframe, collected)
VALUES (%s, %s, %s, %s, tstzmultirange(tstzrange(%s, %s)))
"""
_PROVIDER = """
INSERT INTO ops.provider_limits (provider, next_slot_at, breaker, failures, requests, throttled, latency_ms)
VALUES (%s, now(), %s, %s, %s, %s, %s)
"""
_POLL = """
INSERT INTO ops.market_polls (dataset, venue, symbol, polled_at, due_at, interval_seconds, failures, longest_wait_seconds)
VALUES ('market/trades', 'mexc', %s, now() - interval '10 minutes', now() + %s, 300, %s, 3)
"""
_REFUSED = """
INSERT INTO quality.quarantine (dataset, venue, symbol, timeframe, reason, payload, payload_hash, occurrences)
VALUES ('market/ohlcv', 'mexc', 'BTC/USDT', '1h', 'high below low', '{}', 'a', 4)
"""
_QUOTE = """
INSERT INTO market.book_ticker_snapshots (venue, symbol, snapshot_at, bid_price, bid_quantity, ask_price, ask_quantity,
                                          received_at, age_ms, is_stale, source, known_at)
VALUES (%(venue)s, %(symbol)s, %(at)s, %(bid)s, 1.5, %(ask)s, 2, %(at)s, %(age_ms)s, %(is_stale)s, 'test', %(at)s)
ON CONFLICT (venue, symbol, snapshot_at) DO UPDATE
   SET bid_price = excluded.bid_price, ask_price = excluded.ask_price, age_ms = excluded.age_ms, is_stale = excluded.is_stale
"""
_DAY = "SELECT ops.ensure_day_partition('market.book_ticker_snapshots', %s)"


def walls(moments: Sequence[datetime]) -> Values:
    """Moments as a batch has them."""
    return np.array([np.datetime64(one.replace(tzinfo=None), "us") for one in moments])


def put(warehouse: Warehouse, table: Table, batch: Batch) -> None:
    """Upsert rows; what a column needs and the batch does not say is the text `test`."""
    rest = {
        one.name: "test"
        for one in table.columns
        if one.name not in batch and not one.nullable and one.server_default is None and isinstance(one.type, Text)
    }
    with warehouse.connect() as connection:
        upsert(connection, table, {**rest, **batch})


def the_hour() -> datetime:
    """The full hour that the clock has passed last."""
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def fill(warehouse: Warehouse, end: datetime) -> None:
    """Store all of it; the newest bar closes at `end`."""
    first = end - HOURS * HOUR
    for number, (venue, symbol) in enumerate(SERIES):
        put_bars(warehouse, venue, symbol, first, seed=number)
    put_ledger(warehouse, first, end)
    put_collecting(warehouse)
    put_scores(warehouse)
    put_forecasts(warehouse, end)
    put_news(warehouse, end)
    for venue, symbol in SERIES:
        put_quote(warehouse, venue, symbol, datetime.now(UTC), is_stale=symbol == "ETH/USDT")


def put_bars(warehouse: Warehouse, venue: str, symbol: str, first: datetime, seed: int) -> None:
    """Bars of an hour, a random walk, with indicators; those of `MISSING` and `QUIET` are not there on mexc's BTC/USDT."""
    steps = np.random.default_rng(seed).normal(0, 0.004, HOURS)
    close = 100 * np.exp(np.cumsum(steps))
    opened = pd.DatetimeIndex([first + number * HOUR for number in range(HOURS)])
    frame = pd.DataFrame({"close": close}, index=opened)
    frame["open"] = np.concatenate([[100.0], close[:-1]])
    frame["high"] = frame[["open", "close"]].max(axis=1) * 1.002
    frame["low"] = frame[["open", "close"]].min(axis=1) * 0.998
    frame["volume_base"] = 5 + 400 * np.abs(steps)
    mean, spread = frame["close"].rolling(20).mean(), frame["close"].rolling(20).std(ddof=0)
    frame["sma_20"], frame["bollinger_upper"], frame["bollinger_lower"] = mean, mean + 2 * spread, mean - 2 * spread
    moves = frame["close"].diff()
    rises = moves.clip(lower=0).ewm(alpha=1 / 14, min_periods=14).mean()
    frame["rsi_14"] = 100 * rises / moves.abs().ewm(alpha=1 / 14, min_periods=14).mean()
    if (venue, symbol) == ("mexc", "BTC/USDT"):
        frame = frame.drop(index=[*opened[slice(*MISSING)], *opened[slice(*QUIET)]])
    at = walls(frame.index.to_list())
    key: dict[str, object] = {"venue": venue, "symbol": symbol, "timeframe": "1h"}
    known = {"opened_at": at, "known_at": at + np.timedelta64(1, "h")}
    prices = {name: frame[name].to_numpy() for name in ("open", "high", "low", "close", "volume_base")}
    put(warehouse, ohlcv, {**key, **known, **prices})  # type: ignore[arg-type]
    names = ("sma_20", "bollinger_upper", "bollinger_lower", "rsi_14")
    derived = {name: frame[name].to_numpy() for name in names}
    with warehouse.connect() as connection:
        span = (first, first + HOURS * HOUR)
        replace(connection, technical_indicators, {"source": "test", **key, **known, **derived}, key, *span)  # type: ignore[arg-type]


def put_ledger(warehouse: Warehouse, first: datetime, end: datetime) -> None:
    """What was collected, and why some of it is not there."""
    key = ("market/ohlcv", "mexc", "BTC/USDT", "1h")
    gaps = [(MISSING, "missing", WHY), (QUIET, "venue_quiet", "The venue says that nothing was traded.")]
    with warehouse.connect() as connection, connection.cursor() as cursor:
        for venue, symbol in SERIES:
            cursor.execute(_COLLECTED, ("market/ohlcv", venue, symbol, "1h", first, end))
        for (start, until), state, why in gaps:
            span = (first + start * HOUR, first + until * HOUR)
            cursor.execute(_LEDGER, (*key, *span, state, json.dumps({"why": why})))
        outage = (end - 30 * HOUR, end - 26 * HOUR)
        told = json.dumps({"why": "No market of the venue had a quote."})
        tick = ("market/book_ticker_snapshots", "mexc", "BTC/USDT", "tick")
        cursor.execute(_LEDGER, (*tick, *outage, "venue_outage", told))
        cursor.execute(_COLLECTED, (*tick, end - 48 * HOUR, end))


def put_collecting(warehouse: Warehouse) -> None:
    """Two providers, one of them left alone; three polls, of which one is due and one failed; a refused row."""
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_PROVIDER, ("mexc", "closed", 0, 1200, 3, 85.0))
        cursor.execute(_PROVIDER, ("gate", "open", 5, 90, 0, None))
        for symbol, due, failures in (
            ("BTC/USDT", timedelta(minutes=-4), 0),
            ("ETH/USDT", HOUR, 2),
            ("SOL/USDT", HOUR, 0),
        ):
            cursor.execute(_POLL, (symbol, due, failures))
        cursor.execute(_REFUSED)


def put_scores(warehouse: Warehouse) -> None:
    """Three runs over two series: 1 of 100, 2 of 100 and 10 of 100 rows fail."""
    weights = {"accuracy": 0.4, "completeness": 0.4, "timeliness": 0.2}
    window = (datetime.now(UTC) - HOUR, datetime.now(UTC))
    for number, failed in enumerate((1, 2, 10)):
        for check, dimension in (
            ("high_not_below_low", Dimension.ACCURACY),
            ("gaps_are_explained", Dimension.COMPLETENESS),
        ):
            findings = [Finding("mexc", "BTC/USDT", "1h", 100, failed), Finding("gate", "BTC/USDT", "1h", 100, 0)]
            record_findings(
                warehouse, dataset="market/ohlcv", run_id=f"run {number}", check=check, dimension=dimension, window=window,
                findings=findings, weights=weights,
            )  # fmt: skip
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE quality.scores SET scored_at = now() - interval '3 days' WHERE run_id = 'run 0'")
        cursor.execute("UPDATE quality.scores SET scored_at = now() - interval '1 day' WHERE run_id = 'run 1'")


def put_forecasts(warehouse: Warehouse, end: datetime) -> None:
    """A champion of gas_1h, 72 decisions, of which all but the last came true: its error 0.01, the baseline's 0.02."""
    at = end - 100 * HOUR
    trained = Trained(
        "gas_1h", "lightgbm", "a" * 64, 1000, "c" * 64, "features 1", at, at - 900 * HOUR, at, 500, 1, {"rounds": 20},
        {"verdict": "skill 20.0 % over drift", "error": 0.008}, "drift", 0.2, 0.1, 0.3, True, at,
    )  # fmt: skip
    with warehouse.connect() as connection:
        version = register(connection, trained)
    promote(warehouse, "gas_1h", version, by="test", why="test")
    count = 72
    decided = walls([end - number * HOUR for number in range(count)])
    truth = 0.05 * np.sin(np.arange(count) / 5)
    key: dict[str, object] = {"model": "gas_1h", "domain": "ethereum", "series": "fees"}
    said: dict[str, Values] = {
        "decided_at": decided, "horizon_end_at": decided + np.timedelta64(1, "h"), "known_at": decided,
        "version": np.full(count, version), "level_now": 10 + np.cos(np.arange(count) / 5), "yhat": truth + 0.01,
        "q10": truth - 0.03, "q90": truth + 0.05, "baseline": truth + 0.02, "is_out_of_sample": np.full(count, True),
    }  # fmt: skip
    _insert(warehouse, predictions, {**key, **said, "baseline_name": "drift"}, decided)
    came: dict[str, Values] = {
        name: said[name][1:] for name in ("decided_at", "horizon_end_at", "version", "is_out_of_sample")
    }  # type: ignore[index]
    came |= {"truth": truth[1:], "error": np.full(count - 1, 0.01), "baseline_error": np.full(count - 1, 0.02)}
    came |= {"known_at": came["horizon_end_at"], "is_inside": np.full(count - 1, True)}
    with warehouse.connect() as connection:
        upsert(connection, outcomes, {"source": "test", **key, **came})  # type: ignore[arg-type]


def put_news(warehouse: Warehouse, end: datetime) -> None:
    """Two headlines, one of them hostile; each with a score."""
    seen = walls([end - HOUR, end - 2 * HOUR])
    ids = np.array(["1" * 64, "2" * 64], dtype=object)
    titles = np.array([HEADLINE, "Ether rallies as fees fall"], dtype=object)
    urls = np.array(['https://example.com/"><img src=x onerror=alert(3)>', "https://example.com/ether"], dtype=object)
    put(warehouse, news, {"news_id": ids, "title": titles, "url": urls, "publisher": "Example", "summary": "",
                          "first_seen_at": seen, "known_at": seen, "title_key": "f" * 64})  # fmt: skip
    assets = np.array(["BTC", "ETH"], dtype=object)
    put(warehouse, news_assets, {"news_id": ids, "asset": assets, "found_in": "title", "known_at": seen})
    judged = {"score": np.array([-0.4, 0.6]), "p_negative": np.array([0.6, 0.1]), "p_neutral": np.array([0.3, 0.2])}
    put(warehouse, news_scores, {"news_id": ids, "asset": assets, "model_id": "vader", "model_version": "1",
                                 "label": np.array(["negative", "positive"], dtype=object), **judged,
                                 "p_positive": np.array([0.1, 0.7]), "news_known_at": seen, "scored_at": seen,
                                 "title_key": "f" * 64,
                                 "known_at": seen})  # fmt: skip


def put_quote(
    warehouse: Warehouse,
    venue: str,
    symbol: str,
    at: datetime,
    *,
    bid: str = "100.10",
    ask: str = "100.30",
    age_ms: int = 250,
    is_stale: bool = False,
) -> None:
    """One second of a market, in the place of what is there of that second."""
    told = {"venue": venue, "symbol": symbol, "at": at.replace(microsecond=0), "bid": bid, "ask": ask, "age_ms": age_ms}
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_DAY, (at,))
        cursor.execute(_QUOTE, {**told, "is_stale": is_stale})


def dagster_storage(url: SecretStr) -> None:
    """A Dagster storage as dagster-postgres makes it: two runs, of which one failed, three results of checks, a heartbeat."""
    place = str(
        make_url(url.get_secret_value()).set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)
    )
    storage = {"postgres": {"postgres_url": place}}
    with dg.instance_for_test(overrides={"storage": storage, "telemetry": {"enabled": False}}) as instance:
        create_run_for_test(instance, job_name="a", status=dg.DagsterRunStatus.SUCCESS)
        create_run_for_test(instance, job_name="b", status=dg.DagsterRunStatus.FAILURE)
        create_run_for_test(instance, job_name="c", status=dg.DagsterRunStatus.STARTED)
        now = datetime.now(UTC).timestamp()
        instance.add_daemon_heartbeat(DaemonHeartbeat(now - 20, "SCHEDULER", "one", []))
        warn, error = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR
        told = [("high_not_below_low", False, error, "was wrong"), ("high_not_below_low", True, error, ""),
                ("newest_bar_is_recent", False, warn, "mexc BTC/USDT 1h is 3 h old")]  # fmt: skip
        for name, passed, severity, description in told:
            instance.report_runless_asset_event(
                dg.AssetCheckEvaluation(
                    asset_key=dg.AssetKey(["market", "ohlcv"]), check_name=name, passed=passed, metadata={},
                    severity=severity, description=description,
                )
            )  # fmt: skip


def place_of(warehouse: Warehouse, folder: Path, dagster: SecretStr | None = None) -> Place:
    """What the dashboard is to look at."""
    return Place(
        "sandbox",
        ReadOnly(warehouse.url),
        ReadOnly(dagster, takes_role=False) if dagster else None,
        ROOT / "sql",
        folder / "stream.json",
        "http://127.0.0.1:3000",
    )


def _insert(warehouse: Warehouse, table: Table, batch: Batch, times: Values) -> None:
    """Rows of a table that keeps no former ones."""
    moments: Sequence[datetime] = np.sort(np.asarray(times)).astype("datetime64[us]").tolist()
    start, end = (moment.replace(tzinfo=UTC) for moment in (moments[0], moments[-1] + timedelta(microseconds=1)))
    with warehouse.connect() as connection:
        replace(connection, table, {"source": "test", **batch}, {}, start, end, "decided_at")
