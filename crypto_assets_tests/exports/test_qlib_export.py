"""Qlib's folder, looked at byte by byte: calendars, dates of listing, fields with their holes, and what is written again."""

import dataclasses
import json
import os
import subprocess
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from crypto_assets.datasets.features.ml_features.table import ml_features
from crypto_assets.exports import qlib_folder
from crypto_assets.exports.catalog import exported
from crypto_assets.exports.export import export
from crypto_assets.exports.manifest import Entry, ManifestUnusable, read_manifest
from crypto_assets.exports.place import Place, PlaceUnusable
from crypto_assets.exports.qlib_names import NotForQlib, frequency_of, instrument_of, market_of
from crypto_assets.exports.qlib_series import BAR_FIELDS
from crypto_assets.exports.selection import Selection
from crypto_assets.exports.verify import verify
from crypto_assets.exports.work import Outcome
from crypto_assets.exports.writers import FileFormat
from crypto_assets.indicators.declaration import Bars
from crypto_assets.universe import TIMEFRAME_LENGTH
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.write import replace
from crypto_assets_tests.exports.stage import does, outcomes, run, target
from crypto_assets_tests.markets import HOUR, START, store, walk, without

ROOT = Path(__file__).parents[2]
QLIB_PYTHON = Path(os.environ.get("CRYPTO_ASSETS_QLIB_PYTHON", ROOT / ".venv-qlib" / "bin" / "python"))
QLIB = FileFormat.QLIB
BTC, ETH = "binance.btc_usdt", "binance.eth_usdt"
HOLES = (10, 14)
LISTED = """
INSERT INTO market.instruments (venue, symbol, valid_from, venue_symbol, base, quote, type, status, listed_at, delisted_at,
 valid_to, source, known_at) VALUES
 ('binance', 'ETH/USDT', '2024-01-01T12:30Z', 'ETHUSDT', 'ETH', 'USDT', 'spot', 'trading', '2024-01-01T12:30Z', NULL,
  '2024-01-01T20:00Z', 'test', now()),
 ('binance', 'ETH/USDT', '2024-01-01T20:00Z', 'ETHUSDT', 'ETH', 'USDT', 'spot', 'gone', '2024-01-01T12:30Z',
  '2024-01-02T06:00Z', NULL, 'test', now())
"""

GAP = """
INSERT INTO quality.coverage (dataset, venue, symbol, timeframe, gap_start, gap_end, state, evidence) VALUES
 ('market/ohlcv', 'binance', 'ETH/USDT', '1h', '2024-01-01T22:00Z', '2024-01-02T02:00Z', 'venue_outage', '{}'),
 ('market/ohlcv', 'binance', 'BTC/USDT', '1h', '2024-01-05T22:00Z', '2024-01-06T02:00Z', 'venue_outage', '{}')
"""


def _days(bars: Bars) -> Bars:
    """Bars of days out of bars of hours; the first hour of each is enough."""
    return Bars(*(getattr(bars, name)[::24] for name in ("opened_at", "open", "high", "low", "close", "volume")))


@pytest.fixture
def stored(warehouse: Warehouse) -> Warehouse:
    """Hours of two markets, one with holes and listed for a while; days of one; minutes of another that begin later."""
    store(warehouse, walk(72), "BTC/USDT")
    store(warehouse, without(walk(42, seed=1, start=START + 12 * HOUR), HOLES), "ETH/USDT")
    store(warehouse, _days(walk(72)), "BTC/USDT", timeframe="1d")
    store(warehouse, walk(7, seed=2, start=START + 5 * HOUR, timeframe="1m"), "ETH/USDT", timeframe="1m")
    does(warehouse, LISTED)
    return warehouse


def _named(folder: Path) -> Mapping[str, Entry]:
    """What the manifest names."""
    manifest = read_manifest(Place(str(folder)))
    assert manifest is not None
    return manifest.files


def _field(folder: Path, instrument: str, name: str, frequency: str = "60min") -> tuple[int, NDArray[np.float32]]:
    content = np.fromfile(folder / "qlib" / "bars" / "features" / instrument / f"{name}.{frequency}.bin", dtype="<f4")
    return int(content[0]), content[1:]


