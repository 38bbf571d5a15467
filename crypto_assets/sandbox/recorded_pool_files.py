"""Reading the recordings of GeckoTerminal: raw answers below gecko/api, a collector's tables below gecko/tables.

What belongs here: what each file holds, and its traps. What does not: answering from it (recorded_pools.py).

In the table of trades the text of `block_timestamp` ends in -06:00, but its digits are UTC: the epoch at the end of a
trade's id lies some seconds behind the digits read so. Numbers that the tables have rounded stay rounded. The tables do
not name a pool's exchange, and only one pool's base token is known.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from pyarrow import parquet

from crypto_assets.sandbox.bars import BarColumns
from crypto_assets.sandbox.pool_addresses import make_address
from crypto_assets.sandbox.pools import Dex, Network, PoolState, PoolTrade, Token
from crypto_assets.sandbox.recording_files import RecordingError, one_line

FOLDER = "gecko"
NETWORK = "solana"  # of all tables
FULL_POOL = "7bqJG2ZdMKbEkgSmfuqNVBvqEvWavgL8UEo33ZqdL3NP"  # whose bars and trades were recorded with all digits
FULL_BARS = ("OHLCV_validation_test.json.gz", "OHLCV_validation_test_hour.json.gz")
TABLE_DEX = Dex("pumpswap", "PumpSwap")  # assumed: the tables do not say it
SOL = Token("So11111111111111111111111111111111111111112", "Wrapped SOL", "SOL", 9, "wrapped-solana", None)
_LENGTHS_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}

type Json = Mapping[str, object]
type Bars = dict[tuple[str, int], dict[int, tuple[float, ...]]]


@dataclass(frozen=True)
class PoolFiles:
    """The folder's api files; each is None where it is not there."""

    folder: Path

    def networks(self) -> list[Network]:
        """The list of networks."""
        return [
            Network(
                _text(one, "id"),
                _text(_inner(one, "attributes"), "name"),
                _optional(one, "coingecko_asset_platform_id"),
            )
            for one in _rows(self._json("get_networks.json"))
        ]

    def dexes(self) -> dict[str, list[Dex]]:
        """The exchanges of each network that a file lists; the file's links tell which."""
        content = self._json("get_dexes_by_network.json")
        found = [_dex(one) for one in _rows(content)]
        address = _text(_inner(content, "links"), "first") if found else ""
        return {address.split("/networks/")[1].split("/")[0]: found} if found else {}

    def top_pools(self) -> list[tuple[str, PoolState]]:
        """Network and pool, in the order of the answer."""
        return _pools(self._json("get_top_pools_by_network.json"))

    def new_pools(self) -> list[tuple[str, PoolState]]:
        """Network and pool, in the order of the answers."""
        names = ("get_new_pools_by_network.json", "new_pools_by_network.json.gz")
        return [pool for name in names for pool in _pools(self._json(name))]

    def full_pool(self) -> tuple[Token, Token] | None:
        """The tokens of the pool that was recorded with all digits."""
        meta = _inner(self._json(FULL_BARS[0]), "meta")
        if not meta:
            return None
        return _plain_token(_inner(meta, "base")), _plain_token(_inner(meta, "quote"))

    def bars(self) -> dict[str, dict[int, BarColumns]]:
        """Bars by pool address and length in ms; where a table and an answer have the same one, the answer's digits."""
        found: Bars = {}
        for row in (*self._csv("specs_QA_ohlcv_data_2.csv.gz"), *self._parquet("ohlcv_backup_2025-09-16.parquet")):
            address = row["pool_id"].removeprefix(f"{NETWORK}_")
            length = int(row["timeframe"][:-1]) * _LENGTHS_MS[row["timeframe"][-1]]
            names = ("open_price", "high_price", "low_price", "close_price", "volume_usd")
            found.setdefault((address, length), {})[int(row["timestamp"])] = tuple(float(row[name]) for name in names)
        for name in FULL_BARS:
            rows = _ohlcv(self._json(name))
            if len(rows) > 1:
                length = int(min(a[0] - b[0] for a, b in pairwise(rows))) * 1000
                found.setdefault((FULL_POOL, length), {}).update({int(row[0]): row[1:] for row in rows})
        by_pool: dict[str, dict[int, BarColumns]] = {}
        for (address, length), bars in found.items():
            by_pool.setdefault(address, {})[length] = _columns(bars)
        return by_pool

    def trades(self) -> dict[str, list[PoolTrade]]:
        """Trades by pool address, ascending."""
        found: dict[str, list[PoolTrade]] = {}
        for row in self._csv("specs_get_trades.csv.gz"):
            found.setdefault(FULL_POOL, []).append(_full_trade(row))
        for row in self._parquet("trades_backup_2025-09-16.parquet"):
            address = row["pool_id"].removeprefix(f"{NETWORK}_")
            found.setdefault(address, []).append(_rounded_trade(row, unknown_token(address)))
        for trades in found.values():
            trades.sort(key=lambda one: (one.traded_at, one.block_number, one.id))
        return found

    def _json(self, name: str) -> Json:
        path = self.folder / "api" / name
        if not path.is_file():
            return {}
        try:
            content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            read: object = json.loads(content)
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from None
        return read if isinstance(read, dict) else {}

    def _csv(self, name: str) -> Iterator[dict[str, str]]:
        path = self.folder / "tables" / name
        if not path.is_file():
            return
        try:
            with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
                yield from csv.DictReader(lines)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise _unreadable(path, error) from None

    def _parquet(self, name: str) -> list[dict[str, str]]:
        path = self.folder / "tables" / name
        if not path.is_file():
            return []
        try:
            rows: list[dict[str, str]] = parquet.read_table(path).to_pylist()
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from None
        return rows


