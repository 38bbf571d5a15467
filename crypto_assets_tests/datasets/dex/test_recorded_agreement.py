"""Recorded bars and trades of real pools against each other, and the proof of quiet on recorded bars."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crypto_assets.clients.pool_trade_rows import PoolBars, PoolTrades
from crypto_assets.datasets.dex.pool_ohlcv.checks import RULES as OHLCV_RULES
from crypto_assets.datasets.dex.pool_ohlcv.collect import Asked, store
from crypto_assets.datasets.dex.pool_ohlcv.quiet import tell_quiet
from crypto_assets.datasets.dex.pool_ohlcv.table import series_of
from crypto_assets.datasets.dex.pool_trades.checks import RULES
from crypto_assets.datasets.dex.pool_trades.collect import store_page
from crypto_assets.datasets.dex.pool_trades.continuity import series_of as trades_of
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.coverage import read_gaps
from crypto_assets.spans import Span
from crypto_assets.universe import TIMEFRAME_LENGTH, DexRules
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.playing import shipped_universe

NETWORK = "solana"
CBRL = "7bqJG2ZdMKbEkgSmfuqNVBvqEvWavgL8UEo33ZqdL3NP"
BUSY = "Cnd9CKtG6meUJqKu9NkSeriAgzPSbQpZV5qwq5B44Spz"
EXACT = Context(prec=40)


def bars_of(rows: pd.DataFrame) -> PoolBars:
    rows = rows.astype({"timestamp": "int64"}).sort_values("timestamp")
    names = ("open", "high", "low", "close")
    prices = {name: rows[f"{name}_price"].to_numpy(dtype=np.float64) for name in names}
    opened = rows["timestamp"].to_numpy() * 1000
    volume = rows["volume_usd"].to_numpy(dtype=np.float64)
    return PoolBars(opened, **prices, volume_usd=volume, received=len(rows), oldest_ms=int(opened[0]))


def span_of(bars: PoolBars, timeframe: str) -> Span:
    first, last = (datetime.fromtimestamp(int(at) / 1000, UTC) for at in bars.opened_at_ms[[0, -1]])
    return first, last + TIMEFRAME_LENGTH[timeframe]


def store_bars(warehouse: Warehouse, pool: str, timeframe: str, bars: PoolBars) -> int:
    asked = Asked(bars, span_of(bars, timeframe))
    return store(warehouse, series_of(NETWORK, pool, timeframe), asked, DexRules()).inserted


def trades_page(rows: pd.DataFrame) -> PoolTrades:
    """The backup's trades. Its times are labelled -06:00 and are UTC: their ids end with the second of their arrival."""
    at = pd.to_datetime(rows["block_timestamp"].str[:19], utc=True)
    arrived = rows["id"].str.rsplit("_", n=1).str[1].astype("int64")
    late = arrived - at.map(lambda one: int(one.timestamp()))
    assert late.between(2, 33).all()
    rows = rows.assign(at=at.map(lambda one: int(one.timestamp()) * 1_000_000)).sort_values("at", kind="stable")
    is_buy = (rows["side"] == "buy").to_numpy()
    base = np.where(is_buy, rows["to_token_amount"], rows["from_token_amount"])
    quote = np.where(is_buy, rows["from_token_amount"], rows["to_token_amount"])
    # The backup keeps the dollar price of what was paid with; of purchases that is the quote token's.
    price = [
        f"{EXACT.divide(Decimal(value), Decimal(amount)):f}" if bought else told
        for value, amount, told, bought in zip(rows["volume_usd"], base, rows["price_usd"], is_buy, strict=True)
    ]
    return PoolTrades(
        traded_at_us=rows["at"].to_numpy(dtype=np.int64),
        tx_hash=rows["tx_hash"].to_numpy(dtype=object),
        ordinal=rows["id"].str.split("_").str[3].astype("int64").to_numpy(),
        block_number=rows["block_number"].astype("int64").to_numpy(),
        is_buy=is_buy,
        price_usd=np.array(price, dtype=object),
        amount_base=base.astype(object),
        amount_quote=quote.astype(object),
        volume_usd=rows["volume_usd"].to_numpy(dtype=object),
        sender=rows["tx_from_address"].to_numpy(dtype=object),
        received=len(rows),
    )


