"""Answers in GeckoTerminal's format, made by hand, sound and spoiled, and a loopback server that gives them."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

from hypothesis import strategies as st

type Json = dict[str, object]
NOW = datetime(2026, 3, 10, 12, 0, 30, tzinfo=UTC)
PREFIX = "/api.geckoterminal.com/api/v2/"


@dataclass
class Reply:
    """What the server says: bytes as they are, all else as JSON; `cut` closes the connection without a word."""

    body: object = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


@dataclass
class Asked:
    """One request: its path below the API's, its query, its headers, what was posted."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""


type Answering = Callable[[Asked], Reply]


@dataclass
class Stub:
    """A server on the loopback that answers as it was told and notes what it was asked."""

    answer: Answering = lambda _: Reply({"data": []})
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    def say(self, *replies: Reply) -> None:
        """Give one reply after the other, the last one again and again."""
        left = list(replies)
        self.answer = lambda _: left.pop(0) if len(left) > 1 else left[0]

    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]


@contextmanager
def stub_server(prefix: str = PREFIX) -> Iterator[Stub]:
    """A stub whose paths all begin so, which is left out of what it notes."""
    stub = Stub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet: two would wait for each other's acknowledgement

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            path = unquote(parts.path)
            assert path.startswith(prefix), path
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            asked = Asked(path.removeprefix(prefix), dict(parse_qsl(parts.query)), dict(self.headers), body)
            stub.asked.append(asked)
            reply = stub.answer(asked)
            if reply.cut:
                self.close_connection = True
                return
            said = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            for name, value in {"Content-Length": str(len(said)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said)

        do_POST = do_GET  # noqa: N815 - the name that the server looks for

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that went away in the middle of an answer is what some tests want."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    stub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def dex(name: str) -> Json:
    return {"id": name, "type": "dex", "attributes": {"name": name.title()}}


def token(address: str, symbol: str, network: str = "eth") -> Json:
    return {"id": f"{network}_{address}", "type": "token", "attributes": {"address": address, "symbol": symbol}}


def pool(
    address: str, /, *, network: str = "eth", base: str = "0xaa", quote: str = "0xbb", **attributes: object
) -> Json:
    """A pool as GeckoTerminal tells it; attributes are added or replaced."""
    counts = {"buys": 3, "sells": 2, "buyers": 2, "sellers": 1}
    told: Json = {
        "address": address,
        "name": "AAA / BBB 0.3%",
        "base_token_price_usd": "0.00012300",
        "base_token_price_native_currency": "0.5",
        "quote_token_price_native_currency": "1.0",
        "base_token_price_quote_token": "0.5",
        "quote_token_price_usd": "2000.10",
        "pool_created_at": "2024-05-13T15:13:47Z",
        "reserve_in_usd": "1000.5",
        "fdv_usd": "20565.77",
        "market_cap_usd": None,
        "price_change_percentage": {"m5": "-1.5", "h1": "0.25", "h24": "10"},
        "transactions": {"m5": counts, "m15": counts, "h1": counts, "h6": counts, "h24": counts},
        "volume_usd": {"m5": "5", "m15": "6", "h1": "10.5", "h6": "60", "h24": "240"},
    }
    relations = {"base_token": f"{network}_{base}", "quote_token": f"{network}_{quote}", "dex": "uniswap_v3"}
    return {
        "id": f"{network}_{address}",
        "type": "pool",
        "attributes": told | attributes,
        "relationships": {name: {"data": {"id": related}} for name, related in relations.items()},
    }


def trade(
    tx: str = "0xt1", ordinal: int | str = 1, *, network: str = "eth", block: int = 100, **attributes: object
) -> Json:
    """A trade that bought 400 base tokens at 0.5 USD for 2 quote tokens at 100 USD; attributes are added or replaced."""
    told: Json = {
        "block_number": block,
        "tx_hash": tx,
        "tx_from_address": "0xsender",
        "from_token_amount": "2",
        "to_token_amount": "400",
        "price_from_in_usd": "100",
        "price_to_in_usd": "0.5",
        "block_timestamp": "2025-08-28T16:15:08Z",
        "kind": "buy",
        "volume_in_usd": "200",
    }
    return {"id": f"{network}_{block}_{tx}_{ordinal}_1756397712", "type": "trade", "attributes": told | attributes}


def bars(rows: list[object]) -> Json:
    return {"data": {"id": "x", "type": "ohlcv_request_response", "attributes": {"ohlcv_list": rows}}, "meta": {}}


GARBAGE: st.SearchStrategy[object] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**30, max_value=10**400)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        ["NaN", "-1", "1e999", "0", "eth_", "_", "2025-01-01", "9999-12-31T23:59:59-14:00", "\ud800", "\0"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def spoiled(draw: st.DrawFn, sound: object) -> object:
    """A sound answer with something else at one to three of its places."""
    answer = copy.deepcopy(sound)
    for _ in range(draw(st.integers(1, 3))):
        parent, key = draw(st.sampled_from(list(places(answer)) or [(None, None)]))
        if parent is None:
            return draw(GARBAGE)
        parent[key] = draw(GARBAGE)
    return answer


def places(value: object) -> list[tuple[object, object]]:
    keys = range(len(value)) if isinstance(value, list) else value.keys() if isinstance(value, dict) else ()
    found: list[tuple[object, object]] = []
    for key in keys:
        found += [(value, key), *places(value[key])]
    return found
