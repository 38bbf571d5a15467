"""Each venue's REST wire format, one file a venue: which paths there are, and how an answer is written."""

from crypto_assets.sandbox.venues import binance, coinbase, gate, geckoterminal, kraken, mexc, okx
from crypto_assets.sandbox.venues.exchange import VenueFormat

FORMATS: tuple[VenueFormat, ...] = (
    *binance.FORMATS,
    mexc.FORMAT,
    gate.FORMAT,
    kraken.FORMAT,
    coinbase.FORMAT,
    okx.FORMAT,
    geckoterminal.FORMAT,
)

__all__ = ["FORMATS", "VenueFormat"]