def test_calendars_are_whole_grids_in_utc_and_fields_have_nan_for_holes(stored: Warehouse, tmp_path: Path) -> None:
    report = run(stored, "bars", tmp_path, QLIB)
    folder = tmp_path / "qlib" / "bars"
    assert sorted(outcomes(report)) == [
        "BINANCE.BTC_USDT/60min", "BINANCE.BTC_USDT/day", "BINANCE.ETH_USDT/1min", "BINANCE.ETH_USDT/60min",
    ]  # fmt: skip
    hours = (folder / "calendars" / "60min.txt").read_text().splitlines()
    assert (len(hours), hours[0], hours[-1]) == (72, "2024-01-01 00:00:00", "2024-01-03 23:00:00")
    assert (folder / "calendars" / "day.txt").read_text() == "2024-01-01\n2024-01-02\n2024-01-03\n"
    assert len((folder / "calendars" / "1min.txt").read_text().splitlines()) == 7
    assert (folder / "instruments" / "all.txt").read_text() == (
        "BINANCE.BTC_USDT\t2024-01-01 00:00:00\t2024-01-03 23:00:00\n"
        "BINANCE.ETH_USDT\t2024-01-01 00:00:00\t2024-01-02 05:59:59\n"
    )
    bars = walk(42, seed=1, start=START + 12 * HOUR)
    place, close = _field(tmp_path, ETH, "close")
    wanted = bars.close.astype("<f4")
    wanted[slice(*HOLES)] = np.nan
    assert place == 12
    assert close.tobytes() == wanted.tobytes()
    assert _field(tmp_path, ETH, "volume")[1][0] == np.float32(bars.volume[0])
    assert np.isnan(_field(tmp_path, BTC, "trades")[1]).all()
    assert {path.name for path in (folder / "features" / BTC).glob("*.60min.bin")} == {
        f"{name}.60min.bin" for name in BAR_FIELDS.values()
    }
    assert report.totals["holes"] == {"absent": HOLES[1] - HOLES[0]}
    assert (tmp_path / "parquet" / "coverage").exists() is False  # nothing is in the ledger


def test_only_series_with_news_are_written_again_and_places_move_where_older_bars_come(
    stored: Warehouse, tmp_path: Path
) -> None:
    run(stored, "bars", tmp_path, QLIB)
    folder = tmp_path / "qlib" / "bars"
    assert set(outcomes(run(stored, "bars", tmp_path, QLIB)).values()) == {"unchanged"}
    inodes = {path: path.stat().st_ino for path in folder.rglob("*.bin")}
    store(stored, walk(3, seed=5, start=START + 72 * HOUR), "BTC/USDT")
    told = outcomes(run(stored, "bars", tmp_path, QLIB))
    assert [name for name, outcome in told.items() if outcome == "written"] == ["BINANCE.BTC_USDT/60min"]
    assert {path.parent.name for path, inode in inodes.items() if path.stat().st_ino != inode} == {BTC}
    assert len((folder / "calendars" / "60min.txt").read_text().splitlines()) == 75
    before = _field(tmp_path, ETH, "close")
    store(stored, walk(5, seed=6, start=START - 5 * HOUR), "BTC/USDT")
    told = outcomes(run(stored, "bars", tmp_path, QLIB))
    assert [name for name, outcome in told.items() if outcome == "written"] == ["BINANCE.BTC_USDT/60min"]
    after = _field(tmp_path, ETH, "close")
    assert (after[0], after[1].tobytes()) == (before[0] + 5, before[1].tobytes())
    assert _field(tmp_path, BTC, "close")[0] == 0
    assert [path.name for path in folder.parent.iterdir()] == ["bars"]
    assert not verify(stored, exported("bars"), Selection(), target(tmp_path, QLIB)).problems


