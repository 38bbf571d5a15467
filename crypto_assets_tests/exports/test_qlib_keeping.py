"""Qlib's folder keeps what it has: through exports that were ended early, series that fail, and what retention takes out."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from crypto_assets.datasets.features.ml_features.table import ml_features
from crypto_assets.exports.catalog import exported
from crypto_assets.exports.export import export
from crypto_assets.exports.manifest import read_manifest
from crypto_assets.exports.place import Place
from crypto_assets.exports.selection import Selection
from crypto_assets.exports.verify import verify
from crypto_assets.exports.work import Outcome
from crypto_assets.exports.writers import FileFormat
from crypto_assets.indicators.declaration import Bars
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.write import replace
from crypto_assets_tests.exports.stage import ALL, does, outcomes, run, target
from crypto_assets_tests.markets import HOUR, START, store, walk, without

QLIB = FileFormat.QLIB
A, B, C = (f"BINANCE.{letter}_USDT/60min" for letter in "ABC")
TURN = 10  # hours of the old year
YEAR_AWAY = """
INSERT INTO ops.archived_partitions (table_name, starts_at, number, ends_at, partition_name, outcome, table_bytes)
 VALUES ('{0}', '2023-01-01T00:00Z', 1, '2024-01-01T00:00Z', 'of_2023', 'dropped', 0);
DELETE FROM {0} WHERE opened_at < '2024-01-01T00:00Z';
"""


def _folder(place: Path, name: str = "bars") -> Path:
    return place / "qlib" / name


def _seen(folder: Path, letter: str, field: str = "close") -> dict[str, float]:
    """What a reader of the folder sees of a market: its values by their moments."""
    calendar = (folder / "calendars" / "60min.txt").read_text().splitlines()
    whole = np.fromfile(folder / "features" / f"binance.{letter}_usdt" / f"{field}.60min.bin", dtype="<f4")
    return {
        calendar[int(whole[0]) + place]: float(value) for place, value in enumerate(whole[1:]) if np.isfinite(value)
    }


def _meant(bars: Bars) -> dict[str, float]:
    """What a reader is to see of these bars."""
    closes = zip(bars.opened_at, bars.close.astype("<f4"), strict=True)
    return {str(at.astype("datetime64[s]")).replace("T", " "): float(close) for at, close in closes}


def _ends_before(key: str) -> Callable[[str, int, int], None]:
    """A progress that ends the export before it writes a series."""
    _, symbol = key.partition("/")[0].replace("_", "/").split(".")

    def tell(doing: str, _done: int, _of: int) -> None:
        if symbol in doing:
            raise KeyboardInterrupt

    return tell


def _problems(warehouse: Warehouse, place: Path, name: str = "bars", chosen: Selection = ALL) -> dict[str, str]:
    found = verify(warehouse, exported(name), chosen, target(place, QLIB)).problems
    return {one.name: one.wrong.value for one in found}


@pytest.fixture
def ended(warehouse: Warehouse, tmp_path: Path) -> Warehouse:
    """A first export that was ended after A's series; then older bars came of C."""
    for seed, symbol in enumerate(("A/USDT", "B/USDT", "C/USDT")):
        store(warehouse, walk(24, seed), symbol)
    with pytest.raises(KeyboardInterrupt):
        export(warehouse, exported("bars"), ALL, target(tmp_path, QLIB), _ends_before(B))
    manifest = read_manifest(Place(str(_folder(tmp_path))))
    assert manifest is not None
    assert list(manifest.files) == [A]
    assert not (_folder(tmp_path) / "calendars").exists()
    store(warehouse, walk(5, 8, start=START - 5 * HOUR), "C/USDT")
    return warehouse


def test_a_series_of_an_export_that_was_ended_before_its_calendar_is_not_shifted_in_time(
    ended: Warehouse, tmp_path: Path
) -> None:
    told = outcomes(run(ended, "bars", tmp_path, QLIB))
    assert told == {A: "written", B: "written", C: "written"}
    assert _seen(_folder(tmp_path), "a") == _meant(walk(24, 0))
    assert _seen(_folder(tmp_path), "b") == _meant(walk(24, 1))
    assert not _problems(ended, tmp_path)
    assert set(outcomes(run(ended, "bars", tmp_path, QLIB)).values()) == {"unchanged"}


def test_one_that_the_database_has_lost_since_is_moved_to_its_moments(ended: Warehouse, tmp_path: Path) -> None:
    does(ended, "DELETE FROM market.ohlcv WHERE symbol = 'A/USDT'")
    assert outcomes(run(ended, "bars", tmp_path, QLIB))[A] == "gone from the database, kept"
    assert _seen(_folder(tmp_path), "a") == _meant(walk(24, 0))
    assert not _problems(ended, tmp_path)


