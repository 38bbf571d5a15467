"""Crypto market data as Dagster assets in PostgreSQL."""

__version__ = "0.1.0"
