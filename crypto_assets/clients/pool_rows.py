"""From GeckoTerminal's answers to rows of DEXes and pools, row by row checked, every digit kept.

What belongs here: where version 2 of its API keeps what, and the rules a pool must keep. What does not: asking
(geckoterminal.py), how a single value is read (pool_values.py), bars and trades (pool_trade_rows.py), storing.

geckoterminal-py flattens the same answers with glom, and loses by it: it splits ids at the first underscore, so that
`polygon_pos` becomes `polygon`; it has no column for the windows of 5 minutes and 6 hours; it fails for an empty list of
pools; and it gives "NaN" on as text. So the answers are read here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from crypto_assets.clients.exchange_bars import RefusedRow
from crypto_assets.clients.failures import Malformed
from crypto_assets.clients.pool_values import (
    UNREADABLE,
    Fields,
    canonical,
    fields_of,
    id_text,
    moment_of,
    name_text,
    signed_number,
    unreadable,
    unsigned_number,
    unsigned_text,
    whole,
    without_network,
)

_NAME = re.compile(r"(?P<base>.+?) / (?P<quote>.+?)(?: (?P<fee>[0-9]{1,2}(?:\.[0-9]{1,10})?)%)?", re.DOTALL)
# GeckoTerminal's windows and ours; m15 and m30, which only newer answers have, are left out.
_WINDOWS: Mapping[str, str] = {"m5": "5m", "h1": "1h", "h6": "6h", "h24": "24h"}


@dataclass(frozen=True)
class Answer[T]:
    """The sound rows of an answer in its order, what was refused, and how many rows came again."""

    rows: Sequence[T]
    refused: Sequence[RefusedRow] = ()
    repeated: int = 0


@dataclass(frozen=True)
class Dex:
    """A decentralised exchange of a network: GeckoTerminal's id, and its name."""

    dex: str
    name: str


@dataclass(frozen=True)
class PoolRow:
    """One pool as it stood when it was asked for.

    Args:
        address: Without the network's prefix, as are the tokens'; hexadecimal ones in lower case.
        base_symbol: From the answer's tokens, else from the pool's name; empty where neither says.
        fee_pct: From the name, where it ends in a percentage.
        created_at: UTC; None where it is not known.
        price_usd: Decimal text, every digit that came; of one base token. May be zero. None where it is not known.
        price_quote: The same in quote tokens.
        quote_price_usd: Of one quote token.
        reserve_usd: What lies in the pool.
        volume_usd: By window: 5m, 1h, 6h, 24h; those that did not come are absent, here and below.
        buys: Number of trades that bought the base token.
        buyers: Number of addresses that did.
        price_change_pct: Of the base token's price in USD.
    """

    address: str
    name: str
    dex: str
    base_token: str
    quote_token: str
    base_symbol: str
    quote_symbol: str
    fee_pct: float | None
    created_at: datetime | None
    price_usd: str | None
    price_quote: str | None
    quote_price_usd: str | None
    reserve_usd: float | None
    fdv_usd: float | None
    market_cap_usd: float | None
    volume_usd: Mapping[str, float]
    buys: Mapping[str, int]
    sells: Mapping[str, int]
    buyers: Mapping[str, int]
    sellers: Mapping[str, int]
    price_change_pct: Mapping[str, float]


def parse_dexes(answer: object) -> Answer[Dex]:
    """One page of a network's DEXes. Pure.

    Raises:
        Malformed: the answer is no list.
    """
    return _each_once(rows_of(answer, "DEXes"), _dex, lambda dex: dex.dex)


def parse_pools(answer: object, network_id: str, now: datetime) -> Answer[PoolRow]:
    """A list of pools. Pure.

    Args:
        network_id: GeckoTerminal's name of the network: what ids begin with.
        now: No pool is younger.

    Raises:
        Malformed: the answer is no list.
    """
    return _pools(rows_of(answer, "pools"), _included(answer), network_id, now)


def parse_pool(answer: object, network_id: str, now: datetime) -> Answer[PoolRow]:
    """The answer about a single pool; as `parse_pools`. Pure.

    Raises:
        Malformed: the answer is no object.
    """
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, dict):
        refuse_answer("a pool", answer)
    return _pools([data], _included(answer), network_id, now)


def parse_top_pools(answer: object, network_id: str, now: datetime) -> Answer[PoolRow]:
    """The pools that came along with a list of tokens, whatever token they belong to; as `parse_pools`. Pure.

    Raises:
        Malformed: the answer is no list of tokens.
    """
    tokens = rows_of(answer, "tokens")
    included = _included(answer)
    pools = [item for item in included if isinstance(item, dict) and item.get("type") == "pool"]
    return _pools(pools, [*tokens, *included], network_id, now)


def rows_of(answer: object, what: str) -> Sequence[object]:
    """The list that an answer carries.

    Raises:
        Malformed: it carries none.
    """
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, list):
        refuse_answer(f"a list of {what}", answer)
    return data


def has_next_page(answer: object) -> bool | None:
    """Whether a page says that another follows; None where it says nothing about pages. Pure."""
    links = answer.get("links") if isinstance(answer, dict) else None
    return bool(links["next"]) if isinstance(links, dict) and "next" in links else None


