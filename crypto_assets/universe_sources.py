"""The rules of sources outside exchanges: sections of config/universe.yaml, with their defaults.

What belongs here: what is collected of economies, chains, fees, news and moods, how often, and the bounds that it is held
to; the reason of each value stands in the file beside it. What does not: exchanges and pools (universe_rules.py), keys
(settings.py).
"""

from __future__ import annotations

import ipaddress
import re
from datetime import time
from typing import Annotated, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints, field_validator, model_validator

from crypto_assets.universe_news import ASSET_WORDS, FEEDS, IGNORED, AssetWords, FeedName, FeedUrl, Phrase
from crypto_assets.universe_rules import Currency, Strict


class MacroSeries(Strict):
    """One series of FRED.

    Args:
        frequency: Of its periods; a run says where FRED calls it otherwise.
        least: No believable value lies below.
        most: No believable value lies above.
        released_at: When its publisher releases it, in New York; None where that is not certain to the minute.
        max_age_days: A healthy series' newest value has been known no longer.
    """

    frequency: Literal["daily", "weekly", "monthly", "quarterly", "annual"]
    least: float = Field(allow_inf_nan=False)
    most: float = Field(allow_inf_nan=False)
    released_at: time | None = None
    max_age_days: float = Field(gt=0, le=1000)

    @field_validator("released_at", mode="before")
    @classmethod
    def _hours_are_quoted(cls, value: object) -> object:
        if value is None or isinstance(value, time) or (isinstance(value, str) and _HOUR.fullmatch(value)):
            return value
        raise ValueError("expected hours and minutes in quotes, as '08:30': YAML reads 16:15 as a number")

    @model_validator(mode="after")
    def _bounds_are_apart(self) -> Self:
        if self.least >= self.most:
            raise ValueError("least is not below most")
        return self


class GoldRules(Strict):
    """Where the daily price of gold is taken from: a token for one fine troy ounce.

    Args:
        venue: ccxt id of the exchange.
        symbol: Its market; without the stroke it is the series' name.
    """

    venue: str = Field(default="kraken", pattern=r"^[a-z0-9_]{2,30}$")
    symbol: str = Field(default="PAXG/USD", pattern=r"^[A-Z0-9]{2,12}/[A-Z]{3,5}$")
    least: float = Field(default=200, allow_inf_nan=False)
    most: float = Field(default=100_000, allow_inf_nan=False)
    max_age_days: float = Field(default=3, gt=0, le=1000)

    @property
    def series_id(self) -> str:
        """PAXGUSD."""
        return self.symbol.replace("/", "")


_HOUR = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_EARLY = time(8, 30)
_MACRO = {
    "UNRATE": MacroSeries(frequency="monthly", least=0, most=50, released_at=_EARLY, max_age_days=45),
    "CPIAUCSL": MacroSeries(frequency="monthly", least=15, most=2000, released_at=_EARLY, max_age_days=45),
    "A191RL1Q225SBEA": MacroSeries(frequency="quarterly", least=-60, most=60, released_at=_EARLY, max_age_days=100),
    "FEDFUNDS": MacroSeries(frequency="monthly", least=-1, most=30, max_age_days=45),
    "DGS10": MacroSeries(frequency="daily", least=-2, most=25, max_age_days=7),
    "VIXCLS": MacroSeries(frequency="daily", least=5, most=200, max_age_days=7),
    "DTWEXBGS": MacroSeries(frequency="daily", least=50, most=250, max_age_days=14),
    "DCOILWTICO": MacroSeries(frequency="daily", least=-60, most=400, max_age_days=14),
}
SeriesId = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9_]{2,60}$")]


