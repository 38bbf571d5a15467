"""Which assets a text names, by the words of the universe. Pure.

What belongs here: the rules of naming. What does not: the words (the universe's section news), storing.

Rules, each for whole words:
- a name ("Bitcoin") counts in any case; the longest name at a place counts alone, so that "Bitcoin Cash" is BCH and not BTC;
- a ticker counts in capitals (BTC), or in any case behind a $ ($btc);
- tickers that are words of English (NEAR, ONE, LINK) count behind a $ alone, as do all where the whole text is in capitals;
- a weak name ("Cosmos", "Avalanche") means something else as well: it counts with a capital and only where one of its
  tickers stands in the same text or a word such as Network or price follows it;
- an ignored phrase ("Bitcoin Magazine") names nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from crypto_assets.universe_news import AssetWords

# What follows the name of a chain or coin, and hardly ever the common word.
_COMPANIONS = (
    "network", "protocol", "foundation", "labs", "blockchain", "chain", "mainnet", "testnet", "ecosystem", "token",
    "tokens", "coin", "price", "validators", "wallet", "wallets", "network's", "foundation's", "stablecoin", "zkevm",
    "etf", "etfs", "treasury", "usdt", "dao", "holders", "whales", "whale", "ledger",
)  # fmt: skip
_BEFORE, _AFTER = r"(?<![\w$@#/.-])", r"(?![\w@])(?!\.\w)"
_FOLLOWED = re.compile(rf"(?:['’]s)?[\s-]+(?:{'|'.join(map(re.escape, _COMPANIONS))})\b", re.IGNORECASE)


@dataclass(frozen=True)
class Tag:
    """An asset that a text names, and the words that name it as they stand there."""

    asset: str
    matched_text: str


@dataclass(frozen=True)
class Dictionary:
    """The universe's words, ready to be looked for.

    Args:
        pattern: Finds every candidate; of several at one place the longest.
        names: Name in lower case → asset.
        weak_names: The same of names that need company.
        tickers: Ticker → asset.
        words: Tickers that are words of English.
    """

    pattern: re.Pattern[str]
    names: Mapping[str, str] = field(default_factory=dict)
    weak_names: Mapping[str, str] = field(default_factory=dict)
    tickers: Mapping[str, str] = field(default_factory=dict)
    words: frozenset[str] = frozenset()


def dictionary_of(assets: Mapping[str, AssetWords], ignored: Sequence[str] = ()) -> Dictionary:
    """The words of the universe, ready to be looked for."""
    names: dict[str, str] = {}
    weak: dict[str, str] = {}
    tickers: dict[str, str] = {}
    words: set[str] = set()
    for asset, known in assets.items():
        names |= {name.lower(): asset for name in known.names}
        weak |= {name.lower(): asset for name in known.weak_names}
        own = {asset, *known.tickers}
        tickers |= dict.fromkeys(own, asset)
        words |= own if known.ticker_is_a_word else set()
    longest_first = sorted(
        {*names, *weak, *(one.lower() for one in ignored), *(one.lower() for one in tickers)}, key=len
    )
    either = "|".join(_spelled(text) for text in reversed(longest_first))
    pattern = re.compile(
        rf"\$(?P<dollar>{'|'.join(map(re.escape, tickers))})(?!\w)|{_BEFORE}(?:{either}){_AFTER}", re.I
    )
    return Dictionary(pattern, names, weak, tickers, frozenset(words))


def tags_of(text: str, words: Dictionary) -> list[Tag]:
    """The assets that a text names, each once, in the order of their first words."""
    shouts = not any(sign.islower() for sign in text)
    candidates = list(words.pattern.finditer(text))
    bare = {words.tickers[found[0].upper()] for found in candidates if _is_ticker(found[0], words)}
    dollars = {words.tickers[found["dollar"].upper()] for found in candidates if found["dollar"]}
    tags: dict[str, Tag] = {}
    for found in candidates:
        asset = _asset(found, words, text, shouts=shouts, beside=bare | dollars)
        if asset is not None:
            tags.setdefault(asset, Tag(asset, found[0]))
    return list(tags.values())


def _asset(found: re.Match[str], words: Dictionary, text: str, *, shouts: bool, beside: set[str]) -> str | None:
    """The asset that a candidate names; None where it names none."""
    written = found[0]
    if found["dollar"]:
        return words.tickers[found["dollar"].upper()]
    low = " ".join(written.lower().split())
    if low in words.names:
        return words.names[low]
    asset = words.weak_names.get(low)
    has_company = asset in beside or _FOLLOWED.match(text, found.end()) is not None
    if asset is not None and has_company and not shouts and written[0].isupper() and not _is_ticker(written, words):
        return asset
    if _is_ticker(written, words) and written not in words.words and not shouts:
        return words.tickers[written]
    return None


def _is_ticker(written: str, words: Dictionary) -> bool:
    return written in words.tickers


def _spelled(text: str) -> str:
    """A phrase whose words may stand apart by any space."""
    return r"\s+".join(re.escape(part) for part in text.split())
