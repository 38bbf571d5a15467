"""The grids: which keys there are, and the windows that runs make of them."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.partitions import (
    VenueWindow,
    bars_grid,
    calendar_days,
    calendar_months,
    day_key,
    day_window,
    forecast_domains,
    grids_of,
    join_day_key,
    join_key,
    join_network_key,
    month_key,
    month_window,
    split_key,
    venue_days,
    venue_windows,
)


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


def test_the_grid_of_networks_has_each_day_from_the_first_to_the_open_one() -> None:
    grid = grids_of(date(2024, 2, 28), ["okx"], ["solana", "ethereum"]).network_days
    keys = grid.get_partition_keys(current_time=datetime(2024, 3, 1, 12, tzinfo=UTC))
    days = ("2024-02-28", "2024-02-29", "2024-03-01")
    assert keys == [f"{day}|{network}" for day in days for network in ("ethereum", "solana")]


def test_a_key_gives_its_day_and_network_as_dagster_made_it_and_as_text() -> None:
    key = join_network_key("2024-03-01", "solana")
    assert split_key(key) == split_key(str(key)) == ("2024-03-01", "solana")
    assert split_key(join_day_key("2024-03-01", "okx")) == ("2024-03-01", "okx")
    assert split_key(join_key("2024-03-01", "okx")) == ("2024-03-01", "okx")


def test_adjacent_days_of_a_network_become_one_window_and_others_stay_apart() -> None:
    days = [("2024-02-29", "solana"), ("2024-03-01", "solana"), ("2024-03-03", "solana"), ("2024-02-29", "base")]
    assert venue_days(join_network_key(*day) for day in days) == [
        VenueWindow("base", _utc(2024, 2, 29), _utc(2024, 3)),
        VenueWindow("solana", _utc(2024, 2, 29), _utc(2024, 3, 2)),
        VenueWindow("solana", _utc(2024, 3, 3), _utc(2024, 3, 4)),
    ]


@given(st.sets(st.integers(0, 400), min_size=1))
def test_windows_of_a_network_hold_just_the_days_asked_for(offsets: set[int]) -> None:
    keys = [join_network_key(day_key(_utc(2023, 12) + timedelta(days=n)), "solana") for n in offsets]
    days = set()
    for window in venue_days(keys):
        at = window.start
        while at < window.end:
            days.add(day_key(at))
            at = day_window(day_key(at))[1]
    assert days == {split_key(key)[0] for key in keys}


def test_grids_of_time_alone_reach_to_the_open_window_and_their_windows_have_no_venue() -> None:
    grids = grids_of(date(2026, 1, 30), ["binance"], ["solana"])
    now = datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert grids.calendar_months.get_partition_keys(now) == ["2026-01-01", "2026-02-01", "2026-03-01"]
    days = grids.calendar_days.get_partition_keys(now)
    assert (days[0], days[-1], len(days)) == ("2026-01-30", "2026-03-02", 32)
    first, last = datetime(2025, 12, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    apart = VenueWindow("", datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
    assert calendar_months(["2026-03-01", "2026-01-01", "2025-12-01"]) == [VenueWindow("", first, last), apart]
    day = datetime(2026, 2, 28, tzinfo=UTC)
    assert calendar_days(["2026-03-01", "2026-02-28"]) == [VenueWindow("", day, day + timedelta(days=2))]


def test_the_grid_of_forecasts_has_venues_networks_and_ethereum_each_once() -> None:
    now = datetime(2024, 4, 20, tzinfo=UTC)
    keys = grids_of(date(2024, 3, 17), ["okx", "binance"], ["solana"]).forecasts.get_partition_keys(current_time=now)
    domains = ("binance", "ethereum", "okx", "solana")
    assert keys == [f"{month}|{domain}" for month in ("2024-03-01", "2024-04-01") for domain in domains]
    assert forecast_domains(["okx"], ["ethereum", "base"]) == ["base", "ethereum", "okx"]
    assert split_key(keys[1]) == ("2024-03-01", "ethereum")
    assert venue_windows(keys[1:6:4]) == [VenueWindow("ethereum", _utc(2024, 3), _utc(2024, 5))]
