"""The economy as features: each value from the microsecond of its release on, revisions from theirs; checked by hand."""

from datetime import date, datetime

import numpy as np
import pandas as pd
import pytest

from crypto_assets_tests.datasets.features.ml_features.outside import DAY, HOUR, MICROSECOND, at, derived, put_macro
from crypto_assets_tests.datasets.features.stage import Stage

RELEASE = at("2024-02-02 14:00")  # the close of an hour
REVISED = at("2024-02-10 10:00") + MICROSECOND
JOBS = [
    ("2023-05", 3.4), ("2023-06", 3.6), ("2023-07", 3.5), ("2023-08", 3.8), ("2023-09", 3.8), ("2023-10", 3.9),
    ("2023-11", 3.7), ("2023-12", 3.7),
]  # fmt: skip


def _month(name: str) -> date:
    return date.fromisoformat(f"{name}-01")


def _released(name: str) -> datetime:
    """A month is told on the fifth of the next one."""
    year, month = (int(part) for part in name.split("-"))
    return at(f"{year + month // 12}-{month % 12 + 1:02d}-05 13:30")


def _put_jobs(stage: Stage) -> None:
    told = [(_month(name), _released(name).date(), _released(name), value) for name, value in JOBS]
    day, later = RELEASE.date(), REVISED.date()
    news = [
        (_month("2024-01"), day, RELEASE, 3.9),
        (_month("2023-12"), day, RELEASE, 3.6),  # revised with the release
        (_month("2024-01"), later, REVISED, 4.0),
        (_month("2023-06"), later, REVISED, 9.9),  # an old month: nothing that is told looks at it any more
    ]
    put_macro(stage.warehouse, "UNRATE", "monthly", told + news)


def test_a_release_counts_from_its_microsecond_and_a_revision_from_its_own(stage: Stage) -> None:
    _put_jobs(stage)
    rows = derived(stage, "SOL/USDT", RELEASE - HOUR, REVISED + 2 * HOUR)
    names = ["macro_unemployment", "macro_unemployment_change", "macro_unemployment_surprise"]

    def told(close: datetime) -> list[float]:
        return [float(value) for value in rows.loc[close, names]]

    surprise = 3.9 - (3.7 + (3.7 - 3.6) / 6)  # with December as it was known before, not as it was revised with it
    assert told(RELEASE - HOUR) == pytest.approx([3.7, 3.7 - 3.7, 3.7 - (3.7 + (3.7 - 3.4) / 6)])
    assert told(RELEASE) == pytest.approx([3.9, 3.9 - 3.6, surprise])
    assert told(REVISED - MICROSECOND) == pytest.approx([3.9, 3.9 - 3.6, surprise])
    assert told(REVISED - MICROSECOND + HOUR) == pytest.approx([4.0, 4.0 - 3.6, surprise])
    assert rows["macro_inflation"].isna().all()


def test_inflation_is_against_the_same_month_a_year_before_and_growth_against_what_was_known(stage: Stage) -> None:
    months = pd.period_range("2022-12", "2023-12", freq="M").astype(str)
    levels = {name: 100.0 + place for place, name in enumerate(months)}
    told = [(_month(name), _released(name).date(), _released(name), value) for name, value in levels.items()]
    release, later = at("2024-02-13 13:30"), at("2024-02-15 00:30")
    told += [
        (_month("2024-01"), release.date(), release, 115.0),
        (_month("2023-01"), later.date(), later, 92.0),
    ]
    put_macro(stage.warehouse, "CPIAUCSL", "monthly", told)
    quarters = [
        (date(2023, 7, 1), date(2023, 10, 26), at("2023-10-26 12:30"), 4.9),
        (date(2023, 7, 1), date(2023, 12, 21), at("2023-12-21 13:30"), 5.2),
        (date(2023, 10, 1), date(2024, 1, 25), at("2024-01-25 13:30"), 3.3),
        (date(2023, 10, 1), date(2024, 2, 14), at("2024-02-14 13:30"), 3.2),
    ]
    put_macro(stage.warehouse, "A191RL1Q225SBEA", "quarterly", quarters)
    rows = derived(stage, "SOL/USDT", at("2024-02-13 13:00"), at("2024-02-15 02:00"))
    inflation = rows["macro_inflation"]
    assert inflation[at("2024-02-13 13:00")] == pytest.approx(112 / 100 - 1)  # December over December
    assert inflation[at("2024-02-13 14:00")] == pytest.approx(115 / 101 - 1)
    assert inflation[at("2024-02-15 00:00")] == pytest.approx(115 / 101 - 1)
    assert inflation[at("2024-02-15 01:00")] == pytest.approx(115 / 92 - 1)
    assert rows["macro_inflation_surprise"].iloc[-1] == pytest.approx(
        (115 - (112 + 1)) / 112
    )  # a point a month to then
    assert rows["macro_growth"].iloc[[0, -1]].tolist() == pytest.approx([3.3, 3.2])
    assert rows["macro_growth_surprise"].tolist() == pytest.approx([3.3 - 5.2] * len(rows))


def test_days_compare_with_the_trading_day_before_and_grow_too_old(stage: Stage) -> None:
    friday, monday, tuesday = date(2024, 1, 19), date(2024, 1, 22), date(2024, 1, 23)
    told = [
        (friday, date(2024, 1, 20), at("2024-01-20 05:00"), 14.0),
        (monday, date(2024, 1, 23), at("2024-01-23 05:00"), None),  # a holiday
        (tuesday, date(2024, 1, 24), at("2024-01-24 05:00"), 12.5),
        (friday, date(2024, 1, 25), at("2024-01-25 05:00"), 13.0),
    ]
    put_macro(stage.warehouse, "VIXCLS", "daily", told)
    put_macro(stage.warehouse, "DCOILWTICO", "daily", [(*one[:3], one[3] and one[3] - 50) for one in told])
    rows = derived(stage, "SOL/USDT", at("2024-01-23 00:00"), at("2024-02-09 00:00"))
    level, change, oil = rows["macro_vix"], rows["macro_vix_change"], rows["macro_oil"]
    assert level[at("2024-01-24 04:00")] == pytest.approx(np.log(14.0))
    assert np.isnan(change[at("2024-01-24 04:00")])
    assert level[at("2024-01-24 05:00")] == pytest.approx(np.log(12.5))
    assert change[at("2024-01-24 05:00")] == pytest.approx(np.log(12.5 / 14.0))
    assert change[at("2024-01-25 04:00")] == pytest.approx(np.log(12.5 / 14.0))
    assert change[at("2024-01-25 05:00")] == pytest.approx(np.log(12.5 / 13.0))
    assert level.last_valid_index() == at("2024-01-23 00:00") + 8 * DAY  # Tuesday's value grows too old
    assert oil[at("2024-01-24 05:00")] == pytest.approx(-37.5)  # a barrel was once given away
    assert oil.last_valid_index() == at("2024-01-23 00:00") + 16 * DAY