class MacroRules(Strict):
    """How macroeconomic series are collected and judged.

    Args:
        series: By FRED's name.
        gold: None to go without.
        lead_days: Periods that began so long before a window are collected with it.
        history_days: Periods that began so long ago are collected with the month that is open.
        requests_per_minute: To FRED, by all processes together.
    """

    series: dict[SeriesId, MacroSeries] = Field(default_factory=lambda: dict(_MACRO))
    gold: GoldRules | None = GoldRules()
    lead_days: int = Field(default=400, ge=0, le=36_500)
    history_days: int = Field(default=730, ge=0, le=36_500)
    requests_per_minute: float = Field(default=100, gt=0, le=120)

    @model_validator(mode="after")
    def _gold_is_no_series_of_fred(self) -> Self:
        if self.gold is not None and self.gold.series_id in self.series:
            raise ValueError(f"{self.gold.series_id} names both a series of FRED and the price of gold")
        return self


class OnchainAsset(Strict):
    """Where one currency's chain is known.

    Args:
        coinmetrics: Coin Metrics' name of it, as btc; None where it is not asked.
        defillama: DefiLlama's name of its chain, as Ethereum; None where it has none.
    """

    coinmetrics: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.-]{1,40}$")] | None = None
    defillama: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9 ._()-]{1,60}$")] | None = None


OnchainSource = Literal["coinmetrics", "blockchain_info", "etherscan", "defillama"]
_ONCHAIN_ASSETS = {
    "BTC": OnchainAsset(coinmetrics="btc", defillama="Bitcoin"),
    "ETH": OnchainAsset(coinmetrics="eth", defillama="Ethereum"),
    "SOL": OnchainAsset(coinmetrics="sol", defillama="Solana"),
    "XRP": OnchainAsset(coinmetrics="xrp", defillama="XRPL"),
    "DOGE": OnchainAsset(coinmetrics="doge"),
    "ADA": OnchainAsset(coinmetrics="ada", defillama="Cardano"),
}
_ONCHAIN_BOUNDS: dict[str, tuple[float, float]] = {
    "active_addresses": (1, 1e9),
    "transactions": (1, 5e9),
    "fees_usd": (0, 1e9),
    "hash_rate": (0, 1e11),
    "supply": (1, 1e16),
    "tvl_usd": (0, 1e13),
    "market_cap_usd": (1, 1e14),
    "price_volatility_7d": (0, 50),
}


class OnchainRules(Strict):
    """How metrics of chains are collected and judged; the reasons stand in the file beside the values.

    Args:
        assets: By our currency.
        requests_per_minute: To each source.
        lag_hours: From the end of a day until its value counts as known, by source.
        recheck_days: So many last days are asked for again.
        bounds: Smallest and largest believable value, by metric.
    """

    assets: dict[Currency, OnchainAsset] = Field(default=_ONCHAIN_ASSETS)
    history_days: int = Field(default=180, ge=1, le=10_000)
    requests_per_minute: dict[OnchainSource, Annotated[float, Field(gt=0, le=10_000)]] = Field(
        default={"coinmetrics": 60, "blockchain_info": 10, "etherscan": 60, "defillama": 60}
    )
    lag_hours: dict[OnchainSource, Annotated[float, Field(ge=0, le=240)]] = Field(
        default={"coinmetrics": 24, "blockchain_info": 24, "etherscan": 0, "defillama": 24}
    )
    recheck_days: int = Field(default=3, ge=0, le=60)
    min_completeness: float = Field(default=0.95, ge=0, le=1)
    max_age_hours: float = Field(default=72, gt=0)
    bounds: dict[str, tuple[float, float]] = Field(default=_ONCHAIN_BOUNDS)

    @model_validator(mode="after")
    def _every_source_has_its_values(self) -> Self:
        for name, told in (("requests_per_minute", self.requests_per_minute), ("lag_hours", self.lag_hours)):
            lacking = [source for source in get_args(OnchainSource) if source not in told]
            if lacking:
                raise ValueError(f"{name} lacks {', '.join(lacking)}")
        turned = [metric for metric, (low, high) in self.bounds.items() if not low <= high]
        if turned:
            raise ValueError(f"bounds of {', '.join(turned)}: the smaller comes first")
        return self


ChainName = Literal["ethereum", "bitcoin", "solana"]
SolanaAccount = Annotated[str, StringConstraints(pattern=r"^[1-9A-HJ-NP-Za-km-z]{32,44}$")]
_HOST_NAME = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])")
_LOCAL_NAMES = (".localhost", ".local", ".internal", ".home.arpa", ".lan")