def test_recorded_trades_fit_the_recorded_bars_of_their_pool(warehouse: Warehouse, recordings: Path) -> None:
    rows = pd.read_parquet(recordings / "gecko/tables/trades_backup_2025-09-16.parquet")
    bars = pd.read_parquet(recordings / "gecko/tables/ohlcv_backup_2025-09-16.parquet")
    page = trades_page(rows[rows["pool_id"] == f"solana_{BUSY}"])
    asked_at = datetime(2025, 9, 17, 8, 30, tzinfo=UTC)
    assert len(page) == 5301
    assert store_page(warehouse, trades_of(NETWORK, BUSY), page, asked_at, DexRules()).outcome.inserted == 5301
    minutes = bars[(bars["pool_id"] == f"solana_{BUSY}") & (bars["timeframe"] == "1m")]
    assert store_bars(warehouse, BUSY, "1m", bars_of(minutes)) == 1747
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT sum(volume_usd)::text, sum(amount_base)::text FROM dex.pool_trades")
        sums = cursor.fetchone()
    assert sums is not None
    assert Decimal(sums[0]) == sum(map(Decimal, page.volume_usd))
    assert Decimal(sums[1]) == sum(map(Decimal, page.amount_base))

    rule = next(one for one in RULES if one.name == "trades_fit_bars")
    window = VenueWindow(NETWORK, datetime(2025, 9, 16, tzinfo=UTC), datetime(2025, 9, 18, tzinfo=UTC))
    universe = shipped_universe()
    [finding] = rule.look(warehouse, universe, window)
    # Of the minutes that have both, all but one lie within a thousandth of their bar. Trades above 100 dollars were kept.
    assert (finding.checked, finding.failed) == (1160, 1)
    assert rule.passes([finding], universe)


def test_the_digits_of_another_pool_are_an_error_that_the_check_finds(warehouse: Warehouse, recordings: Path) -> None:
    rows = pd.read_parquet(recordings / "gecko/tables/trades_backup_2025-09-16.parquet")
    bars = pd.read_parquet(recordings / "gecko/tables/ohlcv_backup_2025-09-16.parquet")
    minutes = bars[(bars["pool_id"] == f"solana_{BUSY}") & (bars["timeframe"] == "1m")]
    store_bars(warehouse, BUSY, "1m", bars_of(minutes))
    shifted = rows[rows["pool_id"] == f"solana_{BUSY}"].copy()
    page = trades_page(shifted)
    moved = PoolTrades(**{**vars(page), "traded_at_us": page.traded_at_us + 6 * 3600 * 1_000_000})
    store_page(warehouse, trades_of(NETWORK, BUSY), moved, datetime(2025, 9, 17, 14, 30, tzinfo=UTC), DexRules())
    rule = next(one for one in RULES if one.name == "trades_fit_bars")
    window = VenueWindow(NETWORK, datetime(2025, 9, 16, tzinfo=UTC), datetime(2025, 9, 18, tzinfo=UTC))
    [finding] = rule.look(warehouse, shipped_universe(), window)
    assert finding.failed > finding.checked / 2  # believed to be six hours later, they fit nothing
    assert not rule.passes([finding], shipped_universe())


