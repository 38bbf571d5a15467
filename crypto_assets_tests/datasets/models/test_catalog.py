"""The list of forecasts, finding one, and what every declaration keeps."""

import pytest

from crypto_assets.datasets.features.labels.table import HORIZONS as LABELLED
from crypto_assets.datasets.features.ml_features.catalog import FEATURES, FeatureUnknown
from crypto_assets.datasets.models.catalog import FORECASTS, ForecastUnknown, forecast
from crypto_assets.datasets.models.frames import feature_version_of
from crypto_assets.datasets.models.inputs import choose, optional_of
from crypto_assets.datasets.models.reading import CHOSEN
from crypto_assets.forecasting.declaration import HORIZONS


def test_five_quantities_at_three_horizons_are_found_by_name() -> None:
    assert [one.name for one in FORECASTS] == [
        f"{model}_{hours}h"
        for model in ("gas", "liquidity_spread", "liquidity_depth", "liquidity_reserve", "opportunity")
        for hours in (1, 4, 24)
    ]
    assert forecast("liquidity_depth_24h").horizon_hours == 24
    assert all(forecast(one.name) is one for one in FORECASTS)


def test_a_name_that_is_none_is_answered_with_those_that_are() -> None:
    with pytest.raises(ForecastUnknown, match=r"Unknown forecast 'gas_2h'.*Did you mean gas_2?4h.*opportunity_24h"):
        forecast("gas_2h")


def test_every_declaration_says_why_and_names_each_input_once() -> None:
    for one in FORECASTS:
        assert len(set(one.inputs)) == len(one.inputs), one.name
        assert set(one.optional) < set(one.inputs), one.name
        assert one.promotion.min_skill > 0, one.name
        assert len(one.promotion.reason) > 40, one.name
        assert one.min_hours >= 12 * one.horizon_hours, one.name  # five folds and what is left out between them
    assert set(HORIZONS) <= set(LABELLED)


def test_columns_of_features_are_checked_when_they_are_chosen() -> None:
    """So that a feature that is renamed fails where it is imported, and not as a column of nulls."""
    chosen = choose(("rsi_14", "because"), ("book_spread_bps", "because"))
    assert optional_of(chosen) == ("book_spread_bps",)
    with pytest.raises(FeatureUnknown, match="rsi_15"):
        choose(("rsi_15", "because"))
    for model, columns in CHOSEN.items():
        assert all(one.name in FEATURES and len(one.why) > 10 for one in columns), model
        inputs, names = forecast(f"{model}_1h").inputs, tuple(one.name for one in columns)
        first = inputs.index(names[0])
        assert inputs[first : first + len(names)] == names, model  # they are copied into frames as one block


def test_the_version_of_inputs_is_that_of_what_computes_them() -> None:
    versions = {one.model: feature_version_of(one) for one in FORECASTS}
    assert versions["opportunity"] == versions["liquidity_spread"] == versions["liquidity_depth"]
    assert len({versions["gas"], versions["liquidity_reserve"], versions["opportunity"]}) == 3
    assert all(len(one) == 12 and int(one, 16) for one in versions.values())
