"""What is remembered of alerts, for all processes and restarts: ops.alerts, its messages and silences.

What belongs here: the statements. What does not: what is an alert (findings.py) and the order of a round (rounds.py).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pandas as pd
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name
from sqlalchemy import select

from crypto_assets.alerts.alert import KINDS, Alert, Kind, Severity
from crypto_assets.schema.alerts import alerts
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

# Whoever claimed an alert and was killed gives it back after this; telling one takes seconds.
CLAIM = timedelta(minutes=5)
KEPT = timedelta(days=30)  # that messages and alerts that are over are remembered

_SEEN = """
INSERT INTO ops.alerts AS a (kind, subject, state, severity, title, body, link, first_at, last_at, rounds)
VALUES (%(kind)s, %(subject)s, 'open', %(severity)s, %(title)s, %(body)s, %(link)s, least(%(since)s, %(now)s), %(now)s, 1)
ON CONFLICT (kind, subject) DO UPDATE
   SET state = 'open', severity = excluded.severity, title = excluded.title, body = excluded.body, link = excluded.link,
       first_at = CASE WHEN a.state = 'open' THEN least(a.first_at, excluded.first_at) ELSE excluded.first_at END,
       rounds = CASE WHEN a.state = 'open' THEN a.rounds + 1 ELSE 1 END,
       taken_by = CASE WHEN a.state = 'open' THEN a.taken_by ELSE '{}' END,
       told_at = CASE WHEN a.state = 'over' AND a.taken_by <> '{}' THEN NULL ELSE a.told_at END,
       last_at = excluded.last_at, over_at = NULL
"""
_ENDED = """
UPDATE ops.alerts SET state = 'over', over_at = %(now)s, taken_by = '{}'
 WHERE kind = %(kind)s AND state = 'open' AND subject <> ALL (%(subjects)s) AND last_at <= %(now)s - %(calm)s
"""
# An alert that some address still lacks stays due; once it is to be repeated, every address lacks it.
_DUE = """
SELECT a.kind, a.subject, a.state, a.severity, a.title, a.body, a.link, a.first_at, a.over_at,
       CASE WHEN a.state = 'open' AND a.told_at <= %(now)s - %(repeat)s THEN '{}' ELSE a.taken_by END
  FROM ops.alerts a
 WHERE CASE WHEN a.state = 'open' THEN a.told_at IS NULL OR a.told_at <= %(now)s - %(repeat)s OR a.taken_by <> '{}'
            ELSE a.told_at IS NOT NULL AND a.kind = ANY (%(with_end)s) END
   AND (a.claimed_at IS NULL OR a.claimed_at <= %(now)s - %(claim)s)
   AND NOT EXISTS (SELECT FROM ops.alert_silences s
                    WHERE s.kind = a.kind AND s.subject IN ('', a.subject) AND s.until > %(now)s)
 ORDER BY a.state, array_position(ARRAY['critical', 'warning', 'notice'], a.severity), a.first_at, a.kind, a.subject
"""
_CLAIM = """
UPDATE ops.alerts SET claimed_at = %(now)s
 WHERE kind = %(kind)s AND subject = %(subject)s AND state = %(state)s
   AND (claimed_at IS NULL OR claimed_at <= %(now)s - %(claim)s)
"""
# An end stays due, by its told_at, until the last address has taken it.
_SENT = """
UPDATE ops.alerts SET claimed_at = NULL, failed_deliveries = failed_deliveries + %(failures)s, taken_by = %(taken)s,
       times_told = times_told + %(is_first)s::integer,
       told_at = CASE WHEN %(state)s = 'over' THEN CASE WHEN NOT %(is_done)s THEN told_at END
                      WHEN %(is_first)s THEN %(now)s
                      WHEN %(is_known)s THEN coalesce(told_at, %(now)s) ELSE told_at END
 WHERE kind = %(kind)s AND subject = %(subject)s
