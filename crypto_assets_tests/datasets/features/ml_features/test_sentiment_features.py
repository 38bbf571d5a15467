"""What is said and felt as features: headlines of the day before, each once, and moods; checked by hand."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.datasets.features.ml_features.news_totals import Scored, day_before
from crypto_assets.datasets.features.ml_features.pool_totals import Grid
from crypto_assets_tests.datasets.features.ml_features.outside import (
    HOUR,
    MICROSECOND,
    at,
    derived,
    put_moods,
    put_scores,
)
from crypto_assets_tests.datasets.features.stage import Stage

CLOSE = at("2024-02-10 12:00")
HOUR_US = 3_600_000_000
GRID = Grid(0, HOUR_US, 60)


def test_headlines_of_the_day_before_count_once_from_when_their_first_score_was_known(stage: Stage) -> None:
    put_scores(
        stage.warehouse,
        [
            ("a", "SOL", CLOSE - 23 * HOUR, 0.5), ("b", "SOL", CLOSE, -0.1), ("c", "BTC", CLOSE - HOUR, 0.9),
            ("d", "", CLOSE - 2 * HOUR, 0.2), ("e", "", CLOSE - 3 * HOUR, 0.4), ("f", "SOL", CLOSE - 24 * HOUR, 1.0),
            ("g", "SOL", CLOSE + MICROSECOND, 1.0), ("b", "BTC", CLOSE, -0.9),
        ],
    )  # fmt: skip
    # A later version tells the same headlines again, one of them days later; another one comes to a backlog: no news.
    put_scores(stage.warehouse, [("old", "SOL", CLOSE - 90 * HOUR, 1.0)])
    again = [("a", "SOL", CLOSE - HOUR, -1.0), ("old", "SOL", CLOSE - HOUR, -1.0)]
    put_scores(stage.warehouse, again, version="2", behind=HOUR)
    put_scores(stage.warehouse, [("late", "SOL", CLOSE - 2 * HOUR, -1.0)], behind=24 * HOUR)
    put_scores(stage.warehouse, [("x", "SOL", CLOSE - HOUR, -1.0)], model="other")
    rows = derived(stage, "SOL/USDT", CLOSE - HOUR, CLOSE + 30 * HOUR)
    told = rows.loc[CLOSE]
    assert told["sentiment_news_24h"] == pytest.approx(np.log(1 + 2))
    assert told["sentiment_mean_24h"] == pytest.approx((0.5 - 0.1) / 2)
    assert told["sentiment_dispersion_24h"] == pytest.approx(0.3)
    assert told["sentiment_market_mean_24h"] == pytest.approx(0.3)
    before = rows.loc[CLOSE - HOUR]  # a day after `f`, which counts to the microsecond
    assert before["sentiment_news_24h"] == pytest.approx(np.log(1 + 2))
    assert before["sentiment_mean_24h"] == pytest.approx((0.5 + 1.0) / 2)
    later = rows.loc[CLOSE + HOUR]
    assert later["sentiment_news_24h"] == pytest.approx(np.log(1 + 2))  # `b` and `g`; `a` left
    assert later["sentiment_mean_24h"] == pytest.approx((1.0 - 0.1) / 2)
    assert rows["sentiment_news_24h"].last_valid_index() == CLOSE + 24 * HOUR  # then nothing at all was collected
    other = derived(stage, "XRP/USDT", CLOSE, CLOSE).iloc[0]
    assert other["sentiment_news_24h"] == 0
    assert np.isnan(other["sentiment_mean_24h"])


def test_moods_are_told_for_three_days_and_compared_with_a_week_before(stage: Stage) -> None:
    first = date(2024, 2, 1)
    days = [first + timedelta(days=place) for place in range(9) if place != 6]
    known = [datetime(day.year, day.month, day.day, 0, 5, tzinfo=UTC) for day in days]
    put_moods(stage.warehouse, [(day, moment, 40.0 + day.day) for day, moment in zip(days, known, strict=True)])
    rows = derived(stage, "SOL/USDT", at("2024-02-07 00:00"), at("2024-02-13 00:00"))
    level, change = rows["sentiment_fear_greed"], rows["sentiment_fear_greed_change_7d"]
    assert level[at("2024-02-07 12:00")] == 46  # the 7th is missing
    assert level[at("2024-02-08 00:00")] == 46
    assert level[at("2024-02-08 01:00")] == 48
    assert change[at("2024-02-08 01:00")] == 7
    assert np.isnan(change[at("2024-02-08 00:00")])
    assert level.last_valid_index() == at("2024-02-12 00:00")


# When its score was known, what it is about, the score, how many hours the headline was there before.
type Headline = tuple[int, str, float, int]
_HEADLINE = st.tuples(st.integers(-30, 80), st.sampled_from("ab"), st.floats(-1, 1), st.integers(0, 30))
_HEADLINES = st.lists(_HEADLINE, max_size=40)


def _scored(told: list[Headline]) -> Scored:
    known = np.array([one[0] for one in told], dtype=np.int64)
    behind = np.array([one[3] for one in told], dtype=np.int64)
    assets = np.array([one[1] for one in told], dtype=object)
    return Scored(
        known * HOUR_US, (known - behind) * HOUR_US, assets, np.array([one[2] for one in told], dtype=np.float64)
    )


def _counts(one: Headline, place: int) -> bool:
    return one[0] <= place < one[0] - one[3] + 24


@given(_HEADLINES, st.integers(0, 59))
def test_a_day_of_headlines_equals_a_loop_and_knows_no_future(headlines: list[Headline], place: int) -> None:
    told = day_before(GRID, _scored(headlines).about("a"))
    known = [one for one in headlines if one[0] <= place]
    then = day_before(GRID, _scored(known).about("a"))
    for whole, cut in ((told.count, then.count), (told.mean, then.mean), (told.deviation, then.deviation)):
        np.testing.assert_array_equal(whole[: place + 1], cut[: place + 1])
    values = [one[2] for one in headlines if one[1] == "a" and _counts(one, place)]
    assert told.count[place] == len(values)
    assert told.mean[place] == pytest.approx(np.mean(values), abs=1e-6) if values else np.isnan(told.mean[place])
    expected = np.std(values) if len(values) > 1 else np.nan
    assert told.deviation[place] == pytest.approx(expected, abs=2e-3, nan_ok=True)


@given(_HEADLINES, st.integers(0, 59))
def test_a_day_of_headlines_is_the_same_to_the_last_bit_from_any_window(headlines: list[Headline], place: int) -> None:
    whole = day_before(GRID, _scored(headlines))
    alone = day_before(GRID.part(place, place + 1), _scored([one for one in headlines if one[0] - one[3] > place - 24]))
    for one, other in ((whole.mean, alone.mean), (whole.deviation, alone.deviation)):
        np.testing.assert_array_equal(one[place : place + 1], other)
