"""What the formats share: numbers as text, and pages that cross gaps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.sandbox.bars import BarColumns, BarSource
from crypto_assets.sandbox.recordings import Recordings
from crypto_assets.sandbox.venues.exchange import Asked, UnreadableNumberError, format_numbers

MINUTE = 60_000
BASE = 1_700_006_400_000  # 2023-11-15
OPENED = [0, 1, 2, 50, 51, 900, 901, 902]  # minutes; what lies between was never traded


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Recordings:
    folder = tmp_path_factory.mktemp("sparse")
    rows = [f"{(BASE + at * MINUTE) // 1000},1,4,1,2,8" for at in OPENED]
    (folder / "bars.csv").write_text("\n".join(["opened_at,open,high,low,close,volume", *rows]))
    (folder / "recordings.yaml").write_text(
        "bars: [{venue: binance, symbol: A/B, timeframe: 1m, file: bars.csv}]", encoding="utf-8"
    )
    return Recordings(folder)


def _minutes(bars: BarColumns) -> list[int]:
    return [(at - BASE) // MINUTE for at in bars.opened_at_ms.tolist()]


def _asked(source: BarSource, **query: str) -> Asked:
    return Asked("binance", "/", query, source)


@given(start=st.integers(0, 1000), limit=st.integers(1, 9))
def test_the_first_bars_are_found_behind_any_gap(recordings: Recordings, start: int, limit: int) -> None:
    found = _asked(recordings).first_bars("A/B", MINUTE, (BASE + start * MINUTE, 2**50), limit)
    assert _minutes(found) == [at for at in OPENED if at >= start][:limit]


@given(end=st.integers(0, 1000), limit=st.integers(1, 9))
def test_the_last_bars_are_found_before_any_gap(recordings: Recordings, end: int, limit: int) -> None:
    found = _asked(recordings).last_bars("A/B", MINUTE, (0, BASE + end * MINUTE), limit)
    assert _minutes(found) == [at for at in OPENED if at < end][-limit:]


@given(st.lists(st.floats(1e-12, 1e12) | st.just(0.0), min_size=1))
def test_a_number_reads_back_the_same_and_has_no_exponent(numbers: list[float]) -> None:
    texts = format_numbers(np.array(numbers))
    assert [float(text) for text in texts] == numbers
    assert not any("e" in text or "E" in text for text in texts)


def test_numbers_are_short() -> None:
    assert format_numbers(np.array([90000.0, 0.1, 105899.4])) == ["90000", "0.1", "105899.4"]
    assert format_numbers(np.array([0.00000012, 1e12])) == ["0.00000012", "1000000000000"]


@pytest.mark.parametrize("text", ["", "x", "1.5", "1e3", "0x10", "9" * 16, "1 2", "--1"])
def test_what_is_no_whole_number_is_refused(recordings: Recordings, text: str) -> None:
    with pytest.raises(UnreadableNumberError) as caught:
        _asked(recordings, limit=text).number("limit", 5)
    assert caught.value.parameter == "limit"


def test_a_number_may_be_absent_and_a_limit_is_kept_between_one_and_the_most(recordings: Recordings) -> None:
    assert _asked(recordings).number("limit", 5) == 5
    assert _asked(recordings, since="-60").number("since", 0) == -60
    assert [_asked(recordings, limit=text).page_limit(5, 300) for text in ("0", "7", "500")] == [1, 7, 300]