def test_a_series_that_an_older_export_shifted_is_set_right(warehouse: Warehouse, tmp_path: Path) -> None:
    store(warehouse, walk(24, 0), "A/USDT")
    run(warehouse, "bars", tmp_path, QLIB)
    calendar = _folder(tmp_path) / "calendars" / "60min.txt"
    calendar.write_text("2023-12-31 22:00:00\n2023-12-31 23:00:00\n" + calendar.read_text())
    assert _seen(_folder(tmp_path), "a") != _meant(walk(24, 0))
    assert outcomes(run(warehouse, "bars", tmp_path, QLIB)) == {A: "written"}
    assert _seen(_folder(tmp_path), "a") == _meant(walk(24, 0))
    assert not _problems(warehouse, tmp_path)


def test_a_field_whose_place_was_altered_moves_no_other_and_is_written_anew(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    store(warehouse, walk(24, 0), "A/USDT")
    store(warehouse, walk(24, 1, start=START + 9 * HOUR), "B/USDT")
    run(warehouse, "bars", tmp_path, QLIB)
    path = _folder(tmp_path) / "features" / "binance.b_usdt" / "close.60min.bin"
    opened = _seen(_folder(tmp_path), "b", "open")

    def alter() -> None:
        whole = np.fromfile(path, dtype="<f4")
        whole[0] = 2
        whole.tofile(path)

    alter()
    assert outcomes(run(warehouse, "bars", tmp_path, QLIB)) == {A: "unchanged", B: "written"}
    assert _seen(_folder(tmp_path), "b") == _meant(walk(24, 1, start=START + 9 * HOUR))
    assert not _problems(warehouse, tmp_path)
    alter()
    does(warehouse, "DELETE FROM market.ohlcv WHERE symbol = 'B/USDT'")  # nothing is left to write it from
    run(warehouse, "bars", tmp_path, QLIB)
    assert _seen(_folder(tmp_path), "b", "open") == opened
    assert _problems(warehouse, tmp_path) == {B: "holds other bytes than were written"}


def test_a_series_that_fails_while_the_calendar_moves_keeps_what_it_had(warehouse: Warehouse, tmp_path: Path) -> None:
    for seed, symbol in enumerate(("A/USDT", "B/USDT")):
        store(warehouse, walk(24, seed), symbol)
    run(warehouse, "bars", tmp_path, QLIB)
    store(warehouse, walk(1, start=START + timedelta(minutes=7)), "A/USDT")  # off its grid
    store(warehouse, walk(5, 8, start=START - 5 * HOUR), "B/USDT")
    report = run(warehouse, "bars", tmp_path, QLIB)
    assert outcomes(report) == {A: "failed", B: "written"}
    assert _seen(_folder(tmp_path), "a") == _meant(walk(24, 0))
    assert _problems(warehouse, tmp_path) == {A: "is behind the database"}
    does(warehouse, "DELETE FROM market.ohlcv WHERE symbol = 'A/USDT' AND opened_at = '2024-01-01T00:07Z'")
    assert outcomes(run(warehouse, "bars", tmp_path, QLIB))[A] == "unchanged"  # it is what the files hold again
    assert not _problems(warehouse, tmp_path)


def _put_features(warehouse: Warehouse, start: datetime, values: list[float]) -> None:
    """Store rsi_14 of A's hours from one on."""
    opened_at = walk(len(values), start=start).opened_at
    with warehouse.connect() as connection:
        replace(
            connection,
            ml_features,
            {
                "venue": "binance", "symbol": "A/USDT", "timeframe": "1h", "opened_at": opened_at,
                "rsi_14": np.array(values), "version": "v", "source": "test", "known_at": opened_at,
            },
            {"venue": "binance"}, START - timedelta(days=9), START + timedelta(days=9),
        )  # fmt: skip


def test_a_feature_that_is_no_longer_exported_or_stored_leaves_no_file(warehouse: Warehouse, tmp_path: Path) -> None:
    chosen = Selection(columns=("rsi_14",))
    store(warehouse, walk(24), "A/USDT")
    _put_features(warehouse, START, [0.25, 0.5])
    run(warehouse, "features", tmp_path, QLIB, chosen)
    folder = _folder(tmp_path, "features") / "features" / "binance.a_usdt"
    fields = {path.name for path in folder.iterdir()}
    (folder / "renamed.60min.bin").write_bytes((folder / "rsi_14.60min.bin").read_bytes())
    assert outcomes(run(warehouse, "features", tmp_path, QLIB, chosen)) == {A: "written"}
    assert {path.name for path in folder.iterdir()} == fields
    does(warehouse, "DELETE FROM features.ml_features")
    assert outcomes(run(warehouse, "features", tmp_path, QLIB, chosen)) == {A: "written"}
    assert {path.name for path in folder.iterdir()} == fields - {"rsi_14.60min.bin"}
    assert not _problems(warehouse, tmp_path, "features", chosen)


def test_a_series_whose_second_table_fails_keeps_the_fields_of_the_first(warehouse: Warehouse, tmp_path: Path) -> None:
    chosen = Selection(columns=("rsi_14",))
    store(warehouse, walk(24), "A/USDT")
    _put_features(warehouse, START, [0.25, 0.5])
    run(warehouse, "features", tmp_path, QLIB, chosen)
    store(warehouse, walk(24, 5), "A/USDT")  # corrected
    _put_features(warehouse, START + timedelta(minutes=7), [0.75])
    assert outcomes(run(warehouse, "features", tmp_path, QLIB, chosen)) == {A: "failed"}
    assert _seen(_folder(tmp_path, "features"), "a") == _meant(walk(24))
    assert _problems(warehouse, tmp_path, "features", chosen) == {A: "is behind the database"}
    assert not list(tmp_path.rglob("*.part"))


@pytest.fixture
def turned(warehouse: Warehouse, tmp_path: Path) -> Warehouse:
    """A market of the last hours of 2023 (two of them holes) and the first of 2024, exported."""
    store(warehouse, _over_the_turn(), "A/USDT")
    run(warehouse, "bars", tmp_path, QLIB)
    return warehouse


def _over_the_turn() -> Bars:
    return without(walk(TURN + 24, start=START - TURN * HOUR), (3, 5))


def test_what_retention_took_out_stays_in_fields_until_it_is_pruned(turned: Warehouse, tmp_path: Path) -> None:
    does(turned, YEAR_AWAY.format("market.ohlcv"))
    store(turned, walk(2, 5, start=START + 24 * HOUR), "A/USDT")
    report = run(turned, "bars", tmp_path, QLIB)
    assert outcomes(report) == {A: "written"}
    assert report.away == ("market.ohlcv of 2023: Retention dropped these rows.",)
    manifest = read_manifest(Place(report.place))
    assert manifest is not None
    assert manifest.away == report.away
    entry = manifest.files[A]
    assert (entry.first, entry.rows, entry.holes) == (START - TURN * HOUR, 26, {"absent": 2})
    later = _meant(walk(2, 5, start=START + 24 * HOUR))
    assert _seen(_folder(tmp_path), "a") == _meant(_over_the_turn()) | later
    assert outcomes(run(turned, "bars", tmp_path, QLIB)) == {A: "unchanged"}
    assert not _problems(turned, tmp_path)
    # Older bars of another market move every place; what is away moves along.
    store(turned, walk(5, 6, start=START - 15 * HOUR), "B/USDT")
    run(turned, "bars", tmp_path, QLIB)
    store(turned, walk(1, 7, start=START + 26 * HOUR), "A/USDT")
    run(turned, "bars", tmp_path, QLIB)
    last = _meant(walk(1, 7, start=START + 26 * HOUR))
    assert _seen(_folder(tmp_path), "a") == _meant(_over_the_turn()) | later | last
    run(turned, "bars", tmp_path, QLIB, prune=True)
    assert min(_seen(_folder(tmp_path), "a")) == "2024-01-01 00:00:00"
    assert not _problems(turned, tmp_path)


def test_rows_that_were_deleted_otherwise_leave_the_fields(turned: Warehouse, tmp_path: Path) -> None:
    does(turned, "DELETE FROM market.ohlcv WHERE opened_at < '2024-01-01T00:00Z'")
    assert outcomes(run(turned, "bars", tmp_path, QLIB)) == {A: "written"}
    assert min(_seen(_folder(tmp_path), "a")) == "2024-01-01 00:00:00"


def test_a_table_whose_older_rows_are_away_keeps_its_fields_beside_the_other_tables(
    turned: Warehouse, tmp_path: Path
) -> None:
    chosen = Selection(columns=("rsi_14",))
    _put_features(turned, START - 2 * HOUR, [0.25, 0.5])
    run(turned, "features", tmp_path, QLIB, chosen)
    does(turned, YEAR_AWAY.format("features.ml_features"))
    store(turned, walk(1, 5, start=START + 24 * HOUR), "A/USDT")
    report = run(turned, "features", tmp_path, QLIB, chosen)
    assert report.away == ("features.ml_features of 2023: Retention dropped these rows.",)
    seen = _seen(_folder(tmp_path, "features"), "a", "rsi_14")
    assert seen == {"2023-12-31 22:00:00": 0.25, "2023-12-31 23:00:00": 0.5}
    assert not report.those(Outcome.FAILED)
