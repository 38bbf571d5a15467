"""GeckoTerminal v2: GET /api/v2/networks and what lies below.

Format: GeckoTerminal's API documents (version 20230302) and recorded answers. Lists have 20 entries a page, ten pages at
most; bars come newest first, at most 1,000, only those that opened before `before_timestamp`; trades newest first, the
last 300 of the last 24 hours. Documented refusals: 400 for more than 30 addresses, 404 for what is not known.
"""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from crypto_assets.sandbox.bars import BarColumns
from crypto_assets.sandbox.faults import ON_BARS, spoil_bars, spoil_list
from crypto_assets.sandbox.pools import Dex, PoolState, PoolTrade, Token, TokenState
from crypto_assets.sandbox.venues.exchange import FAR_MS, Asked, Reply, UnreadableNumberError

BASE = "https://api.geckoterminal.com/api/v2"
LENGTHS_MS: Mapping[str, Mapping[int, int]] = {
    "minute": {1: 60_000, 5: 300_000, 15: 900_000},
    "hour": {1: 3_600_000, 4: 14_400_000, 12: 43_200_000},
    "day": {1: 86_400_000},
}
BARS, BARS_MOST = 100, 1000
PAGE, PAGES, LONG_PAGE = 20, 10, 100
ADDRESSES_MOST = 30
SORTS = {"h24_tx_count_desc": "trades", "h24_volume_usd_desc": "volume"}
_TITLES = {400: "Bad Request", 404: "Not Found", 418: "I'm a teapot", 422: "Unprocessable", 503: "Service Unavailable"}


class GeckoTerminal:
    """The venue."""

    venue = "geckoterminal"
    hosts = ("api.geckoterminal.com",)
    used_weight_header = None

    def answer(self, asked: Asked) -> Reply | None:
        """Networks, exchanges, pools, tokens, bars, trades."""
        for pattern, answer in _PATHS:
            found = pattern.fullmatch(asked.path)
            if found is not None:
                return answer(asked, *found.groups())
        return None

    def error(self, status: int) -> object:
        """{"errors": [{"status", "title"}]}, and CoinGecko's own form for too many requests."""
        if status == 429:
            return {
                "status": {
                    "error_code": 429,
                    "error_message": "You've exceeded the Rate Limit. Please visit https://www.coingecko.com/en/api/pricing "
                    "to subscribe to our API plans for higher rate limits.",
                }
            }
        return {"errors": [{"status": str(status), "title": _TITLES.get(status, "Error")}]}

    def bad_parameter(self, name: str, now_ms: int) -> Reply:
        """400."""
        return _refused(400, f"Invalid {name}", now_ms)


def _networks(asked: Asked) -> Reply:
    rows: list[object] = [
        {
            "id": one.id,
            "type": "network",
            "attributes": {"name": one.name, "coingecko_asset_platform_id": one.platform},
        }
        for one in asked.pools.networks()
    ]
    return _long_page(asked, rows, f"{BASE}/networks")


def _dexes(asked: Asked, network: str) -> Reply | None:
    found = asked.pools.dexes(network)
    if found is None:
        return None
    return _long_page(asked, [_dex_object(one) for one in found], f"{BASE}/networks/{network}/dexes")


def _long_page(asked: Asked, rows: list[object], address: str) -> Reply:
    page, pages = asked.number("page", 1), max(1, math.ceil(len(rows) / LONG_PAGE))
    shown = rows[max(0, page - 1) * LONG_PAGE : max(0, page) * LONG_PAGE]
    numbers = {"first": 1, "prev": page - 1, "next": page + 1, "last": pages}
    links = {name: f"{address}?page={at}" if 1 <= at <= pages else None for name, at in numbers.items()}
    return Reply({"data": shown, "links": links}, asked.now(), rows=shown)


def _top_pools(asked: Asked, network: str, dex: str | None = None) -> Reply | None:
    by = SORTS.get(asked.query.get("sort", "h24_tx_count_desc"))
    if by is None:
        return _refused(400, "Invalid sort", asked.now())
    return _pool_page(asked, network, asked.pools.top_pools(network, dex, by=by))


def _new_pools(asked: Asked, network: str) -> Reply | None:
    return _pool_page(asked, network, asked.pools.new_pools(network))


def _token_pools(asked: Asked, network: str, address: str) -> Reply | None:
    token = asked.pools.token(network, address)
    return None if token is None else _pool_page(asked, network, token.top_pools)


def _pool_page(asked: Asked, network: str, addresses: Sequence[str] | None) -> Reply | None:
    if addresses is None:
        return None
    page = asked.number("page", 1)
    if not 1 <= page <= PAGES:
        return _refused(400, "Exceeded maximum number of pages", asked.now())
    return _pool_list(asked, network, addresses[(page - 1) * PAGE : page * PAGE])


