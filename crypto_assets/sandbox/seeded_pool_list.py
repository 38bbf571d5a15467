"""Which made-up pools there are: networks, exchanges, tokens, the pools that always trade and those that are born.

What belongs here: a pool's constants as a function of (seed, network, number). What does not: its minutes
(seeded_pool_minutes.py), its trades, its place in a list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crypto_assets.sandbox.noise import key_of, uniform
from crypto_assets.sandbox.pool_addresses import make_address, number_of
from crypto_assets.sandbox.pools import Dex, Network, Token

NEVER = 2**40  # a minute behind every clock
FIRST_MINUTE = 1_609_459_200 // 60  # 2021-01-01: nothing is older
BIRTH_MINUTES = 10  # one pool is born in each such stretch
LONGEST_LIFE = 40 * 1440
_PER_DEX, _MOST_PER_DEX = 20, 1000
_OLDEST, _YOUNGEST = FIRST_MINUTE, FIRST_MINUTE + 1640 * 1440  # the middle of 2025
_NAMES = (
    *(
        "BONK",
        "WIF",
        "POPCAT",
        "MEW",
        "GOAT",
        "PNUT",
        "CHILLGUY",
        "MOODENG",
        "GIGA",
        "FWOG",
        "RETARDIO",
        "MICHI",
        "BOME",
    ),
    *(
        "SLERF",
        "MYRO",
        "PONKE",
        "WEN",
        "SAMO",
        "TRUMP",
        "FARTCOIN",
        "PEPE",
        "TURBO",
        "MOG",
        "BRETT",
        "ANDY",
        "LANDWOLF",
    ),
    *(
        "SPX",
        "JEET",
        "DEGEN",
        "TOSHI",
        "CATE",
        "DOGINME",
        "FROGE",
        "HAMSTER",
        "BANANA",
        "CBRL",
        "GROK",
        "soljak",
        "wanda",
    ),
)


@dataclass(frozen=True)
class Chain:
    """A network's constants.

    Args:
        is_hex: Whether addresses are written in hex.
        coin: Of its native currency, as the made-up market calls it.
        block_seconds: Between blocks, a divisor of 60.
        births: Exchanges on which pools are born.
        majors: Base and quote symbols of each exchange's first pools.
    """

    network: Network
    is_hex: bool
    coin: str
    block_seconds: int
    blocks_a_second: float
    dexes: Sequence[Dex]
    births: Sequence[str]
    majors: Sequence[tuple[str, str]]
    tokens: Mapping[str, Token]
    money: str


def _token(address: str, name: str, symbol: str, decimals: int, coin_id: str) -> Token:
    return Token(address, name, symbol, decimals, coin_id, f"https://assets.geckoterminal.com/{coin_id}")


COINS = {"SOL": "SOL", "WETH": "ETH", "WBTC": "BTC", "USDC": "USDC", "USDT": "USDT"}
CHAINS: Mapping[str, Chain] = {
    "solana": Chain(
        Network("solana", "Solana", "solana"),
        is_hex=False,
        coin="SOL",
        block_seconds=1,
        blocks_a_second=2.5,
        dexes=(
            Dex("raydium", "Raydium"),
            Dex("raydium-clmm", "Raydium (CLMM)"),
            Dex("orca", "Orca"),
            Dex("meteora", "Meteora"),
            Dex("heaven", "Heaven"),
            Dex("pumpswap", "PumpSwap"),
            Dex("pump-fun", "Pump.fun"),
            Dex("meteora-dbc", "Meteora DBC"),
        ),
        births=("pump-fun", "meteora-dbc", "heaven"),
        majors=(("SOL", "USDC"), ("WETH", "SOL"), ("WBTC", "USDC")),
        tokens={
            "SOL": _token("So11111111111111111111111111111111111111112", "Wrapped SOL", "SOL", 9, "wrapped-solana"),
            "USDC": _token("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", "USD Coin", "USDC", 6, "usd-coin"),
            "WETH": _token(make_address(False, "weth", 0), "Ether (Portal)", "WETH", 8, "ethereum-wormhole"),
            "WBTC": _token(make_address(False, "wbtc", 0), "Wrapped BTC (Portal)", "WBTC", 8, "wrapped-bitcoin"),
        },
        money="SOL",
    ),
    "eth": Chain(
        Network("eth", "Ethereum", "ethereum"),
        is_hex=True,
        coin="ETH",
        block_seconds=12,
        blocks_a_second=1 / 12,
        dexes=(
            Dex("uniswap_v2", "Uniswap V2"),
            Dex("sushiswap", "SushiSwap"),
            Dex("uniswap_v3", "Uniswap V3"),
            Dex("pancakeswap-v3-ethereum", "Pancakeswap V3 (Ethereum)"),
        ),
        births=("uniswap_v2", "uniswap_v3"),
        majors=(("WETH", "USDC"), ("WBTC", "WETH"), ("WETH", "USDT")),
        tokens={
            "WETH": _token("0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2", "Wrapped Ether", "WETH", 18, "weth"),
            "USDC": _token("0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48", "USD Coin", "USDC", 6, "usd-coin"),
            "USDT": _token("0xdac17f958d2ee523a2206206994597c13d831ec7", "Tether USD", "USDT", 6, "tether"),
            "WBTC": _token("0x2260fac5e5542a773aa44fbcfedf7c193bc2c599", "Wrapped BTC", "WBTC", 8, "wrapped-bitcoin"),
        },
        money="WETH",
    ),
    "polygon_pos": Chain(
        Network("polygon_pos", "Polygon POS", "polygon-pos"),
        is_hex=True,
        coin="MATIC",
        block_seconds=2,
        blocks_a_second=0.5,
        dexes=(Dex("quickswap_v3", "Quickswap (V3)"),),
        births=(),
        majors=(("WETH", "USDC"), ("WBTC", "USDC")),
        tokens={
            "WETH": _token("0x7ceb23fd6bc0add59e62ac25578270cff1b9f619", "Wrapped Ether", "WETH", 18, "weth"),
            "USDC": _token("0x2791bca1f2de4661ed88a30c99a7a9449aa84174", "USD Coin (PoS)", "USDC", 6, "usd-coin"),
            "WBTC": _token("0x1bfd67037b42cf73acf2047067bd4f2c47d9bfd6", "Wrapped BTC", "WBTC", 8, "wrapped-bitcoin"),
        },
        money="WETH",
    ),
}
COUNTS = {"pumpswap": 200, "quickswap_v3": 6}


@dataclass(frozen=True)
class SeededPool:
    """A pool's constants; minutes are counted since 1970.

    Args:
        key: Of all its noise.
        second: When it was created, within its first minute.
        last_minute: Its last minute with trades lies before this one.
        hourly_trades: About how many an hour, at first for one that was born.
        fading_minutes: How long until the trades of one that was born are a third; 0 for the others.
        trade_usd: About how much a trade is worth.
        level_usd: About what its base token costs, where it is not a coin of the made-up market.
        base_coin: Coin of the made-up market that the base token is, or None.
        bursts: Whether it trades hundreds of times in a minute now and then.
    """

    network: str
    dex: Dex
    address: str
    key: int
    base: Token
    quote: Token
    base_coin: str | None
    quote_coin: str
    first_minute: int
    second: int
    last_minute: int
    hourly_trades: float
    fading_minutes: float
    trade_usd: float
    level_usd: float
    reserve_usd: float
    bursts: bool = False


def lasting_pool(seed: int, network: str, number: int) -> SeededPool | None:
    """The pool with this number among those that always trade, or None."""
    chain = CHAINS[network]
    dex_number, place = divmod(number, _MOST_PER_DEX)
    if dex_number >= len(chain.dexes) or place >= COUNTS.get(chain.dexes[dex_number].id, _PER_DEX):
        return None
    dex = chain.dexes[dex_number]
    key = key_of(seed, network, "pool", number)
    dice = _dice(key)
    is_major = place < len(chain.majors)
    symbols = chain.majors[place] if is_major else ("", chain.money)
    age = 0.0 if is_major else dice[0]
    size = 300.0 if is_major else 15 * 20 ** dice[1]
    return SeededPool(
        network,
        dex,
        make_address(chain.is_hex, f"{seed}|{network}|pool", number),
        key,
        chain.tokens[symbols[0]] if is_major else _made_up_token(seed, chain, "token", number),
        chain.tokens[symbols[1]],
        COINS[symbols[0]] if is_major else None,
        COINS[symbols[1]],
        first_minute=_OLDEST + int(age * (_YOUNGEST - _OLDEST)),
        second=int(dice[2] * 60),
        last_minute=NEVER,
        hourly_trades=900.0 / (place + 1) ** 1.15,  # few trade all the time, most now and then
        fading_minutes=0.0,
        trade_usd=size,
        level_usd=10.0 ** (-5 * dice[3]),
        reserve_usd=size * 10 ** (2 + 2 * dice[4]),
        bursts=place in {3, 4},
    )


def lasting_numbers(network: str, dex: str | None = None) -> list[int]:
    """Numbers of the pools that always trade, of one exchange or of all."""
    return [
        number * _MOST_PER_DEX + place
        for number, one in enumerate(CHAINS[network].dexes)
        if dex in {None, one.id}
        for place in range(COUNTS.get(one.id, _PER_DEX))
    ]


def born_pool(seed: int, network: str, number: int) -> SeededPool | None:
    """The pool that was born in this stretch of ten minutes since 1970, or None."""
    chain = CHAINS[network]
    if not chain.births or not FIRST_MINUTE // BIRTH_MINUTES <= number < NEVER // BIRTH_MINUTES:
        return None
    numbers = np.array([number])
    first, last, dex = (int(column[0]) for column in born_lives(seed, network, numbers))
    key = key_of(seed, network, "born", number)
    dice = _dice(key)
    return SeededPool(
        network,
        next(one for one in chain.dexes if one.id == chain.births[dex]),
        make_address(chain.is_hex, f"{seed}|{network}|born", number),
        key,
        _made_up_token(seed, chain, "born token", number),
        chain.tokens[chain.money],
        None,
        COINS[chain.money],
        first_minute=first,
        second=int(dice[2] * 60),
        last_minute=last,
        hourly_trades=40 * 20 ** dice[0],
        fading_minutes=(last - first) / 2,
        trade_usd=20 * 10 ** dice[1],
        level_usd=10.0 ** (-4 - 2 * dice[3]),
        reserve_usd=4_000 * 10 ** dice[4],
    )


def born_lives(
    seed: int, network: str, numbers: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Of each pool born: its first minute, the minute after its last trade, and its exchange by number."""
    births = CHAINS[network].births
    when, kind, long, dex = (uniform(key_of(seed, network, name), numbers) for name in ("when", "kind", "long", "dex"))
    first = numbers * BIRTH_MINUTES + (when * BIRTH_MINUTES).astype(np.int64)
    hours = np.where(kind < 0.85, 0.2 + 8 * long**2, np.where(kind < 0.97, 24 + 96 * long, 240 + 720 * long))
    return first, first + (hours * 60).astype(np.int64), (dex * len(births)).astype(np.int64)


