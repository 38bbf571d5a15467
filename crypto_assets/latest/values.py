"""What stands in Redis: one type a kind of value, its key, and until when anybody should go by it.

What belongs here: the types, which are the format, and keys and channels. What does not: how long each kind lives (lives.py),
and talking to Redis.

Format: JSON, an object a value, `at_us` always first. Moments are whole microseconds since 1970, UTC. Places, with the parts'
own colons and percent signs percent-encoded:

    crypto_assets:<profile>:quote:<venue>:<symbol>                 channel crypto_assets:<profile>:quote
    crypto_assets:<profile>:book:<venue>:<symbol>                  channel crypto_assets:<profile>:book
    crypto_assets:<profile>:ticker:<venue>:<symbol>                channel crypto_assets:<profile>:ticker
    crypto_assets:<profile>:bar:<venue>:<symbol>:<timeframe>       channel crypto_assets:<profile>:bar
    crypto_assets:<profile>:prediction:<model>:<domain>:<series>   channel crypto_assets:<profile>:prediction
    crypto_assets:<profile>:score:<scorer>:<asset>                 channel crypto_assets:<profile>:score

A message of a channel is a list of values, those that one write brought.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar, override

import msgspec

from crypto_assets.errors import CryptoAssetsError

PREFIX = "crypto_assets"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class ValueMalformed(CryptoAssetsError):
    """What stands in Redis is not what we write there."""


class LatestValue(msgspec.Struct, frozen=True, gc=False):
    """What all kinds have in common.

    Args:
        at_us: What orders the values of one key: a snapshot's second, a bar's opening, a decision.
        known_us: When a careful consumer could first have known it.
        stored_us: When it was stored here.
        until_us: Something newer is due by then; nobody should go by it any longer.
    """

    kind: ClassVar[str] = ""
    parts: ClassVar[tuple[str, ...]] = ()  # the fields that name it

    at_us: int
    known_us: int
    stored_us: int
    until_us: int

    @property
    def name(self) -> tuple[str, ...]:
        """What it is the newest of, as its key has it behind the kind."""
        return tuple(getattr(self, part) for part in self.parts)

    @property
    def was_so_us(self) -> int:
        """When the world was so, as far as anybody says; what its age is counted from."""
        return self.known_us

    @property
    def known_at(self) -> datetime:
        """`known_us` as a moment."""
        return moment(self.known_us)

    @property
    def stored_at(self) -> datetime:
        """`stored_us` as a moment."""
        return moment(self.stored_us)

    @property
    def was_so_at(self) -> datetime:
        """`was_so_us` as a moment."""
        return moment(self.was_so_us)


class LatestQuote(LatestValue, frozen=True, gc=False):
    """A market's best prices at a second: decimal texts as the venue wrote them.

    Args:
        bid_price: Best bid, quote currency; so is `ask_price`.
        bid_quantity: Wanted there, base currency; so is `ask_quantity`.
        event_us: When the venue says that it was so; None where it does not.
        received_us: When it had come, by our clock.
        is_stale: Too old, or its market had no connection: not to be traded on.
    """

    kind: ClassVar[str] = "quote"
    parts: ClassVar[tuple[str, ...]] = ("venue", "symbol")

    venue: str
    symbol: str
    bid_price: str
    bid_quantity: str
    ask_price: str
    ask_quantity: str
    event_us: int | None
    received_us: int
    is_stale: bool

    @property
    @override
    def was_so_us(self) -> int:
        return self.received_us if self.event_us is None else self.event_us

    @property
    def snapshot_at(self) -> datetime:
        """The second of the snapshot."""
        return moment(self.at_us)

    @property
    def bid(self) -> float:
        """`bid_price` as a number."""
        return float(self.bid_price)

    @property
    def ask(self) -> float:
        """`ask_price` as a number."""
        return float(self.ask_price)

    @property
    def mid(self) -> float:
        """The middle between the best prices, quote currency."""
        return (self.bid + self.ask) / 2


class LatestBook(LatestValue, frozen=True, gc=False):
    """A market's order book, as market.order_books has it.

    Args:
        bids: Price and amount of each level, decimal texts, best first; so are `asks`.
        mid: Middle between the best prices, quote currency.
        spread_bps: Distance of the best prices over the middle, basis points.
        imbalance: -1..1, within 50 basis points of the middle.
        sequence: The venue's number of the book's state; None where it has none.
        event_us: When the venue says that it stood so; None where it does not.
    """

    kind: ClassVar[str] = "book"
    parts: ClassVar[tuple[str, ...]] = ("venue", "symbol")

    venue: str
    symbol: str
    bids: tuple[tuple[str, str], ...]
    asks: tuple[tuple[str, str], ...]
    mid: float
    spread_bps: float
    imbalance: float
    sequence: int | None
    event_us: int | None

    @property
    @override
    def was_so_us(self) -> int:
        return self.at_us if self.event_us is None else self.event_us

    @property
    def snapshot_at(self) -> datetime:
        """When the answer had come, by our clock."""
        return moment(self.at_us)


class LatestTicker(LatestValue, frozen=True, gc=False):
    """A market's last 24 hours, as market.tickers has them; None where the venue does not say."""

    kind: ClassVar[str] = "ticker"
    parts: ClassVar[tuple[str, ...]] = ("venue", "symbol")

    venue: str
    symbol: str
    last: float | None
    bid: float | None
    ask: float | None
    open_24h: float | None
    high_24h: float | None
    low_24h: float | None
    volume_base_24h: float | None
    volume_quote_24h: float | None
    change_pct_24h: float | None
    event_us: int | None

    @property
    @override
    def was_so_us(self) -> int:
        return self.at_us if self.event_us is None else self.event_us

    @property
    def snapshot_at(self) -> datetime:
        """When the answer had come, by our clock."""
        return moment(self.at_us)


