"""Providers over plain HTTP: failures by their class, bounded bodies, and secrets that stand nowhere."""

import gzip
import json
import logging
import socket
import traceback
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from crypto_assets.clients.failures import Malformed, NotListed, ProviderError, Rejected, Throttled, Unavailable
from crypto_assets.clients.http import Blocked, HttpProvider
from crypto_assets.clients.transport import RetryPolicy, Transport
from crypto_assets_tests.clients.gecko_answers import Reply, Stub, stub_server

URL = "https://api.example.org/v1/things"
KEY = "canary-0123456789abcdef"
ONE_TRY = RetryPolicy(attempts=1, breaker_failures=99)
TWO_TRIES = RetryPolicy(attempts=2, first_pause_seconds=0.0, max_pause_seconds=0.0, breaker_failures=99)


@pytest.fixture
def stub() -> Iterator[Stub]:
    with stub_server("/api.example.org/") as stub:
        yield stub


def _http(url: str, policy: RetryPolicy = ONE_TRY, **more: int) -> HttpProvider:
    transport = Transport("example", requests_per_second=10_000, policy=policy, sleep=lambda _: None)
    return HttpProvider(transport, sandbox_url=url, secrets=[SecretStr(KEY)], **more)


def _told(error: BaseException) -> str:
    """All that a log, or Dagster, would show of an error: its whole chain."""
    return "".join(traceback.format_exception(error))


def test_json_text_and_what_is_posted(stub: Stub) -> None:
    http = _http(stub.url)
    stub.say(Reply({"value": 7}))
    assert http.get_json(URL, {"a": 1, "b": "x y"}, lambda found: found) == {"value": 7}
    assert (stub.asked[0].path, stub.asked[0].query) == ("v1/things", {"a": "1", "b": "x y"})
    stub.say(Reply("é€".encode()))
    assert http.get_text(URL, {}, str) == "é€"
    stub.say(Reply([1]))
    assert http.post_json(URL, {"method": "x"}, lambda found: found) == [1]
    assert json.loads(stub.asked[2].body) == {"method": "x"}
    http.close()
    assert http.get_json(URL, {}, lambda found: found) == [1]  # a new connection
    http.close()


def test_an_address_keeps_its_own_query_where_nothing_is_added() -> None:
    with stub_server("/") as stub:
        stub.say(Reply([1]))
        transport = Transport("node", requests_per_second=10_000, policy=ONE_TRY, sleep=lambda _: None)
        http = HttpProvider(transport)
        assert http.post_json(f"{stub.url}/rpc?key={KEY}", {}, lambda found: found) == [1]
        http.close()
    assert (stub.asked[0].path, stub.asked[0].query) == ("rpc", {"key": KEY})


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (301, Rejected), (400, Rejected), (401, Blocked), (403, Blocked), (404, NotListed), (408, Unavailable),
        (418, Throttled), (429, Throttled), (451, Blocked), (500, Unavailable), (503, Unavailable),
    ],
)  # fmt: skip
def test_a_status_decides_the_class(stub: Stub, status: int, expected: type[ProviderError]) -> None:
    stub.say(Reply(b"no", status, {"Location": "http://127.0.0.1:1/", "Retry-After": "7"}))
    with pytest.raises(expected) as caught:
        _http(stub.url).get_json(URL, {}, lambda found: found)
    assert type(caught.value) is expected
    assert str(status) in str(caught.value)
    if isinstance(caught.value, Throttled):
        assert caught.value.retry_after_seconds == 7
    assert len(stub.asked) == 1  # a redirect is not followed


@pytest.mark.parametrize("body", [b"<html>", b"", b"{", b"\xff\xfe", b"[" * 100_000, b"1" * 5000])
def test_what_is_no_json_is_malformed_and_kept(stub: Stub, body: bytes) -> None:
    stub.say(Reply(body))
    with pytest.raises(Malformed, match="example: expected JSON") as caught:
        _http(stub.url).get_json(URL, {}, lambda found: found)
    assert caught.value.payload == (body[:10_000].decode("utf-8", "replace") or None)
    stub.say(Reply(b"\xff\xfe"))
    with pytest.raises(Malformed, match="expected UTF-8"):
        _http(stub.url).get_text(URL, {}, str)


def test_a_body_is_read_up_to_its_bound_whatever_it_is_packed_in(stub: Stub) -> None:
    stub.say(Reply(b"x" * 1001))
    with pytest.raises(Malformed, match="at most 1,000 bytes"):
        _http(stub.url, most_bytes=1000).get_text(URL, {}, str)
    stub.say(Reply(gzip.compress(b"x" * 1_000_000), headers={"Content-Encoding": "gzip"}))
    with pytest.raises(Malformed, match="at most 1,000 bytes"):
        _http(stub.url, most_bytes=1000).get_text(URL, {}, str)
    stub.say(Reply(b"no gzip", headers={"Content-Encoding": "gzip"}))
    with pytest.raises(Malformed, match="unpacked"):
        _http(stub.url).get_text(URL, {}, str)


def test_what_a_reader_refuses_is_asked_for_again(stub: Stub) -> None:
    def read(found: object) -> object:
        if found != {"well": True}:
            raise Malformed("not yet")
        return found

    stub.say(Reply({}), Reply({"well": True}))
    assert _http(stub.url, TWO_TRIES).get_json(URL, {}, read) == {"well": True}
    assert len(stub.asked) == 2


def test_a_key_stands_in_no_failure_and_no_log(stub: Stub, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    params = {"api_key": KEY}
    said = f"Bad key {KEY} in /v1?api_key={KEY}".encode()
    told = []
    for reply in (Reply(said, 400), Reply(said, 403), Reply(said, 500), Reply(said, 429), Reply(said), Reply(cut=True)):
        stub.say(reply)
        with pytest.raises(ProviderError) as caught:
            _http(stub.url).get_json(URL, params, lambda found: found)
        told += [_told(caught.value), str(getattr(caught.value, "payload", ""))]
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with pytest.raises(Unavailable) as refused:  # nobody listens there any more
        _http(f"http://127.0.0.1:{port}").get_json(URL, params, lambda found: found)
    told.append(_told(refused.value))
    stub.say(Reply({"value": 1}))
    _http(stub.url).get_json(URL, params, lambda found: found)
    assert stub.asked[-1].query == params  # it was really sent
    assert KEY not in "\n".join([*told, caplog.text])
    assert any("***" in one for one in told)
