"""Rewritten URLs keep host and path, whatever the nesting."""

from crypto_assets.clients.redirect import redirect_urls

BASE = "http://127.0.0.1:8899"


def test_hosts_become_the_first_segment_in_dicts_lists_and_web_sockets() -> None:
    urls = {
        "public": "https://api.binance.com/api/v3",
        "ws": {"spot": ["wss://stream.binance.com:9443/ws"]},
        "none": None,
    }
    assert redirect_urls(urls, None, BASE) == {
        "public": "http://127.0.0.1:8899/api.binance.com/api/v3",
        "ws": {"spot": ["ws://127.0.0.1:8899/stream.binance.com/ws"]},
        "none": None,
    }


def test_ccxts_hostname_is_filled_in_first() -> None:
    assert redirect_urls("https://{hostname}", "www.okx.com", BASE) == "http://127.0.0.1:8899/www.okx.com"


def test_what_is_no_url_stays() -> None:
    assert redirect_urls("spot", None, BASE) == "spot"
