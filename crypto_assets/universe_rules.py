"""The rules of a universe: bounds and intervals, with their defaults.

What belongs here: the sections of config/universe.yaml that say how data is collected, judged and derived; the reason of each
value stands in the file beside it. What does not: venues and markets, and reading the file (universe.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

Timeframe = Literal["1m", "5m", "15m", "30m", "1h", "4h", "1d"]
TIMEFRAMES: tuple[Timeframe, ...] = get_args(Timeframe)
# What GeckoTerminal aggregates pools to; each is a multiple of the one before it.
PoolTimeframe = Literal["1m", "5m", "15m", "1h", "4h", "12h", "1d"]
POOL_TIMEFRAMES: tuple[PoolTimeframe, ...] = get_args(PoolTimeframe)
# Every length of bar that any dataset has.
TIMEFRAME_LENGTH: Mapping[str, timedelta] = {
    "1m": timedelta(minutes=1),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "30m": timedelta(minutes=30),
    "1h": timedelta(hours=1),
    "4h": timedelta(hours=4),
    "12h": timedelta(hours=12),
    "1d": timedelta(days=1),
}


class Strict(BaseModel):
    """A section that takes no key it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Bounds(Strict):
    """Thresholds that checks and runs hold data to; the reasons stand in the file beside the values."""

    max_failed_market_share: float = Field(default=0.5, ge=0, le=1)
    max_newest_bar_age_minutes: int = Field(default=90, ge=1)
    min_completeness: float = Field(default=0.99, ge=0, le=1)
    max_jump_pct: dict[Timeframe, float] = Field(
        default={"1m": 20, "5m": 30, "15m": 40, "30m": 50, "1h": 60, "4h": 80, "1d": 100}
    )

    @model_validator(mode="after")
    def _every_timeframe_has_a_jump(self) -> Self:
        lacking = [frame for frame in TIMEFRAMES if frame not in self.max_jump_pct]
        if lacking:
            raise ValueError(f"max_jump_pct lacks {', '.join(lacking)}")
        return self


class Gaps(Strict):
    """How absent bars are asked for again and named; the reasons stand in the file beside the values."""

    max_attempts: int = Field(default=5, ge=1, le=100)
    first_wait_minutes: int = Field(default=60, ge=1)
    wait_factor: float = Field(default=4, ge=1, le=100)
    outage_min_markets: int = Field(default=3, ge=2)
    halt_days: float = Field(default=7, gt=0)
    relisted_price_ratio: float = Field(default=2, gt=1)
    thin_share: float = Field(default=0.05, gt=0, lt=1)
    thin_bars: int = Field(default=15, ge=1)

    def wait(self, asks: int) -> timedelta:
        """How long to wait after so many asks before the next one."""
        return timedelta(minutes=self.first_wait_minutes) * self.wait_factor ** max(0, asks - 1)


