"""Pointing a client at another server: every URL keeps its host as the first segment of the path.

What belongs here: the rewriting of URLs, pure. What does not: which clients are redirected.
"""

from __future__ import annotations

from urllib.parse import urlsplit


def redirect_urls(urls: object, hostname: str | None, base: str) -> object:
    """The same structure of dicts and lists with each http(s) or ws(s) URL led to `base`.

    Args:
        urls: ccxt's `urls["api"]`: texts, nested in dicts and lists.
        hostname: What ccxt's `{hostname}` stands for.
        base: http://127.0.0.1:PORT.
    """
    if isinstance(urls, dict):
        return {key: redirect_urls(value, hostname, base) for key, value in urls.items()}
    if isinstance(urls, list):
        return [redirect_urls(value, hostname, base) for value in urls]
    return _redirect(urls.replace("{hostname}", hostname or ""), base) if isinstance(urls, str) else urls


def _redirect(url: str, base: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https", "ws", "wss"} or not parts.hostname:
        return url
    scheme = "ws" if parts.scheme.startswith("ws") else "http"
    return f"{scheme}://{urlsplit(base).netloc}/{parts.hostname}{parts.path}"
