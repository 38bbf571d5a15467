"""Which addresses may be asked: public ones alone, however another is dressed up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.clients.addresses import UnsafeAddress, is_public, literal, public_addresses, take_apart
from crypto_assets.clients.failures import Unavailable

PUBLIC = "93.184.216.34"


@pytest.mark.parametrize(
    "url",
    [
        "http://2130706433/", "http://0x7f000001/", "http://0x7f.1/", "http://0177.0.0.1/", "http://127.1/", "http://0/",
        "http://①②⑦.①/", "http://example.com.0x7f/", "http://134744072/",
        "http://localhost/", "http://LOCALHOST./", "http://feeds.localhost/",
        "http://127.0.0.1/", "http://127.0.0.1:80/", "http://10.0.0.1/", "http://192.168.1.1/", "http://169.254.169.254/",
        "http://100.64.0.1/", "http://0.0.0.0/", "http://224.0.0.1/", "http://255.255.255.255/", "http://240.0.0.1/",
        "http://[::1]/", "http://[::]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[::127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/", "http://[fe80::1%25eth0]/", "http://[fc00::1]/",
        "http://[ff0e::1]/", "http://[2001:0:7f00:1::]/",
        "ftp://example.com/", "file:///etc/passwd", "javascript:alert(1)", "gopher://example.com/", "//example.com/", "",
        "http://user@example.com/", "http://user:word@example.com/", "http://example.com\\@127.0.0.1/", "http://@example.com/",
        "http://exa mple.com/", "http://example.com/\r\nHost: other", "http://example.com/\0", "http://example.com:0/",
        "http://example.com:99999/", "http://example.com:x/", "http:///path", "http://[::1/", "http://example..com/",
        "http://" + "a" * 64 + ".com/", "http://example.com/" + "a" * 2_000, "http://example.com/ü",
    ],
)  # fmt: skip
def test_what_is_not_public_is_refused_before_anything_is_asked(url: str) -> None:
    with pytest.raises(UnsafeAddress):
        public_addresses(take_apart(url), lambda _host, _port: [PUBLIC])


def test_a_sound_address_is_taken_apart() -> None:
    one = take_apart("HTTPS://Bücher.Example./feed?a=1#part")
    assert (one.scheme, one.host, one.port, one.target) == ("https", "xn--bcher-kva.example", 443, "/feed?a=1")
    assert one.url == "https://xn--bcher-kva.example/feed?a=1"
    assert take_apart("http://example.com").target == "/"
    assert take_apart("http://example.com:8080/x").url == "http://example.com:8080/x"
    assert public_addresses(take_apart("http://8.8.8.8/"), lambda _host, _port: pytest.fail("looked up")) == (
        "8.8.8.8",
    )
    assert is_public(literal("::ffff:8.8.8.8") or pytest.fail("no address"))
    assert is_public(literal("64:ff9b::808:808") or pytest.fail("no address"))
    assert is_public(literal("2606:4700:4700::1111") or pytest.fail("no address"))


def test_a_name_with_one_private_face_is_refused_as_a_whole() -> None:
    address = take_apart("http://feeds.example/")
    assert public_addresses(address, lambda _host, _port: [PUBLIC, PUBLIC, "8.8.8.8"]) == (PUBLIC, "8.8.8.8")
    for other in ("127.0.0.1", "::1", "fe80::1%eth0", "no address", "10.0.0.1"):
        with pytest.raises(UnsafeAddress, match="no public address"):
            public_addresses(address, lambda _host, _port, other=other: [PUBLIC, other])
    with pytest.raises(Unavailable, match="does not resolve"):
        public_addresses(address, lambda _host, _port: [])


@given(st.text(max_size=60))
def test_any_text_is_either_taken_apart_or_refused(text: str) -> None:
    for url in (text, f"http://{text}", f"https://example.com/{text}"):
        try:
            taken = take_apart(url)
        except UnsafeAddress:
            continue
        assert take_apart(taken.url) == taken


@given(st.integers(0, 2**32 - 1))
def test_an_ipv4_address_is_judged_alike_in_all_its_forms(number: int) -> None:
    plain = literal(".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0)))
    assert plain is not None
    for prefix in ("::ffff:", "64:ff9b::"):
        inner = literal(f"{prefix}{number >> 16:x}:{number & 0xFFFF:x}")
        assert inner is not None
        assert is_public(inner) == is_public(plain)
