"""Playback of trades: exactly what the file holds, and each mistake in it by its name."""

import shutil
from pathlib import Path
from typing import cast

import pandas as pd
import pytest

from crypto_assets.sandbox.recording_files import RecordingError
from crypto_assets.sandbox.recordings import Recordings
from crypto_assets.sandbox.tickers import day_traded
from crypto_assets.sandbox.venues.binance_trades import agg_trades
from crypto_assets.sandbox.venues.exchange import Asked
from crypto_assets_tests.playing import RECORDINGS, needs_recordings

T0 = 1_700_002_800_000
ROWS: list[tuple[object, ...]] = [
    (T0, 11, 2.0, 1.0, "buy"), (T0 + 5, 12, 2.5, 3.0, "sell"),
    (T0 + 5, 15, 1.5, 2.0, "BUY"), (T0 + 90_000, 16, 2.25, 4.0, "sell"),
]  # fmt: skip


def _folder(tmp_path: Path, rows: list[tuple[object, ...]], columns: str = "", *, without: str = "") -> Path:
    frame = pd.DataFrame(rows, columns=["when", "id", "price", "amount", "side"]).drop(columns=without or [])
    frame.to_csv(tmp_path / "trades.csv", index=False)
    (tmp_path / "recordings.yaml").write_text(
        f"trades: [{{venue: gate, symbol: A/B, file: trades.csv, columns: {{traded_at: when{columns}}}}}]"
    )
    return tmp_path


def test_trades_are_served_as_they_are_and_the_clock_stands_just_after_the_last(tmp_path: Path) -> None:
    source = Recordings(_folder(tmp_path, ROWS))
    trades = source.trades("gate", "A/B", 0, 2**50)
    assert trades.trade_id.tolist() == [11, 12, 15, 16]
    assert trades.traded_at_ms.tolist() == [row[0] for row in ROWS]
    assert trades.is_buy.tolist() == [True, False, True, False]
    assert (source.now_ms("gate", "A/B"), source.now_ms("gate", None)) == (T0 + 90_001, T0 + 90_001)
    assert (source.symbols("gate"), source.listed_ms("gate", "A/B")) == (["A/B"], T0)
    assert [source.moment_of("gate", "A/B", one) - T0 for one in (0, 12, 13, 17)] == [0, 5, 5, 90_002]
    assert len(source.trades("gate", "A/B", T0 + 5, T0 + 6)) == 2
    assert len(source.bars("gate", "A/B", 60_000, 0, 2**50)) == 0


def test_a_ticker_of_trades_alone_sums_them_up(tmp_path: Path) -> None:
    day = day_traded(Recordings(_folder(tmp_path, ROWS)), "gate", "A/B")
    assert (day.open, day.high, day.low, day.last) == (2, 2.5, 1.5, 2.25)
    assert (day.volume_base, day.volume_quote, day.trade_count) == (10, 21.5, 4)


def test_trades_without_ids_are_numbered(tmp_path: Path) -> None:
    source = Recordings(_folder(tmp_path, ROWS, without="id"))
    assert source.trades("gate", "A/B", 0, 2**50).trade_id.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("rows", "columns", "said"),
    [
        ([ROWS[1], ROWS[0]], "", "trades do not ascend"),
        ([ROWS[0], ROWS[0]], "", "trades do not ascend"),
        ([(T0, "x", 1.0, 1.0, "buy")], "", r"trades\.csv: column id"),
        ([ROWS[0], (T0, None, 1.0, 1.0, "buy")], "", "column id: a row has no id"),
        ([(T0, 1, "dear", 1.0, "buy")], "", "column price"),
        ([(T0, 1, 1.0, 1.0, "long")], "", "column side: row 0 is neither buy nor sell"),
        (ROWS, ", price: cost", "no column 'cost' for price"),
        ([], "", "holds no row"),
    ],
)
def test_each_mistake_in_a_file_is_named(
    tmp_path: Path, rows: list[tuple[object, ...]], columns: str, said: str
) -> None:
    with pytest.raises(RecordingError, match=said):
        Recordings(_folder(tmp_path, rows, columns)).read_all()


def test_a_market_that_stands_twice_is_named(tmp_path: Path) -> None:
    listing = _folder(tmp_path, ROWS) / "recordings.yaml"
    entry = "{venue: gate, symbol: A/B, file: trades.csv}"
    listing.write_text(f"trades: [{entry}, {entry}]")
    with pytest.raises(RecordingError, match=r"trades\.1: gate A/B stands twice"):
        Recordings(tmp_path)


@needs_recordings
def test_recorded_trades_are_served_exactly_and_markets_without_serve_none(tmp_path: Path) -> None:
    shutil.copy(RECORDINGS / "trades" / "XRP_ETH-trades.feather", tmp_path / "trades.feather")
    shutil.copy(RECORDINGS / "ohlcv" / "freqtrade" / "XRP_ETH-1m.feather", tmp_path / "bars.feather")
    shutil.copy(RECORDINGS / "ohlcv" / "freqtrade" / "ETH_BTC-5m.feather", tmp_path / "other.feather")
    (tmp_path / "recordings.yaml").write_text(
        "bars:\n"
        " - {venue: binance, symbol: XRP/ETH, timeframe: 1m, file: bars.feather, columns: {opened_at: date}}\n"
        " - {venue: binance, symbol: ETH/BTC, timeframe: 5m, file: other.feather, columns: {opened_at: date}}\n"
        "trades:\n"
        " - {venue: binance, symbol: XRP/ETH, file: trades.feather, columns: {traded_at: timestamp}}\n"
    )
    recorded, source = pd.read_feather(tmp_path / "trades.feather"), Recordings(tmp_path)
    got: list[dict[str, object]] = []
    while page := _agg_trades(
        source, symbol="XRPETH", limit="1000", fromId=str(int(str(got[-1]["a"])) + 1 if got else 0)
    ):
        got += page
    assert _agg_trades(source, symbol="ETHBTC") == []
    assert [row["a"] for row in got] == recorded["id"].astype(int).tolist()
    assert [row["T"] for row in got] == recorded["timestamp"].tolist()
    assert [float(row["p"]) for row in got] == recorded["price"].tolist()
    assert [float(row["q"]) for row in got] == recorded["amount"].tolist()
    assert [row["m"] for row in got] == (recorded["side"] == "sell").tolist()


def _agg_trades(source: Recordings, **query: str) -> list[dict[str, object]]:
    reply = agg_trades(Asked("binance", "/api/v3/aggTrades", query, source))
    return cast("list[dict[str, object]]", reply.payload)
