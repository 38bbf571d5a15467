"""Which metrics there are, in which unit, and who tells them.

What belongs here: our names, and each provider's name of the same thing. What does not: asking (sources.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# Whose value counts where several have one: those who define a metric alike for all chains before those who know one chain.
COINMETRICS, BLOCKCHAIN_INFO, ETHERSCAN, DEFILLAMA, OWN_BARS = (
    "coinmetrics", "blockchain_info", "etherscan", "defillama", "market/ohlcv",
)  # fmt: skip
RANK: Mapping[str, int] = {
    name: place for place, name in enumerate((COINMETRICS, BLOCKCHAIN_INFO, ETHERSCAN, DEFILLAMA, OWN_BARS))
}
NATIVE = "native"  # stands for the asset's own currency


@dataclass(frozen=True)
class Metric:
    """One metric.

    Args:
        unit: As stored; NATIVE becomes the asset's currency.
        coinmetrics: Coin Metrics' name; of two the second is subtracted from the first.
        chart: blockchain.info's chart, for Bitcoin.
        is_signed: Whether it may be below zero.
    """

    name: str
    unit: str
    coinmetrics: tuple[str, ...] = ()
    chart: str | None = None
    is_signed: bool = False

    def unit_of(self, asset: str) -> str:
        """The unit for an asset."""
        return asset if self.unit == NATIVE else self.unit


METRICS: Mapping[str, Metric] = {
    one.name: one
    for one in (
        Metric("active_addresses", "addresses", ("AdrActCnt",), "n-unique-addresses"),
        Metric("transactions", "transactions", ("TxCnt",), "n-transactions"),
        Metric("fees_native", NATIVE, ("FeeTotNtv",), "transaction-fees"),
        Metric("fees_usd", "USD", ("FeeTotUSD",), "transaction-fees-usd"),
        Metric("hash_rate", "TH/s", ("HashRate",), "hash-rate"),
        Metric("supply", NATIVE, ("SplyCur",)),
        Metric("exchange_inflow", NATIVE, ("FlowInExNtv",)),
        Metric("exchange_outflow", NATIVE, ("FlowOutExNtv",)),
        Metric("exchange_net_flow", NATIVE, ("FlowInExNtv", "FlowOutExNtv"), is_signed=True),
        Metric("market_cap_usd", "USD", ("CapMrktCurUSD",), "market-cap"),
        Metric("tvl_usd", "USD"),
        Metric("price_volatility_7d", "per year"),
    )
}
TVL, VOLATILITY, SUPPLY = METRICS["tvl_usd"], METRICS["price_volatility_7d"], METRICS["supply"]


def source_of(told: str) -> str:
    """Which source a stored row's `source` names: its first word."""
    return told.split(" ", 1)[0]


def rank_of(told: str) -> int:
    """The place of a row's source among them, 0 for the best; behind all for one that is not known."""
    return RANK.get(source_of(told), len(RANK))
