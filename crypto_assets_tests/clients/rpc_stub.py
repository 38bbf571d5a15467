"""A loopback server that answers JSON-RPC, and anything else, as a test says."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pydantic import SecretStr

from crypto_assets.clients.http import HttpProvider
from crypto_assets.clients.json_rpc import secret_parts
from crypto_assets.clients.transport import RetryPolicy, Transport

type Json = dict[str, object]
ONCE = RetryPolicy(attempts=1, breaker_failures=1000)


@dataclass
class RpcStub:
    """What the server answers to a call, as bytes or JSON; a result alone is put into its envelope.

    Args:
        answer: Given the path with its host, and what was posted.
    """

    url: str = ""
    answer: Callable[[str, Json], object] = lambda _path, _call: None
    status: int = 200
    calls: list[tuple[str, Json]] = field(default_factory=list)
    _shared: dict[str, HttpProvider] = field(default_factory=dict)

    def result(self, result: object) -> None:
        """Answer every call with this."""
        self.answer = lambda _path, call: {"jsonrpc": "2.0", "id": call.get("id"), "result": result}

    def raw(self, answer: object) -> None:
        """Answer everything with just this."""
        self.answer = lambda _path, _call: answer

    def http(self, name: str = "node.example.com", secrets: list[SecretStr] | None = None) -> HttpProvider:
        """What asks this server in a provider's place, once; those without secrets share their connection."""
        if secrets is None and name in self._shared:
            return self._shared[name]
        transport = Transport(name, requests_per_second=10_000, policy=ONCE)
        made = HttpProvider(transport, sandbox_url=self.url, secrets=secrets or [])
        if secrets is None:
            self._shared[name] = made
        return made

    def own(self, address: str) -> HttpProvider:
        """The same for a node whose address is a secret."""
        return self.http("own node", secret_parts(SecretStr(address)))


@contextmanager
def rpc_stub() -> Iterator[RpcStub]:
    stub = RpcStub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            call: Json = json.loads(body) if body else {}
            stub.calls.append((self.path, call))
            came = stub.answer(self.path, call)
            sent = came if isinstance(came, bytes) else json.dumps(came).encode()
            self.send_response(stub.status)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST  # noqa: N815 - named by http.server

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
