"""Crypto market data as Dagster assets in PostgreSQL; `connect` gives a client that reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crypto_assets.client import connect

__version__ = "0.1.0"
__all__ = ["__version__", "connect"]


def __getattr__(name: str) -> object:
    """The client when somebody asks for it: all else that imports the package need not wait for pandas and Arrow."""
    if name != "connect":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from crypto_assets.client import connect  # noqa: PLC0415

    return connect
