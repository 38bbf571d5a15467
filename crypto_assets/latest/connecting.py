"""A connection to Redis, and what is wrong with one in words that hold no password.

What belongs here: making a client with short time-outs, and naming failures. What does not: what is asked or told. The driver
is imported when it is used: who names no Redis need not wait for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from pydantic import SecretStr

from crypto_assets.errors import CryptoAssetsError

if TYPE_CHECKING:
    from redis import Redis

# A Redis answers within a millisecond; one that takes a second is of no use for what is newest.
CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 1.0
CLIENT_NAME = "crypto_assets"
SETTING = "CRYPTO_ASSETS_REDIS_URL"


class RedisAway(CryptoAssetsError):
    """Redis does not answer, or refuses. The text names host and port, never the password."""


class RedisRefused(RedisAway):
    """Redis answers and wants another user or password, or does not allow what is asked."""


def dial(url: SecretStr, *, setting: str = SETTING) -> Redis:
    """A client; it connects when it is first used, and tries nothing twice by itself.

    Args:
        setting: Which one holds the address, for the way out.

    Raises:
        RedisAway: the address cannot be read.
    """
    from redis import Redis  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415
    from redis.retry import Retry  # noqa: PLC0415

    try:
        client: Redis = Redis.from_url(
            url.get_secret_value(),
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 0),
            client_name=CLIENT_NAME,
            protocol=2,  # what we say is the same in both, and every proxy knows this one
        )
    except (ValueError, TypeError):  # the message of the parser may hold the address, and with it the password
        raise RedisAway(
            f"The address of Redis at {place_of(url)} cannot be read",
            way_out=f"{setting} reads redis://user:password@host:port/number.",
        ) from None
    return client


def failures() -> tuple[type[Exception], ...]:
    """What a client raises where Redis is away or refuses."""
    from redis.exceptions import RedisError  # noqa: PLC0415

    return (RedisError, OSError)


def named(error: Exception, url: SecretStr, *, setting: str = SETTING) -> RedisAway:
    """What is wrong, as an error of ours; its way out names the setting that holds the address."""
    from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError  # noqa: PLC0415

    said = without_password(" ".join(str(error).split())[:300].rstrip(".") or type(error).__name__, url)
    is_refusal = isinstance(error, AuthenticationError | NoPermissionError) or (
        isinstance(error, ResponseError) and said.startswith(("NOAUTH", "WRONGPASS", "NOPERM"))
    )
    if is_refusal or "Authentication required" in said:
        return RedisRefused(
            f"Redis at {place_of(url)} refuses us: {said}",
            way_out=f"Correct user and password in {setting}, or what the user is allowed.",
        )
    return RedisAway(f"Redis at {place_of(url)} is away: {said}", way_out="See whether it runs and is reached.")


def place_of(url: SecretStr) -> str:
    """host:port, without user and password."""
    try:
        parts = urlsplit(url.get_secret_value())
        host, port = parts.hostname, parts.port
    except ValueError:
        return "an address that cannot be read"
    return f"{host or 'localhost'}:{port or 6379}" if parts.scheme != "unix" else "a socket of this machine"


def without_password(said: str, url: SecretStr) -> str:
    """A text in which no part of the address stands that is secret."""
    text = url.get_secret_value()
    authority = text.partition("://")[2].rpartition("@")[0]
    password = authority.partition(":")[2]
    query = [part.partition("=")[2] for part in text.partition("?")[2].split("&") if part.startswith("password=")]
    for secret in (
        text,
        authority,
        *(form for one in (password, *query) for form in (one, unquote(one), quote(unquote(one), safe=""))),
    ):
        if secret:
            said = said.replace(secret, "***")
    return said


__all__ = [
    "ANSWER_SECONDS", "CONNECT_SECONDS", "SETTING", "RedisAway", "RedisRefused", "dial", "failures", "named", "place_of",
    "without_password",
]  # fmt: skip
