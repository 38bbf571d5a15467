"""The shared vocabulary of columns: one name, type, unit and meaning for one thing, in every table.

What belongs here: columns that more than one table has, and the way a column states its unit. What does not: a
dataset's own columns (its table.py) and the tables themselves.

A column's comment in the database reads "<meaning> [<unit>]"; the unit alone stands in `Column.info["unit"]`.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import Column, DateTime, Double, MetaData, Numeric, Text, text
from sqlalchemy.dialects.postgresql import REAL
from sqlalchemy.types import TypeEngine

METADATA = MetaData()


def column[T](
    name: str,
    kind: TypeEngine[T] | type[TypeEngine[T]],
    meaning: str,
    *,
    unit: str = "",
    nullable: bool = False,
    server_default: str | None = None,
) -> Column[T]:
    """A column whose comment carries meaning and unit.

    Args:
        name: Column name; units are suffixes (`_usd`, `_pct`) where the same thing exists in several units.
        kind: SQLAlchemy type.
        meaning: One sentence without a trailing full stop.
        unit: Unit as a reader says it: "quote currency", "UTC", "bars"; empty for names and labels.
        nullable: Whether "not known" is a legal answer.
        server_default: SQL expression the server fills in, for columns that no writer sends.
    """
    comment = f"{meaning} [{unit}]" if unit else meaning
    default = text(server_default) if server_default else None
    return Column(name, kind, nullable=nullable, comment=comment, server_default=default, info={"unit": unit})


def moment(name: str, meaning: str, *, nullable: bool = False, server_default: str | None = None) -> Column[datetime]:
    """A point in time: timestamptz, UTC."""
    return column(name, DateTime(timezone=True), meaning, unit="UTC", nullable=nullable, server_default=server_default)


def number(name: str, meaning: str, *, unit: str, nullable: bool = False) -> Column[float]:
    """A measured or derived number: double precision."""
    return column(name, Double(), meaning, unit=unit, nullable=nullable)


def exact(name: str, meaning: str, *, unit: str, nullable: bool = False) -> Column[Decimal]:
    """A number as the provider wrote it, every digit kept: numeric."""
    return column(name, Numeric(), meaning, unit=unit, nullable=nullable)


def feature(name: str, meaning: str, *, unit: str) -> Column[float]:
    """An input of models, nullable: single precision, which is what they compute in, and half the table."""
    return column(name, REAL(), meaning, unit=unit, nullable=True)


def venue() -> Column[str]:
    """The exchange, by ccxt's id."""
    return column("venue", Text(), "Exchange, by its ccxt id")


def symbol() -> Column[str]:
    """The market, by ccxt's unified symbol."""
    return column("symbol", Text(), "Market, by its unified ccxt symbol")


def network() -> Column[str]:
    """The chain, by its name in the universe."""
    return column("network", Text(), "Chain, by its name in the universe: solana, ethereum")


def pool_address() -> Column[str]:
    """The pool, by its address on the chain."""
    return column("pool_address", Text(), "Address of the pool; hexadecimal ones in lower case")


def timeframe() -> Column[str]:
    """Length of a bar."""
    return column("timeframe", Text(), "Length of a bar: 1m 5m 15m 30m 1h 4h 1d")


def provenance() -> tuple[Column[str], Column[datetime], Column[datetime]]:
    """`source`, `known_at` and `ingested_at`: every dataset's table ends with these three."""
    return (
        column("source", Text(), "Where the row came from: provider and how it was asked"),
        moment("known_at", "When a careful consumer could first have known the row"),
        moment("ingested_at", "When we stored the row as it stands", server_default="now()"),
    )