def _public_address(address: str) -> str:
    """An http(s) address that names a public host and holds no secret: the file is shared, and is read by people.

    Of numbers only a plain, global IPv4 address is one: 127.1, 0x7f.1 and 2130706433 lead to this machine, too.
    """
    if not address.isascii() or not address.isprintable() or " " in address or "\\" in address or len(address) > 300:
        raise ValueError("an address has up to 300 plain characters")
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(f"'{address[:60]}' is no address; expected http(s)://host/path") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise ValueError(f"'{address[:60]}' is no address; expected http(s)://host/path")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError(
            f"the address of {host[:60]} holds a user or a query; one with a key belongs into the environment"
        )
    try:
        number = ipaddress.IPv4Address(host)
        is_public = number.is_global and not number.is_multicast
    except ValueError:
        is_public = bool(_HOST_NAME.fullmatch(host)) and not host.endswith(_LOCAL_NAMES)
    if not is_public:
        raise ValueError(f"'{host[:60]}' is no public host; a node of your own belongs into the environment")
    return address.rstrip("/")


NodeAddress = Annotated[str, AfterValidator(_public_address)]


class FeeChain(Strict):
    """Where a chain's fees are asked for.

    Args:
        nodes: Addresses, asked in this order until one answers; of Bitcoin those of mempool.space or of another instance of it.
        requests_per_minute: To each of them.
    """

    nodes: tuple[NodeAddress, ...] = Field(min_length=1)
    requests_per_minute: float = Field(default=30, gt=0, le=10_000)


_FEE_CHAINS: dict[ChainName, FeeChain] = {
    "ethereum": FeeChain(
        nodes=("https://ethereum-rpc.publicnode.com", "https://eth.drpc.org", "https://1rpc.io/eth"),
        requests_per_minute=60,
    ),
    "bitcoin": FeeChain(nodes=("https://mempool.space",), requests_per_minute=10),
    "solana": FeeChain(nodes=("https://api.mainnet-beta.solana.com",), requests_per_minute=30),
}


class FeeRules(Strict):
    """How fees of chains are collected and judged; the reasons stand in the file beside the values.

    Args:
        chains: Those that are followed.
        etherscan_requests_per_minute: Etherscan is asked where no node of Ethereum answers and there is a key.
        blocks_a_sample: Newest blocks of Ethereum that make one row.
        backfill_minutes: Distance of the points that are collected of days that are over.
        known_lag_seconds: So long after its newest block a point of the past counts as known.
        max_node_lag_seconds: A node whose newest block is older is not believed.
        solana_accounts: Writable accounts whose price is asked for; none for the chain's lowest.
    """

    chains: dict[ChainName, FeeChain] = Field(default=_FEE_CHAINS, min_length=1)
    etherscan_requests_per_minute: float = Field(default=60, gt=0, le=10_000)
    blocks_a_sample: int = Field(default=20, ge=1, le=1024)
    backfill_minutes: int = Field(default=240, ge=10, le=1440)
    known_lag_seconds: float = Field(default=30, ge=0, le=3600)
    max_node_lag_seconds: float = Field(default=300, gt=0)
    max_age_minutes: float = Field(default=45, gt=0)
    max_base_fee_gwei: float = Field(default=10_000, gt=0)
    max_priority_fee_gwei: float = Field(default=10_000, gt=0)
    max_sat_vb: float = Field(default=5_000, gt=0)
    max_microlamports: float = Field(default=1e9, gt=0)
    solana_accounts: tuple[SolanaAccount, ...] = Field(default=(), max_length=128)

    @model_validator(mode="after")
    def _points_divide_the_day(self) -> Self:
        if 1440 % self.backfill_minutes:
            raise ValueError("backfill_minutes must divide a day's 1,440 minutes, so that days have the same points")
        return self


