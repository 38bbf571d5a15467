"""One round of telling: what is due becomes messages, not too many, and each is claimed before it is sent.

What belongs here: the order of things, the limit by the hour and the words. What does not: statements (memory.py), addresses
(post.py) and what is an alert.

A process that dies between claiming and sending leaves an alert untold for five minutes; one that dies between sending and
noting it tells it twice. An address that fails is left alone for the rest of the round, and tried again by the next one,
alone: each address is sent just what it has not taken, so one that is dead neither silences the others nor floods them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from crypto_assets.alerts import memory
from crypto_assets.alerts.alert import KINDS
from crypto_assets.alerts.memory import Due
from crypto_assets.alerts.post import Address, AlertPost, Delivery, Message
from crypto_assets.universe_operations import AlertRules
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.lease import LeaseTaken, lease

SEND_SECONDS = 25.0  # a round sends no longer: Dagster ends a sensor's tick after 60, and the rest is the next one's
_HOUR = timedelta(hours=1)
_LISTED = 30  # alerts that a message lists


@dataclass(frozen=True)
class Round:
    """What came of a round.

    Args:
        messages: That an address took.
        told: Alerts that these speak of.
        failed: What came of each address that did not take one; it was not asked again in this round.
        waiting: Alerts left to a later round: too many messages, too little time, or an address has not taken them.
        is_elsewhere: Whether another process was at it.
    """

    messages: int = 0
    told: int = 0
    failed: Sequence[Delivery] = field(default_factory=list)
    waiting: int = 0
    is_elsewhere: bool = False


def tell(
    warehouse: Warehouse,
    rules: AlertRules,
    post: AlertPost,
    now: datetime,
    clock: Callable[[], float] = time.monotonic,
) -> Round:
    """Tell what is due to every address.

    Args:
        warehouse: Where alerts are remembered.
        rules: How often.
        post: To whom.
        now: The present, UTC.
        clock: Seconds of some clock, for how long the round may send.

    Raises:
        DatabaseUnreachable, NotMigrated: as for `Warehouse.connect`.
    """
    addresses = post.addresses()
    if not addresses:
        return Round()
    try:
        with lease(warehouse, "alerts", wait=False):
            return _tell(warehouse, rules, post, addresses, now, clock)
    except LeaseTaken:
        return Round(is_elsewhere=True)


def grouped(due: Sequence[Due], free: int) -> list[Sequence[Due]]:
    """Messages of what is due, no more than `free`: one an alert as long as they reach, the rest in one. Pure."""
    if free <= 0:
        return []
    if len(due) <= free:
        return [[one] for one in due]
    return [*([one] for one in due[: free - 1]), due[free - 1 :]]


def by_lack(addresses: Sequence[Address], due: Sequence[Due]) -> list[tuple[Sequence[Address], Sequence[Due]]]:
    """Addresses that lack the same, with what they lack; those that lack least, who are up to date, come first. Pure."""
    lacking: dict[tuple[Due, ...], list[Address]] = {}
    for address in addresses:
        lacked = tuple(one for one in due if address.name not in one.taken_by)
        if lacked:
            lacking.setdefault(lacked, []).append(address)
    return sorted(((same, lacked) for lacked, same in lacking.items()), key=lambda one: len(one[1]))


def message_of(alerts: Sequence[Due], sender: str, ui: str, now: datetime) -> Message:
    """The words of a message. Pure."""
    if len(alerts) == 1:
        one = alerts[0]
        if one.is_over:
            lasted = length_text((one.until or now) - one.since)
            why = KINDS[one.kind].ends if one.kind in KINDS else ""
            body = f"{why} It lasted {lasted}, since {one.since:%Y-%m-%d %H:%M} UTC.\n\n{one.link}"
            return Message(f"{sender}: over: {one.title}", body)
        since = f"Since {one.since:%Y-%m-%d %H:%M} UTC, {length_text(now - one.since)} ago."
        return Message(f"{sender}: {one.title}", f"{one.body}\n{since}\n\n{one.link}", one.severity)
    lines = [f"- {'over: ' if one.is_over else ''}{one.title}" for one in alerts[:_LISTED]]
    if len(alerts) > _LISTED:
        lines.append(f"- and {len(alerts) - _LISTED} more")
    said = "\n".join(lines)
    body = f"More came than are told one by one.\n\n{said}\n\nWay out: crypto-assets alerts list\n{ui}/overview"
    is_open = [one.severity for one in alerts if not one.is_over]
    return Message(f"{sender}: {len(alerts)} alerts", body, is_open[0] if is_open else None)


def length_text(length: timedelta) -> str:
    """A length of time in its largest unit. Pure."""
    seconds = max(0.0, length.total_seconds())
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def _tell(
    warehouse: Warehouse,
    rules: AlertRules,
    post: AlertPost,
    addresses: Sequence[Address],
    now: datetime,
    clock: Callable[[], float],
) -> Round:
    telling = _Telling(warehouse, rules, post, addresses, now)
    ends = clock() + SEND_SECONDS
    due = telling.due()
    for same, lacked in by_lack(addresses, due):
        for group in grouped(lacked, telling.free()):
            asked = [address for address in same if address not in telling.dead]
            if not asked or clock() > ends:
                break
            telling.send(group, asked)
    return telling.round(len(due))


class _Telling:
    """A round at work: what each address has taken so far, and which of them failed."""

    def __init__(
        self, warehouse: Warehouse, rules: AlertRules, post: AlertPost, addresses: Sequence[Address], now: datetime
    ) -> None:
        self._warehouse, self._rules, self._post, self._now = warehouse, rules, post, now
        self._everybody = {address.name for address in addresses}
        self._taken_by: dict[tuple[str, str], frozenset[str]] = {}
        self._told: set[tuple[str, str]] = set()
        self._messages = 0
        self.dead: dict[Address, Delivery] = {}

    def due(self) -> list[Due]:
        """What is due; what all addresses that are left have taken is told, and is noted as that."""
        with self._warehouse.connect() as connection:
            due = memory.due(connection, timedelta(hours=self._rules.repeat_hours), self._now)
            self._taken_by = {_name(one): one.taken_by for one in due}
            told = [one for one in due if self._is_done(one)]
            memory.sent(connection, told, "", self._now, taken=(), failures=0, everybody=self._everybody)
        return [one for one in due if not self._is_done(one)]

    def free(self) -> int:
        """How many messages may go out."""
        with self._warehouse.connect() as connection:
            return self._rules.most_an_hour - memory.sent_since(connection, self._now - _HOUR)

    def send(self, group: Sequence[Due], addresses: Sequence[Address]) -> None:
        """Claim, send to these, none of which has taken any of it, and remember what came of it."""
        with self._warehouse.connect() as connection:
            claimed = memory.claim(connection, group, self._now)
        if not claimed:
            return
        ours = [replace(one, taken_by=self._taken_by[_name(one)]) for one in claimed]
        message = message_of(ours, self._post.sender, self._post.ui, self._now)
        deliveries = {address: _delivery(address, message) for address in addresses}
        failed = {address: one for address, one in deliveries.items() if not one.is_taken}
        taken = [address.name for address in addresses if address not in failed]
        with self._warehouse.connect() as connection:
            after = memory.sent(
                connection, ours, message.title, self._now, taken=taken, failures=len(failed), everybody=self._everybody
            )
        self._taken_by |= {_name(one): one.taken_by for one in after}
        self.dead |= failed
        if taken:
            self._messages += 1
            self._told |= {_name(one) for one in ours}

    def round(self, due: int) -> Round:
        """What came of it, of so many that were due."""
        done = sum(self._taken_by[name] >= self._everybody for name in self._told)
        return Round(self._messages, len(self._told), list(self.dead.values()), due - done)

    def _is_done(self, one: Due) -> bool:
        return self._taken_by[_name(one)] >= self._everybody


def _name(one: Due) -> tuple[str, str]:
    return one.kind, one.subject


def _delivery(address: Address, message: Message) -> Delivery:
    """What came of sending; whatever goes wrong with one address, the others are to hear of it, and it is to be noted."""
    try:
        return address.send(message)
    except Exception as error:  # noqa: BLE001 - as above; its text may hold the address
        return Delivery(address.name, f"sending failed with {type(error).__name__}")