def refuse_answer(expected: str, came: object) -> NoReturn:
    """For an answer that cannot be what was asked for; it keeps what came.

    Raises:
        Malformed: always.
    """
    shown = " ".join(str(came).split())[:120] if isinstance(came, str) else type(came).__name__
    if isinstance(came, dict):
        shown = f"an object of {', '.join(map(str, came)) or 'nothing'}"[:120]
    raise Malformed(
        f"geckoterminal: expected {expected}, came {shown!r}",
        way_out="The answer is kept in quality.quarantine.",
        payload=came,
    )


def _each_once[T](payloads: Sequence[object], read: Callable[[object], T], key: Callable[[T], str]) -> Answer[T]:
    """Read each row; of those under one key the first is kept, the same again is counted, another one is refused."""
    kept: dict[str, T] = {}
    refused: list[RefusedRow] = []
    repeated = 0
    for payload in payloads:
        try:
            row = read(payload)
        except UNREADABLE as error:
            refused.append(unreadable(error, payload))
            continue
        first = kept.setdefault(key(row), row)
        if first is row:
            continue
        if first == row:
            repeated += 1
        else:
            refused.append(RefusedRow("another row under the same id", payload))
    return Answer(tuple(kept.values()), tuple(refused), repeated)


def _dex(payload: object) -> Dex:
    row = fields_of(payload, "the row")
    return Dex(id_text(row["id"]), name_text(fields_of(row["attributes"], "attributes")["name"]))


def _pools(payloads: Sequence[object], tokens: Sequence[object], network_id: str, now: datetime) -> Answer[PoolRow]:
    symbols = _symbols(tokens)
    return _each_once(payloads, lambda payload: _pool(payload, symbols, network_id, now), lambda pool: pool.address)


def _pool(payload: object, symbols: Mapping[str, str], network_id: str, now: datetime) -> PoolRow:
    row = fields_of(payload, "the row")
    told = fields_of(row["attributes"], "attributes")
    address = without_network(row["id"], network_id)
    if canonical(id_text(told["address"])) != address:
        raise ValueError("the id and the address differ")
    base_id, quote_id = _related(row, "base_token"), _related(row, "quote_token")
    name = name_text(told["name"])
    parts = _NAME.fullmatch(name)
    created = told.get("pool_created_at")
    counts = {what: _counts(told.get("transactions"), what) for what in ("buys", "sells", "buyers", "sellers")}
    return PoolRow(
        address=address,
        name=name,
        dex=_related(row, "dex"),
        base_token=without_network(base_id, network_id),
        quote_token=without_network(quote_id, network_id),
        base_symbol=symbols.get(base_id) or (parts["base"] if parts else ""),
        quote_symbol=symbols.get(quote_id) or (parts["quote"] if parts else ""),
        fee_pct=float(parts["fee"]) if parts and parts["fee"] else None,
        created_at=None if created is None else moment_of(created, now),
        price_usd=unsigned_text(told.get("base_token_price_usd"), "price in USD"),
        price_quote=unsigned_text(told.get("base_token_price_quote_token"), "price in the quote token"),
        quote_price_usd=unsigned_text(told.get("quote_token_price_usd"), "quote token's price"),
        reserve_usd=unsigned_number(told.get("reserve_in_usd"), "reserve"),
        fdv_usd=unsigned_number(told.get("fdv_usd"), "fully diluted value"),
        market_cap_usd=unsigned_number(told.get("market_cap_usd"), "market capitalisation"),
        volume_usd=_windows(told.get("volume_usd"), lambda value: unsigned_number(value, "volume")),
        price_change_pct=_windows(told.get("price_change_percentage"), signed_number),
        **counts,
    )


def _related(row: Fields, name: str) -> str:
    relation = fields_of(fields_of(row["relationships"], "relationships")[name], name)
    return id_text(fields_of(relation["data"], name)["id"])


def _included(answer: object) -> Sequence[object]:
    """What came along; nothing of it is needed, so what is no list is none."""
    included = answer.get("included") if isinstance(answer, dict) else None
    return included if isinstance(included, list) else ()


def _symbols(items: Sequence[object]) -> Mapping[str, str]:
    """Symbols by token id, of those items that are tokens with a symbol; the pool's name serves for the others."""
    found: dict[str, str] = {}
    for item in items:
        if not isinstance(item, dict) or item.get("type") != "token" or not isinstance(item.get("id"), str):
            continue
        attributes = item.get("attributes")
        symbol = attributes.get("symbol") if isinstance(attributes, dict) else None
        if isinstance(symbol, str) and symbol:
            found[item["id"]] = name_text(symbol)
    return found


def _windows[T](value: object, read: Callable[[object], T | None]) -> dict[str, T]:
    if value is None:
        return {}
    told = fields_of(value, "the windows")
    found = {ours: read(told.get(theirs)) for theirs, ours in _WINDOWS.items()}
    return {window: number for window, number in found.items() if number is not None}


def _counts(value: object, what: str) -> dict[str, int]:
    def read(window: object) -> int | None:
        count = None if window is None else fields_of(window, "a window").get(what)
        return None if count is None else whole(count, what)

    return _windows(value, read)