class NewsRules(Strict):
    """Which feeds are read, and how they are judged.

    Args:
        feeds: Name → address.
        same_story_hours: The same headline of another publisher within so long is the same story.
        assets: Currency → the words that name it.
        ignored: Phrases that name no asset although a name stands in them.
    """

    feeds: dict[FeedName, FeedUrl] = Field(default=dict(FEEDS), min_length=1)
    interval_minutes: float = Field(default=10, gt=0)
    requests_per_minute: float = Field(default=6, gt=0, le=10_000)
    most_bytes: int = Field(default=5_000_000, ge=10_000, le=50_000_000)
    same_story_hours: float = Field(default=48, ge=0, le=24 * 30)
    min_share_of_feeds_alive: float = Field(default=0.5, ge=0, le=1)
    max_age_minutes: float = Field(default=180, gt=0)
    assets: dict[Currency, AssetWords] = Field(default=dict(ASSET_WORDS), min_length=1)
    ignored: tuple[Phrase, ...] = IGNORED

    @model_validator(mode="after")
    def _words_name_one_asset(self) -> Self:
        stands_for: dict[str, str] = {}
        for currency, words in self.assets.items():
            for word in {*words.names, *words.weak_names, *words.tickers, currency}:
                before = stands_for.setdefault(word.casefold(), currency)
                if before != currency:
                    raise ValueError(f"assets: '{word}' stands for {before} and for {currency}")
        return self


ScorerName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,59}$")]


class ScorerRule(Strict):
    """One scorer of headlines.

    Args:
        name: Under which its scores are kept.
        kind: lexicon (VADER's rules with words of crypto), vader (as it is) or transformer.
        model: A transformer's id on the hub, as ProsusAI/finbert.
        revision: The commit of it there, all 40 digits: what a branch holds can change.
        folder: Name of a folder below that of models, in place of a model of the hub.
        may_fetch: Whether a model of the hub may be fetched; else it has to be on disk.
    """

    name: ScorerName
    kind: Literal["lexicon", "vader", "transformer"] = "lexicon"
    model: Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9._-]{1,96}/[A-Za-z0-9._-]{1,96})?$")] = ""
    revision: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{40})?$")] = ""
    folder: Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9_-][A-Za-z0-9._-]{0,99})?$")] = ""
    may_fetch: bool = False

    @model_validator(mode="after")
    def _kinds_have_what_they_need(self) -> Self:
        is_told = bool(self.model or self.revision or self.folder or self.may_fetch)
        if self.kind != "transformer":
            if is_told:
                raise ValueError(f"{self.name}: only a transformer has model, revision, folder and may_fetch")
            return self
        if bool(self.model) == bool(self.folder):
            raise ValueError(f"{self.name}: a transformer needs either a model of the hub or a folder")
        if self.model and not self.revision:
            raise ValueError(f"{self.name}: a model of the hub needs its revision, the 40 digits of a commit")
        if self.folder and (self.revision or self.may_fetch):
            raise ValueError(f"{self.name}: a folder has neither revision nor may_fetch")
        return self


class SentimentRules(Strict):
    """How headlines are scored, and how the Fear & Greed index is collected.

    Args:
        scorers: Each scores every headline.
        features_scorer: Whose scores features are made of.
        score_within_hours: A headline that was first seen longer ago should have its score.
        fear_greed_requests_per_minute: Budget towards alternative.me.
        fear_greed_max_age_hours: The newest value has been known no longer.
    """

    scorers: Annotated[tuple[ScorerRule, ...], Field(min_length=1)] = (ScorerRule(name="crypto-lexicon"),)
    features_scorer: ScorerName = "crypto-lexicon"
    score_within_hours: float = Field(default=2, gt=0, le=720)
    fear_greed_requests_per_minute: float = Field(default=10, gt=0, le=60)
    fear_greed_max_age_hours: float = Field(default=30, ge=25, le=720)

    @model_validator(mode="after")
    def _scorers_are_told_apart(self) -> Self:
        names = [scorer.name for scorer in self.scorers]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"scorers listed twice: {', '.join(twice)}")
        if self.features_scorer not in names:
            raise ValueError(f"features_scorer '{self.features_scorer}' is none of {', '.join(names)}")
        return self
