"""From ccxt's unified market to what we keep of it.

What belongs here: reading one market's description, field by field checked. What does not: asking for the list
(exchange.py) and its history (datasets/market/instruments).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

# A listing date before the first exchange, or far ahead, is a venue's placeholder.
_PLAUSIBLE_MS = (1_279_000_000_000, 4_102_444_800_000)


@dataclass(frozen=True)
class ListedMarket:
    """One market of a venue's list.

    Args:
        symbol: Unified, as BTC/USDT.
        venue_symbol: The venue's own name.
        kind: spot, swap, future or option.
        tick_size: Smallest step of the price, in the quote currency; None where the venue does not say.
        lot_size: Smallest step of the amount, in the base currency; None likewise.
        is_trading: Whether the venue lets it be traded; true where it does not say.
        listed_at: Since when, where the venue says.
    """

    symbol: str
    venue_symbol: str
    base: str
    quote: str
    kind: str
    tick_size: float | None
    lot_size: float | None
    is_trading: bool
    listed_at: datetime | None


def parse_market(market: Mapping[str, object], precision_mode: int) -> ListedMarket:
    """One of ccxt's unified markets. Pure.

    Args:
        market: As in `exchange.markets`.
        precision_mode: ccxt's constant that says what `precision` counts: steps, decimals or digits.
    """
    precision = market.get("precision")
    steps: Mapping[str, object] = precision if isinstance(precision, Mapping) else {}
    return ListedMarket(
        symbol=str(market["symbol"]),
        venue_symbol=str(market["id"]),
        base=str(market["base"]),
        quote=str(market["quote"]),
        kind=str(market.get("type") or "spot"),
        tick_size=_step(steps.get("price"), precision_mode),
        lot_size=_step(steps.get("amount"), precision_mode),
        is_trading=market.get("active") is not False,
        listed_at=_listed_at(market.get("created")),
    )


def _step(value: object, precision_mode: int) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    from ccxt.base.decimal_to_precision import DECIMAL_PLACES, TICK_SIZE  # noqa: PLC0415 - see exchange_client.py

    if precision_mode == TICK_SIZE:
        return float(value) if value > 0 else None
    # Significant digits mean another step at every price, so they say no step.
    return float(10.0**-value) if precision_mode == DECIMAL_PLACES else None


def _listed_at(milliseconds: object) -> datetime | None:
    if not isinstance(milliseconds, int | float) or not _PLAUSIBLE_MS[0] <= milliseconds < _PLAUSIBLE_MS[1]:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