def find_pool(seed: int, network: str, address: str) -> SeededPool | None:
    """The pool at this address, whether it is born yet or not."""
    is_hex = CHAINS[network].is_hex
    number = number_of(is_hex, f"{seed}|{network}|pool", address)
    if number is not None:
        return lasting_pool(seed, network, number)
    number = number_of(is_hex, f"{seed}|{network}|born", address)
    return None if number is None else born_pool(seed, network, number)


def pool_of_token(seed: int, network: str, address: str) -> SeededPool | None:
    """The one pool of a made-up base token."""
    is_hex = CHAINS[network].is_hex
    number = number_of(is_hex, f"{seed}|{network}|token", address)
    if number is not None:
        return lasting_pool(seed, network, number)
    number = number_of(is_hex, f"{seed}|{network}|born token", address)
    return None if number is None else born_pool(seed, network, number)


def _made_up_token(seed: int, chain: Chain, label: str, number: int) -> Token:
    network = chain.network.id
    key = key_of(seed, network, label, number)
    name = _NAMES[key % len(_NAMES)]
    symbol = name if key % 7 else f"{name}{key // 7 % 100}"
    address = make_address(chain.is_hex, f"{seed}|{network}|{label}", number)
    return Token(
        address, name.title(), symbol, 18 if chain.is_hex else 6, None, f"https://assets.geckoterminal.com/{key:x}"
    )


def _dice(key: int) -> list[float]:
    thrown: list[float] = uniform(key, np.arange(5, dtype=np.int64)).tolist()
    return thrown
