"""Nodes of chains that are asked by JSON-RPC 2.0 over HTTP: one call, its failure, and the next node when one fails.

What belongs here: the envelope, what its errors mean, what of a node's address is a secret, falling over. What does not:
methods of a chain and their answers (evm_rpc.py, solana_rpc.py).

Format: the JSON-RPC 2.0 specification; errors above -32000 as EIP-1474 and the operators of public nodes use them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote, unquote, urlsplit

from pydantic import SecretStr

from crypto_assets.clients.failures import Malformed, NotServed, ProviderError, Rejected, Throttled, Unavailable
from crypto_assets.clients.http import HttpProvider
from crypto_assets.clients.pool_values import UNREADABLE

_SHOWN = 160
_SHORTEST_KEY = 6  # of a path's part: "v3" and "eth" are words, and masking them would spoil every message
_TOO_OFTEN = frozenset({-32005, 429, -32029, -32097})
_NO_SUCH_METHOD, _BAD_PARAMETERS = -32601, -32602
# What a node could answer at another time: internal errors, a server's own errors, resources that it has not got yet.
_MAY_RECOVER = frozenset({-32603, -32000, -32001, -32002})


class NoNodeAnswered(Unavailable):
    """Every node of a chain failed.

    Args:
        failures: Of each node that was asked, in order.
    """

    def __init__(self, chain: str, failures: Sequence[ProviderError]) -> None:
        told = "; ".join(one.problem for one in failures)
        super().__init__(
            f"no node of {chain} answered: {told}" if failures else f"{chain} has no node to ask",
            way_out="`crypto-assets doctor` tries every provider; the universe's network_fees.chains names nodes.",
        )
        self.failures = tuple(failures)


class RpcNode:
    """One node; asks nothing until it is asked to. For one thread.

    Args:
        http: Knows the address's secrets, if it has some.
        address: Of the node.
    """

    def __init__(self, http: HttpProvider, address: SecretStr) -> None:
        self._http = http
        self._address = _with_path(address)
        self._asked = 0

    @property
    def name(self) -> str:
        """The host of a public node; of the user's own no part of the address."""
        return self._http.name

    def close(self) -> None:
        """Drop the connection; the next call opens another."""
        self._http.close()

    def call[T](self, method: str, parameters: Sequence[object], read: Callable[[object], T]) -> T:
        """What `read` makes of a call's result.

        Args:
            read: Pure; raises any of UNREADABLE for what is no answer.

        Raises:
            ProviderError: what went wrong.
        """
        self._asked += 1
        number = self._asked
        content = {"jsonrpc": "2.0", "id": number, "method": method, "params": list(parameters)}
        return self._http.post_json(
            self._address.get_secret_value(), content, lambda came: self._read(came, number, method, read)
        )

    def refuse(self, expected: str, came: object) -> Malformed:
        """The failure of an answer that cannot be what was asked for; its payload holds no secret."""
        text = self._http.mask(json.dumps(came, default=repr)[:10_000])
        return Malformed(
            f"{self.name}: expected {expected}, came {text[:_SHOWN]}",
            way_out="The answer is kept in quality.quarantine.",
            payload=text,
        )

    def _read[T](self, came: object, number: int, method: str, read: Callable[[object], T]) -> T:
        if not isinstance(came, dict):  # a list answers a batch, which nobody asked for
            raise self.refuse(f"one answer to {method}", came)
        if came.get("error") is not None:
            raise self._said(method, came["error"])
        if type(came.get("id")) is not int or came["id"] != number or "result" not in came:
            raise self.refuse(f"the answer to {method} number {number}", came)
        try:
            return read(came["result"])
        except UNREADABLE as error:
            problem = self._http.mask(str(error))[:_SHOWN]
        raise self.refuse(f"an answer to {method} ({problem})", came["result"])  # outside: the error holds what came

    def _said(self, method: str, error: object) -> ProviderError:
        code, message = (error.get("code"), error.get("message")) if isinstance(error, dict) else (None, None)
        if type(code) is not int or not isinstance(message, str):
            return self.refuse(f"an error of {method} with a code and a message", error)
        words = " ".join(self._http.mask(message[:2000]).split())[:_SHOWN]
        told = f"{self.name} answered {method} with error {code}: {''.join(filter(str.isprintable, words))}"
        if code in _TOO_OFTEN:
            return Throttled(told, way_out="Lower requests_per_minute of its chain in the universe.")
        if code == _NO_SUCH_METHOD:
            return NotServed(told, way_out="Name another node: not every node serves every method.")
        if code == _BAD_PARAMETERS:
            return Rejected(told, way_out="Name another node, or ask for less.")
        if code in _MAY_RECOVER:
            return Unavailable(told, way_out="It is asked again, then the next node.")
        return Rejected(told, way_out="Name another node.")


def first_answer[N: RpcNode, T](
    chain: str, nodes: Sequence[N], ask: Callable[[N], T]
) -> tuple[T, N, Sequence[ProviderError]]:
    """The answer of the first node that gives one, that node, and how those before it failed.

    Args:
        ask: May call a node several times; all calls of an answer go to the same node, as nodes differ in what they saw last.

    Raises:
        NoNodeAnswered: none did.
    """
    failures: list[ProviderError] = []
    for node in nodes:
        try:
            return ask(node), node, failures
        except ProviderError as error:
            failures.append(error)
    raise NoNodeAnswered(chain, failures)


def secret_parts(address: SecretStr) -> list[SecretStr]:
    """Everything in a node's address that may be a key, the longest first, as each may be part of another. Pure.

    Operators put keys into the path, the query, the user or the host's name, and answer with any part of it.
    """
    url = address.get_secret_value()
    parts = urlsplit(url)
    texts = {url, url.rstrip("/"), parts.netloc, parts.hostname or "", parts.username or "", parts.password or ""}
    texts |= {parts.query, parts.fragment, parts.path if len(parts.path) > _SHORTEST_KEY else ""}
    pieces = [*parts.path.split("/"), *(one.partition("=")[2] for one in parts.query.split("&"))]
    pieces += (parts.hostname or "").split(".")[:-2]  # some give each customer a name of his own below theirs
    texts |= {one for one in pieces if len(one) >= _SHORTEST_KEY}
    texts |= {change(one) for one in texts for change in (quote, unquote)}
    return [SecretStr(one) for one in sorted(texts, key=len, reverse=True) if one]


def name_of(address: str) -> str:
    """What a public node is called in messages: its host. Pure."""
    return urlsplit(address).hostname or "a node"


def _with_path(address: SecretStr) -> SecretStr:
    """The address as it is asked: without a path it is that of the root."""
    parts = urlsplit(address.get_secret_value())
    return address if parts.path else SecretStr(parts._replace(path="/").geturl())


def object_of(value: object, name: str) -> Mapping[str, object]:
    """A JSON object.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(value, dict):
        raise TypeError(f"{name} is {type(value).__name__}, no object")
    return value


def list_of(value: object, name: str, length: int | None = None) -> Sequence[object]:
    """A JSON list, of that length where one is given.

    Raises:
        TypeError, ValueError: it is none.
    """
    if not isinstance(value, list):
        raise TypeError(f"{name} is {type(value).__name__}, no list")
    if length is not None and len(value) != length:
        raise ValueError(f"{name} has {len(value)} entries, expected {length}")
    return value
