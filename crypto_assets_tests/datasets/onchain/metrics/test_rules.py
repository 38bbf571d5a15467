"""The universe's section of chains: as shipped, and what it refuses."""

from __future__ import annotations

import pytest

from crypto_assets.datasets.onchain.metrics.declaration import METRICS, RANK, rank_of
from crypto_assets.universe import UniverseError, parse_universe
from crypto_assets.universe_sources import OnchainRules
from crypto_assets_tests.playing import shipped_universe

HEAD = "history_from: 2024-01-01\nvenues:\n  binance: {markets: [BTC/USDT]}\nonchain:\n"


def test_the_shipped_section_is_the_default_and_names_only_metrics_that_there_are() -> None:
    shipped = shipped_universe().onchain
    assert shipped == OnchainRules()
    assert shipped.bounds.keys() <= METRICS.keys()
    assert {*shipped.lag_hours, "market/ohlcv"} == set(RANK)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("  assets: {BTC: {coinmetrics: ../btc}}", "coinmetrics"),
        ("  assets: {btc: {coinmetrics: btc}}", "assets"),
        ("  lag_hours: {coinmetrics: 24}", "lag_hours lacks blockchain_info, etherscan, defillama"),
        ("  requests_per_minute: {coinmetrics: 0}", "requests_per_minute"),
        ("  bounds: {supply: [5, 1]}", "bounds of supply"),
        ("  bounds: {supply: [.nan, 1]}", "bounds of supply"),
        ("  min_completeness: 2", "min_completeness"),
        ("  history: 5", "history"),
    ],
)
def test_a_wrong_section_is_refused_by_its_key(section: str, said: str) -> None:
    with pytest.raises(UniverseError, match=said):
        parse_universe(HEAD + section + "\n", "universe.yaml")


def test_a_rows_source_has_its_place() -> None:
    ranks = [
        rank_of(told) for told in ("coinmetrics btc TxCnt", "blockchain_info n-transactions", "etherscan x", "older")
    ]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == 4
