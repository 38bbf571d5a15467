"""The words of news: which feeds are read, and how headlines name assets, where the universe says nothing else.

What belongs here: the type of an asset's words and the defaults of the universe's section news. What does not: the section
(universe_sources.py) and the rules by which words are looked for (datasets/sentiment/news/tagging.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import StringConstraints

from crypto_assets.universe_rules import Currency, Strict

Phrase = Annotated[str, StringConstraints(pattern=r"^[^\s].{0,60}[^\s]$")]
FeedName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{2,40}$")]
FeedUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s@\\]{3,500}$")]


class AssetWords(Strict):
    """How headlines name an asset; its currency is a ticker of it, too.

    Args:
        names: Words that name it wherever they stand, in any case.
        weak_names: Words that mean something else as well: they count with a capital, beside its ticker or a word such as
            Network.
        tickers: Further tickers, as the former one.
        ticker_is_a_word: Its tickers are words of English, so that they count behind a $ alone.
    """

    names: tuple[Phrase, ...] = ()
    weak_names: tuple[Phrase, ...] = ()
    tickers: tuple[Currency, ...] = ()
    ticker_is_a_word: bool = False


def _words(names: str, weak: str = "", tickers: str = "", *, is_word: bool = False) -> AssetWords:
    parts = [tuple(filter(None, text.split("|"))) for text in (names, weak, tickers)]
    return AssetWords(names=parts[0], weak_names=parts[1], tickers=parts[2], ticker_is_a_word=is_word)


FEEDS: Mapping[str, str] = {
    "coindesk": "https://www.coindesk.com/arc/outboundfeeds/rss/",
    "cointelegraph": "https://cointelegraph.com/rss",
    "decrypt": "https://decrypt.co/feed",
    "theblock": "https://www.theblock.co/rss.xml",
    "bitcoinmagazine": "https://bitcoinmagazine.com/feed",
    "thedefiant": "https://thedefiant.io/api/feed",
    "cryptoslate": "https://cryptoslate.com/feed/",
}
ASSET_WORDS: Mapping[str, AssetWords] = {
    "BTC": _words("Bitcoin|Bitcoins", tickers="XBT"), "ETH": _words("Ethereum|Ether"),
    "USDT": _words("Tether"), "USDC": _words("USD Coin"), "DAI": _words("", "Dai"),
    "BNB": _words("BNB Chain|Binance Coin|Binance Smart Chain", tickers="BSC"), "SOL": _words("Solana"),
    "XRP": _words("XRP Ledger|Ripple"), "DOGE": _words("Dogecoin"), "ADA": _words("Cardano"),
    "TRX": _words("Tron"), "AVAX": _words("", "Avalanche"),
    "SHIB": _words("Shiba Inu"), "TON": _words("Toncoin|The Open Network", is_word=True),
    "LINK": _words("Chainlink", is_word=True), "DOT": _words("Polkadot", is_word=True),
    "BCH": _words("Bitcoin Cash"), "NEAR": _words("Near Protocol", "Near", is_word=True), "LTC": _words("Litecoin"),
    "POL": _words("Polygon", tickers="MATIC"), "ICP": _words("Internet Computer|Dfinity"), "UNI": _words("Uniswap"),
    "ETC": _words("Ethereum Classic"), "XLM": _words("Stellar Lumens", "Stellar"), "XMR": _words("Monero"),
    "APT": _words("Aptos", is_word=True), "HBAR": _words("Hedera|Hashgraph"),
    "ATOM": _words("Cosmos Hub", "Cosmos", is_word=True), "FIL": _words("Filecoin"), "ARB": _words("Arbitrum"),
    "OP": _words("OP Mainnet", "Optimism", is_word=True), "SUI": _words("Sui"), "ALGO": _words("Algorand"),
    "AAVE": _words("Aave"), "MKR": _words("MakerDAO", "Maker"), "SAND": _words("The Sandbox", is_word=True),
    "MANA": _words("Decentraland", is_word=True), "AXS": _words("Axie Infinity"), "APE": _words("ApeCoin", is_word=True),
    "GRT": _words("The Graph Protocol", "The Graph"), "INJ": _words("Injective"), "PEPE": _words("Pepecoin", "Pepe"),
    "LDO": _words("Lido"), "CRV": _words("Curve DAO|Curve Finance"), "ONE": _words("", "Harmony", is_word=True),
    "FLOW": _words("Flow Blockchain", "Flow", is_word=True), "MASK": _words("Mask Network", is_word=True),
    "GAS": _words("", "Neo Gas", is_word=True), "ENS": _words("Ethereum Name Service"), "ZEC": _words("Zcash"),
}  # fmt: skip
IGNORED = ("Bitcoin Magazine", "Bitcoin SV", "Bitcoin Gold", "Wrapped Bitcoin", "ripple effect", "sui generis")
