"""What to collect: config/universe.yaml, typed and validated.

What belongs here: the shape of the file, its defaults, its bounds with their reasons, and errors that name the file, the
key and the allowed values. What does not: the environment (settings.py), and remembering which version was good
(warehouse/universe_versions.py).

Each run reads the file at its start, so an edit holds from the next run on.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import re
from collections.abc import Hashable
from datetime import UTC, date, datetime, time
from functools import cache
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.universe_operations import AlertRules, BackupRules, ExportRules, RetentionRules
from crypto_assets.universe_rules import (
    TIMEFRAME_LENGTH,
    TIMEFRAMES,
    BookRules,
    Bounds,
    DexRules,
    Features,
    Gaps,
    Scoring,
    Strict,
    TickerRules,
    Timeframe,
    TradeRules,
)
from crypto_assets.universe_sources import FeeRules, MacroRules, NewsRules, OnchainRules, SentimentRules
from crypto_assets.universe_stream import StreamRules

MAX_FILE_BYTES = 1_000_000  # a universe of ten thousand markets takes a third of this; more is a mistake or an attack

_SYMBOL = re.compile(r"[A-Z0-9.$-]{1,20}/[A-Z0-9.$-]{1,20}(:[A-Z0-9.$-]{1,20}(-\d{6})?)?")


def _unified(symbol: str) -> str:
    if not _SYMBOL.fullmatch(symbol):
        raise ValueError(f"'{symbol[:60]}' is no unified symbol; expected BASE/QUOTE, as BTC/USDT or BTC/USDT:USDT")
    return symbol


Symbol = Annotated[str, AfterValidator(_unified)]
VenueName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{2,30}$")]


class UniverseError(CryptoAssetsError):
    """The universe file is missing, unreadable or holds something that is not allowed."""


class Market(Strict):
    """One market of a venue; a plain string in the file stands for its symbol alone."""

    symbol: Symbol
    timeframes: tuple[Timeframe, ...] = ()
    from_: date | None = Field(default=None, alias="from", description="Nothing is asked before this UTC day.")
    until: date | None = Field(default=None, description="Nothing is asked from this UTC day on.")


class Venue(Strict):
    """One exchange: what is collected there, and how hard it may be asked."""

    markets: tuple[Market, ...] = Field(min_length=1)
    timeframes: tuple[Timeframe, ...] = ()
    requests_per_second: float = Field(default=5, gt=0, le=1000)
    page_bars: int = Field(default=300, ge=10, le=5000, description="Bars per request that the venue serves.")
    history_bars: int | None = Field(default=None, ge=10, description="The venue serves only this many newest bars.")

    @field_validator("markets", mode="before")
    @classmethod
    def _symbols_are_markets(cls, value: object) -> object:
        if not isinstance(value, list):
            return value
        return [{"symbol": item} if isinstance(item, str) else item for item in value]

    @model_validator(mode="after")
    def _each_market_once(self) -> Self:
        symbols = [market.symbol for market in self.markets]
        twice = sorted({symbol for symbol in symbols if symbols.count(symbol) > 1})
        if twice:
            raise ValueError(f"listed twice: {', '.join(twice)}")
        return self

    def market(self, symbol: str) -> Market | None:
        """The market of that symbol, or None."""
        return next((market for market in self.markets if market.symbol == symbol), None)


class Universe(Strict):
    """The whole file."""

    history_from: date = Field(description="First UTC day of the partition grid.")
    automatic_history_days: int = Field(default=62, ge=0, description="History collected without being asked for.")
    timeframes: tuple[Timeframe, ...] = Field(default=TIMEFRAMES, min_length=1)
    venues: dict[VenueName, Venue] = Field(min_length=1)
    bounds: Bounds = Bounds()
    gaps: Gaps = Gaps()
    scores: Scoring = Scoring()
    features: Features = Features()
    trades: TradeRules = TradeRules()
    order_books: BookRules = BookRules()
    tickers: TickerRules = TickerRules()
    dex: DexRules = DexRules()
    macro: MacroRules = MacroRules()
    onchain: OnchainRules = OnchainRules()
    network_fees: FeeRules = FeeRules()
    news: NewsRules = NewsRules()
    sentiment: SentimentRules = SentimentRules()
    stream: StreamRules = StreamRules()
    retention: RetentionRules = RetentionRules()
    backups: BackupRules = BackupRules()
    exports: ExportRules = ExportRules()
    alerts: AlertRules = AlertRules()

    @field_validator("venues")
    @classmethod
    def _ccxt_has_them(cls, venues: dict[str, Venue]) -> dict[str, Venue]:
        for name in venues:
            if name not in known_venues():
                near = difflib.get_close_matches(name, known_venues(), n=3, cutoff=0.75)
                hint = f"; did you mean {' or '.join(near)}?" if near else ""
                raise ValueError(f"'{name}' is no exchange that ccxt has{hint}")
        return venues

    @field_validator("history_from")
    @classmethod
    def _not_in_the_future(cls, day: date) -> date:
        if not date(2009, 1, 3) <= day <= datetime.now(UTC).date():
            raise ValueError("expected a day between 2009-01-03 (the first Bitcoin block) and today")
        return day

    def venue(self, name: str) -> Venue:
        """The venue of that name.

        Raises:
            UniverseError: naming the venues there are.
        """
        if name not in self.venues:
            raise UniverseError(
                f"Unknown venue '{name}'",
                way_out=f"The universe has {', '.join(sorted(self.venues))}; add it there first.",
            )
        return self.venues[name]

    def network(self, name: str) -> str:
        """The name of a network by its own name or GeckoTerminal's.

        Raises:
            UniverseError: naming the networks there are.
        """
        found = next((ours for ours, one in self.dex.networks.items() if name in {ours, one.id}), None)
        if found is None:
            raise UniverseError(
                f"Unknown network '{name[:60]}'",
                way_out=f"The universe has {', '.join(sorted(self.dex.networks))}; add it to dex.networks first.",
            )
        return found

    def timeframes_of(self, venue: str, symbol: str) -> tuple[Timeframe, ...]:
        """The timeframes wanted for a market: its own, else the venue's, else the universe's."""
        there = self.venue(venue)
        market = there.market(symbol)
        return (market.timeframes if market else ()) or there.timeframes or self.timeframes

    def select_markets(self, venue: str, symbols: tuple[str, ...]) -> tuple[Market, ...]:
        """The venue's markets, or just those named.

        Raises:
            UniverseError: naming the symbols that the venue does not have.
        """
        there = self.venue(venue)
        if not symbols:
            return there.markets
        absent = [symbol for symbol in symbols if there.market(symbol) is None]
        if absent:
            raise UniverseError(
                f"Unknown symbol {', '.join(repr(symbol) for symbol in absent)} on {venue}",
                way_out=f"The universe has {', '.join(market.symbol for market in there.markets)} there.",
            )
        return tuple(market for market in there.markets if market.symbol in symbols)


def require_exchange_timeframe(timeframe: str) -> None:
    """Refuse what is no length of exchanges' bars: pools have bars of 12h besides.

    Raises:
        UniverseError: naming the timeframes of exchanges.
    """
    if timeframe not in TIMEFRAMES:
        raise UniverseError(f"Unknown timeframe '{timeframe}'", way_out=f"Choose from {', '.join(TIMEFRAMES)}.")


def timeframe_ms(timeframe: str) -> int:
    """Length of a bar, of an exchange or a pool, in milliseconds.

    Raises:
        UniverseError: naming the timeframes there are.
    """
    if timeframe not in TIMEFRAME_LENGTH:
        raise UniverseError(f"Unknown timeframe '{timeframe}'", way_out=f"Choose from {', '.join(TIMEFRAME_LENGTH)}.")
    return int(TIMEFRAME_LENGTH[timeframe].total_seconds() * 1000)


def market_window(market: Market, start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """The part of [start, end) in which the market is wanted; start equals end where there is none."""
    first = max(start, _midnight(market.from_)) if market.from_ else start
    last = min(end, _midnight(market.until)) if market.until else end
    return (first, max(first, last))


def parse_moment(text: str, name: str) -> datetime | None:
    """An ISO 8601 time as UTC; None for an empty text.

    Raises:
        UniverseError: it is none.
    """
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UniverseError(
            f"{name} is '{text[:40]}', no ISO 8601 time", way_out="Write it as 2026-01-31 or 2026-01-31T12:00."
        ) from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def content_hash(text: str) -> str:
    """SHA-256 of the file's text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def read_universe(path: Path) -> tuple[Universe, str]:
    """The universe and the text it was read from.

    Raises:
        UniverseError: naming the file, the key and what was allowed.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise UniverseError(f"{path.name} is larger than {MAX_FILE_BYTES} bytes", way_out="Name a universe file.")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UniverseError(
            f"Cannot read the universe {path.name}: {error}", way_out="Set CRYPTO_ASSETS_UNIVERSE."
        ) from None
    return parse_universe(text, path.name), text


DEEPEST = 50  # levels of the file; ours has six


def parse_universe(text: str, name: str) -> Universe:
    """Validate the text of a universe file called `name`."""
    try:
        _require_shallow(text)
        content = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 - a SafeLoader that also refuses duplicate keys
    except (yaml.YAMLError, RecursionError) as error:
        raise UniverseError(f"{name} is no YAML: {_one_line(error)}", way_out="Correct the line it names.") from None
    if not isinstance(content, dict):
        raise UniverseError(f"{name} is empty or no mapping", way_out="It needs history_from and venues at least.")
    try:
        return Universe.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(_explain(issue["loc"], issue["msg"]) for issue in error.errors(include_url=False))
        raise UniverseError(f"{name}: {problems}", way_out="`crypto-assets universe check` tries it again.") from None


@cache
def known_venues() -> frozenset[str]:
    """Ids of all exchanges in the installed ccxt, from its files: importing it would take a second."""
    spec = importlib.util.find_spec("ccxt")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    return frozenset(path.stem for folder in folders for path in Path(folder).glob("[a-z0-9]*.py"))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


def _explain(location: tuple[int | str, ...], message: str) -> str:
    key = ".".join(str(part) for part in location) or "the file"
    return f"{key}: {message.removeprefix('Value error, ')}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _require_shallow(text: str) -> None:
    """Refuse what is nested too deeply: the loader in C goes down with the process, where the one in Python raised."""
    depth = 0
    for event in yaml.parse(text, Loader=_UniqueKeyLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise yaml.YAMLError(f"nested more than {DEEPEST} levels deep")


class _UniqueKeyLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # eight times as fast in C
    """YAML silently keeps the last of two equal keys; here the second one is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"the key '{key}' stands twice", node.start_mark)
        made: dict[Hashable, object] = super().construct_mapping(node, deep)
        return made


__all__ = [
    "TIMEFRAMES", "TIMEFRAME_LENGTH", "BookRules", "Bounds", "DexRules", "Features", "Gaps", "Market", "Scoring",
    "Symbol", "TickerRules", "Timeframe", "TradeRules", "Universe", "UniverseError", "Venue", "VenueName",
    "content_hash", "known_venues", "market_window", "parse_moment", "parse_universe", "read_universe",
    "require_exchange_timeframe", "timeframe_ms",
]  # fmt: skip
