"""Scalings by hand and against pandas; none sees a later value."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_assets.datasets.features.ml_features.scaling import (
    LOG,
    MIN_EXPANDING,
    NONE,
    Scaling,
    min_max,
    rank,
    robust,
    zscore,
)

EVERY = [NONE, LOG, *(make(window) for make in (zscore, robust, min_max, rank) for window in (5, 30, None))]
RUN = np.random.default_rng(0).normal(3, 2, 300)


def test_values_by_hand() -> None:
    run = np.array([1.0, 2.0, 3.0, 4.0, 10.0])
    assert zscore(5).apply(run)[-1] == pytest.approx(6 / np.sqrt(10))  # mean 4, population variance 10
    assert min_max(5).apply(run)[-1] == 1.0
    assert min_max(5).apply(np.array([10.0, 2, 3, 4, 6]))[-1] == 0.5
    assert rank(4).apply(run)[-1] == 1.0
    assert rank(4).apply(np.array([1.0, 2, 2, 3, 2]))[-1] == 0.25
    assert robust(5).apply(run)[-1] == pytest.approx((10 - 3) / ((4 - 2) / 1.349))
    assert LOG.apply(np.array([-np.expm1(2.0), 0.0, np.expm1(1.0)])).tolist() == pytest.approx([-2.0, 0.0, 1.0])
    assert NONE.apply(run) is run


def test_windows_equal_pandas() -> None:
    rows = pd.Series(RUN).rolling(30)
    np.testing.assert_allclose(zscore(30).apply(RUN)[29:], ((RUN - rows.mean()) / rows.std(ddof=0))[29:], rtol=1e-9)
    np.testing.assert_allclose(
        min_max(30).apply(RUN)[29:], ((RUN - rows.min()) / (rows.max() - rows.min()))[29:], rtol=1e-12
    )
    expanding = pd.Series(RUN).expanding(MIN_EXPANDING)
    np.testing.assert_allclose(
        zscore(None).apply(RUN)[99:], ((RUN - expanding.mean()) / expanding.std(ddof=0))[99:], rtol=1e-9
    )


@pytest.mark.parametrize("scaling", EVERY, ids=lambda one: one.told)
def test_nothing_is_scaled_before_its_window_is_full(scaling: Scaling) -> None:
    scaled = scaling.apply(RUN.copy())
    assert np.isnan(scaled[: scaling.warm_up]).all()
    assert np.isfinite(scaled[scaling.warm_up :]).all()


@pytest.mark.parametrize(
    "scaling", [one for one in EVERY if one.warm_up and one.method.value != "rank"], ids=lambda one: one.told
)
def test_values_that_are_all_alike_have_no_scale(scaling: Scaling) -> None:
    assert np.isnan(scaling.apply(np.full(300, 7.0))).all()


@settings(max_examples=40, deadline=None)
@given(stop=st.integers(0, 300), which=st.integers(0, len(EVERY) - 1))
def test_no_scaled_value_changes_with_the_future(stop: int, which: int) -> None:
    np.testing.assert_array_equal(EVERY[which].apply(RUN[:stop].copy()), EVERY[which].apply(RUN.copy())[:stop])