def _pool(asked: Asked, network: str, address: str) -> Reply | None:
    pool = asked.pools.pool(network, address)
    if pool is None:
        return None
    answer: dict[str, object] = {"data": _pool_object(network, pool)}
    return Reply(answer | _included(asked, network, [pool]), asked.now())


def _many_pools(asked: Asked, network: str, addresses: str) -> Reply | None:
    wanted = addresses.split(",")
    if asked.pools.dexes(network) is None:
        return None
    if len(wanted) > ADDRESSES_MOST:
        return _refused(400, "Exceeded maximum number of addresses", asked.now())
    return _pool_list(asked, network, wanted)


def _pool_list(asked: Asked, network: str, addresses: Sequence[str]) -> Reply:
    """Those that are known."""
    pools = [pool for pool in (asked.pools.pool(network, address) for address in addresses) if pool is not None]
    rows: list[object] = [_pool_object(network, pool) for pool in pools]
    return Reply({"data": rows} | _included(asked, network, pools), asked.now(), rows=rows)


def _token(asked: Asked, network: str, address: str) -> Reply | None:
    token = asked.pools.token(network, address)
    if token is None:
        return None
    pools = token.top_pools[:PAGE]
    answer: dict[str, object] = {"data": _token_state(network, token, pools)}
    return Reply(answer | _included_pools(asked, network, pools), asked.now())


def _many_tokens(asked: Asked, network: str, addresses: str) -> Reply | None:
    wanted = addresses.split(",")
    if asked.pools.dexes(network) is None:
        return None
    if len(wanted) > ADDRESSES_MOST:
        return _refused(400, "Exceeded maximum number of addresses", asked.now())
    found = [token for token in (asked.pools.token(network, address) for address in wanted) if token is not None]
    rows: list[object] = [_token_state(network, token, token.top_pools[:1]) for token in found]  # the first one only
    pools = list(dict.fromkeys(address for token in found for address in token.top_pools[:1]))
    return Reply({"data": rows} | _included_pools(asked, network, pools), asked.now(), rows=rows)


