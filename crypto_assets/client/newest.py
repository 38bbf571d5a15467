"""What is newest: from Redis where it has it, else from PostgreSQL, and the answer says which and how old it is.

What belongs here: that, and the values made of stored rows. What does not: Redis itself (latest/), and following (watching.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import structlog
from sqlalchemy import Select, Table, select

from crypto_assets.client.questions import QuestionRefused, listed, table_of
from crypto_assets.client.rendering import Source
from crypto_assets.latest import lives
from crypto_assets.latest.asking import LatestReader
from crypto_assets.latest.connecting import RedisAway
from crypto_assets.latest.values import (
    LatestBar,
    LatestBook,
    LatestPrediction,
    LatestQuote,
    LatestScore,
    LatestTicker,
    LatestValue,
    ValueMalformed,
    microseconds,
)
from crypto_assets.universe import timeframe_ms
from crypto_assets.warehouse.read import read_arrow

log = structlog.get_logger(__name__)

type Row = Mapping[str, Any]  # as Arrow gives it: text, numbers, booleans and moments
type Origin = Literal["redis", "postgres"]

_SECOND = 1_000_000


@dataclass(frozen=True)
class Found[V: LatestValue]:
    """What is newest, and where it came from.

    Args:
        value: What was found.
        origin: "redis" or "postgres".
        asked_at: When, UTC.
        why: Why it is not from Redis; empty where it is.
    """

    value: V
    origin: Origin
    asked_at: datetime
    why: str = ""

    @property
    def age(self) -> timedelta:
        """How long ago the world was so: since the venue's own moment, where it says one; since a bar's close, a decision."""
        return self.asked_at - self.value.was_so_at

    @property
    def is_due_anew(self) -> bool:
        """Whether something newer should have come meanwhile; what Redis holds never is."""
        return microseconds(self.asked_at) >= self.value.until_us


@dataclass(frozen=True)
class Stored[V: LatestValue]:
    """How a kind stands in PostgreSQL.

    Args:
        dataset: Where.
        names: The table's columns for the parts of the value's name.
        time: What orders them.
        make: A value of a row.
    """

    dataset: str
    names: Sequence[str]
    time: str
    make: Callable[[Row], V]

    def table(self) -> Table:
        """Where the rows stand."""
        return table_of(self.dataset)

    def filters(self, name: Sequence[str]) -> dict[str, list[str]]:
        """Columns and values of a name, or of the beginning of one."""
        return {column: [part] for column, part in zip(self.names, name, strict=False)}


class Newest:
    """Looks for what is newest. Making it connects nowhere.

    Args:
        redis: Asked first; None where none is named.
    """

    def __init__(self, source: Source, redis: LatestReader | None) -> None:
        self._source = source
        self._redis = redis

    def get[V: LatestValue](self, kind: type[V], *name: str) -> Found[V] | None:
        """The newest value of a name; None where there is none.

        Raises:
            NameUnknown: nothing is stored under that name.
            QuestionRefused: it is no name.
            DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
        """
        listed(name)
        value, why = self._of_redis(kind, name)
        if value is not None:
            return Found(value, "redis", datetime.now(UTC))
        stored = self.stored(kind, name)
        if stored is None:
            where = stored_as(kind)
            self._source.names.require(where.table(), where.filters(name))
            return None
        return Found(stored, "postgres", datetime.now(UTC), why)

    def stored[V: LatestValue](self, kind: type[V], name: Sequence[str]) -> V | None:
        """The newest one in PostgreSQL."""
        where = stored_as(kind)
        table = where.table()
        chosen: Select[*tuple[object, ...]] = select(*table.columns)
        for column, part in zip(where.names, name, strict=True):
            chosen = chosen.where(table.c[column] == part)
        rows = read_arrow(self._source.warehouse, chosen.order_by(table.c[where.time].desc()).limit(1)).to_pylist()
        return where.make(rows[0]) if rows else None

    def _of_redis[V: LatestValue](self, kind: type[V], name: Sequence[str]) -> tuple[V | None, str]:
        if self._redis is None:
            return None, "no Redis is named"
        try:
            value = self._redis.get(kind, *name)
        except RedisAway as error:
            return None, error.problem
        except ValueMalformed as error:
            log.warning("what stands in Redis is not believed", error=str(error))
            return None, error.problem
        return value, "" if value is not None else "Redis has none that anybody should go by"


def stored_as[V: LatestValue](kind: type[V]) -> Stored[V]:
    """How a kind stands in PostgreSQL.

    Raises:
        QuestionRefused: no kind of value.
    """
    if kind not in _STORED:
        names = ", ".join(one.__name__ for one in _STORED)
        raise QuestionRefused(f"{kind!r} is no kind of value", way_out=f"There are {names}.")
    found: Stored[V] = _STORED[kind]
    return found


def _quote(row: Row) -> LatestQuote:
    at = microseconds(row["snapshot_at"])
    return LatestQuote(
        at_us=at, known_us=_at(row, "known_at"), stored_us=_at(row, "ingested_at"),
        until_us=lives.quote_until(at, _SECOND), venue=row["venue"], symbol=row["symbol"], bid_price=row["bid_price"],
        bid_quantity=row["bid_quantity"], ask_price=row["ask_price"], ask_quantity=row["ask_quantity"],
        event_us=_us(row["event_at"]), received_us=_at(row, "received_at"), is_stale=row["is_stale"],
    )  # fmt: skip


def _ticker(row: Row) -> LatestTicker:
    at = microseconds(row["snapshot_at"])
    return LatestTicker(
        at_us=at, known_us=_at(row, "known_at"), stored_us=_at(row, "ingested_at"), until_us=at + lives.TICKER,
        venue=row["venue"], symbol=row["symbol"], last=row["last"], bid=row["bid"], ask=row["ask"],
        open_24h=row["open_24h"], high_24h=row["high_24h"], low_24h=row["low_24h"],
        volume_base_24h=row["volume_base_24h"], volume_quote_24h=row["volume_quote_24h"],
        change_pct_24h=row["change_pct_24h"], event_us=_us(row["venue_at"]),
    )  # fmt: skip


def _bar(row: Row) -> LatestBar:
    known = _at(row, "known_at")
    return LatestBar(
        at_us=_at(row, "opened_at"), known_us=known, stored_us=_at(row, "ingested_at"),
        until_us=lives.bar_until(known, timeframe_ms(row["timeframe"]) * 1000), venue=row["venue"],
        symbol=row["symbol"], timeframe=row["timeframe"], open=row["open"], high=row["high"], low=row["low"],
        close=row["close"], volume_base=row["volume_base"], volume_quote=row["volume_quote"],
        trade_count=row["trade_count"],
    )  # fmt: skip


def _prediction(row: Row) -> LatestPrediction:
    decided, end = _at(row, "decided_at"), _at(row, "horizon_end_at")
    return LatestPrediction(
        at_us=decided, known_us=_at(row, "known_at"), stored_us=_at(row, "ingested_at"),
        until_us=lives.prediction_until(decided, end), model=row["model"], domain=row["domain"], series=row["series"],
        version=row["version"], horizon_end_us=end, level_now=row["level_now"], yhat=row["yhat"], q10=row["q10"],
        q90=row["q90"], baseline=row["baseline"], baseline_name=row["baseline_name"],
        is_out_of_sample=row["is_out_of_sample"],
    )  # fmt: skip


def _score(row: Row) -> LatestScore:
    at = _at(row, "news_known_at")
    return LatestScore(
        at_us=at, known_us=_at(row, "known_at"), stored_us=_at(row, "ingested_at"), until_us=at + lives.SCORE,
        scorer=row["model_id"], asset=row["asset"], model_version=row["model_version"], news_id=row["news_id"],
        label=row["label"], score=row["score"], p_negative=row["p_negative"], p_neutral=row["p_neutral"],
        p_positive=row["p_positive"],
    )  # fmt: skip


def _book(row: Row) -> LatestBook:
    at = _at(row, "snapshot_at")
    return LatestBook(
        at_us=at, known_us=_at(row, "known_at"), stored_us=_at(row, "ingested_at"), until_us=at + lives.BOOK,
        venue=row["venue"], symbol=row["symbol"], bids=_levels(row["bids"]), asks=_levels(row["asks"]), mid=row["mid"],
        spread_bps=row["spread_bps"], imbalance=row["imbalance"], sequence=row["sequence"], event_us=_us(row["venue_at"]),
    )  # fmt: skip


def _levels(side: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Pairs again: Arrow reads an array of pairs as price, amount, price, amount …"""
    return tuple(zip(side[::2], side[1::2], strict=True))


_MARKET = ("venue", "symbol")
_STORED: Mapping[type[LatestValue], Stored[Any]] = {
    LatestQuote: Stored("market/book_ticker_snapshots", _MARKET, "snapshot_at", _quote),
    LatestBook: Stored("market/order_books", _MARKET, "snapshot_at", _book),
    LatestTicker: Stored("market/tickers", _MARKET, "snapshot_at", _ticker),
    LatestBar: Stored("market/ohlcv", (*_MARKET, "timeframe"), "opened_at", _bar),
    LatestPrediction: Stored("models/predictions", ("model", "domain", "series"), "decided_at", _prediction),
    LatestScore: Stored("sentiment/scores", ("model_id", "asset"), "news_known_at", _score),
}


def _at(row: Row, name: str) -> int:
    return microseconds(row[name])


def _us(at: datetime | date | None) -> int | None:
    return microseconds(at) if isinstance(at, datetime) else None


__all__ = ["Found", "Newest", "Origin", "Stored", "stored_as"]
