"""A server on this machine that answers as it is told: sound feeds, hostile ones, redirects, silence.

What belongs here: the server and the hostile bodies. What does not: assertions.
"""

from __future__ import annotations

import gzip
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ITEM = "<item><title>{title}</title><link>{link}</link><pubDate>Fri, 06 Mar 2026 10:00:00 GMT</pubDate></item>"
BOMB = (
    '<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">]>'
    "<rss version='2.0'><channel><item><title>Bomb &d;</title><link>https://evil.example/bomb</link></item></channel></rss>"
)
FILE_ENTITY = (
    '<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd">]><rss version="2.0"><channel><item>'
    "<title>File &x;</title><link>https://evil.example/file</link></item></channel></rss>"
)
OUTSIDE_ENTITY = FILE_ENTITY.replace("file:///etc/passwd", "http://{server}/fetched-by-a-parser").replace(
    "File", "Outside"
)
# Not well-formed, so that a loose parser would get it, and with a declaration.
LOOSE_ENTITY = "<rss version='2.0'><channel><item><title>Loose & wild</title><!ENTITY x 'y'></item></channel></rss>"
GZIP_BOMB = gzip.compress(b"<rss version='2.0'><channel>" + b" " * 60_000_000, 9)


def rss(*items: tuple[str, str]) -> str:
    """A feed of items of title and link, as they are: nothing is escaped."""
    rows = "".join(ITEM.format(title=title, link=link) for title, link in items)
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>t</title>{rows}</channel></rss>'


@dataclass
class Answer:
    """What a path gives.

    Args:
        parts: Sends the body by itself, for answers that never end; it may return early.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    parts: Callable[[Callable[[bytes], object], threading.Event], None] | None = None


def text(body: str, kind: str = "application/rss+xml") -> Answer:
    """A body of text."""
    return Answer(body.encode(), headers={"Content-Type": kind})


def moved(to: str, status: int = 302) -> Answer:
    """A redirect."""
    return Answer(status=status, headers={"Location": to})


@dataclass
class LocalServer:
    """A running server, and what it was asked."""

    port: int
    answers: dict[str, Answer]
    asked: list[tuple[str, str]]
    ended: threading.Event

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def serving(answers: dict[str, Answer], tls: ssl.SSLContext | None = None) -> Iterator[LocalServer]:
    """Serve the answers by path, in a thread."""
    asked: list[tuple[str, str]] = []
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.headers.get("Host", ""), self.path))
            answer = answers.get(self.path, Answer(b"not here", status=404))
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.parts is None:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            try:
                if answer.parts is not None:
                    answer.parts(self.wfile.write, ended)
                else:
                    self.wfile.write(answer.body)
            except OSError:
                return  # who asked has seen enough

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            """Nothing."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A broken handshake is what a test is about."""

    server = Quiet(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield LocalServer(server.server_address[1], answers, asked, ended)
    finally:
        ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