@lru_cache(maxsize=1024)
def unknown_token(pool: str) -> Token:
    """A stand-in for the base token of a pool of which the tables tell nothing."""
    return Token(make_address(False, f"unknown token of {pool}", 0), "Unknown", "UNKNOWN", None, None, None)


def digits_as_utc(text: str) -> int:
    """Seconds since 1970 of the digits of a time, read as UTC whatever offset stands behind them. Pure."""
    return int(datetime.fromisoformat(text[:19]).replace(tzinfo=UTC).timestamp())


def _full_trade(row: Mapping[str, str]) -> PoolTrade:
    return PoolTrade(
        id=row["id"],
        block_number=int(row["block_number"]),
        tx_hash=row["tx_hash"],
        tx_from_address=row["tx_from_address"],
        from_token_amount=row["from_token_amount"],
        to_token_amount=row["to_token_amount"],
        price_from_in_currency_token=row["price_from_in_currency_token"],
        price_to_in_currency_token=row["price_to_in_currency_token"],
        price_from_in_usd=row["price_from_in_usd"],
        price_to_in_usd=row["price_to_in_usd"],
        traded_at=digits_as_utc(row["block_timestamp"]),
        kind=row["side"],
        volume_in_usd=row["volume_usd"],
        from_token_address=row["from_token_address"],
        to_token_address=row["to_token_address"],
    )


def _rounded_trade(row: Mapping[str, str], base: Token) -> PoolTrade:
    """A row of the table: `price_usd` is that of the token given; the others follow from the amounts."""
    is_buy = row["side"] == "buy"
    given, taken = Decimal(row["from_token_amount"]), Decimal(row["to_token_amount"])
    tokens = (SOL.address, base.address) if is_buy else (base.address, SOL.address)
    base_in_sol = _ratio(given, taken) if is_buy else _ratio(taken, given)
    natives = ("1.0", base_in_sol) if is_buy else (base_in_sol, "1.0")
    return PoolTrade(
        id=row["id"],
        block_number=int(row["block_number"]),
        tx_hash=row["tx_hash"],
        tx_from_address=row["tx_from_address"],
        from_token_amount=row["from_token_amount"],
        to_token_amount=row["to_token_amount"],
        price_from_in_currency_token=natives[0],
        price_to_in_currency_token=natives[1],
        price_from_in_usd=row["price_usd"],
        price_to_in_usd=_ratio(Decimal(row["price_usd"]) * given, taken),
        traded_at=digits_as_utc(row["block_timestamp"]),
        kind=row["side"],
        volume_in_usd=row["volume_usd"],
        from_token_address=tokens[0],
        to_token_address=tokens[1],
    )


