"""Sending a message to the addresses that CRYPTO_ASSETS_ALERT_URLS names, through apprise.

What belongs here: addresses, sending, and keeping what is secret in them out of everything else. What does not: what is said
and when (rounds.py).

Nearly every part of such an address may be a secret: of Telegram's and Discord's even the host is. So an address is shown as
its scheme and what apprise itself shows of the host, and what apprise says while it sends is caught, and cleaned of every
part of the address.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from crypto_assets.alerts.alert import Severity

if TYPE_CHECKING:
    from apprise import NotifyBase

_PLAIN_HOSTS = {"json", "jsons", "xml", "xmls", "form", "forms"}  # webhooks of one's own: the host says where
_CHATTY = ("apprise", "requests", "urllib3")  # their debug lines hold addresses
_SHORTEST_PART = 4  # shorter ones stand in every text


@dataclass(frozen=True)
class Message:
    """What is sent.

    Args:
        severity: None where something is over, or is only tried.
    """

    title: str
    body: str
    severity: Severity | None = None


@dataclass(frozen=True)
class Delivery:
    """What came of sending to one address.

    Args:
        address: As people may see it.
        why: Why it was not taken; empty where it was.
    """

    address: str
    why: str = ""

    @property
    def is_taken(self) -> bool:
        """Whether the address took it."""
        return not self.why


@dataclass(frozen=True)
class Address:
    """One address. Its secret is never shown.

    Args:
        place: Among those named, from 1 on.
    """

    place: int
    secret: SecretStr = field(repr=False)

    @property
    def name(self) -> str:
        """What the memory calls it: place and scheme."""
        return f"{self.place} {self._scheme}"

    def shown(self) -> str:
        """Scheme and place, as far as it is no secret."""
        plugin = _plugin(self.secret)
        if plugin is None:
            return f"{self._scheme}://…"
        try:
            if self._scheme in _PLAIN_HOSTS:
                return f"{self._scheme}://{_place(self.secret.get_secret_value())}/…"
            return f"{self._scheme}://{urlsplit(_shown_by_apprise(plugin)).netloc.rpartition('@')[2]}/…"
        except ValueError:  # apprise takes addresses that are none, as one with half of an IPv6 host
            return f"{self._scheme}://…"

    def send(self, message: Message) -> Delivery:
        """Send a message; an address that does not take it is no error, but said in the result."""
        shown, plugin = self.shown(), _plugin(self.secret)
        if plugin is None:
            return Delivery(shown, "apprise knows no such address; its documentation lists them by service")
        from apprise import NotifyFormat, NotifyType  # noqa: PLC0415 - half a second that few need

        kinds = {
            Severity.CRITICAL: NotifyType.FAILURE, Severity.WARNING: NotifyType.WARNING, None: NotifyType.SUCCESS
        }  # fmt: skip
        with _heard() as said:
            try:
                is_taken = plugin.notify(
                    title=message.title,
                    body=message.body,
                    notify_type=kinds.get(message.severity, NotifyType.INFO),
                    body_format=NotifyFormat.TEXT,
                )
            except Exception as error:  # noqa: BLE001 - a service's fault; the other addresses are to hear of it all the same
                return Delivery(shown, f"apprise failed with {type(error).__name__}")  # its text may hold the address
        if is_taken:
            return Delivery(shown)
        return Delivery(shown, _cleaned(said[-1] if said else "it was not taken", self.secret))

    @property
    def _scheme(self) -> str:
        scheme, there, _ = self.secret.get_secret_value().partition("://")
        return scheme.lower() if there and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]{0,30}", scheme) else "?"


@dataclass(frozen=True)
class AlertPost:
    """Where alerts go, and what they say of where they come from.

    Args:
        urls: Apprise addresses, separated by spaces; None for none.
        ui: Where people reach the web UI.
        profile: Whose alerts they are; all but live are named in each message.
    """

    urls: SecretStr | None
    ui: str
    profile: str

    def addresses(self) -> list[Address]:
        """Each address once, in the order in which they are named."""
        named = self.urls.get_secret_value().split() if self.urls is not None else []
        return [Address(place, SecretStr(url)) for place, url in enumerate(dict.fromkeys(named), 1)]

    @property
    def sender(self) -> str:
        """Who sends, as titles begin."""
        return "crypto_assets" if self.profile == "live" else f"crypto_assets ({self.profile})"


def _plugin(url: SecretStr) -> NotifyBase | None:
    from apprise import Apprise, AppriseAsset  # noqa: PLC0415 - as above

    asset = AppriseAsset(app_id="crypto_assets", app_desc="crypto_assets", app_url="", async_mode=False)
    with _heard():  # what it says of an address that it cannot read holds the address
        return Apprise.instantiate(url.get_secret_value(), asset=asset)


def _place(url: str) -> str:
    """Host and port of an address; no port where it cannot be one, as 99999, which apprise takes.

    Raises:
        ValueError: its host cannot be read.
    """
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = None
    return f"{parts.hostname or ''}{f':{port}' if port else ''}"


def _shown_by_apprise(plugin: NotifyBase) -> str:
    return str(plugin.url(privacy=True))  # type: ignore[no-untyped-call]  # it has no types


@contextmanager
def _heard() -> Iterator[list[str]]:
    """What these libraries log in the block, from warnings on; none of it goes anywhere else."""
    said: list[str] = []
    loggers = [logging.getLogger(name) for name in _CHATTY]
    before = [(one.level, one.propagate, list(one.handlers)) for one in loggers]
    ear = _Ear(said)
    for one in loggers:
        one.handlers, one.propagate = [ear], False
        one.setLevel(logging.WARNING)
    try:
        yield said
    finally:
        for one, (level, propagate, handlers) in zip(loggers, before, strict=True):
            one.handlers, one.propagate = handlers, propagate
            one.setLevel(level)


class _Ear(logging.Handler):
    """Keeps what it hears."""

    def __init__(self, said: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self._said.append(record.getMessage())


def _cleaned(text: str, secret: SecretStr) -> str:
    """A line without any part of an address. Pure."""
    url = secret.get_secret_value()
    parts = {url, unquote(url)}
    parts |= {part for whole in tuple(parts) for part in re.split(r"[/:@?&=+#,\s]+", whole)}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= _SHORTEST_PART:
            text = text.replace(part, "***")
    return " ".join(text.split())[:200]