class Scoring(Strict):
    """How the scores of the dimensions become one, and when a score is worth a look."""

    accuracy: float = Field(default=0.4, ge=0, le=1)
    completeness: float = Field(default=0.4, ge=0, le=1)
    timeliness: float = Field(default=0.2, ge=0, le=1)
    warn_below: float = Field(default=0.999, ge=0, le=1)
    fail_below: float = Field(default=0.95, ge=0, le=1)
    max_robust_z: float = Field(default=50, gt=0)
    max_anomalous_share: float = Field(default=0.005, ge=0, le=1)
    max_score_z: float = Field(default=6, gt=0)

    @model_validator(mode="after")
    def _weights_and_bounds_fit(self) -> Self:
        if self.accuracy + self.completeness + self.timeliness <= 0:
            raise ValueError("one of accuracy, completeness and timeliness must weigh more than 0")
        if self.fail_below > self.warn_below:
            raise ValueError("fail_below lies above warn_below")
        return self

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each dimension by its name."""
        return {"accuracy": self.accuracy, "completeness": self.completeness, "timeliness": self.timeliness}


class Features(Strict):
    """What is derived from bars; the reasons stand in the file beside the values."""

    timeframes: tuple[Timeframe, ...] = Field(default=("1h",), min_length=1)
    reference: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{1,20}$")] = "BTC"
    min_coverage: float = Field(default=0.8, ge=0, le=1)
    drift_days: int = Field(default=30, ge=1, le=3650)
    max_psi: float = Field(default=0.25, gt=0)


class TradeRules(Strict):
    """How trades are collected and judged."""

    interval_minutes: float = Field(default=5, gt=0, description="A busy market is asked so often.")
    max_interval_minutes: float = Field(default=30, gt=0, description="A quiet one at least so often.")
    first_minutes: float = Field(default=15, gt=0, description="How far back a market begins that has none yet.")
    turn_pages: int = Field(default=20, ge=1, description="Pages of one market before the next one has its turn.")
    run_minutes: float = Field(default=20, gt=0, description="A run leaves what is due after so long to the next one.")
    large_quantile: float = Field(default=0.99, gt=0, lt=1)
    large_of_trades: int = Field(default=20_000, ge=1000)
    max_age_minutes: float = Field(default=45, gt=0)
    min_share_matching_bars: float = Field(default=0.99, ge=0, le=1)

    @model_validator(mode="after")
    def _intervals_fit(self) -> Self:
        if self.interval_minutes > self.max_interval_minutes:
            raise ValueError("interval_minutes lies above max_interval_minutes")
        return self


class BookRules(Strict):
    """How order books are collected and judged."""

    depth: int = Field(default=50, ge=5, le=400, description="Levels a side.")
    interval_seconds: float = Field(default=300, ge=1, description="A market whose price moves is asked so often.")
    max_interval_seconds: float = Field(default=900, ge=1, description="One that stands still at least so often.")
    lively_bps: float = Field(default=5, gt=0)
    min_depth_share: float = Field(default=0.5, ge=0, le=1)
    max_age_minutes: float = Field(default=45, gt=0)

    @model_validator(mode="after")
    def _intervals_fit(self) -> Self:
        if self.interval_seconds > self.max_interval_seconds:
            raise ValueError("interval_seconds lies above max_interval_seconds")
        return self


class TickerRules(Strict):
    """How 24-hour statistics are judged."""

    max_change_difference_pct: float = Field(default=0.1, gt=0)
    max_age_minutes: float = Field(default=45, gt=0)


def _one_spelling(address: str) -> str:
    """Hexadecimal addresses may be written in either case; we keep them in lower case."""
    return address.lower() if re.fullmatch(r"0[xX][0-9a-fA-F]+", address) else address


NetworkName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{2,40}$")]
DexName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9._-]{1,80}$")]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9.$-]{1,20}$")]
TokenAddress = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9:_-]{10,120}$"), AfterValidator(_one_spelling)
]  # fmt: skip
type Assets = dict[Currency, dict[NetworkName, Annotated[tuple[TokenAddress, ...], Field(min_length=1)]]]


class Network(Strict):
    """One chain: which of its DEXes are followed.

    Args:
        id: GeckoTerminal's name of it, where that is not ours: ethereum is `eth` there.
        dexes: GeckoTerminal's names of DEXes.
    """

    id: NetworkName | None = None
    dexes: tuple[DexName, ...] = Field(min_length=1)


_ASSETS: Assets = {
    "SOL": {"solana": ("So11111111111111111111111111111111111111112",)},
    "ETH": {"ethereum": ("0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2",)},
    "BTC": {"ethereum": ("0x2260fac5e5542a773aa44fbcfedf7c193bc2c599",)},
}


class DexRules(Strict):
    """How pools of decentralised exchanges are followed; the reasons stand in the file beside the values.

    Args:
        assets: Which tokens stand for a currency of exchanges' markets: currency, network, addresses. By address, since
            anybody may give a token any symbol.
    """

    networks: dict[NetworkName, Network] = Field(
        default={
            "solana": Network(dexes=("heaven", "pumpswap")),
            "ethereum": Network(id="eth", dexes=("uniswap_v3",)),
        },
        min_length=1,
    )
    assets: Assets = _ASSETS
    requests_per_minute: float = Field(default=30, gt=0, le=10_000)
    timeframes: tuple[PoolTimeframe, ...] = Field(default=POOL_TIMEFRAMES, min_length=1)
    pool_pages: int = Field(default=1, ge=1, le=10)
    pools_interval_minutes: float = Field(default=10, gt=0)
    follow_requests: int = Field(default=2, ge=0, le=30)
    dead_reserve_usd: float = Field(default=100, ge=0)
    history_days: float = Field(default=180, ge=0, le=3650)
    interval_minutes: float = Field(default=5, gt=0)
    max_interval_minutes: float = Field(default=360, gt=0)
    window_trades: int = Field(default=300, ge=1)
    window_hours: float = Field(default=24, gt=0)
    wanted_trades: int = Field(default=100, ge=1)
    settle_seconds: float = Field(default=60, ge=0)
    ohlcv_share: float = Field(default=0.25, gt=0, lt=1)
    max_age_minutes: float = Field(default=60, gt=0)
    volume_tolerance: float = Field(default=1e-6, gt=0, lt=1)

    @model_validator(mode="before")
    @classmethod
    def _default_assets_are_on_followed_networks(cls, value: object) -> object:
        networks = value.get("networks") if isinstance(value, dict) else None
        if not isinstance(value, dict) or not isinstance(networks, dict) or "assets" in value:
            return value
        kept = {
            currency: {network: tokens for network, tokens in places.items() if network in networks}
            for currency, places in _ASSETS.items()
        }
        return {**value, "assets": {currency: places for currency, places in kept.items() if places}}

    @model_validator(mode="after")
    def _intervals_fit(self) -> Self:
        if self.interval_minutes > self.max_interval_minutes:
            raise ValueError("interval_minutes lies above max_interval_minutes")
        if self.wanted_trades > self.window_trades:
            raise ValueError("wanted_trades lies above window_trades: what a poll cannot bring is lost")
        return self

    @model_validator(mode="after")
    def _tokens_stand_for_one_currency(self) -> Self:
        stands_for: dict[tuple[str, str], str] = {}
        for currency, places in self.assets.items():
            for network, tokens in places.items():
                if network not in self.networks:
                    there = ", ".join(sorted(self.networks))
                    raise ValueError(f"assets.{currency} names the unknown network '{network}'; there are {there}")
                for token in tokens:
                    before = stands_for.setdefault((network, token), currency)
                    if before != currency:
                        raise ValueError(f"assets: {token} on {network} stands for {before} and for {currency}")
        return self

    def tokens_of(self, currency: str) -> Mapping[str, tuple[str, ...]]:
        """The tokens that stand for a currency, by network; empty for a currency that none stands for."""
        return self.assets.get(currency, {})

    def asset_tokens(self, network: str) -> frozenset[str]:
        """Every token of a network that stands for any currency."""
        return frozenset(token for places in self.assets.values() for token in places.get(network, ()))

    def api_id(self, network: str) -> str:
        """GeckoTerminal's name of a network of ours."""
        return self.networks[network].id or network
