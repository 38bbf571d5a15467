"""Playback: exactly what the files hold, and each mistake in a folder by its name."""

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from crypto_assets.sandbox.recording_files import RecordingError
from crypto_assets.sandbox.recordings import Recordings, list_series
from crypto_assets_tests.playing import RECORDINGS, needs_recordings

HOUR = 3_600_000
T0 = 1_700_002_800_000  # 2023-11-14 23:00 UTC


def _folder(tmp_path: Path, rows: list[tuple[object, ...]], extra: str = "") -> Path:
    frame = pd.DataFrame(rows, columns=["when", "open", "high", "low", "close", "volume"])
    frame.to_csv(tmp_path / "bars.csv", index=False)
    (tmp_path / "recordings.yaml").write_text(
        "bars:\n  - {venue: binance, symbol: BTC/USDT, timeframe: 1h, file: bars.csv, columns: {opened_at: when"
        + extra
        + "}}\n"
    )
    return tmp_path


ROWS: list[tuple[object, ...]] = [
    ("2023-11-14 23:00", 1, 4, 1, 2, 10), ("2023-11-15 00:00", 2, 3, 2, 3, 5), ("2023-11-15 02:00", 3, 9, 3, 8, 1)
]  # fmt: skip


def test_a_series_is_served_as_it_is_gaps_and_all(tmp_path: Path) -> None:
    recordings = Recordings(_folder(tmp_path, ROWS))
    bars = recordings.bars("binance", "BTC/USDT", HOUR, 0, T0 * 2)
    assert bars.opened_at_ms.tolist() == [T0, T0 + HOUR, T0 + 3 * HOUR]
    assert bars.values["volume_base"].tolist() == [10, 5, 1]
    [series] = recordings.series()
    assert (series.rows, series.first_opened_at) == (3, datetime(2023, 11, 14, 23, tzinfo=UTC))


def test_the_clock_stands_in_the_middle_of_the_last_bar(tmp_path: Path) -> None:
    assert Recordings(_folder(tmp_path, ROWS)).now_ms("binance", "BTC/USDT") == T0 + 3 * HOUR + HOUR // 2


def test_a_coarser_bar_is_made_from_the_recorded_ones(tmp_path: Path) -> None:
    bars = Recordings(_folder(tmp_path, ROWS)).bars("binance", "BTC/USDT", 24 * HOUR, T0 - 23 * HOUR, T0 * 2)
    assert bars.opened_at_ms.tolist() == [T0 - 23 * HOUR, T0 + HOUR]
    assert [bars.values[name][1] for name in ("open", "high", "low", "close", "volume_base")] == [2, 9, 2, 8, 6]


@pytest.mark.parametrize(
    ("listing", "said"),
    [
        ("", "bars"),
        ("bars: []", "bars"),
        ("bars: [{venue: binance}]", "bars.0"),
        (
            "bars: [{venue: binance, symbol: BTC/USDT, timeframe: 1h, file: ../../secret.csv}]",
            "leads out of the folder",
        ),
        ("bars: [{venue: binance, symbol: BTC/USDT, timeframe: 2m, file: a.csv}]", "timeframe"),
        ("bars: [{venue: binance, symbol: BTC/USDT, timeframe: 1h, file: absent.csv}]", "absent.csv"),
        ("bars: [{venue: binance, symbol: BTC/USDT, timeframe: 1h, file: bars.exe}]", "neither Parquet"),
        ("bars: [", "no YAML"),
    ],
)
def test_each_mistake_in_a_folder_is_named(tmp_path: Path, listing: str, said: str) -> None:
    (tmp_path / "recordings.yaml").write_text(listing)
    with pytest.raises(RecordingError, match=said.replace(".", r"\.")):
        list_series(tmp_path)


def test_absent_columns_and_disorder_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no column 'high_price' for high"):
        list_series(_folder(tmp_path, ROWS, ", high: high_price"))
    with pytest.raises(RecordingError, match="do not ascend"):
        list_series(_folder(tmp_path, [ROWS[1], ROWS[0]]))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("2023-11-15 03:00", 1, 4, 1, "dear", 10), r"bars\.csv: column close"),
        (("2023-11-15 03:00", 1, 4, 1, None, 10), r"bars\.csv: column close: row 3 holds no finite number"),
        (("soon", 1, 4, 1, 2, 10), r"bars\.csv: column when"),
        ((None, 1, 4, 1, 2, 10), r"bars\.csv: column when: a row has no time"),
        (ROWS[2], "do not ascend"),
    ],
)
def test_a_row_that_is_no_bar_is_named_by_file_and_column(tmp_path: Path, row: tuple[object, ...], said: str) -> None:
    with pytest.raises(RecordingError, match=said):
        list_series(_folder(tmp_path, [*ROWS, row]))


def test_an_empty_file_and_a_series_that_stands_twice_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"bars\.csv holds no row"):
        list_series(_folder(tmp_path, []))
    listing = _folder(tmp_path, ROWS) / "recordings.yaml"
    listing.write_text(listing.read_text() + listing.read_text().removeprefix("bars:\n"))
    with pytest.raises(RecordingError, match=r"bars\.1: binance BTC/USDT 1h stands twice"):
        list_series(tmp_path)


@pytest.mark.parametrize("unit", ["text", "zoned text", "s", "ms", "timestamp", "zoned timestamp"])
@pytest.mark.parametrize("form", ["parquet", "feather", "csv", "csv.gz"])
def test_a_time_is_the_same_in_each_form_of_file(tmp_path: Path, unit: str, form: str) -> None:
    moments = pd.to_datetime([T0, T0 + HOUR], unit="ms")
    when: dict[str, object] = {
        "text": [str(at) for at in moments],
        "zoned text": [f"{at}Z" for at in moments],
        "s": [T0 // 1000, (T0 + HOUR) // 1000],
        "ms": [T0, T0 + HOUR],
        "timestamp": moments,
        "zoned timestamp": moments.tz_localize("UTC"),
    }
    frame = pd.DataFrame({"when": when[unit], "open": 1, "high": 4, "low": 1, "close": 2.5, "volume": 10})
    path = tmp_path / f"bars.{form}"
    if form == "parquet":
        frame.to_parquet(path)
    elif form == "feather":
        frame.to_feather(path)
    else:
        frame.to_csv(path, index=False)
    (tmp_path / "recordings.yaml").write_text(
        f"bars: [{{venue: binance, symbol: A/B, timeframe: 1h, file: bars.{form}, columns: {{opened_at: when}}}}]"
    )
    bars = Recordings(tmp_path).bars("binance", "A/B", HOUR, 0, T0 * 2)
    assert bars.opened_at_ms.tolist() == [T0, T0 + HOUR]
    assert bars.values["close"].tolist() == [2.5, 2.5]


@needs_recordings
def test_the_recorded_folder_holds_nineteen_series_and_215456_binance_hours() -> None:
    series = list_series(RECORDINGS)
    assert len(series) == 19
    assert sum(one.rows for one in series if (one.venue, one.timeframe) == ("binance", "1h")) == 215_456