"""
_SILENCE = """
INSERT INTO ops.alert_silences (kind, subject, until, silenced_by) VALUES (%s, %s, %s, %s)
ON CONFLICT (kind, subject) DO UPDATE SET until = excluded.until, silenced_by = excluded.silenced_by
"""


@dataclass(frozen=True)
class Due:
    """An alert that is to be told now, or its end.

    Args:
        is_over: Whether it is its end that is to be told.
        until: When it was found over; None while it lasts.
        taken_by: Addresses that took it already, by name, while others failed.
    """

    kind: str
    subject: str
    is_over: bool
    severity: Severity
    title: str
    body: str
    link: str
    since: datetime
    until: datetime | None
    taken_by: frozenset[str]

    def key(self) -> dict[str, object]:
        """For statements: which row, as it was seen."""
        return {"kind": self.kind, "subject": self.subject, "state": "over" if self.is_over else "open"}


def observe(connection: Connection, kind: Kind, found: Sequence[Alert], ui: str, now: datetime) -> None:
    """Remember what was found of a kind, and that the rest of it is over.

    Args:
        connection: In a transaction, which the caller commits.
        kind: Which was looked for, and all of it: what is not among those found is no more.
        found: Each subject once.
        ui: Where people reach the web UI.
        now: The present, UTC.
    """
    with connection.cursor() as cursor:
        for one in sorted(
            found, key=lambda alert: alert.subject
        ):  # one order for all, so that two rounds do not dead-lock
            told = {"kind": kind.name, "subject": one.subject, "severity": one.severity.value, "title": one.title}
            more = {"body": one.body(), "link": f"{ui}{one.path}", "since": one.since, "now": now}
            cursor.execute(_SEEN, told | more)
        subjects = [one.subject for one in found]
        cursor.execute(_ENDED, {"kind": kind.name, "subjects": subjects, "now": now, "calm": kind.calm})


def due(connection: Connection, repeat: timedelta, now: datetime) -> list[Due]:
    """What is to be told now, the worst first and what is over last; nothing that is silenced, or claimed by another."""
    with_end = [kind.name for kind in KINDS.values() if kind.ends]
    with connection.cursor() as cursor:
        cursor.execute(_DUE, {"now": now, "repeat": repeat, "claim": CLAIM, "with_end": with_end})
        return [_due(*row) for row in cursor.fetchall()]


def claim(connection: Connection, chosen: Sequence[Due], now: datetime) -> list[Due]:
    """Those of them that are ours to tell now; others were claimed meanwhile, or have changed. The caller commits."""
    ours = []
    with connection.cursor() as cursor:
        for one in chosen:
            cursor.execute(_CLAIM, one.key() | {"now": now, "claim": CLAIM})
            if cursor.rowcount:
                ours.append(one)
    return ours


def sent(
    connection: Connection,
    message: Sequence[Due],
    title: str,
    now: datetime,
    *,
    taken: Collection[str],
    failures: int,
    everybody: Collection[str],
) -> list[Due]:
    """Remember what came of sending a message that speaks of these. It counts by the hour once, however late some take it.

    Args:
        message: With the addresses that had taken each before.
        taken: Addresses that took it now.
        failures: How many did not.
        everybody: Every address there is: an alert that all of them have taken is told.

    Returns:
        The same, with the addresses that have taken each now.
    """
    after = [replace(one, taken_by=one.taken_by | set(taken)) for one in message]
    with connection.cursor() as cursor:
        for before, one in zip(message, after, strict=True):
            is_done = one.taken_by.issuperset(everybody)
            marks = {
                "is_done": is_done,
                "is_first": not before.taken_by and bool(taken),
                "is_known": bool(one.taken_by),
            }
            left = [] if is_done else sorted(one.taken_by)
            cursor.execute(_SENT, one.key() | marks | {"now": now, "failures": failures, "taken": left})
        if taken and not all(one.taken_by for one in message):
            cursor.execute(
                "INSERT INTO ops.alert_messages (sent_at, alerts, title) VALUES (%s, %s, %s)",
                (now, len(message), title),
            )
    return after


def sent_since(connection: Connection, moment: datetime) -> int:
    """How many messages went out since a moment."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM ops.alert_messages WHERE sent_at > %s", (moment,))
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def silence(warehouse: Warehouse, kind: Kind, subject: str, until: datetime, by: str) -> None:
    """Tell nobody of a kind, or of one subject of it, until a moment; the newest word counts.

    Args:
        subject: Empty for every one.
        by: Who wants it.
    """
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_SILENCE, (kind.name, subject, until, by))


def remembered(warehouse: Warehouse, *, with_over: bool) -> pd.DataFrame:
    """Alerts as they stand, open ones first, then the newest: the columns of ops.alerts.

    Args:
        with_over: Those that are over, too.
    """
    c = alerts.c
    statement = select(*alerts.columns).order_by(c.state, c.last_at.desc(), c.kind, c.subject)
    return read_frame(warehouse, statement if with_over else statement.where(c.state == "open"))


def counts(connection: Connection) -> dict[str, int]:
    """Open alerts by kind."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT kind, count(*) FROM ops.alerts WHERE state = 'open' GROUP BY kind ORDER BY kind")
        return {kind: int(count) for kind, count in cursor.fetchall()}


def _due(  # noqa: PLR0913, PLR0917 - the columns of the statement
    kind: str,
    subject: str,
    state: str,
    severity: str,
    title: str,
    body: str,
    link: str,
    since: datetime,
    until: datetime | None,
    taken_by: Sequence[str],
) -> Due:
    ended = until.astimezone(UTC) if until is not None else None
    begun = since.astimezone(UTC)
    taken = frozenset(taken_by)
    return Due(kind, subject, state == "over", Severity(severity), title, body, link, begun, ended, taken)


def forget_old(connection: Connection, now: datetime) -> None:
    """Forget messages, silences and ended alerts that nobody asks for any more."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM ops.alert_messages WHERE sent_at < %s", (now - KEPT,))
        cursor.execute("DELETE FROM ops.alert_silences WHERE until < %s", (now - KEPT,))
        cursor.execute("DELETE FROM ops.alerts WHERE state = 'over' AND over_at < %s", (now - KEPT,))
