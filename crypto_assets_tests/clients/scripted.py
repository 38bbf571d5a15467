"""A server of a few fixed answers on 127.0.0.1, for what no sandbox says: headers, odd bodies, addresses that lead elsewhere.

What belongs here: serving a script. What does not: assertions.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Answer:
    """One answer; a body that is no text becomes JSON."""

    body: object
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Scripted:
    """Where it listens, and what it was asked, path and query as they came."""

    url: str
    asked: list[str] = field(default_factory=list)


@contextmanager
def scripted(answers: Sequence[Answer] | Callable[[str], Answer]) -> Iterator[Scripted]:
    """A server that gives these answers one after the other, the last one for ever; or what a function makes of the path."""
    left = [] if callable(answers) else list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            answer = answers(self.path) if callable(answers) else left.pop(0) if len(left) > 1 else left[0]
            body = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Nothing: what was asked is kept."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = Scripted(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
