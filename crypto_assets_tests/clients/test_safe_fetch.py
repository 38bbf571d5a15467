"""Reading strangers' addresses: where was checked and nowhere else, so much and no more, within the time."""

from __future__ import annotations

import gzip
import socket
import ssl
import subprocess
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from crypto_assets.clients.addresses import UnsafeAddress
from crypto_assets.clients.failures import Malformed, NotListed, Rejected, Throttled, Unavailable
from crypto_assets.clients.safe_fetch import Limits, SafeFetch, TooLarge
from crypto_assets_tests.clients.hostile import GZIP_BOMB, Answer, LocalServer, moved, serving, text

PUBLIC, OTHER = "93.184.216.34", "8.8.8.8"
LIMITS = Limits(most_bytes=100_000, connect_seconds=2, read_seconds=2, overall_seconds=5)


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with serving({}) as running:
        yield running


@pytest.fixture(autouse=True)
def _forgets(server: LocalServer) -> None:
    server.answers.clear()
    server.asked.clear()


class Net:
    """An internet of one server: every public address leads to it, and who was dialled is kept."""

    def __init__(self, server: LocalServer, resolve: Callable[[str, int], Sequence[str]] | None = None) -> None:
        self.dialled: list[tuple[str, int]] = []
        self._server = server
        self._resolve = resolve or (lambda _host, _port: [PUBLIC])

    def connect(self, address: str, port: int, seconds: float) -> socket.socket:
        self.dialled.append((address, port))
        return socket.create_connection(("127.0.0.1", self._server.port), seconds)

    def fetch(self, url: str, limits: Limits = LIMITS, tls: ssl.SSLContext | None = None) -> str:
        fetcher = SafeFetch(limits, resolve=self._resolve, connect=self.connect, tls=tls)
        return fetcher.fetch(url).body.decode()


def test_the_checked_address_is_connected_to_under_the_names_own_host_header(server: LocalServer) -> None:
    server.answers["/feed?a=1"] = text("hello")
    net = Net(server)
    assert net.fetch("http://feeds.example/feed?a=1#part") == "hello"
    assert net.dialled == [(PUBLIC, 80)]
    assert server.asked == [("feeds.example", "/feed?a=1")]
    assert net.fetch("http://feeds.example:8080/feed?a=1") == "hello"
    assert (net.dialled[-1], server.asked[-1][0]) == ((PUBLIC, 8080), "feeds.example:8080")


def test_a_name_that_resolves_otherwise_a_moment_later_leads_nowhere_else(server: LocalServer) -> None:
    server.answers["/feed"] = text("hello")
    answers = iter([[PUBLIC], ["127.0.0.1"], ["127.0.0.1"]])
    net = Net(server, lambda _host, _port: next(answers))
    assert net.fetch("http://rebinding.example/feed") == "hello"
    assert net.dialled == [(PUBLIC, 80)]  # the name was looked up once, and that address dialled
    with pytest.raises(UnsafeAddress, match=r"127\.0\.0\.1"):
        net.fetch("http://rebinding.example/feed")
    assert net.dialled == [(PUBLIC, 80)]


def test_the_next_checked_address_is_tried_where_one_does_not_answer(server: LocalServer) -> None:
    server.answers["/feed"] = text("hello")
    net = Net(server, lambda _host, _port: [OTHER, PUBLIC])
    connect = net.connect

    def refuses_the_first(address: str, port: int, seconds: float) -> socket.socket:
        made = connect(address, port, seconds)
        if address == OTHER:
            made.close()
            raise ConnectionRefusedError("nobody there")
        return made

    fetcher = SafeFetch(LIMITS, resolve=lambda _host, _port: [OTHER, PUBLIC], connect=refuses_the_first)
    assert fetcher.fetch("http://feeds.example/feed").body == b"hello"
    assert [address for address, _ in net.dialled] == [OTHER, PUBLIC]


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1/secret", "http://2130706433/secret", "http://0x7f.1/secret", "http://localhost/secret",
        "http://[::ffff:127.0.0.1]/secret", "//169.254.169.254/latest", "file:///etc/passwd", "ftp://feeds.example/x",
        "http://user:word@feeds.example/x", "http://inside.example/secret",
    ],
)  # fmt: skip
def test_a_redirect_is_judged_like_the_first_address(server: LocalServer, target: str) -> None:
    server.answers |= {"/feed": moved(target), "/secret": text("secret")}
    net = Net(server, lambda host, _port: ["10.0.0.7"] if host == "inside.example" else [PUBLIC])
    with pytest.raises(UnsafeAddress):
        net.fetch("http://feeds.example/feed")
    assert net.dialled == [(PUBLIC, 80)]
    assert [path for _, path in server.asked] == ["/feed"]


def test_redirects_are_followed_so_often_and_no_more(server: LocalServer) -> None:
    server.answers |= {f"/{step}": moved(f"/{step + 1}", 301 + step % 2) for step in range(9)}
    server.answers["/5"] = text("there")
    net = Net(server)
    assert net.fetch("http://feeds.example/0") == "there"
    server.answers["/5"] = moved("http://other.example/6")
    with pytest.raises(Rejected, match="more than 5 times"):
        net.fetch("http://feeds.example/0")
    server.answers["/loop"] = moved("/loop")
    server.asked.clear()
    with pytest.raises(Rejected, match="more than 5 times"):
        net.fetch("http://feeds.example/loop")
    assert len(server.asked) == 6


