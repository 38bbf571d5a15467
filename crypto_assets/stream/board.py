"""The latest snapshot as the JSON that /standings answers and `crypto-assets top` reads.

What belongs here: its shape, for both sides, and making it. What does not: serving (watch.py) and showing (cli/top.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from crypto_assets.stream.arbitrage import Opportunity
from crypto_assets.stream.health import spread_pct
from crypto_assets.stream.standing import Snapshot

# Who reads a board may be told anything; beyond these no clock and no column reaches.
type Moment = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799_000_000)]  # to the end of the year 9999
type Duration = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class Row(msgspec.Struct, frozen=True):
    """One market.

    Args:
        bid: Decimal text as the venue wrote it, as are ask (quote currency) and the quantities (base currency).
        spread_pct: In percent of the bid.
        age_ms: How long before the snapshot it was so.
    """

    venue: str
    symbol: str
    bid: str
    bid_quantity: str
    ask: str
    ask_quantity: str
    spread_pct: float
    age_ms: Duration
    is_stale: bool


class Gap(msgspec.Struct, frozen=True):
    """One opportunity that is open.

    Args:
        buy_price: Decimal text as the venue wrote it, as is sell_price, in quote currency, and size_base, in base currency.
        net_pct: After the fees of both sides, in percent; gross_pct before them.
        profit_quote: After both fees, quote currency.
        seconds: How long it has been seen.
    """

    symbol: str
    buy_venue: str
    sell_venue: str
    buy_price: str
    sell_price: str
    gross_pct: float
    net_pct: float
    size_base: str
    profit_quote: float
    seconds: Duration


class Board(msgspec.Struct, frozen=True):
    """All of it.

    Args:
        at: The second, microseconds since 1970, UTC.
        markets: Those that ever had a quote.
        absent: Venue and symbol of those that never had one.
        opportunities: The most profitable first, in percent.
    """

    at: Moment
    markets: list[Row]
    absent: list[tuple[str, str]]
    opportunities: list[Gap]


def board_of(snapshot: Snapshot, opportunities: Sequence[Opportunity]) -> Board:
    """What is shown of a snapshot and the opportunities in it. Pure."""
    rows = [
        Row(
            one.venue, one.quote.symbol, one.quote.bid_price, one.quote.bid_quantity, one.quote.ask_price,
            one.quote.ask_quantity, spread_pct(one), one.age_ms, one.is_stale,
        )
        for one in snapshot.standings
    ]  # fmt: skip
    gaps = [
        Gap(
            *one.route, one.buy.quote.ask_price, one.sell.quote.bid_price, one.gross_pct, one.net_pct, one.size_base,
            one.profit_quote, (one.at - one.opened_at) // 1_000_000,
        )
        for one in sorted(opportunities, key=lambda one: -one.net_pct)
    ]  # fmt: skip
    return Board(snapshot.at, rows, list(snapshot.absent), gaps)