def _ohlcv(asked: Asked, network: str, address: str, unit: str) -> Reply | None:
    length = LENGTHS_MS.get(unit, {}).get(asked.number("aggregate", 1))
    pair = asked.pools.pair(network, address)
    if pair is None or length is None:
        return None if pair is None else _refused(400, "Invalid aggregate", asked.now())
    before = asked.number("before_timestamp", FAR_MS // 1000, digits=13) * 1000
    limit = max(1, min(BARS_MOST, asked.number("limit", BARS)))
    bars = asked.pools.last_bars(network, address, length, before, limit)
    now = asked.pools.now_ms(network, address)
    if bars is None:
        return None
    bars = spoil_bars(bars, [fault for fault in asked.faults if fault.kind in ON_BARS], now, length)
    priced = _priced(asked, (network, address), pair[1], bars)
    if priced is None:
        return _refused(422, "Prices of this token are not known", now)
    values = [priced.values[name].tolist() for name in ("open", "high", "low", "close", "volume_base")]
    seconds = (priced.opened_at_ms // 1000).tolist()
    rows: list[object] = [list(row) for row in zip(seconds, *values, strict=True)]
    rows.reverse()  # the newest first
    data = {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{asked.path}|{now}")),
        "type": "ohlcv_request_response",
        "attributes": {"ohlcv_list": rows},
    }
    meta = {"base": _meta(pair[0]), "quote": _meta(pair[1])}
    return Reply({"data": data, "meta": meta}, now, rows=rows)


def _priced(asked: Asked, pool: tuple[str, str], quote_token: Token, bars: BarColumns) -> BarColumns | None:
    """The bars of the token and in the currency asked for; None where prices are not known.

    Of the quote token only opening prices are known: its own bars in dollars are flat.
    """
    in_token = asked.query.get("currency", "usd") == "token"
    of_quote = asked.query.get("token", "base") in {"quote", quote_token.address}
    if not in_token and not of_quote:
        return bars
    quote = asked.pools.quote_prices(*pool, bars.opened_at_ms)
    if quote is None:
        return None
    values = dict(bars.values)
    if in_token:
        base = {name: bars.values[name] / quote for name in ("open", "high", "low", "close")}
        inverse = {
            "open": 1 / base["open"],
            "high": 1 / base["low"],
            "low": 1 / base["high"],
            "close": 1 / base["close"],
        }
        values |= (inverse if of_quote else base) | {"volume_base": values["volume_base"] / quote}
    else:
        values |= dict.fromkeys(("open", "high", "low", "close"), quote)
    return BarColumns(bars.opened_at_ms, values)


def _trades(asked: Asked, network: str, address: str) -> Reply | None:
    above = _decimal(asked, "trade_volume_in_usd_greater_than")
    found = asked.pools.trades(network, address, above)
    if found is None:
        return None
    rows: list[object] = [_trade_object(one) for one in spoil_list(found, asked.faults)[::-1]]
    return Reply({"data": rows}, asked.pools.now_ms(network, address), rows=rows)


def _decimal(asked: Asked, name: str) -> float:
    """A parameter that may have a fraction; 0 where it is not there or empty."""
    try:
        number = float(asked.query.get(name) or 0)
    except ValueError:
        raise UnreadableNumberError(name) from None
    if not math.isfinite(number):
        raise UnreadableNumberError(name)
    return number


def _trade_object(trade: PoolTrade) -> object:
    moment = datetime.fromtimestamp(trade.traded_at, UTC)
    attributes = {name: value for name, value in vars(trade).items() if name not in {"id", "traded_at", "kind"}}
    return {
        "id": trade.id,
        "type": "trade",
        "attributes": attributes | {"block_timestamp": moment.strftime("%Y-%m-%dT%H:%M:%SZ"), "kind": trade.kind},
    }


def _pool_object(network: str, pool: PoolState) -> object:
    tokens = (("base_token", pool.base), ("quote_token", pool.quote))
    related: dict[str, object] = {
        name: {"data": {"id": f"{network}_{token.address}", "type": "token"}} for name, token in tokens
    }
    related["dex"] = {"data": {"id": pool.dex.id, "type": "dex"}}
    return {
        "id": f"{network}_{pool.address}",
        "type": "pool",
        "attributes": dict(pool.attributes),
        "relationships": related,
    }


def _dex_object(dex: Dex) -> object:
    return {"id": dex.id, "type": "dex", "attributes": {"name": dex.name}}


def _token_object(network: str, token: Token) -> object:
    since = {} if token.decimals is None else {"decimals": token.decimals, "image_url": token.image_url}
    attributes: dict[str, object] = {"address": token.address, "name": token.name, "symbol": token.symbol, **since}
    attributes["coingecko_coin_id"] = token.coingecko_coin_id
    return {"id": f"{network}_{token.address}", "type": "token", "attributes": attributes}


def _token_state(network: str, token: TokenState, pools: Sequence[str]) -> object:
    return {
        "id": f"{network}_{token.attributes['address']}",
        "type": "token",
        "attributes": dict(token.attributes),
        "relationships": {"top_pools": {"data": [{"id": f"{network}_{one}", "type": "pool"} for one in pools]}},
    }


def _included(asked: Asked, network: str, pools: Sequence[PoolState]) -> dict[str, object]:
    """The tokens and exchanges of these pools that were asked for, each once; nothing where none was."""
    wanted = set(asked.query.get("include", "").split(","))
    found: dict[str, object] = {}
    for pool in pools:
        if "base_token" in wanted:
            found.setdefault(pool.base.address, _token_object(network, pool.base))
        if "quote_token" in wanted:
            found.setdefault(pool.quote.address, _token_object(network, pool.quote))
        if "dex" in wanted:
            found.setdefault(f"dex {pool.dex.id}", _dex_object(pool.dex))
    return {"included": list(found.values())} if wanted & {"base_token", "quote_token", "dex"} else {}


def _included_pools(asked: Asked, network: str, addresses: Sequence[str]) -> dict[str, object]:
    if "top_pools" not in asked.query.get("include", "").split(","):
        return {}
    pools = (asked.pools.pool(network, address) for address in addresses)
    return {"included": [_pool_object(network, pool) for pool in pools if pool is not None]}


def _meta(token: Token) -> object:
    return {
        "address": token.address,
        "name": token.name,
        "symbol": token.symbol,
        "coingecko_coin_id": token.coingecko_coin_id,
    }


def _refused(status: int, title: str, now_ms: int) -> Reply:
    return Reply({"errors": [{"status": str(status), "title": title}]}, now_ms, status)


_NETWORK, _PART = r"/api/v2/networks/([^/]+)", r"([^/]+)"
_PATHS: Sequence[tuple[re.Pattern[str], Callable[..., Reply | None]]] = [
    (re.compile(pattern), answer)
    for pattern, answer in (
        (r"/api/v2/networks", _networks),
        (f"{_NETWORK}/dexes", _dexes),
        (f"{_NETWORK}/dexes/{_PART}/pools", _top_pools),
        (f"{_NETWORK}/pools", _top_pools),
        (f"{_NETWORK}/new_pools", _new_pools),
        (f"{_NETWORK}/pools/multi/{_PART}", _many_pools),
        (f"{_NETWORK}/pools/{_PART}", _pool),
        (f"{_NETWORK}/tokens/multi/{_PART}", _many_tokens),
        (f"{_NETWORK}/tokens/{_PART}", _token),
        (f"{_NETWORK}/tokens/{_PART}/pools", _token_pools),
        (f"{_NETWORK}/pools/{_PART}/ohlcv/{_PART}", _ohlcv),
        (f"{_NETWORK}/pools/{_PART}/trades", _trades),
    )
]

FORMAT = GeckoTerminal()
