"""One round of telling: what is due becomes messages, not too many, and each is claimed before it is sent.

What belongs here: the order of things, the limit by the hour and the words. What does not: statements (memory.py), addresses
(post.py) and what is an alert.

A process that dies between claiming and sending leaves an alert untold for five minutes; one that dies between sending and
noting it tells it twice. An address that fails is tried again by the next round, alone: those that took the message are not
sent it again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
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
        messages: That every address took.
        told: Alerts that these speak of.
        failed: What came of each address that did not take one.
        waiting: Alerts left to a later round: too many messages, or too little time.
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
    began = clock()
    with warehouse.connect() as connection:
        due = memory.due(connection, timedelta(hours=rules.repeat_hours), now)
        free = rules.most_an_hour - memory.sent_since(connection, now - _HOUR)
    done, failed = list[int](), list[Delivery]()
    for group in grouped(due, free):
        if clock() - began > SEND_SECONDS:
            break
        with warehouse.connect() as connection:
            ours = memory.claim(connection, group, now)
        if not ours:
            continue
        message = message_of(ours, post.sender, post.ui, now)
        failures = _send(warehouse, message, ours, addresses, now)
        failed += failures
        if not failures:
            done.append(len(ours))
    return Round(len(done), sum(done), failed, len(due) - sum(done))


def _send(
    warehouse: Warehouse, message: Message, alerts: Sequence[Due], addresses: Sequence[Address], now: datetime
) -> list[Delivery]:
    """Send to each address that has not taken all of it, and remember what came of it; the failures."""
    had = frozenset.intersection(*(one.taken_by for one in alerts))
    deliveries = {address.name: address.send(message) for address in addresses if address.name not in had}
    failures = [one for one in deliveries.values() if not one.is_taken]
    taken = [name for name, one in deliveries.items() if one.is_taken]
    with warehouse.connect() as connection:
        if failures:
            memory.not_told(connection, alerts, len(failures), taken)
        else:
            memory.told(connection, alerts, message.title, now)
    return failures