def test_recorded_quiet_minutes_are_told_from_a_bar_that_was_taken_away(warehouse: Warehouse, recordings: Path) -> None:
    rows = pd.read_csv(recordings / "gecko/tables/specs_QA_ohlcv_data_2.csv.gz")
    rows = rows[rows["pool_id"] == f"solana_{CBRL}"]
    # The span that all lengths of bar cover: whole days.
    start, end = (int(datetime(2025, 8, day, tzinfo=UTC).timestamp()) for day in (22, 30))
    rows = rows[(rows["timestamp"] >= start) & (rows["timestamp"] < end)]
    minutes = rows[rows["timeframe"] == "1m"]
    taken = minutes.iloc[len(minutes) // 2]
    first, last = (datetime.fromtimestamp(at, UTC) for at in (start, end))
    for timeframe, of_length in rows.groupby("timeframe"):
        bars = bars_of(of_length[~((of_length["timeframe"] == "1m") & (of_length["timestamp"] == taken["timestamp"]))])
        store(warehouse, series_of(NETWORK, CBRL, str(timeframe)), Asked(bars, (first, last)), DexRules())
    with warehouse.connect() as connection:
        tell_quiet(connection, NETWORK, CBRL, (first, last), DexRules())
    gaps = read_gaps(warehouse, dataset="dex/pool_ohlcv", venue=NETWORK, symbol=CBRL)
    spans = (gaps["gap_end"] - gaps["gap_start"]).groupby([gaps["timeframe"], gaps["state"]]).sum()
    stored = rows.groupby("timeframe").size()
    taken_at = datetime.fromtimestamp(int(taken["timestamp"]), UTC)
    missing = gaps[gaps["state"] == "missing"]
    # What cannot be proven quiet is the five minutes around the bar that was taken away, and nothing else.
    assert set(missing["timeframe"]) == {"1m"}
    assert (missing["gap_start"] >= taken_at - timedelta(minutes=5)).all()
    assert (missing["gap_end"] <= taken_at + timedelta(minutes=5)).all()
    due = int((last - first) / timedelta(minutes=1))
    quiet = spans["1m", "venue_quiet"] / pd.Timedelta(minutes=1)
    absent = spans["1m", "missing"] / pd.Timedelta(minutes=1)
    assert stored["1m"] - 1 + quiet + absent == due


@pytest.mark.parametrize(
    ("fine", "coarse"), [("1m", "5m"), ("5m", "15m"), ("15m", "1h"), ("1h", "4h"), ("4h", "12h"), ("12h", "1d")]
)
def test_recorded_volumes_of_longer_bars_are_the_sums_of_shorter_ones(recordings: Path, fine: str, coarse: str) -> None:
    rows = pd.read_csv(recordings / "gecko/tables/specs_QA_ohlcv_data_2.csv.gz")
    length = int(TIMEFRAME_LENGTH[coarse].total_seconds())
    short = rows[rows["timeframe"] == fine]
    sums = short.groupby(["pool_id", short["timestamp"] // length * length])["volume_usd"].sum()
    whole = rows[rows["timeframe"] == coarse].set_index(["pool_id", "timestamp"])["volume_usd"]
    both = pd.concat([sums.rename("sum"), whole], axis=1, join="inner")
    agree = abs(both["sum"] / both["volume_usd"] - 1) <= DexRules().volume_tolerance
    assert len(both) >= 26
    # The one that does not: its five minutes are there, but one was asked for before it was complete.
    assert [at for _, at in both.index[~agree]] == ([1755822000] if fine == "1m" else [])


def test_a_recorded_minute_that_was_kept_too_early_is_found(warehouse: Warehouse, recordings: Path) -> None:
    rows = pd.read_csv(recordings / "gecko/tables/specs_QA_ohlcv_data_2.csv.gz")
    rows = rows[(rows["pool_id"] == f"solana_{CBRL}") & rows["timestamp"].between(1755820800, 1755824399)]
    for timeframe in ("1m", "5m"):
        store_bars(warehouse, CBRL, timeframe, bars_of(rows[rows["timeframe"] == timeframe]))
    rule = next(one for one in OHLCV_RULES if one.name == "shorter_bars_add_up")
    window = VenueWindow(NETWORK, datetime(2025, 8, 22, tzinfo=UTC), datetime(2025, 8, 23, tzinfo=UTC))
    [finding] = rule.look(warehouse, shipped_universe(), window)
    assert (finding.checked, finding.failed, finding.example) == (12, 1, "2025-08-22 00:20")