class LatestBar(LatestValue, frozen=True, gc=False):
    """A market's newest closed bar, as market.ohlcv has it: prices in quote currency, `volume_base` in base currency."""

    kind: ClassVar[str] = "bar"
    parts: ClassVar[tuple[str, ...]] = ("venue", "symbol", "timeframe")

    venue: str
    symbol: str
    timeframe: str
    open: float
    high: float
    low: float
    close: float
    volume_base: float
    volume_quote: float | None
    trade_count: int | None

    @property
    def opened_at(self) -> datetime:
        """When the bar opened; it closed at `known_at`."""
        return moment(self.at_us)


class LatestPrediction(LatestValue, frozen=True, gc=False):
    """What the champion of a forecast said last about a series, as models.predictions has it.

    `yhat`, `q10`, `q90` and `baseline` are logarithms of the quantity at the horizon's end over `level_now`.
    """

    kind: ClassVar[str] = "prediction"
    parts: ClassVar[tuple[str, ...]] = ("model", "domain", "series")

    model: str
    domain: str
    series: str
    version: int
    horizon_end_us: int
    level_now: float
    yhat: float
    q10: float
    q90: float
    baseline: float
    baseline_name: str
    is_out_of_sample: bool

    @property
    @override
    def was_so_us(self) -> int:
        return self.at_us

    @property
    def decided_at(self) -> datetime:
        """The decision: nothing known later was looked at."""
        return moment(self.at_us)

    @property
    def horizon_end_at(self) -> datetime:
        """The moment that is spoken of."""
        return moment(self.horizon_end_us)


class LatestScore(LatestValue, frozen=True, gc=False):
    """What a scorer made of the newest headline about an asset, as sentiment.scores has it.

    Args:
        scorer: `model_id` of the table.
        asset: A currency; empty for the market as a whole.
        score: -1 is the worst, 1 the best; the three shares are 0..1 and add up to 1.
    """

    kind: ClassVar[str] = "score"
    parts: ClassVar[tuple[str, ...]] = ("scorer", "asset")

    scorer: str
    asset: str
    model_version: str
    news_id: str
    label: str
    score: float
    p_negative: float
    p_neutral: float
    p_positive: float

    @property
    @override
    def was_so_us(self) -> int:
        return self.at_us


KINDS: tuple[type[LatestValue], ...] = (
    LatestQuote, LatestBook, LatestTicker, LatestBar, LatestPrediction, LatestScore
)  # fmt: skip


def moment(microseconds: int) -> datetime:
    """Microseconds since 1970 as a moment, UTC."""
    return EPOCH + timedelta(microseconds=microseconds)


def microseconds(at: datetime) -> int:
    """A moment with its zone as microseconds since 1970."""
    return (at - EPOCH) // _MICROSECOND


def channel(profile: str, kind: type[LatestValue]) -> str:
    """Where values of a kind are told to whoever listens."""
    return f"{PREFIX}:{profile}:{kind.kind}"


def key(profile: str, kind: type[LatestValue], name: Sequence[str]) -> str:
    """Where a value stands. Two names never have the same key."""
    return ":".join((channel(profile, kind), *(part.replace("%", "%25").replace(":", "%3A") for part in name)))


def encoded(value: LatestValue) -> bytes:
    """A value as it stands in Redis."""
    return msgspec.json.encode(value)


def decoded[V: LatestValue](text: bytes, kind: type[V]) -> V:
    """What stands under a key.

    Raises:
        ValueMalformed: it is no value of this kind.
    """
    return _decoded(text, kind, kind)


def decoded_list[V: LatestValue](text: bytes, kind: type[V]) -> list[V]:
    """What a message holds.

    Raises:
        ValueMalformed: it is no list of values of this kind.
    """
    return _decoded(text, list[kind], kind)  # type: ignore[valid-type]


def _decoded[T](text: bytes, form: type[T], kind: type[LatestValue]) -> T:
    try:
        return msgspec.json.decode(text, type=form)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueMalformed(
            f"Redis holds something else than a {kind.kind}: {error}",
            way_out="Give this platform a Redis, or a database of one, that nobody else writes to.",
        ) from None


__all__ = [
    "EPOCH", "KINDS", "PREFIX", "LatestBar", "LatestBook", "LatestPrediction", "LatestQuote", "LatestScore", "LatestTicker",
    "LatestValue", "ValueMalformed", "channel", "decoded", "decoded_list", "encoded", "key", "microseconds", "moment",
]  # fmt: skip