def _ratio(part: Decimal, whole: Decimal) -> str:
    return format(part / whole, "f") if whole else "0.0"


def _columns(bars: Mapping[int, tuple[float, ...]]) -> BarColumns:
    """Bars by opening second as columns, ascending."""
    seconds = sorted(bars)
    rows = np.array([bars[at] for at in seconds], dtype=np.float64)
    names = ("open", "high", "low", "close", "volume_base")
    values = {name: np.ascontiguousarray(rows[:, place]) for place, name in enumerate(names)}
    values |= {"volume_quote": values["volume_base"], "trade_count": np.zeros(len(rows))}
    return BarColumns(np.array(seconds, dtype=np.int64) * 1000, values)


def _ohlcv(content: Json) -> list[tuple[float, ...]]:
    """Rows of an answer, the newest first, as they came."""
    rows = _inner(_inner(content, "data"), "attributes").get("ohlcv_list", [])
    return [tuple(float(number) for number in row) for row in rows] if isinstance(rows, list) else []


def _pools(content: Json) -> list[tuple[str, PoolState]]:
    included = {_text(one, "id"): one for one in _rows(content, "included")}
    return [_pool(one, included) for one in _rows(content)]


def _pool(one: Json, included: Mapping[str, Json]) -> tuple[str, PoolState]:
    attributes, related = _inner(one, "attributes"), _inner(one, "relationships")
    address = _text(attributes, "address")
    network = _text(one, "id").removesuffix(f"_{address}")  # a network's id may hold an underscore
    ids = [_text(_inner(_inner(related, name), "data"), "id") for name in ("base_token", "quote_token", "dex")]
    symbols = [name.split(" ")[0] for name in _text(attributes, "name").split(" / ")]
    base, quote = (
        _token(included[token]) if token in included else _named_token(token.removeprefix(f"{network}_"), symbol)
        for token, symbol in zip(ids[:2], symbols, strict=True)
    )
    dex = _dex(included[ids[2]]) if ids[2] in included else Dex(ids[2], ids[2])
    return network, PoolState(address, dex, base, quote, attributes)


def _token(one: Json) -> Token:
    attributes = _inner(one, "attributes")
    decimals = attributes.get("decimals")
    plain = _plain_token(attributes)
    return Token(
        plain.address,
        plain.name,
        plain.symbol,
        decimals if isinstance(decimals, int) else None,
        plain.coingecko_coin_id,
        str(attributes["image_url"]) if attributes.get("image_url") else None,
    )


def _plain_token(one: Json) -> Token:
    coin_id = one.get("coingecko_coin_id")
    return Token(
        _text(one, "address"), _text(one, "name"), _text(one, "symbol"), None, str(coin_id) if coin_id else None, None
    )


def _named_token(address: str, symbol: str) -> Token:
    return Token(address, symbol, symbol, None, None, None)


def _dex(one: Json) -> Dex:
    return Dex(_text(one, "id"), _text(_inner(one, "attributes"), "name"))


def _rows(content: Json, name: str = "data") -> Sequence[Json]:
    rows = content.get(name, [])
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _inner(content: Json, name: str) -> Json:
    found = content.get(name, {})
    return found if isinstance(found, dict) else {}


def _text(content: Json, name: str) -> str:
    return str(content.get(name, ""))


def _optional(one: Json, name: str) -> str | None:
    found = _inner(one, "attributes").get(name)
    return None if found is None else str(found)


def _unreadable(path: Path, error: Exception) -> RecordingError:
    return RecordingError(f"Cannot read {path.name}: {one_line(error)}", way_out="Replace or remove it.")