def test_an_exchange_of_folders_that_was_ended_in_the_middle_is_undone(
    stored: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(stored, "bars", tmp_path, QLIB)
    folder = tmp_path / "qlib" / "bars"
    before = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    store(stored, walk(5, seed=6, start=START - 5 * HOUR), "BTC/USDT")

    def half(new: Path, old: Path) -> None:
        old.rename(old.with_name(f".{old.name}.{'0' * 32}.old"))
        raise KeyboardInterrupt(new)

    with monkeypatch.context() as patched:
        patched.setattr("crypto_assets.exports.qlib_export.exchange", half)
        with pytest.raises(KeyboardInterrupt):
            run(stored, "bars", tmp_path, QLIB)
    assert not folder.exists()
    qlib_folder.recover(folder)
    assert {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert [path.name for path in folder.parent.iterdir()] == ["bars"]
    assert "written" in outcomes(run(stored, "bars", tmp_path, QLIB)).values()


def test_a_link_that_leads_out_of_the_folder_is_refused(stored: Warehouse, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "qlib" / "bars").mkdir(parents=True)
    (tmp_path / "qlib" / "bars" / "features").symlink_to(tmp_path / "outside")
    with pytest.raises(PlaceUnusable, match="leads out of the folder"):
        run(stored, "bars", tmp_path, QLIB)
    assert not [path for path in (tmp_path / "outside").rglob("*") if path.is_file()]


def test_what_is_gone_stays_in_calendar_and_list_until_it_is_pruned(stored: Warehouse, tmp_path: Path) -> None:
    run(stored, "bars", tmp_path, QLIB)
    does(stored, "DELETE FROM market.ohlcv WHERE symbol = 'BTC/USDT'")
    folder = tmp_path / "qlib" / "bars"
    told = outcomes(run(stored, "bars", tmp_path, QLIB))
    assert told["BINANCE.BTC_USDT/day"] == "gone from the database, kept"
    assert {name for name, entry in _named(folder).items() if entry.gone} == {
        "BINANCE.BTC_USDT/60min", "BINANCE.BTC_USDT/day",
    }  # fmt: skip
    assert len((folder / "calendars" / "60min.txt").read_text().splitlines()) == 72
    assert "BTC" in (folder / "instruments" / "all.txt").read_text()
    told = outcomes(run(stored, "bars", tmp_path, QLIB, prune=True))
    assert told["BINANCE.BTC_USDT/day"] == "gone from the database, removed"
    assert "BTC" not in (folder / "instruments" / "all.txt").read_text()
    assert not list((folder / "features").glob(f"{BTC}/*"))
    assert set(_named(folder)) == {"BINANCE.ETH_USDT/1min", "BINANCE.ETH_USDT/60min"}
    assert not verify(stored, exported("bars"), Selection(), target(tmp_path, QLIB)).problems
    run(stored, "bars", tmp_path, QLIB)
    assert "BTC" not in (folder / "instruments" / "all.txt").read_text()


def test_what_has_come_back_as_it_was_is_no_longer_gone(stored: Warehouse, tmp_path: Path) -> None:
    run(stored, "bars", tmp_path, QLIB)
    does(stored, "CREATE TABLE public.aside AS SELECT * FROM market.ohlcv; DELETE FROM market.ohlcv")
    run(stored, "bars", tmp_path, QLIB)
    folder = tmp_path / "qlib" / "bars"
    assert all(entry.gone for entry in _named(folder).values())
    does(stored, "INSERT INTO market.ohlcv SELECT * FROM public.aside; DROP TABLE public.aside")
    assert set(outcomes(run(stored, "bars", tmp_path, QLIB)).values()) == {"unchanged"}
    assert not any(entry.gone for entry in _named(folder).values())


def test_the_ledger_of_qlibs_bars_is_in_qlibs_folder_and_another_choice_is_refused_before_the_work(
    stored: Warehouse, tmp_path: Path
) -> None:
    does(stored, GAP)
    run(stored, "bars", tmp_path)  # all markets as Parquet, with their ledger
    chosen = Selection(markets=("ETH/USDT",))
    [ledger] = run(stored, "bars", tmp_path, QLIB, chosen).beside
    assert Path(ledger.place) == tmp_path / "qlib" / "parquet" / "coverage"
    assert [one.rows for one in ledger.files] == [1]
    assert set(outcomes(run(stored, "bars", tmp_path, QLIB, chosen)).values()) == {"unchanged"}
    run(stored, "coverage", tmp_path / "other", selection=chosen)
    with pytest.raises(ManifestUnusable, match="coverage holds an export of markets ETH/USDT, not of all"):
        run(stored, "bars", tmp_path / "other")
    assert not (tmp_path / "other" / "parquet" / "bars").exists()


def test_features_stand_beside_prices_in_a_folder_of_their_own(stored: Warehouse, tmp_path: Path) -> None:
    bars = walk(72)
    with stored.connect() as connection:
        replace(
            connection,
            ml_features,
            {
                "venue": "binance", "symbol": "BTC/USDT", "timeframe": "1h", "opened_at": bars.opened_at[50:52],
                "rsi_14": np.array([0.25, np.nan]), "version": "v", "source": "test", "known_at": bars.opened_at[50:52],
            },
            {"venue": "binance"}, START, START + timedelta(days=9),
        )  # fmt: skip
    chosen = Selection(markets=("BTC/USDT",), timeframes=("1h",), columns=("rsi_14",))
    run(stored, "features", tmp_path, QLIB, chosen)
    folder = tmp_path / "qlib" / "features" / "features" / BTC
    rsi = np.fromfile(folder / "rsi_14.60min.bin", dtype="<f4")
    assert (rsi[0], rsi[1]) == (50, 0.25)
    assert np.isnan(rsi[2])
    assert np.fromfile(folder / "close.60min.bin", dtype="<f4")[1:].tobytes() == bars.close.astype("<f4").tobytes()
    assert len(list(folder.iterdir())) == 1 + len(BAR_FIELDS)


def test_what_qlib_cannot_hold_is_refused_and_takes_no_other_along(stored: Warehouse, tmp_path: Path) -> None:
    for name, selection, told in (
        ("trades", Selection(), "trades has no form that Qlib knows"),
        ("bars", Selection(start=START), "holds the whole history"),
    ):
        with pytest.raises(NotForQlib, match=told):
            run(stored, name, tmp_path, QLIB, selection)
    store(stored, walk(1, start=START + timedelta(minutes=7)), "BTC/USDT")
    [failed] = run(stored, "bars", tmp_path, QLIB).those(Outcome.FAILED)
    assert (failed.name, failed.why[:26]) == ("BINANCE.BTC_USDT/60min", "A bar of 1h at 2024-01-01 ")
    assert not list(tmp_path.rglob(f"{BTC}/*.60min.bin"))
    assert _field(tmp_path, ETH, "close")[0] == 12
    remote = dataclasses.replace(target(tmp_path, QLIB), place=Place("memory://x"))
    with pytest.raises(NotForQlib, match="folders of this machine alone"):
        export(stored, exported("bars"), Selection(), remote)


@given(st.text("abcxyz019_=.-", min_size=1, max_size=8), st.text("ABCxyz019/:._-=%é ", max_size=12))
def test_names_are_safe_and_say_which_market_it_is_in_any_case(venue: str, symbol: str) -> None:
    name = instrument_of(venue, symbol)
    assert name == name.upper()
    assert set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.=-")
    assert market_of(name) == market_of(name.lower()) == (venue, symbol)


def test_names_that_people_see_are_readable_and_strange_ones_refused() -> None:
    assert instrument_of("okx", "BTC/USDT:USDT-240628") == "OKX.BTC_USDT=3AUSDT-240628"
    for strange in ("SH600000", "OKX.BTC=2FUSDT", "OKX.=FF", "..", ""):
        with pytest.raises(NotForQlib):
            market_of(strange)
    with pytest.raises(NotForQlib, match="no name of a folder"):
        instrument_of("okx", "A" * 300)
    assert [frequency_of(one) for one in TIMEFRAME_LENGTH] == [
        "1min", "5min", "15min", "30min", "60min", "240min", "720min", "day",
    ]  # fmt: skip


@pytest.mark.skipif(not QLIB_PYTHON.exists(), reason="no pyqlib: `make test-qlib` makes an environment for it")
def test_qlib_reads_it_back_and_writes_the_same_bytes(stored: Warehouse, tmp_path: Path) -> None:
    run(stored, "bars", tmp_path, QLIB, Selection(timeframes=("1h", "1d")))
    folder, copy = tmp_path / "qlib" / "bars", tmp_path / "copy"
    frequencies = {"60min": ("1h", 72), "day": ("1d", 3)}
    calendars = {name: (folder / "calendars" / f"{name}.txt").read_text().splitlines() for name in frequencies}
    bars = {"BINANCE.BTC_USDT": walk(72), "BINANCE.ETH_USDT": without(walk(42, seed=1, start=START + 12 * HOUR), HOLES)}
    series: dict[str, dict[str, dict[str, list[float | None]]]] = {"60min": {}, "day": {}}
    first: dict[str, dict[str, int]] = {"60min": {}, "day": {}}
    for frequency, instrument, held in (
        ("60min", "BINANCE.BTC_USDT", bars["BINANCE.BTC_USDT"]),
        ("60min", "BINANCE.ETH_USDT", bars["BINANCE.ETH_USDT"]),
        ("day", "BINANCE.BTC_USDT", _days(bars["BINANCE.BTC_USDT"])),
    ):
        frame = pd.DataFrame(
            {"open": held.open, "high": held.high, "low": held.low, "close": held.close, "volume": held.volume,
             "amount": held.volume * held.close, "trades": np.nan}, index=pd.DatetimeIndex(held.opened_at)
        )  # fmt: skip
        grid = pd.date_range(frame.index[0], frame.index[-1], freq="D" if frequency == "day" else "h")
        whole = frame.reindex(grid).astype(object)
        whole = whole.where(whole.notna(), None)
        series[frequency][instrument] = {name: whole[name].tolist() for name in frame}
        begins = f"{grid[0]:%Y-%m-%d}" if frequency == "day" else str(grid[0])
        first[frequency][instrument] = calendars[frequency].index(begins)
    lines = [line.split("\t") for line in (folder / "instruments" / "all.txt").read_text().splitlines()]
    request = {
        "folder": str(folder), "copy": str(copy), "fields": list(BAR_FIELDS.values()), "series": series,
        "calendars": calendars, "first": first, "instruments": {name: [[start, end]] for name, start, end in lines},
    }  # fmt: skip
    done = subprocess.run(
        [str(QLIB_PYTHON), str(Path(__file__).with_name("qlib_reader.py"))],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.strip().splitlines()[-1])
    ours = {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.suffix in {".bin", ".txt"}
    }
    theirs = {path.relative_to(copy): path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    # pyqlib 0.9.7 writes its list of instruments in an order of columns that its own reader does not know: read back below.
    del ours[Path("instruments/all.txt")], theirs[Path("instruments/all.txt")]
    assert ours == theirs
    assert len(ours) == 2 + 3 * len(BAR_FIELDS)
    for frequency, (_, count) in frequencies.items():
        answer = told[frequency]
        assert len(answer["calendar"]) == count
        assert answer["calendar"][0] == "2024-01-01 00:00:00"
        for name in BAR_FIELDS.values():
            read = dict(zip(map(tuple, answer["rows"]), answer["values"][name], strict=True))
            assert read == _bits(series[frequency], first[frequency], calendars[frequency], name, answer["instruments"])
        assert answer["changes"] > 0
    listed = told["60min"]["instruments"]["BINANCE.ETH_USDT"]
    assert listed == [["2024-01-01 00:00:00", "2024-01-02 05:59:59"]]


def _bits(
    series: dict[str, dict[str, list[float | None]]],
    first: dict[str, int],
    calendar: list[str],
    name: str,
    periods: dict[str, list[list[str]]],
) -> dict[tuple[str, str], int]:
    """The bits of each value by instrument and moment, of moments at which it was listed."""
    found = {}
    for instrument, fields in series.items():
        start, end = periods[instrument][0]
        values = np.array([np.nan if one is None else one for one in fields[name]], dtype="<f4")
        for place, value in enumerate(values):
            at = str(pd.Timestamp(calendar[first[instrument] + place]))
            if start <= at <= end:
                found[instrument, at] = int(value.view("<u4"))
    return found
