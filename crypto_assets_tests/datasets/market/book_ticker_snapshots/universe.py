"""The universe of these tests: two venues, three followed markets, seconds one by one."""

from crypto_assets.universe import Universe


def universe(**stream: object) -> Universe:
    """With these rules of the stream."""
    venues = {"gate": {"markets": ["BTC/USDT", "ETH/USDT"]}, "mexc": {"markets": ["BTC/USDT"]}}
    rules = {"venues": ["gate", "mexc"], **stream}
    return Universe.model_validate({"history_from": "2026-01-01", "venues": venues, "stream": rules})
