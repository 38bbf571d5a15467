"""The grids: which keys there are, and the windows that runs make of them."""

from datetime import UTC, date, datetime

from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.partitions import VenueWindow, bars_grid, join_key, month_key, month_window, venue_windows


def _utc(year: int, month: int, day: int = 1) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


def test_the_grid_reaches_from_the_first_month_to_the_open_one() -> None:
    grid = bars_grid(date(2024, 3, 17), ["okx", "binance"])
    keys = grid.get_partition_keys(current_time=datetime(2024, 5, 20, tzinfo=UTC))
    assert keys == [f"2024-0{month}-01|{venue}" for month in (3, 4, 5) for venue in ("binance", "okx")]


def test_a_month_ends_where_the_next_begins_over_the_turn_of_the_year() -> None:
    assert month_window("2024-12-01") == (_utc(2024, 12), _utc(2025, 1))
    assert month_key(datetime(2024, 2, 29, 23, 59, tzinfo=UTC)) == "2024-02-01"


def test_adjacent_months_of_a_venue_become_one_window_and_others_stay_apart() -> None:
    keys = ["2024-12-01|a", "2025-01-01|a", "2025-03-01|a", "2024-12-01|b"]
    assert venue_windows(keys) == [
        VenueWindow("a", _utc(2024, 12), _utc(2025, 2)),
        VenueWindow("a", _utc(2025, 3), _utc(2025, 4)),
        VenueWindow("b", _utc(2024, 12), _utc(2025, 1)),
    ]


@given(st.sets(st.integers(0, 60), min_size=1))
def test_windows_hold_just_the_months_asked_for(offsets: set[int]) -> None:
    keys = [str(join_key(f"{2020 + n // 12}-{n % 12 + 1:02d}-01", "okx")) for n in offsets]
    months = set()
    for window in venue_windows(keys):
        at = window.start
        while at < window.end:
            months.add(month_key(at))
            at = month_window(month_key(at))[1]
    assert months == {key.split("|")[0] for key in keys}