def test_a_body_is_bounded_as_it_travels_and_unpacked(server: LocalServer) -> None:
    packed = {"Content-Encoding": "gzip"}
    server.answers |= {
        "/just": Answer(b"x" * 100_000), "/over": Answer(b"x" * 100_001),
        "/packed": Answer(gzip.compress(b"x" * 100_000), headers=packed),
        "/swells": Answer(gzip.compress(b"x" * 100_001), headers=packed),
        "/bomb": Answer(GZIP_BOMB, headers=packed),
        "/zlib": Answer(zlib.compress(b"hello"), headers={"Content-Encoding": "deflate"}),
    }  # fmt: skip
    net = Net(server)
    assert len(net.fetch("http://feeds.example/just")) == len(net.fetch("http://feeds.example/packed")) == 100_000
    assert net.fetch("http://feeds.example/zlib") == "hello"
    assert len(GZIP_BOMB) < 100_000  # it is the unpacking that is refused
    for path in ("/over", "/swells", "/bomb"):
        with pytest.raises(TooLarge, match="more than 100,000 bytes"):
            net.fetch(f"http://feeds.example{path}")


def test_an_endless_body_ends_with_its_bound_and_a_slow_one_with_its_time(server: LocalServer) -> None:
    def endless(write: Callable[[bytes], object], ended: threading.Event) -> None:
        while not ended.is_set():
            write(b"x" * 10_000)

    def dripping(write: Callable[[bytes], object], ended: threading.Event) -> None:
        for _ in range(150):  # three seconds, were it not for the time that is set
            if not ended.wait(0.02):
                write(b"x")

    def silent(_write: Callable[[bytes], object], ended: threading.Event) -> None:
        ended.wait(20)

    server.answers |= {f"/{one.__name__}": Answer(parts=one) for one in (endless, dripping, silent)}
    net = Net(server)
    with pytest.raises(TooLarge):
        net.fetch("http://feeds.example/endless")
    quick = Limits(most_bytes=100_000, connect_seconds=1, read_seconds=0.2, overall_seconds=0.4)
    for path in ("dripping", "silent"):
        with pytest.raises(Unavailable, match="ReadTimeout"):
            net.fetch(f"http://feeds.example/{path}", quick)


@pytest.mark.parametrize("packing", ["br", "zstd", "gzip, gzip", "compress"])
def test_only_what_can_be_unpacked_in_bounds_is_read(server: LocalServer, packing: str) -> None:
    server.answers["/feed"] = Answer(gzip.compress(b"hello"), headers={"Content-Encoding": packing})
    with pytest.raises(Malformed, match="packs its answer"):
        Net(server).fetch("http://feeds.example/feed")


def test_broken_answers_are_told_apart(server: LocalServer) -> None:
    whole = gzip.compress(b"hello" * 100)
    server.answers |= {
        "/half": Answer(whole[:-12], headers={"Content-Encoding": "gzip"}),
        "/none": Answer(b"no gzip", headers={"Content-Encoding": "gzip"}),
        "/busy": Answer(status=429, headers={"Retry-After": "7"}), "/down": Answer(status=503),
        "/forbidden": Answer(status=403), "/lost": Answer(status=302),
    }  # fmt: skip
    net = Net(server)
    for path in ("/half", "/none"):
        with pytest.raises(Malformed):
            net.fetch(f"http://feeds.example{path}")
    with pytest.raises(Throttled) as throttled:
        net.fetch("http://feeds.example/busy")
    assert throttled.value.retry_after_seconds == 7
    for path, kind in (("/down", Unavailable), ("/forbidden", Rejected), ("/gone", NotListed), ("/lost", Rejected)):
        with pytest.raises(kind, match=r"feeds\.example"):
            net.fetch(f"http://feeds.example{path}")


def test_the_sandbox_stands_for_every_host_and_hides_no_unsafe_redirect(server: LocalServer) -> None:
    server.answers |= {
        "/feeds.example/feed?a=1": text("hello"),
        "/feeds.example/moved": moved("https://other.example/feed"), "/other.example/feed": text("there"),
        "/feeds.example/inside": moved(f"http://127.0.0.1:{server.port}/other.example/feed"),
        "/feeds.example/number": moved("http://2130706433/other.example/feed"),
    }  # fmt: skip

    def resolve(_host: str, _port: int) -> Sequence[str]:
        return pytest.fail("a name was looked up")

    fetcher = SafeFetch(LIMITS, sandbox_url=server.url, resolve=resolve)
    assert fetcher.fetch("https://feeds.example/feed?a=1").body == b"hello"
    assert fetcher.fetch("https://feeds.example/moved").url == "https://other.example/feed"
    for path in ("inside", "number"):
        with pytest.raises(UnsafeAddress):
            fetcher.fetch(f"https://feeds.example/{path}")
    with pytest.raises(UnsafeAddress):  # without a sandbox nothing leads to this machine
        SafeFetch(LIMITS).fetch(f"{server.url}/feeds.example/feed")


def test_certificates_are_checked_against_the_name_that_was_asked_for(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", key, "-out", certificate, "-subj", "/CN=feeds.example", "-addext", "subjectAltName=DNS:feeds.example"],
        check=True, capture_output=True,
    )  # fmt: skip
    serves, trusts = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=str(certificate))
    serves.load_cert_chain(certificate, key)
    answers = {"/feed": text("hello"), "/plain": moved("http://feeds.example/feed")}
    with serving(answers, serves) as server:
        net = Net(server)
        assert net.fetch("https://feeds.example/feed", tls=trusts) == "hello"
        assert net.dialled == [(PUBLIC, 443)]
        with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
            net.fetch("https://other.example/feed", tls=trusts)
        with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
            net.fetch("https://feeds.example/feed")  # what this machine trusts
        with pytest.raises(UnsafeAddress, match="from https to http"):
            net.fetch("https://feeds.example/plain", tls=trusts)
        assert [path for _, path in server.asked] == ["/feed", "/plain"]
